"""A sweep's winner trained again and kept as a model."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import trainables
from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.model_quality import Measured, measured
from sweeps.analysis.summary import Summary, read_summary
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.commands import command
from sweeps.core.errors import BadInput, in_one_line, path_of
from sweeps.core.formatting import capital, megabytes
from sweeps.core.progress import duration
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.inputs.inputs import Inputs
from sweeps.inputs.memory import check_fits
from sweeps.run import standalone
from sweeps.run.command_line import complete
from sweeps.run.one_seed import challenge_of, image_sets_of, inputs_of, trial_of
from sweeps.run.options import SweepOptions
from sweeps.stages.ranking import confirmed_results
from sweeps.store.journal import Journal
from sweeps.store.trials import TrialRecord
from sweeps.tracking import location, model_files
from sweeps.views import model_card
from trainables.parts import exported
from trainables.parts.calibration import MOST_FOLDS, held_out, shared_temperature
from trainables.parts.datasets import SMALL_PX
from trainables.parts.exported import ExportedModel, Form
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Classifier, Needs
from trainables.parts.metrics import decided
from trainables.parts.phantom import phantom_arrays
from trainables.parts.protocol import VALIDATION
from trainables.parts.run_seed import classify, prepare_worker, protocol_of, support_of
from trainables.parts.streams import Streams

# How many copies of a network's training images there are at the same time while they are augmented.
COPIES = 4
# Of a name, on every file system in use.
MOST_BYTES = 255


class Training:
    """The members of a model, and what they have learned from.

    Attributes:
        members: As learners return them.
        rows: Of the pool, those that each member learned from.
        seeds: Of the members.
        differing: Seeds whose accuracy is not the one that the journal has.
    """

    def __init__(
        self,
        approach: Approach,
        trial: TrialRecord,
        seeds: Sequence[int],
        image_sets: Mapping[str, ImageSet],
        weights: Mapping[str, Any],
        recorded: Mapping[int, float | None],
        *,
        is_on_all: bool,
    ) -> None:
        """Train a member for each seed.

        Args:
            approach: Whose configuration it is.
            trial: The configuration.
            seeds: They draw the images, unless it is trained on all, and start the random streams.
            image_sets: The pool, with the protocol of fresh seeds, and other data sets.
            weights: Of backbones that are trained further.
            recorded: The accuracy of each seed that the journal has.
            is_on_all: Whether each member learns from all images of the pool.
        """
        self.learner, self.seeds, self.image_sets, self.weights = approach.learner, seeds, image_sets, weights
        self.pool = image_sets[POOL]
        self.config = approach.learner.Config(**trial.params)
        self.needs: Needs = approach.learner.needs(self.config)
        self.views = [self.pool.view(name) for name in self.needs.view_names]
        self.members: list[Classifier] = []
        self.rows: list[np.ndarray] = []
        self.differing: list[int] = []
        protocol = protocol_of(image_sets)
        self.classes = len(protocol.classes)
        for seed in seeds:
            rows, validation = (np.arange(len(self.pool.labels)), None) if is_on_all else protocol.split(seed)
            support = support_of(self.needs, rows, image_sets, weights)
            self.members.append(approach.learner.fit(self.config, support, Streams(seed)))
            self.rows.append(rows)
            if validation is not None and recorded.get(seed) is not None:
                hits = decided(self.logits(self.members[-1], validation)) == self.pool.labels[validation]
                self.differing += [seed] if float(np.mean(hits)) != recorded[seed] else []

    def logits(self, member: Classifier, rows: np.ndarray) -> np.ndarray:
        """What a member says of these rows of the pool."""
        return classify(member, self.views, rows, self.classes)

    def keep_different(self) -> bool:
        """Of members that all say the same, as where nothing is random, keep the first and its seed; whether so."""
        sample = np.arange(0, len(self.pool.labels), max(1, len(self.pool.labels) // 50))
        said = [self.logits(member, sample) for member in self.members]
        are_alike = all(np.array_equal(each, said[0]) for each in said)
        if are_alike:
            self.members, self.rows, self.seeds = self.members[:1], self.rows[:1], self.seeds[:1]
        return are_alike

    def temperature(self) -> float | None:
        """What all logits are divided by; None where they are log-odds already, or too few images are learned from.

        It is fitted on what the members' own images say of each other. All images of the pool say it once.
        """
        if not self.learner.gives_margins(self.config):
            return None
        # Members that have learned from the same images hold the same ones out.
        own = {rows.tobytes(): (rows, seed) for rows, seed in zip(self.rows, self.seeds, strict=True)}
        held = [
            held_out(self.learner, self.config, rows, seed, self.image_sets, self.weights)
            for rows, seed in own.values()
        ]
        return shared_temperature(held) if any(len(labels) for _, labels in held) else None

    def unseen(self) -> np.ndarray:
        """Rows of the pool that no member has learned from, nor of a group that one has."""
        protocol = self.pool.protocol
        assert protocol is not None
        groups = np.array(protocol.groups) if protocol.groups else np.arange(len(self.pool.labels))
        return np.flatnonzero(~np.isin(groups, groups[np.concatenate(self.rows)]))


def export(asked: argparse.Namespace, challenges: Mapping[str, Challenge]) -> int:
    """Train the winner and write its folder; the exit code.

    Args:
        asked: What `sweeps/export.py` was asked for.
        challenges: Every challenge whose sweeps have winners, by its name.

    Raises:
        BadInput: There is no such winner, its images or weights are not at hand, or the folder is not empty.
    """
    journal = Journal(path_of(asked.folder), write=False)
    challenge = challenge_of(journal, challenges)
    summary = read_summary(journal.folder)
    row = _winner(summary, asked.approach)
    target = path_of(asked.to) if asked.to else journal.folder / f"model-{row.approach}"
    _check_free(target)
    trials = journal.trials()
    assert row.best_trial is not None
    trial = trial_of(trials, row.approach, row.best_trial)
    (approach,) = challenge.named([row.approach])
    inputs = inputs_of(journal, challenge, approach, asked)
    pool = sum(journal.spec.protocol.pool)
    if asked.all_images:
        _check_can_take(approach, trial, pool, inputs)
    image_sets = image_sets_of(inputs, approach, trial, [VALIDATION])
    image_sets[POOL] = image_sets[POOL].for_confirmation()
    prepare_worker()
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + asked.seeds)
    gives_margins = approach.learner.gives_margins(approach.learner.Config(**trial.params))
    # Each is trained again without each part of its images, or, of those that have learned from the same ones, one is.
    more = MOST_FOLDS * (1 if asked.all_images else len(seeds)) if gives_margins else 0
    print(_plan(row, seeds, more, journal.spec.protocol.support, pool if asked.all_images else None), flush=True)
    of_journal = confirmed_results(trials, row.approach, row.best_trial)
    recorded = {each.seed: each.accuracy for each in of_journal if each.split == VALIDATION and not each.error}
    weights = inputs.weights_to_train([approach])
    training = Training(approach, trial, seeds, image_sets, weights, recorded, is_on_all=asked.all_images)
    print(_compared(training, [seed for seed in seeds if seed in recorded], is_on_all=asked.all_images))
    if training.keep_different() and len(seeds) > 1:
        print("All of them are the same, since nothing in this configuration is random: one is kept.")
    temperature = training.temperature()
    model = _model(training, inputs, temperature or 1.0)
    quality = _quality(training, model.temperature)
    before = _quality(training, 1.0) if temperature else None
    text = model_card.text(summary, row, model, quality, before, seeds=training.seeds, is_on_all=asked.all_images)
    images = inputs.dataset.pool_images[:: max(1, pool // 4)]
    if not _keep(model, images, target, text):
        return 1
    print(f"MLflow  {_logged(target, journal, challenge)}")
    return 0


def _winner(summary: Summary, name: str | None) -> ApproachSummary:
    rows = {row.approach: row for row in summary.approaches}
    found = summary.approaches[0] if name is None else rows.get(name)
    if found is None:
        raise BadInput(f"Expected --approach from {', '.join(rows)}; got {name!r}.")
    if found.best_trial is None:
        raise BadInput(
            f"Expected a configuration of {found.approach} with all its seeds in {summary.sweep}; there is none. Go on "
            f"with: {summary.starts[-1].resume}"
        )
    return found


def _check_free(target: Path) -> None:
    """Refuse, before anything is trained, a place where the model's folder could not be put afterwards.

    Raises:
        BadInput: It could not.
    """
    try:
        is_free = not target.exists() or (target.is_dir() and not any(target.iterdir()))
        there = next(each for each in target.absolute().parents if os.path.lexists(each))
        # An empty folder is replaced, which a link, or the folder that one is in, cannot be.
        if target.is_symlink():
            raise OSError("a link")
        if is_free and target.resolve() == Path.cwd():
            raise OSError("the folder that this command runs in")
        if not there.is_dir():
            raise NotADirectoryError(f"{there} is no folder")
        if len(os.fsencode(_name_of_unfinished(target))) > MOST_BYTES:
            raise OSError("a name that is too long")
        if is_free and not os.access(there, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        raise BadInput(f"Expected a folder for the model at {target}; got {error}. Give another with --to.") from None
    if not is_free:
        raise BadInput(
            f"Expected no folder, or an empty one, at {target}; there is one. Delete it, or give another --to."
        )


def _check_can_take(approach: Approach, trial: TrialRecord, images: int, inputs: Inputs) -> None:
    """Refuse to train on more images than the approach can take.

    Raises:
        BadInput: There are more.
    """
    most = approach.learner.most_images
    if most is not None and images > most:
        raise BadInput(
            f"Expected at most {most} images for {approach.name}, which learns from all their pairs or triplets, with "
            f"--all-images; the pool has {images}. Omit --all-images, or export another approach."
        )
    needs = approach.learner.needs(approach.learner.Config(**trial.params))
    if PIXELS in needs.view_names:
        colours = 1 if inputs.dataset.pool_images.ndim == 3 else 3
        size = trial.params.get("steps", 0) * images * colours * SMALL_PX**2 * 4 * COPIES
        check_fits(Path(inputs.dataset.source), size, f"as {images} images augmented for every step")


def _plan(row: ApproachSummary, seeds: range, more: int, support: int, images: int | None) -> str:
    count = len(seeds)
    named = f"seed {seeds[0]}" if count == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    what = f"{support} labelled images each" if images is None else f"all {images} labelled images of the pool"
    seconds = (row.seconds_per_seed or 0.0) * (count + more) * (1 if images is None else max(1.0, images / support))
    return (
        f"Training {row.approach}, configuration {row.best_trial}, {count} {'time' if count == 1 else 'times'} on "
        f"{what} ({named}): about {duration(seconds)}"
    )


def _compared(training: Training, recorded: Sequence[int], *, is_on_all: bool) -> str:
    """How the members compare with what the journal has of their seeds."""
    if is_on_all:
        return "Nothing to compare with: the sweep trained on fewer images."
    if not recorded:
        return "Nothing to compare with: the journal has none of these seeds."
    if training.differing:
        return (
            f"NOT the accuracies in the journal, of seeds {', '.join(map(str, training.differing))}: `rerun.py` shows "
            "how much they differ."
        )
    return f"The same accuracies as in the journal ({len(recorded)} of {len(training.members)} seeds are in it)."


def _model(training: Training, inputs: Inputs, temperature: float) -> ExportedModel:
    images = inputs.dataset.pool_images
    specs = [None if isinstance(each, str) else inputs.as_computed(each) for each in training.needs.views]
    return ExportedModel(
        classes=inputs.dataset.protocol.classes,
        form=Form(
            size_px=images.shape[1],
            colours=1 if images.ndim == 3 else 3,
            are_files=Path(inputs.dataset.source).is_dir(),
            white=inputs.dataset.white,
        ),
        views=tuple(map(exported.view_of, training.needs.view_names, specs, training.views)),
        members=tuple(training.members),
        temperature=temperature,
        weights={spec.backbone: inputs.weights[spec.backbone].state for spec in specs if spec},
    )


def _quality(training: Training, temperature: float) -> Measured | None:
    """What the model says of the images that no member has learned from; None if a class has none of them."""
    rows = training.unseen()
    labels = training.pool.labels[rows]
    if len(np.unique(labels)) < training.classes:
        return None
    logits = [training.logits(member, rows) for member in training.members]
    return measured(exported.mean_probabilities(logits, temperature), labels)


def _example(colours: int) -> np.ndarray:
    """Images that go with the model, uint8 (N, 28, 28) or (N, 28, 28, 3): synthetic, since a pool's may be private."""
    images_NHW = phantom_arrays()["test_images"][:2]
    return images_NHW if colours == 1 else np.repeat(images_NHW[..., None], 3, axis=-1)


