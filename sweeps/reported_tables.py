"""The study's numbers beside ours: the tables as data, and as a person reads them.

The study's numbers are in per cent, as it prints them; ours are fractions, as everywhere in the files.
"""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy import stats

from search_spaces.reported import Variant
from sweeps import marks, tables
from sweeps.bad_input import BadInput, path_of
from sweeps.challenge import Approach, Challenge
from sweeps.comparisons import ERROR, holm
from sweeps.intervals import Estimate, estimate
from sweeps.record import SEARCH, Record, TrialRecord
from sweeps.reported_agenda import study_seeds

# Over how many seeds a number is taken to be where the study does not say: the fewest that it states for any.
FEWEST_SEEDS = 10
LEGEND = (
    "ours: the same setting, completed by us where the study does not give it (--list says where), on the study's "
    "seeds, 0 to n - 1; what follows a comma in the first column names a further setting of the same approach",
    "noise explains it: no where Welch's t test of both means, with Holm's correction over the table's rows, gives "
    'p < .05; "-" where the study has no number or one that is no accuracy of the class. Where it does not give its '
    f"number of seeds, {FEWEST_SEEDS} are assumed, the fewest it states",
    "The study decides for pneumonia at a logit of .5 or more (p >= .622), we at p >= .5. It publishes no single "
    "seeds, so that these cannot be compared in pairs; and it chose its settings on these very seeds.",
)
AFTER_THE_SWEEP = (
    "after the sweep: ours with the best configuration that the sweep found, on fresh seeds, with the 95 % interval "
    "of the mean"
)


def find(trials: Sequence[TrialRecord], approach: Approach, setting: Variant) -> TrialRecord | None:
    """The trial of an approach at a published setting."""
    own = (trial for trial in trials if trial.approach == approach.name and trial.stage == SEARCH)
    return next((trial for trial in own if trial.params == dict(setting.params)), None)


def by_table(challenges: Sequence[Challenge], approaches: Sequence[Approach]) -> dict[str, list[Approach]]:
    """The approaches under the name of the first challenge that has them, in the challenges' order."""
    table_of = {each.name: challenge.name for challenge in reversed(challenges) for each in challenge.approaches}
    return {
        challenge.name: own
        for challenge in challenges
        if (own := [approach for approach in approaches if table_of[approach.name] == challenge.name])
    }


