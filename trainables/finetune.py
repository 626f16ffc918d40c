"""Fine-tuning: the last blocks of a pretrained backbone are trained on, together with a linear layer.

What the frozen blocks give is a table of features like any other, so only the last blocks run in a trial.
Shapes: N = images, S = those that are learned from, C = channels, Y, X = positions of a feature map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from trainables.frozen_head import scaler
from trainables.parts.backbones import FeatureSpec, after, backbone_with, before_last, blocks
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.training import TrainingConfig, classifier_of, logits_of, outputs_for, train

# The most positions of a map along either side that a head gets.
SIDE = 7


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A backbone as far as it is used, its first `depth` blocks of `total`, and the images that it gets.

    What a trial's own blocks have to compute grows with the square of `size_px`.
    """

    backbone: str
    depth: int
    total: int
    size_px: int
    interpolation: str = "bilinear"

    def features(self, trained: int, pooling: str, *, mirrored: bool) -> FeatureSpec:
        """What the frozen blocks give when so many are trained: a map, or, if none is, that map's pooled features."""
        if trained:
            output = before_last(self.total - self.depth + trained)
        elif pooling == "mean" and self.depth == self.total:
            output = "mean"
        else:
            output = after(self.depth, side=1 if pooling == "mean" else SIDE)
        return FeatureSpec(
            backbone=self.backbone,
            output=output,
            size_px=self.size_px,
            interpolation=self.interpolation,
            mirrored=mirrored,
        )

    def last_blocks(self, trained: int, weights: Mapping[str, Tensor]) -> list[nn.Module]:
        """The last so many of the blocks that are used, with these weights, which are not looked at if it is none."""
        if not trained:
            return []
        return blocks(backbone_with(self.backbone, weights))[self.depth - trained : self.depth]


TRUNKS = {
    "alexnet": Trunk(backbone="alexnet", depth=3, total=3, size_px=96),
    "vgg11": Trunk(backbone="vgg11", depth=5, total=5, size_px=64),
    "vgg11_bn": Trunk(backbone="vgg11_bn", depth=5, total=5, size_px=64),
    "resnet50": Trunk(backbone="resnet50", depth=5, total=5, size_px=64),
    # As far as the layer that serves best without any training; what is behind it knows the classes of ImageNet.
    "efficientnet_lite0": Trunk(backbone="efficientnet_lite0", depth=8, total=17, size_px=140, interpolation="bicubic"),
}
MOST_BLOCKS = 2
POOLINGS = ("full", "mean")


@dataclass(frozen=True, kw_only=True)
class TunedConfig(TrainingConfig):
    """The last `blocks` of one of `TRUNKS` are trained on; 0 leaves all of it frozen.

    `learning_rate` is the head's. The last block has `backbone_rate` of it, and each block before has `layer_decay` of
    the next one's (Howard and Ruder 2018, "discriminative fine-tuning"). `mirror` says whether the mirror images are
    learned from too. `pooling` is as for `pool`, `scaling` as for `trainables.frozen_head.scaler`: by what the
    pretrained blocks give of the images that are learned from.
    """

    backbone: str
    blocks: int
    backbone_rate: float = 0.0
    layer_decay: float = 1.0
    mirror: bool = False
    pooling: str = "mean"
    scaling: str = "none"


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TunedConfig):
    """`dropout` is before the linear layer."""

    dropout: float


def pool(name: str, map_NCYX: Tensor) -> Tensor:
    """Features (N, D) of a map: its "mean" over positions, or "full", at most `SIDE` x `SIDE` positions, flattened.

    Raises:
        ValueError: There is no pooling of that name.
    """
    if name == "mean":
        return map_NCYX.mean((2, 3))
    if name == "full":
        side = min(SIDE, *map_NCYX.shape[2:])
        return adaptive_avg_pool2d(map_NCYX, side).flatten(1)
    raise ValueError(f"Expected a pooling from full, mean; got {name!r}.")


