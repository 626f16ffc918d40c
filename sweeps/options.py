"""The command line: what can be asked for, checked before anything starts."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn, TypeVar

from sweeps.agenda import MOST_SEEDS
from sweeps.bad_input import BadInput, path_of
from sweeps.challenge import Challenge
from sweeps.features import FEATURES
from trainables.backbones import PRECISIONS

# The variable of the environment that says where results go; jobs of a cluster have it from the machine they run on.
RESULTS_VARIABLE = "SEEDSWEEP_RESULTS_DIR"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every command that runs approaches can be asked for; the defaults are those of the command line."""

    approaches: tuple[str, ...] = ()
    dataset: str = "auto"
    weights: str = "auto"
    breastmnist: str = "auto"
    precision: str = "auto"
    name: str = ""
    resume: str = ""
    results_dir: str = field(default_factory=lambda: os.environ.get(RESULTS_VARIABLE) or "results")
    tracking_uri: str | None = None
    address: str | None = None
    workers: int | None = None
    seed_timeout: float = 600.0
    dry_run: bool = False
    list: bool = False
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class SweepOptions(Options):
    """What a person asked for of a sweep."""

    num_samples: int = 20
    seeds: int = 10
    confirm_seeds: int = 50
    time_budget: float | None = None
    search_seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportedOptions(Options):
    """What a person asked for of the study's numbers beside ours."""

    # Folders of sweeps whose confirmed results stand beside them.
    sweep: tuple[str, ...] = ()


# More than any cluster of Ray has CPUs.
MOST_WORKERS = 100_000


# What a command asks for, as `parse` and `complete` are told.
AnyOptions = TypeVar("AnyOptions", bound=Options)


# What `--smoke` takes instead of the defaults.
SMOKE = {
    "num_samples": 2,
    "seeds": 2,
    "confirm_seeds": 3,
    "dataset": "phantom",
    "weights": "random",
    "breastmnist": "phantom",
}
# What a resumed sweep has from its last start, unless it is given anew.
REMEMBERED = (
    "num_samples",
    "approaches",
    "seeds",
    "confirm_seeds",
    "dataset",
    "weights",
    "breastmnist",
    "precision",
    "tracking_uri",
    "search_seed",
    "smoke",
)


