"""What stands on the report's page: everything that its two templates show, as one typed record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sweeps.analysis import importance
from sweeps.analysis.check import FINE, KNOW, LOOK, Check
from sweeps.analysis.checks import checks
from sweeps.analysis.shot_curve import usual_numbers
from sweeps.analysis.shot_verdict import shot_verdict
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import verdict
from sweeps.core.commands import export_command, rerun_command
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, DECISION_SEEDS_FROM, scored, search_seeds
from sweeps.store.journal import JOURNAL
from sweeps.store.spec import Source, Spec, Start
from sweeps.store.trials import TrialRecord
from sweeps.tracking.location import ui_command
from sweeps.views import report_tables, robustness_tables, shot_tables, text_table
from sweeps.views.figure_style import Plot
from sweeps.views.files import PROBABILITIES
from sweeps.views.report_tables import Table

HTML, MARKDOWN, PLOTS = "report.html", "report.md", "plots"
# The symbol of a check's mark, since a colour says nothing alone, and its class on the page.
SYMBOLS = {LOOK: "▲", KNOW: "●", FINE: "✓"}
CLASSES = {LOOK: "look", KNOW: "know", FINE: "fine"}
FILES = (
    (JOURNAL, "the journal, an Optuna journal; all else is made from it"),
    ("seeds.csv, seeds.parquet", "one row per seed and split, with every metric"),
    (
        PROBABILITIES,
        "one row per test image and confirmed approach: mean probability of each class, and how many models are right; "
        "not of very large test splits",
    ),
    ("trials.csv, trials.parquet", "one row per configuration, with its parameters, and its reason if it failed"),
    ("summary.json", "the table and the comparisons for programs, with every metric"),
    (f"{HTML}, {MARKDOWN}, {PLOTS}/", "this report, the same as Markdown, and its figures as PNG"),
)


@dataclass(frozen=True, kw_only=True)
class Named:
    """Something under its name: a fact, a command to type, a file."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class StartText:
    """A start or a resumption, in words."""

    time: str
    command: str
    facts: Sequence[Named]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the templates show.

    Attributes:
        name: Of the sweep.
        challenge: Whose approaches it compares.
        warnings: In capitals.
        verdict: The answer, in sentences.
        date: When the last seed finished; empty if none has.
        checks: Those to look at first.
        to_look_at: How many of them are to be looked at.
        approaches: The table that is printed, too.
        legend: What its columns are.
        recalls: The recall of each class.
        confused: Which class is taken for which, of three or more; None where that is not known.
        measured: What ranks, as a person calls it.
        intervals: What the intervals are made of.
        pairs: All comparisons of two approaches.
        shots: Scores by images that are learned from; None if that was not asked for.
        shot_steps: What more of them bring.
        shot_words: What both say.
        changed: What changed test images cost; None if that was switched off.
        changed_words: What it says.
        equal_cost: What each search had found when all had cost the same.
        left_out: Approaches with too few configurations for an importance.
        cost: Workers' time.
        study: The study's numbers beside ours.
        without_study: Why there are none of them, where there are none.
        study_notes: What is to be known of the study's numbers, by approach.
        facts: What was fixed for the whole sweep.
        starts: All of them.
        commands: What a person may want to do next, and what to type for it.
        plots: Of each section.
    """

    name: str
    challenge: str
    warnings: Sequence[str]
    verdict: Sequence[str]
    date: str
    checks: Sequence[Check]
    to_look_at: int
    approaches: Table
    legend: Sequence[str]
    recalls: Table
    confused: Table | None
    measured: str
    intervals: str
    pairs: Table
    shots: Table | None
    shot_steps: Table | None
    shot_words: Sequence[str]
    changed: Table | None
    changed_words: Sequence[str]
    equal_cost: Table
    left_out: Sequence[str]
    cost: Table
    study: Table
    without_study: str
    study_notes: Sequence[Named]
    facts: Sequence[Named]
    starts: Sequence[StartText]
    commands: Sequence[Named]
    plots: Mapping[str, Sequence[Plot]]
    # The same on every page.
    symbols: Mapping[str, str]
    classes: Mapping[str, str]
    files: Sequence[Named]
    plots_folder: str = PLOTS
    least_complete: int = importance.LEAST_COMPLETE
    least_tried: int = importance.LEAST_TRIED
    resamples: int = importance.RESAMPLES


def page(folder: Path, summary: Summary, trials: Sequence[TrialRecord], plots: Mapping[str, Sequence[Plot]]) -> Page:
    """Everything that the templates show.

    Args:
        folder: The sweep's.
        summary: Of its journal.
        trials: The journal's, of the approaches in the summary.
        plots: Of each section.
    """
    checked = checks(summary, trials)
    stamps = [result.timestamp_ms for trial in trials for result in trial.results]
    return Page(
        name=summary.sweep,
        challenge=summary.spec.challenge,
        warnings=summary.warnings,
        verdict=verdict(summary) if summary.approaches else ["There is no approach in this sweep."],
        date=_utc(max(stamps)) if stamps else "",
        checks=checked,
        to_look_at=sum(check.mark == LOOK for check in checked),
        approaches=report_tables.approaches(summary),
        legend=text_table.legend(summary),
        recalls=report_tables.recalls(summary),
        confused=report_tables.confused(summary, trials),
        measured=summary.spec.measured,
        intervals=_intervals(summary),
        pairs=report_tables.pairs(summary),
        shots=shot_tables.table(summary),
        shot_steps=shot_tables.steps(summary),
        shot_words=_shot_words(summary),
        changed=robustness_tables.table(summary),
        changed_words=robustness_tables.sentences(summary),
        equal_cost=report_tables.equal_cost(summary, trials),
        left_out=_left_out(summary),
        cost=report_tables.cost(summary, trials),
        study=report_tables.study(summary),
        without_study=(
            "The study has none of these approaches."
            if summary.spec.is_of_the_study
            else "These are not the study's images, or something else is measured of them; its numbers do not fit here."
        ),
        study_notes=[
            Named(name=row.approach, text=row.published.note)
            for row in summary.approaches
            if row.published and row.published.is_of_the_study
        ],
        facts=[*_inputs(summary), *_seeds(summary)],
        starts=[_start(start) for start in summary.starts],
        commands=_commands(folder, summary),
        plots=plots,
        symbols=SYMBOLS,
        classes=CLASSES,
        files=[Named(name=name, text=text) for name, text in FILES],
    )


def _shot_words(summary: Summary) -> list[str]:
    return [*shot_verdict(summary), shot_tables.legend(summary)] if summary.shot_curve else []


def _intervals(summary: Summary) -> str:
    """What the intervals are made of, and how much of them the images are, in one sentence or two."""
    means = [row.quoted.images_error for row in summary.approaches if row.quoted and row.quoted.images_error]
    pairs = [pair.images_error for pair in summary.comparisons if pair.images_error]
    of_pairs = f", and {_in_points(pairs)} points to the difference of two approaches" if pairs else ""
    if not means:
        return (
            "The 95 % intervals are of the seeds alone, by Student's t (by Wilson's form where each seed's hits are "
            "known; by Clopper and Pearson's bound where all seeds have the same value): the images' part is not known "
            "here, or too small to be seen."
        )
    images = sum(summary.spec.protocol.pool)
    return (
        "The 95 % interval of a mean is Wilson's, with the quantile of Student's t, and that of a difference is "
        "Student's t. Both are widened for the images that all seeds share, by an error estimated from which images "
        f"each seed got right. As a standard error, the choice of these {images} images adds {_in_points(means)} "
        f"points to a mean{of_pairs}. Of a class with a single scored image or group the most that it can add is "
        "taken. On the test split its own images' error is added likewise. Where all seeds have the same value, or no "
        "difference, intervals reach as far as Clopper and Pearson's bound at least."
    )


def _in_points(errors: Sequence[float]) -> str:
    ends = sorted({f"{100 * error:.2f}" for error in (min(errors), max(errors))}, key=float)
    return " to ".join(ends)


def _left_out(summary: Summary) -> list[str]:
    """Approaches with too few configurations for an importance."""
    counts = {row.approach: row.configurations for row in summary.approaches}
    return [
        f"{name} ({count.complete} of {count.tried})"
        for name, count in counts.items()
        if not importance.is_enough(count.complete, count.tried)
    ]


def _inputs(summary: Summary) -> list[Named]:
    """What the sweep learned from."""
    spec = summary.spec
    return [
        Named(name="Challenge", text=spec.challenge),
        Named(name="Images", text=_with_fingerprint(spec.dataset)),
        *_protocol(spec),
        *(Named(name=f"Images of {name}", text=_with_fingerprint(own)) for name, own in spec.other_datasets.items()),
        *(Named(name=f"Weights of {name}", text=_with_fingerprint(own)) for name, own in spec.weights.items()),
        Named(name="Precision of frozen backbones, and of wide ResNets from scratch", text=spec.precision),
        *([Named(name="Set of the spaces (--set)", text=", ".join(spec.settings))] if spec.settings else []),
        Named(name="Version of the training code", text=str(spec.numbers_version)),
    ]


def _protocol(spec: Spec) -> list[Named]:
    """The classes, and how seeds draw from them."""
    protocol = spec.protocol
    each = zip(protocol.classes, protocol.shots, protocol.pool, spec.test_counts, strict=True)
    of_classes = [f"{name} ({learn} of {pool} learn, {test} to test on)" for name, learn, pool, test in each]
    of_two = report_tables.of_the_positive(protocol.classes) if len(protocol.classes) == 2 else ""
    groups = f"{len(set(protocol.groups))} to draw from, {len(set(spec.test_groups))} to test on"
    return [
        Named(name="Classes", text=", ".join(of_classes)),
        Named(
            name="Validation images of each class",
            text=f"{scored(protocol)} in the search, {scored(protocol.for_confirmation())} for fresh seeds",
        ),
        *([Named(name="Positive class", text=of_two)] if of_two else []),
        *([Named(name="Groups, such as patients", text=groups)] if protocol.groups else []),
        Named(name="Ranked by", text=spec.measured),
    ]


def _with_fingerprint(source: Source) -> str:
    return f"{source.source} (fingerprint {source.fingerprint})"


def _seeds(summary: Summary) -> list[Named]:
    """Which seeds there were, and how many configurations."""
    spec = summary.spec
    block = search_seeds(spec.search_seed or 0, spec.seeds or 1)
    searched = (
        f"{_first_to_last(block[0], len(block))}, the same for every configuration; another --search-seed has others"
    )
    again = max((row.intensified.n for row in summary.approaches if row.intensified), default=0)
    finalists = f"{_first_to_last(block[-1] + 1, again)}, for the best few configurations of each approach"
    fresh = max((row.confirmed.n for row in summary.approaches if row.confirmed), default=0)
    confirmed = (
        f"{_first_to_last(CONFIRM_SEEDS_FROM, fresh)}, for the best configuration of each approach, on validation "
        "images and on the test split"
    )
    asked = summary.starts[-1].num_samples
    more = max((row.decided.n for row in summary.approaches if row.decided), default=0)
    decided = (
        f"{_first_to_last(DECISION_SEEDS_FROM, more)}, for those that the others cannot tell from the best, and the "
        "plain baseline"
    )
    return [
        *([Named(name="Seeds of the search", text=searched)] if spec.seeds else []),
        *([Named(name="Further ones", text=finalists)] if again else []),
        Named(name="Fresh seeds", text=confirmed if fresh else "none yet"),
        *([Named(name="Second block of fresh seeds", text=decided)] if more else []),
        *([Named(name="Sampler", text=_sampler(summary))] if spec.search_seed is not None else []),
        *([Named(name="Configurations per approach", text=str(asked))] if asked else []),
        *(Named(name="Given fewer", text=sentence) for sentence in text_table.smaller_searches(summary)),
        *_repeats(summary),
    ]


def _first_to_last(first: int, count: int) -> str:
    """So many seeds in a row: "2000 to 2049", "2000"."""
    return str(first) if count == 1 else f"{first} to {first + count - 1}"


def _sampler(summary: Summary) -> str:
    """What suggested configurations, and its seed."""
    samplers = dict.fromkeys(str(start.remembered["sampler"]) for start in summary.starts)
    return f"{', then '.join(samplers)}; seed {summary.spec.search_seed}"


def _repeats(summary: Summary) -> list[Named]:
    """What was suggested again, where anything was."""
    counts = {row.approach: row.configurations for row in summary.approaches if row.configurations.repeats}
    if not counts:
        return []
    by = ", ".join(f"{name} {count.repeats} (besides {count.begun} distinct)" for name, count in counts.items())
    text = " ".join([f"{by}.", *text_table.repeated(summary)])
    return [Named(name="Configurations suggested again, and not trained again", text=text)]


def _start(start: Start) -> StartText:
    versions = ", ".join(f"{name} {version}" for name, version in start.versions.items())
    return StartText(
        time=_utc(start.time_ms),
        command=start.command,
        facts=[
            Named(name="Git revision", text=start.git_revision),
            Named(name="Versions", text=versions),
            Named(name="Processor", text=start.processor),
            *(Named(name="Notice", text=notice) for notice in start.notices),
        ],
    )


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _commands(folder: Path, summary: Summary) -> list[Named]:
    """What a person may want to do next, and what to type for it."""
    last = summary.starts[-1]
    commands = []
    is_decided = summary.decision is None or summary.decision.is_complete
    if not is_decided or not all(row.is_confirmed and not row.configurations.unfinished for row in summary.approaches):
        commands.append(Named(name="Go on where it stopped", text=last.resume))
    if asked := last.num_samples:
        commands.append(Named(name="Extend the search", text=f"{last.resume} --num-samples {2 * asked}"))
    numbers = usual_numbers(summary.spec.protocol)
    if numbers and not summary.shot_curve and last.num_samples:
        curve = f"{last.resume} --shot-curve {' '.join(map(str, numbers))}"
        commands.append(Named(name="See how many images you would need", text=curve))
    best = summary.approaches[0] if summary.approaches else None
    if best and best.best_trial is not None:
        seed = CONFIRM_SEEDS_FROM if best.confirmed else search_seeds(summary.spec.search_seed or 0, 1)[0]
        rerun = rerun_command(folder, best.approach, best.best_trial, seed)
        commands.append(Named(name="Train one seed of the best configuration again and compare", text=rerun))
    if best and best.confirmed:
        commands.append(Named(name="Keep the winner as a model", text=export_command(folder)))
    commands.append(Named(name="See every run in MLflow", text=ui_command(last.tracking_uri)))
    journal = shlex.quote(str(folder / JOURNAL))
    dashboard = f"pip install optuna-dashboard\ncp {journal} copy.journal\noptuna-dashboard copy.journal"
    what = "Look through the search interactively; in a copy, since its buttons can delete"
    return [*commands, Named(name=what, text=dashboard)]
