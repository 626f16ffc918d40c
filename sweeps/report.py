"""The report that a person opens: `report.html`, `report.md` and `plots/`, made from the record alone.

The HTML file holds everything in itself and asks no network for anything. The same record gives the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeps import importance, marks, report_figures, report_tables, sheets, tables
from sweeps.agenda import CONFIRM_SEEDS_FROM, SEARCH_SEEDS_FROM
from sweeps.challenge import Approach
from sweeps.comparisons import DIFFERENCE_ERROR
from sweeps.findings import FINE, KNOW, LOOK, findings
from sweeps.intervals import POOL_ERROR
from sweeps.mlflow_uri import ui_command
from sweeps.record import JOURNAL, Record, TrialRecord
from sweeps.verdict import verdict

HTML, MARKDOWN, PLOTS = "report.html", "report.md", "plots"
# A mark's symbol, since a colour says nothing alone.
SYMBOLS = {LOOK: "▲", KNOW: "●", FINE: "✓"}


def try_to_write(
    record: Record, approaches: Sequence[Approach], found: Mapping[str, Any]
) -> tuple[list[Path], str | None]:
    """Write the report; the files, and one line about what went wrong instead of an error.

    It comes last, and nothing that a sweep has found depends on it.
    """
    try:
        return write(record, approaches, found), None
    except Exception as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        return [], f"Report  not written ({type(error).__name__}: {first_line}); the record has everything"


def write(record: Record, approaches: Sequence[Approach], found: Mapping[str, Any]) -> list[Path]:
    """Write `report.html`, `report.md` and `plots/` beside the journal, each file whole; returns them.

    Args:
        record: What it is made from.
        approaches: Those in the summary.
        found: The summary of this record.
    """
    trials = record.trials([approach.name for approach in approaches])
    with sheets.style():
        drawn = {section: list(figures) for section, figures in report_figures.figures(found, trials).items()}
    content = _content(record, found, trials, drawn)
    written = sheets.write([plot for figures in drawn.values() for plot in figures], record.folder / PLOTS)
    for name in (HTML, MARKDOWN):
        text = _template(f"{name}.jinja").render(content)
        unfinished = record.folder / f"{name}.tmp"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(record.folder / name)
    return [record.folder / HTML, record.folder / MARKDOWN, *written]


def _template(name: str) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": report_tables.plain, "markdown_table": report_tables.markdown}
    return environment.get_template(name)


def _content(
    record: Record, found: Mapping[str, Any], trials: Sequence[TrialRecord], drawn: Mapping[str, Sequence[sheets.Plot]]
) -> dict[str, Any]:
    """Everything that the templates show."""
    checked = findings(found, trials)
    last = _last_ms(trials)
    return {
        "name": found["sweep"],
        "challenge": found.get("challenge", ""),
        "warnings": marks.warnings(found),
        "verdict": verdict(found) if found["approaches"] else ["There is no approach in this sweep."],
        "findings": checked,
        "symbols": SYMBOLS,
        "to_look_at": sum(finding.mark == LOOK for finding in checked),
        "rows": found["approaches"],
        "approaches": report_tables.approaches(found),
        "legend": tables.LEGEND,
        "pool_error": f"{100 * POOL_ERROR:.2f}",
        "difference_error": f"{100 * DIFFERENCE_ERROR:.1f}",
        "pairs": report_tables.pairs(found),
        "equal_cost": report_tables.equal_cost(found, trials),
        "left_out": _too_few(found),
        "least_complete": importance.LEAST_COMPLETE,
        "least_tried": importance.LEAST_TRIED,
        "resamples": importance.RESAMPLES,
        "cost": report_tables.cost(found, trials),
        "study": report_tables.study(found),
        "facts": _facts(found),
        "starts": [_start(start) for start in found["starts"]],
        "commands": _commands(record.folder, found),
        "files": _files(),
        "date": _utc(last) if last else "",
        "plots": drawn,
        "folder": PLOTS,
    }


def _too_few(found: Mapping[str, Any]) -> list[str]:
    """Approaches with too few configurations for an importance."""
    texts = []
    for row in found["approaches"]:
        complete = row["configurations"]["complete"]
        tried = complete + row["configurations"]["raced_out"]
        if not importance.is_enough(complete, tried):
            texts.append(f"{row['approach']} ({complete} of {tried})")
    return texts


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was fixed for the whole sweep."""
    seeds = found["seeds"]
    options = found["starts"][-1]["options"] if found["starts"] else {}
    fresh = max((row["confirmed"]["n"] for row in found["approaches"] if row["confirmed"]), default=0)
    facts = [
        ("Challenge", found.get("challenge")),
        ("Images", f"{found['dataset']} (fingerprint {found.get('dataset_fingerprint', 'none')})"),
        *((f"Images of {name}", _with_print(found, "others", name)) for name in found["others"]),
        *((f"Weights of {name}", _with_print(found, "weights", name)) for name in found["weights"]),
        ("Precision of the backbones", found.get("precision") if found["weights"] else None),
        (
            "Seeds of the search",
            f"{SEARCH_SEEDS_FROM} to {SEARCH_SEEDS_FROM + seeds - 1}, the same for every configuration",
        ),
        (
            "Fresh seeds",
            f"{CONFIRM_SEEDS_FROM} to {CONFIRM_SEEDS_FROM + fresh - 1}, for the best configuration of each approach, "
            "on validation images and on the test split"
            if fresh
            else "none yet",
        ),
        ("Seed of the sampler", found.get("search_seed")),
        ("Configurations an approach", options.get("num_samples")),
        ("Version of the training code", found.get("numbers_version")),
    ]
    return [(what, str(value)) for what, value in facts if value is not None]


