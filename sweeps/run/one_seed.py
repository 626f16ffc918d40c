"""One seed of one configuration again, beside what the journal has of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeps.core import provenance
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.errors import BadInput, path_of
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, is_of_a_search
from sweeps.engine import cluster
from sweeps.inputs import changed_images
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.images import where_now
from sweeps.inputs.inputs import Inputs
from sweeps.inputs.weights import is_file
from sweeps.run import shot_curve
from sweeps.run.command_line import complete
from sweeps.run.options import SweepOptions
from sweeps.stages.ranking import confirmed_results, results_at
from sweeps.store.journal import Journal
from sweeps.store.spec import differences
from sweeps.store.trials import CONFIRM, DECIDE, INTENSIFY, ROBUSTNESS, TrialRecord, searched
from sweeps.views.text_table import aligned
from trainables.parts.backbones import backbone_of
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.metrics import metrics_of
from trainables.parts.protocol import NUMBERS_VERSION, VALIDATION
from trainables.parts.results import SeedResult
from trainables.parts.run_seed import prepare_worker, run_seed


def rerun(asked: argparse.Namespace, challenges: Mapping[str, Challenge]) -> int:
    """Train the seed and print its numbers beside those in the journal.

    Args:
        asked: What `sweeps/rerun.py` was asked for.
        challenges: Every challenge by its name.

    Raises:
        BadInput: There is no such configuration, its images or weights are not at hand, or --shots asks for too many.
    """
    journal = Journal(path_of(asked.folder), write=False)
    challenge = challenge_of(journal, challenges)
    trials = journal.trials()
    trial = trial_of(trials, asked.approach, asked.trial)
    (approach,) = challenge.named([asked.approach])
    inputs = inputs_of(journal, challenge, approach, asked)
    after_the_search = tuple(
        result
        for stage in (INTENSIFY, CONFIRM, DECIDE)
        for result in confirmed_results(trials, trial.approach, trial.number, stage)
    )
    # The sweep's own number of shots is no point of its curve.
    shots = next(iter(shot_curve.to_run([asked.shots] if asked.shots else [], journal.spec.protocol)), None)
    if shots is not None:
        try:
            inputs.dataset.protocol.with_shots(shots).split(asked.seed)
        except ValueError as error:
            raise BadInput(f"Expected a number of images that there are of each class, as --shots; {error}") from None
    on_changed = confirmed_results(trials, trial.approach, trial.number, ROBUSTNESS)
    of_sweep = (*trial.results, *after_the_search, *on_changed)
    before = results_at(trials, trial.approach, trial.number, shots) if shots else of_sweep
    recorded = [result for result in before if result.seed == asked.seed]
    # The test split, as it is or changed, is opened only where it was opened before.
    splits = [VALIDATION, *dict.fromkeys(result.split for result in recorded if result.split != VALIDATION)]
    image_sets = image_sets_of(inputs, approach, trial, splits)
    if asked.seed >= CONFIRM_SEEDS_FROM and not is_of_a_search(asked.seed):
        image_sets[POOL] = image_sets[POOL].for_confirmation()
    prepare_worker()
    weights = inputs.weights_to_train([approach])
    found = run_seed(approach.learner, trial.params, asked.seed, image_sets, splits, weights=weights, shots=shots)
    classes = journal.spec.protocol.classes
    print(_compared(found, recorded, classes))
    if not recorded:
        print(f"The journal has no seed {asked.seed} of this configuration; there is nothing to compare with.")
    elif _same(found, recorded, classes):
        print("The same numbers as in the journal.")
    else:
        print(f"NOT the numbers in the journal.{_otherwise(journal)}")
    if not recorded:
        return 1 if any(result.error for result in found) else 0
    return 0 if _same(found, recorded, classes) else 1


def challenge_of(journal: Journal, challenges: Mapping[str, Challenge]) -> Challenge:
    """The challenge that the sweep is of.

    Raises:
        BadInput: This version does not know it, or trains otherwise.
    """
    spec = journal.spec
    if spec.challenge not in challenges:
        raise BadInput(
            f"Expected a sweep of {', '.join(challenges)} in {journal.folder}; got one of {spec.challenge}. Use the "
            "version that made it."
        )
    if spec.numbers_version != NUMBERS_VERSION:
        raise BadInput(
            f"Expected training code of version {spec.numbers_version}, which made this sweep; got "
            f"{NUMBERS_VERSION}. Check out {journal.starts[-1].git_revision}."
        )
    return challenges[spec.challenge].with_backbone(spec.backbone)


def inputs_of(journal: Journal, challenge: Challenge, approach: Approach, asked: argparse.Namespace) -> Inputs:
    """The images and weights that the sweep had, from where it had them or from where this command says.

    Raises:
        BadInput: They are not at hand, or are others.
    """
    spec = journal.spec
    backbones = {each.backbone for each in approach.learner.may_need.features if backbone_of(each.backbone).pretrained}
    weights = {each.source for name, each in spec.weights.items() if name in backbones}
    # What no option of this command says is as the sweep had it.
    had = complete(challenge, {}, journal.starts[-1].options, SweepOptions)
    inputs = Inputs.find(
        [approach],
        # A folder that was given as "." has itself as its parent.
        journal.folder.resolve().parent,
        dataset=asked.dataset or where_now(spec.dataset.source),
        size=had.size,
        shots=had.shots,
        validation=had.validation,
        group_by=asked.group_by or had.group_by,
        also=asked.also or [f"{name}={where_now(each.source)}" for name, each in spec.other_datasets.items()],
        weights=asked.weights or _one_option(weights),
        precision=spec.precision,
        smoke=spec.smoke,
        before=spec,
    )
    now = inputs.spec(
        spec.challenge, seeds=spec.seeds, search_seed=spec.search_seed, metric=spec.metric, backbone=spec.backbone
    )
    options = {
        "dataset": "--dataset",
        "protocol": "--group-by",
        "weights": "--weights",
        "other_datasets": "--also",
    }
    for found in differences(spec, now):
        if found.part in options:
            raise BadInput(
                f"Expected the {found.what} of the sweep ({found.before}); got {found.now}. Give the right ones with "
                f"{options[found.part]}."
            )
    return inputs


def image_sets_of(inputs: Inputs, approach: Approach, trial: TrialRecord, splits: Sequence[str]) -> dict[str, ImageSet]:
    """What the configuration looks at, with features that are missing computed by Ray."""
    views = approach.learner.needs(approach.learner.Config(**trial.params)).view_names
    names = [*(POOL if split == VALIDATION else split for split in splits), *inputs.other_datasets]
    if inputs.seconds_to_compute([approach], names, views):
        cluster.start_ray(None, None)
    try:
        return inputs.image_sets([approach], names, slots=cluster.Slots(None), views=views)
    finally:
        # Should Ray not end, nothing was compared.
        cluster.stop_ray(1)


def trial_of(trials: Sequence[TrialRecord], approach: str, number: int) -> TrialRecord:
    """The search trial of that approach and number.

    Raises:
        BadInput: There is none.
    """
    known = sorted({trial.approach for trial in trials})
    own = searched(trials, approach)
    if not own:
        raise BadInput(f"Expected --approach from {', '.join(known)}; got {approach!r}.")
    for trial in own:
        if trial.number == number:
            return trial
    raise BadInput(f"Expected --trial from 0 to {len(own) - 1} for {approach}; got {number}.")


def _one_option(sources: set[str]) -> str:
    """What `--weights` must be to find these sources again."""
    files = sorted(filter(is_file, sources))
    return AUTO if not files else str(Path(files[0]).parent if len(sources) > 1 else files[0])


def _same(found: Sequence[SeedResult], recorded: Sequence[SeedResult], classes: Sequence[str]) -> bool:
    by_split = {result.split: result for result in recorded}
    return all(
        metrics_of(result, classes) == metrics_of(by_split[result.split], classes)
        for result in found
        if result.split in by_split
    )


def _otherwise(journal: Journal) -> str:
    """Where a start of the sweep had another processor or version than there is now, by which numbers may differ."""
    origin = provenance.of_this_start()
    now = {"processor": origin.processor, **origin.versions}
    then = {
        f"{name} {was}, now {now.get(name, 'unknown')}": None
        for start in journal.starts
        for name, was in {"processor": start.processor, **start.versions}.items()
        if was != now.get(name)
    }
    return f" The sweep was started with {'; '.join(then)}." if then else ""


def _compared(found: Sequence[SeedResult], recorded: Sequence[SeedResult], classes: Sequence[str]) -> str:
    """A row for each split and metric: recorded, now. Of changed images, only what differs, and how many do not."""
    by_split = {result.split: result for result in recorded}
    rows, same = [], 0
    for result in found:
        if result.error:
            return f"Failed: {result.error}"
        before = metrics_of(by_split[result.split], classes) if result.split in by_split else {}
        metrics = metrics_of(result, classes)
        if changed_images.is_changed(result.split) and metrics == before:
            same += 1
            continue
        for metric, now in metrics.items():
            then = before.get(metric)
            rows.append(
                {
                    "split": result.split,
                    "metric": metric,
                    "recorded": "none" if then is None else repr(then),
                    "now": repr(now),
                    "": "" if then is None else "same" if now == then else "DIFFERENT",
                }
            )
    changed = f"\n\nThe same on {same} sets of changed test images, the unchanged among them." if same else ""
    return aligned(rows, left=("split", "metric")) + changed
