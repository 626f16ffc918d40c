"""Every option of the commands, declared once: name, type, default, limits, help, what a resumed sweep remembers."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sweeps.core.challenge import Challenge
from sweeps.core.kinds import ADAPTIVE, AT_RANDOM, EVEN, TPE
from sweeps.core.seeds import MOST_SEARCH_SEED, MOST_SEEDS
from sweeps.inputs.image_folders import SIZES_PX
from sweeps.inputs.medmnist_sets import MEDMNIST
from sweeps.run.option_types import (
    named_source,
    non_empty,
    one_number_of,
    one_of,
    seconds,
    setting,
    sweep_name,
    whole_number,
)
from sweeps.store.spec import BALANCED_ACCURACY, RANKED_BY, OptionValue
from trainables.parts.datasets import OTHER_PHANTOMS
from trainables.parts.image_sets import PRECISIONS
from trainables.parts.protocol import MOST_POOL, STUDY_SHOTS, STUDY_VALIDATION

# The variable of the environment that says where results go; jobs of a cluster have it from the machine they run on.
RESULTS_VARIABLE = "SEEDSWEEP_RESULTS_DIR"
RESULTS = "results"
# More than any cluster of Ray has CPUs.
MOST_WORKERS = 100_000


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What the command line, the resume command and a resumed sweep need to know of an option.

    Attributes:
        help: What it does; a function of the challenge where that makes a difference.
        read: Reads one value; None is an option without a value.
        metavar: What stands for the value in the help.
        takes_many: Whether it takes several values.
        adds_up: Whether giving it again adds values instead of replacing them.
        default_help: The default in words, where it is not the value itself.
        is_remembered: Whether a resumed sweep has it from its last start, unless it is given anew.
        is_repeated: Whether the command that resumes a sweep has to give it again.
        words: Where the value (or what stands behind `NAME=` in it) may be a path, the values that are none.
        smoke: What `--smoke` takes instead of the default; None is the default.
    """

    help: str | Callable[[Challenge], str]
    read: Callable[[str], OptionValue] | None = None
    metavar: str | None = None
    takes_many: bool = False
    adds_up: bool = False
    default_help: str | None = None
    is_remembered: bool = False
    is_repeated: bool = False
    words: tuple[str, ...] = ()
    smoke: OptionValue = None


def _option(default: Any, help: str | Callable[[Challenge], str], **more: Any) -> Any:
    declaration = Declaration(help=help, **more)
    if callable(default):
        return field(default_factory=default, metadata={"option": declaration})
    return field(default=default, metadata={"option": declaration})


