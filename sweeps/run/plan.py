"""What a sweep is going to do, before it does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.caveats import with_warnings
from sweeps.analysis.lucky_seeds import LEAST_SEEDS
from sweeps.core.challenge import Approach, Challenge, relative_time
from sweeps.core.kinds import ADAPTIVE, AT_RANDOM, TPE
from sweeps.core.narrowing import is_allowed
from sweeps.core.progress import duration
from sweeps.core.seeds import CONTROL_SEEDS, further_search_seeds
from sweeps.inputs.inputs import Inputs
from sweeps.run import plan_of_images, robustness, shot_curve
from sweeps.run.options import SweepOptions
from sweeps.stages.allocation import Allocation
from sweeps.stages.control import ZSCORE_RIDGE, seeds_of_stage
from sweeps.stages.racing import LEAST_RACED, Racing
from sweeps.stages.repeats import has_no_more
from sweeps.store.spec import Spec
from sweeps.store.trials import INTENSIFY, REPEAT, TrialRecord, searched
from sweeps.views.text_table import aligned
from trainables.parts.protocol import Protocol

# Ray and its workers, which are started for the search and again for the confirmation, take about this long.
STARTUP_SECONDS = 15.0
# A confirmation seed is scored on the test split too, and winners are often among the slower configurations.
CONFIRM_FACTOR = 1.4
# What racing usually saves of a search of ten seeds: 73 and 70 % of whole sweeps of both challenges, 63 to 73 % of an
# approach (`benchmarks/racing.py`), where so many images of a class are scored or more; 53 to 69 % where fewer are.
MANY_SCORED, SAVED, SAVED_OF_FEW = 100, (0.7, "seven tenths"), (0.6, "three fifths")
# Where configurations come from after those that a search starts with, by the kinds of `--sampler`.
DRAWN = {
    AT_RANDOM: "at random from each approach's space, after those that its search starts with",
    TPE: "by TPE after the first ten, near those that were good",
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done.

    Attributes:
        rows: One for each approach, as the plan prints it.
        cpu_seconds: What it all takes on one CPU.
        views: The views of images that are needed, if that is known; None is all that the approaches may need.
        facts: More lines for the plan.
        limits: What may end it earlier, behind the time it takes.
        usually_saved: What racing usually saves of it, in CPU seconds, and as a person says it.
    """

    rows: list[dict[str, str]]
    cpu_seconds: float
    views: set[str] | None = None
    facts: tuple[str, ...] = ()
    limits: str = ""
    usually_saved: tuple[float, str] = (0.0, "")


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a search has in the journal.

    Attributes:
        distinct: Configurations.
        repeats: Those that were suggested again.
        is_all: Whether its space has no more.
        intensified: Configurations that have met further search seeds.
        behind_after: After how many configurations it fell behind, if it did.
    """

    distinct: int = 0
    repeats: int = 0
    is_all: bool = False
    intensified: int = 0
    behind_after: int | None = None

    @classmethod
    def of(cls, trials: Sequence[TrialRecord], approach: Approach, behind_after: int | None = None) -> Begun:
        """Of this approach's trials among these."""
        own = searched(trials, approach.name)
        repeats = sum(trial.state == REPEAT for trial in own)
        return cls(
            distinct=len(own) - repeats,
            repeats=repeats,
            is_all=has_no_more(own, approach),
            intensified=sum(t.approach == approach.name and t.stage == INTENSIFY for t in trials),
            behind_after=behind_after,
        )

    def finalists(self, number: int, num_samples: int) -> int:
        """How many of so many finalists have further search seeds to come."""
        most = min(number, num_samples)
        had = 0 if self.is_short_of(num_samples) else self.intensified
        return max(most - had, 0) if most > 1 else 0

    def is_short_of(self, num_samples: int) -> bool:
        """Whether more configurations are to come."""
        return self.distinct < num_samples and not self.is_all


