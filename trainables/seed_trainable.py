"""The one Ray Tune trainable: it runs any approach, seed after seed, on a worker.

It stands here and not in sweeps/, so that a worker imports only what it trains.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ray
from ray import tune

from trainables.parts.image_sets import ImageSet
from trainables.parts.learner import Learner
from trainables.parts.processors import processor
from trainables.parts.results import SeedResult
from trainables.parts.run_seed import prepare_worker, run_seed

# A step returns after this long, so a lost worker costs at most one seed or this much, whichever is longer.
STEP_SECONDS = 2.0


@dataclass(frozen=True)
class InObjectStore:
    """Something in Ray's object store."""

    reference: ray.ObjectRef[Any]

    def __deepcopy__(self, memo: dict[int, Any]) -> InObjectStore:
        """Itself: Tune copies what it hands on, and a copied reference would not keep the object there."""
        return self

    def load(self) -> Any:
        """Fetch it, without a copy where it is on this node already."""
        return ray.get(self.reference)


class SeedTrainable(tune.Trainable):
    """Runs configurations of all approaches of a sweep.

    So one Tune run serves all approaches: no slot waits at the end of one, and actors, which cost seconds to start,
    are used again by all. The Tune configuration of a trial is a request: `approach`, `params` (the hyperparameters),
    `blocks` (lists of seeds; a step never runs past the end of one, so that the driver can stop a loser there),
    `splits`, `besides` (splits that are scored, too; an error there ends nothing), `shots` (images of each class to
    learn from; None is as the protocol says), and `image_sets` (where all by their names lie: the pool, other data
    sets, and the test split if it is scored, so that no search can reach it). A step reports `results` (a list of
    `SeedResult` as dictionaries), the worker's `processor`, and `done`.

    A configuration that raises or diverges is a result with its reason, and ends the trial; the actor lives on.
    """

    def setup(  # type: ignore[override]
        self,
        config: dict[str, Any],
        *,
        learners: Mapping[str, type[Learner]],
        weights: Mapping[str, Any],
    ) -> None:
        """Start an actor.

        Args:
            config: The first request.
            learners: By approach, what learns.
            weights: By backbone, the state dict of those that are trained further, of arrays, or what loads it.
        """
        prepare_worker()
        self.stored: InObjectStore | None = None
        self.image_sets: Mapping[str, ImageSet] = {}
        self.learners = learners
        self.weights = weights
        self.processor = processor()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next request. It only assigns: Tune gives up on a trial for which this raises."""
        self.request = new_config
        self.blocks_left = [list(block) for block in new_config["blocks"]]
        return True

    def step(self) -> dict[str, Any]:
        """Run seeds until the block ends, `STEP_SECONDS` pass or one fails."""
        if self.stored != self.request["image_sets"]:
            self.stored = self.request["image_sets"]
            self.image_sets = self.stored.load()
        block = self.blocks_left[0]
        until = time.monotonic() + STEP_SECONDS
        results: list[SeedResult] = []
        failed = False
        while block and not failed and (not results or time.monotonic() < until):
            results += run_seed(
                self.learners[self.request["approach"]],
                self.request["params"],
                block.pop(0),
                self.image_sets,
                self.request["splits"],
                besides=self.request["besides"],
                weights=self.weights,
                shots=self.request["shots"],
            )
            failed = results[-1].error is not None and results[-1].split in self.request["splits"]
        if not block:
            self.blocks_left.pop(0)
        return {
            "results": [asdict(result) for result in results],
            "processor": self.processor,
            "done": failed or not self.blocks_left,
        }
