"""Challenge 2: PneumoniaMNIST from ten training images and networks pretrained on others.

python sweeps/challenge2.py --num-samples 50
"""

import sys

from search_spaces import alexnet, vgg11, vgg11_mlp
from sweeps.challenge import Approach, Challenge
from sweeps.road import main
from trainables.frozen_head import VGG11MLP, AlexNetLinear, VGG11Linear

CHALLENGE = Challenge(
    name="challenge2",
    title="Challenge 2: pretrained and frozen, ten training images",
    approaches=(
        Approach(name="alexnet", trainable=AlexNetLinear, space=alexnet, seconds_a_seed=0.1),
        Approach(name="vgg11", trainable=VGG11Linear, space=vgg11, seconds_a_seed=0.15),
        Approach(name="vgg11_mlp", trainable=VGG11MLP, space=vgg11_mlp, seconds_a_seed=1.5),
    ),
)

if __name__ == "__main__":
    sys.exit(main(CHALLENGE))
