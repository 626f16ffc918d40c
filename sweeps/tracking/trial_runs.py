"""What a finished trial is in MLflow: the tags, parameters, metrics and description of its run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.intervals import estimates, score
from sweeps.core.commands import rerun_command
from sweeps.core.formatting import percent, readable
from sweeps.store.spec import Spec
from sweeps.store.trials import CONFIRM, CURVE, DECIDE, INTENSIFY, ROBUSTNESS, TrialRecord
from trainables.parts.metrics import metric_names, metrics_of
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
# A seed's own metrics stand apart from the aggregates, of which a run's page shows the last value as the run's own.
SEED_PREFIX = "seed/"
# Searched over decades. MLflow's axes are linear and would squeeze nearly all values of these into one point.
LOGARITHMIC = ("learning_rate", "weight_decay")
LOGARITHM_PREFIX = "log10_"
# A configuration's run of the search has its confirmed mean too, so that runs can be sorted by it.
CONFIRMED_PREFIX = "confirmed_"


def search_filter(journal_id: str) -> str:
    """MLflow's search expression for the trials of a sweep's search, without the sweep's run and confirmations."""
    # Not by its name: those who share a store may have given the same.
    return f"tags.role = 'trial' AND tags.`sweep.id` = '{journal_id}'"


# What follows the approach in the name of a run of a stage after the search, and the run's role.
OF_STAGE = {
    INTENSIFY: ("-intensified", "intensification"),
    CONFIRM: ("-confirmed", "confirmation"),
    DECIDE: ("-decided", "decision"),
    CURVE: ("-{shots}-shots", "shot curve"),
    ROBUSTNESS: ("-changed", "robustness"),
}


def tags(trial: TrialRecord) -> dict[str, str]:
    """What a run is found and filtered by."""
    of_stage, role = OF_STAGE.get(trial.stage, ("", "trial"))
    return {
        "mlflow.runName": f"t{_number(trial):03d}-{trial.approach}{of_stage.format(shots=trial.shots)}",
        "role": role,
        "approach": trial.approach,
        "state": trial.state.lower(),
        **({"shots": str(trial.shots)} if trial.shots is not None else {}),
    }


def params(trial: TrialRecord) -> dict[str, str]:
    """The configuration as a person reads it, and the logarithms that the charts need."""
    return {
        "approach": trial.approach,
        **{name: readable(value) for name, value in trial.params.items()},
        **logarithms(trial.params),
    }


def logarithms(params: Mapping[str, Any]) -> dict[str, str]:
    """Further parameters, for the axes of charts: the logarithms of those that are searched over decades."""
    found = {name: params[name] for name in LOGARITHMIC if params.get(name, 0) > 0}
    return {f"{LOGARITHM_PREFIX}{name}": f"{math.log10(value):.2f}" for name, value in found.items()}


def metrics(trial: TrialRecord, spec: Spec) -> list[tuple[str, float, int, int]]:
    """Name, value, time stamp and step: each seed's own metrics with the seed as the step, then the aggregates."""
    if trial.stage == ROBUSTNESS:
        return _on_changed_images(trial)
    keys = keys_of(spec.protocol.classes)
    of_seeds = [
        (
            f"{SEED_PREFIX}{'test_' if result.split == TEST else ''}{keys.get(metric, metric)}",
            round(value, 6),
            result.timestamp_ms,
            result.seed,
        )
        for result in trial.results
        for metric, value in {**metrics_of(result, spec.protocol.classes), "seconds": result.seconds}.items()
        if value is not None and not (metric == "seconds" and result.split == TEST)
    ]
    found = aggregates(trial, spec)
    return of_seeds + [(key, round(value, 4), ended_ms(trial), 0) for key, value in found.items()]


def _on_changed_images(trial: TrialRecord) -> list[tuple[str, float, int, int]]:
    """Balanced accuracy of each seed after each change, and its means: the other metrics are in the sweep's files."""
    prefix = "" if trial.state == "COMPLETE" else "partial_"
    of_seeds = []
    by_key: dict[str, list[float]] = {}
    for result in trial.results:
        if result.balanced_accuracy is not None:
            key = f"{re.sub('[: ]+', '_', result.split)}_balanced_accuracy"
            of_seeds.append(
                (f"{SEED_PREFIX}{key}", round(result.balanced_accuracy, 6), result.timestamp_ms, result.seed)
            )
            by_key.setdefault(key, []).append(result.balanced_accuracy)
    found = {f"{prefix}{key}_mean": math.fsum(values) / len(values) for key, values in by_key.items()}
    found |= {"n_seeds": float(len({result.seed for result in trial.results})), "seconds": trial.seconds}
    return of_seeds + [(key, round(value, 4), ended_ms(trial), 0) for key, value in found.items()]


