"""What the record says, as tables: `trials.csv`, `seeds.csv`, `summary.json`, and the table a person sees.

All of it is made from the journal alone. Accuracies are fractions in the files and per cent on the screen.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sweeps import marks
from sweeps.challenge import Approach
from sweeps.comparisons import Comparison, compare_all
from sweeps.intervals import POOL_ERROR, Estimate, estimate, estimates
from sweeps.mlflow_uri import without_password
from sweeps.record import CONFIRM, SEARCH, Record, TrialRecord, best_complete, confirmed_results
from trainables.metrics import METRICS
from trainables.protocol import TEST, VALIDATION, SeedResult

# What the columns of the printed table are, for those who have not read the README.
LEGEND = (
    "confirmed: the best configuration on fresh seeds, with the 95 % interval of its mean, for other draws of ten "
    "images and other images to validate on, and its interquartile mean",
    "in search, optimism: how it looked on the search's seeds, and by how much that was too good",
    "test bal. acc.: the same models on the official test split, whose images are another mixture than validation's",
    "reported: the study's own number; ours so set: ours at the setting the search starts from, on the search's seeds",
)
FILES = ("summary.json", "trials.csv", "trials.parquet", "seeds.csv", "seeds.parquet")
SEED_COLUMNS = ["approach", "stage", "trial", "seed", "split", *METRICS, "seconds", "timestamp_ms", "error"]


def seeds_frame(trials: Iterable[TrialRecord]) -> pd.DataFrame:
    """One row a seed and split. In the confirm stage `trial` is the number of the search trial that was confirmed."""
    rows = [
        {
            "approach": trial.approach,
            "stage": trial.stage,
            "trial": trial.number if trial.of_trial is None else trial.of_trial,
            **asdict(result),
        }
        for trial in trials
        for result in sorted(trial.results, key=lambda result: (result.seed, result.split != VALIDATION))
    ]
    return pd.DataFrame(rows, columns=SEED_COLUMNS)


def trials_frame(trials: Iterable[TrialRecord]) -> pd.DataFrame:
    """One row a configuration of the search: state, accuracy over its finished seeds, time, parameters."""
    rows = []
    for trial in trials:
        if trial.stage != SEARCH:
            continue
        found = estimate(trial.values("accuracy"), POOL_ERROR)
        rows.append(
            {
                "approach": trial.approach,
                "trial": trial.number,
                "state": trial.state,
                "seeds": found.n if found else 0,
                "accuracy_mean": found.mean if found else None,
                "accuracy_sd": found.sd if found else None,
                "accuracy_low": found.low if found else None,
                "accuracy_high": found.high if found else None,
                "seconds": trial.seconds,
                "reason": trial.reason,
                **{f"param.{name}": value for name, value in trial.params.items()},
            }
        )
    return pd.DataFrame(rows)


def summary(record: Record, approaches: Sequence[Approach]) -> dict[str, Any]:
    """What the sweep is and what came out for each approach, best confirmed first."""
    trials = record.trials([approach.name for approach in approaches])
    wanted = record.starts[-1]["options"]["confirm_seeds"] if record.starts else 0
    counts = tuple(record.spec["test_counts"])
    rows = [
        _row(trials, approach, wanted, counts)
        | {"weights": marks.weights(record.spec, approach), "stopped": record.stopped(approach.name)}
        for approach in approaches
    ]
    rows.sort(key=lambda row: (not row["is_confirmed"], -(row["confirmed"]["mean"] if row["confirmed"] else 0)))
    return {
        "sweep": record.folder.name,
        "marks": marks.of_sweep(record.spec),
        **record.spec,
        "starts": [_without_password(start) for start in record.starts],
        "baseline": next((approach.name for approach in approaches if approach.is_baseline), None),
        "approaches": rows,
        "comparisons": [asdict(pair) | {"is_shown": pair.is_shown} for pair in compared(trials, rows)],
    }


def _without_password(start: Mapping[str, Any]) -> dict[str, Any]:
    """The start as others may see it."""
    seen = copy.deepcopy(dict(start))
    uri = seen.get("options", {}).get("tracking_uri")
    if uri:
        seen["options"]["tracking_uri"] = without_password(uri)
    return seen


def compared(trials: list[TrialRecord], rows: Sequence[Mapping[str, Any]]) -> list[Comparison]:
    """Every pair of confirmed approaches on their common fresh seeds, by validation accuracy."""
    return compare_all(
        {
            row["approach"]: {
                result.seed: result.accuracy
                for result in confirmed_results(trials, row["approach"], row["best_trial"])
                if result.split == VALIDATION and result.accuracy is not None
            }
            for row in rows
            if row["is_confirmed"]
        }
    )


def _row(trials: list[TrialRecord], approach: Approach, wanted: int, counts: tuple[int, int]) -> dict[str, Any]:
    name = approach.name
    own = [trial for trial in trials if trial.approach == name]
    searched = [trial for trial in own if trial.stage == SEARCH]
    states = [trial.state for trial in searched]
    best = best_complete(own, name)
    confirmed = confirmed_results(own, name, best.number) if best else ()
    search = estimate(best.values("accuracy"), POOL_ERROR) if best else None
    validation = estimates(confirmed, VALIDATION, counts)
    found = validation.get("accuracy")
    failed = [t.reason for t in own if t.stage == CONFIRM and best and t.of_trial == best.number and t.state == "FAIL"]
    all_results = [result for trial in own for result in trial.results]
    opened = {trial.of_trial for trial in own if any(result.split == TEST for result in trial.results)}
    reported = approach.reported
    return {
        "approach": name,
        "about": approach.about,
        "configurations": {
            "complete": states.count("COMPLETE"),
            "raced_out": states.count("PRUNED"),
            "failed": states.count("FAIL"),
            "unfinished": states.count("RUNNING"),
        },
        "best_trial": best.number if best else None,
        "best_params": best.params if best else None,
        "search": _dict(search),
        "confirmed": _dict(found),
        # Only what has all its fresh seeds is ranked.
        "is_confirmed": bool(found and found.n >= wanted and not failed),
        "confirmed_failure": failed[0] if failed else None,
        "optimism": search.mean - found.mean if search and found else None,
        "confirmed_validation": {metric: _dict(value) for metric, value in validation.items()},
        "test": {metric: _dict(value) for metric, value in estimates(confirmed, TEST, counts).items()},
        "test_openings": len(opened),
        "reported": {
            "mean": reported.mean,
            "sd": reported.sd,
            "seeds": reported.seeds,
            "params": dict(reported.params),
            "note": reported.note,
            "is_class_accuracy": reported.is_class_accuracy,
        },
        "at_reported_setting": _dict(_at_reported_setting(searched, approach)),
        "seeds_run": len({(r.seed, trial.stage, trial.number) for trial in own for r in trial.results}),
        "seconds": math.fsum(result.seconds for result in all_results),
        "seconds_a_seed": _median_seconds(all_results),
    }


def _at_reported_setting(searched: list[TrialRecord], approach: Approach) -> Estimate | None:
    """Ours at the published setting, on the search's seeds; it is the first configuration of every search."""
    for trial in searched:
        if trial.params == dict(approach.reported.params) and trial.state == "COMPLETE":
            return estimate(trial.values("accuracy"), POOL_ERROR)
    return None


