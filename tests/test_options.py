import functools
import json
import re
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import pretended
from sweeps.challenge1 import CHALLENGE
from sweeps.core.challenge import Challenge
from sweeps.core.errors import BadInput
from sweeps.run.command_line import as_remembered as as_remembered_with
from sweeps.run.command_line import complete as complete_any
from sweeps.run.command_line import parse, parser, resume_command
from sweeps.run.options import ReproduceOptions, SweepOptions, declarations, flag
from sweeps.store.spec import OptionValue
from sweeps.views.listing import listing

NAMES = tuple(approach.name for approach in CHALLENGE.approaches)
complete = functools.partial(complete_any, kind=SweepOptions)
as_remembered = functools.partial(as_remembered_with, found={})
DECLARED = declarations(SweepOptions)
REMEMBERED = [name for name, declared in DECLARED.items() if declared.is_remembered]
SMOKE = {name: declared.smoke for name, declared in DECLARED.items() if declared.smoke is not None}

FLAGS = [
    "--num-samples",
    "--seeds",
    "--set",
    "--sampler",
    "--allocation",
    "--finalists",
    "--confirm-seeds",
    "--shot-curve",
    "--metric",
    "--backbone",
    "--robustness",
    "--time-budget",
    "--open",
    "--search-seed",
    "--approaches",
    "--dataset",
    "--size",
    "--shots",
    "--validation",
    "--group-by",
    "--weights",
    "--also",
    "--precision",
    "--name",
    "--resume",
    "--results-dir",
    "--tracking-uri",
    "--address",
    "--workers",
    "--seed-timeout",
    "--dry-run",
    "--list",
    "--smoke",
]


def test_the_flags_are_these_and_no_others():
    assert re.findall(r"\[(--[a-z-]+)", parser(CHALLENGE).format_usage()) == FLAGS


def test_every_flag_is_a_field_of_the_options():
    assert {name[2:].replace("-", "_") for name in FLAGS} == {field.name for field in fields(SweepOptions)}


def test_a_command_without_a_search_has_no_flags_of_one():
    found = re.findall(r"\[(--[a-z-]+)", parser(CHALLENGE, ReproduceOptions).format_usage())
    of_a_search = set(FLAGS[: FLAGS.index("--search-seed") + 1])
    assert set(found) == {*FLAGS, "--sweep"} - of_a_search
    with pytest.raises(BadInput, match="--seeds"):
        parse(CHALLENGE, ["--seeds", "5"], ReproduceOptions)


def test_what_only_a_search_has_is_not_remembered_without_one():
    options = complete_any(CHALLENGE, {"smoke": True, "sweep": ("a", "b")}, {}, ReproduceOptions)
    assert options == ReproduceOptions(
        smoke=True,
        sweep=("a", "b"),
        dataset="phantom",
        weights="random",
        also=("breastmnist=phantom",),
        approaches=NAMES,
    )
    assert "seeds" not in as_remembered(options)


