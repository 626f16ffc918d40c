"""What is to be run: the search's next configurations, then the winners' fresh seeds.

An agenda hands out tasks and takes their results into the record. It knows Optuna and not Ray: the engine runs it.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.pruners import WilcoxonPruner
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.challenge import Approach
from sweeps.record import (
    CONFIRM,
    SEARCH,
    Record,
    TrialRecord,
    best_complete,
    confirmed_results,
    seeds_of,
    trial_record,
    write_seed,
)
from trainables.protocol import TEST, VALIDATION, SeedResult

SEARCH_SEEDS_FROM = 1000
CONFIRM_SEEDS_FROM = 2000
MOST_SEEDS = 1000
# Seeds between two looks at whether a configuration is losing. With fewer than 5 the test cannot reject at all.
BLOCK = 5
# Wilcoxon's p-value below which a configuration is stopped, shared among the looks at it (Bonferroni). It is nominal:
# the rival is the best so far on these very seeds, so one that is as good in truth is stopped more often than that.
RACING_ERROR = 0.05
# A task whose worker was lost this often is given up.
MOST_ATTEMPTS = 3
# When so many workers are lost without a seed finished in between, it is not the configurations' fault.
MOST_LOSSES_IN_A_ROW = 12


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one configuration, to run in one go on one worker."""

    approach: str
    trial: Trial
    params: dict[str, Any]
    blocks: list[list[int]]
    splits: tuple[str, ...]
    # How often its worker was lost.
    attempts: int = 0

    @property
    def seeds(self) -> int:
        """How many seeds it asks for."""
        return sum(map(len, self.blocks))


@dataclass
class Tally:
    """How far one approach is, for the progress line."""

    seconds_a_seed: float
    seeds_left: int
    seeds_done: int = 0
    seconds_done: float = 0.0

    def count(self, result: SeedResult, *, is_last: bool) -> None:
        """A result came in; the last one of a seed ends it."""
        self.seconds_done += result.seconds
        if is_last:
            self.seeds_done += 1
            self.seeds_left -= 1

    @property
    def seconds_left(self) -> float:
        """CPU seconds that the remaining seeds will take, by what the finished ones took."""
        mean = self.seconds_done / self.seeds_done if self.seeds_done else self.seconds_a_seed
        return self.seeds_left * mean


class Agenda:
    """Tasks not yet handed out, tasks being run, and what to do with their results. Subclasses say which tasks."""

    stage: str

    def __init__(self, record: Record, approaches: Sequence[Approach], on_closed: Callable[[TrialRecord], None]):
        """Begin with nothing to do. `on_closed` gets each finished trial."""
        self.on_closed = on_closed
        self.studies = {approach.name: record.study(approach.name, self.stage) for approach in approaches}
        self.tallies: dict[str, Tally] = {}
        self.waiting: deque[Task] = deque()
        self.live: list[Task] = []
        self.losses_in_a_row = 0

    def next_task(self) -> Task | None:
        """The next task, or None while there is nothing to start."""
        task = self.waiting.popleft() if self.waiting else self.new_task()
        if task is not None:
            self.live.append(task)
        return task

    @property
    def seeds_done(self) -> int:
        """Seeds in the record, those of earlier starts included."""
        return sum(tally.seeds_done for tally in self.tallies.values())

    @property
    def seeds_left(self) -> int:
        """Seeds still to run if no configuration is stopped early any more."""
        return sum(tally.seeds_left for tally in self.tallies.values())

    @property
    def seconds_left(self) -> float:
        """CPU seconds that those will take."""
        return sum(tally.seconds_left for tally in self.tallies.values())

    def best_so_far(self) -> str:
        """A word for the progress line."""
        return ""

    def new_task(self) -> Task | None:
        """A task that was never handed out before."""
        return None

    def is_finished(self) -> bool:
        """Whether nothing is left to start and nothing runs; what runs may come back."""
        return not self.live and not self.waiting and not self.has_new()

    def has_new(self) -> bool:
        """Whether `new_task` would give one."""
        return False

    def take(self, task: Task, result: SeedResult) -> None:
        """Write a finished seed into the record; one that is there already is not counted twice."""
        if write_seed(task.trial, result):
            self.losses_in_a_row = 0
            self.tallies[task.approach].count(result, is_last=ends_seed(task, result))

    def is_losing(self, task: Task) -> bool:
        """Whether this configuration need not go on. Asked after each step."""
        return False

    def close(self, task: Task) -> None:
        """The task has run to its end, was stopped as losing, or gave a failure."""
        self.live.remove(task)

    def lost(self, task: Task) -> None:
        """The task's worker died: it goes back in front of the queue with the seeds that are still missing."""
        self.losses_in_a_row += 1
        if self.losses_in_a_row >= MOST_LOSSES_IN_A_ROW:
            raise RuntimeError(f"{self.losses_in_a_row} workers were lost in a row without a finished seed")
        self.live.remove(task)
        again = replace(self.missing(task), attempts=task.attempts + 1)
        if again.attempts < MOST_ATTEMPTS:
            self.waiting.appendleft(again)
        else:
            self.give_up(again, f"its worker was lost {again.attempts} times")

    def missing(self, task: Task) -> Task:
        """The same task without the seeds that are in the record."""
        done = {result.seed for result in seeds_of(task.trial.user_attrs) if ends_seed(task, result)}
        blocks = [[seed for seed in block if seed not in done] for block in task.blocks]
        return replace(task, blocks=[block for block in blocks if block])

    def give_up(self, task: Task, reason: str) -> None:
        """Fail the trial; drop what it still asks for."""
        self.tallies[task.approach].seeds_left -= self.missing(task).seeds
        self.tell(task.approach, task.trial, state=TrialState.FAIL, reason=reason)

    def tell(
        self,
        approach: str,
        trial: Trial,
        *,
        value: float | None = None,
        state: TrialState | None = None,
        reason: str | None = None,
    ) -> None:
        """End a trial in the record, and say so."""
        if reason:
            trial.set_user_attr("reason", reason)
        study = self.studies[approach]
        study.tell(trial, value, state)
        self.on_closed(trial_record(approach, self.stage, study.get_trials(deepcopy=False)[trial.number]))


