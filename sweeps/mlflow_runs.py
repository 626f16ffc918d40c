"""What a finished trial is in MLflow: the tags, parameters, metrics and description of its run."""

from __future__ import annotations

from pathlib import Path

from sweeps import mlflow_views
from sweeps.intervals import estimates
from sweeps.record import CONFIRM, TrialRecord
from sweeps.tables import readable
from trainables.metrics import METRICS
from trainables.protocol import TEST, VALIDATION

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


def tags(trial: TrialRecord) -> dict[str, str]:
    """What a run is found and filtered by."""
    is_confirm = trial.stage == CONFIRM
    return {
        "mlflow.runName": f"t{_number(trial):03d}-{trial.approach}" + ("-confirmed" if is_confirm else ""),
        "role": "confirmation" if is_confirm else "trial",
        "approach": trial.approach,
        "state": trial.state.lower(),
    }


def params(trial: TrialRecord) -> dict[str, str]:
    """The configuration as a person reads it, and the logarithms that the charts need."""
    return {
        "approach": trial.approach,
        **{name: readable(value) for name, value in trial.params.items()},
        **mlflow_views.logarithms(trial.params),
    }


def metrics(trial: TrialRecord, test_counts: tuple[int, int]) -> list[tuple[str, float, int, int]]:
    """Name, value, time stamp and step: each seed's own metrics with the seed as the step, then the aggregates."""
    of_seeds = [
        (
            f"{mlflow_views.SEED_PREFIX}{'test_' if result.split == TEST else ''}{metric}",
            round(value, 6),
            result.timestamp_ms,
            result.seed,
        )
        for result in trial.results
        for metric in (*METRICS, "seconds")
        if (value := getattr(result, metric)) is not None and not (metric == "seconds" and result.split == TEST)
    ]
    found = aggregates(trial, test_counts)
    return of_seeds + [(key, round(value, 4), ended_ms(trial), 0) for key, value in found.items()]


def aggregates(trial: TrialRecord, test_counts: tuple[int, int]) -> dict[str, float]:
    """Means of all metrics, sd and 95 % interval of the accuracies, number of seeds, and what they took.

    Only a complete trial's are named `accuracy_mean` and so on: one that was raced out or failed has `partial_` before
    them, so that nobody ranks five lucky seeds above ten.
    """
    prefix = "" if trial.state == "COMPLETE" else "partial_"
    found: dict[str, float] = {}
    for split, of_split in ((VALIDATION, ""), (TEST, "test_")):
        for metric, value in estimates(trial.results, split, test_counts).items():
            name = f"{prefix}{of_split}{metric}"
            found[f"{name}_mean"] = value.mean
            if metric in ("accuracy", "balanced_accuracy") and value.sd is not None:
                assert value.low is not None
                assert value.high is not None
                found |= {f"{name}_sd": value.sd, f"{name}_ci_low": value.low, f"{name}_ci_high": value.high}
    found["n_seeds"] = float(len(trial.values("accuracy")))
    found["seconds"] = trial.seconds
    return found


def note(trial: TrialRecord, folder: Path) -> str:
    """The description on a run's page; `folder` is the sweep's."""
    accuracies = trial.values("accuracy")
    found = f"over {len(accuracies)} seeds: {100 * accuracies.mean():.1f} %" if len(accuracies) else "no seed finished"
    number = _number(trial)
    seed = trial.results[0].seed if trial.results else 0
    return (
        f"{trial.approach}, configuration {number}: {trial.state.lower()}. Mean validation accuracy {found}."
        f"{' ' + trial.reason + '.' if trial.reason else ''}\n\nOne seed again: `python sweeps/rerun.py "
        f"{folder} --approach {trial.approach} --trial {number} --seed {seed}`"
    )


def ended_ms(trial: TrialRecord) -> int:
    """When it ended, else when it began."""
    return trial.ended_ms or trial.started_ms


def _number(trial: TrialRecord) -> int:
    """The configuration's number in the search."""
    return trial.number if trial.of_trial is None else trial.of_trial
