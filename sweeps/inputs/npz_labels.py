"""Labels of an .npz file in the forms that people have them: one class an image, or said why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweeps.core.errors import BadInput
from sweeps.inputs.class_names import check_names

ONE_COLUMN = "Give one class an image, numbered from 0."


@dataclass(frozen=True, kw_only=True)
class FoundLabels:
    """Labels of each split as places in the row of classes, int64 (N,).

    `are_named_by_file` says that the classes have their names from the labels themselves, and not from their places.
    """

    classes: tuple[str, ...]
    of_split: dict[str, np.ndarray]
    are_named_by_file: bool


def read_labels(path: Path, of_split: Mapping[str, np.ndarray]) -> FoundLabels:
    """The classes of all images: from numbers, from text, from booleans, or from a column for each class.

    Args:
        path: The file, for messages.
        of_split: Its arrays, with those of the training split.

    Raises:
        BadInput: They are no labels of that kind.
    """
    flat = {split: _flat(path, split, labels) for split, labels in of_split.items()}
    kinds = {labels.dtype.kind == "U" for labels in flat.values() if len(labels)}
    if len(kinds) > 1:
        raise BadInput(f"Expected labels of one kind in {path}; got text in one split and numbers in another.")
    classes = np.unique(flat["train"]).tolist()
    if len(classes) < 2:
        raise BadInput(f"Expected at least two classes in train_labels of {path}; got {_some(classes)}.")
    if classes[0] in ("", -1) or (not isinstance(classes[0], str) and classes[0] < 0):
        raise BadInput(
            f"Expected labels from 0 in train_labels of {path}; got {classes[0]!r}, which often stands for no label. "
            "Leave such images out, or number the classes from 0."
        )
    for split, labels in flat.items():
        unknown = sorted(set(np.unique(labels).tolist()) - set(classes))
        if unknown:
            raise BadInput(
                f"Expected the classes of train_labels, {_some(classes)}, in {split}_labels of {path}; got also "
                f"{_some(unknown)}."
            )
    is_counted = classes == list(range(len(classes)))
    called = tuple(map(str, classes))
    check_names(called, path)
    places = {split: np.searchsorted(classes, labels).astype(np.int64) for split, labels in flat.items()}
    return FoundLabels(classes=called, of_split=places, are_named_by_file=not is_counted)


def _flat(path: Path, split: str, labels: np.ndarray) -> np.ndarray:
    """One class an image, (N,): int64 or text."""
    what = f"{split}_labels of {path}"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "biufUS" or labels.ndim not in (1, 2):
        raise BadInput(
            f"Expected {split}_labels of integers and shape (N, 1) in {path}; got {labels.dtype} {labels.shape}."
        )
    if labels.dtype.kind in "US":
        if labels.ndim == 2:
            raise BadInput(f"Expected one class an image in {what}; got text of shape {labels.shape}. {ONE_COLUMN}")
        try:
            return labels.astype(str)
        except UnicodeDecodeError:
            raise BadInput(f"Expected text or numbers in {what}; got bytes that are no text. {ONE_COLUMN}") from None
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise BadInput(
            f"Expected classes in {what}; got numbers in between, such as a measurement has. Divide them into classes."
        )
    if labels.dtype.kind in "uf" and labels.size and labels.max() > 2**31:
        raise BadInput(f"Expected classes numbered from 0 in {what}; got {labels.max():g}.")
    labels = labels.astype(np.int64)
    return labels if labels.ndim == 1 else _of_columns(what, labels)


def _of_columns(what: str, labels_NK: np.ndarray) -> np.ndarray:
    """The class of each image, whose column alone has a 1."""
    shape = labels_NK.shape
    if not set(np.unique(labels_NK).tolist()) <= {0, 1}:
        raise BadInput(f"Expected one label an image in {what}; got shape {shape}. {ONE_COLUMN}")
    wrong = int(np.count_nonzero(labels_NK.sum(1) != 1))
    if wrong:
        raise BadInput(
            f"Expected one class an image in {what}; got {shape[1]} yes-or-no labels an image (multi-label, as "
            f"ChestMNIST has them), with none or several yes in {wrong} of {shape[0]}. Keep one column, for example "
            "labels[:, :1], and ask about that finding alone."
        )
    return labels_NK.argmax(1)


def _some(values: Sequence[object], most: int = 5) -> str:
    return ", ".join([*(repr(each)[:40] for each in values[:most]), *(["..."] if len(values) > most else [])]) or "none"
