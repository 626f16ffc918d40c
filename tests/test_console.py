"""What a person is told: the list of approaches, and the answer of a sweep."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import pretended
from made_up import approaches, changed, found, source, trial
from sweeps.analysis.comparisons import Comparison
from sweeps.core.challenge import Challenge
from sweeps.core.commands import rerun_command
from sweeps.views.console import against_baseline, sweep_note, sweep_text
from sweeps.views.listing import listing


def pair(better, worse, mean, p_holm):
    more = {
        "n": 8,
        "sd": 0.01,
        "images_error": 0.004,
        "low": mean - 0.01,
        "high": mean + 0.01,
        "p": p_holm,
        "probability": 1 - p_holm / 2,
        "wins": 1.0,
    }
    return Comparison(better=better, worse=worse, mean=mean, p_holm=p_holm, **more)


def summary(*pairs, baseline="plain"):
    made = found([], names=("best", "hardly", "plain", "close", "poor"))
    return changed(made, {"baseline": baseline, "comparisons": pairs})


def test_an_approach_is_better_or_worse_only_if_the_corrected_test_shows_it():
    made = summary(
        pair("plain", "poor", 0.1, 0.001),
        pair("best", "plain", 0.05, 0.01),
        pair("hardly", "plain", 0.011, 0.06),
        pair("plain", "close", 0.01, 0.9),
        pair("best", "poor", 0.15, 0.0001),
    )
    assert against_baseline(made) == [
        "Against plain, in points on the same fresh seeds, with the 95 % interval of each difference;",
        "the verdicts are those of paired t tests at a level of 5 %, corrected for 5 pairs (Holm):",
        "      better:              best (+5.0, +4.0 to +6.0)",
        "      not shown to differ: hardly (+1.1, +0.1 to +2.1), close (-1.0, -2.0 to +0.0)",
        "      worse:               poor (-10.0, -11.0 to -9.0)",
        "",
    ]


def test_nothing_is_said_where_nothing_is_compared():
    assert against_baseline(summary()) == []
    assert against_baseline(summary(pair("best", "poor", 0.1, 0.01), baseline=None)) == []


def a_sweep(**more):
    """Two configurations of each approach, the second confirmed; `b` is better than the plain baseline `a`."""
    made = []
    for name, mean in (("a", 0.8), ("b", 0.9)):
        made += [trial(0, mean - 0.1, approach=name), trial(1, mean, approach=name, params={"rate": 0.0123456})]
        made += [trial(0, mean - 0.02, approach=name, stage="confirm", seeds=8, of_trial=1)]
    return found(made, **more)


def test_the_answer_has_table_verdict_best_configuration_and_how_to_train_it_again():
    text = sweep_text(a_sweep(spec={"dataset": source("phantom")}), Path("results/my sweep"))
    first, _, head, *_ = text.splitlines()
    assert first == ("Accuracy on balanced validation images in per cent, mean +- sd over seeds [PHANTOM IMAGES]")
    assert head.split("  ")[0] == "approach"
    for words in (
        "b has the greatest mean, 88.0 % (95 % interval",
        "Best configuration, b 1:\n      rate=0.01235\n",
        "python sweeps/rerun.py 'results/my sweep' --approach b --trial 1 --seed 2000\n",
        "Against a, in points on the same fresh seeds",
    ):
        assert words in text
    assert max(map(len, text.splitlines()[5:])) <= 120


def test_what_did_not_go_as_planned_stands_at_the_end():
    made = a_sweep(stopped={"a": "stopped: nothing worked."})
    first, second = made.approaches
    first = changed(first, {"test_openings": 2, "configurations": changed(first.configurations, {"unfinished": 3})})
    second = changed(second, {"confirmed_failure": "seed 2000: broken", "is_confirmed": False})
    text = sweep_text(changed(made, {"approaches": (first, second)}), Path("results/made-up"))
    assert text.endswith(
        textwrap.dedent("""\
            3 configurations are not finished and not ranked.
            a was stopped: nothing worked.
            a: its confirmation failed, so it is not ranked: seed 2000: broken
            More search found a new best configuration, so that the test split was opened again: b (2 times).""")
    )


def test_one_configuration_is_one():
    made = a_sweep()
    first, second = made.approaches
    first = changed(first, {"configurations": changed(first.configurations, {"unfinished": 1})})
    text = sweep_text(changed(made, {"approaches": (first, second)}), Path("results/made-up"))
    assert text.endswith("1 configuration is not finished and not ranked.")


def test_what_got_fewer_configurations_is_marked_and_said():
    made = a_sweep()
    behind = [
        changed(row, {"configurations": changed(row.configurations, {"behind_after": 2})}) for row in made.approaches
    ]
    text = sweep_text(changed(made, {"approaches": (made.approaches[0], behind[1])}), Path("results/made-up"))
    row = next(line for line in text.splitlines() if line.startswith("a "))
    assert "2/0/0 (behind after 2)" in row
    assert "Smaller searches (--allocation adaptive): a 2 of 12 (behind after 2). More configurations might" in text
    assert "Smaller searches" not in sweep_text(made, Path("results/made-up"))


def test_a_sweep_without_an_answer_is_told_of_too():
    text = sweep_text(found([]), Path("results/made-up"))
    assert "No approach has all its fresh seeds yet, so there is no answer." in text
    assert "Best configuration" not in text


def test_the_note_has_the_table_under_its_warnings():
    assert sweep_note(a_sweep()).startswith("```\napproach ")
    note = sweep_note(a_sweep(spec={"smoke": True}))
    assert note.startswith("**[SMOKE RUN]**\n\n```\napproach ")
    assert note.endswith("\n```")


def test_the_listing_says_what_is_published_and_where_a_search_starts():
    published = pretended.approach("b", mean_percent=79.83, sd_percent=5.72, seeds=50)
    alone = replace(pretended.approach("c"), published=None, is_default=False)
    challenge = Challenge(name="one", title="A challenge", approaches=(*approaches("a"), published, alone))
    assert listing(challenge).splitlines()[2:] == [
        "",
        "a: Trained by nobody.",
        "    study: no published result; made up",
        "    starts from: x=0.5, kind=plain",
        "",
        "b: Trained by nobody.",
        "    study: published 79.83 +- 5.72 % over 50 seeds; made up",
        "    starts from: x=0.5, kind=plain",
        "",
        "c (on demand): Trained by nobody.",
        "    study: none",
        "    starts from: a configuration that the sampler draws",
    ]
    assert "study" not in listing(replace(challenge, approaches=(alone,))).splitlines()[1]


def test_a_folder_with_blanks_is_quoted():
    assert rerun_command(Path("a b"), "x", 1, 2) == "python sweeps/rerun.py 'a b' --approach x --trial 1 --seed 2"


@pytest.mark.parametrize("program", ["seedsweep", "/home/a/.venv/bin/seedsweep", r"/bin/seedsweep.exe"])
def test_the_installed_command_tells_of_commands_that_work_where_it_does(monkeypatch, program):
    monkeypatch.setattr("sys.argv", [program, "challenge1"])
    assert rerun_command(Path("a"), "x", 1, 2) == "seedsweep rerun a --approach x --trial 1 --seed 2"