def summary(
    record: Record,
    challenges: Sequence[Challenge],
    approaches: Sequence[Approach],
    after: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The tables with everything that is known of each row.

    Args:
        record: Where ours come from.
        challenges: A table each.
        approaches: Those in the tables.
        after: Confirmed results of sweeps, by approach, as `confirmed` finds them.
    """
    trials = record.trials([approach.name for approach in approaches])
    titles = {challenge.name: challenge.title for challenge in challenges}
    found = []
    for name, own in by_table(challenges, approaches).items():
        rows = [
            _row(record.spec, trials, approach, variant, after)
            for approach in own
            for variant in approach.reported.settings()
        ]
        tested = [row for row in rows if row["p"] is not None]
        for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row["p_holm"] = adjusted
            row["noise_explains_it"] = adjusted >= ERROR
        found.append(
            {
                "challenge": name,
                "title": titles[name],
                "warnings": _warnings(record.spec, own),
                "rows": rows,
                "faults": {each.name: each.reported.fault for each in own if each.reported.fault},
            }
        )
    return {
        "sweep": record.folder.name,
        "marks": marks.of_sweep(record.spec) if record.spec else {},
        **record.spec,
        "starts": record.starts,
        "tables": found,
    }


def _row(
    spec: Mapping[str, Any],
    trials: Sequence[TrialRecord],
    approach: Approach,
    variant: str,
    after: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    reported, setting = approach.reported, approach.reported.settings()[variant]
    trial = find(trials, approach, setting)
    ours = estimate(trial.values("accuracy")) if trial else None
    is_comparable = setting.mean is not None and reported.is_class_accuracy
    is_complete = trial is not None and trial.state == "COMPLETE"
    difference = 100 * ours.mean - setting.mean if is_comparable and is_complete and ours and setting.mean else None
    return {
        "approach": approach.name,
        "variant": variant or None,
        "trial": trial.number if trial else None,
        "params": dict(setting.params),
        "weights": marks.weights(spec, approach),
        "reported": {
            "mean": setting.mean,
            "sd": setting.sd,
            "seeds": setting.seeds,
            "note": reported.note,
            "fault": reported.fault,
            "is_class_accuracy": reported.is_class_accuracy,
        },
        "ours": asdict(ours) if ours else None,
        "seeds_wanted": len(study_seeds(setting, smoke=spec["smoke"])),
        "is_complete": is_complete,
        "failure": trial.reason if trial and trial.state == "FAIL" else None,
        "difference_points": difference,
        "p": welch(setting, ours) if difference is not None and ours else None,
        "p_holm": None,
        "noise_explains_it": None,
        # A sweep searches among all variants, so that its result stands once, beside the main setting.
        "after_the_sweep": after.get(approach.name) if not variant else None,
    }


def welch(setting: Variant, ours: Estimate) -> float | None:
    """Two-sided p-value of Welch's t test, from the study's mean and sd in per cent; None with one seed of ours."""
    if setting.mean is None or setting.sd is None or ours.sd is None:
        return None
    if setting.sd == ours.sd == 0:
        return float(math.isclose(setting.mean, 100 * ours.mean))
    seeds = setting.seeds or FEWEST_SEEDS
    found = stats.ttest_ind_from_stats(
        setting.mean, setting.sd, seeds, 100 * ours.mean, 100 * ours.sd, ours.n, equal_var=False
    )
    return float(found.pvalue)


def _warnings(spec: Mapping[str, Any], approaches: Sequence[Approach]) -> list[str]:
    """What must be said beside a table's numbers; the weights of another table's backbones do not count."""
    backbones = {feature.backbone for each in approaches for feature in each.trainable.features}
    others = {name for each in approaches for name in each.trainable.others}
    own = {
        **spec,
        "weights": {name: source for name, source in spec["weights"].items() if name in backbones},
        "others": {name: source for name, source in spec["others"].items() if name in others},
    }
    return marks.warnings(own)


def label(row: Mapping[str, Any]) -> str:
    """The name of a row."""
    return f"{row['approach']}, {row['variant']}" if row["variant"] else str(row["approach"])


def printed(found: Mapping[str, Any]) -> str:
    """All tables, with what is wrong with the study's numbers under each."""
    lines = ["Accuracy on balanced validation images in per cent, mean +- sd over seeds", ""]
    has_after = _has_after(found)
    for table in found["tables"]:
        lines += [_printed_table(table, has_after), ""]
        if table["faults"]:
            lines.append("Why some of the study's numbers are wrong:")
            for name, fault in table["faults"].items():
                lines += _wrapped(f"{name}: {fault}", "  ")
            lines.append("")
        for row in table["rows"]:
            if row["failure"]:
                lines += [*_wrapped(f"{label(row)} failed: {row['failure']}", "  "), ""]
    for text in (*LEGEND, *([AFTER_THE_SWEEP] if has_after else [])):
        lines += _wrapped(text, "")
    return "\n".join(lines)


def for_mlflow(found: Mapping[str, Any]) -> str:
    """The tables alone, in Markdown; MLflow takes 8000 characters."""
    return "\n\n".join(f"```\n{_printed_table(table, _has_after(found))}\n```" for table in found["tables"])


def _has_after(found: Mapping[str, Any]) -> bool:
    return any(row["after_the_sweep"] for table in found["tables"] for row in table["rows"])


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 120, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _printed_table(table: Mapping[str, Any], has_after: bool) -> str:
    rows = table["rows"]
    has_weights = any(row["weights"] for row in rows)
    texts = []
    for row in rows:
        reported, ours, difference = row["reported"], row["ours"], row["difference_points"]
        texts.append(
            {
                "approach": label(row),
                **({"weights": tables.source_names(row["weights"])} if has_weights else {}),
                "reported": _mean_sd(reported["mean"], reported["sd"]) or "none",
                "ours": _mean_sd(100 * ours["mean"], None if ours["sd"] is None else 100 * ours["sd"]) if ours else "",
                "seeds": f"{ours['n'] if ours else 0}" + ("" if row["is_complete"] else f" of {row['seeds_wanted']}"),
                "ours - reported": "-" if difference is None else f"{difference:+.1f}",
                "noise explains it": {None: "-", True: "yes", False: "no"}[row["noise_explains_it"]],
                **({"after the sweep": _after(row["after_the_sweep"])} if has_after else {}),
            }
        )
    lines = tables.aligned(texts, left=("approach", "weights") if has_weights else ("approach",))
    return f"{table['title']}{marks.marked(table['warnings'])}\n\n{lines}"


def _mean_sd(mean: float | None, sd: float | None) -> str:
    """Both in per cent."""
    return "" if mean is None else f"{mean:.1f}" + ("" if sd is None else f" +- {sd:.1f}")


def _after(confirmed: Mapping[str, Any] | None) -> str:
    if not confirmed:
        return ""
    low, high = confirmed["low"], confirmed["high"]
    return f"{100 * confirmed['mean']:.1f}" + ("" if low is None else f" ({100 * low:.1f} to {100 * high:.1f})")


def rerun_command(found: Mapping[str, Any], folder: Path) -> str | None:
    """The command that trains one of the seeds again; None if there is none yet."""
    rows = [row for table in found["tables"] for row in table["rows"] if row["ours"]]
    if not rows:
        return None
    return (
        f"python sweeps/rerun.py {shlex.quote(str(folder))} --approach {rows[-1]['approach']} "
        f"--trial {rows[-1]['trial']} --seed 0"
    )


def metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """The tables' numbers for the run in MLflow."""
    values: dict[str, float] = {}
    for row in (row for table in found["tables"] for row in table["rows"] if row["is_complete"]):
        name = ".".join(filter(None, (row["approach"], row["variant"])))
        values[f"{name}.accuracy_mean"] = row["ours"]["mean"]
        if row["ours"]["sd"] is not None:
            values[f"{name}.accuracy_sd"] = row["ours"]["sd"]
        if row["difference_points"] is not None:
            values[f"{name}.difference_points"] = row["difference_points"]
    return values


def confirmed(
    folders: Sequence[str], challenges: Sequence[Challenge], spec: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What these sweeps confirmed, by approach; of an approach in several, what the first one did.

    Raises:
        BadInput: One of them is no sweep of these challenges, or one on other images or weights than `spec` has.
    """
    found: dict[str, dict[str, Any]] = {}
    by_name = {challenge.name: challenge for challenge in challenges}
    for folder in folders:
        record = Record(path_of(folder), write=False)
        challenge = by_name.get(record.spec.get("challenge", ""))
        if challenge is None:
            raise BadInput(f"Expected --sweep as the folder of a sweep of {' or '.join(by_name)}; got {folder}.")
        _check_same(folder, record.spec, spec)
        if "test_counts" not in record.spec:
            raise BadInput(f"Expected --sweep as one of this version; {folder} is older. Resume it once, then name it.")
        own = [approach for approach in challenge.approaches if approach.name in record.approaches()]
        for row in tables.summary(record, own)["approaches"]:
            if row["is_confirmed"]:
                found.setdefault(row["approach"], row["confirmed"])
    return found


def _check_same(folder: str, of_sweep: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    pairs = [
        (what, of_sweep.get(key), ours[key])
        for key, what in (
            ("numbers_version", "version of the training code"),
            ("dataset_fingerprint", "images"),
            ("smoke", "--smoke"),
            *([("precision", "--precision")] if of_sweep.get("weights") and ours["weights"] else []),
        )
    ]
    pairs += [
        (f"{what} {name}", of_sweep[key].get(name, fingerprint), fingerprint)
        for key, what in (("weights_fingerprint", "weights of"), ("others_fingerprint", "images of"))
        for name, fingerprint in ours[key].items()
    ]
    for what, theirs, here in pairs:
        if theirs != here:
            raise BadInput(
                f"Expected --sweep as one that agrees with this run in {what} ({here}); {folder} has {theirs}. Name "
                "another sweep, or none."
            )
