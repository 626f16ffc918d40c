"""The search: which configurations are tried, and which of them are stopped early because they are losing."""

from __future__ import annotations

import math
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, cast

import numpy as np
import optuna
from optuna.pruners import NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from sweeps.agenda import SEARCH_SEEDS_FROM, Agenda, Tally, Task, failure, mean_accuracy
from sweeps.challenge import Approach
from sweeps.progress import say
from sweeps.record import SEARCH, STOPPED, Record, TrialRecord, seeds_of
from trainables.protocol import VALIDATION

RACED_OUT = "raced out: worse than the best so far"
# After so many configurations in a row that failed, no more of that approach are started.
MOST_FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, kw_only=True)
class Racing:
    """When a configuration is looked at, and below which p-value of Wilcoxon's test it is stopped as a loser.

    The first look is after three seeds, where the least p-value is 2^-3; each next one comes after a quarter as many
    seeds again, so that many seeds mean few more looks. `p` is of one look. With ten seeds, five looks, and paired
    differences that spread by 3 points, all looks together stop 90 % of the configurations that are two points worse
    than the best so far, 34 % of those as good, which loses nothing, 12 % of those a point better and 3 % of those two
    points better. `benchmarks/racing.py` has what it saves and loses on real images, from which it was chosen.
    """

    p: float = 0.2
    first: int = 3
    growth: float = 1.25

    def looks(self, seeds: int) -> list[int]:
        """After how many of `seeds` seeds to look."""
        found, look = [], self.first
        while look < seeds:
            found.append(look)
            look = math.ceil(look * self.growth)
        return found

    def pruner(self) -> WilcoxonPruner:
        """Optuna's pruner for these looks; it does not choose when to look."""
        return WilcoxonPruner(p_threshold=self.p, n_startup_steps=1)


def sampler_seed(search_seed: int, approach: str, number: int) -> int:
    """What starts a sampler's draws for one configuration."""
    return int(np.random.SeedSequence([search_seed, zlib.crc32(approach.encode()), number]).generate_state(1)[0])


def tpe(search_seed: int, approach: str, number: int) -> BaseSampler:
    """TPE with every argument that is not deprecated stated; search seed, approach and number decide its draws."""
    return TPESampler(
        n_startup_trials=10,  # Random ones first, the published setting among them.
        n_ei_candidates=24,
        seed=sampler_seed(search_seed, approach, number),
        multivariate=True,  # Learning rate, decay and steps act together.
        group=False,  # Experimental, and was no better on a conditional toy.
        constant_liar=True,  # Workers running at the same time must not all get the same suggestion.
        constraints_func=None,
    )


