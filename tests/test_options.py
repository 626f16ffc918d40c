import functools
import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

import pretended
from sweeps.agenda import MOST_SEEDS
from sweeps.answer import listing
from sweeps.challenge import Challenge
from sweeps.challenge1 import CHALLENGE
from sweeps.options import REMEMBERED, SMOKE, ReportedOptions, SweepOptions, as_remembered, parse, parser
from sweeps.options import complete as complete_any
from sweeps.record import BadInput

NAMES = tuple(approach.name for approach in CHALLENGE.approaches)
complete = functools.partial(complete_any, kind=SweepOptions)

FLAGS = [
    "--num-samples",
    "--approaches",
    "--seeds",
    "--confirm-seeds",
    "--dataset",
    "--weights",
    "--breastmnist",
    "--precision",
    "--name",
    "--resume",
    "--results-dir",
    "--tracking-uri",
    "--address",
    "--workers",
    "--seed-timeout",
    "--time-budget",
    "--search-seed",
    "--dry-run",
    "--list",
    "--smoke",
]


def test_the_flags_are_these_and_no_others():
    assert re.findall(r"\[(--[a-z-]+)", parser(CHALLENGE).format_usage()) == FLAGS


def test_every_flag_is_a_field_of_the_options():
    assert {flag[2:].replace("-", "_") for flag in FLAGS} == {field.name for field in fields(SweepOptions)}


def test_a_command_without_a_search_has_no_flags_of_one():
    found = re.findall(r"\[(--[a-z-]+)", parser(CHALLENGE, ReportedOptions).format_usage())
    of_a_search = {"--num-samples", "--seeds", "--confirm-seeds", "--time-budget", "--search-seed"}
    assert set(found) == {*FLAGS, "--sweep"} - of_a_search
    assert "num-samples" not in parser(CHALLENGE, ReportedOptions).format_help()
    with pytest.raises(BadInput, match="--seeds"):
        parse(CHALLENGE, ["--seeds", "5"], ReportedOptions)


def test_what_only_a_search_has_is_not_remembered_without_one():
    options = complete_any(CHALLENGE, {"smoke": True, "sweep": ["a", "b"]}, {}, ReportedOptions)
    assert options == ReportedOptions(
        smoke=True, sweep=("a", "b"), dataset="phantom", weights="random", breastmnist="phantom", approaches=NAMES
    )
    assert "seeds" not in as_remembered(options)


GOOD = [
    (["--num-samples", "50"], "num_samples", 50),
    (["--num-samples=1"], "num_samples", 1),
    (["--approaches", NAMES[1], NAMES[0]], "approaches", NAMES[:2]),
    (["--approaches", f"{NAMES[1]},{NAMES[0]}"], "approaches", NAMES[:2]),
    (["--approaches", NAMES[0], NAMES[0]], "approaches", NAMES[:1]),
    (["--approaches", "all"], "approaches", NAMES),
    (["--seeds", "1"], "seeds", 1),
    (["--seeds", str(MOST_SEEDS)], "seeds", MOST_SEEDS),
    (["--confirm-seeds", "50"], "confirm_seeds", 50),
    (["--dataset", "phantom"], "dataset", "phantom"),
    (["--dataset", "my images/x.npz"], "dataset", "my images/x.npz"),
    (["--weights", "imagenet"], "weights", "imagenet"),
    (["--breastmnist", "my images/x.npz"], "breastmnist", "my images/x.npz"),
    (["--precision", "float32"], "precision", "float32"),
    (["--name", "first-try_2.b"], "name", "first-try_2.b"),
    (["--name", "x" * 100], "name", "x" * 100),
    (["--resume", "first-try"], "resume", "first-try"),
    (["--results-dir", "elsewhere"], "results_dir", "elsewhere"),
    (["--tracking-uri", "sqlite:///x.db"], "tracking_uri", "sqlite:///x.db"),
    (["--address", "head:6379"], "address", "head:6379"),
    (["--workers", "3"], "workers", 3),
    (["--seed-timeout", "2m"], "seed_timeout", 120),
    (["--time-budget", "90"], "time_budget", 90),
    (["--time-budget", "90s"], "time_budget", 90),
    (["--time-budget", "20m"], "time_budget", 1200),
    (["--time-budget", "1.5h"], "time_budget", 5400),
    (["--search-seed", "0"], "search_seed", 0),
    (["--search-seed", str(2**32 - 1)], "search_seed", 2**32 - 1),
    (["--dry-run"], "dry_run", True),
    (["--list"], "list", True),
    (["--smoke"], "smoke", True),
]


