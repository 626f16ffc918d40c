"""The summary and the printed table: what they say of the weights behind a number."""

from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest

import pretended
from sweeps import challenge1, challenge2
from sweeps.tables import parquet, printed, summary
from trainables.backbones import FeatureSpec
from trainables.protocol import SeedTrainable


def approach_on(*backbones):
    class Frozen(SeedTrainable):
        """Learns from features."""

        features = tuple(FeatureSpec(backbone=name, output=output) for name in backbones for output in ("full", "mean"))

    return replace(pretended.approach("+".join(backbones)), trainable=Frozen)


PIXELS_ONLY, VGG11, UNTRAINED, BOTH = (
    pretended.approach("pixels"),
    approach_on("vgg11"),
    approach_on("vgg11_random"),
    approach_on("vgg11", "vgg16"),
)


@pytest.fixture
def summarised(record):
    def summarise(approaches, **weights):
        spec = {"dataset": "phantom", "weights": weights, "others": {}, "smoke": False, "test_counts": [2, 5]}
        record.begin(spec, {"options": {"confirm_seeds": 3}})
        return summary(record, approaches)

    return summarise


def weights_column(found):
    """The printed column, by approach; its names must not hold blanks."""
    head, *lines = printed(found).splitlines()
    assert head.split()[:2] == ["approach", "weights"]
    begin, end = head.index("weights"), head.index("confirmed")
    return {line.split()[0]: line[begin:end].strip() for line in lines}


def test_no_random_network_passes_for_a_pretrained_one(summarised):
    found = summarised([VGG11, UNTRAINED, PIXELS_ONLY], vgg11="imagenet", vgg11_random="random")
    assert {row["approach"]: row["weights"] for row in found["approaches"]} == {
        "vgg11": ["imagenet"],
        "vgg11_random": ["random"],
        "pixels": [],
    }
    assert weights_column(found) == {"vgg11": "imagenet", "vgg11_random": "random", "pixels": "none"}


def test_two_backbones_from_the_same_source_have_one(summarised):
    (row,) = summarised([BOTH], vgg11="imagenet", vgg16="imagenet")["approaches"]
    assert row["weights"] == ["imagenet"]


def test_the_weights_of_other_approaches_do_not_count(summarised):
    (row,) = summarised([VGG11], vgg11="imagenet", vgg16="random")["approaches"]
    assert row["weights"] == ["imagenet"]


def test_a_file_is_printed_by_its_folder_and_name_and_recorded_by_its_path(summarised):
    found = summarised([VGG11], vgg11="/a/long/way/to/vgg11.pth")
    assert found["approaches"][0]["weights"] == ["/a/long/way/to/vgg11.pth"]
    assert weights_column(found) == {"vgg11": "to/vgg11.pth"}


def test_of_two_backbones_with_a_file_each_both_are_printed(summarised):
    found = summarised([BOTH], vgg11="/weights/vgg11.pth", vgg16="/weights/vgg16.pth")
    assert found["approaches"][0]["weights"] == ["/weights/vgg11.pth", "/weights/vgg16.pth"]
    assert weights_column(found) == {"vgg11+vgg16": "weights/vgg11.pth, weights/vgg16.pth"}


def test_a_sweep_without_backbones_has_no_such_column(summarised):
    found = summarised([PIXELS_ONLY])
    assert found["approaches"][0]["weights"] == []
    assert "weights" not in printed(found)


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
    frame = pd.DataFrame([dict(approach.reported.params) for approach in every])
    assert [name for name in frame if frame[name].dropna().map(type).nunique() > 1] == []
    back = pd.read_parquet(io.BytesIO(parquet(frame)))
    same, expected = (each.astype(object).where(each.notna(), None) for each in (back, frame))
    pd.testing.assert_frame_equal(same, expected)


def test_the_summary_has_no_password(record):
    spec = {"dataset": "phantom", "weights": {}, "others": {}, "smoke": False, "test_counts": [2, 5]}
    uri = "https://me:p@ss@host:5000"
    record.begin(spec, {"options": {"confirm_seeds": 3, "tracking_uri": uri}})
    assert summary(record, [PIXELS_ONLY])["starts"][0]["options"]["tracking_uri"] == "https://host:5000"
    # Which resuming needs.
    assert record.starts[0]["options"]["tracking_uri"] == uri
