"""Challenge 1: a few labelled images, ten of PneumoniaMNIST in the study, and nothing else.

python sweeps/challenge1.py --num-samples 50
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sweeps.core.interrupts import begin_command

if __name__ == "__main__":
    begin_command()

from search_spaces import (
    cnn,
    cnn_attention,
    cnn_cirillo,
    cnn_ensemble,
    cnn_hog,
    cnn_resnet18_ensemble,
    cnn_satoto,
    pixel_baseline,
    resnet18,
    resnet18_attention,
    siamese_bce,
    siamese_contrastive,
    starter_cnn,
)
from search_spaces.published.challenge1 import PUBLISHED
from sweeps.core.challenge import Approach, Challenge, with_published
from sweeps.run import start
from trainables.parts.lazy import lazily

with lazily():
    from trainables.cnn_attention import CNNAttention
    from trainables.cnn_ensemble import CNNEnsemble
    from trainables.cnn_hog import CNNHog
    from trainables.cnn_resnet18_ensemble import CNNResNet18Ensemble
    from trainables.pixel_baseline import PixelBaseline
    from trainables.resnet18 import ResNet18, ResNet18Attention
    from trainables.siamese import SiameseBCE, SiameseContrastive
    from trainables.small_cnn import CNN, CNNCirillo, CNNSatoto, StarterCNN

CHALLENGE = Challenge(
    name="challenge1",
    title="Challenge 1: from scratch, few labelled images",
    is_from_scratch=True,
    approaches=with_published(
        PUBLISHED,
        Approach(
            name="pixel_baseline",
            learner=PixelBaseline,
            space=pixel_baseline,
            seconds_per_seed=0.1,
            is_baseline=True,
        ),
        Approach(name="starter_cnn", learner=StarterCNN, space=starter_cnn, seconds_per_seed=0.2),
        Approach(name="cnn", learner=CNN, space=cnn, seconds_per_seed=0.3),
        Approach(name="cnn_satoto", learner=CNNSatoto, space=cnn_satoto, seconds_per_seed=0.35),
        Approach(name="cnn_cirillo", learner=CNNCirillo, space=cnn_cirillo, seconds_per_seed=0.35),
        Approach(name="cnn_attention", learner=CNNAttention, space=cnn_attention, seconds_per_seed=0.5),
        Approach(name="resnet18", learner=ResNet18, space=resnet18, seconds_per_seed=1.2),
        Approach(name="resnet18_attention", learner=ResNet18Attention, space=resnet18_attention, seconds_per_seed=1.2),
        Approach(
            name="cnn_resnet18_ensemble",
            learner=CNNResNet18Ensemble,
            space=cnn_resnet18_ensemble,
            seconds_per_seed=1.2,
        ),
        Approach(name="siamese_bce", learner=SiameseBCE, space=siamese_bce, seconds_per_seed=0.55),
        Approach(
            name="siamese_contrastive", learner=SiameseContrastive, space=siamese_contrastive, seconds_per_seed=0.5
        ),
        Approach(name="cnn_ensemble", learner=CNNEnsemble, space=cnn_ensemble, seconds_per_seed=0.8),
        Approach(name="cnn_hog", learner=CNNHog, space=cnn_hog, seconds_per_seed=0.9),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return start.sweep(CHALLENGE, arguments)


if __name__ == "__main__":
    sys.exit(main())
