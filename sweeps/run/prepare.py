"""What is checked before anything starts and needs libraries: images, weights, what a resumed sweep had of them."""

from __future__ import annotations

from sweeps.core.errors import path_of
from sweeps.inputs.inputs import Inputs
from sweeps.run import resuming
from sweeps.run.checks import Checked
from sweeps.run.command import Command, Prepared
from sweeps.run.options import AnyOptions
from sweeps.store.journal import Journal


def prepare(command: Command[AnyOptions], checked: Checked[AnyOptions]) -> Prepared[AnyOptions]:
    """Check what is left to check, and find the images and weights. Starts and writes nothing.

    Raises:
        BadInput: Something that was asked for cannot be.
    """
    options, earlier = checked.options, checked.earlier
    challenge = checked.challenge.with_backbone(getattr(options, "backbone", None))
    approaches = challenge.named(list(options.approaches))

    def check_images(found: Inputs) -> None:
        without_weights = command.spec(challenge, options, found)
        if earlier.spec:
            resuming.check_same(earlier.spec, without_weights)
        command.check_images(options, without_weights)

    inputs = Inputs.find(
        approaches,
        path_of(options.results_dir),
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
        check_images=check_images,
    )
    spec = command.spec(challenge, options, inputs)
    as_run = command.as_run(challenge, spec.with_what_earlier_starts_had(earlier.spec))
    prepared = Prepared(
        challenge=as_run,
        options=options,
        approaches=as_run.named([approach.name for approach in approaches]),
        inputs=inputs,
        tracking_uri=checked.tracking_uri,
        spec=spec,
        before=earlier.spec,
    )
    if prepared.before:
        resuming.check_same(prepared.before, prepared.spec)
        resuming.check_spaces(Journal(prepared.folder, write=False), prepared.approaches)
    command.check(prepared)
    return prepared
