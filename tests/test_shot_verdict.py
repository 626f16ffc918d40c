"""What the shot curve says: scores by shots, who takes over, what more labels bring; and where it is shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

import made_up
import pretended
from made_up import SPEC, START, changed, finished, found, trial
from sweeps.analysis.comparisons import holm
from sweeps.analysis.decision import as_quoted, quoted
from sweeps.analysis.shot_verdict import leaders, shot_verdict
from sweeps.analysis.summary import Summary, summarise
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.outcomes import NOT_ASKED
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.tracking import sweep_run, trial_runs
from sweeps.views import files, report, shot_tables
from sweeps.views.console import sweep_text
from trainables.parts.protocol import study_protocol


def winner(name, mean, **more):
    """An approach's only configuration, confirmed on ten seeds."""
    return [
        trial(0, mean, approach=name),
        trial(0, mean, approach=name, stage="confirm", of_trial=0, **{"seeds": 10, **more}),
    ]


def point(name, shots, mean, **more):
    """Ten fresh seeds of the winner at other shots."""
    common = {"seeds": 10, "of_trial": 0, "number": shots}
    return trial(**{**common, **more}, mean=mean, approach=name, stage="curve", shots=shots)


def crossing():
    """`a`, the plain baseline, leads with one image, `b` with five and more."""
    made = [*winner("a", 0.80), *winner("b", 0.90)]
    for shots, of_a, of_b in ((1, 0.75, 0.60), (10, 0.82, 0.93), (20, 0.83, 0.931)):
        made += [point("a", shots, of_a), point("b", shots, of_b, spread=0.05 if shots == 20 else 0.012)]
    return made


def test_without_a_curve_there_is_nothing():
    made = found([*winner("a", 0.8), *winner("b", 0.9)])
    assert made.shot_curve is None
    assert shot_verdict(made) == shot_tables.printed(made, 100) == sweep_run.curve_metrics(made) == []
    assert shot_tables.table(made) is shot_tables.steps(made) is None


def test_the_curve_has_every_number_with_the_confirmation_s_among_them():
    curve = found(crossing()).shot_curve
    assert (curve.own, curve.shots) == (5, (1, 5, 10, 20))
    assert [each.approach for each in curve.curves] == ["b", "a"]
    for each, means in zip(curve.curves, ((0.6, 0.9, 0.93, 0.931), (0.75, 0.8, 0.82, 0.83)), strict=True):
        assert [p.score.mean for p in each.points] == pytest.approx(means)
        assert all(p.is_complete and p.score.n == 10 and p.score.low < p.score.mean < p.score.high for p in each.points)


def test_steps_are_paired_by_seed():
    made = crossing()
    step = next(step for step in found(made).shot_curve.curves[0].steps if step.fewer == 1)
    by_seed = {t.shots: t.scores_by_seed for t in made if t.approach == "b" and t.stage != "search"}
    differences = [by_seed[None][seed] - by_seed[1][seed] for seed in range(2000, 2010)]
    assert (step.more, step.n, step.is_doubling) == (5, 10, False)
    assert step.mean == pytest.approx(sum(differences) / 10)
    assert step.low < step.mean < step.high


def test_steps_go_to_the_next_number_and_to_the_double_and_may_go_down():
    made = [*winner("a", 0.8), *(point("a", shots, mean) for shots, mean in ((8, 0.79), (10, 0.85)))]
    steps = found(made, ("a",)).shot_curve.curves[0].steps
    assert [(s.fewer, s.more, s.is_doubling, round(s.mean, 3)) for s in steps] == [
        (5, 8, False, -0.01),
        (5, 10, True, 0.05),
        (8, 10, False, 0.06),
    ]


def test_pairs_at_new_numbers_are_corrected_together_and_the_table_s_stay_as_they_are():
    made = found(crossing())
    curve = made.shot_curve
    assert [at.shots for at in curve.pairs] == [1, 5, 10, 20]
    assert curve.pairs[1].comparisons == made.comparisons
    others = [at.comparisons[0] for at in curve.pairs if at.shots != 5]
    assert [pair.p_holm for pair in others] == holm([pair.p for pair in others])