def keys_of(classes: Sequence[str]) -> dict[str, str]:
    """Of each metric the name as MLflow takes it: a class may have a name that it does not, and no two get the same."""
    names = metric_names(classes)
    keys = [re.sub(r"[^\w.\- :]", "_", name) for name in names]
    return {
        name: key if keys.count(key) == 1 else f"{key}_{at}"
        for at, (name, key) in enumerate(zip(names, keys, strict=True))
    }


def aggregates(trial: TrialRecord, spec: Spec) -> dict[str, float]:
    """Means of all metrics, sd and 95 % interval of accuracies and of what ranks, number of seeds, and what they took.

    Only a complete trial's are named `accuracy_mean` and so on: one that was raced out or failed has `partial_` before
    them, so that nobody ranks five lucky seeds above ten.
    """
    keys = keys_of(spec.protocol.classes)
    prefix = "" if trial.state == "COMPLETE" else "partial_"
    found: dict[str, float] = {}
    with_interval = ("accuracy", "balanced_accuracy", spec.ranked_by)
    own = spec.at_shots(trial.shots)
    for split, of_split in ((VALIDATION, ""), (TEST, "test_")):
        for metric, value in estimates(trial.results, split, trial.stage, own, of_images=with_interval).items():
            name = f"{prefix}{of_split}{keys[metric]}"
            found[f"{name}_mean"] = value.mean
            if metric in with_interval and value.sd is not None:
                assert value.low is not None
                assert value.high is not None
                found |= {f"{name}_sd": value.sd, f"{name}_ci_low": value.low, f"{name}_ci_high": value.high}
    found["n_seeds"] = float(len(trial.scores))
    found["seconds"] = trial.seconds
    return found


def of_confirmation(trial: TrialRecord, earlier: Sequence[SeedResult], spec: Spec) -> list[tuple[str, float, int, int]]:
    """What a confirmation adds to the configuration's run of the search: mean and interval of what ranks.

    Both are over all its fresh seeds, those included that earlier confirmations of it ran.
    """
    found = score((*earlier, *trial.results), trial.stage, spec) if trial.state == "COMPLETE" else None
    ends = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high} if found else {}
    return [
        (f"{CONFIRMED_PREFIX}{spec.ranked_by}_{end}", round(value, 4), ended_ms(trial), 0)
        for end, value in ends.items()
        if value is not None
    ]


def note(trial: TrialRecord, folder: Path, measured: str = "accuracy") -> str:
    """The description on a run's page; `folder` is the sweep's, and `measured` what ranks, as a person calls it."""
    if trial.stage == ROBUSTNESS:
        return (
            f"{trial.approach}, configuration {_number(trial)}, on test images as they are and changed: "
            f"{trial.state.lower()}.{' ' + trial.reason + '.' if trial.reason else ''}"
        )
    scores = trial.scores
    seeds = "1 seed" if len(scores) == 1 else f"{len(scores)} seeds"
    found = f"over {seeds}: {percent(scores.mean())} %" if len(scores) else "no seed finished"
    number = _number(trial)
    seed = trial.results[0].seed if trial.results else 0
    shots = "" if trial.shots is None else f", from {trial.shots} images of each class"
    return (
        f"{trial.approach}, configuration {number}{shots}: {trial.state.lower()}. Mean validation {measured} {found}."
        f"{' ' + trial.reason + '.' if trial.reason else ''}\n\n"
        f"One seed again: `{rerun_command(folder, trial.approach, number, seed, trial.shots)}`"
    )


def ended_ms(trial: TrialRecord) -> int:
    """When it ended, else when it began."""
    return trial.ended_ms or trial.started_ms


def _number(trial: TrialRecord) -> int:
    """The configuration's number in the search."""
    return trial.number if trial.of_trial is None else trial.of_trial
