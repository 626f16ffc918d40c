"""A sweep: the search, the confirmation of what it found, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps import answer, marks, plan, report, tables, tracking
from sweeps.challenge import Approach, Challenge
from sweeps.confirm import ConfirmAgenda
from sweeps.options import SweepOptions
from sweeps.record import Record
from sweeps.road import Road, command
from sweeps.search import Racing, SearchAgenda
from trainables.protocol import TEST, VALIDATION


def main(challenge: Challenge, arguments: Sequence[str] | None = None) -> int:
    """Run a challenge's command and return its exit code, as `exit_code` has them."""
    return command(Sweep, challenge, arguments)


@dataclass(kw_only=True)
class Sweep(Road[SweepOptions]):
    """A sweep: the search, and the confirmation of what it found."""

    options_kind = SweepOptions

    # When losing configurations are stopped early; the benchmarks compare with and without.
    racing: Racing | None = field(default_factory=Racing)

    @property
    def spec(self) -> dict[str, Any]:
        """The search's own seeds and start, too."""
        return {**super().spec, "seeds": self.options.seeds, "search_seed": self.options.search_seed}

    def _work(self, record: Record | None) -> plan.Work:
        return plan.of_sweep(self.options, self.approaches, _begun(record) if record else {})

    def _tags(self) -> dict[str, str]:
        return {"num_samples": str(self.options.num_samples), "confirm_seeds": str(self.options.confirm_seeds)}

    def _run_all(self, record: Record, tracker: tracking.Tracking) -> None:
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

    def _summary(self, record: Record, approaches: Sequence[Approach]) -> dict[str, Any]:
        return tables.summary(record, approaches)

    def _for_mlflow(self, found: dict[str, Any]) -> tuple[dict[str, float], str]:
        return answer.of_sweep(found, marks.warnings(self.whole_spec))

    def _answer(self, found: dict[str, Any]) -> str:
        return answer.results(found, self.folder, marks.warnings(self.whole_spec))

    def _report(
        self, record: Record, approaches: Sequence[Approach], found: dict[str, Any]
    ) -> tuple[list[Path], list[str]]:
        files, trouble = report.try_to_write(record, approaches, found)
        return files, [trouble or f"Report  {self.folder / report.HTML}"]

    def _ways_on(self, record: Record) -> list[str]:
        lines = [f"Extend  {self.resume_command} --num-samples {2 * self.options.num_samples}"]
        begun = _begun(record)
        short = [
            name
            for name in self.options.approaches
            if begun.get(name, 0) < self.options.num_samples and not record.stopped(name)
        ]
        if short:
            lines.append(
                f"The time budget ended before all configurations of {', '.join(short)}; go on with: "
                f"{self.resume_command}"
            )
        return lines


def _begun(record: Record) -> dict[str, int]:
    """Configurations in the record, by approach."""
    return {name: len(record.study(name).get_trials(deepcopy=False)) for name in record.approaches()}
