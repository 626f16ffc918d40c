"""The whole way of a sweep, from the command to the answer."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import optuna
import ray

from sweeps import engine, features, options, plan, tables, tracking
from sweeps.agenda import Agenda, ConfirmAgenda, SearchAgenda
from sweeps.challenge import Approach, Challenge
from sweeps.options import SweepOptions
from sweeps.progress import Progress, duration
from sweeps.record import SEARCH, BadInput, Record, trial_record
from sweeps.resources import Weights, find_dataset, find_weights
from trainables.backbones import FeatureSpec
from trainables.data import Dataset
from trainables.protocol import NUMBERS_VERSION, PIXELS, TEST, VALIDATION, ImageSet

SMOKE_FEATURE_PX = 64
DISTRIBUTIONS = ("ray", "optuna", "mlflow", "torch", "torchvision", "numpy", "scikit-learn")


class Terminated(BaseException):
    """SIGTERM: stop as for Ctrl-C. Not an Exception, so that nothing takes it for a configuration's failure."""


def main(challenge: Challenge, arguments: Sequence[str] | None = None) -> int:
    """Run a challenge's command and return its exit code.

    0 is done, 1 failed, 2 bad input (one sentence on stderr, nothing started), 130 after Ctrl-C and 143 after SIGTERM
    (everything finished is saved, and the command that goes on is printed).
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        given = options.parse(challenge, arguments)
        if given.get("list"):
            print(listing(challenge))
            return 0
        return Sweep.prepare(challenge, given).run()
    except BadInput as error:
        print(f"{challenge.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def listing(challenge: Challenge) -> str:
    """What each approach is, its published result, and the published setting."""
    lines = [challenge.title]
    for approach in challenge.approaches:
        reported = approach.reported
        result = "no published result"
        if reported.mean is not None:
            seeds = f" over {reported.seeds} seeds" if reported.seeds else ""
            result = f"published {reported.mean} +- {reported.sd} %{seeds}"
        setting = ", ".join(f"{name}={value}" for name, value in reported.params.items())
        lines += ["", f"{approach.name}: {approach.about}", f"    {result}; {reported.note}", f"    {setting}"]
    return "\n".join(lines)


@dataclass(kw_only=True)
class Sweep:
    """One sweep with everything it needs at hand."""

    challenge: Challenge
    options: SweepOptions
    approaches: tuple[Approach, ...]
    dataset: Dataset
    weights: dict[str, Weights]
    notices: list[str]
    uri: str
    begin: float = field(default_factory=time.monotonic)
    slots: int = 0
    racing: bool = True

    @classmethod
    def prepare(cls, challenge: Challenge, given: dict[str, Any]) -> Sweep:
        """Check everything that can be checked, and find the images and weights. Changes nothing.

        Raises:
            BadInput: Something that was asked for cannot be.
        """
        results = Path(given.get("results_dir", SweepOptions().results_dir)).expanduser()
        remembered: dict[str, Any] = {}
        if "resume" in given:
            folder = results / given["resume"]
            remembered = _remembered(challenge, given, folder)
        elif "name" in given and (results / given["name"]).exists():
            raise BadInput(
                f"Expected a new --name; {results / given['name']} exists. Use --resume {given['name']} to go on with it."
            )
        asked = options.complete(challenge, given, remembered)
        uri = tracking.resolve_uri(asked.tracking_uri)
        tracking.check_uri(uri)
        if asked.address:
            engine.check_address(asked.address)
        approaches = challenge.named(list(asked.approaches))
        dataset, image_notice = find_dataset(asked.dataset)
        backbones = sorted({spec.backbone for approach in approaches for spec in approach.trainable.features})
        weights, weight_notice = find_weights(asked.weights, backbones)
        notices = [notice for notice in (image_notice, weight_notice) if notice]
        if asked.smoke:
            notices.append("SMOKE RUN: everything is tiny; it shows that the system works, and no number means anything.")
        sweep = cls(
            challenge=challenge,
            options=asked,
            approaches=approaches,
            dataset=dataset,
            weights=weights,
            notices=notices,
            uri=uri,
        )
        if remembered:
            sweep.check_same(remembered["spec"])
        return sweep

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.options.resume or self.options.name or time.strftime(f"{self.challenge.name}-%Y%m%d-%H%M%S")

    @property
    def spec(self) -> dict[str, Any]:
        """What every number of the sweep depends on; it cannot change when the sweep is resumed."""
        return {
            "challenge": self.challenge.name,
            "dataset": self.dataset.source,
            "dataset_fingerprint": self.dataset.fingerprint,
            "weights": {name: each.source for name, each in self.weights.items()},
            "weights_fingerprint": {name: each.fingerprint for name, each in self.weights.items()},
            "seeds": self.options.seeds,
            "search_seed": self.options.search_seed,
            "smoke": self.options.smoke,
            "numbers_version": NUMBERS_VERSION,
        }

    def check_same(self, before: Mapping[str, Any]) -> None:
        """Refuse to go on with a sweep whose numbers would not be comparable with those it has.

        Raises:
            BadInput: Something that must stay the same does not.
        """
        now = self.spec
        for key, what in (
            ("dataset_fingerprint", "images"),
            ("seeds", "--seeds"),
            ("search_seed", "--search-seed"),
            ("smoke", "--smoke"),
            ("numbers_version", "version of the training code"),
        ):
            if before[key] != now[key]:
                raise BadInput(
                    f"Expected the {what} this sweep began with ({before[key]}); got {now[key]}. Begin a new sweep."
                )
        for name, fingerprint in now["weights_fingerprint"].items():
            old = before["weights_fingerprint"].get(name, fingerprint)
            if old != fingerprint:
                raise BadInput(
                    f"Expected the weights of {name} this sweep began with ({before['weights'][name]}, {old}); got "
                    f"{now['weights'][name]}, {fingerprint}. Begin a new sweep."
                )

    def run(self) -> int:
        """Do it all and print the answer; returns the exit code."""
        folder = Path(self.options.results_dir).expanduser() / self.name
        record = None if self.options.dry_run else Record(folder, write=True)
        for notice in self.notices:
            print(_framed(notice))
        print(self._plan(record))
        if record is None:
            return 0
        print(f"\nSweep {folder.name}: the record is {folder}\n", flush=True)
        start = self._start()
        record.begin({**record.spec, **self.spec}, start)
        tracker = self._tracker(folder.name, start)
        code, status = 1, "FAILED"
        try:
            self._push_all(record, tracker)
            self._search(record, tracker)
            self._confirm(record, tracker)
            code, status = 0, "FINISHED"
        except KeyboardInterrupt:
            code, status = 130, "KILLED"
        except Terminated:
            code, status = 143, "KILLED"
        except BadInput:
            raise
        except Exception as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"{self.challenge.name}: stopped by {type(error).__name__}: {first_line}", file=sys.stderr)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if ray.is_initialized():
                ray.shutdown()
            self._show(record, tracker, status)
            record.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if code:
            print(f"\nEverything finished is saved. Go on with:\n    {self._resume_command(folder)}", file=sys.stderr)
        return code

    def _plan(self, record: Record | None) -> str:
        begun: dict[str, int] = {}
        if record is not None and record.spec:
            begun = {name: len(record.study(name).trials) for name in record.approaches()}
        to_compute = features.images_to_compute(
            self._feature_specs(), self.dataset.pool_images, self.weights, self._features_folder(), self._size_px()
        )
        slots = self.options.workers or os.cpu_count() or 1
        return plan.text(
            self.challenge, self.options, self.approaches, self.dataset, self.weights, to_compute, slots, begun
        )

    def _start(self) -> dict[str, Any]:
        return {
            "time_ms": int(time.time() * 1000),
            "command": shlex.join(["python", *sys.argv]),
            "git_revision": git_revision(),
            "versions": {"python": platform.python_version()}
            | {name: importlib.metadata.version(name) for name in DISTRIBUTIONS},
            "options": options.as_remembered(self.options),
            "notices": self.notices,
        }

    def _tracker(self, name: str, start: Mapping[str, Any]) -> tracking.Tracking:
        marks = {"images": "phantom" if self.dataset.is_phantom else "real"}
        if self.weights:
            marks["weights"] = ", ".join(sorted({each.source for each in self.weights.values()}))
        if self.options.smoke:
            marks["smoke"] = "true"
        params = {
            "command": start["command"],
            "git_revision": start["git_revision"],
            "approaches": ", ".join(self.options.approaches),
            "num_samples": self.options.num_samples,
            "confirm_seeds": self.options.confirm_seeds,
            **{key: value for key, value in self.spec.items() if not isinstance(value, dict)},
            **{f"weights_fingerprint.{name}": each.fingerprint for name, each in self.weights.items()},
        }
        return tracking.Tracking(
            self.uri, sweep=name, experiment=f"seedsweep {self.challenge.name}", tags=marks, params=params
        )

    def _push_all(self, record: Record, tracker: tracking.Tracking) -> None:
        """Give MLflow what earlier starts have finished; it skips what it has."""
        for trial in record.trials():
            if trial.state != "RUNNING":
                tracker.push(trial)

    def _search(self, record: Record, tracker: tracking.Tracking) -> None:
        agenda = SearchAgenda(
            record,
            self.approaches,
            self._on_closed(record, tracker),
            num_samples=self.options.num_samples,
            seeds=self.options.seeds,
            search_seed=self.options.search_seed,
            time_budget=self.options.time_budget,
            racing=self.racing,
        )
        self._run(agenda, record, "Search", VALIDATION)

    def _confirm(self, record: Record, tracker: tracking.Tracking) -> None:
        agenda = ConfirmAgenda(
            record, self.approaches, self._on_closed(record, tracker), seeds=self.options.confirm_seeds
        )
        self._run(agenda, record, "Confirm", VALIDATION, TEST)

    def _on_closed(self, record: Record, tracker: tracking.Tracking) -> Any:
        def on_closed(approach: str, stage: str, number: int) -> None:
            frozen = record.study(approach, stage).get_trials(deepcopy=False)[number]
            tracker.push(trial_record(approach, stage, frozen))

        return on_closed

    def _run(self, agenda: Agenda, record: Record, what: str, *splits: str) -> None:
        """Run one stage, with the images of `splits` and no others within the workers' reach."""
        if agenda.is_finished():
            return
        if not ray.is_initialized():
            self.slots = engine.start_ray(self.options.address, self.options.workers)
        image_sets = self._image_sets(splits)
        best: dict[str, float] = {}

        with Progress(what, sum(tally.seeds_left for tally in agenda.tallies.values()), "seeds") as progress:
            done_before = sum(tally.seeds_done for tally in agenda.tallies.values())

            def watch() -> None:
                done = sum(tally.seeds_done for tally in agenda.tallies.values()) - done_before
                left = sum(tally.seeds_left for tally in agenda.tallies.values())
                seconds = sum(tally.seconds_left for tally in agenda.tallies.values()) / self.slots
                progress.show(done, done + left, seconds, self._best_note(record, agenda, best))

            trainables = {approach.name: approach.trainable for approach in self.approaches}
            engine.run(agenda, trainables=trainables, image_sets=image_sets, slots=self.slots, watcher=watch)

    def _best_note(self, record: Record, agenda: Agenda, best: dict[str, float]) -> str:
        if agenda.stage != SEARCH:
            return ""
        for name, study in agenda.studies.items():
            try:
                best[name] = study.best_value
            except ValueError:
                continue
        if not best:
            return ""
        name = max(best, key=lambda name: best[name])
        return f"best so far {name} {100 * best[name]:.1f} %"

    def _feature_specs(self) -> list[FeatureSpec]:
        return [spec for approach in self.approaches for spec in approach.trainable.features]

    def _features_folder(self) -> Path:
        return Path(self.options.results_dir).expanduser() / "features"

    def _size_px(self) -> int | None:
        return SMOKE_FEATURE_PX if self.options.smoke else None

    def _image_sets(self, splits: Sequence[str]) -> dict[str, ImageSet]:
        """The splits' pixels and frozen features, in Ray's object store."""
        sets = {}
        specs = self._feature_specs()
        for split in splits:
            images = self.dataset.images()[split]
            tables_of_split = features.load_or_compute(
                specs, images, self.weights, self._features_folder(), size_px=self._size_px(), split=split
            )
            views: dict[str, np.ndarray | ray.ObjectRef] = {PIXELS: ray.put(images), **tables_of_split}
            sets[split] = ImageSet(labels=self.dataset.labels()[split], views=views)
        return sets

    def _show(self, record: Record, tracker: tracking.Tracking, status: str) -> None:
        """Write the files, finish MLflow, and print what a person wants to know."""
        found = tables.write_files(record, self.approaches)
        metrics, note = _of_sweep(found, self.notices)
        files = [record.folder / name for name in ("summary.json", "trials.csv", "seeds.csv")]
        tracker.close(status, metrics, note, files)
        print(self._answer(found, record.folder, tracker))

    def _answer(self, found: dict[str, Any], folder: Path, tracker: tracking.Tracking) -> str:
        marks = _marks(self.notices)
        seeds = self.options.confirm_seeds
        lines = [
            f"Validation accuracy in per cent, mean +- sd over seeds{marks}. Confirmed: the approach's best configuration "
            f"on {seeds} fresh seeds;",
            'optimism: how much better it looked in the search; "ours so set": the published setting, on the search\'s '
            "seeds.",
            "",
            tables.printed(found),
            "",
        ]
        best = found["approaches"][0]
        if best["confirmed"] and not best["confirmed_failure"]:
            confirmed, test = best["confirmed"], best["test"]["balanced_accuracy"]
            interval = f" (95 % interval {100 * confirmed['low']:.1f} to {100 * confirmed['high']:.1f})"
            lines += [
                f"Best: {best['approach']} with {100 * confirmed['mean']:.1f} %"
                + (interval if confirmed["low"] is not None else "")
                + f"; on the official test split {100 * test['mean']:.1f} % balanced accuracy{marks}.",
                "    " + ", ".join(f"{name}={value}" for name, value in best["best_params"].items()),
                "One of its seeds again, here or elsewhere:",
                f"    python sweeps/rerun.py {shlex.quote(str(folder))} --approach {best['approach']} "
                f"--trial {best['best_trial']} --seed 2000",
                "",
            ]
        reopened = [row["approach"] for row in found["approaches"] if row["test_openings"] > 1]
        if reopened:
            lines.append(
                f"The test split was opened more than once for {', '.join(reopened)}: an extended search found a new best."
            )
        lines += [
            f"Record  {folder / 'study.journal'} (all seeds: seeds.csv, all configurations: trials.csv, summary.json)",
            f"Extend  python sweeps/{self.challenge.name}.py {self._where()}--resume {folder.name} "
            f"--num-samples {2 * self.options.num_samples}",
        ]
        if tracker.link():
            if not self.uri.startswith("http"):
                lines.append(f"MLflow  mlflow ui --backend-store-uri {self.uri}, then open")
                lines.append(f"        {tracker.link()}")
            else:
                lines.append(f"MLflow  {tracker.link()}")
        if tracker.trouble:
            lines.append(
                f"MLflow did not take everything ({tracker.trouble}). The record has it all; once MLflow is back, this "
                f"writes what is missing: {self._resume_command(folder)}"
            )
        lines.append(f"Took    {duration(time.monotonic() - self.begin)}")
        return "\n".join(lines)

    def _where(self) -> str:
        if self.options.results_dir == SweepOptions().results_dir:
            return ""
        return f"--results-dir {shlex.quote(self.options.results_dir)} "

    def _resume_command(self, folder: Path) -> str:
        return f"python sweeps/{self.challenge.name}.py {self._where()}--resume {folder.name}"