class Tuned(nn.Module):
    """The last blocks, the features of their map, and a head: (N, C, Y, X) -> what the head makes of the features.

    BatchNorm always uses the statistics it was pretrained with: a few images have none worth having.

    Args:
        last_blocks: They are trained on.
        maps_NCYX: Of the images that are learned from.
        config: Of the features, the pooling and scaling.
        head: From the number of features to a freshly initialised head.
    """

    def __init__(
        self,
        last_blocks: Sequence[nn.Module],
        maps_NCYX: Tensor,
        config: TunedConfig,
        head: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(last_blocks)
        self.pooling = config.pooling
        with torch.inference_mode():
            known_ND = self.pooled(maps_NCYX)
        # A copy is an ordinary tensor, which gradients may pass by.
        self.scale = scaler(config.scaling, known_ND.clone())
        self.head = head(known_ND.shape[1])

    def train(self, mode: bool = True) -> Tuned:
        """Training or evaluation of the head; the blocks stay in evaluation."""
        super().train(mode)
        self.blocks.eval()
        return self

    def pooled(self, map_NCYX: Tensor) -> Tensor:
        """The features (N, D) of the map that goes into the blocks, not scaled."""
        for block in self.blocks:
            map_NCYX = block(map_NCYX)
        return pool(self.pooling, map_NCYX)

    def forward(self, map_NCYX: Tensor) -> Tensor:
        """What the head gives."""
        outputs: Tensor = self.head(self.scale(self.pooled(map_NCYX)))
        return outputs

    def groups(self, config: TunedConfig) -> list[dict[str, Any]]:
        """The parameters with their learning rates, as an optimiser takes them: the head's, then the last block's."""
        found = [{"params": self.head.parameters(), "lr": config.learning_rate}]
        for depth, block in enumerate(reversed(self.blocks)):
            rate = config.learning_rate * config.backbone_rate * config.layer_decay**depth
            found.append({"params": block.parameters(), "lr": rate})
        return found


class TunedBackbone(Learner):
    """A backbone whose last blocks are trained on, or are frozen for comparison; subclasses say which and how.

    `may_need` follows from the backbones that they name.
    """

    Config: ClassVar[type] = TunedConfig
    # Of `TRUNKS`.
    backbones: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        trunks = [TRUNKS[name] for name in cls.backbones]
        cls.may_need = Needs(
            views=tuple(
                trunk.features(count, pooling, mirrored=mirrored)
                for trunk in trunks
                for count in range(MOST_BLOCKS + 1)
                for pooling in (POOLINGS if count == 0 else POOLINGS[:1])
                for mirrored in (False, True)
            ),
            trained_backbones=tuple(trunk.backbone for trunk in trunks),
        )

    @classmethod
    def needs(cls, config: TunedConfig) -> Needs:
        """What goes into the first block that is trained, and the backbone's weights if any block is.

        Raises:
            ValueError: There is no backbone of that name here.
        """
        if config.backbone not in cls.backbones:
            raise ValueError(f"Expected a backbone from {', '.join(cls.backbones)}; got {config.backbone!r}.")
        trunk = TRUNKS[config.backbone]
        views = (False, True) if config.mirror else (False,)
        return Needs(
            views=tuple(trunk.features(config.blocks, config.pooling, mirrored=mirrored) for mirrored in views),
            trained_backbones=(trunk.backbone,) if config.blocks else (),
        )

    @staticmethod
    def learned_from(support: Support) -> tuple[Tensor, Tensor]:
        """The maps (S, C, Y, X) or, with their mirror images behind them, (2 S, C, Y, X); and their labels."""
        return as_map(torch.cat([support.images, *support.more])), support.labels.repeat(1 + len(support.more))

    @staticmethod
    def model(
        config: TunedConfig, maps_NCYX: Tensor, support: Support, head: Callable[[int], nn.Module], streams: Streams
    ) -> Tuned:
        """The last blocks as they were pretrained, and a freshly initialised head on so many features."""
        last_blocks = TRUNKS[config.backbone].last_blocks(config.blocks, support.weights)
        with streams.torch_default("initialisation"):
            return Tuned(last_blocks, maps_NCYX, config, head)


class Finetune(TunedBackbone):
    """A backbone whose last blocks are trained on with a linear layer, or are frozen for comparison."""

    Config = FinetuneConfig
    backbones = tuple(TRUNKS)

    @classmethod
    def fit(cls, config: FinetuneConfig, support: Support, streams: Streams) -> Classifier:
        """Train the last blocks and the linear layer, all images at each step."""
        maps_NCYX, labels_N = cls.learned_from(support)
        outputs = outputs_for(support.classes)

        def head(features: int) -> nn.Module:
            return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(features, outputs), logits_of(outputs))

        model = cls.model(config, maps_NCYX, support, head, streams)
        train(model, lambda step: maps_NCYX, labels_N, config, streams, parameters=model.groups(config))
        return classifier_of(model, lambda images, *mirrored: as_map(images))


def as_map(images: Tensor) -> Tensor:
    """A feature map (N, C, Y, X) as convolutions are fastest; of means (N, C) one of a single position."""
    map_NCYX = images if images.ndim == 4 else images[:, :, None, None]
    return map_NCYX.contiguous(memory_format=torch.channels_last)
