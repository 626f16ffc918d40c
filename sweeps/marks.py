"""What must be said beside every number: which images, whose weights, and whether it was a smoke run.

It is taken from the sweep's spec, which covers all starts: what is random or synthetic stays marked also when a later
start leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.challenge import Approach
from sweeps.weights import RANDOM
from trainables.backbones import BACKBONES
from trainables.data import PHANTOM


def of_sweep(spec: Mapping[str, Any]) -> dict[str, str]:
    """The marks of the whole sweep. Backbones that are random by intention, as a baseline, do not count."""
    chosen = {source for backbone, source in spec["weights"].items() if BACKBONES[backbone].pretrained}
    return _marks(spec, sorted(chosen), spec["others"].values())


def of_approach(spec: Mapping[str, Any], approach: Approach) -> dict[str, str]:
    """The marks of one approach's runs."""
    others = [source for name, source in spec["others"].items() if name in approach.trainable.others]
    return _marks(spec, weights(spec, approach), others)


def weights(spec: Mapping[str, Any], approach: Approach) -> list[str]:
    """Where the weights of an approach's backbones come from, so that no random network passes for a pretrained one."""
    backbones = {feature.backbone for feature in approach.trainable.features}
    return sorted({source for name, source in spec.get("weights", {}).items() if name in backbones})


def _marks(spec: Mapping[str, Any], weights: list[str], others: Any) -> dict[str, str]:
    return {
        "images": "phantom" if spec["dataset"] == PHANTOM else "real",
        **({"weights": ", ".join(weights)} if weights else {}),
        **({"other_images": "phantom"} if PHANTOM in others else {}),
        **({"smoke": "true"} if spec["smoke"] else {}),
    }


def warnings(spec: Mapping[str, Any]) -> list[str]:
    """The marks that forbid taking a number at face value, in capitals."""
    others = [f"PHANTOM {name.upper()}" for name, source in spec["others"].items() if source == PHANTOM]
    found = of_sweep(spec)
    return [
        *(["PHANTOM IMAGES"] if found["images"] == PHANTOM else others),
        *(["RANDOM WEIGHTS"] if RANDOM in found.get("weights", "").split(", ") else []),
        *(["SMOKE RUN"] if spec["smoke"] else []),
    ]


def marked(warnings: Sequence[str]) -> str:
    """The warnings behind a sentence that may be read alone."""
    return f" [{', '.join(warnings)}]" if warnings else ""
