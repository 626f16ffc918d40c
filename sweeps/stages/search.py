"""The search: which configurations are tried, and which of them are stopped early because they are losing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from optuna.pruners import NopPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.core.formatting import percent
from sweeps.core.progress import say
from sweeps.core.seeds import search_seeds
from sweeps.stages import repeats, taking_up
from sweeps.stages.outcomes import NOTHING_NEW, RACED_OUT, Back, Outcome, outcome_of
from sweeps.stages.racing import Racing
from sweeps.stages.sampling import at_random, tpe
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task, mean_score
from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH, TrialRecord, seeds_of
from trainables.parts.protocol import VALIDATION

# After so many configurations in a row that failed, no more of that approach are started.
MOST_FAILURES_IN_A_ROW = 5


class SearchStage(Stage):
    """New configurations from Optuna, for the approaches in turn, until each approach has had `num_samples`.

    The first configuration of each approach is the published one, or what stands for it where there is none; then comes
    its portfolio, where it has one; then TPE suggests. What it suggests again is not trained again: the search asks
    anew until it has `num_samples` distinct configurations, or nothing but repeats. Between two blocks of seeds a
    configuration is stopped if Wilcoxon's signed-rank test finds it worse than the approach's best complete one on
    their common seeds, or if a complete one has the same results. An approach whose configurations fail one after the
    other is stopped, and the others go on; the next start tries it again.
    """

    name = SEARCH
    splits = (VALIDATION,)

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        num_samples: int,
        seeds: int,
        search_seed: int,
        time_budget: float | None = None,
        racing: Racing | None = Racing(),  # noqa: B008 - frozen
        sampler: Callable[[int, str, int], BaseSampler] = tpe,
    ) -> None:
        """Take up the search where the journal has it.

        Args:
            journal: Where results go; trials found running there are run on.
            approaches: What is searched.
            on_closed: Told of each finished trial.
            num_samples: Distinct configurations of each approach, those in the journal included.
            seeds: Seeds of each configuration.
            search_seed: It says which block of seeds is used, and starts the sampler's own randomness.
            time_budget: Seconds after which no configuration is started any more; None is without end.
            racing: When losing configurations are stopped; None is never.
            sampler: What suggests configurations, given search seed, approach and number of the configuration.
        """
        super().__init__(journal, approaches, on_closed)
        self.approaches = {approach.name: approach for approach in approaches}
        self.num_samples = num_samples
        self.looks = racing.looks(seeds) if racing else []
        # A block ends at each look, since a worker can be stopped only between two blocks.
        ends = [0, *self.looks, seeds]
        block = search_seeds(search_seed, seeds)
        self.blocks = [list(block[a:b]) for a, b in pairwise(ends)]
        self.search_seed = search_seed
        self.deadline = None if time_budget is None else time.monotonic() + time_budget
        self.sampler = sampler
        # Trials that were asked for; those of them that are no repeats; and how many repeats came last.
        self.asked: dict[str, int] = {}
        self.started: dict[str, int] = {}
        self.repeats_in_a_row: dict[str, int] = {}
        # Approaches whose space has no more.
        self.exhausted: set[str] = set()
        self.best: dict[str, float] = {}
        self.failures_in_a_row: Counter[str] = Counter()
        self.stopped: set[str] = set()
        for approach in approaches:
            self.studies[approach.name].pruner = racing.pruner() if racing else NopPruner()
            self._begin(approach)

    def _begin(self, approach: Approach) -> None:
        """Begin the search of one approach, or go on with it; the drivers of earlier starts may have died anywhere."""
        name, study = approach.name, self.studies[approach.name]
        trials = study.get_trials(deepcopy=False)
        # All that are wanted are queued before any is asked for, so those that a dead driver did not queue come last.
        for params in approach.starts[len(trials) : self.num_samples]:
            study.enqueue_trial(dict(params))
        self.asked[name] = sum(trial.state != TrialState.WAITING for trial in trials)
        running = [self._whole(approach, trial) for trial in trials if trial.state == TrialState.RUNNING]
        interrupted = [trial for trial in running if not self._ends_as_repeat(name, trial)]
        trials = study.get_trials(deepcopy=False)
        self.repeats_in_a_row[name] = repeats.in_a_row(trials, self.asked[name], approach)
        if self.repeats_in_a_row[name] >= repeats.MOST_REPEATS_IN_A_ROW:
            self.exhausted.add(name)
        begun = repeats.distinct(trials)
        self.started[name] = len(begun)
        self.tallies[name].seeds_left = self._unstarted_seeds(name)
        taking_up.count_done(self.tallies[name], begun)
        self._keep_the_best(name, taking_up.best_value(begun))
        if not self.journal.stopped(name):
            self.failures_in_a_row[name] = taking_up.failures_at_the_end(begun)
        elif len(begun) < self.num_samples:
            self.journal.set_stopped(name, None)
        for trial in interrupted:
            self._take_up(name, trial)

    def _whole(self, approach: Approach, frozen: FrozenTrial) -> Trial:
        """An interrupted trial with every parameter."""
        study = self.studies[approach.name]
        row = repeats.in_a_row(study.get_trials(deepcopy=False), frozen.number, approach)
        return taking_up.whole_trial(
            approach, study, frozen, lambda: self._sampler(approach.name, frozen.number, row), self.ranked_by
        )

    def _take_up(self, name: str, trial: Trial) -> None:
        """Queue what an interrupted trial still lacks, or end it if it has nothing left but to be ended."""
        task = self.missing(self._task(name, trial))
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=task.seeds, raced_out=self._raced_out(task))
        if outcome.goes_on:
            self.tallies[name].seeds_left += task.seeds
            self.waiting.append(task)
        else:
            self.end(name, trial, outcome)

    def has_new(self) -> bool:
        """Whether an approach has had fewer than `num_samples`, within the time budget."""
        in_time = self.deadline is None or time.monotonic() < self.deadline
        return in_time and bool(self._short())

    def _short(self) -> list[str]:
        """The approaches that are to get more configurations."""
        ended = self.stopped | self.exhausted
        return [name for name, count in self.started.items() if count < self.num_samples and name not in ended]

    def new_task(self) -> Task | None:
        """A new configuration of the approach that has had the fewest; None also if there were repeats alone."""
        while self.has_new():
            name = min(self._short(), key=lambda name: self.started[name])
            trial = self._ask(name)
            if not self._ends_as_repeat(name, trial):
                self.repeats_in_a_row[name] = 0
                self.started[name] += 1
                return self._task(name, trial)
            self.repeats_in_a_row[name] += 1
            if self.repeats_in_a_row[name] >= repeats.MOST_REPEATS_IN_A_ROW:
                self._exhaust(name)
        return None

    def _ask(self, name: str) -> Trial:
        study = self.studies[name]
        # A suggestion depends on the trial's number and the history, not on how often the driver was restarted.
        study.sampler = self._sampler(name, self.asked[name], self.repeats_in_a_row[name])
        trial = study.ask()
        self.approaches[name].suggest(trial)
        self.asked[name] += 1
        return trial

    def _ends_as_repeat(self, name: str, trial: Trial) -> bool:
        """Whether the approach has had this configuration, in which case the trial is ended."""
        study = self.studies[name]
        other = repeats.repeated_by(study.get_trials(deepcopy=False), trial)
        if other is not None:
            repeats.end_as_repeat(study, trial, other)
        return other is not None

    def _exhaust(self, name: str) -> None:
        self.tallies[name].seeds_left -= self._unstarted_seeds(name)
        self.exhausted.add(name)
        say(
            f"{name}: its space seems to have no more than {self.started[name]} configurations, since the last "
            f"{repeats.MOST_REPEATS_IN_A_ROW} suggestions had all been tried."
        )

    def _sampler(self, name: str, number: int, repeats_in_a_row: int) -> BaseSampler:
        sampler = at_random if repeats_in_a_row >= repeats.REPEATS_UNTIL_RANDOM else self.sampler
        return sampler(self.search_seed, name, number)

    def _task(self, name: str, trial: Trial) -> Task:
        return Task(approach=name, trial=trial, params=trial.params, blocks=self.blocks, splits=self.splits)

    def _unstarted_seeds(self, name: str) -> int:
        """The seeds of the configurations that an approach has not begun."""
        if name in self.exhausted:
            return 0
        return max(self.num_samples - self.started[name], 0) * sum(map(len, self.blocks))

    def best_so_far(self) -> str:
        """The best complete configuration of all approaches, on the search's own seeds."""
        found = max(((mean, name) for name, mean in self.best.items()), default=None)
        return f"best so far {found[1]} {percent(found[0])} %" if found else ""

    def _keep_the_best(self, name: str, mean: float | None) -> None:
        if mean is not None:
            self.best[name] = max(mean, self.best.get(name, mean))

    def is_losing(self, task: Task) -> bool:
        """Whether to stop it at a look; looks come after fixed numbers of seeds, so that they do not depend on timing.

        The first configuration always runs to its end: where something is published, it is what a person compares with.
        """
        raced_out = self._raced_out(task)
        if raced_out is not None:
            self.raced_out[task.approach, task.trial.number] = raced_out
        return raced_out is not None

    def _raced_out(self, task: Task) -> Outcome | None:
        trial = task.trial
        seeds = len(seeds_of(trial.user_attrs))
        if trial.number == 0 or seeds not in self.looks:
            return None
        if trial.should_prune():
            return RACED_OUT
        other = repeats.same_results(self.studies[task.approach].get_trials(deepcopy=False), trial)
        return None if other is None else NOTHING_NEW.because(f"{NOTHING_NEW.reason} as {other} on {seeds} seeds")

    def end(self, approach: str, trial: Trial, outcome: Outcome) -> None:
        """End a trial in the journal; an approach whose trials fail one after the other is stopped."""
        super().end(approach, trial, outcome)
        if outcome.state == TrialState.COMPLETE:
            self._keep_the_best(approach, mean_score(trial, self.ranked_by))
        if not outcome.is_failure:
            self.failures_in_a_row[approach] = 0
            return
        self.failures_in_a_row[approach] += 1
        if self.failures_in_a_row[approach] >= MOST_FAILURES_IN_A_ROW and approach not in self.stopped:
            self._stop(approach, outcome.reason or "")

    def _stop(self, approach: str, reason: str) -> None:
        self.stopped.add(approach)
        self.tallies[approach].seeds_left -= self._unstarted_seeds(approach)
        text = f"stopped after {MOST_FAILURES_IN_A_ROW} configurations in a row failed, the last one with: {reason}"
        self.journal.set_stopped(approach, text)
        say(f"{approach} is {text}. The other approaches go on; --resume tries it again.")
