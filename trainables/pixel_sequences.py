"""Recurrent networks over the pixels of an image: from scratch, or started from the features of a frozen backbone.

Shapes: N = images, C = colours (1 of grey images), H = hidden size, L = layers, D = features, O = outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, unfold

from trainables.frozen_head import FIVE_BLOCK_TAPS, FrozenHead, HeadConfig, scaler
from trainables.parts.backbones import FeatureSpec
from trainables.parts.image_sets import PIXELS
from trainables.parts.learner import Classifier, Support
from trainables.parts.networks import Ends
from trainables.parts.normalisation import unit
from trainables.parts.recurrent import Recurrent, SequenceConfig, SequenceNetwork
from trainables.parts.scratch import ScratchConfig, ScratchNetwork, colours, network_input
from trainables.parts.streams import Streams
from trainables.parts.training import classifier_of, logits_of, outputs_for, train

# Height and width of the pixels that are one step.
WINDOWS = {"rows": (1, 28), "patches": (4, 4)}
# The study's: the upscaled image's pixels row by row, cut into so many steps of 196 pixels each.
PIECES, UPSCALED_PX, PIECES_STEPS = "pieces", 224, 256


@dataclass(frozen=True, kw_only=True)
class PixelSequenceConfig(ScratchConfig, SequenceConfig):
    """`sequence` is as in `pixel_sequence`."""


@dataclass(frozen=True, kw_only=True)
class FeaturesAndPixelsConfig(HeadConfig, PixelSequenceConfig):
    """How the features are made and scaled, and how the pixels are."""


def pixel_sequence(name: str, images_NCHW: Tensor) -> Tensor:
    """Images of 28 x 28 pixels as steps of one window each, row by row.

    "rows" are (N, 28, C * 28) and "patches" (N, 49, C * 16); the colours of a step stand side by side.

    "pieces" (N, 256, C * 196) are the study's steps: the image as a backbone gets it, upscaled to 224 x 224 pixels (a
    grey one in one colour, since all three are the same), whose rows are cut into 256 pieces one behind the other.

    Raises:
        ValueError: There is no sequence of that name.
    """
    if name == PIECES:
        size = (UPSCALED_PX, UPSCALED_PX)
        upscaled_NCSS = interpolate(images_NCHW, size=size, mode="bilinear", align_corners=False)
        return upscaled_NCSS.flatten(2).unflatten(2, (PIECES_STEPS, -1)).transpose(1, 2).flatten(2)
    if name not in WINDOWS:
        raise ValueError(f"Expected a sequence from {', '.join([*WINDOWS, PIECES])}; got {name!r}.")
    return unfold(images_NCHW, WINDOWS[name], stride=WINDOWS[name]).transpose(1, 2)


class FeatureStart(nn.Module):
    """A recurrent network over pixels whose initial state is a linear map of features: (N, D + C * 784) -> (N, O).

    Every layer has a projection of its own, in an LSTM one for h and one for c. There is no bias: of features that are
    zero the state is zero.
    """

    def __init__(self, network: SequenceNetwork, features: int) -> None:
        super().__init__()
        self.network = network
        self.kinds = 2 if isinstance(network.recurrent, nn.LSTM) else 1
        states = self.kinds * network.recurrent.num_layers * network.recurrent.hidden_size
        self.projection = nn.Linear(features, states, bias=False)

    def forward(self, features_and_pixels: Tensor) -> Tensor:
        """Outputs (N, O)."""
        features_ND, pixels_NP = features_and_pixels.tensor_split([self.projection.in_features], dim=1)
        layers = self.network.recurrent.num_layers
        h_LNH, *c_LNH = self.projection(features_ND).unflatten(1, (self.kinds, layers, -1)).permute(1, 2, 0, 3)
        images_NCHW = pixels_NP.unflatten(1, (-1, 28, 28))
        outputs_NO: Tensor = self.network(images_NCHW, (h_LNH, *c_LNH) if c_LNH else h_LNH)
        return outputs_NO


class OutputsAsState(nn.Module):
    """A recurrent network over pixels whose initial state is given: (N, H + C * 784) -> (N, O).

    The first H numbers are the hidden state h of every layer, as they are; an LSTM's cell state c starts at zero.

    Raises:
        ValueError: The layers have another size than the features.
    """

    def __init__(self, network: SequenceNetwork, features: int) -> None:
        super().__init__()
        self.network = network
        size = network.recurrent.hidden_size
        if size != features:
            raise ValueError(f"Expected hidden_size {features}, as many units as the backbone has outputs; got {size}.")

    def forward(self, outputs_and_pixels: Tensor) -> Tensor:
        """Outputs (N, O)."""
        recurrent = self.network.recurrent
        outputs_NH, pixels_NP = outputs_and_pixels.tensor_split([recurrent.hidden_size], dim=1)
        h_LNH = outputs_NH.expand(recurrent.num_layers, -1, -1).contiguous()
        state = (h_LNH, torch.zeros_like(h_LNH)) if isinstance(recurrent, nn.LSTM) else h_LNH
        outputs_NO: Tensor = self.network(pixels_NP.unflatten(1, (-1, 28, 28)), state)
        return outputs_NO


def pixel_network(recurrent: Recurrent, config: PixelSequenceConfig, ends: Ends) -> SequenceNetwork:
    """A recurrent network over pixels: (N, C, 28, 28) -> (N, O)."""
    sequence = partial(pixel_sequence, config.sequence)
    return SequenceNetwork(recurrent, sequence, (ends.inputs, 28, 28), config, ends.outputs)


class PixelRNN(ScratchNetwork):
    """A recurrent network over an image's rows or patches, from scratch."""

    Config: ClassVar[type] = PixelSequenceConfig
    recurrent: ClassVar[Recurrent] = nn.RNN

    @classmethod
    def network(cls, config: PixelSequenceConfig, ends: Ends) -> nn.Module:
        """Started from zero."""
        return nn.Sequential(pixel_network(cls.recurrent, config, ends), logits_of(ends.outputs))


