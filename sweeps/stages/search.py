"""The search: which configurations are tried, and which of them are stopped early because they are losing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.core.formatting import percent
from sweeps.core.kinds import ADAPTIVE
from sweeps.core.progress import say
from sweeps.core.seeds import search_seeds
from sweeps.stages import repeats, taking_up
from sweeps.stages.allocation import Allocation, Rounds
from sweeps.stages.history import OnHistory, RecentHistory
from sweeps.stages.outcomes import NOTHING_NEW, RACED_OUT, Back, Outcome, is_given_up, outcome_of
from sweeps.stages.racing import Racing
from sweeps.stages.sampling import at_random
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task
from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH, TrialRecord, as_stored, seeds_of
from trainables.parts.protocol import VALIDATION

# After so many configurations in a row that failed, no more of that approach are started.
MOST_FAILURES_IN_A_ROW = 5


class SearchStage(Stage):
    """New configurations from Optuna, for the approaches in turn, until each approach has had `num_samples`.

    The first configuration of each approach is the published one, or what stands for it where there is none; then comes
    its portfolio, where it has one; then a sampler suggests. What it suggests again is not trained again: the search
    asks anew until it has `num_samples` distinct configurations, or nothing but repeats. Between two blocks of seeds a
    configuration is stopped if a test finds it worse than the approach's best complete ones on their common seeds
    (`racing.py`), or if a complete one has the same results. An approach whose configurations fail one after the
    other is stopped, and the others go on; the next start tries it again. With an allocation, approaches that fall
    behind get no more (`allocation.py`).
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
        sampler: Callable[[int, str, int], BaseSampler] = at_random,
        allocation: Allocation | None = None,
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
            allocation: When approaches that are behind get no more; None is never. The plain baseline gets all.
        """
        super().__init__(journal, approaches, on_closed)
        self.approaches = {approach.name: approach for approach in approaches}
        self.num_samples = num_samples
        self.racing = racing
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
        self.failures_in_a_row: Counter[str] = Counter()
        self.stopped: set[str] = set()
        # What samplers see, what was tried, and what is complete; so that nothing looks through all trials each time.
        self.histories = {name: RecentHistory(study) for name, study in self.studies.items()}
        self.tried: dict[str, repeats.Tried] = {}
        self.completed: dict[str, repeats.Completed] = {}
        kept = [approach.name for approach in approaches if approach.is_baseline]
        self.rounds = Rounds(allocation, num_samples, self.approaches, kept) if allocation else None
        # Approaches that get no more, and after how many configurations they fell behind.
        self.behind: dict[str, int] = {}
        for approach in approaches:
            self._begin(approach)
        self._compare(self.approaches)
        for name in self.approaches.keys() - self.behind.keys():
            # Another allocation, or other approaches to compare with.
            if journal.behind(name) is not None:
                journal.set_behind(name, None)

    def _begin(self, approach: Approach) -> None:
        """Begin the search of one approach, or go on with it; the drivers of earlier starts may have died anywhere."""
        name, study = approach.name, self.studies[approach.name]
        trials = study.get_trials(deepcopy=False)
        # All that are wanted are queued before any is asked for, so those that a dead driver did not queue come last.
        for params in approach.starts[len(trials) : self.num_samples]:
            study.enqueue_trial(dict(params))
        self.asked[name] = sum(trial.state != TrialState.WAITING for trial in trials)
        running = [self._whole(approach, trial) for trial in trials if trial.state == TrialState.RUNNING]
        trials = study.get_trials(deepcopy=False)
        self.tried[name], self.completed[name] = repeats.Tried(trials), repeats.Completed(trials)
        interrupted = [trial for trial in running if not self._ends_as_repeat(name, trial)]
        trials = study.get_trials(deepcopy=False)
        self.repeats_in_a_row[name] = repeats.in_a_row(trials, self.asked[name], approach)
        if self.repeats_in_a_row[name] >= repeats.MOST_REPEATS_IN_A_ROW:
            self.exhausted.add(name)
        begun = repeats.distinct(trials)
        self.started[name] = len(begun)
        self.tallies[name].seeds_left = self._unstarted_seeds(name)
        taking_up.count_done(self.tallies[name], begun, sum(map(len, self.blocks)))
        if not self.journal.stopped(name):
            self.failures_in_a_row[name] = taking_up.failures_at_the_end(begun)
        elif len(begun) < self.num_samples:
            self.journal.set_stopped(name, None)
        for trial in interrupted:
            self._take_up(name, trial)

    def _whole(self, approach: Approach, frozen: FrozenTrial) -> Trial:
        """An interrupted trial with every parameter."""
        study = self.studies[approach.name]

        def sampler() -> BaseSampler:
            row = repeats.in_a_row(study.get_trials(deepcopy=False), frozen.number, approach)
            return self._sampler(approach.name, frozen.number, row)

        return taking_up.whole_trial(approach, study, frozen, sampler, self.ranked_by)

    def _take_up(self, name: str, trial: Trial) -> None:
        """Queue what an interrupted trial still lacks, or end it if it has nothing left but to be ended."""
        task = self.missing(self._task(name, trial))
        raced_out = self._raced_out(task)
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=task.seeds, raced_out=raced_out)
        if outcome.goes_on:
            self.tallies[name].seeds_left += task.seeds
            self.waiting.append(task)
        else:
            self.tallies[name].seeds_saved += task.seeds if raced_out is not None else 0
            self.end(name, trial, outcome)

    def has_new(self) -> bool:
        """Whether an approach may get a configuration now, within the time budget."""
        return self._is_in_time() and self._next_name() is not None

    def _is_in_time(self) -> bool:
        return self.deadline is None or time.monotonic() < self.deadline

    def _short(self) -> list[str]:
        """The approaches that are to get more configurations."""
        ended = self.stopped | self.exhausted | self.behind.keys()
        return [name for name, count in self.started.items() if count < self.num_samples and name not in ended]

    def _next_name(self) -> str | None:
        """The approach that gets the next configuration: the one that has had the fewest, where none has to wait."""
        short = self._short()
        if self.rounds is not None:
            return self.rounds.next_of(short, self.started, self._best())
        return min(short, key=lambda name: self.started[name], default=None)

    def new_task(self) -> Task | None:
        """A new configuration of the approach whose turn it is; None also if there were repeats alone."""
        while self._is_in_time() and (name := self._next_name()) is not None:
            trial = self._ask(name)
            if not self._ends_as_repeat(name, trial):
                self.repeats_in_a_row[name] = 0
                self.started[name] += 1
                self.tried[name].add(trial.number, trial.params)
                return self._task(name, trial)
            self.repeats_in_a_row[name] += 1
            if self.repeats_in_a_row[name] >= repeats.MOST_REPEATS_IN_A_ROW:
                self._exhaust(name)
        return None

    def _ask(self, name: str) -> Trial:
        study = self.studies[name]
        # A suggestion depends on the trial's number and the history, not on how often the driver was restarted.
        sampler = self._sampler(name, self.asked[name], self.repeats_in_a_row[name])
        study.sampler = OnHistory(sampler, self.histories[name])
        trial = self.histories[name].ask_owner(study)
        with self.journal.together():
            self.approaches[name].suggest(trial)
        self.asked[name] += 1
        return trial

    def _ends_as_repeat(self, name: str, trial: Trial) -> bool:
        """Whether the approach has had this configuration, in which case the trial is ended."""
        other = self.tried[name].repeated_by(trial)
        if other is not None:
            with self.journal.together():
                repeats.end_as_repeat(self.studies[name], trial, other)
        return other is not None

    def _exhaust(self, name: str) -> None:
        self.tallies[name].seeds_left -= self._unstarted_seeds(name)
        self.exhausted.add(name)
        say(
            f"{name}: its space seems to have no more than {self.started[name]} configurations, since the last "
            f"{repeats.MOST_REPEATS_IN_A_ROW} suggestions had all been tried."
        )
        self._compare([name])

    def _compare(self, names: Iterable[str]) -> None:
        """Compare approaches after something of these has ended; those that are behind get no more."""
        if self.rounds is None:
            return
        over = self.stopped | self.exhausted
        for name in names:
            if self.rounds.waits_for(name, self.started[name], is_over=name in over):
                self.rounds.note(name, self.studies[name].get_trials(deepcopy=False), is_over=name in over)
        for name, after in self.rounds.behind.items():
            if name not in self.behind and name not in over and self.started[name] < self.num_samples:
                self.tallies[name].seeds_left -= self._unstarted_seeds(name)
                self.behind[name] = after
                if self.journal.behind(name) != after:
                    self.journal.set_behind(name, after)
                    say(f"{name} is behind after {after} configurations and gets no more (--allocation {ADAPTIVE}).")

    def _sampler(self, name: str, number: int, repeats_in_a_row: int) -> BaseSampler:
        sampler = at_random if repeats_in_a_row >= repeats.REPEATS_UNTIL_RANDOM else self.sampler
        return sampler(self.search_seed, name, number)

    def _task(self, name: str, trial: Trial) -> Task:
        return Task(approach=name, trial=trial, params=trial.params, blocks=self.blocks, splits=self.splits)

    def _unstarted_seeds(self, name: str) -> int:
        """The seeds of the configurations that an approach has not begun."""
        if name in self.exhausted | self.behind.keys():
            return 0
        return max(self.num_samples - self.started[name], 0) * sum(map(len, self.blocks))

    def best_so_far(self) -> str:
        """The best complete configuration of all approaches, on the search's own seeds."""
        found = max(((mean, name) for name, mean in self._best().items()), default=None)
        return f"best so far {found[1]} {percent(found[0])} %" if found else ""

    def best_of(self, approach: str) -> str:
        """The approach's best complete configuration, on the same seeds."""
        best = self._best().get(approach)
        return "" if best is None else f"best {percent(best)} %"

    def _best(self) -> dict[str, float]:
        """The greatest mean of each approach's complete configurations, where there are any."""
        best = {name: completed.ranked[0].value for name, completed in self.completed.items() if completed.ranked}
        return {name: value for name, value in best.items() if value is not None}

    def is_losing(self, task: Task) -> bool:
        """Whether to stop it at a look; looks come after fixed numbers of seeds, so that they do not depend on timing.

        The first configuration always runs to its end: where something is published, it is what a person compares with.
        """
        raced_out = self._raced_out(task)
        if raced_out is not None:
            self.raced_out[task.approach, task.trial.number] = raced_out
        return raced_out is not None

    def _raced_out(self, task: Task) -> Outcome | None:
        trial, completed = task.trial, self.completed[task.approach]
        seeds = len(seeds_of(trial.user_attrs))
        if self.racing is None or trial.number == 0 or seeds not in self.looks or not completed.ranked:
            return None
        scores = as_stored(trial).intermediate_values
        if self.racing.is_worse(scores, [each.intermediate_values for each in completed.ranked[: self.racing.rivals]]):
            return RACED_OUT
        other = completed.same_results(trial, scores)
        return None if other is None else NOTHING_NEW.because(f"{NOTHING_NEW.reason} as {other} on {seeds} seeds")

    def end(self, approach: str, trial: Trial, outcome: Outcome) -> None:
        """End a trial in the journal; an approach whose trials fail one after the other is stopped."""
        super().end(approach, trial, outcome)
        stored = as_stored(trial)
        if stored.state == TrialState.COMPLETE:
            self.completed[approach].add(stored)
        if is_given_up(outcome.reason):
            self.tried[approach].forget(trial.number, trial.params)
        self.failures_in_a_row[approach] = self.failures_in_a_row[approach] + 1 if outcome.is_failure else 0
        if self.failures_in_a_row[approach] >= MOST_FAILURES_IN_A_ROW and approach not in self.stopped:
            self._stop(approach, outcome.reason or "")
        self._compare([approach])

    def _stop(self, approach: str, reason: str) -> None:
        self.stopped.add(approach)
        self.tallies[approach].seeds_left -= self._unstarted_seeds(approach)
        text = f"stopped after {MOST_FAILURES_IN_A_ROW} configurations in a row failed, the last one with: {reason}"
        self.journal.set_stopped(approach, text)
        say(f"{approach} is {text}. The other approaches go on; --resume tries it again.")