def ends_seed(task: Task, result: SeedResult) -> bool:
    """Whether no other result of this seed follows."""
    return result.split == task.splits[-1] or result.error is not None


def failure(trial: Trial) -> SeedResult | None:
    """The seed that failed, if one did."""
    return next((result for result in seeds_of(trial.user_attrs) if result.error), None)


def mean_accuracy(trial: Trial) -> float:
    """Mean validation accuracy over the trial's finished seeds."""
    accuracies = [r.accuracy for r in seeds_of(trial.user_attrs) if r.split == VALIDATION and r.accuracy is not None]
    return float(np.mean(accuracies))


def in_blocks(seeds: Sequence[int]) -> list[list[int]]:
    """The seeds in blocks of `BLOCK`."""
    return [list(seeds[start : start + BLOCK]) for start in range(0, len(seeds), BLOCK)]


class SearchAgenda(Agenda):
    """New configurations from Optuna, an approach after the other in turn, until each has had `num_samples`.

    The first configuration of each approach is the published one, so a sweep never does worse than its source; then
    TPE suggests. Between two blocks of seeds a configuration is stopped if Wilcoxon's signed-rank test finds it worse
    than the approach's best complete one on their common seeds.
    """

    stage = SEARCH
    # What ended early by our own decision, as (approach, trial number).
    raced_out: set[tuple[str, int]]

    def __init__(
        self,
        record: Record,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        num_samples: int,
        seeds: int,
        search_seed: int,
        time_budget: float | None = None,
        racing: bool = True,
    ) -> None:
        """Take up the search where the record has it.

        Args:
            record: Where results go; trials found running there are run on.
            approaches: What is searched.
            on_closed: Told of each finished trial.
            num_samples: Configurations an approach, those in the record included.
            seeds: Seeds a configuration.
            search_seed: Start of the sampler's own randomness.
            time_budget: Seconds after which no configuration is started any more; None is without end.
            racing: Whether losing configurations are stopped.
        """
        super().__init__(record, approaches, on_closed)
        self.approaches = {approach.name: approach for approach in approaches}
        self.num_samples = num_samples
        self.blocks = in_blocks(range(SEARCH_SEEDS_FROM, SEARCH_SEEDS_FROM + seeds))
        self.search_seed = search_seed
        self.ends = None if time_budget is None else time.monotonic() + time_budget
        self.looks = racing_looks(seeds) if racing else []
        self.raced_out = set()
        self.started: dict[str, int] = {}
        self.best: dict[str, float] = {}
        for name, approach in self.approaches.items():
            study = self.studies[name]
            study.pruner = racing_pruner(self.looks)
            trials = study.get_trials(deepcopy=False)
            if not trials:
                study.enqueue_trial(dict(approach.reported.params))
            begun = [trial for trial in trials if trial.state != TrialState.WAITING]
            self.started[name] = len(begun)
            fresh = max(num_samples - len(begun), 0) * seeds
            self.tallies[name] = Tally(seconds_a_seed=approach.seconds_a_seed, seeds_left=fresh)
            for frozen in begun:
                done = [r for r in seeds_of(frozen.user_attrs) if r.error is None]
                self.tallies[name].seeds_done += len(done)
                self.tallies[name].seconds_done += sum(r.seconds for r in done)
                if frozen.value is not None and frozen.state == TrialState.COMPLETE:
                    self.best[name] = max(frozen.value, self.best.get(name, frozen.value))
                if frozen.state == TrialState.RUNNING:
                    self._take_up(approach, frozen)

    def _take_up(self, approach: Approach, frozen: FrozenTrial) -> None:
        """A trial whose driver died: it may have nothing left but to be told, or not even all its parameters."""
        study = self.studies[approach.name]
        # Parameters that are missing are drawn as they would have been, which takes the draws before them too.
        rehearsal = optuna.create_study(
            direction="maximize", sampler=sampler(self.search_seed, approach.name, frozen.number)
        )
        rehearsal.add_trials([trial for trial in study.get_trials() if trial.number < frozen.number])
        rehearsed = rehearsal.ask()
        approach.suggest(rehearsed)
        study.sampler = PartialFixedSampler(rehearsed.params, sampler(self.search_seed, approach.name, frozen.number))
        trial = Trial(study, frozen._trial_id)
        approach.suggest(trial)
        for result in seeds_of(frozen.user_attrs):
            # It may also have died between writing a seed and reporting it to the pruner.
            if result.accuracy is not None and result.seed not in frozen.intermediate_values:
                trial.report(result.accuracy, step=result.seed)
        task = self.missing(self._task(approach.name, trial))
        self.tallies[approach.name].seeds_left += task.seeds
        if task.blocks and not failure(trial) and not self.is_losing(task):
            self.waiting.append(task)
        else:
            self.live.append(task)
            self.close(task)

    def has_new(self) -> bool:
        """Whether an approach has had fewer than `num_samples`, within the time budget."""
        in_time = self.ends is None or time.monotonic() < self.ends
        return in_time and any(started < self.num_samples for started in self.started.values())

    def new_task(self) -> Task | None:
        """A new configuration of the approach that has had the fewest."""
        if not self.has_new():
            return None
        name = min(self.started, key=lambda name: self.started[name])
        study = self.studies[name]
        # A suggestion depends on the trial's number and the history, not on how often the driver was restarted.
        study.sampler = sampler(self.search_seed, name, self.started[name])
        trial = study.ask()
        self.approaches[name].suggest(trial)
        self.started[name] += 1
        return self._task(name, trial)

    def _task(self, name: str, trial: Trial) -> Task:
        return Task(approach=name, trial=trial, params=trial.params, blocks=self.blocks, splits=(VALIDATION,))

    def best_so_far(self) -> str:
        """The best complete configuration of all approaches, on the search's own seeds."""
        found = max(((mean, name) for name, mean in self.best.items()), default=None)
        return f"best so far {found[1]} {100 * found[0]:.1f} %" if found else ""

    def is_losing(self, task: Task) -> bool:
        """Wilcoxon's test after fixed numbers of seeds, so that the looks do not depend on timing.

        The published setting always runs to its end: it is what a person compares with.
        """
        at_a_look = len(seeds_of(task.trial.user_attrs)) in self.looks
        if task.trial.number == 0 or not at_a_look or not task.trial.should_prune():
            return False
        self.raced_out.add((task.approach, task.trial.number))
        return True

    def close(self, task: Task) -> None:
        """Tell Optuna: failed, raced out, or complete with the mean over all seeds."""
        left = self.missing(self._task(task.approach, task.trial)).seeds
        failed = failure(task.trial)
        is_raced_out = (task.approach, task.trial.number) in self.raced_out
        if left and not failed and not is_raced_out:
            # Nobody of us has ended it.
            self.lost(task)
            return
        super().close(task)
        self.tallies[task.approach].seeds_left -= left
        if failed:
            reason = f"seed {failed.seed}: {failed.error}"
            self.tell(task.approach, task.trial, state=TrialState.FAIL, reason=reason)
        elif is_raced_out:
            self.tell(
                task.approach, task.trial, state=TrialState.PRUNED, reason="raced out: worse than the best so far"
            )
        else:
            mean = mean_accuracy(task.trial)
            self.best[task.approach] = max(mean, self.best.get(task.approach, mean))
            self.tell(task.approach, task.trial, value=mean)


