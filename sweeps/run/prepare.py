"""Everything that can be checked before anything starts: options, place, addresses, images and weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from sweeps.core.challenge import Challenge
from sweeps.core.errors import BadInput, path_of
from sweeps.engine import cluster
from sweeps.inputs.inputs import Inputs
from sweeps.run import command_line, resuming
from sweeps.run.command import Command, Prepared
from sweeps.run.options import RESULTS_VARIABLE, AnyOptions, Options
from sweeps.store.journal import Journal
from sweeps.store.spec import OptionValue
from sweeps.tracking import location

# A sweep's journal, tables and report take a few megabytes.
LEAST_FREE_BYTES = 50 << 20


def prepare(
    command: Command[AnyOptions], challenge: Challenge, given: Mapping[str, OptionValue]
) -> Prepared[AnyOptions]:
    """Check everything that can be checked, and find the images and weights. Starts and writes nothing.

    Raises:
        BadInput: Something that was asked for cannot be.
    """
    results = path_of(str(given.get("results_dir", Options().results_dir)))
    earlier = resuming.find(challenge, given, results)
    options = command_line.complete(challenge, earlier.given, earlier.options, command.options)
    challenge = challenge.with_backbone(getattr(options, "backbone", None))
    check_place(results)
    uri = location.resolve_uri(options.tracking_uri)
    location.check_uri(uri)
    if options.address:
        cluster.check_address(options.address)
    approaches = challenge.named(list(options.approaches))
    inputs = Inputs.find(
        approaches,
        results,
        dataset=options.dataset,
        size=options.size,
        shots=options.shots,
        validation=options.validation,
        group_by=options.group_by,
        also=options.also,
        weights=options.weights,
        precision=options.precision,
        smoke=options.smoke,
        before=earlier.spec,
    )
    spec = command.spec(challenge, options, inputs)
    as_run = command.as_run(challenge, spec.with_what_earlier_starts_had(earlier.spec))
    prepared = Prepared(
        challenge=as_run,
        options=options,
        approaches=as_run.named([approach.name for approach in approaches]),
        inputs=inputs,
        tracking_uri=uri,
        spec=spec,
        before=earlier.spec,
    )
    if prepared.before:
        resuming.check_same(prepared.before, prepared.spec)
        resuming.check_spaces(Journal(prepared.folder, write=False), prepared.approaches)
    command.check(prepared)
    return prepared


def check_place(results: Path) -> None:
    """Refuse to begin where results have no room, or would be deleted.

    Raises:
        BadInput: There is hardly any room where results go, or it is a folder that Ray made for a job's code.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not results.is_absolute():
        raise BadInput(
            f"Expected an absolute path for a job's results, since Ray deletes the folder it runs in; got {results}. "
            f"Give one with --results-dir, or set {RESULTS_VARIABLE} before `ray start` on the head."
        )
    there = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise BadInput(
            f"Expected at least {LEAST_FREE_BYTES >> 20} MiB free for results in {results}; got {free >> 20}. Free "
            "some, or give another folder with --results-dir."
        )
