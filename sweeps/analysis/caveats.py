"""What must be said beside every number: which images, whose weights, and whether it was a smoke run.

It is taken from the sweep's spec, which covers all starts: what is random or synthetic stays marked also when a later
start leaves it out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sweeps.core.challenge import Approach
from sweeps.inputs.weights import RANDOM
from sweeps.store.spec import Source, Spec, with_another_label
from trainables.parts.backbones import backbone_of
from trainables.parts.datasets import PHANTOM


def of_sweep(spec: Spec) -> dict[str, str]:
    """The caveats of the whole sweep. Backbones that are random by intention, as a baseline, do not count."""
    chosen = {each.source for backbone, each in spec.weights.items() if backbone_of(backbone).pretrained}
    return _caveats(spec, sorted(chosen), spec.other_datasets.values())


def of_approach(spec: Spec, approach: Approach) -> dict[str, str]:
    """The caveats of one approach's runs."""
    names = approach.learner.may_need.other_datasets
    others = [each for name, each in spec.other_datasets.items() if name in names]
    return _caveats(spec, weights(spec, approach), others)


def weights(spec: Spec, approach: Approach) -> list[str]:
    """Where the weights of an approach's backbones come from, so that no random network passes for a pretrained one."""
    backbones = {feature.backbone for feature in approach.learner.may_need.features}
    return sorted({each.source for name, each in spec.weights.items() if name in backbones})


def of_table(spec: Spec, approaches: Sequence[Approach]) -> list[str]:
    """The warnings of a table of these approaches; the weights of other approaches' backbones do not count."""
    needs = [approach.learner.may_need for approach in approaches]
    backbones = {feature.backbone for each in needs for feature in each.features}
    others = {name for each in needs for name in each.other_datasets}
    own = {
        "weights": {name: each for name, each in spec.weights.items() if name in backbones},
        "other_datasets": {name: each for name, each in spec.other_datasets.items() if name in others},
    }
    return warnings(spec.model_copy(update=own))


def _caveats(spec: Spec, weights: list[str], others: Collection[Source]) -> dict[str, str]:
    return {
        "images": "phantom" if spec.dataset.source == PHANTOM else "real",
        **({"weights": ", ".join(weights)} if weights else {}),
        **({"other_images": "phantom"} if any(each.source == PHANTOM for each in others) else {}),
        **({"smoke": "true"} if spec.smoke else {}),
    }


def warnings(spec: Spec) -> list[str]:
    """The caveats that forbid taking a number at face value, in capitals."""
    others = [f"PHANTOM {name.upper()}" for name, each in spec.other_datasets.items() if each.source == PHANTOM]
    content = spec.content
    leaked, copies = content.test_in_pool + content.test_nearly_in_pool, content.copies_in_pool
    of_leaked, of_copies = map(with_another_label, (content.test_otherwise_in_pool, content.copies_otherwise))
    return [
        *([f"{leaked} TEST IMAGES IN THE POOL{of_leaked.upper()}"] if _leaks(spec) else []),
        *([f"{copies} COPIES IN THE POOL{of_copies.upper()}"] if content.is_repeated(spec.protocol) else []),
        *(["PHANTOM IMAGES"] if spec.dataset.source == PHANTOM else others),
        *_random_weights(spec),
        *(["SMOKE RUN"] if spec.smoke else []),
    ]


def _leaks(spec: Spec) -> bool:
    return spec.content.is_leaked(spec.test_counts)


def _random_weights(spec: Spec) -> list[str]:
    """The warning of backbones that are random and should be pretrained; it names them unless that is all."""
    chosen = {name: each.source for name, each in spec.weights.items() if backbone_of(name).pretrained}
    found = sorted(name for name, source in chosen.items() if source == RANDOM)
    if len(found) == len(chosen):
        return ["RANDOM WEIGHTS"] if found else []
    return [f"RANDOM WEIGHTS of {', '.join(found)}"] if found else []


def with_warnings(warnings: Sequence[str]) -> str:
    """The warnings behind a sentence that may be read alone."""
    return f" [{', '.join(warnings)}]" if warnings else ""