def of_sweep(
    options: SweepOptions,
    approaches: Sequence[Approach],
    begun: Mapping[str, Begun],
    racing: Racing | None,
    spec: Spec,
    inputs: Inputs,
) -> Work:
    """The work of a search and what follows it; `begun` are configurations already in the journal, by approach."""
    protocol = spec.protocol
    looks = racing.looks(options.seeds) if racing else []
    more_shots = shot_curve.to_run(options.shot_curve, protocol)
    of_fresh = CONFIRM_FACTOR * options.confirm_seeds * relative_to_search(protocol, protocol)
    of_shots = [relative_to_search(protocol, protocol.with_shots(shots)) for shots in more_shots]
    of_winner = of_fresh + options.confirm_seeds * sum(of_shots)
    rows = []
    cpu_seconds = 0.0
    # At least and at most; and of those that may be stopped, which the first configuration never is.
    of_search, raced = np.zeros(2), 0.0
    for approach in approaches:
        had = begun.get(approach.name, Begun())
        least, configurations = _to_come(options, approach, had)
        of_search += np.array([least, configurations]) * options.seeds * approach.seconds_per_seed
        raced += max(configurations - (had.distinct == 0), 0) * options.seeds * approach.seconds_per_seed
        finalists = had.finalists(options.finalists, options.num_samples)
        search = configurations * options.seeds + finalists * len(further_search_seeds(0, options.seeds))
        seconds = (search + of_winner) * approach.seconds_per_seed
        cpu_seconds += seconds
        rows.append(
            {
                "approach": approach.name,
                "configurations": (f"{least} to " if least < configurations else "")
                + f"{configurations}"
                + (_more(had, options.num_samples) if begun else ""),
                "seeds each": str(options.seeds),
                "fresh seeds": str(options.confirm_seeds) + (f" x {1 + len(more_shots)}" if more_shots else ""),
                "on one CPU": f"about {duration(seconds)}",
                "what it is": approach.about,
            }
        )
    changed = robustness.seconds(options, approaches, inputs)
    a_control = ZSCORE_RIDGE.seconds_per_seed * relative_time(
        protocol.support, len(protocol.classes) * protocol.confirmation
    )
    most_of_control = len(seeds_of_stage(options.confirm_seeds, is_decided=True)) * a_control
    of_control = most_of_control if options.confirm_seeds >= LEAST_SEEDS else 0.0
    cpu_seconds += changed + of_control
    share, told_share = SAVED if protocol.validation >= MANY_SCORED else SAVED_OF_FEW
    return Work(
        rows=rows,
        cpu_seconds=cpu_seconds,
        facts=(
            f"Drawn     {DRAWN[options.sampler]}",
            f"Racing    {_racing(racing, options.seeds)}",
            *_allocation(options, *of_search),
            *_finalists(options),
            *_decision(options, approaches, of_fresh),
            *([_control(of_control)] if of_control else []),
            *([shot_curve.plan_line(options.shot_curve, protocol)] if more_shots else []),
            *([robustness.plan_line(options, spec, changed)] if options.robustness == "on" else []),
            *_set(approaches),
            *_cheaper(approaches),
        ),
        limits=f", or what starts within {duration(options.time_budget)}" if options.time_budget else "",
        usually_saved=(share * raced if looks else 0.0, told_share),
    )


def relative_to_search(protocol: Protocol, fresh: Protocol) -> float:
    """How long a fresh seed that follows `fresh` takes; 1 is as long as a seed of a search that follows `protocol`."""
    classes = len(protocol.classes)
    in_search = relative_time(protocol.support, classes * protocol.validation)
    return relative_time(fresh.support, classes * fresh.confirmation) / in_search


def _to_come(options: SweepOptions, approach: Approach, had: Begun) -> tuple[int, int]:
    """How many configurations of an approach are still to come, at least and at most."""
    is_adaptive = options.allocation == ADAPTIVE
    if not had.is_short_of(options.num_samples) or (is_adaptive and had.behind_after is not None):
        return 0, 0
    most = options.num_samples - had.distinct
    rounds = Allocation().rounds(options.num_samples) if is_adaptive and not approach.is_baseline else []
    # Up to the first comparison that it has not passed yet.
    return min([after - had.distinct for after in rounds if after >= had.distinct], default=most), most


def _allocation(options: SweepOptions, least_seconds: float, most_seconds: float) -> list[str]:
    """What an adaptive allocation does, and what it takes."""
    rounds = Allocation().rounds(options.num_samples)
    if options.allocation != ADAPTIVE:
        return []
    if not rounds:
        return [
            f"Given     adaptive, but {options.num_samples} configurations are too few to stop any approach earlier"
        ]
    takes = f", so that the search takes {duration(least_seconds)} to {duration(most_seconds)} on one CPU"
    return [
        f"Given     adaptive: whose best is behind after {', '.join(map(str, rounds))} configurations gets no more"
        + (takes if least_seconds < most_seconds else "")
    ]


def _more(had: Begun, num_samples: int) -> str:
    """What stands behind the number of configurations that are still to come."""
    if had.behind_after is not None and had.distinct < num_samples:
        return f" more ({had.distinct} of {num_samples}: behind after {had.behind_after})"
    if had.is_all and had.distinct < num_samples:
        return f" more ({had.distinct} distinct of {num_samples}: there are no others)"
    repeats = f"; {had.repeats} repeats were not trained" if had.repeats else ""
    return f" more (of {num_samples}{repeats})"


