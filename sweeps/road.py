"""The whole way of a sweep, from the command to the answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from sweeps import answer, engine, marks, mlflow_uri, options, plan, provenance, report, tables, tracking
from sweeps.agenda import Agenda
from sweeps.bad_input import BadInput, path_of
from sweeps.challenge import Approach, Challenge
from sweeps.confirm import ConfirmAgenda
from sweeps.endings import ENDED_BY, Signals, exit_code
from sweeps.materials import Materials
from sweeps.options import SweepOptions
from sweeps.progress import Progress, duration
from sweeps.record import JOURNAL, Record
from sweeps.search import SearchAgenda
from sweeps.weights import IMAGENET, RANDOM
from trainables.backbones import BACKBONES
from trainables.protocol import NUMBERS_VERSION, TEST, VALIDATION, ImageSet

# What a sweep's numbers depend on besides its materials, and what each is called on the command line.
FIXED = {
    "numbers_version": "version of the training code",
    "dataset_fingerprint": "images",
    "precision": "--precision",
    "smoke": "--smoke",
    "seeds": "--seeds",
    "search_seed": "--search-seed",
}


def main(challenge: Challenge, arguments: Sequence[str] | None = None) -> int:
    """Run a challenge's command and return its exit code, as `exit_code` has them."""

    def run() -> int:
        given = options.parse(challenge, arguments)
        if given.get("list"):
            print(answer.listing(challenge))
            return 0
        return Sweep.prepare(challenge, given).run()

    return exit_code(challenge.name, run)


