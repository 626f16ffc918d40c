"""What may change when a sweep goes on, and what is refused, in one sentence, before anything starts."""

from __future__ import annotations

import argparse
import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import pretended
from refusals import refused
from sweeps import challenge1, challenge2
from sweeps.inputs.images import where_now
from sweeps.run import one_seed, resuming
from sweeps.run.checks import check
from sweeps.run.options import SweepOptions
from sweeps.run.pipeline import Pipeline
from sweeps.run.plan import DRAWN
from sweeps.run.prepare import prepare
from sweeps.run.start import sweep as main
from sweeps.run.sweep import sweep_command
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.sampling import SAMPLERS
from sweeps.store.journal import Journal
from trainables.parts import protocol
from trainables.parts.backbones import random_backbone
from trainables.parts.datasets import phantom_arrays

WHERE_IT_WAS = argparse.Namespace(dataset=None, group_by=None, also=None, weights=None)


def begin(folder, challenge, *arguments, unknown=()):
    """A sweep that has begun, as its driver would have left it, or one that did not know some options."""
    given = {"name": "sweep", "results_dir": str(folder / "results")} | dict(arguments)
    prepared = prepare(sweep_command(), check(challenge, given, SweepOptions))
    journal = Journal(prepared.folder, write=True)
    start = Pipeline(command=sweep_command(), prepared=prepared)._start()
    kept = {name: value for name, value in start.options.items() if name not in unknown}
    journal.begin(prepared.whole_spec, start.model_copy(update={"options": kept}))
    journal.close()
    return prepared


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MLFLOW_TRACKING_URI", "MEDMNIST_ROOT"):
        monkeypatch.delenv(name, raising=False)
    # Nothing may start.
    monkeypatch.setattr("ray.init", None)
    return tmp_path


def go_on(capfd, challenge, *arguments):
    """Exit code, and what was printed on either stream."""
    capfd.readouterr()
    code = main(challenge, ["--resume", "sweep", *arguments])
    return code, *capfd.readouterr()