def test_help_names_every_flag_and_its_default(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(CHALLENGE, ["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(name in text for name in FLAGS)
    assert "()" not in text
    assert text.count("(default:") == len(re.findall(r"default:", text))
    for field in (
        "num_samples",
        "seeds",
        "confirm_seeds",
        "dataset",
        "weights",
        "precision",
        "search_seed",
    ):
        _, described = re.split(rf" --{field.replace('_', '-')} [A-Z]", text)
        assert re.search(r"\(default: (.*?)\)", described)[1] == str(getattr(SweepOptions(), field)), field


def test_results_go_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_RESULTS_DIR", "/shared/results")
    assert complete(CHALLENGE, {}, {}).results_dir == "/shared/results"
    assert complete(CHALLENGE, {"results_dir": "here"}, {}).results_dir == "here"


def test_nothing_given_is_the_defaults_with_all_approaches():
    assert complete(CHALLENGE, {}, {}) == SweepOptions(approaches=NAMES)


def test_defaults_are_as_documented():
    assert asdict(SweepOptions()) == {
        "num_samples": 20,
        "sampler": "random",
        "allocation": "even",
        "approaches": (),
        "seeds": 10,
        "finalists": 3,
        "confirm_seeds": 50,
        "metric": "balanced_accuracy",
        "dataset": "auto",
        "size": None,
        "shots": (5,),
        "validation": None,
        "group_by": None,
        "weights": "auto",
        "also": (),
        "precision": "auto",
        "name": "",
        "resume": "",
        "results_dir": "results",
        "tracking_uri": None,
        "address": None,
        "workers": None,
        "seed_timeout": 600.0,
        "shot_curve": (),
        "backbone": None,
        "robustness": "on",
        "time_budget": None,
        "search_seed": 0,
        "set": (),
        "dry_run": False,
        "open": False,
        "list": False,
        "smoke": False,
    }


def test_smoke_is_tiny_and_needs_no_download():
    options = complete(CHALLENGE, {"smoke": True}, {})
    assert {key: getattr(options, key) for key in SMOKE} == SMOKE
    assert (options.dataset, options.weights, options.also) == ("phantom", "random", ("breastmnist=phantom",))
    assert options.approaches == NAMES


def test_what_is_given_beats_smoke():
    assert complete(CHALLENGE, {"smoke": True, "seeds": 7, "dataset": "auto"}, {}) == SweepOptions(
        **{**SMOKE, "smoke": True, "seeds": 7, "dataset": "auto", "approaches": NAMES}
    )


FIRST = SweepOptions(
    num_samples=3,
    sampler="tpe",
    allocation="adaptive",
    approaches=NAMES[:2],
    seeds=4,
    set=("steps=50", "x.dropout=0..0.1"),
    confirm_seeds=5,
    metric="auroc",
    dataset="phantom",
    size=64,
    shots=(2, 8),
    validation=10,
    group_by="(a)",
    weights="random",
    also=("breastmnist=phantom",),
    precision="float32",
    tracking_uri="sqlite:///elsewhere.db",
    search_seed=9,
    shot_curve=(1, 20),
    robustness="off",
    backbone="resnet18",
    name="first",
    workers=1,
    time_budget=60.0,
    address="head:6379",
    results_dir="elsewhere",
    dry_run=True,
)


def through_the_journal(options):
    return TypeAdapter(dict[str, OptionValue]).validate_json(json.dumps(as_remembered(options)))


def test_a_resumed_sweep_has_what_it_had():
    resumed = complete(CHALLENGE, {"resume": "first"}, through_the_journal(FIRST))
    assert resumed == SweepOptions(resume="first", **{key: getattr(FIRST, key) for key in REMEMBERED})


def test_what_belongs_to_one_start_only_is_not_remembered():
    once = {
        "name",
        "resume",
        "results_dir",
        "address",
        "workers",
        "seed_timeout",
        "time_budget",
        "dry_run",
        "open",
        "list",
    }
    assert set(through_the_journal(FIRST)) == {field.name for field in fields(SweepOptions)} - once
    assert complete(CHALLENGE, {}, asdict(FIRST)).workers is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_samples", 30),
        ("sampler", "random"),
        ("allocation", "even"),
        ("approaches", (NAMES[0], NAMES[2])),
        ("seeds", 6),
        ("tracking_uri", "x"),
    ],
)
def test_what_is_given_anew_beats_what_is_remembered(field, value):
    resumed = complete(CHALLENGE, {"resume": "first", field: value}, through_the_journal(FIRST))
    kept = complete(CHALLENGE, {"resume": "first"}, through_the_journal(FIRST))
    assert resumed == replace(kept, **{field: value})


def test_a_resumed_smoke_is_still_one_and_keeps_what_was_given():
    smoke = complete(CHALLENGE, {"smoke": True, "seeds": 1}, {})
    resumed = complete(CHALLENGE, {"resume": "tiny"}, through_the_journal(smoke))
    assert resumed == replace(smoke, resume="tiny")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("dataset", ["auto", "pneumoniamnist", "bloodmnist", "phantom"]),
        ("weights", ["auto", "imagenet", "random"]),
    ],
)
def test_a_relative_path_is_remembered_as_absolute_and_a_word_as_it_is(tmp_path, monkeypatch, field, words):
    monkeypatch.chdir(tmp_path)
    assert as_remembered(SweepOptions(**{field: "here.file"}))[field] == str(tmp_path.resolve() / "here.file")
    assert as_remembered(SweepOptions(**{field: "~/here.file"}))[field] == str(Path.home().resolve() / "here.file")
    assert [as_remembered(SweepOptions(**{field: word}))[field] for word in words] == words


def test_of_other_images_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = SweepOptions(also=("breastmnist=here.file", "x=auto"))
    assert as_remembered(options)["also"] == (f"breastmnist={tmp_path.resolve() / 'here.file'}", "x=auto")


PARTLY = Challenge(
    name="partly",
    title="Some run by default, some on demand",
    approaches=tuple(
        replace(pretended.approach(name), is_default=is_default)
        for name, is_default in (("a", True), ("b", False), ("c", True))
    ),
)


@pytest.mark.parametrize(
    ("arguments", "approaches"),
    [
        ([], ("a", "c")),
        (["--smoke"], ("a", "c")),
        (["--approaches", "all"], ("a", "b", "c")),
        (["--approaches", "b"], ("b",)),
        (["--approaches", "c,b"], ("b", "c")),
    ],
    ids=" ".join,
)
def test_approaches_on_demand_run_only_if_they_are_asked_for(arguments, approaches):
    assert complete(PARTLY, parse(PARTLY, arguments), {}).approaches == approaches


