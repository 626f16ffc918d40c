"""The study's numbers beside ours: every published setting of both challenges, on the study's own seeds.

python sweeps/reproduce.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sweeps.core.interrupts import exit_quietly_on_interrupt

if __name__ == "__main__":
    exit_quietly_on_interrupt()

from search_spaces import pixel_lstm_256, pixel_rnn_256, vgg11_lstm_hidden_1000, vgg11_rnn_hidden_1000
from search_spaces.published import challenge2 as challenge2_published
from sweeps import challenge1, challenge2
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.study import confirmed_elsewhere, find, summarise_study
from sweeps.challenge2 import on_demand
from sweeps.core.challenge import Approach, Challenge, with_published
from sweeps.core.errors import BadInput
from sweeps.core.progress import duration
from sweeps.inputs.inputs import Inputs
from sweeps.run.command import Command, Conclusion, OnClosed, PlannedStage, Prepared
from sweeps.run.end import write_tables
from sweeps.run.options import ReproduceOptions
from sweeps.run.pipeline import run_command
from sweeps.run.plan import Work
from sweeps.stages.reproduction import ReproductionStage, study_seeds
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.store.trials import TrialRecord
from sweeps.views import study_console
from trainables.pixel_sequences import PixelLSTM, PixelRNN, VGG11LSTMHidden1000, VGG11RNNHidden1000

# What the study had at a size that sweeps cannot afford, by the name of its small version.
AT_FULL_SIZE = dict(
    zip(
        ("vgg11_rnn_hidden", "vgg11_lstm_hidden", "pixel_rnn", "pixel_lstm"),
        with_published(
            challenge2_published.PUBLISHED,
            on_demand(
                name="vgg11_rnn_hidden_1000",
                learner=VGG11RNNHidden1000,
                space=vgg11_rnn_hidden_1000,
                seconds_per_seed=150.0,
            ),
            on_demand(
                name="vgg11_lstm_hidden_1000",
                learner=VGG11LSTMHidden1000,
                space=vgg11_lstm_hidden_1000,
                seconds_per_seed=600.0,
            ),
            on_demand(name="pixel_rnn_256", learner=PixelRNN, space=pixel_rnn_256, seconds_per_seed=1.3),
            on_demand(name="pixel_lstm_256", learner=PixelLSTM, space=pixel_lstm_256, seconds_per_seed=1.3),
        ),
        strict=True,
    )
)


def _with_full_size(challenge: Challenge) -> Challenge:
    """The challenge with each approach's version of full size behind it, if it has one."""
    pairs = [(approach, AT_FULL_SIZE.get(approach.name)) for approach in challenge.approaches]
    return replace(challenge, approaches=tuple(each for pair in pairs for each in pair if each))


# A table each.
TABLES = (challenge1.CHALLENGE, _with_full_size(challenge2.CHALLENGE))
CHALLENGE = Challenge(
    name="reproduce",
    title="The study's numbers beside ours, at its settings and on its seeds",
    # Each once. All but the largest run by default, and nothing must run so that the others can be compared with it.
    approaches=tuple(
        replace(approach, is_default=approach not in AT_FULL_SIZE.values(), is_baseline=False)
        for approach in {each.name: each for table in TABLES for each in table.approaches}.values()
        if approach.published is not None
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, as `exit_code` has them."""
    return run_command(reproduction_command(), CHALLENGE, arguments)


def reproduction_command() -> Command[ReproduceOptions]:
    """The published settings in the place of a search, and the study's tables in the place of a verdict."""
    # What the sweeps that were named have confirmed, by approach: read before anything starts, shown at the end.
    confirmed: dict[str, Estimate] = {}

    def check(prepared: Prepared[ReproduceOptions]) -> None:
        if not prepared.spec.is_of_the_study:
            raise BadInput(
                "Expected the study's images, PneumoniaMNIST of 28 pixels or the phantom, and as many of each class to "
                "learn from and to be scored on as it had, since its numbers are about them; got others "
                f"({prepared.spec.dataset.source}). Omit --dataset, --size, --shots and --validation, or sweep your "
                "own images with challenge1 or challenge2."
            )
        confirmed.update(confirmed_elsewhere(prepared.options.sweep, TABLES, prepared.spec))

    return Command(
        options=ReproduceOptions,
        spec=_spec,
        check=check,
        work=_work,
        stages=_stages,
        conclude=partial(_conclude, confirmed),
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
        if trial and trial.state != "RUNNING":
            continue
        seeds += len(study_seeds(setting, smoke=smoke)) - (len(trial.results) if trial else 0)
        views.update(approach.learner.needs(approach.learner.Config(**setting.params)).view_names)
    return seeds, views


def _stages(prepared: Prepared[ReproduceOptions], journal: Journal, on_closed: OnClosed) -> Iterator[PlannedStage]:
    stage = ReproductionStage(journal, prepared.approaches, on_closed, smoke=prepared.options.smoke)
    yield PlannedStage(stage=stage, title="Study")


def _conclude(
    confirmed: Mapping[str, Estimate],
    prepared: Prepared[ReproduceOptions],
    journal: Journal,
    approaches: Sequence[Approach],
) -> Conclusion:
    summary = summarise_study(journal, TABLES, approaches, confirmed)
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


if __name__ == "__main__":
    sys.exit(main())