def _remembered(challenge: Challenge, given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The last start's options and the spec of the sweep to resume."""
    if not (folder / "study.journal").is_file():
        raise BadInput(
            f"Expected a sweep to resume at {folder}; there is none. Check --resume and --results-dir, or begin one "
            f"with --name {given['resume']}."
        )
    record = Record(folder, write=True)
    try:
        if not record.starts:
            raise BadInput(f"Expected a sweep to resume at {folder}; it had not begun. Delete it and begin anew.")
        if record.spec["challenge"] != challenge.name:
            raise BadInput(
                f"Expected a sweep of {challenge.name} at {folder}; it is one of {record.spec['challenge']}. "
                f"Use sweeps/{record.spec['challenge']}.py."
            )
        return {**record.starts[-1]["options"], "spec": record.spec}
    finally:
        record.close()


def _of_sweep(found: dict[str, Any], notices: Sequence[str]) -> tuple[dict[str, float], str]:
    """Metrics and description of the sweep's own run in MLflow."""
    metrics = {}
    for row in found["approaches"]:
        for key, value in (
            ("confirmed_accuracy", row["confirmed"]),
            ("search_accuracy", row["search"]),
            ("test_balanced_accuracy", row["test"].get("balanced_accuracy")),
        ):
            if value:
                metrics[f"{row['approach']}.{key}_mean"] = value["mean"]
                if value["low"] is not None:
                    metrics[f"{row['approach']}.{key}_ci_low"] = value["low"]
                    metrics[f"{row['approach']}.{key}_ci_high"] = value["high"]
        if row["optimism"] is not None:
            metrics[f"{row['approach']}.optimism"] = row["optimism"]
    warned = "".join(f"**{notice}**\n\n" for notice in notices)
    return metrics, f"{warned}```\n{tables.printed(found)}\n```"


def _marks(notices: Sequence[str]) -> str:
    """The notices' headings, for lines that are read alone."""
    return f" [{'; '.join(notice.split(':')[0] for notice in notices)}]" if notices else ""


def _framed(notice: str) -> str:
    """A notice that cannot be missed."""
    import textwrap

    bar = "!" * 100
    return "\n".join([bar, *textwrap.wrap(notice, 96, initial_indent="! ", subsequent_indent="! "), bar])


def git_revision() -> str:
    """The commit of the code that runs, with a mark if it was changed since; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()