def test_it_says_who_takes_over_and_what_more_labels_bring():
    made = found(crossing())
    assert leaders(made.shot_curve) == {1: "a", 5: "b", 10: "b", 20: "b"}
    takes_over, better, worse, doubled, last = shot_verdict(made)
    assert takes_over.startswith(
        "Between 1 and 5 images a class b takes over from a: with 1 a is ahead by 15.0 points (+"
    )
    assert ", shown), with 5 b is ahead by 10.0 points (+" in takes_over
    assert better == "With 5, 10 and 20 images a class b is shown to be better than the plain baseline a."
    assert worse == "With 1 image a class b is shown to be worse than the plain baseline a."
    assert doubled.startswith("Twice the labels, 10 instead of 5 images a class, bring b +3.0 points (95 % interval +")
    assert last.startswith("Twice the labels, 20 instead of 10 images a class, bring b +0.1 points (95 % interval -")
    assert last.endswith(", so that no gain is shown.")


def test_equals_lead_nowhere():
    tied = [*winner("a", 0.8), *winner("b", 0.8), point("a", 1, 0.7), point("b", 1, 0.7)]
    assert leaders(found(tied).shot_curve) == {1: None, 5: None}
    assert not any("greatest mean" in text or "take" in text for text in shot_verdict(found(tied)))
    # Those beside them may still differ.
    more = found([*tied, point("a", 2, 0.75), point("b", 2, 0.72), point("a", 10, 0.8), point("b", 10, 0.85)])
    assert leaders(more.shot_curve) == {1: None, 2: "a", 5: None, 10: "b"}
    assert shot_verdict(more)[0].startswith("Between 2 and 10 images a class b takes over from a")


def test_the_curve_claims_at_the_sweep_s_own_number_what_the_verdict_claims():
    """The first block shows a difference at 5 %; the second one does not, or shows the contrary."""
    (shown,) = found([*winner("a", 0.8), *winner("b", 0.9)]).comparisons
    barely = replace(shown, p=0.04, p_holm=0.04)
    assert barely.is_shown
    (doubtful,) = as_quoted([barely], quoted([barely], [replace(barely, p=0.4, p_holm=0.4)]))
    assert (doubtful.mean, doubtful.p_holm) == (shown.mean, 0.8)
    (turned,) = as_quoted([barely], [replace(barely, better="a", worse="b", p_holm=1e-4)])
    assert not turned.is_shown


def test_a_takeover_that_the_seeds_do_not_show_only_appears():
    made = [*winner("a", 0.8), *winner("b", 0.9)]
    made += [point("a", 1, 0.601, spread=0.05), point("b", 1, 0.60, spread=0.2)]
    first, *_ = shot_verdict(found(made))
    assert first.startswith("Between 1 and 5 images a class b appears to take over from a: with 1 a is ahead by 0.1 ")
    assert "not shown), with 5" in first


def test_with_a_decision_points_and_pairs_are_of_the_first_block():
    """On the second block the other one is ahead, but the curve's own point is of the first."""
    made = [*winner("a", 0.8, spread=0.05), *winner("b", 0.805)]
    made += [trial(0, m, approach=n, stage="decide", seeds=10, of_trial=0) for n, m in (("a", 0.85), ("b", 0.8))]
    made += [point("a", 1, 0.7), point("b", 1, 0.6)]
    summary = found(made)
    assert summary.shot_curve.pair(5, "a", "b").mean == pytest.approx(0.005)
    assert "with 5 b is ahead by 0.5 points" in shot_verdict(summary)[0]
    assert shot_tables.legend(summary).endswith("All numbers of the curve are of the first block of fresh seeds.")
    assert "first block" not in shot_tables.legend(found(crossing()))