def _keep(model: ExportedModel, images: np.ndarray, target: Path, card: str) -> bool:
    """Write the model's folder whole or not at all; whether another process finds the same probabilities.

    Args:
        model: It.
        images: Of the pool, which both processes classify; none of them is kept.
        target: The folder.
        card: What MODEL_CARD.md says.
    """
    with _unfinished(target) as folder:
        staged = folder / "staged"
        exported.save(model, staged / standalone.DATA)
        copy_code(staged / "code")
        try:
            found = standalone.predicted(staged, images)
        except RuntimeError as error:
            print(f"export: {capital(str(error))}. The model is not kept.", file=sys.stderr)
            return False
        if not np.array_equal(found.probabilities, model.probabilities(images)):
            print("NOT the same probabilities in another process; the model is not kept.")
            return False
        print("Another process, without this project, gives the same probabilities.")
        ready = folder / "ready"
        model_files.save(ready, staged, found.requirements, _example(model.form.colours), model)
        (ready / model_card.FILE).write_text(card, encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rmdir()
        ready.rename(target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"\nModel   {target} ({megabytes(size)}); what it is and how good: {model_card.FILE} in it")
    print(f"Use it  {command('predict')} {shlex.quote(str(target))} FOLDER")
    return True


def copy_code(folder: Path) -> None:
    """Copy all code that a model needs beside it into a folder."""
    source = Path(next(iter(trainables.__path__)))
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def _name_of_unfinished(target: Path) -> str:
    return f"{target.name}.{os.getpid()}.tmp"


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A folder beside the target that is gone afterwards."""
    folder = target.absolute().with_name(_name_of_unfinished(target))
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise BadInput(f"Expected to write in {target.parent}; got {error}. Give another place with --to.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _logged(target: Path, journal: Journal, challenge: Challenge) -> str:
    """Give the folder to MLflow as an artifact of its name in the sweep's run; how that went."""
    name = target.resolve().name
    had = complete(challenge, {}, journal.starts[-1].options, SweepOptions)
    uri = location.resolve_uri(had.tracking_uri)
    try:
        location.check_uri(uri)
        model_files.log(uri, challenge.name, journal.id, target, name)
    except Exception as error:
        # Whatever goes wrong there, the model is in its folder.
        return f"does not have it ({in_one_line(error, 200)})"
    return f"{name} is an artifact of the sweep's run: {location.ui_command(uri)}"
