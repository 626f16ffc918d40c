"""Whether means over seeds are honest without the luck of their seeds, by real results with known truth.

python benchmarks/lucky_seeds.py [--blocks 2000] [--best 40]

A table of real accuracies (`make_table.py`) is all there is: the truth of a configuration is its mean over all seeds of
the table. Blocks of 50 seeds, and as many other seeds as a sweep has for its control, are drawn from it with
replacement; the control is z-score ridge on pixels, on the same seeds. Printed are, over the best configurations of
each approach, the error of the plain mean and of the adjusted one, and how often their 95 % intervals over seeds hold
the truth.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from searching import quiet
from tables import read_tables

from sweeps.analysis.intervals import estimate
from sweeps.analysis.lucky_seeds import adjusted
from sweeps.core.seeds import CONTROL_SEEDS
from sweeps.views.text_table import aligned

CONFIRM_SEEDS = 50


def main() -> None:
    """Print a row for each approach."""
    quiet()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=2000, help="of seeds, of each configuration")
    parser.add_argument("--best", type=int, default=40, help="configurations of each approach")
    asked = parser.parse_args()
    tables = read_tables()
    pixels = tables["pixel_baseline"]
    ridges = [
        number
        for number, params in enumerate(pixels.params)
        if params["representation"] == "zscore" and params["classifier"] == "ridge"
    ]
    # The one nearest to the control's strength.
    control = min(ridges, key=lambda number: abs(np.log(pixels.params[number]["ridge_alpha"])))
    control_S = pixels.accuracies[control] / 100
    rows = []
    for name, table in tables.items():
        means = table.accuracies.mean(axis=1)
        order = [number for number in np.argsort(-means) if (name, number) != ("pixel_baseline", control)]
        found = pd.DataFrame(
            row
            for number in order[: asked.best]
            for row in simulated(table.accuracies[number] / 100, control_S, asked.blocks, int(number))
        )
        rows.append(printed(name, found))
    print(f"control: {pixels.params[control]}")
    print(aligned(rows))


def simulated(own_S: np.ndarray, control_S: np.ndarray, blocks: int, seed: int) -> list[dict[str, float]]:
    """What both estimates say on drawn blocks, in points."""
    rng = np.random.default_rng([20261127, seed])
    truth, found = own_S.mean(), []
    for _ in range(blocks):
        block = rng.integers(len(own_S), size=CONFIRM_SEEDS)
        others = rng.integers(len(own_S), size=len(CONTROL_SEEDS))
        scores = dict(enumerate(own_S[block]))
        control = dict(enumerate(control_S[block])) | dict(zip(CONTROL_SEEDS, control_S[others], strict=True))
        plain = estimate(own_S[block])
        without = adjusted(plain, scores, control, CONTROL_SEEDS)
        assert plain is not None
        assert plain.low is not None
        assert plain.high is not None
        assert without is not None
        found.append(
            {
                "plain": 100 * (plain.mean - truth),
                "adjusted": 100 * (without.mean - truth),
                "plain holds": plain.low <= truth <= plain.high,
                "adjusted holds": without.low <= truth <= without.high,
                "narrower": (without.high - without.low) / (plain.high - plain.low),
                "correlation": without.correlation,
            }
        )
    return found


def printed(name: str, found: pd.DataFrame) -> dict[str, str]:
    """A row of the table."""
    return {
        "approach": name,
        "correlation": f"{found.correlation.median():.2f}",
        "plain: bias, error": f"{found.plain.mean():+.2f}, {(found.plain**2).mean() ** 0.5:.2f}",
        "holds": f"{100 * found['plain holds'].mean():.1f} %",
        "adjusted: bias, error": f"{found.adjusted.mean():+.2f}, {(found.adjusted**2).mean() ** 0.5:.2f}",
        "holds ": f"{100 * found['adjusted holds'].mean():.1f} %",
        "width": f"{100 * found.narrower.mean():.0f} %",
    }


if __name__ == "__main__":
    main()
