"""A finished sweep of real seeds on a folder of real image files, in this process: without Ray, in a second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from made_up import START
from sweeps.analysis.summary import summarise
from sweeps.challenge1 import CHALLENGE
from sweeps.core import provenance
from sweeps.inputs.inputs import Inputs
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.search import SearchStage
from sweeps.store.journal import Journal
from sweeps.views.files import write_files
from sweeps.views.probabilities import probabilities_frame
from trainables.parts.image_sets import POOL
from trainables.parts.run_seed import prepare_worker, run_seed

CLASSES = ("dark", "light one")
SIZE_PX = (40, 32)


def image(label, rng):
    """Uint8, brighter in the upper half if its label is 1."""
    pixels = rng.integers(0, 140, SIZE_PX, dtype=np.uint8)
    pixels[: SIZE_PX[0] // 2] += np.uint8(60 * label)
    return pixels


def write_images(folder, count=16):
    """A folder with a sub-folder for each class; files of more than 8 bits use 12 of their 16."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = image(label, rng)
            deep = Image.fromarray(pixels.astype(np.uint16) * 16)
            (deep if number == 0 else Image.fromarray(pixels)).save(folder / name / f"{number:02}.png")
    return folder


def _finish(stage, learners, image_sets):
    while not stage.is_finished():
        task = stage.next_task()
        if task is None:
            continue
        for seed in (seed for block in task.blocks for seed in block):
            for result in run_seed(
                learners[task.approach], task.params, seed, image_sets, task.splits, besides=task.besides
            ):
                stage.take(task, result)
        stage.close(task)


def sweep(home, names=("starter_cnn", "siamese_bce")):
    """The folder of a sweep of these approaches in `home/results`; its images are in `home/images`."""
    prepare_worker()
    images = write_images(home / "images")
    approaches = CHALLENGE.named(list(names))
    options = {"dataset": str(images), "shots": (3,), "num_samples": 1, "confirm_seeds": 3, "tracking_uri": None}
    inputs = Inputs.find(
        approaches, home / "results", dataset=str(images), shots=(3,), weights="auto", precision="float32", smoke=False
    )
    image_sets = inputs.dataset.pixel_sets()
    learners = {approach.name: approach.learner for approach in approaches}
    journal = Journal(home / "results/small", write=True)
    start = START.model_copy(update={"options": options, "git_revision": provenance.git_revision()})
    journal.begin(inputs.spec("challenge1", seeds=2, search_seed=0), start)
    _finish(
        SearchStage(journal, approaches, lambda *who: None, num_samples=1, seeds=2, search_seed=0),
        learners,
        image_sets,
    )
    fresh = {**image_sets, POOL: image_sets[POOL].for_confirmation()}
    _finish(ConfirmationStage(journal, approaches, lambda *who: None, seeds=3), learners, fresh)
    found = [replace(approach, published=None) for approach in approaches]
    summary = summarise(journal, found)
    write_files(journal, found, summary, probabilities_frame(journal, summary, inputs.dataset.test_names))
    journal.close()
    return journal.folder
