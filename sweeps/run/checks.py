"""What is checked first, without the seconds that importing PyTorch and Ray takes: options, places, addresses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from sweeps.core.challenge import Challenge
from sweeps.core.cpus import usable_cpus
from sweeps.core.errors import BadInput, path_of
from sweeps.engine.addresses import check_address, cluster_address
from sweeps.engine.temp_folder import check_temp_folder
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.folder_listing import folders_of_classes
from sweeps.inputs.images import check_there
from sweeps.inputs.medmnist_sets import MEDMNIST
from sweeps.run import command_line, resuming
from sweeps.run.options import RESULTS_VARIABLE, AnyOptions, Options
from sweeps.store.journal import Journal
from sweeps.store.spec import OptionValue
from sweeps.tracking import location
from trainables.parts.datasets import PHANTOM

# A sweep's journal, tables and report take a few megabytes.
LEAST_FREE_BYTES = 50 << 20


@dataclass(frozen=True, kw_only=True)
class Checked(Generic[AnyOptions]):
    """What is asked for, as far as it could be checked at once.

    Attributes:
        challenge: Whose command it is.
        options: All options.
        earlier: What is known of the sweep that is resumed.
        tracking_uri: Of MLflow.
    """

    challenge: Challenge
    options: AnyOptions
    earlier: resuming.Earlier
    tracking_uri: str


def check(challenge: Challenge, given: Mapping[str, OptionValue], kind: type[AnyOptions]) -> Checked[AnyOptions]:
    """Check what needs no library. Starts and writes nothing.

    Raises:
        BadInput: Something that was asked for cannot be.
    """
    results = path_of(str(given.get("results_dir", Options().results_dir)))
    earlier = resuming.find(challenge, given, results)
    options = command_line.complete(challenge, earlier.given, earlier.options, kind)
    check_place(results)
    uri = location.resolve_uri(options.tracking_uri)
    location.check_uri(uri)
    if options.address:
        check_address(options.address)
    if not cluster_address(options.address):
        check_temp_folder()
    check_there(options.dataset)
    check_apart(options.dataset, results, uri)
    for folder in getattr(options, "sweep", ()):
        # Reading refuses what is no journal of a sweep.
        Journal(path_of(folder), write=False)
    if hasattr(options, "confirm_seeds"):
        resuming.check_confirmation(earlier, options.confirm_seeds)
    settings = getattr(options, "set", ())
    if settings:
        # A resumed sweep may have some of approaches that this start leaves out.
        names = {*options.approaches, *earlier.approaches} & {each.name for each in challenge.approaches}
        challenge = challenge.with_settings(settings, names)
    return Checked(challenge=challenge, options=options, earlier=earlier, tracking_uri=uri)


def check_apart(dataset: str, results: Path, uri: str) -> None:
    """Refuse to write among the images: what is written would be classes of theirs, to this sweep and all later ones.

    Raises:
        BadInput: Results, or what MLflow keeps beside its database, would lie in a folder of classes.
    """
    if dataset in (AUTO, PHANTOM, *MEDMNIST) or not path_of(dataset).is_dir():
        return
    # MLflow makes this folder where a sweep starts, wherever its database is.
    written = [results, *([Path("mlruns")] if uri.startswith("sqlite") else [])]
    for folder in folders_of_classes(path_of(dataset).resolve()):
        for place in (each.resolve() for each in written):
            # Hidden folders are no classes.
            below = place.relative_to(folder).parts if place.is_relative_to(folder) else None
            if below is not None and not any(part.startswith(".") for part in below):
                raise BadInput(
                    f"Expected results outside of {folder}, in which each sub-folder is a class of images; got "
                    f"{place}. Start in another folder, with the images' path as --dataset."
                )


def check_workers(options: Options) -> None:
    """Refuse more trials at the same time than there are CPUs: they would take longer, and no plan be true.

    Raises:
        BadInput: They are more, and there is no cluster.
    """
    there = usable_cpus().there
    if options.workers is not None and options.workers > there and not cluster_address(options.address):
        raise BadInput(
            f"Expected at most {there} --workers, as many as this machine has CPUs; got {options.workers}. Omit it to "
            "use all, or give a cluster's --address."
        )


def check_place(results: Path) -> None:
    """Refuse to begin where results have no room, or would be deleted.

    Raises:
        BadInput: There is hardly any room where results go, they cannot be written there, or it is a folder that Ray
            made for a job's code.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not results.is_absolute():
        raise BadInput(
            f"Expected an absolute path for a job's results, since Ray deletes the folder it runs in; got {results}. "
            f"Give one with --results-dir, or set {RESULTS_VARIABLE} before `ray start` on the head."
        )
    there = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written" if there.is_dir() else "is no folder"
        raise BadInput(
            f"Expected a folder that can be written for results in {results}; {there} {why}. Give another folder with "
            "--results-dir."
        )
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise BadInput(
            f"Expected at least {LEAST_FREE_BYTES >> 20} MiB free for results in {results}; got {free >> 20}. Free "
            "some, or give another folder with --results-dir."
        )