def _median_seconds(results: list[SeedResult]) -> float | None:
    seconds = [result.seconds for result in results if result.split == VALIDATION and result.error is None]
    return float(np.median(seconds)) if seconds else None


def _dict(value: Estimate | None) -> dict[str, Any] | None:
    return asdict(value) if value else None


def write_files(record: Record, approaches: Sequence[Approach], found: Mapping[str, Any]) -> None:
    """Write the trials and the seeds as CSV and Parquet, and `summary.json`, beside the journal, each file whole."""
    trials = record.trials([approach.name for approach in approaches])
    contents = {"summary.json": (json.dumps(found, indent=2, allow_nan=False) + "\n").encode()}
    for name, frame in (("trials", trials_frame(trials)), ("seeds", seeds_frame(trials))):
        contents[f"{name}.csv"] = frame.to_csv(index=False).encode()
        contents[f"{name}.parquet"] = parquet(frame)
    for name in FILES:
        unfinished = record.folder / f"{name}.tmp"
        unfinished.write_bytes(contents[name])
        unfinished.replace(record.folder / name)


def parquet(frame: pd.DataFrame) -> bytes:
    """The frame as a Parquet file, where a column has one type: values of several types become text."""
    mixed = [str(name) for name in frame if frame[name].dropna().map(type).nunique() > 1]
    as_text = {name: frame[name].map(str, na_action="ignore") for name in mixed}
    content: bytes = frame.assign(**as_text).to_parquet(None, index=False)
    return content