ANY = replace(PARTLY, approaches=(*PARTLY.approaches, replace(PARTLY.approaches[1], name="d", on_backbone=type)))


@pytest.mark.parametrize(
    ("arguments", "approaches"),
    [
        ([], ("a", "c")),
        (["--approaches", "all"], ("a", "b", "c")),
        (["--backbone", "x"], ("a", "c", "d")),
        (["--backbone", "x", "--approaches", "all"], ("a", "b", "c", "d")),
        (["--backbone", "x", "--approaches", "b"], ("b", "d")),
        (["--backbone", "x", "--approaches", "d"], ("d",)),
    ],
    ids=" ".join,
)
def test_a_backbone_brings_the_approach_that_is_on_it(arguments, approaches):
    assert complete(ANY, parse(ANY, arguments), {}).approaches == approaches


def test_a_resumed_sweep_keeps_its_backbone_and_may_leave_out_what_is_on_it():
    first = through_the_journal(complete(ANY, parse(ANY, ["--backbone", "x"]), {}))
    again = complete(ANY, parse(ANY, ["--resume", "first"]), first)
    assert (again.backbone, again.approaches) == ("x", ("a", "c", "d"))
    again = complete(ANY, parse(ANY, ["--resume", "first", "--approaches", "a"]), first)
    assert (again.backbone, again.approaches) == ("x", ("a",))
    again = complete(ANY, parse(ANY, ["--resume", "first", "--approaches", "all"]), first)
    assert again.approaches == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("challenge", "arguments", "says"),
    [
        (ANY, ["--approaches", "d"], "Expected a network of timm with d; got none."),
        (CHALLENGE, ["--backbone", "x"], "Expected no --backbone, since no approach of challenge1 takes any"),
    ],
)
def test_a_backbone_and_the_approach_on_it_go_together(challenge, arguments, says):
    with pytest.raises(BadInput, match=says):
        complete(challenge, parse(challenge, arguments), {})


def test_a_resumed_sweep_keeps_its_approaches_on_demand():
    first = complete(PARTLY, parse(PARTLY, ["--approaches", "b"]), {})
    assert complete(PARTLY, parse(PARTLY, ["--resume", "first"]), through_the_journal(first)).approaches == ("b",)


def test_the_list_shows_all_approaches_and_marks_those_on_demand():
    lines = [line.partition(": ")[0] for line in listing(PARTLY).splitlines() if "Trained by nobody." in line]
    assert lines == ["a", "b (on demand)", "c"]


def test_the_plain_baseline_is_in_every_sweep():
    assert complete(CHALLENGE, {"approaches": NAMES[2:3]}, {}).approaches == (NAMES[0], NAMES[2])
    assert [each.is_baseline for each in CHALLENGE.named([NAMES[0]])] == [True]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shots", (0,)),
        ("shots", ("5",)),
        ("shots", 5),
        ("also", ("x=y",)),
        ("size", 30),
        ("seeds", -1),
        ("seeds", "ten"),
        ("seeds", None),
        ("seeds", True),
        ("precision", "float16"),
        ("smoke", "yes"),
    ],
)
def test_a_remembered_value_that_no_command_could_have_given_is_refused(name, value):
    remembered = {**through_the_journal(FIRST), name: value}
    with pytest.raises(BadInput) as caught:
        complete(CHALLENGE, {"resume": "first"}, remembered)
    assert flag(name) in str(caught.value)
    assert repr(value) in str(caught.value)


def test_the_resume_command_repeats_what_is_not_remembered_and_not_the_default():
    options = SweepOptions(
        name="a", num_samples=7, address="head:6379", workers=2, seed_timeout=90.5, results_dir="my results"
    )
    assert resume_command(CHALLENGE, options, "a") == (
        "python sweeps/challenge1.py --results-dir 'my results' --address head:6379 --workers 2 --seed-timeout 90.5s "
        "--resume a"
    )
    assert resume_command(CHALLENGE, SweepOptions(), "a") == "python sweeps/challenge1.py --resume a"
    beside = ReproduceOptions(sweep=("results/a b", "results/c"))
    assert resume_command(CHALLENGE, beside, "x").endswith("--sweep 'results/a b' results/c --resume x")
    again = parse(CHALLENGE, shlex.split(resume_command(CHALLENGE, options, "a"))[2:])
    assert again == {
        "results_dir": "my results",
        "address": "head:6379",
        "workers": 2,
        "seed_timeout": 90.5,
        "resume": "a",
    }
