"""Challenge 2: a few labelled images, ten of PneumoniaMNIST in the study, and networks pretrained on others.

python sweeps/challenge2.py --num-samples 50
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from sweeps.core.interrupts import begin_command

if __name__ == "__main__":
    begin_command()

from search_spaces import (
    alexnet,
    alexnet_focal,
    cnn_transfer,
    convnext_tiny,
    densenet121,
    dinov2_small,
    efficientnet_lite0,
    finetune,
    lite0_focal,
    lite0_mlp,
    lite0_triplet,
    pixel_baseline,
    pixel_lstm,
    pixel_rnn,
    resnet18_frozen,
    resnet50_focal,
    timm_backbone,
    triplet,
    triplet_finetune,
    vgg11,
    vgg11_alexnet,
    vgg11_bn,
    vgg11_cnn,
    vgg11_lstm,
    vgg11_lstm_hidden,
    vgg11_mlp,
    vgg11_random,
    vgg11_rnn,
    vgg11_rnn_hidden,
    vgg11_vgg16,
    vgg16,
)
from search_spaces.published import challenge1, challenge2
from sweeps.core.challenge import Approach, Challenge, with_published
from sweeps.run import start
from trainables.parts.lazy import lazily

with lazily():
    from trainables.cnn_transfer import CNNTransfer
    from trainables.finetune import Finetune
    from trainables.frozen_head import (
        VGG11MLP,
        VGG11VGG16,
        AlexNetFocal,
        AlexNetLinear,
        Lite0Focal,
        Lite0MLP,
        RandomVGG11,
        ResNet50Focal,
        VGG11AlexNet,
        VGG11BNLinear,
        VGG11Linear,
        VGG16Linear,
    )
    from trainables.map_heads import VGG11CNN, VGG11LSTM, VGG11RNN
    from trainables.pixel_baseline import PixelBaseline
    from trainables.pixel_sequences import PixelLSTM, PixelRNN, VGG11LSTMHidden, VGG11RNNHidden
    from trainables.tapped_head import EfficientNetLite0
    from trainables.timm_heads import (
        ConvNeXtTiny,
        DenseNet121,
        DINOv2Small,
        ResNet18Frozen,
        TimmBackbone,
        tapped_head_on,
    )
    from trainables.triplet import AlexNetTriplet, Lite0Triplet
    from trainables.triplet_finetune import TripletFinetune

# What runs only when it is asked for by name, or with `--approaches all`.
on_demand = partial(Approach, is_default=False)

CHALLENGE = Challenge(
    name="challenge2",
    title="Challenge 2: networks trained on other images, few labelled images",
    approaches=with_published(
        {**challenge1.PUBLISHED, **challenge2.PUBLISHED},
        # What needs no pretrained network, nor any.
        Approach(
            name="pixel_baseline",
            learner=PixelBaseline,
            space=pixel_baseline,
            seconds_per_seed=0.1,
            is_baseline=True,
        ),
        # Ours: a network whose weights a package brings, looked at where it pays.
        Approach(name="efficientnet_lite0", learner=EfficientNetLite0, space=efficientnet_lite0, seconds_per_seed=0.05),
        # The study's heads on it.
        Approach(name="lite0_mlp", learner=Lite0MLP, space=lite0_mlp, seconds_per_seed=0.1),
        Approach(name="lite0_focal", learner=Lite0Focal, space=lite0_focal, seconds_per_seed=0.07),
        Approach(name="lite0_triplet", learner=Lite0Triplet, space=lite0_triplet, seconds_per_seed=0.2),
        # The study's table.
        Approach(name="vgg11", learner=VGG11Linear, space=vgg11, seconds_per_seed=0.1),
        Approach(name="vgg11_mlp", learner=VGG11MLP, space=vgg11_mlp, seconds_per_seed=0.5),
        Approach(name="vgg11_vgg16", learner=VGG11VGG16, space=vgg11_vgg16, seconds_per_seed=0.15),
        Approach(name="resnet50_focal", learner=ResNet50Focal, space=resnet50_focal, seconds_per_seed=0.3),
        Approach(name="alexnet_focal", learner=AlexNetFocal, space=alexnet_focal, seconds_per_seed=0.1),
        Approach(name="triplet", learner=AlexNetTriplet, space=triplet, seconds_per_seed=0.3),
        # The bars of its figures.
        on_demand(name="alexnet", learner=AlexNetLinear, space=alexnet, seconds_per_seed=0.1),
        on_demand(name="vgg16", learner=VGG16Linear, space=vgg16, seconds_per_seed=0.1),
        on_demand(name="vgg11_bn", learner=VGG11BNLinear, space=vgg11_bn, seconds_per_seed=0.1),
        on_demand(name="vgg11_alexnet", learner=VGG11AlexNet, space=vgg11_alexnet, seconds_per_seed=0.15),
        on_demand(name="vgg11_cnn", learner=VGG11CNN, space=vgg11_cnn, seconds_per_seed=0.5),
        on_demand(name="vgg11_rnn", learner=VGG11RNN, space=vgg11_rnn, seconds_per_seed=0.5),
        on_demand(name="vgg11_lstm", learner=VGG11LSTM, space=vgg11_lstm, seconds_per_seed=0.5),
        on_demand(name="vgg11_rnn_hidden", learner=VGG11RNNHidden, space=vgg11_rnn_hidden, seconds_per_seed=0.4),
        on_demand(name="vgg11_lstm_hidden", learner=VGG11LSTMHidden, space=vgg11_lstm_hidden, seconds_per_seed=0.5),
        on_demand(name="pixel_rnn", learner=PixelRNN, space=pixel_rnn, seconds_per_seed=0.4),
        on_demand(name="pixel_lstm", learner=PixelLSTM, space=pixel_lstm, seconds_per_seed=0.5),
        # Ours: what an untrained network is worth, and what training all the way is.
        on_demand(name="vgg11_random", learner=RandomVGG11, space=vgg11_random, seconds_per_seed=0.1),
        on_demand(name="finetune", learner=Finetune, space=finetune, seconds_per_seed=4.0),
        on_demand(name="triplet_finetune", learner=TripletFinetune, space=triplet_finetune, seconds_per_seed=1.5),
        # What the study expected of other images: a small network that has learned from some.
        on_demand(name="cnn_transfer", learner=CNNTransfer, space=cnn_transfer, seconds_per_seed=0.6),
        # Ours: further backbones under the heads of `efficientnet_lite0`, and any of timm's.
        on_demand(name="resnet18_frozen", learner=ResNet18Frozen, space=resnet18_frozen, seconds_per_seed=0.05),
        on_demand(name="densenet121", learner=DenseNet121, space=densenet121, seconds_per_seed=0.05),
        on_demand(name="dinov2_small", learner=DINOv2Small, space=dinov2_small, seconds_per_seed=0.05),
        on_demand(name="convnext_tiny", learner=ConvNeXtTiny, space=convnext_tiny, seconds_per_seed=0.05),
        on_demand(
            name="timm_backbone",
            learner=TimmBackbone,
            space=timm_backbone,
            seconds_per_seed=0.05,
            on_backbone=tapped_head_on,
        ),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return start.sweep(CHALLENGE, arguments)


if __name__ == "__main__":
    sys.exit(main())