def test_a_leader_with_more_seeds_is_not_said_to_be_ahead_on_those_that_both_have():
    """Of `b` fourteen seeds are there, the last of which are its best ones."""
    made = [*winner("a", 0.8), *winner("b", 0.9), point("a", 1, 0.597, spread=0.0)]
    made += [point("b", 1, 0.6, seeds=14, spread=0.05)]
    first, *_ = shot_verdict(found([*made, point("a", 2, 0.8), point("b", 2, 0.7)]))
    assert "with 1 b has the greater mean, but not on their common seeds" in first


def test_one_that_always_leads_is_said_to():
    made = [*winner("a", 0.8), *winner("b", 0.9), point("a", 1, 0.6), point("b", 1, 0.7)]
    first, *_ = shot_verdict(found(made))
    assert first == "b has the greatest mean with every number of labels, from 1 to 5 images a class."


@pytest.mark.parametrize(("seeds", "are"), [(1, "1 fresh seed is"), (2, "2 fresh seeds are"), (9, "9 fresh seeds are")])
def test_few_seeds_claim_nothing(seeds, are):
    few = {"seeds": seeds}
    made = [*winner("a", 0.8, **few), *winner("b", 0.9, **few), point("a", 1, 0.7, **few), point("b", 1, 0.6, **few)]
    failed = point("b", 10, 0.9, seeds=0, state="FAIL", reason="it diverged")
    summary = found([*made, failed], starts=(changed(START, {"options": {"confirm_seeds": seeds}}),))
    assert shot_verdict(summary) == [
        f"{are} too few to say which approach leads with how many labels, or what more labels bring: take "
        "--confirm-seeds 50.",
        "b failed with 10 images a class: it diverged",
    ]
    text = sweep_text(summary, Path("results/made-up"))
    assert "()" not in text
    assert not any(words in text for words in ("resamples", "1 fresh seeds", "takes over", "take over"))


def test_a_number_that_failed_is_said_to_and_compared_with_nothing():
    failed = point("b", 1, 0.9, seeds=2, state="FAIL", reason="seed 2002: two images are needed")
    made = found([*winner("a", 0.8), *winner("b", 0.9), point("a", 1, 0.6), failed, point("b", 10, 0.92)])
    curve = made.shot_curve
    assert (curve.curves[0].at(1).score, curve.curves[0].at(1).is_complete) == (None, False)
    assert curve.pair(1, "a", "b") is None
    assert [(s.fewer, s.more) for s in curve.curves[0].steps] == [(5, 10)]
    assert shot_verdict(made)[-1] == "b failed with 1 image a class: seed 2002: two images are needed"
    (row, _) = shot_tables.rows(curve)
    assert (row["approach"], row["1"]) == ("b", "failed")


def test_what_is_not_finished_is_shown_with_its_seeds_and_not_compared():
    running = point("a", 1, 0.6, seeds=3, state="RUNNING")
    ended = point("a", 20, 0.7, seeds=2, state="FAIL", reason=NOT_ASKED.reason)
    curve = found([*winner("a", 0.8), running, ended], ("a",)).shot_curve
    assert [(p.shots, p.score.n, p.is_complete, p.failure) for p in curve.curves[0].points] == [
        (1, 3, False, None),
        (5, 10, True, None),
        (20, 2, False, None),
    ]
    assert curve.curves[0].steps == ()
    assert ", 3 seeds)" in shot_tables.rows(curve)[0]["1"]


def test_the_curve_of_an_earlier_winner_does_not_count():
    made = [*winner("a", 0.8), trial(1, 0.9), trial(1, 0.9, stage="confirm", seeds=8, of_trial=1), point("a", 1, 0.6)]
    assert found(made, ("a",)).shot_curve is None


def test_uneven_shots_are_no_point_of_the_curve():
    uneven = {"protocol": replace(study_protocol(), shots=(2, 8))}
    made = found([*winner("a", 0.8), point("a", 5, 0.7)], ("a",), spec=uneven)
    assert (made.shot_curve.own, made.shot_curve.shots) == (None, (5,))
    assert "with the sweep's own numbers of images" in shot_tables.legend(made)


