"""Two means over the same seeds of which one is known by its mean and standard deviation alone.

What both did on one seed is correlated, since a lucky draw of images is lucky for both. By how much cannot be known
without the single seeds, so the difference is tested with the least and the greatest correlation that is plausible.
"""

from __future__ import annotations

import numpy as np
import scipy

# Of two systems on common seeds. The approaches of a sweep of challenge 2 had .16 to .98 with each other on 50 seeds,
# half of the pairs less than .44; configurations of one approach .28 and more, 19 of 20 pairs less than .93.
LEAST_CORRELATION, MOST_CORRELATION = 0.0, 0.9


def standard_error(
    sd: np.ndarray | float, n: int, other_sd: np.ndarray | float, other_n: int, correlation: float
) -> np.ndarray:
    """Of the difference of two means, whose first `min(n, other_n)` seeds are the same.

    `sqrt(s^2/n + s'^2/n' - 2 r s s' / max(n, n'))`; with a correlation of 0 it is Welch's.
    """
    sd, other_sd = np.asarray(sd, dtype=float), np.asarray(other_sd, dtype=float)
    variance = sd**2 / n + other_sd**2 / other_n - 2 * correlation * sd * other_sd / max(n, other_n)
    return np.sqrt(np.maximum(variance, 0.0))


def p_value(
    difference: np.ndarray | float,
    sd: np.ndarray | float,
    n: int,
    other_sd: np.ndarray | float,
    other_n: int,
    correlation: float,
) -> np.ndarray:
    """Two-sided, of a t test of the difference of the means.

    Without correlation it is Welch's test (1947). With one the degrees of freedom are those of the common seeds, as of
    a paired test; as these are fewer than Welch's, its p-value may be the greater one although its error is less.
    Without any spread a difference is either nothing or certain.
    """
    error = standard_error(sd, n, other_sd, other_n, correlation)
    one, other = np.square(sd) / n, np.square(other_sd) / other_n
    with np.errstate(divide="ignore", invalid="ignore"):
        welch = (one + other) ** 2 / (one**2 / (n - 1) + other**2 / (other_n - 1))
        degrees = welch if correlation == 0 else min(n, other_n) - 1
        p = 2 * scipy.stats.t.sf(np.abs(difference) / error, degrees)
    return np.where(error > 1e-12, p, np.isclose(difference, 0.0))
