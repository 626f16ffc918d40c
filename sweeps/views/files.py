"""What the journal says, as files for programs: `summary.json`, trials and seeds as CSV and Parquet, probabilities.

Accuracies are fractions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import pandas as pd

from sweeps.analysis.intervals import score
from sweeps.core.challenge import Approach
from sweeps.core.files import write_whole
from sweeps.stages.ranking import further_results
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import SEARCH, TrialRecord
from trainables.parts.metrics import metric_names, metrics_of
from trainables.parts.protocol import VALIDATION

PROBABILITIES = "probabilities.parquet"
FILES = ("summary.json", "trials.csv", "trials.parquet", "seeds.csv", "seeds.parquet", PROBABILITIES)


def write_files(
    journal: Journal, approaches: Sequence[Approach], summary: Stored, probabilities: pd.DataFrame | None = None
) -> None:
    """Write the trials and the seeds as CSV and Parquet, and `summary.json`, beside the journal, each file whole.

    So is `probabilities`, what `probabilities_frame` gives, if it has a row; what an earlier start wrote of it goes.

    Raises:
        OSError: One of them cannot be written.
    """
    trials = journal.trials([approach.name for approach in approaches])
    content = summary.model_dump(mode="json")
    write_whole(journal.folder / "summary.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    seeds = seeds_frame(trials, journal.spec.protocol.classes)
    for name, frame in (("trials", trials_frame(trials, journal.spec)), ("seeds", seeds)):
        write_whole(journal.folder / f"{name}.csv", frame.to_csv(index=False))
        write_whole(journal.folder / f"{name}.parquet", parquet(frame))
    if probabilities is not None and len(probabilities):
        write_whole(journal.folder / PROBABILITIES, parquet(probabilities))
    else:
        (journal.folder / PROBABILITIES).unlink(missing_ok=True)


def seeds_frame(trials: Iterable[TrialRecord], classes: Sequence[str]) -> pd.DataFrame:
    """One row per seed and split.

    After the search `trial` is the number of the search trial whose configuration it is. Where there is a shot curve,
    its rows have `shots`, the images of each class that were learned from; the others learned from the sweep's.
    """
    what = ("approach", "stage", "trial", "seed", "split")
    columns = [*what, *metric_names(classes), "seconds", "timestamp_ms", "error"]
    rows = [
        {
            "approach": trial.approach,
            "stage": trial.stage,
            "trial": trial.number if trial.of_trial is None else trial.of_trial,
            "seed": result.seed,
            "split": result.split,
            **metrics_of(result, classes),
            "seconds": result.seconds,
            "timestamp_ms": result.timestamp_ms,
            "error": result.error,
            "shots": trial.shots,
        }
        for trial in trials
        for result in sorted(trial.results, key=lambda result: (result.seed, result.split != VALIDATION))
    ]
    frame = pd.DataFrame(rows, columns=[*columns, "shots"]).astype({"shots": "Int64"})
    return frame if frame["shots"].notna().any() else frame[columns]


def trials_frame(trials: Iterable[TrialRecord], spec: Spec) -> pd.DataFrame:
    """One row for each configuration of the search: state, score over its finished seeds, time, parameters.

    Of a finalist `further_seeds` are those that it has met after the search, `..._further_mean` is the score over them,
    and `..._pooled_mean` that over these and the search's.
    """
    trials, rows = list(trials), []
    intensified = {name: further_results(trials, name) for name in {trial.approach for trial in trials}}
    for trial in trials:
        if trial.stage != SEARCH:
            continue
        found = score(trial.results, SEARCH, spec)
        more = intensified[trial.approach].get(trial.number)
        further, pooled = (
            (score(more, SEARCH, spec), score(trial.results + more, SEARCH, spec)) if more else (None, None)
        )
        rows.append(
            {
                "approach": trial.approach,
                "trial": trial.number,
                "state": trial.state,
                "seeds": found.n if found else 0,
                f"{spec.ranked_by}_mean": found.mean if found else None,
                f"{spec.ranked_by}_sd": found.sd if found else None,
                f"{spec.ranked_by}_low": found.low if found else None,
                f"{spec.ranked_by}_high": found.high if found else None,
                "further_seeds": further.n if further else 0,
                f"{spec.ranked_by}_further_mean": further.mean if further else None,
                f"{spec.ranked_by}_pooled_mean": pooled.mean if pooled else None,
                "seconds": trial.seconds,
                "reason": trial.reason,
                **{f"param.{name}": value for name, value in trial.params.items()},
            }
        )
    return pd.DataFrame(rows)


def parquet(frame: pd.DataFrame) -> bytes:
    """The frame as a Parquet file, where a column has one type: values of several types become text."""
    mixed = [str(name) for name in frame if frame[name].dropna().map(type).nunique() > 1]
    as_text = {name: frame[name].map(str, na_action="ignore") for name in mixed}
    content: bytes = frame.assign(**as_text).to_parquet(None, index=False)
    return content
