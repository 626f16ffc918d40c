"""What a challenge is: a list of approaches, each with its trainable, its space and what is published of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from optuna import Trial

from search_spaces.reported import Reported
from trainables.protocol import SeedTrainable


class Space(Protocol):
    """A module of `search_spaces`."""

    REPORTED: Reported

    def suggest(self, trial: Trial) -> None:
        """Suggest every parameter of one configuration."""


@dataclass(frozen=True, kw_only=True)
class Approach:
    """One row of a challenge's table."""

    name: str
    trainable: type[SeedTrainable]
    space: Space
    # Typical seconds of one seed on one CPU core; the plan's estimate until the sweep has measured its own.
    seconds_a_seed: float
    # Whether it is the plain one that the others must beat to be worth their trouble; it is in every sweep.
    is_baseline: bool = False
    # Whether it runs when nobody asks for it by name.
    is_default: bool = True

    @property
    def about(self) -> str:
        """What it is, in one sentence: the first line of the trainable's docstring."""
        return (self.trainable.__doc__ or "").strip().splitlines()[0]

    def suggest(self, trial: Trial) -> None:
        """Suggest one configuration."""
        self.space.suggest(trial)

    @property
    def reported(self) -> Reported:
        """The source's own setting and result."""
        return self.space.REPORTED


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A study: approaches that are compared with each other on the same seeds."""

    name: str
    title: str
    approaches: tuple[Approach, ...]

    def compared(self, names: Collection[str]) -> tuple[str, ...]:
        """These names and the plain baseline's, which every sweep compares with, in the challenge's order."""
        return tuple(each.name for each in self.approaches if each.name in names or each.is_baseline)

    def named(self, names: list[str]) -> tuple[Approach, ...]:
        """The approaches of these names, in the challenge's order.

        Raises:
            ValueError: One of them is unknown.
        """
        known = {approach.name: approach for approach in self.approaches}
        for name in names:
            if name not in known:
                raise ValueError(
                    f"Expected --approaches from {', '.join(known)} or all; got {name!r}. "
                    "`--list` shows what each one is."
                )
        return tuple(approach for approach in self.approaches if approach.name in names)