def printed(found: dict[str, Any]) -> str:
    """The table of approaches, best confirmed first; accuracies in per cent."""
    rows = printed_rows(found)
    return aligned(rows, left=[name for name in ("approach", "weights") if name in rows[0]])


def printed_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The table's cells by column; the column of weights only where an approach has some."""
    has_weights = any(row["weights"] for row in found["approaches"])
    return [
        {
            "approach": row["approach"],
            **({"weights": source_names(row["weights"])} if has_weights else {}),
            **_printed_row(row),
        }
        for row in found["approaches"]
    ]


def source_names(sources: Sequence[str]) -> str:
    """Sources of weights; of a file, the folder it is in and its name."""
    return ", ".join("/".join(Path(source).parts[-2:]) for source in sources) or "none"


def _printed_row(row: dict[str, Any]) -> dict[str, str]:
    confirmed, search, test = row["confirmed"], row["search"], row["test"].get("balanced_accuracy")
    count = row["configurations"]
    return {
        "confirmed": mean_sd(confirmed)
        + ("" if row["is_confirmed"] or not confirmed else f" ({confirmed['n']} seeds)"),
        "95 % interval": f"{_percent(confirmed['low'])} to {_percent(confirmed['high'])}"
        if confirmed and confirmed["low"] is not None
        else "",
        "IQM": _percent(confirmed["iqm"]) if confirmed else "",
        "in search": mean_sd(search),
        "optimism": f"{100 * row['optimism']:+.1f}" if row["optimism"] is not None else "",
        "test bal. acc.": mean_sd(test),
        "reported": reported(row["reported"]),
        "ours so set": mean_sd(row["at_reported_setting"]),
        "complete/raced/failed": f"{count['complete']}/{count['raced_out']}/{count['failed']}",
        "s a seed": f"{row['seconds_a_seed']:.2f}" if row["seconds_a_seed"] is not None else "",
    }


def mean_sd(value: Mapping[str, Any] | None) -> str:
    """Mean and standard deviation in per cent; empty where there is none."""
    if value is None:
        return ""
    return _percent(value["mean"]) + (f" +- {_percent(value['sd'])}" if value["sd"] is not None else "")


def reported(reported: Mapping[str, Any]) -> str:
    """The study's number, or that it gives none."""
    if reported["mean"] is None:
        return "none"
    return f"{reported['mean']:.1f} +- {reported['sd']:.1f}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def readable(value: Any) -> str:
    """A parameter's value with as many digits as one reads; the record has all of them."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def aligned(rows: Sequence[Mapping[str, str]], left: Sequence[str] = ("approach",)) -> str:
    """Columns of text under their names: those in `left` to the left, the others to the right."""
    frame = pd.DataFrame(rows)
    for name in left:
        width = max(len(name), *frame[name].map(len))
        frame = frame.assign(**{name: frame[name].str.ljust(width)}).rename(columns={name: name.ljust(width)})
    text: str = frame.to_string(index=False)
    return "\n".join(line.rstrip() for line in text.splitlines())
