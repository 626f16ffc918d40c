"""The record of a sweep: one append-only Optuna journal, `results/<name>/study.journal`. It is the truth.

It holds a study an approach (the search, or the settings of `reported.py`), a study `<approach> confirmed`, and a study
`sweep` whose attributes say what the sweep is. A trial's user attributes hold every finished seed; a seed is there
before anything else sees it. All else (tables, MLflow) is made from it and can be made again at any time.
"""

from __future__ import annotations

import math
import os
import shutil
import uuid
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.bad_input import BadInput, path_of
from trainables.protocol import VALIDATION, SeedResult

JOURNAL = "study.journal"
SEARCH, CONFIRM = "search", "confirm"
STAGES = (SEARCH, CONFIRM)
# What a study keeps about an approach that was stopped since its configurations failed: why.
STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One configuration as the journal has it. `state` is Optuna's: RUNNING, COMPLETE, PRUNED (raced out) or FAIL.

    In the confirm stage `of_trial` is the number of the search trial whose configuration this is. `distributions` are
    the ranges that the parameters were drawn from.
    """

    approach: str
    stage: str
    number: int
    state: str
    params: dict[str, Any]
    results: tuple[SeedResult, ...]
    reason: str | None
    of_trial: int | None
    started_ms: int
    ended_ms: int | None
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)

    def values(self, metric: str, split: str = VALIDATION) -> np.ndarray:
        """One value of the metric a finished seed, in the order of the seeds."""
        found = [r for r in self.results if r.split == split and r.error is None]
        return np.array([getattr(r, metric) for r in sorted(found, key=lambda r: r.seed)], dtype=float)

    @property
    def seconds(self) -> float:
        """What its seeds took, each on one CPU."""
        return math.fsum(result.seconds for result in self.results)


class RecordGone(OSError):
    """The journal is no longer where it was opened."""


class _Journal(JournalFileBackend):
    """Optuna's journal file, which must stay the file that was opened: Optuna would begin a new one in silence."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self._open()

    def _open(self) -> None:
        # Whoever deletes the file leaves us its content.
        self.opened = self.path.open("rb")
        # Kept by itself, since a record can be read after it was closed.
        self._identity = os.fstat(self.opened.fileno())

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._check()
        super().append_logs(logs)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        self._check()
        return super().read_logs(log_number_from)

    def _check(self) -> None:
        if not self.is_there():
            raise RecordGone(f"{self.path} was deleted or replaced while the sweep ran")

    def is_there(self) -> bool:
        """Whether the file under this name is still the one that was opened."""
        try:
            return os.path.samestat(self.path.stat(), self._identity)
        except OSError:
            return False

    def put_back(self) -> None:
        """Write what the file held to where it was.

        Raises:
            OSError: It cannot be written, or another file is in its place.
        """
        copy = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        self.opened.seek(0)
        with copy.open("xb") as file:
            shutil.copyfileobj(self.opened, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(copy, self.path)
        except FileExistsError:
            raise FileExistsError(f"{self.path} is another one by now; this sweep's is in {copy}") from None
        copy.unlink()
        self.opened.close()
        self._open()


class Record:
    """The journal of one sweep, opened for writing by one process at a time or for reading by any."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Open the record in `folder`, which a writer makes if it is missing.

        Raises:
            BadInput: Another process is writing it, there is nothing to read, or it cannot be written.
        """
        self.folder = folder
        self.path = folder / JOURNAL
        self._lock = FileLock(folder / "lock")
        if write:
            self._begin_writing()
        elif not path_of(str(self.path)).is_file():
            raise BadInput(f"Expected the record of a sweep at {self.path}; there is none. Check the name.")
        try:
            self._journal = _Journal(self.path)
            self._storage = JournalStorage(self._journal)
            known = optuna.get_all_study_names(self._storage)
            if not write and "sweep" not in known:
                raise BadInput(f"Expected the record of a sweep at {self.path}; got one that has not begun.")
            self._sweep = self._load("sweep")
            # Read once here, so that damage is told of before anything starts.
            self.trials()
        except BadInput:
            raise
        except OSError as error:
            raise BadInput(f"Expected a readable record at {self.path}; got {error}.") from None
        except Exception as error:
            # What is damaged fails anywhere in Optuna's reading of it or in ours, also at an assertion.
            found = f"{type(error).__name__}: {error}"
            raise BadInput(f"Expected an Optuna journal at {self.path}; it is damaged ({found}).") from None

    def _begin_writing(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            self.path.touch()
            _cut_torn_line(self.path)
        except Timeout:
            raise BadInput(
                f"Expected to be the only one running this sweep; another process holds {self.folder / 'lock'}. "
                "Wait for it or stop it."
            ) from None
        except OSError as error:
            raise BadInput(f"Expected to write in {self.folder}; got {error}. Choose another --results-dir.") from None
        # A writer that was killed in the middle of a line leaves Optuna's own lock, which would stall us for 30 s. We
        # are the only writer, so it is nobody's.
        for stale in self.folder.glob(f"{JOURNAL}.lock*"):
            stale.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process write. What it writes can still be read here."""
        self._journal.opened.close()
        self._lock.release()

    def put_back_if_gone(self) -> bool:
        """Restore a journal that somebody deleted, from the file that is still open here; whether it was necessary.

        Raises:
            OSError: It is gone and cannot be restored.
        """
        if self._journal.is_there():
            return False
        self._journal.put_back()
        return True

    @property
    def spec(self) -> dict[str, Any]:
        """What was fixed when the sweep began; empty for a sweep that never did."""
        spec: dict[str, Any] = self._sweep.user_attrs.get("spec", {})
        return spec

    @property
    def id(self) -> str:
        """What tells this sweep from any other of the same name."""
        found: str = self._sweep.user_attrs["id"]
        return found

    @property
    def starts(self) -> list[dict[str, Any]]:
        """Every start and resumption: command, code, versions, time, notices."""
        starts: list[dict[str, Any]] = self._sweep.user_attrs.get("starts", [])
        return starts

    def begin(self, spec: dict[str, Any], start: dict[str, Any]) -> None:
        """Write what the sweep is, and that it starts now."""
        if "id" not in self._sweep.user_attrs:
            self._sweep.set_user_attr("id", uuid.uuid4().hex[:12])
        if self.spec != spec:
            self._sweep.set_user_attr("spec", spec)
        self._sweep.set_user_attr("starts", [*self.starts, start])

    def study(self, approach: str, stage: str = SEARCH) -> Study:
        """The study of that approach and stage, made if there is none."""
        return self._load(_study_name(approach, stage))

    def stopped(self, approach: str) -> str | None:
        """Why no more configurations of this approach were started, if so."""
        found: str | None = self.study(approach).user_attrs.get(STOPPED) if approach in self.approaches() else None
        return found

    def _load(self, name: str) -> Study:
        # Optuna writes a line even for a study that exists, so it is made only if it does not: a reader writes nothing.
        if name in optuna.get_all_study_names(self._storage):
            return optuna.load_study(study_name=name, storage=self._storage)
        return optuna.create_study(study_name=name, storage=self._storage, direction="maximize")

    def trials(self, approaches: Iterable[str] | None = None) -> list[TrialRecord]:
        """All configurations that were started, by approach, stage and number."""
        existing = set(optuna.get_all_study_names(self._storage))
        return [
            trial_record(approach, stage, trial)
            for approach in (self.approaches() if approaches is None else approaches)
            for stage in STAGES
            if _study_name(approach, stage) in existing
            for trial in self.study(approach, stage).get_trials(deepcopy=False)
            if trial.state != TrialState.WAITING
        ]

    def approaches(self) -> list[str]:
        """The approaches that have a study, in the order in which they got one."""
        ignored = f" {CONFIRM}ed"
        names = optuna.get_all_study_names(self._storage)
        return [name for name in names if name != "sweep" and not name.endswith(ignored)]


def _study_name(approach: str, stage: str) -> str:
    return approach if stage == SEARCH else f"{approach} {CONFIRM}ed"


def _cut_torn_line(path: Path) -> None:
    """Cut a journal back to its last whole line; after a torn one Optuna could append but never read again."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def write_seed(trial: Trial, result: SeedResult) -> bool:
    """Put one finished seed into the journal, unless it is there; whether it was new."""
    key = f"seed:{result.seed}:{result.split}"
    if key in trial.user_attrs:
        return False
    trial.set_user_attr(key, asdict(result))
    if result.split == VALIDATION and result.accuracy is not None:
        # Optuna's pruner pairs by step, so a seed's own value is reported under the seed.
        trial.report(result.accuracy, step=result.seed)
    return True


def seeds_of(user_attrs: dict[str, Any]) -> tuple[SeedResult, ...]:
    """The finished seeds in a trial's attributes."""
    return tuple(SeedResult(**value) for key, value in user_attrs.items() if key.startswith("seed:"))


def trial_record(approach: str, stage: str, trial: FrozenTrial) -> TrialRecord:
    """The record of one trial."""
    start, end = trial.datetime_start, trial.datetime_complete
    return TrialRecord(
        approach=approach,
        stage=stage,
        number=trial.number,
        state=trial.state.name,
        params=dict(trial.params),
        results=seeds_of(trial.user_attrs),
        reason=trial.user_attrs.get("reason"),
        of_trial=trial.user_attrs.get("of_trial"),
        started_ms=int(start.timestamp() * 1000) if start else 0,
        ended_ms=int(end.timestamp() * 1000) if end else None,
        distributions=trial.distributions,
    )


def best_complete(trials: Iterable[TrialRecord], approach: str) -> TrialRecord | None:
    """The complete search trial of this approach with the greatest mean validation accuracy, the earliest of equals."""
    complete = [t for t in trials if t.approach == approach and t.stage == SEARCH and t.state == "COMPLETE"]
    return max(complete, key=lambda t: (t.values("accuracy").mean(), -t.number), default=None)


def confirmed_results(trials: Iterable[TrialRecord], approach: str, number: int) -> tuple[SeedResult, ...]:
    """Every confirmation seed of that search trial; two confirmations of the same one add up."""
    return tuple(
        result
        for trial in trials
        if trial.approach == approach and trial.stage == CONFIRM and trial.of_trial == number
        for result in trial.results
    )
