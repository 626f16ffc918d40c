"""The loop that a notebook has: what the benchmarks compare the project's own with.

It is written as the study's authors and PyTorch's tutorials do it: a `Dataset` of PIL images with transforms for one
image at a time, `DataLoader`s with batches of 32, `torch.optim.Adam` with its defaults, a network in the default memory
format and torch's default number of threads. Network, split of a seed and what is measured are the project's, so the
accuracies agree but for randomness. As in the project, validation images are not augmented; the study's own were,
which cost it more time still. A frozen network computes every image's features anew at every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset

from trainables.parts.networks import Ends
from trainables.parts.normalisation import normalise
from trainables.parts.protocol import study_protocol
from trainables.parts.taps import size_px_of
from trainables.parts.torchvision_import import torchvision
from trainables.small_cnn import CNN, CnnConfig

BATCH_SIZE = 32
Transform = Callable[[Any], Any]


class Images(Dataset[tuple[Tensor, int]]):
    """Some rows of arrays of images and labels; each image is transformed when it is asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Transform) -> None:
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[row])), int(self.labels[row])


class RandomIntensity:
    """Gain times x to the power of gamma, both uniform around 1, for one image of shape (1, 28, 28)."""

    def __init__(self, gain_spread: float, gamma_spread: float) -> None:
        self.gain_spread = gain_spread
        self.gamma_spread = gamma_spread

    def __call__(self, image: Tensor) -> Tensor:
        """Draw both and apply them."""
        gain = np.random.uniform(1 - self.gain_spread, 1 + self.gain_spread)
        gamma = np.random.uniform(1 - self.gamma_spread, 1 + self.gamma_spread)
        return gain * torch.sign(image) * torch.abs(image) ** gamma


class RandomElastic:
    """Bend one image of shape (1, 28, 28) along a coarse grid of control points that are moved at random."""

    def __init__(self, points: int, sigma_px: float) -> None:
        self.points = points
        self.sigma_px = sigma_px

    def __call__(self, image: Tensor) -> Tensor:
        """Draw the control points' shifts, and bend."""
        _, height, width = image.shape
        rows, columns = np.mgrid[0:height, 0:width].astype(float)
        shifts = []
        for _ in range(2):
            control = np.random.normal(0, self.sigma_px, (self.points, self.points))
            shifts.append(ndimage.zoom(control, (height / self.points, width / self.points), order=3))
        bent = ndimage.map_coordinates(image[0].numpy(), [rows + shifts[0], columns + shifts[1]], order=1)
        return torch.from_numpy(bent)[None]


def transforms(params: Mapping[str, Any], *, train: bool) -> Transform:
    """Of the images of one configuration of `cnn` or `cnn_cirillo`."""
    parts: list[Transform] = [torchvision.transforms.ToTensor()]
    if train and "elastic_points" in params:
        parts.append(RandomIntensity(params["gain_spread"], params["gamma_spread"]))
        parts.append(RandomElastic(params["elastic_points"], params["elastic_sigma_px"]))
    if params["normalisation"] == "fixed":
        parts.append(torchvision.transforms.Normalize((0.5,), (0.5,)))
    else:
        parts.append(lambda image: normalise(params["normalisation"], image))
    transform: Transform = torchvision.transforms.Compose(parts)
    return transform


def train_and_validate(params: Mapping[str, Any], seed: int, images: np.ndarray, labels: np.ndarray) -> float:
    """Validation accuracy of one seed of one configuration of `cnn` or `cnn_cirillo`.

    Args:
        params: The configuration, as in `search_spaces`.
        seed: Which images train, which validate, and the random state.
        images: The pool, uint8 (2000, 28, 28).
        labels: Its labels, 0 or 1, shape (2000,).
    """
    torch.manual_seed(seed)
    np.random.seed(seed)
    train_set, validation_set = sets_of_seed(
        seed, images, labels, transforms(params, train=True), transforms(params, train=False)
    )
    config = {key: params[key] for key in ("normalisation", "learning_rate", "weight_decay", "steps", "dropout")}
    model = CNN.network(CnnConfig(**config), Ends(inputs=1, outputs=1))
    optimiser = torch.optim.Adam(model.parameters(), lr=params["learning_rate"], weight_decay=params["weight_decay"])
    return accuracy_after(params["steps"], model, optimiser, train_set, validation_set)


def train_head_and_validate(
    params: Mapping[str, Any], seed: int, images: np.ndarray, labels: np.ndarray, backbone: nn.Module
) -> float:
    """Validation accuracy of one seed of one configuration of `vgg11_mlp` with one hidden layer.

    Args:
        params: The configuration, as in `search_spaces`.
        seed: Which images train, which validate, and the random state.
        images: The pool, uint8 (2000, 28, 28).
        labels: Its labels, 0 or 1, shape (2000,).
        backbone: torchvision's VGG11 with nothing as its classifier, which the optimiser does not train. Nothing in it
            differs between training and eval mode.
    """
    torch.manual_seed(seed)
    transform = frozen_transforms(size_px_of(params["tap"]))
    train_set, validation_set = sets_of_seed(seed, images, labels, transform, transform)
    head = nn.Sequential(
        nn.Linear(512 * 7 * 7, params["width"]),
        nn.ReLU(),
        nn.Dropout(params["dropout"]),
        nn.Linear(params["width"], 1),
        nn.Flatten(0),
    )
    optimiser = torch.optim.Adam(head.parameters(), lr=params["learning_rate"])
    return accuracy_after(params["steps"], nn.Sequential(backbone, head), optimiser, train_set, validation_set)


def frozen_transforms(size_px: int) -> Transform:
    """Of images that go into a pretrained network."""
    transform: Transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(size_px),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Lambda(lambda image: image.repeat(3, 1, 1)),
            torchvision.transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )
    return transform


def sets_of_seed(
    seed: int, images: np.ndarray, labels: np.ndarray, to_train: Transform, to_validate: Transform
) -> tuple[Images, Images]:
    """The images that train and those that validate under this seed."""
    train_rows, validation_rows = study_protocol().split(seed)
    return (
        Images(images[train_rows], labels[train_rows], to_train),
        Images(images[validation_rows], labels[validation_rows], to_validate),
    )


def accuracy_after(
    epochs: int, model: nn.Module, optimiser: torch.optim.Optimizer, train_set: Images, validation_set: Images
) -> float:
    """Train for so many epochs, and validate."""
    train_loader = DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True)
    validation_loader = DataLoader(validation_set, batch_size=BATCH_SIZE)
    for _ in range(epochs):
        train_one_epoch(model, train_loader, optimiser)
    return validate(model, validation_loader)


def train_one_epoch(model: nn.Module, loader: DataLoader[tuple[Tensor, int]], optimiser: torch.optim.Optimizer) -> None:
    """One pass over the training images."""
    model.train()
    for batch, target in loader:
        optimiser.zero_grad()
        loss = binary_cross_entropy_with_logits(model(batch), target.float())
        loss.backward()
        optimiser.step()


@torch.no_grad()
def validate(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> float:
    """Accuracy over the validation images."""
    model.eval()
    correct = 0
    for batch, target in loader:
        correct += int(((model(batch) >= 0) == (target == 1)).sum())
    return correct / len(loader.dataset)  # type: ignore[arg-type]