PIXELS = (("approaches", ("pixel_baseline",)), ("dataset", "phantom"), ("seeds", 4))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--num-samples", "40"], " 40 "),
        (["--num-samples", "1"], " 1 "),
        (["--confirm-seeds", "60"], "60"),
        (["--workers", "1"], "1 trials at the same time"),
        (["--time-budget", "10m"], "or what starts within 10 min"),
        (["--seed-timeout", "1h"], "pixel_baseline"),
        (["--approaches", "cnn"], "cnn"),
        (["--tracking-uri", "sqlite:///other.db"], "pixel_baseline"),
        (["--seeds", "4", "--search-seed", "0", "--dataset", "phantom"], "pixel_baseline"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_may_change(here, capfd, arguments, says):
    begin(here, challenge1.CHALLENGE, *PIXELS)
    code, printed, complaint = go_on(capfd, challenge1.CHALLENGE, *arguments, "--dry-run")
    assert (code, complaint) == (0, "")
    assert says in printed


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_sampler_that_is_asked_for_suggests_and_is_remembered(here, capfd, name):
    prepared = begin(here, challenge1.CHALLENGE, *PIXELS, ("sampler", name))
    journal = Journal(prepared.folder, write=True)
    search = next(sweep_command().stages(prepared, journal, print)).stage
    journal.close()
    assert search.sampler is SAMPLERS[name]
    _, printed, _ = go_on(capfd, challenge1.CHALLENGE, "--dry-run")
    assert DRAWN[name] in printed


def test_a_sweep_from_before_there_was_a_choice_of_samplers_goes_on_with_tpe(here, capfd):
    begin(here, challenge1.CHALLENGE, *PIXELS, unknown=("sampler",))
    _, printed, _ = go_on(capfd, challenge1.CHALLENGE, "--dry-run")
    assert DRAWN["tpe"] in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "5"], "Expected the --seeds that this sweep began with (4); got 5."),
        (["--search-seed", "1"], "Expected the --search-seed that this sweep began with (0); got 1."),
        (["--smoke"], "Expected the --smoke that this sweep began with (False); got True."),
        (["--weights", "random"], "Expected no --weights, since no approach of challenge1 takes any; omit it."),
        (["--also", "breastmnist=phantom"], "Expected no --also, since no approach of challenge1 takes any; omit it."),
        (["--dataset", "other.npz"], "Expected the images that this sweep began with"),
        (["--shots", "4"], "Expected the --shots that this sweep began with (5, 5); got 4, 4."),
        (["--validation", "9"], "Expected the validation images of each class (--validation) that this sweep began"),
        (["--name", "x"], "got both"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_may_not(here, capfd, arguments, says):
    begin(here, challenge1.CHALLENGE, *PIXELS)
    arrays = phantom_arrays()
    arrays["train_images"] = 255 - arrays["train_images"]
    np.savez(here / "other.npz", **arrays)
    code, printed, complaint = go_on(capfd, challenge1.CHALLENGE, *arguments)
    assert (code, printed) == (2, "")
    assert says in complaint
    assert complaint.count("\n") == 1


def test_not_by_another_challenge_s_command(here, capfd):
    begin(here, challenge1.CHALLENGE, *PIXELS)
    code, _, complaint = go_on(capfd, challenge2.CHALLENGE)
    assert code == 2
    assert complaint.endswith("Use python sweeps/challenge1.py.\n")


def test_not_with_training_code_of_other_numbers(here, capfd, monkeypatch):
    begin(here, challenge1.CHALLENGE, *PIXELS)
    monkeypatch.setattr("sweeps.inputs.inputs.NUMBERS_VERSION", protocol.NUMBERS_VERSION + 1)
    code, _, complaint = go_on(capfd, challenge1.CHALLENGE)
    assert code == 2
    assert "version of the training code that this sweep began with" in complaint


def test_not_with_a_data_file_that_was_changed_meanwhile(here, capfd):
    arrays = phantom_arrays()
    np.savez(here / "mine.npz", **arrays)
    begin(here, challenge1.CHALLENGE, *PIXELS, ("dataset", "mine.npz"))
    assert go_on(capfd, challenge1.CHALLENGE, "--dry-run")[0] == 0
    # A single pixel, of an image that no seed may ever draw.
    arrays["train_images"][-1, 0, 0] ^= 1
    np.savez(here / "mine.npz", **arrays)
    code, _, complaint = go_on(capfd, challenge1.CHALLENGE)
    assert code == 2
    assert "Expected the images that this sweep began with" in complaint


def test_not_with_a_data_file_that_is_gone(here, capfd):
    np.savez(here / "mine.npz", **phantom_arrays())
    begin(here, challenge1.CHALLENGE, *PIXELS, ("dataset", "mine.npz"))
    (here / "mine.npz").unlink()
    code, _, complaint = go_on(capfd, challenge1.CHALLENGE)
    assert code == 2
    assert "there is none" in complaint


def test_not_with_weights_that_were_changed_meanwhile_or_of_another_kind(here, capfd):
    state = random_backbone("alexnet").state_dict()
    torch.save(state, here / "mine.pth")
    options = (("approaches", ("alexnet_focal",)), ("dataset", "phantom"), ("weights", "mine.pth"))
    sweep = begin(here, challenge2.CHALLENGE, *options)
    other = {"float32": "bfloat16", "bfloat16": "float32"}[sweep.inputs.precision]
    assert go_on(capfd, challenge2.CHALLENGE, "--dry-run")[0] == 0
    name = next(iter(state))
    state[name] = state[name].clone()
    state[name].view(-1)[0] += 1
    torch.save(state, here / "mine.pth")
    code, _, complaint = go_on(capfd, challenge2.CHALLENGE)
    assert code == 2
    assert "Expected the weights of alexnet that this sweep began with" in complaint
    code, _, complaint = go_on(capfd, challenge2.CHALLENGE, "--weights", "random")
    assert code == 2
    assert "weights" in complaint
    code, _, complaint = go_on(capfd, challenge2.CHALLENGE, "--precision", other, "--weights", "random")
    assert code == 2
    assert "Expected the --precision that this sweep began with" in complaint


def test_files_behind_links_are_found_again_by_the_links_names(here, capfd):
    np.savez(here / "images.npz", **phantom_arrays())
    safetensors.torch.save_file(random_backbone("alexnet").state_dict(), here / "mine.safetensors")
    for number, name in enumerate(("images.npz", "mine.safetensors")):
        # As caches of large files keep them: by checksums, without endings.
        (here / name).rename(here / f"0a1b{number}").with_name(name).symlink_to(f"0a1b{number}")
    given = (("dataset", "images.npz"), ("weights", "mine.safetensors"), ("approaches", ("alexnet_focal",)))
    assert begin(here, challenge2.CHALLENGE, *given).inputs.dataset.source == str(here / "images.npz")
    code, said, complaint = go_on(capfd, challenge2.CHALLENGE, "--dry-run")
    assert (code, str(here / "mine.safetensors") in said) == (0, True), complaint


def other_space(suggest):
    """The pretended approach with another space."""
    same = pretended.approach()
    return dataclasses.replace(same, space=types.SimpleNamespace(suggest=suggest))


def test_a_space_that_is_the_same_or_has_other_ranges_goes_on(journal):
    pretended.finish(pretended.search(journal))
    resuming.check_spaces(journal, [pretended.approach()])

    def narrower(trial):
        trial.suggest_float("x", 0.49, 0.51)
        if trial.suggest_categorical("kind", ["plain", "odd"]) == "odd":
            trial.suggest_int("only_odd", 1, 9)

    resuming.check_spaces(journal, [other_space(narrower)])
    pretended.finish(pretended.search(journal, [other_space(narrower)], num_samples=9))
    assert len(journal.trials()) == 9


def more(trial):
    pretended.suggest(trial)
    trial.suggest_float("y", 0.0, 1.0)


def fewer(trial):
    trial.suggest_float("x", 0.0, 1.0)


def choices(trial):
    trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_categorical("kind", ["plain", "odd", "even"])


def kind(trial):
    trial.suggest_int("x", 0, 1)
    trial.suggest_categorical("kind", ["plain", "odd"])


@pytest.mark.parametrize("suggest", [more, fewer, choices, kind], ids=lambda suggest: suggest.__name__)
def test_a_space_with_other_parameters_or_choices_is_refused(journal, suggest):
    pretended.finish(pretended.search(journal))
    text = refused(resuming.check_spaces, journal, [other_space(suggest)])
    assert text.startswith("Expected the search space of a that this sweep began with; configuration ")
    assert text.endswith("Begin a new sweep.")


def test_what_died_while_its_parameters_were_drawn_is_no_other_space(journal):
    journal.study("a").ask().suggest_float("x", 0.0, 1.0)
    resuming.check_spaces(journal, [pretended.approach()])


@pytest.mark.parametrize("torn", [False, True], ids=["between lines", "in a line"])
def test_from_every_line_of_the_journal_a_sweep_goes_on_to_the_same_end(tmp_path, torn):
    """The journal as it is when its writer dies at any moment."""

    def work(journal):
        pretended.finish(pretended.search(journal, num_samples=3, seeds=4))
        pretended.finish(ConfirmationStage(journal, [pretended.approach()], lambda *who: None, seeds=3))

    def outcome(journal):
        return [(t.stage, t.number, t.state, t.params, sorted(t.results, key=str)) for t in journal.trials()]

    whole = Journal(tmp_path / "whole", write=True)
    work(whole)
    whole.close()
    expected = outcome(whole)
    lines = whole.path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 50
    for count in range(len(lines)):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "study.journal").write_bytes(b"".join(lines[:count]) + (lines[count][:-9] if torn else b""))
        again = Journal(folder, write=True)
        work(again)
        again.close()
        assert outcome(Journal(folder, write=False)) == expected, count