class OneSentenceParser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        sentence = " ".join(message.split())
        raise BadInput(f"{sentence[0].upper()}{sentence[1:]}. `--help` shows all options.")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A type of option: a whole number within these limits."""
    wanted = f"a whole number from {least} to {most}" if most is not None else f"a whole number of at least {least}"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or int(text) < least or (most is not None and int(text) > most):
            raise argparse.ArgumentTypeError(f"expected {wanted}; got {text!r}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)(s|m|h|)", text)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 20m or 1.5h; got {text!r}")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _name(text: str) -> str:
    if text == FEATURES:
        raise argparse.ArgumentTypeError(f"expected another name, since features are kept under {text!r}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits and _ . - (at most 100); got {text!r}")
    return text


def non_empty(text: str) -> str:
    """A type of option: any text that could be a path or a name."""
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected something; got {text!r}")
    return text


def _names(kind: type[Options]) -> set[str]:
    return {field.name for field in fields(kind)}


def parser(challenge: Challenge, kind: type[Options] = SweepOptions) -> argparse.ArgumentParser:
    """The options of a challenge's command: those of `kind`. One that is not given is not in the result."""
    default = SweepOptions()
    parser = OneSentenceParser(
        prog=f"{challenge.name}.py",
        description=challenge.title,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    names = _names(kind)

    def add(flag: str, **how: Any) -> None:
        if flag.removeprefix("--").replace("-", "_") in names:
            parser.add_argument(flag, **how)

    whole = whole_number(1)
    but = "" if all(each.is_default for each in challenge.approaches) else ' but those that --list calls "on demand"'
    always = ", the plain baseline always among them" if any(each.is_baseline for each in challenge.approaches) else ""
    extend = "; with a larger --num-samples, extend it" if "num_samples" in names else ""
    add("--num-samples", metavar="N", type=whole, help=f"configurations an approach (default: {default.num_samples})")
    add(
        "--approaches",
        nargs="+",
        metavar="NAME",
        help=f"approaches to compare{always}, or all (default: all{but})",
    )
    add(
        "--seeds",
        metavar="N",
        type=whole_number(1, MOST_SEEDS),
        help=f"seeds a configuration (default: {default.seeds})",
    )
    add(
        "--confirm-seeds",
        metavar="N",
        type=whole_number(1, MOST_SEEDS),
        help=f"fresh seeds for each approach's best configuration (default: {default.confirm_seeds})",
    )
    add(
        "--dataset",
        metavar="WHAT",
        type=non_empty,
        help="pneumoniamnist, phantom (synthetic images), the path of an .npz file, or auto: PneumoniaMNIST if it is "
        f"here or can be downloaded, else the phantom with a notice (default: {default.dataset})",
    )
    add(
        "--weights",
        metavar="WHAT",
        type=non_empty,
        help="of challenge 2: imagenet, random, the path of a state dict (or a folder of <backbone>.pth), or auto: "
        f"ImageNet's if they are here or can be downloaded, else random with a notice (default: {default.weights})",
    )
    add(
        "--breastmnist",
        metavar="WHAT",
        type=non_empty,
        help="of challenge 2, what triplet may learn from beside its ten images: breastmnist, phantom (synthetic "
        "images), the path of an .npz file, or auto: BreastMNIST if it is here or can be downloaded, else (or with "
        f"--dataset phantom) the phantom (default: {default.breastmnist})",
    )
    add(
        "--precision",
        choices=("auto", *PRECISIONS),
        help="of challenge 2, what the backbones compute in; auto is bfloat16 where this processor has it, in half the "
        f"time (default: {default.precision})",
    )
    add(
        "--name",
        metavar="NAME",
        type=_name,
        help="name of the sweep and of its folder (default: challenge, date and time)",
    )
    add(
        "--resume",
        type=_name,
        metavar="NAME",
        help=f"go on with that sweep, with its options but those of where and how long it runs{extend}",
    )
    add(
        "--results-dir",
        metavar="PATH",
        type=non_empty,
        help=f"folder of all sweeps' folders (default: {RESULTS_VARIABLE}, else results)",
    )
    add(
        "--tracking-uri",
        metavar="URI",
        type=non_empty,
        help="MLflow's store or server (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db; `mlflow ui` finds it)",
    )
    add(
        "--address",
        metavar="HOST:PORT",
        type=non_empty,
        help="a Ray cluster's host:port, or auto (default: RAY_ADDRESS, else this machine alone)",
    )
    add(
        "--workers",
        metavar="N",
        type=whole_number(1, MOST_WORKERS),
        help="trials at the same time, one CPU each (default: all CPUs)",
    )
    add(
        "--seed-timeout",
        metavar="TIME",
        type=_seconds,
        help="end a worker that has needed longer for one seed, and fail its configuration (default: 10m)",
    )
    add(
        "--time-budget",
        metavar="TIME",
        type=_seconds,
        help="after e.g. 90s, 20m or 1.5h start no more configurations; those running and the confirmation still "
        "finish; --resume does not remember it (default: none)",
    )
    add(
        "--search-seed",
        metavar="N",
        type=whole_number(0, 2**32 - 1),
        help=f"seed of the search itself (default: {default.search_seed})",
    )
    add(
        "--sweep",
        nargs="+",
        action="extend",
        metavar="PATH",
        type=non_empty,
        help="folders of sweeps, such as results/NAME, whose confirmed results get a column of their own; of an "
        "approach that several have, the first one's (default: none)",
    )
    add("--dry-run", action="store_true", help="print the plan and stop")
    add("--list", action="store_true", help="say what each approach is and stop")
    add("--smoke", action="store_true", help="everything tiny, a minute or two: does it work here?")
    return parser


def parse(
    challenge: Challenge, arguments: Sequence[str] | None = None, kind: type[Options] = SweepOptions
) -> dict[str, Any]:
    """The options that were given, checked one by one.

    Raises:
        BadInput: One of them is not usable.
    """
    given = vars(parser(challenge, kind).parse_args(arguments))
    if "approaches" in given:
        given["approaches"] = _approaches(challenge, given["approaches"])
    if "name" in given and "resume" in given:
        raise BadInput("Expected --name for a new sweep or --resume for an old one; got both. Leave one away.")
    return given


def _approaches(challenge: Challenge, words: list[str]) -> tuple[str, ...]:
    names = [name for word in words for name in word.split(",") if name]
    if not names:
        raise BadInput("Expected --approaches with at least one name; got none. `--list` shows them.")
    if "all" in names and len(names) > 1:
        raise BadInput("Expected --approaches as names or as all; got both. Leave the names away.")
    try:
        chosen = challenge.approaches if names == ["all"] else challenge.named(names)
    except ValueError as error:
        raise BadInput(str(error)) from None
    return tuple(approach.name for approach in chosen)


def complete(
    challenge: Challenge, given: dict[str, Any], remembered: dict[str, Any], kind: type[AnyOptions]
) -> AnyOptions:
    """All options: as given, else as remembered from the sweep's last start, else the default.

    The challenge's plain baseline, if it has one, is always among the approaches.
    """
    everything = {"approaches": tuple(approach.name for approach in challenge.approaches if approach.is_default)}
    smoke = SMOKE if given.get("smoke") or remembered.get("smoke") else {}
    smoke = {key: value for key, value in smoke.items() if key in _names(kind)}
    kept = {key: value for key, value in remembered.items() if key in REMEMBERED}
    options: dict[str, Any] = {**everything, **smoke, **kept, **given}
    # JSON and the command line have lists.
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    options["approaches"] = challenge.compared(options["approaches"])
    return kind(**options)


def as_remembered(options: Options, **found: str) -> dict[str, Any]:
    """What the record keeps of the options, with what was found in the place of "auto" and of relative paths."""
    kept = {key: value for key, value in asdict(options).items() if key in REMEMBERED}
    for key, words in (
        ("dataset", ("auto", "pneumoniamnist", "phantom")),
        ("weights", ("auto", "imagenet", "random")),
        ("breastmnist", ("auto", "breastmnist", "phantom")),
    ):
        if kept[key] not in words:
            kept[key] = str(path_of(kept[key]).resolve())
    return {**kept, **found}
