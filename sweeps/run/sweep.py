"""A sweep: the search, the confirmation of what it found, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from sweeps.analysis.lucky_seeds import LEAST_SEEDS
from sweeps.analysis.shot_curve import usual_numbers
from sweeps.analysis.summary import summarise, undecided
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.commands import export_command
from sweeps.core.kinds import ADAPTIVE, EVEN
from sweeps.inputs.inputs import Inputs
from sweeps.inputs.weights import RANDOM
from sweeps.run import plan, shot_curve
from sweeps.run.command import Command, Conclusion, OnClosed, PlannedStage, Prepared
from sweeps.run.end import write_tables
from sweeps.run.options import SweepOptions
from sweeps.stages.allocation import Allocation
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.control import ControlStage, seeds_of_stage
from sweeps.stages.decision import DecisionStage
from sweeps.stages.intensification import IntensificationStage
from sweeps.stages.racing import Racing
from sweeps.stages.robustness import ChangedImages, RobustnessStage
from sweeps.stages.sampling import SAMPLERS
from sweeps.stages.search import SearchStage
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.tracking import sweep_run
from sweeps.views import console, report
from sweeps.views.probabilities import probabilities_frame
from sweeps.views.report_page import HTML
from trainables.parts.backbones import backbone_of


def sweep_command(racing: Racing | None = Racing()) -> Command[SweepOptions]:  # noqa: B008 - frozen
    """The command of a sweep; `racing` says when losing configurations are stopped, and None is never."""
    return Command(
        options=SweepOptions,
        spec=_spec,
        as_run=_as_run,
        check_images=_check_images,
        work=partial(_work, racing),
        tags=_tags,
        stages=partial(_stages, racing),
        conclude=_conclude,
    )


def _spec(challenge: Challenge, options: SweepOptions, inputs: Inputs) -> Spec:
    return inputs.spec(
        challenge.name,
        seeds=options.seeds,
        search_seed=options.search_seed,
        metric=options.metric,
        backbone=options.backbone,
        settings=options.set,
    )


def _as_run(challenge: Challenge, spec: Spec) -> Challenge:
    # What is random by intention is searched like the pretrained network that it is compared with.
    random = {name for name, found in spec.weights.items() if found.source == RANDOM and backbone_of(name).pretrained}
    classes = len(spec.protocol.classes)
    cheaper = challenge.with_random_weights(random)
    return cheaper.with_times_for(spec.protocol.support, classes * spec.protocol.validation)


def _check_images(options: SweepOptions, spec: Spec) -> None:
    shot_curve.check(options.shot_curve, spec.protocol, options.confirm_seeds)


def _work(racing: Racing | None, prepared: Prepared[SweepOptions], journal: Journal | None) -> plan.Work:
    begun = begun_in(journal, prepared.all_approaches(journal)) if journal else {}
    return plan.of_sweep(prepared.options, prepared.approaches, begun, racing, prepared.spec, prepared.inputs)


def _tags(options: SweepOptions) -> dict[str, str]:
    names = ("num_samples", "sampler", "allocation", "finalists", "confirm_seeds")
    return {name: str(getattr(options, name)) for name in names}


def _stages(
    racing: Racing | None, prepared: Prepared[SweepOptions], journal: Journal, on_closed: OnClosed
) -> Iterator[PlannedStage]:
    options = prepared.options
    search = SearchStage(
        journal,
        prepared.approaches,
        on_closed,
        num_samples=options.num_samples,
        seeds=options.seeds,
        search_seed=options.search_seed,
        time_budget=options.time_budget,
        racing=racing,
        sampler=SAMPLERS[options.sampler],
        allocation=Allocation() if options.allocation == ADAPTIVE else None,
    )
    yield PlannedStage(stage=search, title="Search")
    intensification = IntensificationStage(
        journal,
        prepared.approaches,
        on_closed,
        number=options.finalists,
        seeds=options.seeds,
        search_seed=options.search_seed,
    )
    yield PlannedStage(stage=intensification, title="Intensify")
    seeds, smoke = options.confirm_seeds, prepared.spec.smoke
    is_changed = options.robustness == "on"
    changed = ChangedImages(journal, confirm_seeds=seeds, smoke=smoke) if is_changed else None
    confirmation = ConfirmationStage(journal, prepared.approaches, on_closed, seeds=seeds, changed=changed)
    yield PlannedStage(stage=confirmation, title="Confirm")
    # Approaches that only earlier starts had may be among those that cannot be told apart; they are run when asked for.
    members, before = undecided(journal, prepared.all_approaches(journal)), None
    while members != before:
        decision = DecisionStage(journal, prepared.approaches, on_closed, seeds=seeds, members=members)
        yield PlannedStage(stage=decision, title="Decide")
        # Where one fails on them, others may have to meet them too.
        members, before = undecided(journal, prepared.all_approaches(journal)), members
    if seeds >= LEAST_SEEDS:
        control = ControlStage(journal, seeds=seeds_of_stage(seeds, is_decided=bool(members)))
        yield PlannedStage(stage=control, title="Control")
    if options.shot_curve:
        shots = shot_curve.to_run(options.shot_curve, prepared.spec.protocol)
        curve = ShotCurveStage(journal, prepared.approaches, on_closed, seeds=seeds, shots=shots)
        yield PlannedStage(stage=curve, title="Shots")
    if is_changed:
        robustness = RobustnessStage(journal, prepared.approaches, on_closed, confirm_seeds=seeds, smoke=smoke)
        yield PlannedStage(stage=robustness, title="Changed")


def _conclude(prepared: Prepared[SweepOptions], journal: Journal, approaches: Sequence[Approach]) -> Conclusion:
    summary = summarise(journal, approaches)
    probabilities = probabilities_frame(journal, summary, prepared.inputs.dataset.test_names)
    written, trouble = write_tables(journal, approaches, summary, probabilities)
    of_report, report_trouble = report.try_to_write(journal, approaches, summary)
    return Conclusion(
        text=console.sweep_text(summary, prepared.folder),
        lines=(report_trouble or f"Report  {prepared.folder / HTML}", *console.probabilities_lines(written)),
        ways_on=tuple(_ways_on(prepared, journal)),
        to_open=of_report[0] if prepared.options.open and of_report else None,
        files=(*written, *of_report),
        metrics=sweep_run.metrics(summary),
        note=console.sweep_note(summary),
        stepped_metrics=sweep_run.curve_metrics(summary),
        trouble=trouble,
    )


def _ways_on(prepared: Prepared[SweepOptions], journal: Journal) -> Iterator[str]:
    options = prepared.options
    yield f"Extend  {prepared.resume_command} --num-samples {2 * options.num_samples}"
    if any(journal.behind(name) for name in options.approaches):
        yield f"Even    {prepared.resume_command} --allocation {EVEN}"
    numbers = usual_numbers(prepared.spec.protocol)
    if numbers and not options.shot_curve:
        yield f"Labels  {prepared.resume_command} --shot-curve {' '.join(map(str, numbers))}"
    yield f"Model   {export_command(prepared.folder)}"
    begun = begun_in(journal, prepared.approaches)
    short = [
        name
        for name in options.approaches
        if begun.get(name, plan.Begun()).is_short_of(options.num_samples)
        and not journal.stopped(name)
        and journal.behind(name) is None
    ]
    if short:
        yield (
            f"The time budget ended before all configurations of {', '.join(short)}; go on with: "
            f"{prepared.resume_command}"
        )


def begun_in(journal: Journal, approaches: Sequence[Approach]) -> dict[str, plan.Begun]:
    """Configurations in the journal, by approach, of those of these approaches that it has."""
    trials, names = journal.trials(), journal.approaches()
    return {
        each.name: plan.Begun.of(trials, each, journal.behind(each.name)) for each in approaches if each.name in names
    }
