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
        weights: Mapping[str, Any] | None = None,
    ) -> None:
        """Start an actor with the images, weights and every approach's trainable."""
        self.trainables = trainables
        super().setup(config, image_sets=image_sets, weights=weights)

    def approach(self) -> type[SeedTrainable]:
        """The trainable that the request names."""
        return self.trainables[self.request["approach"]]
