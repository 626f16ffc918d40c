"""MLflow shows what the record holds. The only file that imports it.

A thread of the driver writes each finished trial in one batch. Runs are found by their key before they are made, and
metrics keep the record's time stamps, so writing again adds nothing. A tracking server that goes away stops nothing:
the record keeps everything, and the next start writes what is missing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps import mlflow_runs, mlflow_views
from sweeps.mlflow_uri import sqlite_path, ui_command, without_password
from sweeps.progress import say
from sweeps.record import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own defaults let one call hang for minutes. A call that is repeated unseen may make a run twice.
HTTP_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
DRAIN_SECONDS = 60.0
# And at most so long when a person has pressed Ctrl-C or something failed.
HURRIED_DRAIN_SECONDS = 10.0
# After a failure MLflow is left alone for so long; what came in meanwhile is written then, or at the end.
RETRY_SECONDS = 30.0
# And so long at the end, where somebody waits.
LAST_RETRY_SECONDS = 2.0
# Where `mlflow ui` serves by default.
LOCAL_UI = "http://127.0.0.1:5000"


class Tracking:
    """Writes one sweep's trials to MLflow from a thread of its own."""

    def __init__(
        self,
        uri: str,
        *,
        folder: Path,
        sweep_id: str,
        begun_ms: int,
        experiment: str,
        tags: Mapping[str, str],
        approach_tags: Mapping[str, Mapping[str, str]],
        sweep_tags: Mapping[str, str],
        params: Mapping[str, Any],
        test_counts: tuple[int, int],
        examples: Sequence[Mapping[str, Any]],
    ) -> None:
        """Begin to write; returns at once.

        Args:
            uri: Where to, already checked.
            folder: The sweep's, whose name is the sweep's.
            sweep_id: What tells it from another sweep of that name.
            begun_ms: When it first began.
            experiment: Name of the challenge's experiment.
            tags: Put on every run of the sweep.
            approach_tags: Put on every run of each approach.
            sweep_tags: Put on the sweep's own run; they may change from start to start.
            params: Put on the sweep's own run; MLflow never changes them.
            test_counts: Normal and pneumonia images of the test split.
            examples: A configuration of each approach, from which the saved view takes its columns.
        """
        self.uri = uri
        self.folder = folder
        self.sweep = folder.name
        self.sweep_id = sweep_id
        self.begun_ms = begun_ms
        self.experiment = experiment
        self.tags = dict(tags)
        self.approach_tags = dict(approach_tags)
        self.sweep_tags = dict(sweep_tags)
        self.params = dict(params)
        self.test_counts = test_counts
        self.examples = examples
        self.view: mlflow_views.SavedView | None = None
        self.experiment_id: str | None = None
        self.trouble: str | None = None
        # Id and status of every run of this sweep, by key, also while a writer is made anew.
        self.known: dict[str, tuple[str, str]] = {}
        self.written = 0
        self.seconds = 0.0
        self._queue: queue.Queue[TrialRecord | None] = queue.Queue()
        self._finish: tuple[str, Mapping[str, float], str, list[Path], int] | None = None
        # Until when the last of it is tried again.
        self._give_up = 0.0
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()

    def push(self, trial: TrialRecord) -> None:
        """Have a finished trial written."""
        self._queue.put(trial)

    def close(
        self,
        status: str,
        metrics: Mapping[str, float],
        note: str,
        files: list[Path],
        *,
        ended_ms: int,
        patience: float = DRAIN_SECONDS,
    ) -> None:
        """Write what is left and the sweep's own results.

        Args:
            status: MLflow's status of the sweep's run: FINISHED, FAILED or KILLED.
            metrics: Of the sweep's run.
            note: Its description, in Markdown.
            files: Its artifacts, from anywhere in the sweep's folder.
            ended_ms: Time stamp of the metrics.
            patience: Seconds to wait at most.
        """
        self._finish = (status, metrics, note, files, ended_ms)
        self._give_up = time.monotonic() + patience
        self._queue.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            self.trouble = self.trouble or f"it was not ready within {patience:.0f} s"

    def where_to_look(self) -> list[str]:
        """What a person types and opens to see the sweep; nothing if MLflow never answered."""
        if self.experiment_id is None:
            return []
        is_server = self.uri.startswith("http")
        start = (
            f"{without_password(self.uri).rstrip('/') if is_server else LOCAL_UI}/#/experiments/{self.experiment_id}/"
        )
        lines = [f"MLflow  {ui_command(self.uri)}"]
        if self.view is None:
            return [*lines, f"        best first: {start}{mlflow_views.plain_suffix(self.sweep)}"]
        return [
            *lines,
            f"        best first: {start}{self.view.table}",
            f"        charts:     {start}{self.view.charts}",
        ]

    def _run(self) -> None:
        for key, value in HTTP_LIMITS.items():
            os.environ.setdefault(key, value)
        waiting: deque[TrialRecord] = deque()
        writer: _Writer | None = None
        not_before = 0.0
        is_last = is_done = False
        while not is_done:
            # The first round waits for nothing: importing MLflow and making its database take seconds that Ray hides
            # by starting meanwhile.
            if (writer is not None or self.trouble is not None) and not is_last:
                trial = self._queue.get()
                is_last = trial is None
                if trial is not None:
                    waiting.append(trial)
            if time.monotonic() < not_before and not is_last:
                continue
            begin = time.thread_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    writer = writer or _Writer(self)
                    while waiting:
                        self.written += writer.write(waiting[0])
                        waiting.popleft()
                    if is_last:
                        assert self._finish is not None
                        writer.finish(*self._finish)
                        is_done = True
                if self.trouble:
                    say("MLflow is back, and has everything that it missed.")
                self.trouble = None
            except Exception as error:
                first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
                if not self.trouble and not is_last:
                    say(f"MLflow takes nothing now ({first_line[:160]}). The sweep goes on; MLflow gets it all later.")
                self.trouble = f"{type(error).__name__}: {first_line[:160]}"
                not_before = time.monotonic() + RETRY_SECONDS
                # What did not answer may have done all the same what it was asked for, so the next one looks anew.
                writer = None
                if is_last:
                    is_done = time.monotonic() + LAST_RETRY_SECONDS > self._give_up
                    if not is_done:
                        time.sleep(LAST_RETRY_SECONDS)
            self.seconds += time.thread_time() - begin


