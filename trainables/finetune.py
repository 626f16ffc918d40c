"""Fine-tuning: the last blocks of a pretrained backbone are trained on, together with a linear layer.

What the frozen blocks give is a table of features like any other, so only the last blocks run in a trial.
Shapes: N = images, C = channels, Y, X = positions of a feature map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.parts.backbones import FeatureSpec, backbone_with, before_last, blocks
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.training import TrainingConfig, classifier_of, train

# Input size of each backbone: what a trial's own blocks have to compute grows with its square.
SIZES_PX = {"alexnet": 96, "vgg11": 64, "vgg11_bn": 64, "resnet50": 64}
MOST_BLOCKS = 2


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """The last `blocks` of the backbone are trained on; 0 leaves all of it frozen.

    `learning_rate` is the linear layer's. The last block has `backbone_rate` of it, and each block before has
    `layer_decay` of the next one's (Howard and Ruder 2018, "discriminative fine-tuning").
    """

    backbone: str
    blocks: int
    dropout: float
    backbone_rate: float = 0.0
    layer_decay: float = 1.0


class Finetuned(nn.Module):
    """The last blocks, the mean over positions, dropout and a linear layer: (N, C, Y, X) -> (N,).

    BatchNorm always uses the statistics it was pretrained with: ten images have none worth having.
    """

    def __init__(self, last_blocks: list[nn.Module], inputs: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(last_blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, 1), nn.Flatten(0))

    def train(self, mode: bool = True) -> Finetuned:
        """Training or evaluation of the head; the blocks stay in evaluation."""
        super().train(mode)
        self.blocks.eval()
        return self

    def forward(self, map_NCYX: Tensor) -> Tensor:
        """Logits (N,)."""
        for block in self.blocks:
            map_NCYX = block(map_NCYX)
        logits_N: Tensor = self.head(map_NCYX.mean((2, 3)))
        return logits_N


def _output(blocks: int) -> str:
    """What the frozen blocks give when so many are trained; if none is, the mean over positions is as good."""
    return before_last(blocks) if blocks else "mean"


class Finetune(Learner):
    """A backbone whose last blocks are trained on with a linear layer, or are frozen for comparison."""

    Config = FinetuneConfig
    may_need = Needs(
        views=tuple(
            FeatureSpec(backbone=name, output=_output(count), size_px=size_px)
            for name, size_px in SIZES_PX.items()
            for count in range(MOST_BLOCKS + 1)
        ),
        trained_backbones=tuple(SIZES_PX),
    )

    @classmethod
    def needs(cls, config: FinetuneConfig) -> Needs:
        """What goes into the first block that is trained, and the backbone's weights if any block is."""
        size_px = SIZES_PX[config.backbone]
        return Needs(
            views=(FeatureSpec(backbone=config.backbone, output=_output(config.blocks), size_px=size_px),),
            trained_backbones=(config.backbone,) if config.blocks else (),
        )

    @classmethod
    def fit(cls, config: FinetuneConfig, support: Support, streams: Streams) -> Classifier:
        """Train the last blocks and the linear layer, all ten images at each step."""
        last_blocks = blocks(backbone_with(config.backbone, support.weights))[-config.blocks :] if config.blocks else []
        maps_NCYX = _map(support.images)
        with torch.inference_mode():
            last_NCYX = maps_NCYX
            for block in last_blocks:
                last_NCYX = block(last_NCYX)
        with streams.torch_default("initialisation"):
            model = Finetuned(last_blocks, last_NCYX.shape[1], config.dropout)
        groups = [{"params": model.head.parameters(), "lr": config.learning_rate}]
        for depth, block in enumerate(reversed(last_blocks)):
            rate = config.learning_rate * config.backbone_rate * config.layer_decay**depth
            groups.append({"params": block.parameters(), "lr": rate})
        train(model, lambda step: maps_NCYX, support.labels, config, streams, parameters=groups)
        return classifier_of(model, _map)


def _map(images: Tensor) -> Tensor:
    """A feature map (N, C, Y, X) as convolutions are fastest; of means (N, C) one of a single position."""
    map_NCYX = images if images.ndim == 4 else images[:, :, None, None]
    return map_NCYX.contiguous(memory_format=torch.channels_last)
