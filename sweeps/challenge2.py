"""Challenge 2: PneumoniaMNIST from ten training images and networks pretrained on others.

python sweeps/challenge2.py --num-samples 50
"""

import os
import signal
import sys
from functools import partial

if __name__ == "__main__":
    # Until all is imported there is nothing to save, and nothing to say.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

from search_spaces import (
    alexnet,
    alexnet_focal,
    finetune,
    pixel_baseline,
    pixel_lstm,
    pixel_rnn,
    resnet50_focal,
    triplet,
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
from sweeps.challenge import Approach, Challenge
from sweeps.sweep import main
from trainables.finetune import Finetune
from trainables.frozen_head import (
    VGG11MLP,
    VGG11VGG16,
    AlexNetFocal,
    AlexNetLinear,
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
from trainables.triplet import AlexNetTriplet

# What runs only when it is asked for by name, or with `--approaches all`.
on_demand = partial(Approach, is_default=False)

CHALLENGE = Challenge(
    name="challenge2",
    title="Challenge 2: networks trained on other images, ten training images",
    approaches=(
        # What needs no pretrained network, nor any.
        Approach(
            name="pixel_baseline",
            trainable=PixelBaseline,
            space=pixel_baseline,
            seconds_a_seed=0.05,
            is_baseline=True,
        ),
        # The study's table.
        Approach(name="vgg11", trainable=VGG11Linear, space=vgg11, seconds_a_seed=0.1),
        Approach(name="vgg11_mlp", trainable=VGG11MLP, space=vgg11_mlp, seconds_a_seed=1.3),
        Approach(name="vgg11_vgg16", trainable=VGG11VGG16, space=vgg11_vgg16, seconds_a_seed=0.15),
        Approach(name="resnet50_focal", trainable=ResNet50Focal, space=resnet50_focal, seconds_a_seed=0.07),
        Approach(name="alexnet_focal", trainable=AlexNetFocal, space=alexnet_focal, seconds_a_seed=0.1),
        Approach(name="triplet", trainable=AlexNetTriplet, space=triplet, seconds_a_seed=0.5),
        # The bars of its figures.
        on_demand(name="alexnet", trainable=AlexNetLinear, space=alexnet, seconds_a_seed=0.1),
        on_demand(name="vgg16", trainable=VGG16Linear, space=vgg16, seconds_a_seed=0.1),
        on_demand(name="vgg11_bn", trainable=VGG11BNLinear, space=vgg11_bn, seconds_a_seed=0.1),
        on_demand(name="vgg11_alexnet", trainable=VGG11AlexNet, space=vgg11_alexnet, seconds_a_seed=0.15),
        on_demand(name="vgg11_cnn", trainable=VGG11CNN, space=vgg11_cnn, seconds_a_seed=0.5),
        on_demand(name="vgg11_rnn", trainable=VGG11RNN, space=vgg11_rnn, seconds_a_seed=0.5),
        on_demand(name="vgg11_lstm", trainable=VGG11LSTM, space=vgg11_lstm, seconds_a_seed=0.5),
        on_demand(name="vgg11_rnn_hidden", trainable=VGG11RNNHidden, space=vgg11_rnn_hidden, seconds_a_seed=0.4),
        on_demand(name="vgg11_lstm_hidden", trainable=VGG11LSTMHidden, space=vgg11_lstm_hidden, seconds_a_seed=0.5),
        on_demand(name="pixel_rnn", trainable=PixelRNN, space=pixel_rnn, seconds_a_seed=0.4),
        on_demand(name="pixel_lstm", trainable=PixelLSTM, space=pixel_lstm, seconds_a_seed=0.5),
        # Ours: what an untrained network is worth, and what training all the way is.
        on_demand(name="vgg11_random", trainable=RandomVGG11, space=vgg11_random, seconds_a_seed=0.1),
        on_demand(name="finetune", trainable=Finetune, space=finetune, seconds_a_seed=4.0),
    ),
)

if __name__ == "__main__":
    sys.exit(main(CHALLENGE))
