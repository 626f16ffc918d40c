"""The contract of everything that learns: what it needs, what it learns from, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from trainables.parts.backbones import FeatureSpec
from trainables.parts.image_sets import PIXELS, LabelledImages
from trainables.parts.streams import Streams

# Images in the learner's views, each (N, ...) -> log-odds of class 1 of two (N,), or logits of more classes (N, K). It
# has no memory of the batch's other images.
Classifier = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a learner reads besides the labels of its support images.

    Attributes:
        views: Forms of the images, in the order in which `Support` and the classifier get them: `PIXELS` or a table of
            frozen features.
        other_datasets: Names of other data sets to learn from, in the first view.
        trained_backbones: Backbones whose weights it goes on training; a configuration trains at most one.
    """

    views: tuple[str | FeatureSpec, ...] = (PIXELS,)
    other_datasets: tuple[str, ...] = ()
    trained_backbones: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """The views that a frozen backbone computes."""
        return tuple(view for view in self.views if isinstance(view, FeatureSpec))

    @property
    def view_names(self) -> tuple[str, ...]:
        """The views by the names that image sets have them under."""
        return tuple(view.name if isinstance(view, FeatureSpec) else view for view in self.views)


@dataclass(frozen=True, kw_only=True)
class Support:
    """What a learner learns from: a few images in its views, their labels, and what else it needs.

    Shapes: S = images that are learned from, ten in the study.

    Attributes:
        images: In the first view. Pixels are uint8, grey (S, 28, 28) or of three colours (S, 3, 28, 28); frozen
            features are float32 (S, ...).
        labels: int64 (S,), from 0.
        classes: How many there are, at least two; each has an image.
        more: The same images in the further views.
        other_datasets: Images of other data sets, by the data set's name, in the first view.
        weights: The state dict of the backbone that is trained further; a copy of its own.
        precision: What wide networks compute in, one of `PRECISIONS`.
    """

    images: Tensor
    labels: Tensor
    classes: int
    more: tuple[Tensor, ...] = ()
    other_datasets: Mapping[str, LabelledImages] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    precision: str = "float32"


class Learner:
    """One way of learning from a few images. A subclass has `Config` and `fit`, and knows nothing of Ray.

    Nothing is kept between seeds: the same (learner, configuration, seed) gives the same bits in any process.
    """

    # A frozen, keyword-only dataclass of the hyperparameters.
    Config: ClassVar[type]
    # What all configurations together may need; the driver computes features from it before any configuration is known.
    may_need: ClassVar[Needs] = Needs()
    # How many images it can learn from, where its memory grows with their pairs or triplets; None is any number.
    most_images: ClassVar[int | None] = None

    @classmethod
    def needs(cls, config: Any) -> Needs:
        """What this configuration needs, which is a part of `may_need`: all of it by default."""
        return cls.may_need

    @classmethod
    def gives_margins(cls, config: Any) -> bool:
        """Whether what its classifiers give are margins, whose size is not that of log-odds; no by default."""
        return False

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Learn from the support images. Randomness comes from `streams` alone.

        Args:
            config: An instance of `cls.Config`.
            support: The images and labels; the classifier gets images in the same views.
            streams: The seed's named random streams.
        """
        raise NotImplementedError
