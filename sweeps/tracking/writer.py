"""What writes to MLflow.

That import takes seconds, so only the tracker's thread or the writer's process imports this file, once MLflow's
variables are set.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, RunTag

from sweeps.core.files import put_in_place
from sweeps.store.trials import CONFIRM, SEARCH, TrialRecord
from sweeps.tracking import trial_runs, ui_view
from sweeps.tracking.location import as_opened, sqlite_path
from sweeps.tracking.sweep_run import OWN, SweepEnd, SweepRun, key_of
from trainables.parts.results import SeedResult

# Of one request; MLflow refuses more than 1000.
MOST_METRICS = 900
# The tag by which MLflow shows a run under another one.
PARENT = "mlflow.parentRunId"


class KnownRun(NamedTuple):
    """A run that MLflow has."""

    run_id: str
    status: str
    parent: str | None = None


class Writer:
    """Writes one sweep to one store. Runs are found by their key before they are made, so writing again adds nothing.

    Whatever goes wrong raises; then another one is made, which finds what this one wrote.
    """

    def __init__(self, uri: str, sweep: SweepRun, known: dict[str, KnownRun]) -> None:
        """Find what MLflow has of the sweep, and begin or go on with the sweep's own run.

        Args:
            uri: Where to.
            sweep: What to write of it.
            known: Every run of this sweep by key; it is brought up to date, here and by every call.
        """
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if uri.startswith("sqlite"):
            _create_database(uri)
        self.sweep = sweep
        self.known = known
        self.client = MlflowClient(tracking_uri=as_opened(uri))
        # What a person should know of what was done, in whole sentences.
        self.notice: str | None = None
        self.experiment_id = self._experiment()
        self._look_for_runs()
        self.parent = self._run(OWN, {"role": "sweep", "mlflow.runName": sweep.name}, sweep.begun_ms).run_id
        self._take_in_orphans()
        self.client.update_run(self.parent, status="RUNNING")
        for key, value in sweep.tags.items():
            self.client.set_tag(self.parent, key, value)
        self._add_params()
        self.has_confirmed = False
        self.view = self._saved_view()

    def _experiment(self) -> str:
        """The id of the challenge's experiment, made if there is none, and restored if a person has deleted it."""
        found = self.client.get_experiment_by_name(self.sweep.experiment)
        if found is None:
            made: str = self.client.create_experiment(self.sweep.experiment)
            return made
        experiment_id: str = found.experiment_id
        if found.lifecycle_stage == LifecycleStage.DELETED:
            # MLflow gives its name to no other one and takes no run for it.
            self.client.restore_experiment(experiment_id)
            self.notice = (
                f"MLflow's experiment {self.sweep.experiment!r} had been deleted. It is restored, since this sweep "
                "belongs to it, with all its runs, those included that were deleted one by one."
            )
        return experiment_id

    def _take_in_orphans(self) -> None:
        """Put runs under the sweep's own run whose parent is another one, which a person has deleted."""
        for key, run in self.known.items():
            if run.parent not in (None, self.parent):
                self.client.set_tag(run.run_id, PARENT, self.parent)
                self.known[key] = run._replace(parent=self.parent)

    def _saved_view(self) -> ui_view.SavedView | None:
        """Save columns and charts for the sweep's trials; None if that fails."""
        try:
            view = ui_view.saved_view(
                self.sweep.name,
                self.sweep.journal_id,
                self.sweep.examples,
                self.sweep.begun_ms,
                self.sweep.spec.ranked_by,
                confirmed=self.has_confirmed,
            )
            self.client.set_experiment_tag(self.experiment_id, view.tag, view.value)
        except Exception:
            # Its form is undocumented, so whatever goes wrong with it costs only the view. Where the store is gone,
            # the next call says so.
            return None
        return view

    def _look_for_runs(self) -> None:
        """Find every run of this sweep; what is there twice is deleted."""
        mine = {run.run_id for run in self.known.values()}
        found: dict[str, KnownRun] = {}
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.`sweep.id` = '{self.sweep.journal_id}'",
                max_results=1000,
                page_token=token,
            )
            for run in page:
                tags = run.data.tags
                key, another = tags["sweep.key"], KnownRun(run.info.run_id, run.info.status, tags.get(PARENT))
                rivals = [found[key]] if key in found else []
                # A server that seemed not to have made one made it later; either would be filled from the journal.
                found[key], *doubles = sorted(
                    [*rivals, another], key=lambda each: (each.status == "RUNNING", each.run_id not in mine)
                )
                for double in doubles:
                    self.client.delete_run(double.run_id)
            token = page.token
            if not token:
                self.known.clear()
                self.known.update(found)
                return

    def _run(self, key: str, tags: Mapping[str, str], start_ms: int) -> KnownRun:
        """The run with that key in this sweep, made if there is none."""
        key = key_of(self.sweep.journal_id, key)
        if key not in self.known:
            own = {"sweep": self.sweep.name, "sweep.id": self.sweep.journal_id, "sweep.key": key}
            every = {**own, **self.sweep.shared_tags, **tags}
            run = self.client.create_run(self.experiment_id, start_time=start_ms, tags=every)
            self.known[key] = KnownRun(run.info.run_id, "RUNNING", tags.get(PARENT))
        return self.known[key]

    def _add_params(self) -> None:
        """Write the parameters that the sweep's run does not have; MLflow refuses to change one."""
        has = self.client.get_run(self.parent).data.params
        new = [Param(name, value) for name, value in self.sweep.params.items() if name not in has]
        if new:
            self.client.log_batch(self.parent, params=new)

    def write(self, trial: TrialRecord, earlier: Sequence[SeedResult] = ()) -> int:
        """Write one trial unless it is there already; how many were written.

        Args:
            trial: What is written.
            earlier: Of a confirmation, the seeds that earlier ones of the same configuration ran.
        """
        if trial.stage == CONFIRM:
            self._write_confirmed_mean(trial, earlier)
        own = self.sweep.approach_tags.get(trial.approach, {})
        tags = {PARENT: self.parent, **own, **trial_runs.tags(trial)}
        run_id, status, _ = self._run(f"{trial.approach}:{trial.stage}:{trial.number}", tags, trial.started_ms)
        if status in trial_runs.STATUS.values():
            return 0
        metrics = [Metric(*each) for each in trial_runs.metrics(trial, self.sweep.spec)]
        params = [Param(name, value) for name, value in trial_runs.params(trial).items()]
        run_tags = [RunTag("mlflow.note.content", trial_runs.note(trial, self.sweep.folder, self.sweep.spec.measured))]
        run_tags += [RunTag("reason", trial.reason)] if trial.reason else []
        self.client.log_batch(run_id, metrics[:MOST_METRICS], params, run_tags)
        for at in range(MOST_METRICS, len(metrics), MOST_METRICS):
            self.client.log_batch(run_id, metrics[at : at + MOST_METRICS])
        self.client.set_terminated(run_id, status=trial_runs.STATUS[trial.state], end_time=trial_runs.ended_ms(trial))
        return 1

    def _write_confirmed_mean(self, trial: TrialRecord, earlier: Sequence[SeedResult]) -> None:
        """Give the configuration's run of the search its confirmed mean too; from the first on, they sort the view."""
        searched = self.known.get(key_of(self.sweep.journal_id, f"{trial.approach}:{SEARCH}:{trial.of_trial}"))
        metrics = [Metric(*each) for each in trial_runs.of_confirmation(trial, earlier, self.sweep.spec)]
        if searched is None or not metrics:
            return
        self.client.log_batch(searched.run_id, metrics)
        if not self.has_confirmed:
            self.has_confirmed = True
            self.view = self._saved_view()

    def finish(self, end: SweepEnd) -> None:
        """Write the end of the sweep's own run."""
        # For what is there twice.
        self._look_for_runs()
        self.client.log_batch(
            self.parent,
            [
                *(Metric(key, round(value, 4), end.ended_ms, 0) for key, value in end.metrics.items()),
                *(Metric(key, round(value, 4), end.ended_ms, step) for key, value, step in end.stepped_metrics),
            ],
            tags=[RunTag("mlflow.note.content", end.note)],
        )
        for file in end.files:
            # Artifacts lie in MLflow as they lie in the sweep's folder.
            inside = file.parent.relative_to(self.sweep.folder).as_posix()
            self.client.log_artifact(self.parent, str(file), None if inside == "." else inside)
        self.client.set_terminated(self.parent, status=end.status)


def _create_database(uri: str) -> None:
    """Make MLflow's database under another name and put it in place whole; half a schema never opens again."""
    path = sqlite_path(uri)
    if path.exists():
        return
    # Only here, since a server needs none of it.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        SqlAlchemyStore(f"sqlite:///{unfinished}", "mlruns")
        with contextlib.suppress(FileExistsError):
            put_in_place(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
