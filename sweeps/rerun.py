"""Train one seed of one configuration again and compare it with the record.

python sweeps/rerun.py results/NAME --approach cnn_cirillo --trial 7 --seed 1003
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Until all is imported there is nothing to save, and nothing to say.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

from sweeps import challenge1, challenge2, engine, provenance, reported
from sweeps.bad_input import BadInput, path_of
from sweeps.endings import exit_code
from sweeps.materials import Materials
from sweeps.options import OneSentenceParser, non_empty, whole_number
from sweeps.record import SEARCH, Record, TrialRecord, confirmed_results
from sweeps.tables import aligned
from trainables.backbones import BACKBONES
from trainables.data import BREASTMNIST, PHANTOM
from trainables.metrics import METRICS
from trainables.protocol import NUMBERS_VERSION, TEST, VALIDATION, SeedResult, prepare_worker, run_seed

CHALLENGES = {each.CHALLENGE.name: each.CHALLENGE for each in (challenge1, challenge2, reported)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if every number is the recorded one or there is none, 1 if one differs, 2 for bad input."""
    return exit_code("rerun", lambda: rerun(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = OneSentenceParser(prog="rerun.py", description="Train one seed of one configuration again.")
    add = parser.add_argument
    add("folder", type=non_empty, help="the sweep's folder, such as results/NAME")
    add("--approach", type=non_empty, required=True, help="the approach")
    add("--trial", type=whole_number(0), required=True, help="number of the configuration, as in trials.csv")
    add(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        required=True,
        help="the seed: from 0 the study's, from 1000 the search's, from 2000 the confirmation's; any that "
        "the record lacks is trained without anything to compare with",
    )
    add("--dataset", type=non_empty, help="where the images are, if not where they were")
    add("--weights", type=non_empty, help="where the weights are, if not where they were")
    add("--breastmnist", type=non_empty, help="where BreastMNIST's images are, if not where they were")
    return parser


def rerun(options: argparse.Namespace) -> int:
    """Train the seed and print its numbers beside the recorded ones.

    Raises:
        BadInput: There is no such configuration, or its images or weights are not at hand.
    """
    record = Record(path_of(options.folder), write=False)
    spec = record.spec
    if spec.get("challenge") not in CHALLENGES:
        raise BadInput(f"Expected a sweep that has begun in {options.folder}; got one without a beginning.")
    if spec.get("numbers_version") != NUMBERS_VERSION:
        raise BadInput(
            f"Expected training code of version {spec.get('numbers_version')}, which made this sweep; got "
            f"{NUMBERS_VERSION}. Check out {record.starts[-1]['git_revision']}."
        )
    challenge = CHALLENGES[spec["challenge"]]
    trials = record.trials()
    trial = _find(trials, options.approach, options.trial)
    try:
        (approach,) = challenge.named([options.approach])
    except ValueError as error:
        raise BadInput(str(error)) from None
    backbones = {each.backbone for each in approach.trainable.features if BACKBONES[each.backbone].pretrained}
    weights = {source for backbone, source in spec["weights"].items() if backbone in backbones}
    materials = Materials.find(
        [approach],
        record.folder.parent,
        dataset=options.dataset or spec["dataset"],
        weights=options.weights or (_one_option(weights) if weights else "random"),
        breastmnist=options.breastmnist or (spec["others"][BREASTMNIST] if approach.trainable.others else PHANTOM),
        precision=spec["precision"],
        smoke=spec["smoke"],
    )
    _check_same(spec, materials)
    before = trial.results + confirmed_results(trials, trial.approach, trial.number)
    recorded = [result for result in before if result.seed == options.seed]
    # The test split is opened only where it was opened before.
    splits = [VALIDATION, TEST] if any(result.split == TEST for result in recorded) else [VALIDATION]
    views = approach.trainable.views(approach.trainable.Config(**trial.params))
    names = [*splits, *materials.others]
    logs = engine.start_ray(None, None) if materials.seconds_to_compute([approach], names, views) else None
    try:
        image_sets = materials.image_sets([approach], names, in_store=False, slots=engine.Slots(None), views=views)
    finally:
        # Should Ray not end, nothing was compared.
        engine.stop_ray(1, None)
        if logs:
            shutil.rmtree(logs, ignore_errors=True)
    prepare_worker()
    weights_to_train = materials.weights_to_train([approach], in_store=False)
    found = run_seed(approach.trainable, trial.params, options.seed, image_sets, splits, weights=weights_to_train)
    print(_compared(found, recorded))
    if not recorded:
        print(f"Seed {options.seed} is not in the record of this configuration; there is nothing to compare with.")
    elif _same(found, recorded):
        print("The same numbers as in the record.")
    else:
        print(f"NOT the numbers in the record.{_otherwise(record)}")
    return 0 if not recorded or _same(found, recorded) else 1


def _find(trials: Sequence[TrialRecord], approach: str, number: int) -> TrialRecord:
    known = sorted({trial.approach for trial in trials})
    own = [trial for trial in trials if trial.approach == approach and trial.stage == SEARCH]
    if not own:
        raise BadInput(f"Expected --approach from {', '.join(known)}; got {approach!r}.")
    for trial in own:
        if trial.number == number:
            return trial
    raise BadInput(f"Expected --trial from 0 to {len(own) - 1} for {approach}; got {number}.")


def _one_option(sources: set[str]) -> str:
    """What `--weights` must be to find these sources again."""
    source = min(sources)
    return source if source in ("imagenet", "random") else str(Path(source).parent if len(sources) > 1 else source)


def _check_same(spec: dict[str, Any], materials: Materials) -> None:
    now = materials.spec()
    pairs = [("images", now["dataset"], "--dataset", spec["dataset_fingerprint"], now["dataset_fingerprint"])]
    for key, what, option in (("weights", "weights", "--weights"), ("others", "images", "--breastmnist")):
        pairs += [
            (f"{what} of {name}", now[key][name], option, spec[f"{key}_fingerprint"].get(name), fingerprint)
            for name, fingerprint in now[f"{key}_fingerprint"].items()
        ]
    for what, source, option, before, fingerprint in pairs:
        if before != fingerprint:
            raise BadInput(
                f"Expected the {what} with fingerprint {before}; got {fingerprint} from {source}. Give the right ones "
                f"with {option}."
            )


def _same(found: Sequence[SeedResult], recorded: Sequence[SeedResult]) -> bool:
    by_split = {result.split: result for result in recorded}
    return all(
        getattr(result, metric) == getattr(by_split[result.split], metric)
        for result in found
        if result.split in by_split
        for metric in METRICS
    )


def _otherwise(record: Record) -> str:
    """Where a start of the sweep had another processor or version than there is now, by which numbers may differ."""
    now = _circumstances(provenance.of_this_start())
    then = {
        f"{name} {was}, now {now.get(name, 'unknown')}": None
        for start in record.starts
        for name, was in _circumstances(start).items()
        if was != now.get(name)
    }
    return f" The sweep was started with {'; '.join(then)}." if then else ""


def _circumstances(start: dict[str, Any]) -> dict[str, str]:
    return {"processor": start.get("processor", "unknown"), **start.get("versions", {})}


def _compared(found: Sequence[SeedResult], recorded: Sequence[SeedResult]) -> str:
    """A row a split and metric: recorded, now."""
    by_split = {result.split: result for result in recorded}
    rows = []
    for result in found:
        if result.error:
            return f"Failed: {result.error}"
        before = by_split.get(result.split)
        for metric in METRICS:
            now, then = getattr(result, metric), getattr(before, metric, None)
            rows.append(
                {
                    "split": result.split,
                    "metric": metric,
                    "recorded": "none" if then is None else repr(then),
                    "now": repr(now),
                    "": "" if then is None else "same" if now == then else "DIFFERENT",
                }
            )
    return aligned(rows, left=("split", "metric"))


if __name__ == "__main__":
    sys.exit(main())
