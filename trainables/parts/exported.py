"""A trained model in a folder: all that turns images of any size into probabilities, and none of the training images.

MLflow loads it through `_load_pyfunc`. Nothing here knows MLflow or another folder of the project, so that `trainables`
is all the code that a model needs beside it. What learners return is pickled, so a model is code: load only what you
trust.

Shapes: N = images, H, W = their height and width, S = the side of those that were learned from, K = classes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import Tensor

from trainables.parts.backbones import CHUNK, FeatureSpec, extractor
from trainables.parts.datasets import reduced, small
from trainables.parts.image_sets import PIXELS
from trainables.parts.learner import Classifier
from trainables.parts.metrics import probabilities
from trainables.parts.run_seed import classify
from trainables.parts.squares import on_square, squared

if TYPE_CHECKING:
    import pandas as pd

# Of the folder's files; raise it when they change.
FORMAT = 1
DESCRIPTION, MEMBERS = "model.json", "members.pt"


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the images were that were learned from: uint8 squares.

    Attributes:
        size_px: Their side.
        colours: 1 or 3.
        are_files: Whether they were read from image files, which are made smaller before they get borders; images in
            arrays get borders first.
        white: The value that became 255 in files of more than 8 bits; None if there were none.
    """

    size_px: int
    colours: int
    are_files: bool
    white: int | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """A form of the images that the members look at: pixels, or what a frozen backbone makes of them.

    `is_half` says whether the table of features that was learned from has float16's digits.
    """

    spec: FeatureSpec | None = None
    is_half: bool = False


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """One or more trained classifiers of the same configuration, whose probabilities are averaged.

    Attributes:
        classes: Their names.
        form: Of the images.
        views: In the order in which the members get them.
        members: As `Learner.fit` returns them.
        temperature: What all logits are divided by to be log-odds; 1 where they are.
        weights: The state dicts of the frozen backbones, by name.
    """

    classes: tuple[str, ...]
    form: Form
    views: tuple[View, ...]
    members: tuple[Classifier, ...]
    temperature: float
    weights: Mapping[str, Mapping[str, Tensor]] = field(repr=False)
    _extractors: dict[FeatureSpec, Callable[[Tensor], dict[str, Tensor]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def probabilities(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities of the classes, float64 (N, K).

        They are computed on one thread, as in training, so that the same images give the same bits in any process on
        the same kind of processor.

        Args:
            images: As for `as_learned`.

        Raises:
            ValueError: They are not such images.
        """
        with on_one_thread():
            views = self._views_of(as_learned(self.form, images))
            rows = np.arange(len(views[0]))
            logits = [classify(member, views, rows, len(self.classes)) for member in self.members]
            return mean_probabilities(logits, self.temperature)

    def predict(self, model_input: np.ndarray | Sequence[np.ndarray], params: Any = None) -> pd.DataFrame:
        """The same as MLflow asks for it: a column of probabilities for each class.

        Raises:
            ValueError: They are not such images, or no whole number in them is above 1.
        """
        import pandas as pd

        images = list(map(np.asarray, model_input))
        if not any(image.dtype.kind == "f" for image in images) and max(map(_greatest, images), default=0) == 1:
            # MLflow cuts fractions to whole numbers where those are asked for.
            raise ValueError(
                "Expected grey values from 0 to 255; got none above 1. Multiply fractions by 255 and round."
            )
        return pd.DataFrame(self.probabilities(model_input), columns=list(self.classes))

    def _views_of(self, images: np.ndarray) -> list[np.ndarray]:
        """The images as the members get them."""
        pixels = small(images)
        # Of images that are scored, learners do not look at the mirror images, but expect their place to be taken.
        specs = [view.spec and replace(view.spec, mirrored=False) for view in self.views]
        tables = self._tables(list(dict.fromkeys(spec for spec in specs if spec)), images)
        return [
            pixels if spec is None else tables[spec].astype(np.float16 if view.is_half else np.float32)
            for view, spec in zip(self.views, specs, strict=True)
        ]

    def _tables(self, specs: Sequence[FeatureSpec], images: np.ndarray) -> dict[FeatureSpec, np.ndarray]:
        """What frozen backbones make of the images; one way through a backbone gives all its outputs."""
        ways: dict[FeatureSpec, list[str]] = {}
        for spec in specs:
            ways.setdefault(replace(spec, output=""), []).append(spec.output)
        found = {}
        for way, outputs in ways.items():
            if way not in self._extractors:
                self._extractors[way] = extractor(way, outputs, self.weights[way.backbone])
            extract = self._extractors[way]
            chunks = [extract(torch.tensor(images[at : at + CHUNK])) for at in range(0, len(images), CHUNK)]
            for output in outputs:
                table = torch.cat([chunk[output] for chunk in chunks]).numpy()
                found[replace(way, output=output)] = table
        return found


def mean_probabilities(logits: Sequence[np.ndarray], temperature: float) -> np.ndarray:
    """The mean of the members' probabilities, float64 (N, K).

    Args:
        logits: Of each member: log-odds of class 1 of two (N,), or logits of more classes (N, K).
        temperature: What they are divided by.
    """
    return np.mean([probabilities(own / temperature) for own in logits], axis=0)


def decided(probabilities_NK: np.ndarray) -> np.ndarray:
    """The class of each image, int64 (N,): of two classes the second at one half or more; of more the greatest."""
    if probabilities_NK.shape[1] == 2:
        return (probabilities_NK[:, 1] >= 0.5).astype(np.int64)
    return probabilities_NK.argmax(1)


def as_learned(form: Form, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Images as the model learned from them: uint8 (N, S, S), or (N, S, S, 3) of colours.

    Grey ones become three equal colours, and colours grey as ITU-R 601 weighs them, if need be.

    Args:
        form: What the model learned from.
        images: Each (H, W), (H, W, 1) or (H, W, 3), of whole grey values from 0 to 255, or, all of them, of fractions
            from 0 to 1. An array has images of one size, an object array or a list any sizes.

    Raises:
        ValueError: They are not such images.
    """
    if not len(images):
        raise ValueError("Expected at least one image; got none.")
    return np.stack([_squared(form, _coloured(form, image)) for image in _as_bytes(images)])


def _greatest(image: np.ndarray) -> float:
    return float(image.max()) if image.size and image.dtype.kind in "ui" else 0.0


def _as_bytes(images: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """Images as uint8 (H, W) or (H, W, 3)."""
    found = []
    for image in map(np.asarray, images):
        plane = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        if plane.dtype.kind not in "uif" or not (plane.ndim == 2 or plane.shape[2:] == (3,)) or not plane.size:
            raise ValueError(
                f"Expected images of shape (H, W) or, in colour, (H, W, 3), of numbers; got {image.dtype} "
                f"{image.shape}."
            )
        found.append(plane)
    low, high = min(plane.min() for plane in found), max(plane.max() for plane in found)
    are_fractions = all(plane.dtype.kind == "f" for plane in found) and low >= 0 and high <= 1
    if are_fractions:
        return [np.rint(plane * 255.0).astype(np.uint8) for plane in found]
    are_whole = all(plane.dtype.kind != "f" or bool((plane == np.rint(plane)).all()) for plane in found)
    if not (are_whole and low >= 0 and high <= 255):
        raise ValueError(
            "Expected images that are all of whole grey values from 0 to 255, or all of fractions from 0 to 1; got "
            f"numbers from {low:g} to {high:g}{'' if are_whole else ', not all of them whole'}."
        )
    return [plane.astype(np.uint8) for plane in found]


def _coloured(form: Form, image: np.ndarray) -> np.ndarray:
    """The image in grey or in three colours, as the model's are."""
    if form.colours == 3:
        return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
    if image.ndim == 2:
        return image
    is_grey = bool((image == image[..., :1]).all())
    return image[..., 0] if is_grey else np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))


def _squared(form: Form, image: np.ndarray) -> np.ndarray:
    if form.are_files:
        return on_square(Image.fromarray(np.ascontiguousarray(image)), form.size_px)
    return reduced(squared(image[None]), form.size_px)[0]


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Within it, arithmetic has one thread, as in training: the number of threads changes bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def save(model: ExportedModel, folder: Path) -> None:
    """Write the model into a folder, which is made."""
    # Classifiers are often functions inside functions, which Python's own pickle does not take.
    import cloudpickle

    folder.mkdir(parents=True)
    torch.save(list(model.members), folder / MEMBERS, pickle_module=cloudpickle)
    files = {name: f"backbone-{number}.pt" for number, name in enumerate(model.weights)}
    for name, file in files.items():
        torch.save(dict(model.weights[name]), folder / file)
    description = {
        "format": FORMAT,
        "python": _python(),
        "classes": model.classes,
        "form": asdict(model.form),
        "views": [asdict(view) for view in model.views],
        "temperature": model.temperature,
        "backbones": files,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load(folder: Path | str) -> ExportedModel:
    """The model in a folder that `save` wrote.

    Raises:
        ValueError: It is of another version, or was saved by another Python.
    """
    folder = Path(folder)
    found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if found["format"] != FORMAT or found["python"] != _python():
        raise ValueError(
            f"Expected a model of format {FORMAT} that was saved by Python {_python()}, which runs here; got one of "
            f"format {found['format']} by Python {found['python']}. Use that, as the model's python_env.yaml says."
        )
    # It holds functions, which no safe way of loading takes.
    members = torch.load(folder / MEMBERS, weights_only=False)
    return ExportedModel(
        classes=tuple(found["classes"]),
        form=Form(**found["form"]),
        views=tuple(
            View(spec=view["spec"] and FeatureSpec(**view["spec"]), is_half=view["is_half"]) for view in found["views"]
        ),
        members=tuple(members),
        temperature=found["temperature"],
        weights={name: torch.load(folder / file, weights_only=True) for name, file in found["backbones"].items()},
    )


def _load_pyfunc(data_path: str) -> ExportedModel:
    """The model, as MLflow asks for it."""
    return load(data_path)


def _python() -> str:
    """The version of Python whose pickled functions run here."""
    return ".".join(map(str, sys.version_info[:2]))


def view_of(name: str, spec: FeatureSpec | None, table: np.ndarray) -> View:
    """The view of that name, whose table was learned from; `spec` as it was computed."""
    return View() if name == PIXELS else View(spec=spec, is_half=table.dtype == np.float16)