@pytest.mark.parametrize(("arguments", "field", "value"), GOOD, ids=lambda part: str(part)[:40])
def test_option_parses(arguments, field, value):
    assert parse(CHALLENGE, arguments) == {field: value}


def test_every_option_is_in_that_table():
    assert {field for _, field, _ in GOOD} == {field.name for field in fields(SweepOptions)}


def test_what_is_not_given_is_not_there():
    assert parse(CHALLENGE, []) == {}


BAD = [
    (["--num-samples", "0"], "at least 1; got '0'"),
    (["--num-samples", "-1"], "at least 1; got '-1'"),
    (["--num-samples", "1.5"], "got '1.5'"),
    (["--num-samples", "1e3"], "got '1e3'"),
    (["--num-samples", "many"], "got 'many'"),
    (["--num-samples", "1_000"], "got '1_000'"),
    (["--num-samples", " 5"], "got ' 5'"),
    (["--num-samples", "nan"], "got 'nan'"),
    (["--num-samples", "²"], "got '²'"),
    (["--num-samples", "9" * 5000], "at least 1"),
    (["--num-samples", ""], "got ''"),
    (["--num-samples"], "--num-samples"),
    (["--seeds", "0"], f"from 1 to {MOST_SEEDS}; got '0'"),
    (["--seeds", str(MOST_SEEDS + 1)], f"from 1 to {MOST_SEEDS}"),
    (["--confirm-seeds", "0"], f"from 1 to {MOST_SEEDS}; got '0'"),
    (["--confirm-seeds", str(MOST_SEEDS + 1)], f"from 1 to {MOST_SEEDS}"),
    (["--search-seed", "-1"], "from 0 to 4294967295; got '-1'"),
    (["--search-seed", str(2**32)], "from 0 to 4294967295"),
    (["--workers", "0"], "from 1 to 100000; got '0'"),
    (["--workers", "auto"], "got 'auto'"),
    (["--workers", "100001"], "from 1 to 100000"),
    (["--name", "features"], "features are kept under 'features'"),
    (["--time-budget", "0"], "got '0'"),
    (["--time-budget", "0.0h"], "got '0.0h'"),
    (["--time-budget", "-5"], "got '-5'"),
    (["--time-budget", "soon"], "got 'soon'"),
    (["--time-budget", "2d"], "got '2d'"),
    (["--time-budget", "1h30m"], "got '1h30m'"),
    (["--time-budget", "inf"], "got 'inf'"),
    (["--time-budget", "nan"], "got 'nan'"),
    (["--time-budget", "1e3"], "got '1e3'"),
    (["--name", ""], "got ''"),
    (["--name", "a/b"], "got 'a/b'"),
    (["--name", "../up"], "got '../up'"),
    (["--name", ".."], "got '..'"),
    (["--name", ".hidden"], "got '.hidden'"),
    (["--name", "two words"], "got 'two words'"),
    (["--name", "line\nbreak"], r"got 'line\nbreak'"),
    (["--name", "x\n"], r"got 'x\n'"),
    (["--name", "ünder"], "got 'ünder'"),
    (["--name", "x" * 101], "at most 100"),
    (["--resume", "../up"], "got '../up'"),
    (["--resume"], "--resume"),
    (["--name", "a", "--resume", "a"], "--resume"),
    (["--approaches"], "--approaches"),
    (["--approaches", ","], "got none"),
    (["--approaches", ""], "got none"),
    (["--approaches", "nothing"], "got 'nothing'"),
    (["--approaches", NAMES[0], "nothing"], "got 'nothing'"),
    (["--approaches", NAMES[0].upper()], f"got '{NAMES[0].upper()}'"),
    (["--approaches", "line\nbreak"], r"got 'line\nbreak'"),
    (["--dataset", ""], "got ''"),
    (["--dataset", " "], "got ' '"),
    (["--dataset", "a\0b"], r"got 'a\x00b'"),
    (["--weights", ""], "got ''"),
    (["--breastmnist", " "], "got ' '"),
    (["--precision", "float16"], "'float16'"),
    (["--results-dir", ""], "got ''"),
    (["--tracking-uri", ""], "got ''"),
    (["--address", " "], "got ' '"),
    (["--epochs", "5"], "--epochs"),
    (["--num", "5"], "--num"),
    (["--dry-run=yes"], "yes"),
    (["surprise"], "surprise"),
    (["-5"], "-5"),
    (["--line\nbreak"], "break"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=lambda part: repr(part)[:40])
def test_bad_input_is_answered_in_one_sentence(arguments, says):
    with pytest.raises(BadInput) as caught:
        parse(CHALLENGE, arguments)
    text = str(caught.value)
    assert says in text
    assert "\n" not in text
    assert text[0].isupper()
    assert text.endswith(".")


def test_all_and_a_name_are_not_refused_as_an_unknown_all():
    with pytest.raises(BadInput) as caught:
        parse(CHALLENGE, ["--approaches", "all", NAMES[0]])
    assert "or all; got 'all'" not in str(caught.value)


def test_bad_input_prints_nothing_by_itself(capsys):
    with pytest.raises(BadInput):
        parse(CHALLENGE, ["--seeds", "many"])
    assert capsys.readouterr() == ("", "")


def test_help_names_every_flag_and_its_default(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(CHALLENGE, ["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(flag in text for flag in FLAGS)
    for field in (
        "num_samples",
        "seeds",
        "confirm_seeds",
        "dataset",
        "weights",
        "breastmnist",
        "precision",
        "search_seed",
    ):
        described = text.split(f" --{field.replace('_', '-')} ")[-1]
        assert re.search(r"\(default: (.*?)\)", described)[1] == str(getattr(SweepOptions(), field))


def test_results_go_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_RESULTS_DIR", "/shared/results")
    assert complete(CHALLENGE, {}, {}).results_dir == "/shared/results"
    assert complete(CHALLENGE, {"results_dir": "here"}, {}).results_dir == "here"


def test_nothing_given_is_the_defaults_with_all_approaches():
    assert complete(CHALLENGE, {}, {}) == SweepOptions(approaches=NAMES)


def test_defaults_are_as_documented():
    assert asdict(SweepOptions()) == {
        "num_samples": 20,
        "approaches": (),
        "seeds": 10,
        "confirm_seeds": 50,
        "dataset": "auto",
        "weights": "auto",
        "breastmnist": "auto",
        "precision": "auto",
        "name": "",
        "resume": "",
        "results_dir": "results",
        "tracking_uri": None,
        "address": None,
        "workers": None,
        "seed_timeout": 600.0,
        "time_budget": None,
        "search_seed": 0,
        "dry_run": False,
        "list": False,
        "smoke": False,
    }


def test_smoke_is_tiny_and_needs_no_download():
    options = complete(CHALLENGE, {"smoke": True}, {})
    assert {key: getattr(options, key) for key in SMOKE} == SMOKE
    assert (options.dataset, options.weights, options.breastmnist) == ("phantom", "random", "phantom")
    assert options.approaches == NAMES


def test_what_is_given_beats_smoke():
    assert complete(CHALLENGE, {"smoke": True, "seeds": 7, "dataset": "auto"}, {}) == SweepOptions(
        **{**SMOKE, "smoke": True, "seeds": 7, "dataset": "auto", "approaches": NAMES}
    )


FIRST = SweepOptions(
    num_samples=3,
    approaches=NAMES[:2],
    seeds=4,
    confirm_seeds=5,
    dataset="phantom",
    weights="random",
    breastmnist="phantom",
    precision="float32",
    tracking_uri="sqlite:///elsewhere.db",
    search_seed=9,
    name="first",
    workers=1,
    time_budget=60.0,
    address="head:6379",
    results_dir="elsewhere",
    dry_run=True,
)


def through_the_record(options):
    return json.loads(json.dumps(as_remembered(options)))


def test_a_resumed_sweep_has_what_it_had():
    resumed = complete(CHALLENGE, {"resume": "first"}, through_the_record(FIRST))
    assert resumed == SweepOptions(resume="first", **{key: getattr(FIRST, key) for key in REMEMBERED})


def test_what_belongs_to_one_start_only_is_not_remembered():
    once = {"name", "resume", "results_dir", "address", "workers", "seed_timeout", "time_budget", "dry_run", "list"}
    assert set(through_the_record(FIRST)) == {field.name for field in fields(SweepOptions)} - once
    assert complete(CHALLENGE, {}, asdict(FIRST)).workers is None


@pytest.mark.parametrize(
    ("field", "value"), [("num_samples", 30), ("approaches", (NAMES[0], NAMES[2])), ("seeds", 6), ("tracking_uri", "x")]
)
def test_what_is_given_anew_beats_what_is_remembered(field, value):
    resumed = complete(CHALLENGE, {"resume": "first", field: value}, through_the_record(FIRST))
    kept = complete(CHALLENGE, {"resume": "first"}, through_the_record(FIRST))
    assert resumed == replace(kept, **{field: value})


def test_a_resumed_smoke_is_still_one_and_keeps_what_was_given():
    smoke = complete(CHALLENGE, {"smoke": True, "seeds": 1}, {})
    resumed = complete(CHALLENGE, {"resume": "tiny"}, through_the_record(smoke))
    assert resumed == replace(smoke, resume="tiny")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("dataset", ["auto", "pneumoniamnist", "phantom"]),
        ("weights", ["auto", "imagenet", "random"]),
        ("breastmnist", ["auto", "breastmnist", "phantom"]),
    ],
)
def test_a_relative_path_is_remembered_as_absolute_and_a_word_as_it_is(tmp_path, monkeypatch, field, words):
    monkeypatch.chdir(tmp_path)
    assert as_remembered(SweepOptions(**{field: "here.file"}))[field] == str(tmp_path.resolve() / "here.file")
    assert as_remembered(SweepOptions(**{field: "~/here.file"}))[field] == str(Path.home().resolve() / "here.file")
    assert [as_remembered(SweepOptions(**{field: word}))[field] for word in words] == words


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


def test_a_resumed_sweep_keeps_its_approaches_on_demand():
    first = complete(PARTLY, parse(PARTLY, ["--approaches", "b"]), {})
    assert complete(PARTLY, parse(PARTLY, ["--resume", "first"]), through_the_record(first)).approaches == ("b",)


def test_the_list_shows_all_approaches_and_marks_those_on_demand():
    lines = [line.partition(": ")[0] for line in listing(PARTLY).splitlines() if "Trained by nobody." in line]
    assert lines == ["a", "b (on demand)", "c"]


def test_the_plain_baseline_is_in_every_sweep():
    assert complete(CHALLENGE, {"approaches": NAMES[2:3]}, {}).approaches == (NAMES[0], NAMES[2])
    assert [each.is_baseline for each in CHALLENGE.named([NAMES[0]])] == [True]
