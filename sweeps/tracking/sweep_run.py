"""What a sweep is in MLflow: the tags, parameters, metrics and end of its own run, and what all its runs share."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from sweeps.analysis import caveats
from sweeps.analysis.image_error import FEW_SEEDS
from sweeps.analysis.summary import Summary
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.signals import ENDED_BY
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start

# MLflow's status of the sweep's run, by the command's exit code; any other is a failure.
STATUS = {0: "FINISHED", **dict.fromkeys(ENDED_BY.values(), "KILLED")}


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """What MLflow gets of a sweep when it starts.

    Attributes:
        folder: The sweep's, whose name is the sweep's.
        journal_id: What tells it from another sweep of that name.
        begun_ms: When it first began.
        experiment: Name of the challenge's experiment.
        tags: Of the sweep's own run; they may change from start to start.
        params: Of the sweep's own run; MLflow never changes them.
        shared_tags: Of every run of the sweep.
        approach_tags: Of every run of each approach.
        spec: What its numbers depend on.
        examples: A configuration of each approach, from which the saved view takes its columns.
    """

    folder: Path
    journal_id: str
    begun_ms: int
    experiment: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    shared_tags: Mapping[str, str]
    approach_tags: Mapping[str, Mapping[str, str]]
    spec: Spec
    examples: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The sweep's."""
        return self.folder.name


@dataclass(frozen=True, kw_only=True)
class SweepEnd:
    """What MLflow gets of a sweep when a start ends.

    Attributes:
        exit_code: Of the command.
        metrics: Of the sweep's own run.
        stepped_metrics: More of them, each a name, a value and a step.
        note: Its description, in Markdown.
        files: Its artifacts, from anywhere in the sweep's folder.
        ended_ms: Time stamp of the metrics.
    """

    exit_code: int
    metrics: Mapping[str, float]
    note: str
    files: Sequence[Path]
    ended_ms: int
    stepped_metrics: Sequence[tuple[str, float, int]] = ()

    @property
    def status(self) -> str:
        """MLflow's status of the run."""
        return STATUS.get(self.exit_code, "FAILED")


def of_start(
    journal: Journal, challenge: Challenge, approaches: Sequence[Approach], tags: Mapping[str, str]
) -> SweepRun:
    """What MLflow gets of the start that the journal has begun last.

    Args:
        journal: The sweep's.
        challenge: Whose approaches may be in it.
        approaches: Those that this start asks for.
        tags: More about this start.
    """
    spec, starts = journal.spec, journal.starts
    start = starts[-1]
    return SweepRun(
        folder=journal.folder,
        journal_id=journal.id,
        begun_ms=starts[0].time_ms,
        experiment=experiment_of(challenge.name),
        tags={
            **caveats.of_sweep(spec),
            "command": start.command,
            "git_revision": start.git_revision,
            "approaches": ", ".join(approach.name for approach in approaches),
            **tags,
        },
        params=params(spec),
        shared_tags=_source_tags(start),
        approach_tags={each.name: caveats.of_approach(spec, each) for each in challenge.approaches},
        spec=spec,
        examples=[_example(approach) for approach in approaches],
    )


# The sweep's own run among those of a sweep.
OWN = "sweep"


def key_of(journal_id: str, run: str) -> str:
    """What tells a run of a sweep from all others in MLflow, as its tag `sweep.key`."""
    return f"{journal_id}:{run}"


def experiment_of(challenge: str) -> str:
    """The name of a challenge's experiment."""
    return f"seedsweep {challenge}"