@pytest.mark.parametrize(
    ("challenge", "approach", "setting"),
    [(challenge2.CHALLENGE, "vgg11", "tap=4@128"), (challenge1.CHALLENGE, "cnn", "steps=90")],
)
def test_a_setting_need_not_fit_approaches_that_the_sweep_never_had(here, capfd, challenge, approach, setting):
    common = [("dataset", "phantom"), *([("weights", "random")] if challenge is challenge2.CHALLENGE else [])]
    begin(here, challenge, ("approaches", (approach,)), ("set", (setting,)), *common)
    code, out, err = go_on(capfd, challenge, "--dry-run")
    assert code == 0, err
    assert f"Set       {setting} ({approach})" in out
    code, _, err = go_on(capfd, challenge, "--dry-run", "--approaches", "nonsense")
    assert code == 2
    assert "Expected --approaches from" in err


def confirmed_on(sweep, approach, *seeds):
    """The journal of a sweep, with a winner whose fresh seeds became so many, start after start."""
    journal = Journal(sweep.folder, write=True)
    pretended.finish(pretended.search(journal, [pretended.approach(approach)], num_samples=1, seeds=4))
    for each in seeds:
        pretended.finish(pretended.confirm(journal, [pretended.approach(approach)], seeds=each))
    journal.close()


def test_not_on_fewer_fresh_seeds_than_a_winner_has(here, capfd):
    sweep = begin(here, challenge1.CHALLENGE, *PIXELS, ("confirm_seeds", 6))
    # Nobody has any yet.
    assert go_on(capfd, challenge1.CHALLENGE, "--dry-run", "--confirm-seeds", "2")[0] == 0
    confirmed_on(sweep, "other", 4, 6)
    code, printed, complaint = go_on(capfd, challenge1.CHALLENGE, "--confirm-seeds", "5")
    assert (code, printed) == (2, "")
    assert "Expected at least 6 --confirm-seeds, which sweep sweep has been confirmed on; got 5." in complaint
    resuming.check_confirmation(resuming.find(challenge1.CHALLENGE, {"resume": "sweep"}, here / "results"), 6)