class SearchAgenda(Agenda):
    """New configurations from Optuna, an approach after the other in turn, until each has had `num_samples`.

    The first configuration of each approach is the published one, or what stands for it where there is none; then TPE
    suggests. Between two blocks of seeds a configuration is stopped if Wilcoxon's signed-rank test finds it worse
    than the approach's best complete one on their common seeds. An approach whose configurations fail one after the
    other is stopped, and the others go on; the next start tries it again.
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
        racing: Racing | None = Racing(),
        sampler: Callable[[int, str, int], BaseSampler] = tpe,
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
            racing: When losing configurations are stopped; None is never.
            sampler: What suggests configurations, given search seed, approach and number of the configuration.
        """
        super().__init__(record, approaches, on_closed)
        self.approaches = {approach.name: approach for approach in approaches}
        self.num_samples = num_samples
        self.looks = racing.looks(seeds) if racing else []
        # A block ends at each look, since a worker can be stopped only between two blocks.
        ends = [0, *self.looks, seeds]
        self.blocks = [list(range(SEARCH_SEEDS_FROM + a, SEARCH_SEEDS_FROM + b)) for a, b in pairwise(ends)]
        self.search_seed = search_seed
        self.ends = None if time_budget is None else time.monotonic() + time_budget
        self.sampler = sampler
        self.raced_out = set()
        self.started: dict[str, int] = {}
        self.best: dict[str, float] = {}
        self.failures_in_a_row: Counter[str] = Counter()
        self.stopped: set[str] = set()
        for name, approach in self.approaches.items():
            study = self.studies[name]
            study.pruner = racing.pruner() if racing else NopPruner()
            trials = study.get_trials(deepcopy=False)
            if not trials:
                study.enqueue_trial(dict(approach.reported.params))
            begun = [trial for trial in trials if trial.state != TrialState.WAITING]
            self.started[name] = len(begun)
            if not study.user_attrs.get(STOPPED):
                self.failures_in_a_row[name] = _failures_at_the_end(begun)
            elif len(begun) < num_samples:
                study.set_user_attr(STOPPED, None)
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
        _, lacking = replayed(approach, frozen.params)
        if lacking:
            # The missing parameters are drawn as they would have been, which takes the draws before them too.
            sampler = self.sampler(self.search_seed, approach.name, frozen.number)
            rehearsal = optuna.create_study(direction="maximize", sampler=sampler)
            rehearsal.add_trials([trial for trial in study.get_trials() if trial.number < frozen.number])
            rehearsed = rehearsal.ask()
            approach.suggest(rehearsed)
            study.sampler = PartialFixedSampler(
                rehearsed.params, self.sampler(self.search_seed, approach.name, frozen.number)
            )
        trial = Trial(study, frozen._trial_id)
        approach.suggest(trial)
        for result in seeds_of(frozen.user_attrs):
            # It may also have died between writing a seed and reporting it to the pruner.
            if result.accuracy is not None and result.seed not in frozen.intermediate_values:
                trial.report(result.accuracy, step=result.seed)
        given_up = trial.user_attrs.get("reason", RACED_OUT) != RACED_OUT and not failure(trial)
        if given_up:
            self.tell(approach.name, trial, state=TrialState.FAIL, reason=trial.user_attrs["reason"])
            return
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
        study.sampler = self.sampler(self.search_seed, name, self.started[name])
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

    def tell(self, approach: str, trial: Trial, **how: Any) -> None:
        """End a trial in the record; an approach whose trials fail one after the other is stopped."""
        super().tell(approach, trial, **how)
        if how.get("state") != TrialState.FAIL:
            self.failures_in_a_row[approach] = 0
            return
        self.failures_in_a_row[approach] += 1
        if self.failures_in_a_row[approach] >= MOST_FAILURES_IN_A_ROW and approach not in self.stopped:
            self._stop(approach, how["reason"])

    def _stop(self, approach: str, reason: str) -> None:
        self.stopped.add(approach)
        unstarted = max(self.num_samples - self.started[approach], 0)
        self.tallies[approach].seeds_left -= unstarted * sum(map(len, self.blocks))
        text = f"stopped after {MOST_FAILURES_IN_A_ROW} configurations in a row failed, the last one with: {reason}"
        self.studies[approach].set_user_attr(STOPPED, text)
        say(f"{approach} is {text}. The other approaches go on; --resume tries it again.")

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
            self.tell(task.approach, task.trial, state=TrialState.PRUNED, reason=RACED_OUT)
        else:
            mean = mean_accuracy(task.trial)
            self.best[task.approach] = max(mean, self.best.get(task.approach, mean))
            self.tell(task.approach, task.trial, value=mean)


def _failures_at_the_end(trials: Sequence[FrozenTrial]) -> int:
    """How many trials in a row failed last."""
    ended = sorted((trial.datetime_complete, trial.number, trial.state) for trial in trials if trial.datetime_complete)
    return sum(1 for _ in takewhile(lambda each: each[-1] == TrialState.FAIL, reversed(ended)))


def replayed(approach: Approach, params: Mapping[str, Any]) -> tuple[FixedTrial, str | None]:
    """A trial that was given these parameters when the approach's space asked for them, and which it lacked."""
    trial = FixedTrial(dict(params))
    try:
        with warnings.catch_warnings():
            # Optuna's, of values outside a range, which may have been another one.
            warnings.simplefilter("ignore")
            approach.suggest(cast(Trial, trial))
    except ValueError as error:
        return trial, str(error)
    return trial, None
