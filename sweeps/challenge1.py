"""Challenge 1: PneumoniaMNIST from ten training images and nothing else.

python sweeps/challenge1.py --num-samples 50
"""

import os
import signal
import sys

if __name__ == "__main__":
    # Until all is imported there is nothing to save, and nothing to say.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

from search_spaces import (
    cnn,
    cnn_attention,
    cnn_cirillo,
    cnn_ensemble,
    cnn_resnet18_ensemble,
    cnn_satoto,
    pixel_baseline,
    resnet18,
    resnet18_attention,
    siamese_bce,
    siamese_contrastive,
    starter_cnn,
)
from sweeps.challenge import Approach, Challenge
from sweeps.sweep import main
from trainables.cnn_attention import CNNAttention
from trainables.cnn_ensemble import CNNEnsemble
from trainables.cnn_resnet18_ensemble import CNNResNet18Ensemble
from trainables.pixel_baseline import PixelBaseline
from trainables.resnet18 import ResNet18, ResNet18Attention
from trainables.siamese import SiameseBCE, SiameseContrastive
from trainables.small_cnn import CNN, CNNCirillo, CNNSatoto, StarterCNN

CHALLENGE = Challenge(
    name="challenge1",
    title="Challenge 1: from scratch, ten training images",
    approaches=(
        Approach(
            name="pixel_baseline",
            trainable=PixelBaseline,
            space=pixel_baseline,
            seconds_a_seed=0.05,
            is_baseline=True,
        ),
        Approach(name="starter_cnn", trainable=StarterCNN, space=starter_cnn, seconds_a_seed=0.2),
        Approach(name="cnn", trainable=CNN, space=cnn, seconds_a_seed=0.25),
        Approach(name="cnn_satoto", trainable=CNNSatoto, space=cnn_satoto, seconds_a_seed=0.3),
        Approach(name="cnn_cirillo", trainable=CNNCirillo, space=cnn_cirillo, seconds_a_seed=0.3),
        Approach(name="cnn_attention", trainable=CNNAttention, space=cnn_attention, seconds_a_seed=0.6),
        Approach(name="resnet18", trainable=ResNet18, space=resnet18, seconds_a_seed=3.0),
        Approach(name="resnet18_attention", trainable=ResNet18Attention, space=resnet18_attention, seconds_a_seed=3.5),
        Approach(
            name="cnn_resnet18_ensemble",
            trainable=CNNResNet18Ensemble,
            space=cnn_resnet18_ensemble,
            seconds_a_seed=1.0,
        ),
        Approach(name="siamese_bce", trainable=SiameseBCE, space=siamese_bce, seconds_a_seed=0.5),
        Approach(
            name="siamese_contrastive", trainable=SiameseContrastive, space=siamese_contrastive, seconds_a_seed=0.5
        ),
        Approach(name="cnn_ensemble", trainable=CNNEnsemble, space=cnn_ensemble, seconds_a_seed=1.6),
    ),
)

if __name__ == "__main__":
    sys.exit(main(CHALLENGE))