class PixelLSTM(PixelRNN):
    """An LSTM over an image's rows or patches, from scratch."""

    recurrent = nn.LSTM


class VGG11RNNHidden(FrozenHead):
    """A recurrent network over an image's rows or patches, started from frozen VGG11's features."""

    Config = FeaturesAndPixelsConfig
    backbones = ("vgg11",)
    taps: ClassVar[tuple[str, ...]] = FIVE_BLOCK_TAPS
    # At most 512 numbers, so that the projection is small.
    poolings = ("mean",)
    further_views = (PIXELS,)
    recurrent: ClassVar[Recurrent] = nn.RNN
    # How the features become the state: a module of a network and the number of features.
    start: ClassVar[type[FeatureStart | OutputsAsState]] = FeatureStart

    @classmethod
    def fit(cls, config: FeaturesAndPixelsConfig, support: Support, streams: Streams) -> Classifier:
        """Train the network, and the projection if there is one, all images at each step."""
        (pixels,) = support.more
        known_ND = support.images
        scale = scaler(config.scaling, known_ND)
        ends = Ends(inputs=colours(pixels), outputs=outputs_for(support.classes))

        def prepare(features_ND: Tensor, images: Tensor) -> Tensor:
            return torch.cat([scale(features_ND), network_input(config, unit(images)).flatten(1)], 1)

        inputs = prepare(known_ND, pixels)
        with streams.torch_default("initialisation"):
            network = pixel_network(cls.recurrent, config, ends)
            model = nn.Sequential(cls.start(network, known_ND.shape[1]), logits_of(ends.outputs))
        train(model, lambda step: inputs, support.labels, config, streams)
        return classifier_of(model, prepare)


class VGG11LSTMHidden(VGG11RNNHidden):
    """An LSTM over an image's rows or patches, started from frozen VGG11's features."""

    recurrent = nn.LSTM


class VGG11RNNHidden1000(VGG11RNNHidden):
    """The study's own size: an RNN of 3 x 1000 units over 256 steps of pixels, started from VGG11's 1000 outputs."""

    backbones = ("vgg11_logits",)
    taps = ("5@224",)
    start = OutputsAsState

    @classmethod
    def features(cls, tap: str, pooling: str, cut: int, mirrored: bool) -> tuple[FeatureSpec, ...]:
        """What the library's classifier makes of the last map."""
        return tuple(replace(spec, output="logits") for spec in super().features(tap, pooling, cut, mirrored))


class VGG11LSTMHidden1000(VGG11RNNHidden1000):
    """The study's own size: an LSTM of 3 x 1000 units over 256 steps of pixels, started from VGG11's 1000 outputs."""

    recurrent = nn.LSTM