def params(spec: Spec) -> dict[str, str]:
    """The spec as parameters of the sweep's run."""
    plain = {
        "challenge": spec.challenge,
        "numbers_version": spec.numbers_version,
        "dataset": spec.dataset.source,
        "dataset_fingerprint": spec.dataset.fingerprint,
        "classes": ", ".join(spec.protocol.classes),
        "shots": ", ".join(map(str, spec.protocol.shots)),
        "validation": spec.protocol.validation,
        "metric": spec.metric,
        "precision": spec.precision,
        "smoke": spec.smoke,
        "seeds": spec.seeds,
        "search_seed": spec.search_seed,
    }
    return {
        **{name: str(value) for name, value in plain.items() if value is not None},
        **{f"weights_fingerprint.{name}": each.fingerprint for name, each in spec.weights.items()},
        **{f"other_datasets_fingerprint.{name}": each.fingerprint for name, each in spec.other_datasets.items()},
    }


def _source_tags(start: Start) -> dict[str, str]:
    """MLflow's own tags for where a run comes from, which its tables show."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = "unknown"
    return {
        "mlflow.source.name": start.command,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": start.git_revision,
        "mlflow.user": user,
    }


def _example(approach: Approach) -> Mapping[str, Any]:
    """A configuration of the approach: where its search starts, or any one."""
    if approach.start is not None:
        return approach.start
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    approach.suggest(trial)
    return trial.params


def metrics(summary: Summary) -> dict[str, float]:
    """Metrics of the sweep's own run: by approach means with intervals, how often it comes first, and optimism.

    On fresh seeds they are of approaches that have them all, and how often one comes first is of as many as the verdict
    says it of.
    """
    found: dict[str, float] = {}
    for row in summary.approaches:
        estimates = {
            f"confirmed_{summary.spec.ranked_by}": row.confirmed if row.is_confirmed else None,
            f"decided_{summary.spec.ranked_by}": row.decided if row.is_confirmed else None,
            f"search_{summary.spec.ranked_by}": row.search,
            "test_balanced_accuracy": row.test_accuracy if row.is_confirmed else None,
        }
        for name, estimate in estimates.items():
            values = {"mean": estimate.mean, "ci_low": estimate.low, "ci_high": estimate.high} if estimate else {}
            found |= {f"{row.approach}.{name}_{end}": value for end, value in values.items() if value is not None}
        if row.first_share is not None and row.quoted and row.quoted.n >= FEW_SEEDS:
            found[f"{row.approach}.first_share"] = row.first_share
        if row.adjusted:
            ends = {"mean": row.adjusted.mean, "ci_low": row.adjusted.low, "ci_high": row.adjusted.high}
            found |= {f"{row.approach}.adjusted_{end}": value for end, value in ends.items()}
        if row.optimism:
            ends = {"mean": row.optimism.mean, "ci_low": row.optimism.low, "ci_high": row.optimism.high}
            found |= {f"{row.approach}.optimism_{end}": value for end, value in ends.items()}
    return found | _lost(summary)


def _lost(summary: Summary) -> dict[str, float]:
    """What changed test images cost each approach: over all changes, and by kind."""
    found: dict[str, float] = {}
    for each in summary.robustness.approaches if summary.robustness else ():
        losses = {"": each.mean, **{f"_{kind.kind.replace(' ', '_')}": kind.loss for kind in each.kinds}}
        for name, loss in losses.items():
            ends = {"mean": loss.mean, "ci_low": loss.low, "ci_high": loss.high} if loss else {}
            found |= {f"{each.approach}.lost{name}_{end}": value for end, value in ends.items() if value is not None}
    return found


def curve_metrics(summary: Summary) -> list[tuple[str, float, int]]:
    """The shot curve as metrics of the sweep's own run, with the images of each class as the step."""
    curves = summary.shot_curve.curves if summary.shot_curve else ()
    return [
        (f"{each.approach}.by_shots_{summary.spec.ranked_by}_{end}", value, point.shots)
        for each in curves
        for point in each.points
        if point.score is not None
        for end, value in (
            ("mean", point.score.mean),
            ("ci_low", point.score.low),
            ("ci_high", point.score.high),
            ("adjusted_mean", point.adjusted.mean if point.adjusted else None),
        )
        if value is not None
    ]
