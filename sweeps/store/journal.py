"""The journal of a sweep: one append-only Optuna journal, `results/<name>/study.journal`. It is the truth.

For each approach it holds a study (the search, or the settings of `reproduce.py`), a study `<approach> intensified` of
its best few on further search seeds, one `<approach> confirmed`, one `<approach> decided` where a second block of fresh
seeds was needed, one `<approach> shot curve` where that was asked for, and one `<approach> on changed images` unless
that was switched off. The attributes of one more study, `sweep`, say what the sweep is. A trial's user attributes hold
every finished seed; a seed is there before anything else sees it. All else (tables, MLflow) is made from it and can be
made again at any time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.study import Study
from optuna.trial import TrialState

from sweeps.core.errors import BadInput, path_of
from sweeps.store.journal_file import JournalFile, cut_torn_line
from sweeps.store.spec import BALANCED_ACCURACY, RANKED_BY, Spec, Start, validated
from sweeps.store.trials import (
    CONFIRM,
    CONTROL,
    CURVE,
    DECIDE,
    INTENSIFY,
    ROBUSTNESS,
    SEARCH,
    STAGES,
    TrialRecord,
    share_ranges,
    trial_record,
)

JOURNAL = "study.journal"
# Held by the process that writes it.
LOCK = "lock"
# The study that says what the sweep is, and its attributes.
_SWEEP, _ID, _SPEC, _STARTS = "sweep", "id", "spec", "starts"
# And what begins the name of one more for each kind of processor that only workers had.
_PROCESSOR = "processor:"
# What follows the approach in the names of studies besides the search's.
_STUDY_OF = {
    INTENSIFY: " intensified",
    CONFIRM: " confirmed",
    DECIDE: " decided",
    CONTROL: " as a control",
    CURVE: " shot curve",
    ROBUSTNESS: " on changed images",
}
# What a study keeps about an approach that was stopped since its configurations failed: why.
_STOPPED = "stopped"
# After how many configurations an approach fell behind, so that it got no more.
_BEHIND = "behind_after"


class NotBegun(BadInput):
    """A journal of which a start that was killed wrote no more than its beginning."""


class Journal:
    """The journal of one sweep, opened for writing by one process at a time or for reading by any."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Open the journal in `folder`, which a writer makes if it is missing.

        Raises:
            BadInput: Another process is writing it, there is nothing to read, or it cannot be written.
        """
        self.folder = folder
        self.path = folder / JOURNAL
        self._lock = FileLock(folder / LOCK)
        if write:
            self._begin_writing()
        elif not path_of(str(self.path)).is_file():
            raise BadInput(f"Expected the journal of a sweep at {self.path}; there is none. Check the name.")
        try:
            self._open(write=write)
        except BadInput:
            raise
        except OSError as error:
            raise BadInput(f"Expected a readable journal at {self.path}; got {error}.") from None
        except Exception as error:
            # What is damaged fails anywhere in Optuna's reading of it or in ours, also at an assertion.
            found = f"{type(error).__name__}: {error}"
            raise BadInput(f"Expected an Optuna journal at {self.path}; it is damaged ({found}).") from None

    def _open(self, *, write: bool) -> None:
        self._journal = JournalFile(self.path)
        self._storage = JournalStorage(self._journal)
        if not write and _SWEEP not in optuna.get_all_study_names(self._storage):
            raise self._not_begun
        self._sweep = self._load(_SWEEP)
        # Everything is read once here, so that damage is told of before anything starts.
        self.trials()
        for name in optuna.get_all_study_names(self._storage):
            for trial in self._load(name).get_trials(deepcopy=False):
                if trial.state.is_finished():
                    share_ranges(trial)
        if self.has_begun:
            _ = (self.spec, self.starts)

    def _begin_writing(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            self.path.touch()
            cut_torn_line(self.path)
        except Timeout:
            raise BadInput(
                f"Expected to be the only one running this sweep; another process holds {self.folder / LOCK}. "
                "Wait for it or stop it."
            ) from None
        except OSError as error:
            raise BadInput(f"Expected to write in {self.folder}; got {error}. Choose another --results-dir.") from None

    def close(self) -> None:
        """Let another process write. What it writes can still be read here."""
        self._journal.opened.close()
        self._lock.release()

    def together(self) -> AbstractContextManager[None]:
        """Within it, what is written goes to the disk as one piece at the end; only then it can be read."""
        return self._journal.together()

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
    def has_begun(self) -> bool:
        """Whether the sweep got as far as writing what it is."""
        return bool(self._sweep.user_attrs.get(_SPEC)) and bool(self._sweep.user_attrs.get(_STARTS))

    @property
    def _not_begun(self) -> NotBegun:
        return NotBegun(f"Expected the journal of a sweep at {self.path}; got one that has not begun.")

    @property
    def spec(self) -> Spec:
        """What was fixed when the sweep began.

        Raises:
            BadInput: It never began, or what was written is not as this version writes it.
        """
        if not self.has_begun:
            raise self._not_begun
        return validated(Spec, self._sweep.user_attrs[_SPEC], f"what the sweep is, in {self.path}")

    @property
    def ranked_by(self) -> str:
        """The metric of a result that ranks; of a sweep that has not begun, the usual one."""
        return self.spec.ranked_by if self.has_begun else RANKED_BY[BALANCED_ACCURACY]

    @property
    def id(self) -> str:
        """What tells this sweep from any other of the same name."""
        found: str = self._sweep.user_attrs[_ID]
        return found

    @property
    def starts(self) -> tuple[Start, ...]:
        """Every start and resumption, in order.

        Raises:
            BadInput: One of them is not as this version writes it.
        """
        starts = self._sweep.user_attrs.get(_STARTS, [])
        return tuple(validated(Start, start, f"start {at + 1} in {self.path}") for at, start in enumerate(starts))

    def processors(self) -> tuple[str, ...]:
        """The kinds of processor that the sweep has run on: the drivers' first, then others that workers had."""
        of_workers = [key.removeprefix(_PROCESSOR) for key in self._sweep.user_attrs if key.startswith(_PROCESSOR)]
        return tuple(dict.fromkeys([*(start.processor for start in self.starts), *of_workers]))

    def add_processor(self, processor: str) -> None:
        """Write that a worker has this kind."""
        self._sweep.set_user_attr(_PROCESSOR + processor, True)

    def begin(self, spec: Spec, start: Start) -> None:
        """Write what the sweep is, and that it starts now."""
        written, as_json = self._sweep.user_attrs, spec.model_dump(mode="json")
        if _ID not in written:
            self._sweep.set_user_attr(_ID, uuid.uuid4().hex[:12])
        if written.get(_SPEC) != as_json:
            self._sweep.set_user_attr(_SPEC, as_json)
        self._sweep.set_user_attr(_STARTS, [*written.get(_STARTS, []), start.model_dump(mode="json")])

    def study(self, approach: str, stage: str = SEARCH) -> Study:
        """The study of that approach and stage, made if there is none."""
        return self._load(_study_name(approach, stage))

    def stopped(self, approach: str) -> str | None:
        """Why no more configurations of this approach were started, if so."""
        found: str | None = self.study(approach).user_attrs.get(_STOPPED) if approach in self.approaches() else None
        return found

    def set_stopped(self, approach: str, why: str | None) -> None:
        """Write why no more configurations of this approach are started; None is that they are again."""
        self.study(approach).set_user_attr(_STOPPED, why)

    def behind(self, approach: str) -> int | None:
        """After how many configurations this approach fell behind, so that no more were started; None if it did not."""
        found: int | None = self.study(approach).user_attrs.get(_BEHIND) if approach in self.approaches() else None
        return found

    def set_behind(self, approach: str, after: int | None) -> None:
        """Write after how many configurations this approach fell behind; None is that it gets more again."""
        self.study(approach).set_user_attr(_BEHIND, after)

    def _load(self, name: str) -> Study:
        # Optuna writes a line even for a study that exists, so it is made only if it does not: a reader writes nothing.
        if name in optuna.get_all_study_names(self._storage):
            return optuna.load_study(study_name=name, storage=self._storage)
        return optuna.create_study(study_name=name, storage=self._storage, direction="maximize")

    def trials(self, approaches: Iterable[str] | None = None) -> list[TrialRecord]:
        """All configurations that were started, by approach, stage and number."""
        existing = set(optuna.get_all_study_names(self._storage))
        ranked_by = self.ranked_by
        return [
            trial_record(approach, stage, trial, ranked_by)
            for approach in (self.approaches() if approaches is None else approaches)
            for stage in STAGES
            if _study_name(approach, stage) in existing
            for trial in self.study(approach, stage).get_trials(deepcopy=False)
            if trial.state != TrialState.WAITING
        ]

    def approaches(self) -> list[str]:
        """The approaches that have a study, in the order in which they got one."""
        ignored = tuple(_STUDY_OF.values())
        names = optuna.get_all_study_names(self._storage)
        return [name for name in names if name != _SWEEP and not name.endswith(ignored)]


def _study_name(approach: str, stage: str) -> str:
    return f"{approach}{_STUDY_OF.get(stage, '')}"
