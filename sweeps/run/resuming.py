"""What a sweep that goes on has from its earlier starts, and what must not have changed since."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from optuna.distributions import check_distribution_compatibility

from sweeps.core.challenge import Approach, Challenge
from sweeps.core.commands import command
from sweeps.core.errors import BadInput, first_line, path_of
from sweeps.inputs.images import where_now
from sweeps.run.command_line import Given
from sweeps.stages.sampling import replayed
from sweeps.store.journal import JOURNAL, LOCK, Journal, NotBegun
from sweeps.store.spec import OptionValue, Source, Spec, differences
from sweeps.store.trials import CONFIRM, DECIDE, SEARCH, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What is known before a start: what was given, and of a resumed sweep what it has.

    Attributes:
        given: The options that were given, and the name of a new sweep.
        options: Those of the last start.
        spec: What the sweep is; None for a new one.
        approaches: Those that it has begun.
        confirmed_on: The most fresh seeds that it has of any winner.
    """

    given: Given
    options: Mapping[str, OptionValue]
    spec: Spec | None
    approaches: Sequence[str] = ()
    confirmed_on: int = 0


def find(challenge: Challenge, given: Mapping[str, OptionValue], results: Path) -> Earlier:
    """The sweep that is to be resumed; a new one gets its name.

    Raises:
        BadInput: There is nothing of that name to resume, or something of that name where there must be nothing.
    """
    if "resume" not in given:
        name = str(given.get("name") or time.strftime(f"{challenge.name}-%Y%m%d-%H%M%S"))
        folder = path_of(str(results / name))
        if _is_taken(folder):
            raise taken(folder)
        return Earlier(given={**given, "name": name}, options={}, spec=None)
    name = str(given["resume"])
    folder = results / name
    if not path_of(str(folder / JOURNAL)).is_file():
        raise BadInput(
            f"Expected a sweep to resume at {folder}; there is none. Check --resume and --results-dir, or begin one "
            f"with --name {name}."
        )
    journal = _begun(folder)
    if journal is None:
        raise BadInput(f"Expected a sweep to resume at {folder}; it had not begun. Begin it with --name {name}.")
    spec = journal.spec
    if spec.challenge != challenge.name:
        raise BadInput(
            f"Expected a sweep of {challenge.name} at {folder}; it is one of {spec.challenge}. "
            f"Use {command(spec.challenge)}."
        )
    # More than one trial may have run a winner's.
    fresh = defaultdict[tuple[Any, ...], set[int]](set)
    for trial in journal.trials():
        if trial.stage in (CONFIRM, DECIDE):
            fresh[trial.approach, trial.of_trial, trial.stage].update(result.seed for result in trial.results)
    return Earlier(
        given=dict(given),
        options=_as_found_now(journal.starts[-1].remembered),
        spec=spec,
        approaches=journal.approaches(),
        confirmed_on=max(map(len, fresh.values()), default=0),
    )


def _as_found_now(remembered: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """The options of a start, with where its images are on this machine."""
    found, dataset, also = dict(remembered), remembered.get("dataset"), remembered.get("also")
    if isinstance(dataset, str):
        found["dataset"] = where_now(dataset)
    if isinstance(also, tuple):
        sources = [str(each).partition("=") for each in also]
        found["also"] = tuple(f"{name}{equals}{where_now(source)}" for name, equals, source in sources)
    return found


def taken(folder: Path) -> BadInput:
    """What is said where a new sweep would lie in the folder of another."""
    return BadInput(f"Expected a new --name; {folder} exists. Use --resume {folder.name} to go on with it.")


def _is_taken(folder: Path) -> bool:
    """Whether something is there, but for what a start leaves that was killed before its sweep began."""
    if not folder.exists():
        return False
    try:
        names = {each.name for each in folder.iterdir()}
    except OSError:
        return True
    if names - {JOURNAL, LOCK}:
        return True
    return JOURNAL in names and _begun(folder) is not None


def _begun(folder: Path) -> Journal | None:
    """The journal in a folder; None if its sweep has not begun."""
    try:
        journal = Journal(folder, write=False)
    except NotBegun:
        return None
    return journal if journal.has_begun else None


def check_confirmation(earlier: Earlier, confirm_seeds: int) -> None:
    """Refuse fewer fresh seeds than a winner has: approaches would be ranked by means over different seeds.

    Raises:
        BadInput: They are fewer.
    """
    if confirm_seeds < earlier.confirmed_on:
        raise BadInput(
            f"Expected at least {earlier.confirmed_on} --confirm-seeds, which sweep {earlier.given['resume']} has been "
            f"confirmed on; got {confirm_seeds}. With fewer, approaches would be ranked on different seeds: give "
            f"{earlier.confirmed_on} or more, or begin a new sweep."
        )


def check_same(before: Spec, now: Spec) -> None:
    """Refuse to go on with a sweep whose numbers would not be comparable with those it has.

    Args:
        before: The spec that the sweep began with.
        now: The spec of this start.

    Raises:
        BadInput: Something that must stay the same does not.
    """
    for found in differences(before, now):
        # What the sweep did not have yet may come in; every table names the weights of each backbone.
        if found.before is not None:
            _refuse(found.what, found.before, found.now)
    # The same values from elsewhere would be marked otherwise than those of earlier starts.
    for name in sorted(before.weights.keys() & now.weights.keys()):
        old, new = _kind(before.weights[name]), _kind(now.weights[name])
        if old != new:
            _refuse(f"weights of {name}", old, new)


def _refuse(what: str, before: str, now: str) -> NoReturn:
    raise BadInput(f"Expected the {what} that this sweep began with ({before}); got {now}. Begin a new sweep.")


def _kind(weights: Source) -> str:
    # Not at the top: PyTorch, which it imports, takes a second, and whether there is a sweep is asked before.
    from sweeps.inputs.weights import is_file

    return "a file" if is_file(weights.source) else weights.source


def check_spaces(journal: Journal, approaches: Sequence[Approach]) -> None:
    """Refuse to go on with a search whose space has other parameters, or other choices of one, than it had.

    A range may become another one: what was drawn from the old one stays comparable.

    Raises:
        BadInput: A recorded configuration cannot be of the space as it is now.
    """
    for approach in approaches:
        for trial in journal.trials([approach.name]):
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
        return first_line(error).rstrip(".")
    # One that was interrupted while its parameters were drawn lacks the later ones.
    if lacking and not (trial.state == "RUNNING" and not trial.results):
        return first_line(lacking).rstrip(".")
    unknown = trial.params.keys() - again.distributions.keys()
    return f"nothing suggests its {', '.join(sorted(unknown))} any more" if unknown else None
