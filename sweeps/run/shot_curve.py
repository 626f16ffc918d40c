"""The numbers of shots of `--shot-curve`: which of them are run, and whether there are images enough for them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from sweeps.core.errors import BadInput
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, scored
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
    most, why = least - 1, f"there are {least} images of class {name} and one of them must validate"
    seeds = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + confirm_seeds)
    if protocol.groups and _trouble(protocol, min(asked[-1], most), seeds):
        # What a seed learns from with more shots contains what it learns from with fewer: what is left only shrinks.
        most = bisect_left(range(1, least), True, key=lambda count: _trouble(protocol, count, seeds) is not None)
        why = f"with {most + 1} {_trouble(protocol, most + 1, seeds)}"
    if asked[-1] > most:
        raise BadInput(f"Expected --shot-curve with numbers up to {most}, since {why}; got {asked[-1]}.")


def _trouble(protocol: Protocol, count: int, seeds: Sequence[int]) -> str | None:
    """Why one of these seeds has nothing of a class to validate on after so many shots; None if all have."""
    for seed in seeds:
        try:
            protocol.with_shots(count).split(seed)
        except ValueError as error:
            text = str(error).rstrip(".")
            return f"{text[:1].lower()}{text[1:]}"
    return None


def plan_line(shot_curve: Sequence[int], protocol: Protocol) -> str:
    """What is run, and where fewer images validate than otherwise."""
    asked = to_run(shot_curve, protocol)
    usual = scored(protocol.for_confirmation())
    fewer = [
        f"{validate} of a class validate after {count}"
        for count in asked
        if (validate := scored(protocol.with_shots(count).for_confirmation())) != usual
    ]
    numbers = ", ".join(map(str, asked))
    return f"Shots     the best also learn from {numbers} images a class" + "".join(f"; {each}" for each in fewer)
