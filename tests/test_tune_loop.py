"""Tasks on real Ray workers: what they report is in the journal, and nothing a configuration does stops the sweep."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from search_spaces.published.settings import Published
from sweeps.core.challenge import Approach
from sweeps.engine import tune_loop
from sweeps.engine.dispatcher import Work
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.search import SearchStage
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.stages.stage import Stage
from sweeps.store.journal import Journal
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Learner, Needs
from trainables.parts.protocol import TEST, study_protocol
from trainables.seed_trainable import InObjectStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("two_workers")]


class Odd(Learner):
    """Thresholds the mean grey value; misbehaves as its configuration says."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        behaviour: str
        once: str = ""
        # It changes nothing but that configurations differ.
        number: float = 0.0

    @classmethod
    def fit(cls, config, support, streams):
        if config.behaviour == "raise":
            raise RuntimeError("no luck")
        if config.behaviour == "diverge":
            return lambda images: images.float().mean((1, 2)) * float("nan")
        if config.behaviour == "die" and streams.seed == 1_000_003:
            # Only the first time: the file remembers.
            try:
                os.close(os.open(config.once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        if config.behaviour == "sleep" and streams.seed == 1_000_002:
            time.sleep(1000)
        if config.behaviour == "stop":
            # Not even a thread of the worker could notice it.
            os.kill(os.getpid(), signal.SIGSTOP)
        if config.behaviour == "allocate":
            np.ones(1 << 45)
        if config.behaviour == "sign":
            sign_beside_another(Path(config.once), "search" if streams.seed >= 1_000_000 else "confirmation")
        if config.behaviour == "always die":
            os.kill(os.getpid(), signal.SIGKILL)
        if config.behaviour == "count":
            return lambda images: torch.full((len(images),), len(support.images) / 10)
        border = support.images.float().mean()
        return lambda images: images.float().mean((1, 2)) - border


def sign_beside_another(list_: Path, stage: str) -> None:
    """Waits for a second worker: one alone could do the whole stage before the other has started."""
    with list_.open("a") as file:
        file.write(f"{stage} {os.getpid()}\n")
    end = time.monotonic() + 60
    while len(signed(list_)[stage]) < 2 and time.monotonic() < end:
        time.sleep(0.05)


def signed(list_: Path) -> dict[str, set[str]]:
    """The workers that have signed in each stage."""
    workers: dict[str, set[str]] = {"search": set(), "confirmation": set()}
    for line in list_.read_text().splitlines():
        stage, worker = line.split()
        workers[stage].add(worker)
    return workers


class Trained(Odd):
    """Goes on training weights, of which it says what it got."""

    may_need = Needs(trained_backbones=("alexnet",))

    @classmethod
    def fit(cls, config, support, streams):
        shift = float(support.weights["w"].sum())
        support.weights["w"].zero_()
        return lambda images: torch.full((len(images),), shift)


def approach(name, behaviours=("fine",), learner=Odd, **params):
    def suggest(trial):
        trial.suggest_categorical("behaviour", list(behaviours))
        trial.suggest_float("number", 0, 1)
        for key, value in params.items():
            trial.suggest_categorical(key, [value])

    published = Published(
        params={"behaviour": behaviours[0], **params}, mean_percent=None, sd_percent=None, seeds=None, note="made up"
    )
    space = types.SimpleNamespace(suggest=suggest)
    return Approach(name=name, learner=learner, space=space, published=published, seconds_per_seed=0.01)


@pytest.fixture(scope="module")
def image_sets():
    rng = np.random.default_rng(0)
    sets = {}
    for split, labels in ((POOL, np.repeat([0, 1], 1000)), (TEST, np.repeat([0, 1], 100))):
        images = rng.integers(0, 200, size=(len(labels), 28, 28), dtype=np.uint8)
        images[labels == 1] += 10
        protocol = study_protocol() if split == POOL else None
        sets[split] = ImageSet(labels=labels, views={PIXELS: images}, protocol=protocol)
    return sets


def run(
    journal,
    approaches,
    image_sets,
    *stages,
    num_samples=1,
    seeds=6,
    slots=lambda: 2,
    weights=None,
    interrupt=lambda: None,
    seed_timeout=60,
):
    """Run the stages, by default a search; each is a stage, or makes one when the one before has ended."""
    search = SearchStage(journal, approaches, lambda *who: None, num_samples=num_samples, seeds=seeds, search_seed=0)

    def works():
        for stage in stages or [search]:
            made = stage if isinstance(stage, Stage) else stage()
            reached = {POOL: image_sets[POOL]} if made.name == "search" else image_sets
            yield Work(stage=made, image_sets=InObjectStore(ray.put(reached)), watcher=lambda: None)

    tune_loop.run(
        works(),
        learners={each.name: each.learner for each in approaches},
        weights=weights or {},
        slots=slots,
        seed_timeout=seed_timeout,
        interrupt=interrupt,
    )
    return {f"{trial.approach}/{trial.stage}": trial for trial in journal.trials()}


def seeds_of(trial):
    return [result.seed for result in trial.results]


def test_a_signal_that_we_take_does_not_end_tune_s_run(journal, image_sets):
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGUSR1, signal.SIGINT)}
    sent = []

    def interrupt():
        if any(trial.results for trial in journal.trials()) and len(sent) < 2:
            sent.append((signal.SIGUSR1, signal.SIGINT)[len(sent)])
            os.kill(os.getpid(), sent[-1])

    try:
        found = run(journal, [approach("fine"), approach("fine_too")], image_sets, interrupt=interrupt)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(sent) == 2
    assert {trial.state for trial in found.values()} == {"COMPLETE"}