def test_it_is_read_back_as_it_was():
    made = found(crossing())
    assert Summary.model_validate(json.loads(made.model_dump_json())) == made


def test_the_terminal_has_a_table_with_intervals_and_the_sentences():
    text = sweep_text(found(crossing()), Path("results/made-up"))
    assert "Validation accuracy in per cent by images of each class that are learned from" in text
    line = next(line for line in text.splitlines() if line.startswith("approach ") and "from 5 to 10" in line)
    assert line.split()[1:5] == ["1", "5", "10", "20"]
    assert re.search(r"\nb +60\.0 \(\d+\.\d to \d+\.\d\) ", text)
    assert "Twice the labels" in text
    assert "is the one that the search found with 5" in " ".join(text.split())


def test_mlflow_gets_it_with_the_shots_as_steps():
    metrics = sweep_run.curve_metrics(found(crossing()))
    means = [(step, round(value, 3)) for name, value, step in metrics if name == "b.by_shots_accuracy_mean"]
    assert means == [(1, 0.6), (5, 0.9), (10, 0.93), (20, 0.931)]
    assert {name for name, *_ in metrics if name.startswith("a.")} == {
        f"a.by_shots_accuracy_{end}" for end in ("mean", "ci_low", "ci_high")
    }


def test_each_point_is_a_run_of_its_own():
    one = point("b", 20, 0.9, of_trial=7)
    tags = trial_runs.tags(one)
    assert (tags["role"], tags["shots"], tags["mlflow.runName"]) == ("shot curve", "20", "t007-b-20-shots")
    note = trial_runs.note(one, Path("results/x"))
    assert note.startswith("b, configuration 7, from 20 images of each class: complete.")
    assert "--trial 7 --seed 2000 --shots 20`" in note


def test_the_report_has_a_section_of_it_and_the_seeds_their_shots(journal):
    made = finished(journal, num_samples=3, start={"options": {"confirm_seeds": 8}})
    page = journal.folder / "report.html"
    report.write(journal, made, summarise(journal, made))
    assert "How many images" not in page.read_text()
    assert "shots" not in files.seeds_frame(journal.trials(), ("x", "y"))
    pretended.finish(ShotCurveStage(journal, made, lambda *who: None, seeds=8, shots=(1, 10)))
    written = report.write(journal, made, summarise(journal, made))
    assert journal.folder / "plots" / "shots.png" in written
    for name, heading in (("report.html", "<h2>How many images</h2>"), ("report.md", "\n## How many images\n")):
        text = (journal.folder / name).read_text()
        assert heading in text
        assert "from 5 to 10" in text
        assert "5 to 10" in text
        assert "shot curve" in text
    frame = files.seeds_frame(journal.trials(), ("x", "y"))
    of_curve = frame[frame["stage"] == "curve"]
    assert of_curve.groupby(["approach", "shots"]).size().tolist() == [8] * 4
    assert frame[frame["stage"] != "curve"]["shots"].isna().all()
    assert pd.read_csv(pd.io.common.StringIO(frame.to_csv(index=False)))["shots"].dropna().isin([1, 10]).all()


def test_one_fresh_seed_has_a_curve_and_no_steps(journal):
    made = made_up.approaches("a", "b")
    journal.begin(SPEC, changed(START, {"options": {"confirm_seeds": 1}}))
    pretended.finish(pretended.search(journal, made, num_samples=3))
    for stage in (ConfirmationStage, partial(ShotCurveStage, shots=(1, 10))):
        pretended.finish(stage(journal, made, lambda *who: None, seeds=1))
    report.write(journal, made, summarise(journal, made))
    for name in ("report.html", "report.md"):
        text = (journal.folder / name).read_text()
        assert "How many images" in text
        assert "What more images of each class bring" not in text