class _Writer:
    """The MLflow side of `Tracking`, in its thread."""

    def __init__(self, tracking: Tracking) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if tracking.uri.startswith("sqlite"):
            _create_database(tracking.uri)
        from mlflow import MlflowClient

        self.tracking = tracking
        self.client: MlflowClient = MlflowClient(tracking_uri=tracking.uri)
        experiment = self.client.get_experiment_by_name(tracking.experiment)
        self.experiment_id = (
            experiment.experiment_id if experiment else self.client.create_experiment(tracking.experiment)
        )
        self._look_for_runs()
        parent_tags = {"role": "sweep", "mlflow.runName": tracking.sweep}
        self.parent, _ = self._run("sweep", parent_tags, tracking.begun_ms)
        self.client.update_run(self.parent, status="RUNNING")
        for key, value in tracking.sweep_tags.items():
            self.client.set_tag(self.parent, key, value)
        self._log_params(self.parent, tracking.params)
        tracking.experiment_id = self.experiment_id
        self._save_view()

    def _save_view(self) -> None:
        """Columns and charts for the sweep's trials. Its form is undocumented, so a failure costs only the view."""
        from mlflow.exceptions import MlflowException

        columns, axes = mlflow_views.common_params(self.tracking.examples)
        try:
            view = mlflow_views.saved_view(self.tracking.sweep, columns, axes, self.tracking.begun_ms)
            self.client.set_experiment_tag(self.experiment_id, view.tag, view.value)
        except (ValueError, MlflowException):
            return
        self.tracking.view = view

    def _look_for_runs(self) -> None:
        """Find every run of this sweep; what is there twice is deleted."""
        mine = {run_id for run_id, _ in self.tracking.known.values()}
        known: dict[str, tuple[str, str]] = {}
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.`sweep.id` = '{self.tracking.sweep_id}'",
                max_results=1000,
                page_token=token,
            )
            for run in page:
                key, found = run.data.tags["sweep.key"], (run.info.run_id, run.info.status)
                rivals = [known[key]] if key in known else []
                # A server that seemed not to have made one made it later; either would be filled from the record.
                known[key], *doubles = sorted(
                    [*rivals, found], key=lambda each: (each[1] == "RUNNING", each[0] not in mine)
                )
                for run_id, _ in doubles:
                    self.client.delete_run(run_id)
            token = page.token
            if not token:
                self.tracking.known = known
                return

    def _run(self, key: str, tags: Mapping[str, str], start_ms: int) -> tuple[str, str]:
        """Id and status of the run with that key in this sweep, made if there is none."""
        key = f"{self.tracking.sweep_id}:{key}"
        known = self.tracking.known
        if key not in known:
            own = {"sweep": self.tracking.sweep, "sweep.id": self.tracking.sweep_id, "sweep.key": key}
            every = {**own, **self.tracking.tags, **tags}
            run = self.client.create_run(self.experiment_id, start_time=start_ms, tags=every)
            known[key] = (run.info.run_id, "RUNNING")
        return known[key]

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters that the run does not have; MLflow refuses to change one."""
        from mlflow.entities import Param

        has = self.client.get_run(run_id).data.params
        new = [Param(name, str(value)) for name, value in params.items() if name not in has]
        if new:
            self.client.log_batch(run_id, params=new)

    def write(self, trial: TrialRecord) -> int:
        """Write one trial unless it is there already; how many were written."""
        from mlflow.entities import Metric, Param, RunTag

        own = self.tracking.approach_tags.get(trial.approach, {})
        tags = {"mlflow.parentRunId": self.parent, **own, **mlflow_runs.tags(trial)}
        run_id, status = self._run(f"{trial.approach}:{trial.stage}:{trial.number}", tags, trial.started_ms)
        if status in mlflow_runs.STATUS.values():
            return 0
        metrics = [Metric(*each) for each in mlflow_runs.metrics(trial, self.tracking.test_counts)]
        params = [Param(name, value) for name, value in mlflow_runs.params(trial).items()]
        run_tags = [RunTag("mlflow.note.content", mlflow_runs.note(trial, self.tracking.folder))]
        run_tags += [RunTag("reason", trial.reason)] if trial.reason else []
        for start in range(0, max(len(metrics), 1), 900):
            first = start == 0
            self.client.log_batch(
                run_id, metrics[start : start + 900], params if first else (), run_tags if first else ()
            )
        self.client.set_terminated(run_id, status=mlflow_runs.STATUS[trial.state], end_time=mlflow_runs.ended_ms(trial))
        return 1

    def finish(self, status: str, metrics: Mapping[str, float], note: str, files: list[Path], ended_ms: int) -> None:
        """Write the sweep's own run."""
        from mlflow.entities import Metric, RunTag

        # For what is there twice.
        self._look_for_runs()
        self.client.log_batch(
            self.parent,
            [Metric(key, round(value, 4), ended_ms, 0) for key, value in metrics.items()],
            tags=[RunTag("mlflow.note.content", note)],
        )
        for file in files:
            # Artifacts lie in MLflow as they lie in the sweep's folder.
            inside = file.parent.relative_to(self.tracking.folder).as_posix()
            self.client.log_artifact(self.parent, str(file), None if inside == "." else inside)
        self.client.set_terminated(self.parent, status=status)


def _create_database(uri: str) -> None:
    """Make MLflow's database under another name and put it in place whole; half a schema never opens again."""
    path = sqlite_path(uri)
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        SqlAlchemyStore(f"sqlite:///{unfinished}", "mlruns")
        # A link instead of a move, so that of two that begin at the same time one database stays.
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
