"""What a person is told when a sweep ends: the table, the best approach, and where everything is."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeps import tables
from sweeps.agenda import CONFIRM_SEEDS_FROM
from sweeps.challenge import Challenge
from sweeps.marks import marked
from sweeps.options import Options
from sweeps.verdict import BETTER, UNDECIDED, WORSE, points, verdict, versus


def listing(challenge: Challenge) -> str:
    """What each approach is, its published result, and the setting that its search starts from."""
    lines = [
        challenge.title,
        "Published numbers are those of the study (Arafe, Gonzalez Pepe and Shende, Concordia University 2022), in "
        "validation accuracy.",
    ]
    for approach in challenge.approaches:
        reported = approach.reported
        result = "no published result"
        if reported.mean is not None:
            seeds = f" over {reported.seeds} seeds" if reported.seeds else ""
            result = f"published {reported.mean} +- {reported.sd} %{seeds}"
        setting = ", ".join(f"{name}={value}" for name, value in reported.params.items())
        lines += [
            "",
            f"{approach.name}{'' if approach.is_default else ' (on demand)'}: {approach.about}",
            f"    study: {result}; {reported.note}",
            f"    starts from: {setting}",
        ]
    return "\n".join(lines)


def framed(notice: str) -> str:
    """A notice that cannot be missed."""
    bar = "!" * 100
    return "\n".join([bar, *textwrap.wrap(notice, 96, initial_indent="! ", subsequent_indent="! "), bar])


def results(found: dict[str, Any], folder: Path, warnings: Sequence[str]) -> str:
    """The table of approaches and the best of them, from a summary."""
    lines = [
        f"Accuracy on balanced validation images in per cent, mean +- sd over seeds{marked(warnings)}",
        "",
        tables.printed(found),
        "",
        *(line for text in tables.LEGEND for line in textwrap.wrap(text, 118, subsequent_indent="    ")),
        "",
    ]
    lines += [line for sentence in verdict(found) for line in textwrap.wrap(sentence, 118)]
    lines += ["", *_winner(found["approaches"][0], folder), *against_baseline(found)]
    unfinished = sum(row["configurations"]["unfinished"] for row in found["approaches"])
    if unfinished:
        lines.append(f"{unfinished} configurations are not finished and not ranked.")
    lines += [f"{row['approach']} was {row['stopped']}" for row in found["approaches"] if row["stopped"]]
    for row in found["approaches"]:
        if row["confirmed_failure"]:
            lines.append(f"{row['approach']}: its confirmation failed, so it is not ranked: {row['confirmed_failure']}")
        if row["test_openings"] > 1:
            lines.append(
                f"{row['approach']}: the test split was opened {row['test_openings']} times, since an extended search "
                "found a new best configuration."
            )
    return "\n".join(lines).rstrip()


def _winner(best: dict[str, Any], folder: Path) -> list[str]:
    """The best approach's configuration, and how to train one of its seeds again."""
    if not best["is_confirmed"]:
        return []
    setting = ", ".join(f"{name}={tables.readable(value)}" for name, value in best["best_params"].items())
    return [
        f"Best configuration, {best['approach']} {best['best_trial']}:",
        *textwrap.wrap(setting, 110, initial_indent="      ", subsequent_indent="      "),
        "      Train one of its seeds again, here or elsewhere:",
        f"      python sweeps/rerun.py {shlex.quote(str(folder))} --approach {best['approach']} "
        f"--trial {best['best_trial']} --seed {CONFIRM_SEEDS_FROM}",
        "",
    ]


def against_baseline(found: dict[str, Any]) -> list[str]:
    """Which approaches beat the plain baseline, which do not, and by how much; empty where it is not confirmed."""
    compared = versus(found, found["baseline"])
    if not compared:
        return []
    lines = [
        f"Against {found['baseline']}, in points on the same fresh seeds, with the 95 % interval of each difference;",
        f"verdicts are of paired t tests at a level of 5 %, corrected for {len(found['comparisons'])} pairs (Holm):",
    ]
    for word in (BETTER, UNDECIDED, WORSE):
        texts = [f"{name} ({points(pair)})" for name, pair in compared.items() if pair["verdict"] == word]
        if texts:
            text = f"{word + ':':<21}{', '.join(texts)}"
            lines += textwrap.wrap(text, 110, initial_indent="      ", subsequent_indent=" " * 27)
    return [*lines, ""]


def record_line(folder: Path) -> str:
    """Where the files are."""
    return f"Record  {folder / 'study.journal'}; beside it summary.json, and seeds and trials as .csv and .parquet"


def resume_command(challenge: Challenge, options: Options, folder: Path) -> str:
    """The command that goes on with this sweep."""
    given = {
        "--results-dir": None if options.results_dir == Options().results_dir else options.results_dir,
        "--address": options.address,
        "--workers": options.workers,
        "--seed-timeout": None if options.seed_timeout == Options().seed_timeout else f"{options.seed_timeout}s",
    }
    extra = "".join(f"{name} {shlex.quote(str(value))} " for name, value in given.items() if value is not None)
    return f"python sweeps/{challenge.name}.py {extra}--resume {folder.name}"


def of_sweep(found: dict[str, Any], warnings: Sequence[str]) -> tuple[dict[str, float], str]:
    """Metrics and Markdown description of the sweep's own run in MLflow."""
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
    return metrics, f"**{marked(warnings).strip()}**\n\n```\n{tables.printed(found)}\n```".removeprefix("****\n\n")
