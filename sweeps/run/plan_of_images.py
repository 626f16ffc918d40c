"""What a plan says of the images: how many there are of each class, how they are drawn, and what limits what."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from sweeps.core.formatting import percent
from sweeps.core.seeds import scored
from sweeps.views.text_table import aligned
from trainables.parts.datasets import Dataset
from trainables.parts.protocol import STUDY_VALIDATION

WIDTH = 120


def lines(dataset: Dataset, notes: Sequence[str]) -> Iterator[str]:
    """The images, how seeds draw from them, whose they are, how they were read, and a table of the classes."""
    protocol = dataset.protocol
    side, kind = dataset.pool_images.shape[1], "grey" if dataset.pool_images.ndim == 3 else "colour"
    yield f"Images    {dataset.source} (fingerprint {dataset.fingerprint}), {side} x {side} pixels, {kind}"
    yield (
        f"Seeds     each learns from {protocol.support} images and is scored on {scored(protocol)} others of each "
        f"class; fresh seeds on {scored(protocol.for_confirmation())}"
    )
    classes = len(protocol.classes)
    if classes > 2:
        yield f"Chance    guessing one of {classes} classes is right in {percent(1 / classes)} % of these images"
    yield from _limit(dataset)
    yield _groups(dataset)
    for note in notes:
        yield textwrap.fill(note, WIDTH, initial_indent="Note      ", subsequent_indent=" " * 10)
    yield ""
    yield aligned(_rows(dataset), left=("class",), gap="  ")
    yield ""


def _limit(dataset: Dataset) -> Iterator[str]:
    """What keeps seeds from being scored on as many images as is usual."""
    protocol = dataset.protocol
    left = [size - learn for size, learn in zip(protocol.pool, protocol.shots, strict=True)]
    least = int(np.argmin(left))
    if protocol.confirmation == left[least] < STUDY_VALIDATION:
        others = ", and others of their groups drop out" if protocol.groups else ""
        yield textwrap.fill(
            f"{protocol.pool[least]} images of class {protocol.classes[least]}: {protocol.shots[least]} learn{others}, "
            f"so {scored(protocol.for_confirmation())} of each class are left to be scored on; so few make "
            "intervals wide",
            WIDTH,
            initial_indent="Limit     ",
            subsequent_indent=" " * 10,
        )


def _groups(dataset: Dataset) -> str:
    groups = dataset.protocol.groups
    if not groups:
        return "Groups    none given (--group-by): every image counts as a person of its own"
    drawn = f"Groups    {len(set(groups))} to draw from"
    if not dataset.test_groups:
        return f"{drawn}; none stands on two sides of a draw, and whose the test images are is not known"
    return f"{drawn}, {len(set(dataset.test_groups))} to test on; none stands on two sides of a split"


def _rows(dataset: Dataset) -> list[dict[str, str]]:
    protocol = dataset.protocol
    groups = np.array(protocol.groups)
    rows = []
    for label, name in enumerate(protocol.classes):
        own = {"their groups": str(len(np.unique(groups[protocol.labels == label])))} if protocol.groups else {}
        rows.append(
            {
                "class": name,
                "training images": str(dataset.of_train[label]),
                "drawn from": str(protocol.pool[label]),
                **own,
                "learn": str(protocol.shots[label]),
                "scored": scored(protocol),
                "test images": str(dataset.test_counts[label]),
            }
        )
    return rows
