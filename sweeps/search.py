"""The search: which configurations are tried, and which of them are stopped early because they are losing."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.pruners import WilcoxonPruner
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.agenda import BLOCK, SEARCH_SEEDS_FROM, Agenda, Tally, Task, failure, in_blocks, mean_accuracy
from sweeps.challenge import Approach
from sweeps.record import SEARCH, Record, TrialRecord, seeds_of
from trainables.protocol import VALIDATION

# Wilcoxon's p-value below which a configuration is stopped, shared among the looks at it (Bonferroni); the pruner's own
# default. With five seeds it lets one of them speak for the loser. It is nominal: the rival is the best so far on these
# very seeds, so one that is as good in truth is stopped more often than that.
RACING_ERROR = 0.1


class SearchAgenda(Agenda):
    """New configurations from Optuna, an approach after the other in turn, until each has had `num_samples`.

    The first configuration of each approach is the published one, or what stands for it where there is none; then TPE
    suggests. Between two blocks of seeds a configuration is stopped if Wilcoxon's signed-rank test finds it worse
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
        group=False,  # Experimental, and was no better on a conditional toy.
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