def test_each_seed_gets_the_weights_that_are_trained_further_as_they_are_in_the_store(journal, image_sets):
    weights = {"alexnet": InObjectStore(ray.put({"w": np.array([-2.0, -1.0])}))}
    (trial,) = run(journal, [approach("a", learner=Trained)], image_sets, weights=weights).values()
    # Always class 0, with a probability of sigmoid(-3) for class 1.
    assert trial.state == "COMPLETE"
    assert {result.specificity for result in trial.results} == {1.0}
    assert {round(result.brier, 4) for result in trial.results} == {0.4548}


def test_every_kind_of_failure_is_in_the_journal_and_the_sweep_goes_on(journal, image_sets, tmp_path, capfd):
    approaches = [
        approach("fine"),
        approach("raises", behaviours=["raise"]),
        approach("diverges", behaviours=["diverge"]),
        approach("dies_once", behaviours=["die"], once=str(tmp_path / "died")),
        approach("always_dies", behaviours=["always die"]),
        approach("fine_too"),
    ]
    found = run(journal, approaches, image_sets)
    assert {name.split("/")[0]: trial.state for name, trial in found.items()} == {
        "fine": "COMPLETE",
        "raises": "FAIL",
        "diverges": "FAIL",
        "dies_once": "COMPLETE",
        "always_dies": "FAIL",
        "fine_too": "COMPLETE",
    }
    assert found["raises/search"].reason.startswith("seed 1000000: RuntimeError: no luck")
    assert "not finite" in found["diverges/search"].reason
    assert found["always_dies/search"].reason == "its worker was lost 3 times"
    assert (tmp_path / "died").exists()
    assert seeds_of(found["dies_once/search"]) == list(range(1_000_000, 1_000_006))
    same = [found[f"{name}/search"].values("brier").tolist() for name in ("fine", "dies_once", "fine_too")]
    assert same[0] == same[1] == same[2]
    assert capfd.readouterr() == ("", "")


def test_what_hangs_past_the_limit_or_wants_too_much_memory_fails_and_the_sweep_goes_on(journal, image_sets, capfd):
    approaches = [approach(each, behaviours=[each]) for each in ("sleep", "stop", "allocate", "fine")]
    found = run(journal, approaches, image_sets, seed_timeout=8)
    too_long = "a seed took longer than 8 s (--seed-timeout)"
    assert (found["sleep/search"].state, found["sleep/search"].reason) == ("FAIL", too_long)
    assert (found["stop/search"].state, found["stop/search"].reason) == ("FAIL", too_long)
    assert found["allocate/search"].reason.startswith("seed 1000000: MemoryError: Unable to allocate 256. TiB")
    assert (found["fine/search"].state, found["fine/search"].reason) == ("COMPLETE", None)
    assert capfd.readouterr() == ("", "")


def test_slots_are_asked_for_again_and_again(journal, image_sets):
    """A cluster that has grown is used."""
    now = [1]
    most = []

    class Watched(SearchStage):
        def next_task(self):
            task = super().next_task()
            most.append(len(self.live))
            now[0] = 2 if self.seeds_done > 6 else 1
            return task

    fine = [approach("fine")]
    stage = Watched(journal, fine, lambda *who: None, num_samples=6, seeds=3, search_seed=0)
    run(journal, fine, image_sets, stage, slots=lambda: now[0])
    assert most[0] == 1
    assert max(most) == 2


