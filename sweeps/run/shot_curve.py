"""The numbers of shots of `--shot-curve`: which of them are run, and whether there are images enough for them."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.core.errors import BadInput
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from trainables.parts.protocol import Protocol


def to_run(shot_curve: Sequence[int], protocol: Protocol) -> list[int]:
    """The numbers of shots that are asked for and that the confirmation does not have."""
    return [count for count in sorted(set(shot_curve)) if protocol.with_shots(count).shots != protocol.shots]


def check(shot_curve: Sequence[int], protocol: Protocol, confirm_seeds: int) -> None:
    """Refuse a curve with more shots than leave every fresh seed an image of each class to validate on.

    Raises:
        BadInput: It has.
    """
    asked = to_run(shot_curve, protocol)
    if not asked:
        return
    least, name = min(zip(protocol.pool, protocol.classes, strict=True))
    if asked[-1] >= least:
        raise BadInput(
            f"Expected --shot-curve with numbers up to {least - 1}, since there are {least} images of class {name} "
            f"and one of them must validate; got {asked[-1]}."
        )
    if protocol.groups:
        for seed in range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + confirm_seeds):
            _check_groups(asked, protocol, seed)


def _check_groups(asked: Sequence[int], protocol: Protocol, seed: int) -> None:
    """Which groups learn depends on the seed, and so does whether any is left.

    Raises:
        BadInput: None is.
    """
    for count in asked:
        try:
            protocol.with_shots(count).split(seed)
        except ValueError as error:
            raise BadInput(f"Expected --shot-curve with numbers below {count}. {error}") from None


def plan_line(shot_curve: Sequence[int], protocol: Protocol) -> str:
    """What is run, and where fewer images validate than otherwise."""
    asked = to_run(shot_curve, protocol)
    at_most = "at most " if protocol.groups else ""
    fewer = [
        f"{at_most}{validate} of a class validate after {count}"
        for count in asked
        if (validate := protocol.with_shots(count).confirmation) < protocol.confirmation
    ]
    numbers = ", ".join(map(str, asked))
    return f"Shots     the best also learn from {numbers} images a class" + "".join(f"; {each}" for each in fewer)
