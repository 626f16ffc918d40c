"""What a mean over a block of fresh seeds is when the block's luck is taken out of it.

Some draws of labelled images are easy to learn from, whatever learns. So the seeds of a block are also run with a
control that costs next to nothing, and so are many others, which tell its mean over all. What a configuration owes to
an easy block is how much better the control is there, times the slope of the configuration's scores on the control's
over the block's seeds: the regression estimator with a control variate (Lavenberg and Welch 1981, A perspective on the
use of control variables to increase the efficiency of Monte Carlo simulations, Management Science 27).

Comparisons are paired, so that luck is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import scipy

from sweeps.analysis.intervals import Estimate

# Fewer tell the slope, or the control's mean, too badly.
LEAST_SEEDS = 10


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """A mean over a block of fresh seeds, a fraction, with the block's luck taken out.

    Attributes:
        mean: What it would be if the control were as good on the block as on the others.
        low, high: Its 95 % interval.
        ease: By how much the control is better on the block than on the others, a fraction.
        others: How many other seeds the control was run on.
        correlation: Of the configuration's scores and the control's on the block's seeds.
    """

    mean: float
    low: float
    high: float
    ease: float
    others: int
    correlation: float


def adjusted(
    quoted: Estimate | None, scores: Mapping[int, float], control: Mapping[int, float], others: Collection[int]
) -> Adjusted | None:
    """The quoted mean of these scores without their block's luck; None if too little is known.

    Its error over seeds has three parts: what the regression leaves, what the slope does not know, and what the mean
    over the others does not know. The images' error stays. The interval is the quoted one around the new mean, as much
    narrower as its standard error is smaller.

    Args:
        quoted: The mean over the seeds of one block, with its interval.
        scores: What it is the mean of, by seed; fractions.
        control: The control's score by seed, of the block and of others.
        others: Which seeds tell the control's mean; none of them is in the block.
    """
    control_R = np.array([control[seed] for seed in others if seed in control])
    seeds = [seed for seed in scores if seed in control]
    if quoted is None or quoted.low is None or quoted.high is None or quoted.sd is None:
        return None
    if not LEAST_SEEDS <= len(seeds) == len(scores) == quoted.n or len(control_R) < LEAST_SEEDS:
        return None
    own_S = np.array([scores[seed] for seed in seeds])
    easier_S = np.array([control[seed] for seed in seeds]) - control_R.mean()
    # Rounding leaves equal values a spread of about 1e-17.
    if np.ptp(easier_S) < 1e-12 or quoted.sd < 1e-12:
        return None
    # Its intercept is the mean where the control is as good as on the others.
    line = scipy.stats.linregress(easier_S, own_S)
    of_others = line.slope * scipy.stats.sem(control_R)
    images = quoted.images_error
    error = math.hypot(line.intercept_stderr, of_others, images)
    narrower = error / math.hypot(quoted.sd / math.sqrt(quoted.n), images)
    # A line may leave what a score can be.
    mean = min(max(float(line.intercept), 0.0), 1.0)
    return Adjusted(
        mean=mean,
        low=max(mean - narrower * (quoted.mean - quoted.low), 0.0),
        high=min(mean + narrower * (quoted.high - quoted.mean), 1.0),
        ease=float(easier_S.mean()),
        others=len(control_R),
        correlation=float(line.rvalue),
    )