def sampler(search_seed: int, approach: str, number: int) -> TPESampler:
    """TPE with every argument that is not deprecated stated; search seed, approach and number decide its draws."""
    seed = np.random.SeedSequence([search_seed, zlib.crc32(approach.encode()), number]).generate_state(1)[0]
    return TPESampler(
        n_startup_trials=10,  # Random ones first, the published setting among them.
        n_ei_candidates=24,
        seed=int(seed),
        multivariate=True,  # Learning rate, decay and steps act together.
        group=False,  # Experimental, and no better on conditional spaces.
        constant_liar=True,  # Workers running at the same time must not all get the same suggestion.
        constraints_func=None,
    )


def racing_looks(seeds: int) -> list[int]:
    """After how many of `seeds` seeds to look whether a configuration is losing: at the ends of blocks.

    Looks at which even the clearest loss could not be told are left out: with n seeds the least p-value is 2^-n.
    """
    looks = list(range(BLOCK, seeds, BLOCK))
    while looks and 2.0 ** -looks[0] >= RACING_ERROR / len(looks):
        looks.pop(0)
    return looks


def racing_pruner(looks: Sequence[int]) -> WilcoxonPruner:
    """Optuna's pruner for these looks at a configuration."""
    return WilcoxonPruner(p_threshold=RACING_ERROR / max(len(looks), 1), n_startup_steps=BLOCK)