@dataclass(kw_only=True)
class Sweep:
    """One sweep with everything it needs at hand."""

    challenge: Challenge
    options: SweepOptions
    approaches: tuple[Approach, ...]
    materials: Materials
    tracking_uri: str
    # Whether losing configurations are stopped early; the benchmarks compare with and without.
    racing: bool = True
    # The spec of the sweep that is resumed; empty for a new one.
    before: Mapping[str, Any] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)
    # What is in Ray's object store so far.
    image_sets: dict[str, ImageSet] = field(default_factory=dict)
    weights_to_train: dict[str, ray.ObjectRef] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)

    @classmethod
    def prepare(cls, challenge: Challenge, given: dict[str, Any]) -> Sweep:
        """Check everything that can be checked, and find the images and weights. Starts and writes nothing.

        Raises:
            BadInput: Something that was asked for cannot be.
        """
        results = path_of(given.get("results_dir", SweepOptions().results_dir))
        remembered, spec = _remembered(challenge, given, results)
        asked = options.complete(challenge, given, remembered)
        uri = mlflow_uri.resolve_uri(asked.tracking_uri)
        mlflow_uri.check_uri(uri)
        if asked.address:
            engine.check_address(asked.address)
        approaches = challenge.named(list(asked.approaches))
        materials = Materials.find(
            approaches,
            results,
            dataset=asked.dataset,
            weights=asked.weights,
            breastmnist=asked.breastmnist,
            precision=asked.precision,
            smoke=asked.smoke,
        )
        sweep = cls(
            challenge=challenge,
            options=asked,
            approaches=approaches,
            materials=materials,
            tracking_uri=uri,
            before=spec,
        )
        if spec:
            sweep.check_same()
        return sweep

    @property
    def folder(self) -> Path:
        """Where everything of this sweep lies."""
        return path_of(self.options.results_dir) / (self.options.resume or self.options.name)

    @property
    def spec(self) -> dict[str, Any]:
        """What every number of this start depends on; it stays the same when the sweep is resumed."""
        return {
            "challenge": self.challenge.name,
            **self.materials.spec(),
            "seeds": self.options.seeds,
            "search_seed": self.options.search_seed,
            "numbers_version": NUMBERS_VERSION,
        }

    @property
    def whole_spec(self) -> dict[str, Any]:
        """The spec with the weights and other data sets of approaches that this start leaves out."""
        whole = self.spec
        for key in ("weights", "weights_fingerprint", "others", "others_fingerprint"):
            whole[key] = {**self.before.get(key, {}), **whole[key]}
        return whole

    def check_same(self) -> None:
        """Refuse to go on with a sweep whose numbers would not be comparable with those it has.

        Raises:
            BadInput: Something that must stay the same does not.
        """
        before, now = self.before, self.spec
        pairs = [(what, before.get(key), now[key]) for key, what in FIXED.items()]
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

    def run(self) -> int:
        """Do it all and print the answer; returns the exit code."""
        self.signals.listen()
        for notice in self.materials.notices:
            print(answer.framed(notice))
        if self.options.dry_run:
            print(self._plan({}))
            return 0
        if engine.cluster_address(self.options.address):
            # Whether a cluster is there is known only by connecting, which should be before anything is written.
            self._start_ray()
        record = Record(self.folder, write=True)
        tracker: tracking.Tracking | None = None
        code = 1
        try:
            print(self._plan(_begun(record)))
            print(f"\nSweep {self.folder.name}: everything goes to {self.folder}")
            print(f"Watch it meanwhile with: {mlflow_uri.ui_command(self.tracking_uri)}\n", flush=True)
            start = self._start()
            record.begin(self.whole_spec, start)
            tracker = self._tracker(record, start)
            self._search_and_confirm(record, tracker)
            code = 0
        except tuple(ENDED_BY) as signalled:
            code = ENDED_BY[type(signalled)]
        except BadInput:
            code = 2
            raise
        except Exception as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"{self.challenge.name}: stopped by {type(error).__name__}: {first_line}", file=sys.stderr)
        finally:
            # What is left is short; another signal must not tear it.
            self.signals.ignore()
            if tracker is not None:
                code = self._show(record, tracker, code)
            record.close()
            engine.stop_ray(code)
            self.signals.restore()
        return code

    def _plan(self, begun: Mapping[str, int]) -> str:
        connected = ray.is_initialized()
        slots = engine.slots(self.options.workers) if connected else self.options.workers or os.cpu_count() or 1
        # The test split's features are computed for the winners only, which are not known yet.
        to_compute = self.materials.seconds_to_compute(self.approaches, [VALIDATION, *self.materials.others])
        return plan.text(
            self.challenge,
            self.options,
            self.approaches,
            self.materials,
            marks.warnings(self.whole_spec),
            to_compute,
            slots,
            begun,
        )

    def _start(self) -> dict[str, Any]:
        return {
            **provenance.of_this_start(),
            "options": options.as_remembered(self.options, **self.materials.found()),
            "marks": marks.of_sweep(self.whole_spec),
            "notices": list(self.materials.notices),
        }

    def _tracker(self, record: Record, start: Mapping[str, Any]) -> tracking.Tracking:
        sweep_tags = {
            **marks.of_sweep(self.whole_spec),
            "command": start["command"],
            "git_revision": start["git_revision"],
            "approaches": ", ".join(self.options.approaches),
            "num_samples": str(self.options.num_samples),
            "confirm_seeds": str(self.options.confirm_seeds),
        }
        params = {
            **{key: value for key, value in self.spec.items() if not isinstance(value, dict | list)},
            **{f"weights_fingerprint.{name}": each.fingerprint for name, each in self.materials.weights.items()},
            **{f"others_fingerprint.{name}": each.fingerprint for name, each in self.materials.others.items()},
        }
        return tracking.Tracking(
            self.tracking_uri,
            folder=self.folder,
            sweep_id=record.id,
            begun_ms=record.starts[0]["time_ms"],
            experiment=f"seedsweep {self.challenge.name}",
            tags=provenance.mlflow_tags(start),
            approach_tags={each.name: marks.of_approach(self.whole_spec, each) for each in self.challenge.approaches},
            sweep_tags=sweep_tags,
            params=params,
            test_counts=tuple(self.spec["test_counts"]),
            examples=[approach.reported.params for approach in self.approaches],
        )

    def _search_and_confirm(self, record: Record, tracker: tracking.Tracking) -> None:
        for trial in record.trials():
            # From earlier starts; MLflow is given only what it lacks.
            if trial.state != "RUNNING":
                tracker.push(trial)

        search = SearchAgenda(
            record,
            self.approaches,
            tracker.push,
            num_samples=self.options.num_samples,
            seeds=self.options.seeds,
            search_seed=self.options.search_seed,
            time_budget=self.options.time_budget,
            racing=self.racing,
        )
        self._run(search, "Search", [VALIDATION])
        confirm = ConfirmAgenda(record, self.approaches, tracker.push, seeds=self.options.confirm_seeds)
        self._run(confirm, "Confirm", [VALIDATION, TEST])

    def _run(self, agenda: Agenda, what: str, splits: Sequence[str]) -> None:
        """Run one stage, with the images of `splits` and of other data sets, and no more, within the workers' reach."""
        self.signals.stop_if_one_came()
        if agenda.is_finished():
            return
        if not ray.is_initialized():
            self._start_ray()
        slots = engine.slots(self.options.workers)
        names = [*splits, *self.materials.others]
        for name in names:
            if name not in self.image_sets:
                self.image_sets |= self.materials.image_sets(
                    self.approaches,
                    [name],
                    in_store=True,
                    views=self._views(agenda) if name == TEST else None,
                    interrupt=self.signals.stop_if_one_came,
                )
        if not self.weights_to_train:
            self.weights_to_train = self.materials.weights_to_train(self.approaches, in_store=True)
        before = agenda.seeds_done
        with Progress(what, agenda.seeds_left, "seeds") as progress:

            def watch() -> None:
                done = agenda.seeds_done - before
                progress.show(done, done + agenda.seeds_left, agenda.seconds_left / slots, agenda.best_so_far())

            engine.run(
                agenda,
                trainables={approach.name: approach.trainable for approach in self.approaches},
                image_sets={name: self.image_sets[name] for name in names},
                weights=self.weights_to_train,
                slots=slots,
                watcher=watch,
                interrupt=self.signals.stop_if_one_came,
            )
        self.signals.stop_if_one_came()

    def _views(self, agenda: Agenda) -> set[str]:
        """What the agenda's waiting tasks look at, which spares the test split most of the backbones' work."""
        trainables = {approach.name: approach.trainable for approach in self.approaches}
        return {
            view
            for task in agenda.waiting
            for view in trainables[task.approach].views(trainables[task.approach].Config(**task.params))
        }

    def _start_ray(self) -> None:
        engine.start_ray(self.options.address, self.options.workers)
        # Ray has put its own handler in the place of ours, which would end us without a word.
        self.signals.listen()

    def _show(self, record: Record, tracker: tracking.Tracking, code: int) -> int:
        """Write the files, finish MLflow, and print what a person wants to know; returns the exit code."""
        names = {*self.options.approaches, *record.approaches()}
        everything = [approach for approach in self.challenge.approaches if approach.name in names]
        try:
            found = tables.write_files(record, everything)
        except OSError as error:
            print(f"{self.challenge.name}: the tables could not be written ({error})", file=sys.stderr)
            found = tables.summary(record, everything)
            code = code or 1
        if code == 0 and not any(row["configurations"]["complete"] for row in found["approaches"]):
            print(f"{self.challenge.name}: no configuration completed; see the reasons in trials.csv", file=sys.stderr)
            code = 1
        metrics, note = answer.of_sweep(found, marks.warnings(self.whole_spec))
        files = [path for name in tables.FILES if (path := self.folder / name).is_file()]
        reported, trouble = report.try_to_write(record, everything, found)
        status = {0: "FINISHED", 130: "KILLED", 143: "KILLED"}.get(code, "FAILED")
        patience = tracking.DRAIN_SECONDS if code == 0 else tracking.HURRIED_DRAIN_SECONDS
        tracker.close(status, metrics, note, [*files, *reported], ended_ms=_last_ms(record), patience=patience)
        print(flush=True)
        print(answer.results(found, self.folder, marks.warnings(self.whole_spec)), end="\n\n")
        resume = answer.resume_command(self.challenge, self.options, self.folder)
        lines = [trouble or f"Report  {self.folder / report.HTML}", answer.record_line(self.folder)]
        lines += tracker.where_to_look()
        if code == 0:
            lines.append(f"Extend  {resume} --num-samples {2 * self.options.num_samples}")
        begun = _begun(record)
        short = [name for name in self.options.approaches if begun.get(name, 0) < self.options.num_samples]
        if code == 0 and short:
            lines.append(f"The time budget ended before all configurations of {', '.join(short)}; go on with: {resume}")
        if tracker.trouble:
            lines.append(
                f"MLflow did not take everything ({tracker.trouble}). The record has it all; once MLflow is back, this "
                f"writes what is missing: {resume}"
            )
        lines.append(f"Took    {duration(time.monotonic() - self.begin)}")
        print("\n".join(lines), flush=True)
        if code in (1, 130, 143):
            print(f"\nNot finished; everything so far is saved. Go on with:\n    {resume}", file=sys.stderr)
        return code


