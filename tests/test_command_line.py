"""Every option from the command line: what parses, and what is refused in one sentence."""

from dataclasses import fields

import pytest

from sweeps.challenge1 import CHALLENGE
from sweeps.core.errors import BadInput
from sweeps.core.seeds import MOST_SEEDS
from sweeps.run.command_line import parse, resume_command
from sweeps.run.options import RESULTS_VARIABLE, SweepOptions

NAMES = tuple(approach.name for approach in CHALLENGE.approaches)

GOOD = [
    (["--num-samples", "50"], "num_samples", 50),
    (["--num-samples=1"], "num_samples", 1),
    (["--approaches", NAMES[1], NAMES[0]], "approaches", NAMES[:2]),
    (["--approaches", f"{NAMES[1]},{NAMES[0]}"], "approaches", NAMES[:2]),
    (["--approaches", NAMES[0], NAMES[0]], "approaches", NAMES[:1]),
    # Which these are is known when it is known whether there is a backbone.
    (["--approaches", "all"], "approaches", ("all",)),
    (["--seeds", "1"], "seeds", 1),
    (["--seeds", str(MOST_SEEDS)], "seeds", MOST_SEEDS),
    (["--confirm-seeds", "50"], "confirm_seeds", 50),
    (["--finalists", "5"], "finalists", 5),
    (["--sampler", "tpe"], "sampler", "tpe"),
    (["--allocation", "adaptive"], "allocation", "adaptive"),
    (
        ["--set", "dropout=0.3", "x.blocks=2,3", "--set", "steps=30..50"],
        "set",
        ("dropout=0.3", "x.blocks=2,3", "steps=30..50"),
    ),
    (["--dataset", "phantom"], "dataset", "phantom"),
    (["--dataset", "my images/x.npz"], "dataset", "my images/x.npz"),
    (["--weights", "imagenet"], "weights", "imagenet"),
    (["--dataset", "bloodmnist"], "dataset", "bloodmnist"),
    (["--size", "64"], "size", 64),
    (["--shots", "3"], "shots", (3,)),
    (["--shots", "2", "8"], "shots", (2, 8)),
    (["--validation", "10"], "validation", 10),
    (["--group-by", "(person[0-9]+)_"], "group_by", "(person[0-9]+)_"),
    (["--also", "breastmnist=my images/x.npz"], "also", ("breastmnist=my images/x.npz",)),
    (["--also", "breastmnist=auto", "--also", "breastmnist=a=b"], "also", ("breastmnist=auto", "breastmnist=a=b")),
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
    (["--shot-curve", "10", "1", "20"], "shot_curve", (10, 1, 20)),
    (["--backbone", "resnet18"], "backbone", "resnet18"),
    (["--search-seed", "4000000"], "search_seed", 4_000_000),
    (["--metric", "auroc"], "metric", "auroc"),
    (["--robustness", "off"], "robustness", "off"),
    (["--dry-run"], "dry_run", True),
    (["--open"], "open", True),
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
    (["--num-samples", "0"], "a whole number from 1 to 1000000000; got '0'"),
    (["--num-samples", "-1"], "from 1 to 1000000000; got '-1'"),
    (["--num-samples", "1.5"], "got '1.5'"),
    (["--num-samples", "1e3"], "got '1e3'"),
    (["--num-samples", "many"], "got 'many'"),
    (["--num-samples", "1_000"], "got '1_000'"),
    (["--num-samples", " 5"], "got ' 5'"),
    (["--num-samples", "nan"], "got 'nan'"),
    (["--num-samples", "²"], "got '²'"),
    (["--num-samples", "9" * 22], "a whole number from 1 to 1000000000; got '9999999999999999999999'"),
    (["--num-samples", "9" * 5000], "a whole number from 1 to 1000000000"),
    (["--workers", "9" * 22], "a whole number from 1 to 100000"),
    (["--num-samples", ""], "got ''"),
    (["--num-samples"], "--num-samples"),
    (["--seeds", "0"], f"from 1 to {MOST_SEEDS}; got '0'"),
    (["--seeds", str(MOST_SEEDS + 1)], f"from 1 to {MOST_SEEDS}"),
    (["--finalists", "0"], "from 1 to 1000000000; got '0'"),
    (["--sampler", "TPE"], "random, tpe; got 'TPE'"),
    (["--allocation", "fair"], "got 'fair'"),
    (["--set", "dropout"], "NAME=LEAST..GREATEST, such as steps=50; got 'dropout'"),
    (["--set", "steps=9..3"], "the least value before the greatest; got 'steps=9..3'"),
    (["--confirm-seeds", "0"], f"from 1 to {MOST_SEEDS}; got '0'"),
    (["--confirm-seeds", str(MOST_SEEDS + 1)], f"from 1 to {MOST_SEEDS}"),
    (["--shot-curve"], "--shot-curve"),
    (["--shot-curve", "0"], "got '0'"),
    (["--shot-curve", "1", "2.5"], "got '2.5'"),
    (["--shot-curve", "5", "2", "5"], "different numbers; got 5 2 5"),
    (["--search-seed", "-1"], "from 0 to 4000000; got '-1'"),
    (["--search-seed", str(2**32)], "from 0 to 4000000"),
    (["--workers", "0"], "from 1 to 100000; got '0'"),
    (["--workers", "auto"], "got 'auto'"),
    (["--workers", "100001"], "from 1 to 100000"),
    (["--name", "features"], "features are kept under 'features'"),
    (["--name", "test-openings.jsonl"], "what was tested on is kept under 'test-openings.jsonl'"),
    (["--name", "test-openings.jsonl.lock"], "under 'test-openings.jsonl.lock'"),
    (["--time-budget", "0"], "got '0'"),
    (["--time-budget", "0.0h"], "got '0.0h'"),
    (["--time-budget", "-5"], "got '-5'"),
    (["--time-budget", "soon"], "got 'soon'"),
    (["--time-budget", "2d"], "got '2d'"),
    (["--time-budget", "1h30m"], "got '1h30m'"),
    (["--time-budget", "inf"], "got 'inf'"),
    (["--time-budget", "nan"], "got 'nan'"),
    (["--time-budget", "1e3"], "got '1e3'"),
    (["--time-budget", "9999999999h"], "above 0 and of at most 100000h; got '9999999999h'"),
    (["--time-budget", "9" * 5000], "above 0 and of at most 100000h"),
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
    (["--backbone", ""], "got ''"),
    (["--also", " "], "got ' '"),
    (["--also", "breastmnist"], "NAME=WHAT with NAME from breastmnist; got 'breastmnist'"),
    (["--also", "breastmnist="], "got 'breastmnist='"),
    (["--also", "breastmnist=a\0"], r"got 'breastmnist=a\x00'"),
    (["--also", "chestmnist=auto"], "got 'chestmnist=auto'"),
    (["--breastmnist", "auto"], "--breastmnist"),
    (["--group-by", ""], "got ''"),
    (["--size", "32"], "one of 28, 64, 128, 224; got '32'"),
    (["--shots", "0"], "from 1 to 999; got '0'"),
    (["--shots", "5", "1000"], "from 1 to 999; got '1000'"),
    (["--shots"], "--shots"),
    (["--validation", "0"], "from 1 to 999; got '0'"),
    (["--metric", "f1"], "'f1'"),
    (["--robustness", "no"], "'no'"),
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


def test_the_command_that_goes_on_repeats_a_time_as_it_can_be_read():
    given = parse(CHALLENGE, ["--seed-timeout", "0.00001"])
    words = resume_command(CHALLENGE, SweepOptions(**given), "a").split()
    assert "0.00001s" in words
    assert parse(CHALLENGE, words[2:]) == {**given, "resume": "a"}


def test_all_and_a_name_are_not_refused_as_an_unknown_all():
    with pytest.raises(BadInput) as caught:
        parse(CHALLENGE, ["--approaches", "all", NAMES[0]])
    assert "or all; got 'all'" not in str(caught.value)


def test_bad_input_prints_nothing_by_itself(capsys):
    with pytest.raises(BadInput):
        parse(CHALLENGE, ["--seeds", "many"])
    assert capsys.readouterr() == ("", "")


def test_the_resume_command_goes_where_the_results_are_whatever_the_environment_says_then(monkeypatch):
    monkeypatch.setenv(RESULTS_VARIABLE, "/shared/results")
    for folder in ("/shared/results", "results"):
        options = SweepOptions(**({} if folder == "/shared/results" else {"results_dir": folder}))
        assert f"--results-dir {folder} --resume a" in resume_command(CHALLENGE, options, "a")
