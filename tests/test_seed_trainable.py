"""The one trainable by Tune's own interface, without Tune."""

from dataclasses import dataclass

import pytest

from trainables.parts.image_sets import POOL
from trainables.parts.learner import Learner, Needs
from trainables.parts.protocol import TEST, VALIDATION
from trainables.seed_trainable import SeedTrainable


class Stepwise(Learner):
    @dataclass(frozen=True, kw_only=True)
    class Config:
        fail_at: int | None = None

    @classmethod
    def fit(cls, config, support, streams):
        if streams.seed == config.fail_at:
            raise RuntimeError("no luck")
        shift = streams.integer("any") % 7
        return lambda images: images.float().mean((1, 2)) - 128 + shift


class Opposite(Stepwise):
    @classmethod
    def fit(cls, config, support, streams):
        classifier = super().fit(config, support, streams)
        return lambda images: -classifier(images)


class Weighty(Learner):
    """It wants weights that nobody gives it."""

    Config = Stepwise.Config
    may_need = Needs(trained_backbones=("alexnet",))


class Counting(Stepwise):
    """It says how many images it gets."""

    @classmethod
    def fit(cls, config, support, streams):
        raise ValueError(f"{len(support.images)} images")


class Stored:
    """What stands for something in Ray's object store."""

    def __init__(self, what):
        self.what = what

    def load(self):
        return self.what


STORED = Stored(None)
LEARNERS = {"stepwise": Stepwise, "opposite": Opposite, "weighty": Weighty, "counting": Counting}


@pytest.fixture(scope="module")
def image_sets(phantom):
    return phantom.pixel_sets()


def request(blocks, *, approach="stepwise", splits=(VALIDATION,), besides=(), shots=None, image_sets=STORED, **params):
    return {
        "approach": approach,
        "params": params,
        "blocks": blocks,
        "splits": list(splits),
        "besides": list(besides),
        "shots": shots,
        "image_sets": image_sets,
    }


def started(image_sets, first_request):
    """An actor whose requests reach these image sets."""
    trainable = SeedTrainable.__new__(SeedTrainable)
    trainable.setup(first_request, learners=LEARNERS, weights={})
    trainable.stored, trainable.image_sets = STORED, image_sets
    return trainable


def numbers(step):
    return [{k: v for k, v in r.items() if k not in ("seconds", "timestamp_ms")} for r in step["results"]]


def test_a_step_ends_with_its_block(image_sets):
    trainable = started(image_sets, request([[1, 2, 3], [4]]))
    first, second = trainable.step(), trainable.step()
    assert [result["seed"] for result in first["results"]] == [1, 2, 3]
    assert [result["seed"] for result in second["results"]] == [4]
    assert (first["done"], second["done"]) == (False, True)


def test_a_long_block_is_reported_in_parts(image_sets, monkeypatch):
    monkeypatch.setattr("trainables.seed_trainable.STEP_SECONDS", 0.0)
    trainable = started(image_sets, request([[1, 2]]))
    steps = [trainable.step(), trainable.step()]
    assert [[result["seed"] for result in step["results"]] for step in steps] == [[1], [2]]
    assert [step["done"] for step in steps] == [False, True]


def test_a_failed_seed_ends_the_trial_with_its_reason(image_sets):
    step = started(image_sets, request([[1, 2, 3], [4]], fail_at=2)).step()
    assert [result["error"] and result["error"].split(" (")[0] for result in step["results"]] == [
        None,
        "RuntimeError: no luck",
    ]
    assert step["done"]


def test_missing_weights_are_a_failure_and_no_dead_actor(image_sets):
    trainable = started(image_sets, request([[1]], approach="weighty"))
    step = trainable.step()
    assert "alexnet" in step["results"][0]["error"]
    assert step["done"]


def test_every_split_of_the_request_is_scored(image_sets):
    step = started(image_sets, request([[1, 2]], splits=(VALIDATION, TEST))).step()
    assert [(result["seed"], result["split"]) for result in step["results"]] == [
        (1, VALIDATION),
        (1, TEST),
        (2, VALIDATION),
        (2, TEST),
    ]


def test_what_fails_besides_ends_nothing(image_sets):
    trainable = started({**image_sets, "odd": None}, request([[1, 2], [3]], besides=("odd",)))
    steps = [trainable.step(), trainable.step()]
    found = [(result["seed"], result["split"], bool(result["error"])) for step in steps for result in step["results"]]
    assert found == [(seed, split, split == "odd") for seed in (1, 2, 3) for split in (VALIDATION, "odd")]
    assert [step["done"] for step in steps] == [False, True]


def test_a_reused_actor_gives_what_a_fresh_one_gives(image_sets):
    used = started(image_sets, request([[7]], fail_at=7))
    used.step()
    assert used.reset_config(request([[1, 2]]))
    fresh = started(image_sets, request([[1, 2]]))
    assert numbers(used.step()) == numbers(fresh.step())


def test_an_actor_takes_up_another_approach(image_sets):
    trainable = started(image_sets, request([[1]]))
    (before,) = trainable.step()["results"]
    assert trainable.reset_config(request([[1]], approach="opposite"))
    (after,) = trainable.step()["results"]
    assert after["auroc"] == pytest.approx(1 - before["auroc"])


def test_an_actor_takes_up_the_image_sets_of_another_stage(image_sets):
    trainable = started(image_sets, request([[1]], splits=(TEST,)))
    assert trainable.step()["results"][0]["error"] is None
    trainable.reset_config(request([[1]], splits=(TEST,), image_sets=Stored({POOL: image_sets[POOL]})))
    assert "KeyError: 'test'" in trainable.step()["results"][0]["error"]


def test_the_request_is_left_as_it_was(image_sets):
    """Tune keeps it, for a trial that is started again."""
    blocks = [[1, 2], [3]]
    trainable = started(image_sets, request(blocks))
    trainable.step()
    assert blocks == [[1, 2], [3]]


def test_a_request_says_from_how_many_images_it_learns(image_sets):
    def learned(shots):
        trainable = started(image_sets, request([[7]], approach="counting", shots=shots))
        return trainable.step()["results"][0]["error"]

    says = [learned(shots).split(": ")[1].split(" (")[0] for shots in (None, 1, 20)]
    assert says == ["10 images", "2 images", "40 images"]