def test_search_workers_cannot_reach_the_test_split_and_confirmation_s_can(journal, image_sets):
    fine = [approach("fine")]
    prying = SearchStage(journal, fine, lambda *who: None, num_samples=1, seeds=1, search_seed=0)
    honest = prying.new_task
    prying.new_task = lambda: (task := honest()) and dataclasses.replace(task, splits=(TEST,))
    found = run(journal, fine, image_sets, prying)
    assert "KeyError: 'test'" in found["fine/search"].reason
    search = SearchStage(journal, fine, lambda *who: None, num_samples=2, seeds=1, search_seed=0)
    found = run(journal, fine, image_sets, search, lambda: ConfirmationStage(journal, fine, lambda *who: None, seeds=7))
    confirmed = found["fine/confirm"]
    assert confirmed.state == "COMPLETE"
    assert len(confirmed.values("accuracy", TEST)) == len(confirmed.values("accuracy")) == 7


def test_stages_one_after_another_have_the_same_workers_and_each_its_own_images(journal, image_sets, tmp_path):
    signs = [approach(name, behaviours=["sign"], once=str(tmp_path / "signed")) for name in ("a", "b")]
    search = SearchStage(journal, signs, lambda *who: None, num_samples=2, seeds=3, search_seed=0)
    found = run(
        journal, signs, image_sets, search, lambda: ConfirmationStage(journal, signs, lambda *who: None, seeds=7)
    )
    for name in ("a", "b"):
        assert found[f"{name}/confirm"].state == "COMPLETE"
        assert len(found[f"{name}/confirm"].values("accuracy", TEST)) == 7
    workers = signed(tmp_path / "signed")
    assert len(workers["search"]) == 2
    assert workers["confirmation"] == workers["search"]


def test_workers_learn_from_as_many_images_as_a_task_says(journal, image_sets):
    counting = [approach("counts", behaviours=["count"])]
    search = SearchStage(journal, counting, lambda *who: None, num_samples=1, seeds=1, search_seed=0)
    run(
        journal,
        counting,
        image_sets,
        search,
        lambda: ShotCurveStage(journal, counting, lambda *who: None, seeds=2, shots=(1, 20)),
    )
    found = {trial.shots: {round(result.brier, 4) for result in trial.results} for trial in journal.trials()}
    # Always class 1, with a log-odds of a tenth of the images that were learned from, on as many images of each class.
    share = {shots: 1 / (1 + np.exp(-2 * (shots or 5) / 10)) for shots in found}
    assert found == {shots: {round(p**2 / 2 + (1 - p) ** 2 / 2, 4)} for shots, p in share.items()}


def test_numbers_do_not_depend_on_the_number_of_workers(tmp_path, image_sets):
    found = []
    for slots in (1, 2):
        journal = Journal(tmp_path / str(slots), write=True)
        fine = [approach("fine"), approach("fine_too", behaviours=["fine", "also fine"])]
        # How early one is stopped depends on what else has finished by then.
        search = SearchStage(journal, fine, lambda *who: None, num_samples=4, seeds=6, search_seed=0, racing=None)
        run(journal, fine, image_sets, search, slots=lambda slots=slots: slots)
        trials = sorted(journal.trials(), key=lambda trial: (trial.approach, trial.number))
        found.append([(t.approach, t.number, t.values("brier").tolist()) for t in trials])
        journal.close()
    assert found[0] == found[1]


def test_an_error_of_the_journal_stops_the_sweep_instead_of_failing_configurations(journal, image_sets, monkeypatch):
    def full(trial, result, ranked_by):
        if result.seed == 1_000_002:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sweeps.stages.stage.write_seed", full)
    with pytest.raises(OSError, match="No space left"):
        run(journal, [approach("fine")], image_sets)
    assert [trial.state for trial in journal.trials()] == ["RUNNING"]


def test_an_error_while_choosing_parameters_stops_the_sweep_at_once(journal, image_sets):
    broken = approach("broken")
    stage = SearchStage(journal, [broken], lambda *who: None, num_samples=1, seeds=1, search_seed=0)
    broken.space.suggest = lambda trial: trial.suggest_flaot("x")
    with pytest.raises(AttributeError, match="suggest_flaot"):
        run(journal, [broken], image_sets, stage)


def test_nothing_is_left_behind(journal, image_sets, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    run(journal, [approach("fine")], image_sets)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_workers_import_only_what_they_train():
    @ray.remote
    def modules():
        import trainables.seed_trainable  # noqa: F401

        return [name for name in sys.modules if name.split(".")[0] in ("sweeps", "optuna", "mlflow", "torchvision")]

    assert ray.get(modules.remote()) == []


def test_what_interrupt_raises_ends_the_run_and_what_is_finished_stays(journal, image_sets):
    """It must stay the last test here: workers of an interrupted run go with Ray, as at the end of every sweep."""

    def interrupt():
        if any(trial.results for trial in journal.trials()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(journal, [approach("fine")], image_sets, num_samples=10_000, interrupt=interrupt)
    assert any(trial.results for trial in journal.trials())