def _remembered(challenge: Challenge, given: dict[str, Any], results: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last start's options and the spec of the sweep to resume; both empty for a new one, which gets its name.

    Raises:
        BadInput: There is nothing of that name to resume, or something of that name where there must be nothing.
    """
    if "resume" not in given:
        given.setdefault("name", time.strftime(f"{challenge.name}-%Y%m%d-%H%M%S"))
        folder = results / given["name"]
        if folder.exists():
            raise BadInput(f"Expected a new --name; {folder} exists. Use --resume {given['name']} to go on with it.")
        return {}, {}
    folder = results / given["resume"]
    if not (folder / JOURNAL).is_file():
        raise BadInput(
            f"Expected a sweep to resume at {folder}; there is none. Check --resume and --results-dir, or begin one "
            f"with --name {given['resume']}."
        )
    record = Record(folder, write=False)
    if not record.starts:
        raise BadInput(f"Expected a sweep to resume at {folder}; it had not begun. Delete it and begin anew.")
    if record.spec["challenge"] != challenge.name:
        raise BadInput(
            f"Expected a sweep of {challenge.name} at {folder}; it is one of {record.spec['challenge']}. "
            f"Use sweeps/{record.spec['challenge']}.py."
        )
    return record.starts[-1]["options"], record.spec


def _begun(record: Record) -> dict[str, int]:
    """Configurations in the record, by approach."""
    return {name: len(record.study(name).get_trials(deepcopy=False)) for name in record.approaches()}


def _last_ms(record: Record) -> int:
    """When the last seed in the record finished, else when the sweep began."""
    stamps = [result.timestamp_ms for trial in record.trials() for result in trial.results]
    return max(stamps, default=int(record.starts[0]["time_ms"]))


def _kinds(weights: Mapping[str, str]) -> list[str]:
    """What kinds of weights those are that `--weights` decides on."""
    sources = {source for backbone, source in weights.items() if BACKBONES[backbone].pretrained}
    return sorted({source if source in (IMAGENET, RANDOM) else "files" for source in sources})
