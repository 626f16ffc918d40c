"""The tables as files: a Parquet file has what the CSV file has."""

from __future__ import annotations

import io

import pandas as pd

from sweeps import challenge1, challenge2
from sweeps.views.files import parquet


def test_parquet_has_what_csv_has_whatever_the_types():
    frame = pd.DataFrame({"n": [1, 2], "mixed": ["a", 0.5], "bools": [True, None], "none": [None, None]})
    back = pd.read_parquet(io.BytesIO(parquet(frame)))
    assert back["n"].tolist() == [1, 2]
    assert back["mixed"].tolist() == ["a", "0.5"]
    assert back["bools"].isna().tolist() == [False, True]
    assert back["none"].isna().all()


def test_published_settings_of_all_approaches_fit_one_table():
    """A parameter has the same type in all of them, so that nothing becomes text."""
    every = (*challenge1.CHALLENGE.approaches, *challenge2.CHALLENGE.approaches)
    frame = pd.DataFrame([dict(approach.published.params) for approach in every if approach.published])
    assert [name for name in frame if frame[name].dropna().map(type).nunique() > 1] == []
    back = pd.read_parquet(io.BytesIO(parquet(frame)))
    same, expected = (each.astype(object).where(each.notna(), None) for each in (back, frame))
    pd.testing.assert_frame_equal(same, expected)
