"""The trainable of a whole sweep. It stands here and not in `sweeps` so that a worker imports only what it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.protocol import ImageSet, SeedTrainable


class AnyApproach(SeedTrainable):
    """The trainable of a whole sweep: each request names its approach.

    So one Tune run serves all approaches: no slot waits at the end of one, and actors, which cost seconds to start,
    are used again by all.
    """

    def setup(  # type: ignore[override]
        self,
        config: dict[str, Any],
        *,
        image_sets: Mapping[str, ImageSet],
        trainables: Mapping[str, type[SeedTrainable]],
    ) -> None:
        """Start an actor with the images and every approach's trainable."""
        self.trainables = trainables
        super().setup(config, image_sets=image_sets)

    def approach(self) -> type[SeedTrainable]:
        """The trainable that the request names."""
        return self.trainables[self.request["approach"]]