class ConfirmAgenda(Agenda):
    """Fresh seeds, validation and test, for the best configuration of each approach."""

    stage = CONFIRM

    def __init__(
        self,
        record: Record,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
    ) -> None:
        """Queue what the record lacks of `seeds` fresh seeds for each approach's present winner."""
        super().__init__(record, approaches, on_closed)
        trials = record.trials([approach.name for approach in approaches])
        for approach in approaches:
            self.tallies[approach.name] = Tally(seconds_a_seed=approach.seconds_a_seed, seeds_left=0)
            best = best_complete(trials, approach.name)
            study = self.studies[approach.name]
            if best is None:
                continue
            own = Tally(seconds_a_seed=best.seconds / max(len(best.results), 1), seeds_left=0)
            self.tallies[approach.name] = own
            running = None
            for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if frozen.user_attrs.get("of_trial") == best.number:
                    running = Trial(study, frozen._trial_id)
                else:
                    reason = "an extended search found a better configuration"
                    self.tell(approach.name, Trial(study, frozen._trial_id), state=TrialState.FAIL, reason=reason)
            results = confirmed_results(trials, approach.name, best.number)
            done = {result.seed for result in results if result.split == TEST or result.error}
            wanted = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + seeds)
            missing = [seed for seed in wanted if seed not in done]
            if running is None and missing and not any(result.error for result in results):
                running = self._new_trial(study, best.number, best.params, approach)
            if running is None:
                continue
            for block in in_blocks(missing):
                self.waiting.append(
                    Task(
                        approach=approach.name,
                        trial=running,
                        params=best.params,
                        blocks=[block],
                        splits=(VALIDATION, TEST),
                    )
                )
            own.seeds_left = len(missing)
            if not missing:
                self._end(approach.name, running)

    def _new_trial(self, study: Study, number: int, params: dict[str, Any], approach: Approach) -> Trial:
        study.enqueue_trial(params, user_attrs={"of_trial": number})
        trial = study.ask()
        approach.suggest(trial)
        return trial

    def close(self, task: Task) -> None:
        """End the trial when its last task is through; after a failure the tasks that wait are dropped."""
        super().close(task)
        self.tallies[task.approach].seeds_left -= self.missing(task).seeds
        if failure(task.trial) or "reason" in task.trial.user_attrs:
            for other in [t for t in self.waiting if t.trial is task.trial]:
                self.waiting.remove(other)
                self.tallies[task.approach].seeds_left -= other.seeds
        if not any(other.trial is task.trial for other in [*self.live, *self.waiting]):
            self._end(task.approach, task.trial)

    def give_up(self, task: Task, reason: str) -> None:
        """Fail the confirmation once no other task of it runs."""
        task.trial.set_user_attr("reason", reason)
        self.live.append(task)
        self.close(task)

    def _end(self, approach: str, trial: Trial) -> None:
        failed = failure(trial)
        reason = f"seed {failed.seed}: {failed.error}" if failed else trial.user_attrs.get("reason")
        if reason:
            self.tell(approach, trial, state=TrialState.FAIL, reason=reason)
        else:
            self.tell(approach, trial, value=mean_accuracy(trial))
