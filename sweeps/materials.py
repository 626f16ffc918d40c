"""What a sweep is made from: the images, the weights, and the feature tables that follow from both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from sweeps import features
from sweeps.challenge import Approach
from sweeps.resources import IMAGENET, RANDOM, Weights, find_dataset, find_weights
from trainables.backbones import FeatureSpec
from trainables.data import Dataset
from trainables.protocol import PIXELS, VALIDATION, ImageSet

# Input size of the backbones in a smoke run; everything else about it is as usual.
SMOKE_PX = 64


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Images and weights, found and checked, and where feature tables are kept."""

    dataset: Dataset
    weights: dict[str, Weights]
    features_folder: Path
    smoke: bool
    # What was not found as one would have hoped.
    notices: tuple[str, ...]

    @classmethod
    def find(
        cls, dataset: str, weights: str, approaches: Sequence[Approach], results: Path, *, smoke: bool
    ) -> Materials:
        """Find what the options `--dataset` and `--weights` ask for.

        Raises:
            BadInput: It cannot be had, or cannot be used.
        """
        found, image_notice = find_dataset(dataset)
        backbones = sorted({spec.backbone for spec in _specs(approaches)})
        of_backbone, weight_notice = find_weights(weights, backbones)
        return cls(
            dataset=found,
            weights=of_backbone,
            features_folder=results / "features",
            smoke=smoke,
            notices=tuple(notice for notice in (image_notice, weight_notice) if notice),
        )

    def found(self) -> dict[str, str]:
        """The options `--dataset` and `--weights` that find the same materials again."""
        found = {"dataset": self.dataset.source}
        sources = {each.source for each in self.weights.values()}
        if len(sources) == 1 and sources <= {RANDOM, IMAGENET}:
            found["weights"] = next(iter(sources))
        return found

    @property
    def marks(self) -> dict[str, str]:
        """What every table, run and file must say of these materials: kind of images and weights, and smoke."""
        marks = {"images": "phantom" if self.dataset.is_phantom else "real"}
        if self.weights:
            marks["weights"] = ", ".join(sorted({each.source for each in self.weights.values()}))
        if self.smoke:
            marks["smoke"] = "true"
        return marks

    @property
    def warnings(self) -> list[str]:
        """The marks that forbid taking a number at face value, in capitals."""
        return [
            *(["PHANTOM IMAGES"] if self.dataset.is_phantom else []),
            *(["RANDOM WEIGHTS"] if any(each.is_random for each in self.weights.values()) else []),
            *(["SMOKE RUN"] if self.smoke else []),
        ]

    def spec(self) -> dict[str, Any]:
        """What identifies them, for the record."""
        return {
            "dataset": self.dataset.source,
            "dataset_fingerprint": self.dataset.fingerprint,
            "weights": {name: each.source for name, each in self.weights.items()},
            "weights_fingerprint": {name: each.fingerprint for name, each in self.weights.items()},
            "smoke": self.smoke,
        }

    def images_to_compute(self, approaches: Sequence[Approach], split: str = VALIDATION) -> dict[str, int]:
        """How many images of the split still have to go through each backbone."""
        return features.images_to_compute(
            self._sized(_specs(approaches)), self.dataset.images()[split], self.weights, self.features_folder
        )

    def image_sets(
        self,
        approaches: Sequence[Approach],
        splits: Sequence[str],
        *,
        in_store: bool,
        interrupt: Callable[[], None] = lambda: None,
    ) -> dict[str, ImageSet]:
        """The splits' pixels and features, computing what is missing (which needs Ray).

        Args:
            approaches: Whose features.
            splits: Which splits; nobody who gets the result can reach another.
            in_store: Put the arrays into Ray's object store and give references, instead of arrays.
            interrupt: Called several times a second while something is computed; what it raises ends it.
        """
        specs = _specs(approaches)
        sets = {}
        for split in splits:
            images = self.dataset.images()[split]
            tables = features.load_or_compute(
                self._sized(specs), images, self.weights, self.features_folder, split, interrupt
            )
            views = {PIXELS: images} | {
                spec.name: tables[sized] for spec, sized in zip(specs, self._sized(specs), strict=True)
            }
            stored = {name: ray.put(view) for name, view in views.items()} if in_store else views
            sets[split] = ImageSet(labels=self.dataset.labels()[split], views=stored)
        return sets

    def _sized(self, specs: Sequence[FeatureSpec]) -> list[FeatureSpec]:
        """The specs as they are computed: a smoke run's are of small images."""
        return [spec.with_size(SMOKE_PX) if self.smoke else spec for spec in specs]


def _specs(approaches: Sequence[Approach]) -> list[FeatureSpec]:
    """Every feature table of these approaches, once."""
    return list(dict.fromkeys(spec for approach in approaches for spec in approach.trainable.features))
