"""What a sweep is made from: the images, the weights, and the feature tables that follow from both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sweeps.core.challenge import Approach
from sweeps.core.errors import path_of
from sweeps.core.files import FEATURES
from sweeps.inputs import changed_images, content_checks, features
from sweeps.inputs.groups import is_table
from sweeps.inputs.images import check_also, find_dataset, find_other
from sweeps.inputs.weights import Weights, check_weights_there, find_weights
from sweeps.store.spec import BALANCED_ACCURACY, Content, OptionValue, Source, Spec
from trainables.parts.backbones import FeatureSpec, size_near
from trainables.parts.datasets import PHANTOM, Dataset, OtherDataset, small
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.protocol import NUMBERS_VERSION, STUDY_SHOTS

# Input size of the backbones in a smoke run, or one near it; everything else about it is as usual.
SMOKE_PX = 64


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images and weights, found and checked, and where feature tables are kept."""

    dataset: Dataset
    content: Content
    weights: dict[str, Weights]
    # Other data sets that an approach may learn from, by name.
    other_datasets: dict[str, OtherDataset]
    # Whom or what images belong to, as an option that finds it again from any folder.
    group_by: str | None
    features_folder: Path
    # What backbones and wide ResNets compute in.
    precision: str
    smoke: bool
    # What was not found as one would have hoped.
    notices: tuple[str, ...]
    # What a person should know of how images were read.
    notes: tuple[str, ...]

    @classmethod
    def find(
        cls,
        approaches: Sequence[Approach],
        results: Path,
        *,
        dataset: str,
        size: int | None = None,
        shots: Sequence[int] = (STUDY_SHOTS,),
        validation: int | None = None,
        group_by: str | None = None,
        also: Sequence[str] = (),
        weights: str,
        precision: str,
        smoke: bool,
        before: Spec | None = None,
        check_images: Callable[[Inputs], None] = lambda inputs: None,
    ) -> Inputs:
        """Find what the options of the same names ask for; with `before` the weights that it says, see `find_weights`.

        `check_images` is called with all but the weights, before any of these is fetched; what it raises ends it.

        Raises:
            BadInput: It cannot be had, or cannot be used.
        """
        # First, because images may be downloaded.
        check_weights_there(weights)
        needed = sorted({name for approach in approaches for name in approach.learner.may_need.other_datasets})
        wanted = check_also(also, needed)
        found, notice = find_dataset(dataset, size_px=size, shots=shots, validation=validation, group_by=group_by)
        content = content_checks.content_of(found)
        notices = [notice, *content_checks.notices(found, content)]
        others = {}
        for name in needed:
            beside = None if found.is_phantom else Path(found.source).parent
            others[name], notice = find_other(name, wanted[name], beside, with_phantom=dataset == PHANTOM)
            notices.append(notice)
            content_checks.check_apart(found, others[name])
        of_others = [note for each in others.values() for note in each.notices]
        notes = [*found.notices, *of_others, content_checks.note(content)]
        inputs = cls(
            dataset=found,
            content=content,
            weights={},
            other_datasets=others,
            group_by=str(path_of(group_by).absolute()) if group_by is not None and is_table(group_by) else group_by,
            features_folder=results / FEATURES,
            precision=fastest_precision() if precision == "auto" else precision,
            smoke=smoke,
            notices=tuple(notice for notice in notices if notice),
            notes=tuple(note for note in notes if note),
        )
        check_images(inputs)
        # Last, because it may download more than a gigabyte.
        had = {name: each.source for name, each in before.weights.items()} if before else None
        of_backbone, notice = find_weights(weights, sorted({spec.backbone for spec in _specs(approaches)}), had)
        return replace(inputs, weights=of_backbone, notices=(*inputs.notices, *([notice] if notice else [])))

    def found(self) -> dict[str, OptionValue]:
        """The options that find the same inputs again; on weights see `find_weights`."""
        also = tuple(f"{name}={other.source}" for name, other in self.other_datasets.items())
        found = {"dataset": self.dataset.source, "group_by": self.group_by, "precision": self.precision}
        return {**found, **({"also": also} if also else {})}

    def spec(
        self,
        challenge: str,
        *,
        seeds: int | None = None,
        search_seed: int | None = None,
        metric: str = BALANCED_ACCURACY,
        backbone: str | None = None,
        settings: tuple[str, ...] = (),
    ) -> Spec:
        """The spec of a sweep with these inputs; the arguments are fields of it."""
        return Spec(
            challenge=challenge,
            numbers_version=NUMBERS_VERSION,
            dataset=_source(self.dataset),
            protocol=self.dataset.protocol,
            test_counts=self.dataset.test_counts,
            test_groups=self.dataset.test_groups,
            content=self.content,
            weights={name: _source(each) for name, each in self.weights.items()},
            other_datasets={name: _source(each) for name, each in self.other_datasets.items()},
            precision=self.precision,
            smoke=self.smoke,
            seeds=seeds,
            search_seed=search_seed,
            metric=metric,
            backbone=backbone,
            settings=settings,
        )

    def images(self, name: str) -> np.ndarray:
        """The images of the pool, the test split, a changed one or other data, uint8 (N, S, S) or (N, S, S, 3)."""
        if changed_images.is_changed(name):
            return changed_images.images(self.dataset, name, smoke=self.smoke)
        return self.other_datasets[name].images if name in self.other_datasets else self.dataset.images()[name]

    def labels(self, name: str) -> np.ndarray:
        """Their labels, int64 (N,)."""
        if changed_images.is_changed(name):
            return changed_images.labels(self.dataset, smoke=self.smoke)
        return self.other_datasets[name].labels if name in self.other_datasets else self.dataset.labels()[name]

    def seconds_to_compute(
        self, approaches: Sequence[Approach], names: Sequence[str], views: Collection[str] | None = None
    ) -> dict[str, float]:
        """About how long one CPU core needs for the features that are not there yet, by backbone.

        The arguments are as for `image_sets`.
        """
        seconds: dict[str, float] = {}
        for together in _together(names):
            specs = [self.as_computed(spec) for spec in self._specs_on(together[0], approaches, views)]
            if not specs:
                continue
            images = _one_after_another([self.images(name) for name in together])
            missing = features.seconds_to_compute(specs, images, self.weights, self.features_folder)
            for backbone, more in missing.items():
                seconds[backbone] = seconds.get(backbone, 0.0) + more
        return seconds

    def image_sets(
        self,
        approaches: Sequence[Approach],
        names: Sequence[str],
        *,
        slots: Callable[[], int],
        views: Collection[str] | None = None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> dict[str, ImageSet]:
        """Pixels and features of these image sets, computing what is missing (which needs Ray).

        Args:
            approaches: Whose features.
            names: Which of the pool, the test split, changed ones and other data sets; who gets the result can reach no
                other. The features of all changed ones are computed together.
            slots: How many workers may compute at the same time.
            views: Only these of the approaches' features; None is all.
            interrupt: Called several times a second while something is computed; what it raises ends it.
        """
        sets = {}
        for together in _together(names):
            specs = self._specs_on(together[0], approaches, views)
            pixels, whole = {}, []
            for name in together:
                own = self.images(name)
                pixels[name] = small(own)
                # Changed ones together may be gigabytes, which only features need at once.
                whole += [own] if specs else []
            tables = {}
            if specs:
                tables = features.load_or_compute(
                    [self.as_computed(spec) for spec in specs],
                    _one_after_another(whole),
                    self.weights,
                    self.features_folder,
                    f"{together[0] if len(together) == 1 else 'changed test'} images",
                    slots,
                    interrupt,
                )
            end = 0
            for name in together:
                begin, end = end, end + len(pixels[name])
                of_set = {spec.name: tables[self.as_computed(spec)][begin:end] for spec in specs}
                protocol = self.dataset.protocol if name == POOL else None
                views_of_set = {PIXELS: pixels[name]} | of_set
                sets[name] = ImageSet(
                    labels=self.labels(name), views=views_of_set, protocol=protocol, precision=self.precision
                )
        return sets

    def seconds_to_change(self, approaches: Sequence[Approach]) -> float:
        """About how long one CPU core needs for the features of the changed images, whatever wins.

        A winner looks at one or two of the features that its approach may need; each is taken to cost as their mean.
        """
        images = len(changed_images.labels(self.dataset, smoke=self.smoke))
        of_each = [
            [features.seconds_per_image(self.as_computed(spec)) for spec in approach.features]
            for approach in approaches
        ]
        of_image = sum(1.5 * float(np.mean(found)) for found in of_each if found)
        return images * len(changed_images.splits(smoke=self.smoke)) * of_image

    def weights_to_train(self, approaches: Sequence[Approach]) -> dict[str, dict[str, np.ndarray]]:
        """State dicts, of arrays, of the backbones that these approaches go on training."""
        names = {name for approach in approaches for name in approach.learner.may_need.trained_backbones}
        return {name: {key: value.numpy() for key, value in self.weights[name].state.items()} for name in names}

    def _specs_on(self, name: str, approaches: Sequence[Approach], views: Collection[str] | None) -> list[FeatureSpec]:
        """The features that are needed of an image set."""
        who = [
            each
            for each in approaches
            if name not in self.other_datasets or name in each.learner.may_need.other_datasets
        ]
        return [spec for spec in _specs(who) if views is None or spec.name in views]

    def as_computed(self, spec: FeatureSpec) -> FeatureSpec:
        """The spec as it is computed: in the sweep's precision, and in a smoke run of small images."""
        size_px = size_near(spec.backbone, SMOKE_PX) if self.smoke else spec.size_px
        return replace(spec, precision=self.precision, size_px=size_px)


def _one_after_another(images: Sequence[np.ndarray]) -> np.ndarray:
    """The images of one or several sets in one array; those of one are not copied, since they may be many."""
    return images[0] if len(images) == 1 else np.concatenate(images)


def _together(names: Sequence[str]) -> list[list[str]]:
    """The names, with those of changed images, which are few in each, in one list at the end."""
    changed = [name for name in names if changed_images.is_changed(name)]
    return [*([name] for name in names if name not in changed), *([changed] if changed else [])]


def _source(found: Dataset | OtherDataset | Weights) -> Source:
    return Source(source=found.source, fingerprint=found.fingerprint)


def fastest_precision() -> str:
    """bfloat16 where this processor computes in it, which takes half the time; else float32."""
    found = torch.cpu.get_capabilities()
    return "bfloat16" if any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "float32"


def _specs(approaches: Sequence[Approach]) -> list[FeatureSpec]:
    """Every feature table of these approaches, once."""
    return list(dict.fromkeys(spec for approach in approaches for spec in approach.features))
