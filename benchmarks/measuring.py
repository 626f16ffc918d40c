"""A real sweep with a clock on what its driver does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sweeps.run.command import Command, OnClosed, PlannedStage, Prepared
from sweeps.run.options import SweepOptions
from sweeps.stages.stage import Stage
from sweeps.store.journal import Journal
from sweeps.tracking.sweep_run import SweepRun
from sweeps.tracking.tracker import Tracker


class Clock:
    """CPU seconds of the calling thread inside the functions it wraps, by name; a call within a call counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count what runs within."""
        begin = time.thread_time()
        self._inside.append(0.0)
        try:
            yield
        finally:
            took = time.thread_time() - begin
            own = took - self._inside.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            if self._inside:
                self._inside[-1] += took

    def wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, measured under that name."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.measure(name):
                return method(*args, **kwargs)

        return measured

    def on_tasks(self, stage: Stage) -> None:
        """Measure under "tasks" what the engine asks of the stage."""
        for name in ("next_task", "take", "is_losing", "close"):
            setattr(stage, name, self.wrap("tasks", getattr(stage, name)))


def watched(
    command: Command[SweepOptions],
    *,
    before: Callable[[Stage], None],
    tracked: Callable[[Tracker], None],
    after: Callable[[Stage], None] = lambda stage: None,
) -> Command[SweepOptions]:
    """The command of a sweep that shows each stage before it runs and after, and its tracker when it is made."""

    def stages(prepared: Prepared[SweepOptions], journal: Journal, on_closed: OnClosed) -> Iterator[PlannedStage]:
        for planned in command.stages(prepared, journal, on_closed):
            before(planned.stage)
            yield planned
            after(planned.stage)

    def tracker(uri: str, run: SweepRun) -> Tracker:
        made = command.tracker(uri, run)
        tracked(made)
        return made

    return replace(command, stages=stages, tracker=tracker)
