"""What one command hands to the pipeline, and what the pipeline hands back to it: the records between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from sweeps.core.challenge import Approach, Challenge
from sweeps.core.errors import path_of
from sweeps.inputs.inputs import Inputs
from sweeps.run.command_line import resume_command
from sweeps.run.options import AnyOptions
from sweeps.run.plan import Work
from sweeps.stages.stage import Stage
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.store.trials import TrialRecord
from sweeps.tracking.sweep_run import SweepRun
from sweeps.tracking.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class Prepared(Generic[AnyOptions]):
    """A start whose options, addresses, images and weights are found and checked; nothing has begun.

    Attributes:
        challenge: Whose approaches run.
        options: What was asked for.
        approaches: Those that were asked for, and the plain baseline.
        inputs: Images, weights, and where features are kept.
        tracking_uri: Of MLflow.
        spec: What every number of this start depends on.
        before: The spec of the sweep that is resumed; None for a new one.
    """

    challenge: Challenge
    options: AnyOptions
    approaches: tuple[Approach, ...]
    inputs: Inputs
    tracking_uri: str
    spec: Spec
    before: Spec | None

    @property
    def folder(self) -> Path:
        """Where everything of this sweep lies."""
        return path_of(self.options.results_dir) / (self.options.resume or self.options.name)

    @property
    def whole_spec(self) -> Spec:
        """The spec with the weights and data sets of approaches that only earlier starts had."""
        return self.spec.with_what_earlier_starts_had(self.before)

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(self.challenge, self.options, self.folder.name)

    def all_approaches(self, journal: Journal) -> list[Approach]:
        """The approaches of this start and of earlier ones, in the challenge's order."""
        names = {*self.options.approaches, *journal.approaches()}
        return [approach for approach in self.challenge.approaches if approach.name in names]


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """A stage, and the title of its progress line."""

    stage: Stage
    title: str


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What came out, as people and MLflow get it.

    Attributes:
        text: What is printed.
        lines: More lines about where things are.
        ways_on: What could be done next; printed if all went well.
        to_open: What a person has asked to see in the browser, if anything.
        files: Everything that was written, for MLflow's artifacts.
        metrics: Of the sweep's own run in MLflow.
        stepped_metrics: More of them, each a name, a value and a step.
        note: Its description, in Markdown.
        trouble: What could not be written; empty if all was.
    """

    text: str
    lines: tuple[str, ...] = ()
    ways_on: tuple[str, ...] = ()
    to_open: Path | None = None
    files: tuple[Path, ...] = ()
    metrics: Mapping[str, float]
    note: str
    stepped_metrics: Sequence[tuple[str, float, int]] = ()
    trouble: str = ""


# What a stage calls with each finished trial.
OnClosed = Callable[[TrialRecord], None]


@dataclass(frozen=True, kw_only=True)
class Command(Generic[AnyOptions]):
    """The parts in which commands differ; the pipeline is the same for all.

    Attributes:
        options: The class of its options.
        spec: The spec of a start, from its options and inputs.
        as_run: The challenge as the command runs it, given the spec of all starts.
        check_images: Checks the options and the spec, which has no weights yet, before these are fetched; raises
            BadInput.
        check: Checks more of what was asked for, before anything starts; raises BadInput.
        work: What is to be done, or what of it the journal lacks.
        tags: More about a start, for its run in MLflow.
        stages: Every stage, made when the one before has ended.
        conclude: Writes the files, and says what came out.
        tracker: Makes what writes to MLflow.
    """

    options: type[AnyOptions]
    spec: Callable[[Challenge, AnyOptions, Inputs], Spec]
    as_run: Callable[[Challenge, Spec], Challenge] = lambda challenge, spec: challenge
    check_images: Callable[[AnyOptions, Spec], None] = lambda options, spec: None
    check: Callable[[Prepared[AnyOptions]], None] = lambda prepared: None
    work: Callable[[Prepared[AnyOptions], Journal | None], Work]
    tags: Callable[[AnyOptions], Mapping[str, str]] = lambda options: {}
    stages: Callable[[Prepared[AnyOptions], Journal, OnClosed], Iterator[PlannedStage]]
    conclude: Callable[[Prepared[AnyOptions], Journal, Sequence[Approach]], Conclusion]
    tracker: Callable[[str, SweepRun], Tracker] = Tracker
