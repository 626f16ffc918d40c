"""All approaches of all challenges, and images for them with features that no backbone computed."""

from __future__ import annotations

import functools
import types

import numpy as np
import optuna
import torch
from torch import nn

from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.challenge2 import CHALLENGE as CHALLENGE2
from sweeps.core.challenge import Approach
from trainables.parts.backbones import BACKBONES, OF_TIMM, before_last, blocks, empty_backbone, random_backbone
from trainables.parts.image_sets import PIXELS, ImageSet
from trainables.parts.protocol import VALIDATION
from trainables.parts.run_seed import run_seed

# One approach looks through any network of timm, here through a tiny one.
CHOSEN = "test_vit"
# The plain baseline is in both.
EVERY = (*CHALLENGE1.approaches, *CHALLENGE2.with_backbone(CHOSEN).approaches)
APPROACHES = tuple({each.name: each for each in EVERY}.values())


def pretended(images, labels, protocol=None):
    """These pixels, grey (N, 28, 28) or colour (N, 3, 28, 28), and for every backbone the pixels in place of features.

    They are in the form of features: 16 channels on 7 x 7 positions; fewer positions; more channels than that. Each
    backbone has the channels in another order, so that a table of the wrong one gives other numbers. A table is made
    when it is needed, and only the last few are kept: one of 2048 channels has 260 MB.
    """
    images_NHW = images if images.ndim == 3 else images.mean(1)
    grey_NHW = (images_NHW - images_NHW.mean((1, 2), keepdims=True)) / images_NHW.std((1, 2), keepdims=True)

    @functools.lru_cache(maxsize=3)
    def of(backbone, output, mirrored):
        seen_NHW = (grey_NHW[:, :, ::-1] if mirrored else grey_NHW).astype(np.float32)
        map_NCYX = seen_NHW.reshape(-1, 7, 4, 7, 4).transpose(0, 2, 4, 1, 3).reshape(-1, 16, 7, 7)
        own_NCYX = np.roll(map_NCYX, [*BACKBONES, f"{OF_TIMM}{CHOSEN}"].index(backbone), axis=1)
        few_NCYX = own_NCYX[:, :, ::2, ::2]
        if output == "full" or (output.startswith("after-") and not output.endswith("-1x1")):
            return own_NCYX.reshape(len(own_NCYX), -1)
        if output == "mean" or output.startswith("after-"):
            return few_NCYX.reshape(len(few_NCYX), -1)
        # AlexNet's two last poolings leave nothing of few positions.
        seen_NCYX = own_NCYX if (backbone, output) == ("alexnet", before_last(2)) else few_NCYX
        return seen_NCYX[:, np.arange(channels_of(backbone, output)) % 16]

    def made_later(spec):
        return types.SimpleNamespace(load=functools.partial(of, spec.backbone, spec.output, spec.mirrored))

    specs = [spec for each in APPROACHES for spec in each.learner.may_need.features]
    views = {PIXELS: images, **{spec.name: made_later(spec) for spec in specs}}
    return ImageSet(labels=labels, views=views, protocol=protocol)


@functools.cache
def channels_of(backbone, output):
    """Channels of the map that goes into the last blocks of a backbone."""
    stages = blocks(empty_backbone(backbone))
    count = next(count for count in range(1, len(stages)) if before_last(count) == output)
    return nn.Sequential(*stages[:-count])(torch.empty(1, 3, 64, 64, device="meta")).shape[1]


# Those of all backbones that are trained further take a gigabyte.
@functools.lru_cache(maxsize=1)
def random_weights(backbone):
    return {name: value.numpy() for name, value in random_backbone(backbone).state_dict().items()}


def weights_of(approach):
    """By backbone, what loads the weights that the approach may train further."""
    return {
        name: types.SimpleNamespace(load=functools.partial(random_weights, name))
        for name in approach.learner.may_need.trained_backbones
    }


def run(approach, params, seed, image_sets, splits=(VALIDATION,)):
    return run_seed(approach.learner, params, seed, image_sets, splits, weights=weights_of(approach))


def configurations(approach: Approach, count: int, seed: int = 0) -> list[dict]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    found = []
    for _ in range(count):
        trial = study.ask()
        approach.suggest(trial)
        found.append(trial.params)
    return found


# What of an approach's start makes training magnify the last digits, which another processor rounds differently:
# attention at every stage of an untrained ResNet gives an AUROC anywhere from .38 to .81 for the same seed.
STEADY = {"resnet18_attention": {"position": "end"}}


def start_of(approach):
    """The published setting; of an approach without one, a setting that the sampler may draw."""
    return dict(approach.start or configurations(approach, 1)[0])


def brief(params, steps=10):
    """The same in few steps where there are steps: what is true of every length of training need not take long."""
    params = dict(params)
    if "steps" in params:
        # Each step replaces as much of BatchNorm's statistics as in the whole training.
        if "statistics_memory" in params:
            params["statistics_memory"] *= params["steps"] / steps
        params["steps"] = steps
    return params


def brief_start_of(approach):
    return brief({**start_of(approach), **STEADY.get(approach.name, {})})