def _approaches_help(challenge: Challenge) -> str:
    always = ", the plain baseline always among them" if any(each.is_baseline for each in challenge.approaches) else ""
    but = "" if all(each.is_default for each in challenge.approaches) else ' but those that --list calls "on demand"'
    return f"approaches to compare{always}, or all (default: all{but})"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every command that runs approaches can be asked for."""

    approaches: tuple[str, ...] = _option(
        (), _approaches_help, read=str, metavar="NAME", takes_many=True, default_help="", is_remembered=True
    )
    dataset: str = _option(
        "auto",
        "a folder with a sub-folder of images for each class (or train and test above them), an .npz file of "
        "MedMNIST's form, a MedMNIST set by its name (flat images with one label each, such as pneumoniamnist), "
        "phantom (synthetic images), or auto: PneumoniaMNIST if it is here or can be downloaded, else the phantom with "
        "a notice",
        read=non_empty,
        metavar="WHAT",
        is_remembered=True,
        words=("auto", "phantom", *MEDMNIST),
        smoke="phantom",
    )
    size: int | None = _option(
        None,
        "pixels of the images' sides: which of MedMNIST's files, or what images are reduced to (in a folder smaller "
        "ones are enlarged), "
        f"{', '.join(map(str, SIZES_PX))}",
        read=one_number_of(*SIZES_PX),
        metavar="N",
        default_help="28 of MedMNIST, of a folder the largest that enlarges none, else as they are",
        is_remembered=True,
    )
    shots: tuple[int, ...] = _option(
        (STUDY_SHOTS,),
        "images of each class that a seed learns from, or a number for each class in their order",
        read=whole_number(1, MOST_POOL - 1),
        metavar="N",
        takes_many=True,
        default_help=str(STUDY_SHOTS),
        is_remembered=True,
    )
    validation: int | None = _option(
        None,
        "images of each class that a seed of the search is scored on, fewer if there are fewer; fresh seeds are then "
        "scored on all that are left",
        read=whole_number(1, MOST_POOL - 1),
        metavar="N",
        default_help=f"{STUDY_VALIDATION}, also for fresh seeds",
        is_remembered=True,
    )
    group_by: str | None = _option(
        None,
        "whose image each is, so that nobody's images stand on two sides of a split: a CSV file with the columns file "
        "and group (for an .npz file row and group), or a regular expression with one group over file names, such as "
        "'(person[0-9]+)_'",
        read=non_empty,
        metavar="HOW",
        default_help="every image counts as a person of its own",
        is_remembered=True,
    )
    weights: str = _option(
        "auto",
        "(not in challenge 1) imagenet, random, the path of a state dict (or a folder of <backbone>.pth or "
        ".safetensors), or auto: ImageNet's (of timm's networks those that timm publishes) if they are here or can be "
        "downloaded, else random with a notice",
        read=non_empty,
        metavar="WHAT",
        is_remembered=True,
        words=("auto", "imagenet", "random"),
        smoke="random",
    )
    also: tuple[str, ...] = _option(
        (),
        "(not in challenge 1) other images that an approach learns from: breastmnist=WHAT, for triplet and "
        "cnn_transfer; WHAT is the name of a MedMNIST set, a path, phantom (synthetic images), or auto: BreastMNIST if "
        "it is here or can be downloaded, else (or with --dataset phantom) the phantom",
        read=named_source(*OTHER_PHANTOMS),
        metavar="NAME=WHAT",
        takes_many=True,
        adds_up=True,
        default_help=", ".join(f"{name}=auto" for name in OTHER_PHANTOMS),
        is_remembered=True,
        words=("auto", "phantom", *MEDMNIST),
        smoke=tuple(f"{name}=phantom" for name in OTHER_PHANTOMS),
    )
    precision: str = _option(
        "auto",
        f"what frozen backbones, and ResNets of 64 channels from scratch, compute in: {', '.join(PRECISIONS)}, or "
        "auto: bfloat16 where this processor computes in it, in half to three quarters of the time",
        read=one_of("auto", *PRECISIONS),
        metavar="WHAT",
        is_remembered=True,
    )
    name: str = _option(
        "",
        "name of the sweep and of its folder",
        read=sweep_name,
        metavar="NAME",
        default_help="the command's name, date and time",
    )
    resume: str = _option(
        "",
        "go on with the sweep of that name, with its options but those that say where and how long it runs; options "
        "that are given anew replace the old ones: more configurations or fresh seeds extend it",
        read=sweep_name,
        metavar="NAME",
        default_help="",
    )
    results_dir: str = _option(
        lambda: os.environ.get(RESULTS_VARIABLE) or RESULTS,
        "folder of all sweeps' folders",
        read=non_empty,
        metavar="PATH",
        default_help=f"{RESULTS_VARIABLE}, else {RESULTS}",
        is_repeated=True,
    )
    tracking_uri: str | None = _option(
        None,
        "MLflow's store or server",
        read=non_empty,
        metavar="URI",
        default_help="MLFLOW_TRACKING_URI, else sqlite:///mlflow.db, which `mlflow ui` finds",
        is_remembered=True,
    )
    address: str | None = _option(
        None,
        "a Ray cluster's host:port, or auto",
        read=non_empty,
        metavar="HOST:PORT",
        default_help="RAY_ADDRESS, else this machine alone",
        is_repeated=True,
    )
    workers: int | None = _option(
        None,
        "trials at the same time, one CPU each",
        read=whole_number(1, MOST_WORKERS),
        metavar="N",
        default_help="all CPUs that this process may use, or that the cluster has or may grow to",
        is_repeated=True,
    )
    seed_timeout: float = _option(
        600.0,
        "stop a worker that has needed longer for one seed, and fail its configuration",
        read=seconds,
        metavar="TIME",
        default_help="10m",
        is_repeated=True,
    )
    dry_run: bool = _option(False, "print the plan and stop")
    list: bool = _option(False, "say what each approach is and stop")
    smoke: bool = _option(False, "everything tiny, a minute or two: does it work here?", is_remembered=True)


@dataclass(frozen=True, kw_only=True)
class SweepOptions(Options):
    """What a sweep can be asked for."""

    num_samples: int = _option(
        20, "configurations of each approach", read=whole_number(1), metavar="N", is_remembered=True, smoke=2
    )
    seeds: int = _option(
        10,
        "seeds of each configuration",
        read=whole_number(1, MOST_SEEDS),
        metavar="N",
        is_remembered=True,
        smoke=2,
    )
    set: tuple[str, ...] = _option(
        (),
        "a parameter's value, or what is left of its range or choices, for every approach (but the baseline) that has "
        "it, or for one: dropout=0.3, learning_rate=1e-4..1e-2, cnn.blocks=2,3",
        read=setting,
        metavar="[APPROACH.]NAME=WHAT",
        takes_many=True,
        adds_up=True,
        default_help="the spaces as they are",
        is_remembered=True,
    )
    sampler: str = _option(
        AT_RANDOM,
        f"{AT_RANDOM}: Optuna draws each configuration by itself; {TPE}: after ten of them, near those that were good, "
        "which with 50 in all was shown to find better ones in as much time for one approach of nine",
        read=one_of(AT_RANDOM, TPE),
        metavar=f"{AT_RANDOM}|{TPE}",
        is_remembered=True,
    )
    allocation: str = _option(
        EVEN,
        f"{EVEN}: each approach gets --num-samples configurations; {ADAPTIVE}: that is the most, and approaches whose "
        "best is behind after 8, 16, 32, ... get no more, which finds the best approach in about half of the time and "
        "knows less of the others",
        read=one_of(EVEN, ADAPTIVE),
        metavar=f"{EVEN}|{ADAPTIVE}",
        is_remembered=True,
    )
    finalists: int = _option(
        3,
        "configurations of each approach, the best ones by those seeds, that meet as many further ones, before the "
        "best by all of them is confirmed; 1 is none",
        read=whole_number(1),
        metavar="N",
        is_remembered=True,
    )
    confirm_seeds: int = _option(
        50,
        "fresh seeds for each approach's best configuration",
        read=whole_number(1, MOST_SEEDS),
        metavar="N",
        is_remembered=True,
        smoke=3,
    )
    shot_curve: tuple[int, ...] = _option(
        (),
        "numbers of training images a class, such as 1 2 5 10 20: after the confirmation each approach's best "
        "configuration learns from so many too, on the same fresh seeds",
        read=whole_number(1, MOST_POOL - 1),
        metavar="SHOTS",
        takes_many=True,
        default_help="none",
        is_remembered=True,
    )
    metric: str = _option(
        BALANCED_ACCURACY,
        f"what ranks configurations and approaches, and what racing looks at: {' or '.join(RANKED_BY)}; every metric "
        "is recorded",
        read=one_of(*RANKED_BY),
        metavar="METRIC",
        is_remembered=True,
    )
    backbone: str | None = _option(
        None,
        "(challenge 2 only) a network of timm by its name there, such as resnet18; adds timm_backbone, which puts "
        "heads on it, to the approaches",
        read=non_empty,
        metavar="NAME",
        default_help="none",
        is_remembered=True,
    )
    robustness: str = _option(
        "on",
        "on or off: beside its confirmation each approach's best configuration is also scored on test images that are "
        "changed as other scanners and files change them",
        read=one_of("on", "off"),
        metavar="on|off",
        is_remembered=True,
    )
    time_budget: float | None = _option(
        None,
        "after e.g. 90s, 20m or 1.5h (a number alone is seconds) start no more configurations; those that run and "
        "the confirmation still finish; --resume does not remember it",
        read=seconds,
        metavar="TIME",
        default_help="none",
    )
    open: bool = _option(False, "open the report in the browser when the command has ended")
    search_seed: int = _option(
        0,
        "number that says on which block of seeds the search runs, and that starts its own random draws",
        read=whole_number(0, MOST_SEARCH_SEED),
        metavar="N",
        is_remembered=True,
    )


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions(Options):
    """What the reproduction of the study's numbers can be asked for."""

    sweep: tuple[str, ...] = _option(
        (),
        "folders of sweeps, such as results/NAME, whose confirmed results get a column of their own; of an approach "
        "that several have, the first one's",
        read=non_empty,
        metavar="PATH",
        takes_many=True,
        adds_up=True,
        default_help="none",
        is_repeated=True,
    )


AnyOptions = TypeVar("AnyOptions", bound=Options)


def declarations(kind: type[Options]) -> dict[str, Declaration]:
    """Every option of a command by its name: those of its own first, then those that all commands have."""
    common = {each.name for each in dataclasses.fields(Options)}
    ordered = sorted(dataclasses.fields(kind), key=lambda each: each.name in common)
    return {each.name: each.metadata["option"] for each in ordered}


def flag(name: str) -> str:
    """An option's name on the command line."""
    return f"--{name.replace('_', '-')}"


def add_places(parser: argparse.ArgumentParser) -> None:
    """Options of a command that trains again what a sweep did: where images and weights are, if not where they were."""
    declared = declarations(SweepOptions)
    for name, what in (
        ("dataset", "the images"),
        ("group_by", "groups"),
        ("weights", "the weights"),
        ("also", "other images"),
    ):
        option = declared[name]
        more: dict[str, Any] = {"nargs": "+", "action": "extend"} if option.adds_up else {}
        about = f"where {what} are, if not where they were"
        parser.add_argument(flag(name), type=option.read or str, metavar=option.metavar, help=about, **more)
