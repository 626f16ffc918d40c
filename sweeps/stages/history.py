"""What a sampler sees of a long search, so that a suggestion does not get dearer with each configuration.

TPE divides a history into its best trials, at most 25, and the rest, of which the oldest weigh next to nothing. So it
sees the last `MOST_RECENT` ended trials and the best of all: what it suggests is the same with fewer than that, and
nearly so with more. Of those that run, which it takes for bad ones so as not to suggest their like, it sees the last
`MOST_RUNNING`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Container, Mapping
from copy import deepcopy as copied
from typing import Any, cast

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

MOST_RECENT = 1000
MOST_RUNNING = 200
# As many as TPE takes for its best ones at most (Optuna's `default_gamma`).
MOST_BEST = 25
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class RecentHistory(Study):
    """A study of which one sees the last trials that did not end, the last that ended, and the best of all.

    Failed trials are not seen, as no sampler of ours looks at them.
    """

    def __init__(self, study: Study) -> None:
        """Begin with nothing seen."""
        super().__init__(study.study_name, study._storage)
        self._next_number = 0
        # The trial that was asked for right after the last look.
        self._seen_by: int | None = None
        # By number. An ended trial never changes.
        self._unended: dict[int, FrozenTrial] = {}
        self._recent: list[FrozenTrial] = []
        self._best: list[FrozenTrial] = []
        # The ranges that trials were drawn from, each kind once, and which kind a seen trial has.
        self._spaces: list[Mapping[str, BaseDistribution]] = []
        self._space_of: dict[int, int] = {}

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """The seen trials by number, as of the last look; Optuna's samplers ask here, several times a suggestion."""
        unended = [self._unended[number] for number in sorted(self._unended)[-MOST_RUNNING:]]
        by_number = {trial.number: trial for trial in (*self._best, *self._recent, *unended)}
        found = [by_number[number] for number in sorted(by_number)]
        found = found if states is None else [trial for trial in found if trial.state in states]
        return copied(found) if deepcopy else found

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The seen trials by number."""
        self.look()
        return super().get_trials(deepcopy, states)

    def ask_owner(self, study: Study) -> Trial:
        """Ask the study itself for a trial; `Study.ask` looks through all trials for one that waits, each time."""
        self.look()
        if any(trial.state == TrialState.WAITING for trial in self._unended.values()):
            return study.ask()
        self._seen_by = self._storage.create_new_trial(self._study_id)
        return Trial(study, self._seen_by)

    def common_space(self) -> dict[str, BaseDistribution]:
        """The ranges that the ended trials share that the last look saw, by name, as `IntersectionSearchSpace` does."""
        first, *others = [self._spaces[at] for at in sorted(set(self._space_of.values()))] or [{}]
        return {
            name: first[name]
            for name in sorted(first)
            if all(other.get(name) == first[name] for other in others) and not first[name].single()
        }

    def look_for(self, trial: FrozenTrial) -> None:
        """Look once before what this trial gets is sampled; it was done already if it was asked for here."""
        if trial._trial_id != self._seen_by:
            self.look()
        self._seen_by = None

    def look(self) -> None:
        """Take in what happened since the last look; it takes microseconds for each trial that runs."""
        try:
            while True:
                found = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, self._next_number)
                self._unended[self._next_number] = self._storage.get_trial(found)
                self._next_number += 1
        except KeyError:
            # There is none with this number yet.
            pass
        for number, known in list(self._unended.items()):
            trial = self._storage.get_trial(known._trial_id)
            if not trial.state.is_finished():
                self._unended[number] = trial
                continue
            del self._unended[number]
            if trial.state in _ENDED:
                self._take_in(trial)

    def _take_in(self, trial: FrozenTrial) -> None:
        insort(self._recent, trial, key=_number)
        insort(self._best, trial, key=_rank)
        self._space_of[trial.number] = self._kind(trial.distributions)
        dropped = {each.number for each in (*self._recent[:-MOST_RECENT], *self._best[MOST_BEST:])}
        del self._recent[:-MOST_RECENT], self._best[MOST_BEST:]
        for number in dropped - {each.number for each in self._best}:
            if number < self._recent[0].number:
                del self._space_of[number]

    def _kind(self, space: Mapping[str, BaseDistribution]) -> int:
        if space not in self._spaces:
            self._spaces.append(space)
        return self._spaces.index(space)


def _number(trial: FrozenTrial) -> int:
    return trial.number


def _rank(trial: FrozenTrial) -> tuple[float, ...]:
    """As TPE ranks: complete trials by value, then pruned ones by how far they came; equal ones by number."""
    if trial.state == TrialState.COMPLETE:
        return (0, -cast(float, trial.value), trial.number)
    step, value = max(trial.intermediate_values.items(), default=(-1, 0.0))
    return (1, -step, -value, trial.number)


class BoundedTPE(TPESampler):
    """Optuna's TPE; the ranges that all trials share are not compared anew for each suggestion."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The ranges that are sampled together."""
        if isinstance(study, RecentHistory):
            return study.common_space()
        return super().infer_relative_search_space(study, trial)


class OnHistory(BaseSampler):
    """A sampler that is shown this history in place of the study that asks it."""

    def __init__(self, sampler: BaseSampler, history: RecentHistory) -> None:
        self._sampler = sampler
        self._history = history

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler does; every suggestion begins here."""
        self._history.look_for(trial)
        return self._sampler.infer_relative_search_space(self._history, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler does."""
        return self._sampler.sample_relative(self._history, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler does."""
        return self._sampler.sample_independent(self._history, trial, param_name, param_distribution)
