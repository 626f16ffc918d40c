"""Challenge 1: PneumoniaMNIST from ten training images and nothing else.

python sweeps/challenge1.py --num-samples 50
"""

import sys

from search_spaces import cnn, cnn_cirillo, cnn_satoto, pixel_baseline, starter_cnn
from sweeps.challenge import Approach, Challenge
from sweeps.road import main
from trainables.pixel_baseline import PixelBaseline
from trainables.small_cnn import CNN, CNNCirillo, CNNSatoto, StarterCNN

CHALLENGE = Challenge(
    name="challenge1",
    title="Challenge 1: from scratch, ten training images",
    approaches=(
        Approach(name="pixel_baseline", trainable=PixelBaseline, space=pixel_baseline, seconds_a_seed=0.1),
        Approach(name="starter_cnn", trainable=StarterCNN, space=starter_cnn, seconds_a_seed=0.2),
        Approach(name="cnn", trainable=CNN, space=cnn, seconds_a_seed=0.25),
        Approach(name="cnn_satoto", trainable=CNNSatoto, space=cnn_satoto, seconds_a_seed=0.3),
        Approach(name="cnn_cirillo", trainable=CNNCirillo, space=cnn_cirillo, seconds_a_seed=0.3),
    ),
)

if __name__ == "__main__":
    sys.exit(main(CHALLENGE))