def test_of_two_starts_with_one_name_the_slower_one_is_refused(here):
    given = {"name": "sweep", "results_dir": str(here / "results")} | dict(PIXELS)
    slower = prepare(sweep_command(), check(challenge1.CHALLENGE, given, SweepOptions))
    faster = begin(here, challenge1.CHALLENGE, *PIXELS, ("seeds", 5))
    said = refused(Pipeline(command=sweep_command(), prepared=slower).run)
    assert said == f"Expected a new --name; {slower.folder} exists. Use --resume sweep to go on with it."
    journal = Journal(faster.folder, write=True)
    assert (journal.spec.seeds, len(journal.starts)) == (5, 1)
    journal.close()


@pytest.mark.parametrize("left", [(), ("lock",), ("lock", "study.journal"), "all"], ids=str)
def test_what_a_start_leaves_that_died_before_its_sweep_began_keeps_no_name_from_a_new_one(here, left):
    folder = here / "results" / "sweep"
    folder.mkdir(parents=True)
    if left == "all":
        Journal(folder, write=True).close()
    for name in left if left != "all" else ():
        (folder / name).touch()
    assert resuming.find(challenge1.CHALLENGE, {"name": "sweep"}, folder.parent).given == {"name": "sweep"}
    if left == "all":
        said = refused(resuming.find, challenge1.CHALLENGE, {"resume": "sweep"}, folder.parent)
        assert said.endswith("it had not begun. Begin it with --name sweep.")
    begin(here, challenge1.CHALLENGE, *PIXELS)
    said = refused(resuming.find, challenge1.CHALLENGE, {"name": "sweep"}, folder.parent)
    assert said.endswith("Use --resume sweep to go on with it.")


def test_a_database_that_was_given_is_the_same_from_any_folder(here, monkeypatch):
    sweep = begin(here, challenge1.CHALLENGE, *PIXELS, ("tracking_uri", "sqlite:///mine.db"))
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    given = {"resume": "sweep", "results_dir": str(here / "results")}
    assert check(challenge1.CHALLENGE, given, SweepOptions).tracking_uri == f"sqlite:///{here}/mine.db"
    # The default is the database of the folder that one is in.
    assert sweep.options.tracking_uri == "sqlite:///mine.db"
    begin(here, challenge1.CHALLENGE, *PIXELS, ("name", "other"))
    other = Journal(here / "results" / "other", write=False)
    assert other.starts[-1].options["tracking_uri"] is None
    assert other.starts[-1].tracking_uri == f"sqlite:///{here}/elsewhere/mlflow.db"


def test_from_within_a_sweep_s_folder_features_are_those_of_all_sweeps(here, monkeypatch):
    sweep = begin(here, challenge1.CHALLENGE, *PIXELS)
    monkeypatch.chdir(sweep.folder)
    found = one_seed.inputs_of(Journal(Path(), write=False), challenge1.CHALLENGE, sweep.approaches[0], WHERE_IT_WAS)
    assert found.features_folder == sweep.inputs.features_folder


def test_a_set_of_medmnist_is_found_again_on_another_machine(here, capfd, monkeypatch):
    for root in ("one", "two"):
        (here / root).mkdir()
        np.savez(here / root / "pneumoniamnist.npz", **phantom_arrays())
    monkeypatch.setenv("MEDMNIST_ROOT", str(here / "one"))
    sweep = begin(here, challenge1.CHALLENGE, *PIXELS, ("dataset", "pneumoniamnist"), ("size", 28))
    (here / "one" / "pneumoniamnist.npz").unlink()
    monkeypatch.setenv("MEDMNIST_ROOT", str(here / "two"))
    code, printed, complaint = go_on(capfd, challenge1.CHALLENGE, "--dry-run")
    assert (code, complaint) == (0, "")
    assert f"Images    {here / 'two' / 'pneumoniamnist.npz'}" in printed
    (approach,) = sweep.approaches
    found = one_seed.inputs_of(Journal(sweep.folder, write=False), challenge1.CHALLENGE, approach, WHERE_IT_WAS)
    assert found.dataset.source == str(here / "two" / "pneumoniamnist.npz")


@pytest.mark.parametrize(
    ("source", "now"),
    [
        ("/gone/breastmnist.npz", "breastmnist"),
        ("/gone/breastmnist_64.npz", "breastmnist"),
        ("/gone/breastmnist_mine.npz", None),
        ("/gone/chestmnist.npz", None),
        ("/gone/mine.npz", None),
        ("phantom", None),
        ("breastmnist", None),
    ],
)
def test_only_the_file_of_a_known_set_is_looked_for_by_its_name(source, now):
    assert where_now(source) == (now or source)
    assert resuming._as_found_now({"also": (f"x={source}",)}) == {"also": (f"x={now or source}",)}
