"""Workers lost in a row: when the machines are to blame and not the configurations."""

from __future__ import annotations

from collections import Counter

from sweeps.stages.outcomes import in_brackets

# When so many workers are lost for each task that runs, of several approaches and without a seed finished in between,
# it is not the configurations' fault. One node may take many workers with it. Fewer than `MOST_ATTEMPTS`, so that
# those that run at the same time do not fail first.
MOST_LOSSES_PER_TASK = 2
LEAST_TASKS_TO_BLAME = 4


class LostWorkers:
    """Workers lost since a seed finished, by approach, and how many tasks ran at the same time meanwhile."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._most_live = 0

    def forget(self) -> None:
        """A seed finished."""
        self._in_a_row.clear()
        self._most_live = 0

    def count(self, approach: str, live: int, why: str) -> None:
        """A worker of this approach was lost while `live` tasks ran, its own included.

        Raises:
            RuntimeError: So many were lost in a row that something else than the configurations is to blame.
        """
        self._in_a_row[approach] += 1
        self._most_live = max(self._most_live, live, LEAST_TASKS_TO_BLAME)
        losses = self._in_a_row.total()
        if losses >= MOST_LOSSES_PER_TASK * self._most_live and len(self._in_a_row) > 1:
            raise RuntimeError(f"{losses} workers were lost in a row without a finished seed{in_brackets(why)}")
