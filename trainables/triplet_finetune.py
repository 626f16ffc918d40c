"""Triplet loss on a backbone whose last blocks are trained on: the whole embedding learns, not only its last layer.

Mining, loss and decision are those of `trainables.triplet`, the blocks' training that of `trainables.finetune`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from trainables.finetune import TunedBackbone, TunedConfig, as_map
from trainables.parts.learner import Classifier, Support
from trainables.parts.streams import Streams
from trainables.parts.training import train
from trainables.triplet import Embedding, EmbeddingConfig, decision, has_triplets, triplet_loss


@dataclass(frozen=True, kw_only=True)
class TripletFinetuneConfig(TunedConfig, EmbeddingConfig):
    """The blocks' training and the embedding's."""


class TripletFinetune(TunedBackbone):
    """An embedding trained with triplet loss together with the last blocks of its backbone."""

    Config = TripletFinetuneConfig
    # Of whom, with their mirror images, there are 16 million triplets.
    most_images = 200
    backbones = ("alexnet", "efficientnet_lite0")

    @classmethod
    def gives_margins(cls, config: TripletFinetuneConfig) -> bool:
        """Differences of distances, but for logistic regression."""
        return config.inference != "logistic"

    @classmethod
    def fit(cls, config: TripletFinetuneConfig, support: Support, streams: Streams) -> Classifier:
        """Train the last blocks and the embedding, if there is any triplet.

        A new image is compared with those that were learned from.
        """
        maps_NCYX, labels_N = cls.learned_from(support)
        model = cls.model(config, maps_NCYX, support, partial(Embedding, config), streams)
        loss = partial(triplet_loss, mining=config.mining, margin=config.margin)
        if has_triplets(labels_N):
            train(model, lambda step: maps_NCYX, labels_N, config, streams, loss, parameters=model.groups(config))
        model.eval()
        with torch.inference_mode():
            decide = decision(config, model(maps_NCYX), labels_N)
        return lambda images, *mirrored: decide(model(as_map(images)))
