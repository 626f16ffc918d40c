"""The whole way of a sweep, from the command to the answer; `Road` is what other commands go too."""

from __future__ import annotations

import os
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import ray

from sweeps import answer, engine, marks, mlflow_uri, options, plan, provenance, resuming, tables, tracking
from sweeps.agenda import Agenda
from sweeps.bad_input import BadInput, path_of
from sweeps.challenge import Approach, Challenge
from sweeps.endings import ENDED_BY, Signals, exit_code
from sweeps.given import GivenAgenda
from sweeps.materials import Materials
from sweeps.options import AnyOptions
from sweeps.progress import Progress, duration
from sweeps.record import Record
from trainables.protocol import NUMBERS_VERSION, VALIDATION, ImageSet

# A sweep's record, tables and report take a few megabytes.
LEAST_FREE_BYTES = 50 << 20


def command(kind: type[Road[Any]], challenge: Challenge, arguments: Sequence[str] | None) -> int:
    """The same for any kind of road."""

    def run() -> int:
        given = options.parse(challenge, arguments, kind.options_kind)
        if given.get("list"):
            print(answer.listing(challenge))
            return 0
        return kind.prepare(challenge, given).run()

    return exit_code(challenge.name, run)


@dataclass(kw_only=True)
class Road(ABC, Generic[AnyOptions]):
    """One run over a challenge's approaches with everything it needs at hand.

    Subclasses say what runs and what a person is told of it: the methods without a body.
    """

    # The class of `options`.
    options_kind: ClassVar[type[Any]]

    challenge: Challenge
    options: AnyOptions
    approaches: tuple[Approach, ...]
    materials: Materials
    tracking_uri: str
    # The spec of the sweep that is resumed; empty for a new one.
    before: Mapping[str, Any] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)
    # What is in Ray's object store so far.
    image_sets: dict[str, ImageSet] = field(default_factory=dict)
    weights_to_train: dict[str, ray.ObjectRef] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)
    # Where a Ray that was started here has its logs.
    ray_logs: Path | None = None

    @classmethod
    def prepare(cls, challenge: Challenge, given: dict[str, Any]) -> Self:
        """Check everything that can be checked, and find the images and weights. Starts and writes nothing.

        Raises:
            BadInput: Something that was asked for cannot be.
        """
        results = path_of(given.get("results_dir", options.Options().results_dir))
        remembered, spec = resuming.remembered(challenge, given, results)
        asked = options.complete(challenge, given, remembered, cls.options_kind)
        check_place(results)
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
            resuming.check_same(spec, sweep.spec)
            resuming.check_spaces(Record(sweep.folder, write=False), approaches)
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
            "numbers_version": NUMBERS_VERSION,
        }

    @property
    def whole_spec(self) -> dict[str, Any]:
        """The spec with the weights and other data sets of approaches that this start leaves out."""
        whole = self.spec
        for key in ("weights", "weights_fingerprint", "others", "others_fingerprint"):
            whole[key] = {**self.before.get(key, {}), **whole[key]}
        return whole

    def run(self) -> int:
        """Do it all and print the answer; returns the exit code."""
        for notice in self.materials.notices:
            print(answer.framed(notice))
        if self.options.dry_run:
            print(self._plan(Record(self.folder, write=False) if self.before else None))
            return 0
        self.signals.listen()
        record: Record | None = None
        tracker: tracking.Tracking | None = None
        code = 1
        try:
            if engine.cluster_address(self.options.address):
                # Whether a cluster is there is known only by connecting, which should be before anything is written.
                self._start_ray()
            record = Record(self.folder, write=True)
            print(self._plan(record))
            print(f"\nSweep {self.folder.name}: everything goes to {self.folder}")
            print(f"Watch it meanwhile with: {mlflow_uri.ui_command(self.tracking_uri)}\n", flush=True)
            start = self._start()
            record.begin(self.whole_spec, start)
            self.signals.last_words = self._how_to_go_on
            tracker = self._tracker(record, start)
            self._push_earlier(record, tracker)
            self._run_all(record, tracker)
            code = 0
        except tuple(ENDED_BY) as signalled:
            code = ENDED_BY[type(signalled)]
        except BadInput:
            code = 2
            raise
        except Exception as error:
            print(f"{self.challenge.name}: stopped by {_in_one_line(error)}", file=sys.stderr)
        finally:
            # What follows ends by itself; only a second signal ends it at once.
            self.signals.is_seen = True
            try:
                if record is not None and tracker is not None:
                    code = self._end(record, tracker, code)
            finally:
                if record is not None:
                    record.close()
                engine.stop_ray(code, self.ray_logs)
                self.signals.restore()
        return code

    @abstractmethod
    def _work(self, record: Record | None) -> plan.Work:
        """What is to be done, or what of it the record lacks."""

    @abstractmethod
    def _tags(self) -> dict[str, str]:
        """More about this start for its run in MLflow."""

    @abstractmethod
    def _run_all(self, record: Record, tracker: tracking.Tracking) -> None:
        """Run every stage to its end."""

    @abstractmethod
    def _summary(self, record: Record, approaches: Sequence[Approach]) -> dict[str, Any]:
        """What came out, as it goes into `summary.json`."""

    @abstractmethod
    def _for_mlflow(self, found: dict[str, Any]) -> tuple[dict[str, float], str]:
        """Metrics and Markdown description of the run in MLflow, from the summary."""

    @abstractmethod
    def _answer(self, found: dict[str, Any]) -> str:
        """What a person reads at the end, from the summary."""

    def _report(
        self, record: Record, approaches: Sequence[Approach], found: dict[str, Any]
    ) -> tuple[list[Path], list[str]]:
        """Write more files for a person; they and what is said of them."""
        return [], []

    @abstractmethod
    def _ways_on(self, record: Record) -> list[str]:
        """What could be done after all of it was."""

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return answer.resume_command(self.challenge, self.options, self.folder)

    def _plan(self, record: Record | None) -> str:
        connected = ray.is_initialized()
        slots = engine.Slots(self.options.workers)() if connected else self.options.workers or os.cpu_count() or 1
        work = self._work(record)
        # The test split's features are computed for the winners only, which are not known yet.
        names = [VALIDATION, *self.materials.others]
        to_compute = self.materials.seconds_to_compute(self.approaches, names, work.views)
        return plan.text(self.challenge, work, self.materials, marks.warnings(self.whole_spec), to_compute, slots)

    def _start(self) -> dict[str, Any]:
        return {
            "resume": self.resume_command,
            "tracking_uri": mlflow_uri.without_password(self.tracking_uri),
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
            **self._tags(),
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

    def _push_earlier(self, record: Record, tracker: tracking.Tracking) -> None:
        """Give MLflow what earlier starts finished; it is written only where it lacks."""
        for trial in record.trials():
            if trial.state != "RUNNING":
                tracker.push(trial)

    def _run(self, agenda: Agenda, what: str, splits: Sequence[str]) -> None:
        """Run one stage, with the images of `splits` and of other data sets, and no more, within the workers' reach."""
        self.signals.stop_if_one_came()
        if agenda.is_finished():
            return
        if not ray.is_initialized():
            self._start_ray()
        slots = engine.Slots(self.options.workers)
        names = [*splits, *self.materials.others]
        for name in names:
            if name not in self.image_sets:
                self.image_sets |= self.materials.image_sets(
                    self.approaches,
                    [name],
                    in_store=True,
                    slots=slots,
                    views=self._views(agenda) if isinstance(agenda, GivenAgenda) else None,
                    interrupt=self.signals.stop_if_one_came,
                )
        if not self.weights_to_train:
            self.weights_to_train = self.materials.weights_to_train(self.approaches, in_store=True)
        before = agenda.seeds_done
        with Progress(what, agenda.seeds_left, "seeds") as progress:

            def watch() -> None:
                done = agenda.seeds_done - before
                progress.show(done, done + agenda.seeds_left, agenda.seconds_left / slots(), agenda.best_so_far())

            engine.run(
                agenda,
                trainables={approach.name: approach.trainable for approach in self.approaches},
                image_sets={name: self.image_sets[name] for name in names},
                weights=self.weights_to_train,
                slots=slots,
                seed_timeout=self.options.seed_timeout,
                watcher=watch,
                interrupt=self.signals.stop_if_one_came,
            )
        self.signals.stop_if_one_came()

    def _views(self, agenda: GivenAgenda) -> set[str]:
        """What the agenda's tasks look at, which spares most of the backbones' work."""
        trainables = {approach.name: approach.trainable for approach in self.approaches}
        return {
            view
            for task in agenda.waiting
            for view in trainables[task.approach].views(trainables[task.approach].Config(**task.params))
        }

    def _start_ray(self) -> None:
        self.ray_logs = engine.start_ray(self.options.address, self.options.workers)

    @property
    def _how_to_go_on(self) -> str:
        return f"\nNot finished; everything so far is saved. Go on with:\n    {self.resume_command}"

    def _end(self, record: Record, tracker: tracking.Tracking, code: int) -> int:
        """Show what was found, as far as the disk lets us; returns the exit code."""
        try:
            self._put_back(record)
            try:
                code = self._show(record, tracker, code)
            finally:
                # Again, since that took its time; tables and report went too, and are written when it is resumed.
                if self._put_back(record):
                    code = code or 1
        except Exception as error:
            code = 1
            print(f"{self.challenge.name}: the end could not be written ({_in_one_line(error)})", file=sys.stderr)
        if code in (1, 130, 143):
            print(self._how_to_go_on, file=sys.stderr)
        return code

    def _put_back(self, record: Record) -> bool:
        """Restore the record if somebody deleted it; whether that was so."""
        was_gone = record.put_back_if_gone()
        if was_gone:
            print(f"{self.challenge.name}: {record.path} had been deleted; it is there again.", file=sys.stderr)
        return was_gone

    def _show(self, record: Record, tracker: tracking.Tracking, code: int) -> int:
        """Write the files, finish MLflow, and print what a person wants to know; returns the exit code."""
        names = {*self.options.approaches, *record.approaches()}
        everything = [approach for approach in self.challenge.approaches if approach.name in names]
        found = self._summary(record, everything)
        try:
            tables.write_files(record, everything, found)
        except OSError as error:
            print(f"{self.challenge.name}: the tables could not be written ({error})", file=sys.stderr)
            code = code or 1
        if code == 0 and not any(trial.state == "COMPLETE" for trial in record.trials()):
            print(f"{self.challenge.name}: no configuration completed; see the reasons in trials.csv", file=sys.stderr)
            code = 1
        metrics, note = self._for_mlflow(found)
        files = [path for name in tables.FILES if (path := self.folder / name).is_file()]
        more_files, told = self._report(record, everything, found)
        status = {0: "FINISHED", 130: "KILLED", 143: "KILLED"}.get(code, "FAILED")
        patience = tracking.DRAIN_SECONDS if code == 0 else tracking.HURRIED_DRAIN_SECONDS
        tracker.close(status, metrics, note, [*files, *more_files], ended_ms=_last_ms(record), patience=patience)
        print(flush=True)
        print(self._answer(found), end="\n\n")
        resume = self.resume_command
        lines = [*told, answer.record_line(self.folder), *tracker.where_to_look()]
        if code == 0:
            lines += self._ways_on(record)
        if tracker.trouble:
            lines.append(
                f"MLflow did not take everything ({tracker.trouble}). The record has it all; once MLflow is back, this "
                f"writes what is missing: {resume}"
            )
        lines.append(f"Took    {duration(time.monotonic() - self.begin)}")
        print("\n".join(lines), flush=True)
        return code


def _last_ms(record: Record) -> int:
    """When the last seed in the record finished, else when the sweep began."""
    stamps = [result.timestamp_ms for trial in record.trials() for result in trial.results]
    return max(stamps, default=int(record.starts[0]["time_ms"]))


def check_place(results: Path) -> None:
    """Refuse to begin where results have no room, or would be deleted.

    Raises:
        BadInput: There is hardly any room where results go, or it is a folder that Ray made for a job's code.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not results.is_absolute():
        raise BadInput(
            f"Expected an absolute path for a job's results, since Ray deletes the folder it runs in; got {results}. "
            f"Give one with --results-dir, or set {options.RESULTS_VARIABLE} before `ray start` on the head."
        )
    there = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise BadInput(
            f"Expected at least {LEAST_FREE_BYTES >> 20} MiB free for results in {results}; got {free >> 20}. Free "
            "some, or give another folder with --results-dir."
        )


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"
