"""Checks of what the numbers rest on: images, weights, the kind of run, and the code."""

from __future__ import annotations

from sweeps.analysis.check import Check, CheckedSweep, look_or_fine
from sweeps.store.spec import SHARE_THAT_COUNTS


def images(sweep: CheckedSweep) -> Check:
    """Whether the images are real."""
    synthetic = [warning for warning in sweep.summary.warnings if warning.startswith("PHANTOM")]
    trouble = (
        "The built-in phantom, which is synthetic, stands in for them: numbers that rest on it mean nothing medical."
    )
    return look_or_fine("Images", f"{', '.join(synthetic)}. {trouble}" if synthetic else "", "All images are real.")


def content(sweep: CheckedSweep) -> Check:
    """Whether images stand in two splits or several times, are blank, or have labels that disagree."""
    spec = sweep.summary.spec
    found, pool, test = spec.content, sum(spec.protocol.pool), sum(spec.test_counts)
    items = [f"{count} {what}" for what, count in found.by_kind().items() if count]
    texts = []
    if found.is_leaked(spec.test_counts):
        texts.append(
            f"Of the {test} test images so many stand in the pool that results on them are {found.effect_of_leaks}."
        )
    if found.is_repeated(spec.protocol):
        texts.append(
            f"Of the {pool} images of the pool so many are copies that seeds are scored on what they learned from: "
            f"accuracies are {found.effect_of_copies}."
        )
    if found.blank + found.with_two_labels >= SHARE_THAT_COUNTS * (pool + test):
        texts.append(f"Of the {pool + test} images so many are blank or labelled twice that no method can tell them.")
    fine = (
        "Too few images are blank, copies or in two splits to move a number."
        if items
        else "No image is blank, a copy, or in two splits."
    )
    return look_or_fine("Content of the images", " ".join(texts), fine, items)


def weights(sweep: CheckedSweep) -> Check:
    """Whether pretrained weights are pretrained."""
    found = [warning for warning in sweep.summary.warnings if warning.startswith("RANDOM WEIGHTS")]
    trouble = "Weights that should be pretrained are random: the numbers show what untrained networks are worth."
    whose = found[0].removeprefix("RANDOM WEIGHTS of ") if found else ""
    text = f"{trouble} They are those of {whose}." if found and whose != found[0] else trouble
    return look_or_fine("Weights", text if found else "", "No weights are random that should be pretrained.")


def smoke(sweep: CheckedSweep) -> Check:
    """Whether the numbers are meant."""
    trouble = (
        "This was a smoke run, which shows that everything works: unless asked otherwise it has few configurations and "
        "seeds, synthetic images and random weights, and its backbones always see smaller images. Its numbers are no "
        "results."
    )
    return look_or_fine("Kind of run", trouble if sweep.summary.spec.smoke else "", "This was a full run.")


def code(sweep: CheckedSweep) -> Check:
    """Whether one known version of the code made all numbers, and whether several kinds of processor may have."""
    starts = sweep.summary.starts
    revisions = list(dict.fromkeys(start.git_revision for start in starts))
    texts = []
    if len(revisions) > 1:
        texts.append(f"The sweep was started with {len(revisions)} versions of the code.")
    if any(revision.endswith("-dirty") for revision in revisions):
        texts.append("The code had changes that were not committed, so the git revision alone does not bring it back.")
    if "unknown" in revisions:
        texts.append("The git revision is not known.")
    processors = list(dict.fromkeys([*(start.processor for start in starts), *sweep.summary.processors]))
    if len(processors) > 1:
        texts.append(
            f"The sweep ran on {len(processors)} kinds of processor ({'; '.join(processors)}), which may round "
            "the last digits differently."
        )
    return look_or_fine("Code", " ".join(texts), "One committed version of the code made all numbers.")
