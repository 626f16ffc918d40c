"""How numbers are printed."""

from __future__ import annotations

import numpy as np
import pytest

from sweeps.analysis.intervals import estimate
from sweeps.core.formatting import (
    counted,
    interval_percent,
    mean_sd,
    mean_sd_percent,
    percent,
    points,
    readable,
    signed_points,
)


def test_fractions_are_printed_in_per_cent():
    assert (percent(0.871), percent(0), percent(1)) == ("87.1", "0.0", "100.0")


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.01, "+1.0"), (-0.0049, "-0.5"), (0.0, "+0.0"), (-0.0, "+0.0"), (-0.0001, "+0.0")]
)
def test_differences_have_a_sign_and_never_that_of_a_negative_zero(fraction, text):
    assert points(fraction) == signed_points(100 * fraction) == text


def test_a_mean_has_its_spread_where_there_is_one():
    assert mean_sd(estimate(np.array([0.8, 0.9]))) == "85.0 +- 7.1"
    assert mean_sd(estimate(np.array([0.8]))) == "80.0"
    assert mean_sd(None) == ""
    assert (mean_sd_percent(79.83, 5.72), mean_sd_percent(79.83, None)) == ("79.8 +- 5.7", "79.8")


def test_an_interval_is_printed_where_there_is_one():
    assert interval_percent(0.856, 0.886) == "85.6 to 88.6"
    assert interval_percent(None, None) == ""


def test_one_is_one():
    assert [counted(count, "image") for count in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


@pytest.mark.parametrize(("value", "text"), [(0.000123456, "0.0001235"), (3, "3"), ("svm", "svm"), (None, "None")])
def test_parameters_have_as_many_digits_as_one_reads(value, text):
    assert readable(value) == text
