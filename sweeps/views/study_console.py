"""The study's numbers beside ours, as a person reads them: on the console and in MLflow."""

from __future__ import annotations

import textwrap
from pathlib import Path

from sweeps.analysis import caveats
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.study import FEWEST_SEEDS, StudyRow, StudySummary, StudyTable
from sweeps.analysis.unpaired import LEAST_CORRELATION, MOST_CORRELATION
from sweeps.core.commands import rerun_command as rerun_seed
from sweeps.core.formatting import interval_percent, mean_sd, percent, signed_points
from sweeps.core.seeds import STUDY_SEEDS_FROM
from sweeps.store.spec import STUDY_FINGERPRINT
from sweeps.views import text_table

LEGEND = (
    "ours: the same setting, on the study's seeds, 0 to n - 1; what the study does not give was chosen by us (--list "
    "says where). A second word in the first column names a further setting of the same approach",
    "its error: standard error of the difference. The study's seeds draw the same images as ours, so that both numbers "
    "are correlated; as it publishes no single seeds, the error is given for a correlation of "
    f"{MOST_CORRELATION} and of {LEAST_CORRELATION:.0f}, which is Welch's",
    "noise explains it: by t tests of both means with these two errors, Holm's correction over the table's rows, at "
    'p < .05: "yes" or "no" where both tests say so; "depends" on the correlation where only one of them shows a '
    'difference; "-" where the study has no number or one that is no accuracy of the class. Where it does not give its '
    f"number of seeds, {FEWEST_SEEDS} are assumed, the fewest it states",
    f"Images of the fingerprint {STUDY_FINGERPRINT} are the study's: MedMNIST's file is the same as then. "
    "What differs besides noise: the study's faults; its threshold (pneumonia at a logit of .5 or more, p >= .622, not "
    "p >= .5); versions of libraries and numbers of threads; and what it drew in training, as its random state was "
    "set once and not for each seed. It chose its settings on these very seeds.",
)
AFTER_THE_SWEEP = (
    "after the sweep: ours with the best configuration that the sweep found, on fresh seeds, with the 95 % interval "
    "of the mean"
)


def printed(summary: StudySummary) -> str:
    """All tables, with what is wrong with the study's numbers under each."""
    lines = ["Accuracy on balanced validation images in per cent, mean +- sd over seeds", ""]
    has_after = _has_after(summary)
    for table in summary.tables:
        lines += [_printed_table(table, has_after), ""]
        if table.faults:
            lines.append("Why some of the study's numbers are wrong:")
            for name, fault in table.faults.items():
                lines += _wrapped(f"{name}: {fault}", "  ")
            lines.append("")
        for row in table.rows:
            if row.failure:
                lines += [*_wrapped(f"{row.label} failed: {row.failure}", "  "), ""]
    for text in (*LEGEND, *([AFTER_THE_SWEEP] if has_after else [])):
        lines += _wrapped(text, "")
    return "\n".join(lines)


def for_mlflow(summary: StudySummary) -> str:
    """The tables alone, in Markdown; MLflow takes 8000 characters."""
    return "\n\n".join(f"```\n{_printed_table(table, _has_after(summary))}\n```" for table in summary.tables)


def _has_after(summary: StudySummary) -> bool:
    return any(row.after_the_sweep for row in summary.rows)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 120, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _printed_table(table: StudyTable, has_after: bool) -> str:
    has_weights = any(row.weights for row in table.rows)
    rows = [
        {
            "approach": row.label,
            **({"weights": text_table.source_names(row.weights)} if has_weights else {}),
            **_printed_row(row),
            **({"after the sweep": _after(row.after_the_sweep)} if has_after else {}),
        }
        for row in table.rows
    ]
    lines = text_table.aligned(rows, left=("approach", "weights") if has_weights else ("approach",))
    return f"{table.title}{caveats.with_warnings(table.warnings)}\n\n{lines}"


def _printed_row(row: StudyRow) -> dict[str, str]:
    seeds = str(row.ours.n if row.ours else 0)
    return {
        "published": text_table.published(row.published),
        "ours": mean_sd(row.ours),
        "seeds": seeds if row.is_complete else f"{seeds} of {row.seeds_wanted}",
        "ours - published": "-" if row.difference_points is None else signed_points(row.difference_points),
        "its error": "-" if row.errors_points is None else " to ".join(f"{error:.1f}" for error in row.errors_points),
        "noise explains it": row.noise_explains_it or "-",
    }


def _after(confirmed: Estimate | None) -> str:
    if confirmed is None:
        return ""
    interval = interval_percent(confirmed.low, confirmed.high)
    return percent(confirmed.mean) + (f" ({interval})" if interval else "")


def rerun_command(summary: StudySummary, folder: Path) -> str | None:
    """The command that trains one of the seeds again; None if there is none yet."""
    for row in reversed(summary.rows):
        if row.ours and row.trial is not None:
            return rerun_seed(folder, row.approach, row.trial, STUDY_SEEDS_FROM)
    return None


def metrics(summary: StudySummary) -> dict[str, float]:
    """The tables' numbers for the run in MLflow."""
    values: dict[str, float] = {}
    for row in summary.rows:
        if not row.is_complete or row.ours is None:
            continue
        name = ".".join(filter(None, (row.approach, row.variant)))
        values[f"{name}.accuracy_mean"] = row.ours.mean
        if row.ours.sd is not None:
            values[f"{name}.accuracy_sd"] = row.ours.sd
        if row.difference_points is not None:
            values[f"{name}.difference_points"] = row.difference_points
    return values
