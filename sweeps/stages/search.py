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
from sweeps.stages import taking_up
from sweeps.stages.outcomes import Back, Outcome, outcome_of
from sweeps.stages.racing import Racing
from sweeps.stages.sampling import tpe
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task, mean_score
from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH, TrialRecord, seeds_of
from trainables.parts.protocol import VALIDATION

# After so many configurations in a row that failed, no more of that approach are started.
MOST_FAILURES_IN_A_ROW = 5


class SearchStage(Stage):
    """New configurations from Optuna, for the approaches in turn, until each approach has had `num_samples`.

    The first configuration of each approach is the published one, or what stands for it where there is none; then TPE
    suggests. Between two blocks of seeds a configuration is stopped if Wilcoxon's signed-rank test finds it worse
    than the approach's best complete one on their common seeds. An approach whose configurations fail one after the
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
            num_samples: Configurations of each approach, those in the journal included.
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
        self.started: dict[str, int] = {}
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
        if not trials and approach.start is not None:
            study.enqueue_trial(dict(approach.start))
        begun = [trial for trial in trials if trial.state != TrialState.WAITING]
        self.started[name] = len(begun)
        self.tallies[name].seeds_left = self._unstarted_seeds(name)
        taking_up.count_done(self.tallies[name], begun)
        self._keep_the_best(name, taking_up.best_value(begun))
        if not self.journal.stopped(name):
            self.failures_in_a_row[name] = taking_up.failures_at_the_end(begun)
        elif len(begun) < self.num_samples:
            self.journal.set_stopped(name, None)
        for frozen in begun:
            if frozen.state == TrialState.RUNNING:
                self._take_up(approach, frozen)

    def _take_up(self, approach: Approach, frozen: FrozenTrial) -> None:
        """Queue what an interrupted trial still lacks, or end it if it has nothing left but to be ended."""
        study = self.studies[approach.name]
        trial = taking_up.whole_trial(
            approach, study, frozen, lambda: self._sampler(approach.name, frozen.number), self.ranked_by
        )
        task = self.missing(self._task(approach.name, trial))
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=task.seeds, is_raced_out=self.is_losing(task))
        if outcome.goes_on:
            self.tallies[approach.name].seeds_left += task.seeds
            self.waiting.append(task)
        else:
            self.end(approach.name, trial, outcome)

    def has_new(self) -> bool:
        """Whether an approach has had fewer than `num_samples`, within the time budget."""
        in_time = self.deadline is None or time.monotonic() < self.deadline
        return in_time and bool(self._short())

    def _short(self) -> list[str]:
        """The approaches that are to get more configurations."""
        return [name for name, count in self.started.items() if count < self.num_samples and name not in self.stopped]

    def new_task(self) -> Task | None:
        """A new configuration of the approach that has had the fewest."""
        if not self.has_new():
            return None
        name = min(self._short(), key=lambda name: self.started[name])
        study = self.studies[name]
        # A suggestion depends on the trial's number and the history, not on how often the driver was restarted.
        study.sampler = self._sampler(name, self.started[name])
        trial = study.ask()
        self.approaches[name].suggest(trial)
        self.started[name] += 1
        return self._task(name, trial)

    def _sampler(self, name: str, number: int) -> BaseSampler:
        return self.sampler(self.search_seed, name, number)

    def _task(self, name: str, trial: Trial) -> Task:
        return Task(approach=name, trial=trial, params=trial.params, blocks=self.blocks, splits=self.splits)

    def _unstarted_seeds(self, name: str) -> int:
        """The seeds of the configurations that an approach has not begun."""
        return max(self.num_samples - self.started[name], 0) * sum(map(len, self.blocks))

    def best_so_far(self) -> str:
        """The best complete configuration of all approaches, on the search's own seeds."""
        found = max(((mean, name) for name, mean in self.best.items()), default=None)
        return f"best so far {found[1]} {percent(found[0])} %" if found else ""

    def _keep_the_best(self, name: str, mean: float | None) -> None:
        if mean is not None:
            self.best[name] = max(mean, self.best.get(name, mean))

    def is_losing(self, task: Task) -> bool:
        """Wilcoxon's test after fixed numbers of seeds, so that the looks do not depend on timing.

        The first configuration always runs to its end: where something is published, it is what a person compares with.
        """
        at_a_look = len(seeds_of(task.trial.user_attrs)) in self.looks
        if task.trial.number == 0 or not at_a_look or not task.trial.should_prune():
            return False
        self.raced_out.add((task.approach, task.trial.number))
        return True

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
