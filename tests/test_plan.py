"""How long a sweep is said to take, by how many images its seeds learn from and are scored on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from commands import run_here
from sweeps.challenge1 import CHALLENGE
from sweeps.core.challenge import relative_time
from sweeps.run.plan import relative_to_search
from trainables.parts.protocol import study_protocol

SWEEP = ["--dataset", "phantom", "--approaches", "cnn_ensemble", "--num-samples", "50", "--workers", "1", "--dry-run"]


def test_times_are_the_measured_ones():
    assert relative_time(10, 1000) == 1.0
    assert 2.0 < relative_time(44, 1000) < 2.4
    assert 7 < relative_time(200, 1000) < 15
    assert 0.7 < relative_time(10, 100) < 0.9
    assert CHALLENGE.with_times_for(10, 1000) == CHALLENGE
    longer = CHALLENGE.with_times_for(44, 1000)
    for before, after in zip(CHALLENGE.approaches, longer.approaches, strict=True):
        assert after.seconds_per_seed == pytest.approx(before.seconds_per_seed * relative_time(44, 1000))


def test_fresh_seeds_count_by_their_own_images():
    study = study_protocol()
    assert relative_to_search(study, study) == 1.0
    few = replace(study, validation=10, confirmation=500)
    assert relative_to_search(few, few) == pytest.approx(1 / relative_time(10, 20))
    assert relative_to_search(study, study.with_shots(20)) == pytest.approx(relative_time(40, 1000))
    # Of 30 images of a class, 10 are left to be scored on.
    small = replace(study, pool=(30, 40), validation=25, confirmation=25)
    more = small.with_shots(20)
    assert relative_to_search(small, more) == pytest.approx(relative_time(40, 20) / relative_time(10, 50))


def test_more_images_to_learn_from_take_longer(tmp_path):
    def seconds(*more):
        printed = run_here(tmp_path, "challenge1", *SWEEP, *more).stdout
        return [
            float(number) * {"s": 1, "min": 60}[unit]
            for number, unit in re.findall(r"^cnn_ensemble .* about (\d+) (s|min) ", printed, re.M)
        ]

    (usual,), (longer,) = seconds(), seconds("--shots", "22")
    assert longer / usual == pytest.approx(relative_time(44, 1000), rel=0.25)


def test_what_racing_usually_saves_is_told_where_it_races(tmp_path):
    def last(*more):
        return run_here(tmp_path, "challenge1", *SWEEP, *more).stdout.splitlines()[-1]

    told = re.fullmatch(
        r"In all about (\d+) min here; racing usually saves about seven tenths of the search: then (\d+) min\.", last()
    )
    assert told
    assert float(told[2]) < 0.6 * float(told[1])
    # The first configuration is never stopped.
    for none in (["--seeds", "3"], ["--num-samples", "1"]):
        assert "racing" not in last(*none)


def test_random_weights_are_said_to_see_small_images_unless_a_person_says_which(tmp_path):
    asked = ["--dataset", "phantom", "--weights", "random", "--approaches", "vgg11", "--dry-run"]
    said = "Cheaper   random weights see the smallest images, and no published setting on larger ones is tried: vgg11"
    assert f"\n{said} (64 px)\n" in run_here(tmp_path, "challenge2", *asked).stdout
    assert "Cheaper" not in run_here(tmp_path, "challenge2", *asked, "--set", "tap=4@128").stdout