def text(
    challenge: Challenge,
    work: Work,
    inputs: Inputs,
    warnings: Sequence[str],
    seconds_to_compute: Mapping[str, float],
    slots: int,
    limit: str = "",
) -> str:
    """The plan as a person reads it.

    Args:
        challenge: Whose title heads it.
        work: What is to be done.
        inputs: Images and weights.
        warnings: What must be said beside every number.
        seconds_to_compute: What one CPU core needs for the features that are not there yet, by backbone.
        slots: Trials at the same time.
        limit: What allows fewer CPUs than this machine has.
    """
    features = sum(seconds_to_compute.values())
    lines = [
        challenge.title + with_warnings(warnings),
        "",
        *plan_of_images.lines(inputs.dataset, inputs.notes),
        *(f"Weights   {name}: {each.source} (fingerprint {each.fingerprint})" for name, each in inputs.weights.items()),
        f"Precision {inputs.precision} in frozen backbones, and in a ResNet18 of 64 channels from scratch",
        *(
            f"Others    {name}: {each.source} (fingerprint {each.fingerprint})"
            for name, each in inputs.other_datasets.items()
        ),
        f"Slots     {slots} trials at the same time, one CPU each" + (f" ({limit})" if limit else ""),
        *work.facts,
        "",
        aligned(work.rows, left=("approach", "what it is")),
        "",
    ]
    if features:
        names = ", ".join(seconds_to_compute)
        lines.append(f"Features of {names} first: about {duration(features / slots)}, once; then kept.")
    whole = (work.cpu_seconds + features) / slots + STARTUP_SECONDS
    saved, share = work.usually_saved
    shorter = f"; racing usually saves about {share} of the search: then {duration(whole - saved / slots)}"
    lines.append(f"In all about {duration(whole)} here{work.limits}{shorter if saved else ''}.")
    return "\n".join(lines)


def _finalists(options: SweepOptions) -> list[str]:
    """How many configurations meet how many further search seeds."""
    finalists, further = min(options.finalists, options.num_samples), len(further_search_seeds(0, options.seeds))
    if finalists < 2 or not further:
        return []
    return [
        f"Finalists the best {finalists} of each approach meet {further} more of the search's seeds; the best by all "
        f"{options.seeds + further} is confirmed"
    ]


def _decision(options: SweepOptions, approaches: Sequence[Approach], of_fresh: float) -> list[str]:
    """What a second block of fresh seeds takes at most; the first takes as long as `of_fresh` seeds of the search."""
    if len(approaches) < 2:
        return []
    seconds = of_fresh * sum(approach.seconds_per_seed for approach in approaches)
    return [
        f"Decision  approaches that {options.confirm_seeds} fresh seeds cannot tell from the best run on as many more: "
        f"at most {duration(seconds)} on one CPU"
    ]


def _control(cpu_seconds: float) -> str:
    """What tells whether the fresh seeds are lucky ones, and what it costs."""
    return (
        f"Control   z-score ridge on pixels runs on the fresh seeds and on {len(CONTROL_SEEDS)} others, to tell how "
        f"lucky those are: about {duration(cpu_seconds)} on one CPU"
    )


def _set(approaches: Sequence[Approach]) -> list[str]:
    """What is fixed or narrowed in whose space, and whose start is therefore not tried."""
    whose: dict[str, list[str]] = {}
    for approach in approaches:
        for setting in approach.settings:
            whose.setdefault(setting.text, []).append(approach.name)
    if not whose:
        return []
    told = "; ".join(f"{text} ({', '.join(names)})" for text, names in whose.items())
    without = [
        each.name
        for each in approaches
        if each.published and each.published.params and not is_allowed(each.published.params, each.settings)
    ]
    return [f"Set       {told}" + (f"; the start of {', '.join(without)} is outside and not tried" if without else "")]


def _cheaper(approaches: Sequence[Approach]) -> list[str]:
    """Which approaches are searched cheaply, and how."""
    by_size: dict[int, list[str]] = {}
    for approach in approaches:
        if approach.most_px is not None:
            by_size.setdefault(max(spec.size_px for spec in approach.features), []).append(approach.name)
    if not by_size:
        return []
    told = "; ".join(f"{', '.join(names)} ({size_px} px)" for size_px, names in by_size.items())
    return [
        f"Cheaper   random weights see the smallest images, and no published setting on larger ones is tried: {told}"
    ]


def _racing(racing: Racing | None, seeds: int) -> str:
    """When a configuration may be stopped early."""
    if racing is None:
        return "none: every configuration runs all its seeds"
    looks = racing.looks(seeds)
    if not looks:
        return f"none: with {seeds} seeds every configuration runs them all (racing needs {LEAST_RACED})"
    return f"a losing configuration is stopped after {', '.join(map(str, looks))} of {seeds} seeds"
