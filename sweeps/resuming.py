"""What a sweep that goes on has from its earlier starts, and what must not have changed since."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import check_distribution_compatibility

from sweeps.bad_input import BadInput, path_of
from sweeps.challenge import Approach, Challenge
from sweeps.record import JOURNAL, SEARCH, Record, TrialRecord
from sweeps.search import replayed
from sweeps.weights import IMAGENET, RANDOM
from trainables.backbones import BACKBONES

# What a sweep's numbers depend on besides its materials, and what each is called on the command line.
FIXED = {
    "numbers_version": "version of the training code",
    "dataset_fingerprint": "images",
    "precision": "--precision",
    "smoke": "--smoke",
    "seeds": "--seeds",
    "search_seed": "--search-seed",
}


def remembered(challenge: Challenge, given: dict[str, Any], results: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last start's options and the spec of the sweep to resume; both empty for a new one, which gets its name.

    Raises:
        BadInput: There is nothing of that name to resume, or something of that name where there must be nothing.
    """
    if "resume" not in given:
        given.setdefault("name", time.strftime(f"{challenge.name}-%Y%m%d-%H%M%S"))
        folder = path_of(str(results / given["name"]))
        if folder.exists():
            raise BadInput(f"Expected a new --name; {folder} exists. Use --resume {given['name']} to go on with it.")
        return {}, {}
    folder = results / given["resume"]
    if not path_of(str(folder / JOURNAL)).is_file():
        raise BadInput(
            f"Expected a sweep to resume at {folder}; there is none. Check --resume and --results-dir, or begin one "
            f"with --name {given['resume']}."
        )
    record = Record(folder, write=False)
    if not record.starts or not record.spec:
        raise BadInput(f"Expected a sweep to resume at {folder}; it had not begun. Delete it and begin anew.")
    if record.spec["challenge"] != challenge.name:
        raise BadInput(
            f"Expected a sweep of {challenge.name} at {folder}; it is one of {record.spec['challenge']}. "
            f"Use sweeps/{record.spec['challenge']}.py."
        )
    return record.starts[-1]["options"], record.spec


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a sweep whose numbers would not be comparable with those it has.

    Args:
        before: The spec that the sweep began with.
        now: The spec of this start.

    Raises:
        BadInput: Something that must stay the same does not.
    """
    pairs = [(what, before.get(key), now[key]) for key, what in FIXED.items() if key in now]
    pairs += [
        (f"{what} {name}", before.get(key, {}).get(name, fingerprint), fingerprint)
        for key, what in (("weights_fingerprint", "weights of"), ("others_fingerprint", "images of"))
        for name, fingerprint in now[key].items()
    ]
    # Backbones that the sweep did not have yet must get theirs from where the others did.
    pairs += [("weights", old, new) for old in _kinds(before["weights"]) for new in _kinds(now["weights"])]
    for what, old, new in pairs:
        if old != new:
            raise BadInput(f"Expected the {what} that this sweep began with ({old}); got {new}. Begin a new sweep.")


def _kinds(weights: Mapping[str, str]) -> list[str]:
    """What kinds of weights those are that `--weights` decides on."""
    sources = {source for backbone, source in weights.items() if BACKBONES[backbone].pretrained}
    return sorted({source if source in (IMAGENET, RANDOM) else "files" for source in sources})


def check_spaces(record: Record, approaches: Sequence[Approach]) -> None:
    """Refuse to go on with a search whose space has other parameters, or other choices of one, than it had.

    A range may become another one: what was drawn from the old one stays comparable.

    Raises:
        BadInput: A recorded configuration cannot be of the space as it is now.
    """
    for approach in approaches:
        for trial in record.trials([approach.name]):
            trouble = _misfit(trial, approach) if trial.stage == SEARCH else None
            if trouble:
                raise BadInput(
                    f"Expected the search space of {approach.name} that this sweep began with; configuration "
                    f"{trial.number} does not fit the one there is now ({trouble}). Begin a new sweep."
                )


def _misfit(trial: TrialRecord, approach: Approach) -> str | None:
    """Why this configuration cannot be of the approach's space; None if it can."""
    again, lacking = replayed(approach, trial.params)
    try:
        for name, distribution in again.distributions.items():
            check_distribution_compatibility(trial.distributions[name], distribution)
    except ValueError as error:
        return str(error).splitlines()[0].rstrip(".")
    # One that was interrupted while its parameters were drawn lacks the later ones.
    if lacking and not (trial.state == "RUNNING" and not trial.results):
        return lacking.splitlines()[0].rstrip(".")
    unknown = trial.params.keys() - again.distributions.keys()
    return f"nothing suggests its {', '.join(sorted(unknown))} any more" if unknown else None
