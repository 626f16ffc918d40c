"""The reproduction of the study's numbers: its settings on its seeds, and its tables beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from sweeps.analysis.intervals import Estimate
from sweeps.analysis.study import confirmed_elsewhere, find, summarise_study
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.errors import BadInput
from sweeps.core.progress import duration
from sweeps.inputs.inputs import Inputs
from sweeps.run.command import Command, Conclusion, OnClosed, PlannedStage, Prepared
from sweeps.run.end import write_tables
from sweeps.run.options import ReproduceOptions
from sweeps.run.plan import Work
from sweeps.stages.reproduction import ReproductionStage, study_seeds
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.store.trials import TrialRecord
from sweeps.views import study_console


def reproduction_command(tables: Sequence[Challenge]) -> Command[ReproduceOptions]:
    """The published settings in the place of a search, and the study's tables in the place of a verdict.

    Args:
        tables: The study's, each as the challenge that it is of.
    """
    # What the sweeps that were named have confirmed, by approach: read before anything starts, shown at the end.
    confirmed: dict[str, Estimate] = {}

    def check_images(options: ReproduceOptions, spec: Spec) -> None:
        if not spec.is_of_the_study:
            raise BadInput(
                "Expected the study's images, PneumoniaMNIST of 28 pixels or the phantom, and as many of each class to "
                "learn from and to be scored on as it had, since its numbers are about them; got others "
                f"({spec.dataset.source}). Omit --dataset, --size, --shots and --validation, or sweep your "
                "own images with challenge1 or challenge2."
            )

    def check(prepared: Prepared[ReproduceOptions]) -> None:
        confirmed.update(confirmed_elsewhere(prepared.options.sweep, tables, prepared.spec))

    return Command(
        options=ReproduceOptions,
        spec=_spec,
        check_images=check_images,
        check=check,
        work=_work,
        stages=_stages,
        conclude=partial(_conclude, tables, confirmed),
    )


def _spec(challenge: Challenge, options: ReproduceOptions, inputs: Inputs) -> Spec:
    return inputs.spec(challenge.name)


def _work(prepared: Prepared[ReproduceOptions], journal: Journal | None) -> Work:
    trials = journal.trials() if journal else []
    rows = []
    cpu_seconds = 0.0
    views: set[str] = set()
    for approach in prepared.approaches:
        seeds, own_views = _missing(approach, trials, smoke=prepared.options.smoke)
        views |= own_views
        cpu_seconds += seeds * approach.seconds_per_seed
        rows.append(
            {
                "approach": approach.name,
                "settings": str(len(approach.published_settings)),
                "seeds to run": str(seeds),
                "on one CPU": f"about {duration(seeds * approach.seconds_per_seed)}",
                "what it is": approach.about,
            }
        )
    return Work(rows=rows, cpu_seconds=cpu_seconds, views=views)


def _missing(approach: Approach, trials: Sequence[TrialRecord], *, smoke: bool) -> tuple[int, set[str]]:
    """How many seeds the journal lacks of an approach's settings, and the views of images that these look at."""
    seeds = 0
    views: set[str] = set()
    for setting in approach.published_settings.values():
        trial = find(trials, approach, setting)
        # One that was given up is taken up where it ended; one with a failed seed is left at that.
        if trial and (trial.state == "COMPLETE" or any(result.error for result in trial.results)):
            continue
        seeds += len(study_seeds(setting, smoke=smoke)) - (len(trial.results) if trial else 0)
        views.update(approach.learner.needs(approach.learner.Config(**setting.params)).view_names)
    return seeds, views


def _stages(prepared: Prepared[ReproduceOptions], journal: Journal, on_closed: OnClosed) -> Iterator[PlannedStage]:
    stage = ReproductionStage(journal, prepared.approaches, on_closed, smoke=prepared.options.smoke)
    yield PlannedStage(stage=stage, title="Study")


def _conclude(
    tables: Sequence[Challenge],
    confirmed: Mapping[str, Estimate],
    prepared: Prepared[ReproduceOptions],
    journal: Journal,
    approaches: Sequence[Approach],
) -> Conclusion:
    summary = summarise_study(journal, tables, approaches, confirmed)
    written, trouble = write_tables(journal, approaches, summary)
    again = study_console.rerun_command(summary, prepared.folder)
    one_seed = f"\n\nTrain one of the seeds again, here or elsewhere:\n      {again}" if again else ""
    beside = f"Beside a sweep's results: {prepared.resume_command} --sweep results/NAME"
    return Conclusion(
        text=study_console.printed(summary) + one_seed,
        ways_on=() if prepared.options.sweep else (beside,),
        files=tuple(written),
        metrics=study_console.metrics(summary),
        note=study_console.for_mlflow(summary),
        trouble=trouble,
    )
