"""Where configurations come from: the sampler, and the same configuration once more."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FixedTrial, Trial

from sweeps.core.challenge import Approach
from sweeps.core.kinds import AT_RANDOM, TPE
from sweeps.stages.history import BoundedTPE


def sampler_seed(search_seed: int, approach: str, number: int) -> int:
    """What starts a sampler's draws for one configuration."""
    return int(np.random.SeedSequence([search_seed, zlib.crc32(approach.encode()), number]).generate_state(1)[0])


def tpe(search_seed: int, approach: str, number: int) -> BaseSampler:
    """TPE with every argument that is not deprecated stated; search seed, approach and number decide its draws."""
    return BoundedTPE(
        n_startup_trials=10,  # Random ones first, the published setting among them.
        n_ei_candidates=24,
        seed=sampler_seed(search_seed, approach, number),
        multivariate=True,  # Learning rate, decay and steps act together.
        group=False,  # Experimental, and was no better on a conditional toy.
        constant_liar=True,  # Workers running at the same time must not all get the same suggestion.
        constraints_func=None,
    )


def at_random(search_seed: int, approach: str, number: int) -> BaseSampler:
    """Draws that no earlier configuration has a say in."""
    return RandomSampler(seed=sampler_seed(search_seed, approach, number))


# By the kinds of `--sampler`.
SAMPLERS = {AT_RANDOM: at_random, TPE: tpe}


def replayed(approach: Approach, params: Mapping[str, Any]) -> tuple[FixedTrial, str | None]:
    """A trial that was given these parameters when the approach's space asked for them, and which it lacked."""
    trial = FixedTrial(dict(params))
    try:
        with warnings.catch_warnings():
            # Optuna's, of values outside a range, which may have been another one.
            warnings.simplefilter("ignore")
            approach.suggest(cast(Trial, trial))
    except ValueError as error:
        return trial, str(error)
    return trial, None
