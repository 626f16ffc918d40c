"""Tasks: which seeds of which configuration one worker runs in one go, and how far an approach is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import Trial

from sweeps.store.trials import seeds_of
from trainables.parts.protocol import VALIDATION
from trainables.parts.results import SeedResult

# Seeds of a confirmed configuration that one worker runs in one go; its other blocks run on other workers meanwhile.
BLOCK = 5


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one configuration, to run in one go on one worker."""

    approach: str
    trial: Trial
    params: dict[str, Any]
    blocks: list[list[int]]
    splits: tuple[str, ...]
    # Splits that each seed is scored on besides, for another stage; they are no part of a seed's end.
    besides: tuple[str, ...] = ()
    # Images of each class to learn from; None is as the sweep's protocol says.
    shots: int | None = None
    # How often its worker was lost since a seed of it finished.
    attempts: int = 0

    @property
    def seeds(self) -> int:
        """How many seeds it asks for."""
        return sum(map(len, self.blocks))


@dataclass
class Tally:
    """How far one approach is, for the progress line; `seeds_saved` are those that were not run since trials lost."""

    seconds_per_seed: float
    seeds_left: int
    seeds_done: int = 0
    seeds_saved: int = 0
    seconds_done: float = 0.0

    def count(self, result: SeedResult, *, is_last: bool) -> None:
        """A result came in; the last one of a seed ends it."""
        self.seconds_done += result.seconds
        if is_last:
            self.seeds_done += 1
            self.seeds_left -= 1

    @property
    def seeds_expected(self) -> float:
        """How many of the remaining seeds will be run, if racing saves as large a part of them as so far."""
        if not self.seeds_done:
            return self.seeds_left
        return self.seeds_left * self.seeds_done / (self.seeds_done + self.seeds_saved)

    @property
    def seconds_left(self) -> float:
        """CPU seconds that those will take, by what the finished ones took."""
        each = self.seconds_done / self.seeds_done if self.seeds_done else self.seconds_per_seed
        return self.seeds_expected * each


def ends_seed(task: Task, result: SeedResult) -> bool:
    """Whether no other result of this seed follows."""
    return result.split == task.splits[-1] or result.error is not None


def failure(trial: Trial) -> SeedResult | None:
    """The seed that failed, if one did."""
    return next((result for result in seeds_of(trial.user_attrs) if result.error), None)


def mean_score(trial: Trial, ranked_by: str, split: str = VALIDATION) -> float:
    """Mean of what ranks, on validation images or another split, over the trial's finished seeds."""
    scores = [getattr(r, ranked_by) for r in seeds_of(trial.user_attrs) if r.split == split and r.error is None]
    return float(np.mean(scores))


def in_blocks(seeds: Sequence[int]) -> list[list[int]]:
    """The seeds in blocks of `BLOCK`."""
    return [list(seeds[start : start + BLOCK]) for start in range(0, len(seeds), BLOCK)]
