"""The study's numbers beside ours: every published setting of both challenges, on the study's own seeds.

python sweeps/reported.py
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

if __name__ == "__main__":
    # Until all is imported there is nothing to save, and nothing to say.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

from sweeps import challenge1, challenge2, plan, reported_tables, tracking
from sweeps.challenge import Approach, Challenge
from sweeps.options import ReportedOptions
from sweeps.progress import duration
from sweeps.record import Record
from sweeps.reported_agenda import ReportedAgenda, study_seeds
from sweeps.road import Road, command
from trainables.protocol import VALIDATION

# A table each.
TABLES = (challenge1.CHALLENGE, challenge2.CHALLENGE)
CHALLENGE = Challenge(
    name="reported",
    title="The study's numbers beside ours, at its settings and on its seeds",
    # Each once. All run by default, and nothing must run so that the others can be compared with it.
    approaches=tuple(
        replace(approach, is_default=True, is_baseline=False)
        for approach in {each.name: each for table in TABLES for each in table.approaches}.values()
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, as `exit_code` has them."""
    return command(ReportedRoad, CHALLENGE, arguments)


@dataclass(kw_only=True)
class ReportedRoad(Road[ReportedOptions]):
    """The published settings in the place of a search, and the study's tables in the place of an answer."""

    options_kind = ReportedOptions

    # What the sweeps that were named have confirmed, by approach.
    after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, challenge: Challenge, given: dict[str, Any]) -> ReportedRoad:
        """As for any road; the sweeps that are named are read, too."""
        road = super().prepare(challenge, given)
        road.after = reported_tables.confirmed(road.options.sweep, TABLES, road.spec)
        return road

    @property
    def resume_command(self) -> str:
        """The command that goes on, with the same sweeps beside it."""
        named = ["--sweep", *self.options.sweep] if self.options.sweep else []
        return " ".join([super().resume_command, *map(shlex.quote, named)])

    def _work(self, record: Record | None) -> plan.Work:
        rows = []
        cpu_seconds = 0.0
        views: set[str] = set()
        trials = record.trials() if record else []
        for approach in self.approaches:
            seeds = 0
            settings = approach.reported.settings().values()
            for setting in settings:
                trial = reported_tables.find(trials, approach, setting)
                if trial and trial.state != "RUNNING":
                    continue
                seeds += len(study_seeds(setting, smoke=self.options.smoke)) - (len(trial.results) if trial else 0)
                views.update(approach.trainable.views(approach.trainable.Config(**setting.params)))
            cpu_seconds += seeds * approach.seconds_a_seed
            rows.append(
                {
                    "approach": approach.name,
                    "settings": str(len(settings)),
                    "seeds to run": str(seeds),
                    "on one CPU": f"about {duration(seeds * approach.seconds_a_seed)}",
                    "what it is": approach.about,
                }
            )
        return plan.Work(rows=rows, cpu_seconds=cpu_seconds, views=views)

    def _tags(self) -> dict[str, str]:
        return {}

    def _run_all(self, record: Record, tracker: tracking.Tracking) -> None:
        agenda = ReportedAgenda(record, self.approaches, tracker.push, smoke=self.options.smoke)
        self._run(agenda, "Study", [VALIDATION])

    def _summary(self, record: Record, approaches: Sequence[Approach]) -> dict[str, Any]:
        return reported_tables.summary(record, TABLES, approaches, self.after)

    def _for_mlflow(self, found: dict[str, Any]) -> tuple[dict[str, float], str]:
        return reported_tables.metrics(found), reported_tables.for_mlflow(found)

    def _answer(self, found: dict[str, Any]) -> str:
        again = reported_tables.rerun_command(found, self.folder)
        one_seed = f"\n\nTrain one of the seeds again, here or elsewhere:\n      {again}" if again else ""
        return reported_tables.printed(found) + one_seed

    def _ways_on(self, record: Record) -> list[str]:
        return [] if self.options.sweep else [f"Beside a sweep's results: {self.resume_command} --sweep results/NAME"]


if __name__ == "__main__":
    sys.exit(main())
