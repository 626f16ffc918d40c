"""A driver and its workers, as a discrete-event simulation: which part of its time a worker works."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from driver_costs import SEEDS

# A worker counts as fed if it works this part of its time.
FED = 0.9


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Seconds that the driver takes: for each configuration's start and end, each step, and each seed.

    `aside` is what other threads take a configuration; they share the interpreter, but no worker waits for them.
    """

    configuration: float
    step: float
    seed: float
    aside: float

    def a_configuration(self, steps: int, seeds: int = SEEDS) -> float:
        """All that one configuration takes."""
        return self.configuration + steps * self.step + seeds * self.seed + self.aside


def simulated(
    driver: Driver, workers: int, seconds: float, steps: int, *, seeds: int = SEEDS, rounds: int = 12
) -> float:
    """The part of its time that a worker works.

    Args:
        driver: The one server. What comes in is served in its order; what its threads do aside is served as well.
        workers: How many.
        seconds: A seed's, whose spread is a fifth of that.
        steps: Steps a configuration, each of as many seeds.
        seeds: Seeds a configuration.
        rounds: Configurations a worker, of which the first third is not counted.
    """
    rng = np.random.default_rng(0)
    a_step = seeds / steps
    # When the driver is free; when each worker reports next, and how many steps its configuration has left then.
    free = 0.0
    reports: list[tuple[float, int, int]] = [(0.0, worker, 0) for worker in range(workers)]
    busy: list[tuple[float, float]] = []
    done, begin, end = 0, 0.0, 0.0
    while done < rounds * workers:
        now, worker, left = heapq.heappop(reports)
        free = max(free, now) + (driver.step + a_step * driver.seed if now else 0.0)
        if left == 0:
            # The end of one configuration and the start of the next.
            free += driver.configuration
            left = steps
            done += 1
            begin, end = free if done == rounds * workers // 3 else begin, free
        works = float(rng.normal(seconds * a_step, 0.2 * seconds * np.sqrt(a_step)))
        until = free + max(works, 0.1 * seconds * a_step)
        busy.append((free, until))
        heapq.heappush(reports, (until, worker, left - 1))
        if left == steps:
            free += driver.aside
    inside = sum(max(0.0, min(stop, end) - max(start, begin)) for start, stop in busy)
    return inside / (workers * (end - begin))


def fed(driver: Callable[[int], Driver], seconds: float, steps: int) -> int:
    """The most workers that work at least `FED` of their time."""
    most = int(SEEDS * seconds / driver(100).a_configuration(steps)) + 1
    for part in np.arange(1.2, 0.0, -0.1):
        workers = max(int(part * most), 1)
        if simulated(driver(workers), workers, seconds, steps) >= FED:
            return workers
    return 0