def _with_print(found: Mapping[str, Any], key: str, name: str) -> str:
    fingerprint = found.get(f"{key}_fingerprint", {}).get(name)
    return found[key][name] + (f" (fingerprint {fingerprint})" if fingerprint else "")


def _start(start: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time": _utc(start["time_ms"]) if "time_ms" in start else "time unknown",
        "command": start.get("command", "unknown"),
        "git_revision": start.get("git_revision", "unknown"),
        "versions": ", ".join(f"{name} {version}" for name, version in start.get("versions", {}).items()),
        "processor": start.get("processor", "unknown"),
        "notices": start.get("notices", []),
    }


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _last_ms(trials: Sequence[TrialRecord]) -> int:
    """When the last seed finished; 0 if none has."""
    stamps = [result.timestamp_ms for trial in trials for result in trial.results]
    return max(stamps, default=0)


def _commands(folder: Path, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a person may want to do next, and what to type for it."""
    last = found["starts"][-1]
    options, resume = last["options"], last["resume"]
    quoted = shlex.quote(str(folder))
    is_over = all(row["is_confirmed"] and not row["configurations"]["unfinished"] for row in found["approaches"])
    commands = [] if is_over else [("Go on where it stopped", resume)]
    if options.get("num_samples"):
        commands.append(("Extend the search", f"{resume} --num-samples {2 * options['num_samples']}"))
    best = found["approaches"][0] if found["approaches"] else None
    if best and best["best_trial"] is not None:
        seed = CONFIRM_SEEDS_FROM if best["confirmed"] else SEARCH_SEEDS_FROM
        rerun = (
            f"python sweeps/rerun.py {quoted} --approach {best['approach']} --trial {best['best_trial']} --seed {seed}"
        )
        commands.append(("Train one seed of the best configuration again and compare", rerun))
    commands.append(("See every run in MLflow", ui_command(last["tracking_uri"])))
    journal = shlex.quote(str(folder / JOURNAL))
    dashboard = f"pip install optuna-dashboard\ncp {journal} copy.journal\noptuna-dashboard copy.journal"
    what = "Look through the search interactively; in a copy, since its buttons can delete"
    return [*commands, (what, dashboard)]


def _files() -> list[tuple[str, str]]:
    return [
        (JOURNAL, "the record, an Optuna journal; all else is made from it"),
        ("seeds.csv, seeds.parquet", "one row a seed and split, with every metric"),
        ("trials.csv, trials.parquet", "one row a configuration, with its parameters, and its reason if it failed"),
        ("summary.json", "the table and the comparisons for programs, with every metric"),
        (f"{HTML}, {MARKDOWN}, {PLOTS}/", "this report, the same as Markdown, and its figures as PNG"),
    ]
