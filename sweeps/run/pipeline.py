"""The pipeline of a command: prepare, plan, begin, stage after stage, end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Generic

from sweeps.analysis import caveats
from sweeps.core import provenance
from sweeps.core.challenge import Challenge
from sweeps.core.errors import BadInput, in_one_line
from sweeps.core.signals import ENDED_BY, Signals
from sweeps.engine import cluster
from sweeps.run import command_line, plan, resuming
from sweeps.run.checks import Checked, check
from sweeps.run.command import Command, Prepared
from sweeps.run.end import End
from sweeps.run.options import AnyOptions
from sweeps.run.prepare import prepare
from sweeps.run.workers import Workers
from sweeps.store.journal import Journal
from sweeps.store.openings import Openings
from sweeps.store.spec import OptionValue, Start
from sweeps.store.trials import REPEAT
from sweeps.tracking import location, sweep_run
from sweeps.tracking.tracker import Tracker
from sweeps.views import console
from trainables.parts.image_sets import POOL


def run_given(command: Command[AnyOptions], challenge: Challenge, given: Mapping[str, OptionValue]) -> int:
    """Run a command with these options; returns its exit code.

    Raises:
        BadInput: Something that was asked for cannot be.
    """
    return run_checked(command, check(challenge, given, command.options))


def run_checked(command: Command[AnyOptions], checked: Checked[AnyOptions]) -> int:
    """The same, where some is checked already."""
    return Pipeline(command=command, prepared=prepare(command, checked)).run()


@dataclass(kw_only=True)
class Pipeline(Generic[AnyOptions]):
    """One start of a command, from the plan to the end."""

    command: Command[AnyOptions]
    prepared: Prepared[AnyOptions]
    begin: float = field(default_factory=time.monotonic)
    signals: Signals = field(default_factory=Signals)

    def run(self) -> int:
        """Do it all and print what came out; returns the exit code."""
        prepared, workers = self.prepared, Workers(prepared=self.prepared, signals=self.signals)
        for notice in prepared.inputs.notices:
            print(console.framed(notice))
        if prepared.options.dry_run:
            print(self._plan(Journal(prepared.folder, write=False) if prepared.before else None, workers))
            return 0
        self.signals.listen()
        journal: Journal | None = None
        tracker: Tracker | None = None
        code = 1
        try:
            # Before anything is written.
            workers.start_if_on_a_cluster()
            journal = Journal(prepared.folder, write=True)
            if prepared.before is None and journal.has_begun:
                # Another start of this name, which looked for the folder when this one did, was faster.
                raise resuming.taken(prepared.folder)
            self._announce(journal, workers)
            journal.begin(prepared.whole_spec, self._start())
            self.signals.last_words = self._how_to_go_on
            Openings(journal).note_all(journal.trials())
            tracker = self._tracker(journal)
            self._push_earlier(journal, tracker)
            workers.run(self.command.stages(prepared, journal, tracker.push))
            code = 0
        except tuple(ENDED_BY) as signalled:
            code = ENDED_BY[type(signalled)]
        except BadInput:
            code = 2
            raise
        except Exception as error:
            print(f"{prepared.challenge.name}: stopped by {in_one_line(error)}", file=sys.stderr)
        finally:
            # What follows ends by itself; only a second signal ends it at once.
            self.signals.is_seen = True
            try:
                if journal is not None and tracker is not None:
                    code = self._end(journal, tracker, code)
            finally:
                if journal is not None:
                    journal.close()
                cluster.stop_ray(code, keep_logs=code == 1)
                self.signals.restore()
        return code

    def _announce(self, journal: Journal, workers: Workers[AnyOptions]) -> None:
        print(self._plan(journal, workers))
        print(f"\nSweep {self.prepared.folder.name}: everything goes to {self.prepared.folder}")
        uri = self.prepared.tracking_uri
        tunnel = location.ssh_tunnel(uri)
        more = f"\nTo see it on your own machine, type there: {tunnel}" if tunnel else ""
        print(f"Watch it meanwhile with: {location.ui_command(uri)}{more}\n", flush=True)

    def _plan(self, journal: Journal | None, workers: Workers[AnyOptions]) -> str:
        prepared = self.prepared
        work = self.command.work(prepared, journal)
        # The test split's features are computed for the winners only, which are not known yet.
        names = [POOL, *prepared.inputs.other_datasets]
        to_compute = prepared.inputs.seconds_to_compute(prepared.approaches, names, work.views)
        warnings = caveats.warnings(prepared.whole_spec)
        slots, limit = workers.slots_now(), workers.limit()
        return plan.text(prepared.challenge, work, prepared.inputs, warnings, to_compute, slots, limit)

    def _start(self) -> Start:
        prepared = self.prepared
        # Of a database that was asked for by name, the one that is meant, from whatever folder the sweep goes on.
        asked = prepared.options.tracking_uri
        given_uri = {"tracking_uri": location.as_opened(asked)} if asked else {}
        return Start(
            **asdict(provenance.of_this_start()),
            resume=prepared.resume_command,
            # Also of the default, which is of the folder that this start is in.
            tracking_uri=provenance.without_password(location.as_opened(prepared.tracking_uri)),
            options=command_line.as_remembered(prepared.options, {**prepared.inputs.found(), **given_uri}),
            caveats=caveats.of_sweep(prepared.whole_spec),
            notices=(*prepared.inputs.notices, *prepared.inputs.notes),
        )

    def _tracker(self, journal: Journal) -> Tracker:
        prepared, tags = self.prepared, self.command.tags(self.prepared.options)
        run = sweep_run.of_start(journal, prepared.challenge, prepared.approaches, tags)
        return self.command.tracker(prepared.tracking_uri, run)

    def _push_earlier(self, journal: Journal, tracker: Tracker) -> None:
        """Give MLflow what earlier starts finished; it is written only where it lacks."""
        for trial in journal.trials():
            if trial.state not in ("RUNNING", REPEAT):
                tracker.push(trial)

    @property
    def _how_to_go_on(self) -> str:
        return f"\nNot finished; everything so far is saved. Go on with:\n    {self.prepared.resume_command}"

    def _end(self, journal: Journal, tracker: Tracker, code: int) -> int:
        code = End(
            command=self.command, prepared=self.prepared, journal=journal, tracker=tracker, begin=self.begin
        ).write(code)
        if code not in (0, 2):
            print(self._how_to_go_on, file=sys.stderr)
        return code
