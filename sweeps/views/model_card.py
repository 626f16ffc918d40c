"""The model card of a kept model, in Markdown: what it is, what it learned from, how good it is, what it is not for.

What the sweep measured is taken from its summary; only how the model itself does on images that it has not learned from
is new. The sections are those of Mitchell et al. 2019, as far as they apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.lucky_seeds import Adjusted
from sweeps.analysis.model_quality import Measured
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import fresh_seeds
from sweeps.core.formatting import capital, interval_percent, percent, readable
from sweeps.core.provenance import git_revision
from sweeps.store.spec import BALANCED_ACCURACY
from sweeps.views.report_tables import metric_titles
from sweeps.views.robustness_tables import in_words, lost_points
from trainables.parts.exported import ExportedModel

FILE = "MODEL_CARD.md"


def text(
    summary: Summary,
    row: ApproachSummary,
    model: ExportedModel,
    quality: Measured | None,
    before: Measured | None,
    *,
    seeds: Sequence[int],
    is_on_all: bool,
) -> str:
    """The card.

    Args:
        summary: Of the sweep.
        row: Of the approach.
        model: What is kept.
        quality: On images that no member has learned from; None if there are none of some class.
        before: The same without the temperature that makes probabilities of its margins, if it has one.
        seeds: The members'.
        is_on_all: Whether they have learned from all images of the pool.
    """
    return "\n".join(
        [
            *_head(summary, row),
            *_training(summary, row, model, seeds, is_on_all=is_on_all),
            *_images(summary, model),
            *_sweep_s_numbers(summary, row, model, is_on_all=is_on_all),
            *_own_numbers(summary, quality, before, is_on_all=is_on_all),
            *_use(model),
        ]
    )


def _head(summary: Summary, row: ApproachSummary) -> Iterator[str]:
    yield f"# {row.approach}, from the sweep {summary.sweep}"
    yield ""
    yield "**Not a medical device.** It was made by research software, and nobody has tested it on patients."
    yield ""
    if summary.warnings:
        yield f"**{', '.join(summary.warnings)}**: take no number of this page at face value."
        yield ""
    yield row.about
    yield ""


def _training(
    summary: Summary, row: ApproachSummary, model: ExportedModel, seeds: Sequence[int], *, is_on_all: bool
) -> Iterator[str]:
    protocol = summary.spec.protocol
    shots = _by_class(protocol.classes, protocol.shots)
    count = len(model.members)
    yield "## How it was made"
    yield ""
    if is_on_all:
        what = f"all {sum(protocol.pool)} labelled images of the pool ({_by_class(protocol.classes, protocol.pool)})"
    else:
        what = f"{protocol.support} labelled images ({shots})"
    if count == 1:
        yield f"- One model, trained on {what}, with seed {seeds[0]}."
    else:
        own = "each on" if is_on_all else "each on its own"
        yield (
            f"- {count} models, {own} {what}, with the seeds {seeds[0]} to {seeds[-1]}, which were taken in their "
            "order and not chosen by a score. Their probabilities are averaged."
        )
    if is_on_all:
        yield f"- The configuration was chosen for {protocol.support} images ({shots}), not for so many."
    if model.temperature != 1:
        yield (
            f"- It gives margins, which are divided by {model.temperature:.4g} to be log-odds: a temperature, fitted "
            "by cross-validation on the images that were learned from, and on no other."
        )
    yield f"- Configuration {row.best_trial} of the approach's search:"
    for name, value in (row.best_params or {}).items():
        yield f"    - {name}: {readable(value)}"
    for name, each in summary.spec.weights.items():
        if name in model.weights:
            yield f"- Frozen backbone {name}, which is in the model: weights {each.source} ({each.fingerprint})."
    yield f"- Code: {git_revision()}, version {summary.spec.numbers_version} of its arithmetic."
    yield ""


def _images(summary: Summary, model: ExportedModel) -> Iterator[str]:
    spec, form = summary.spec, model.form
    colours = "grey" if form.colours == 1 else "colour"
    yield "## Its images"
    yield ""
    yield f"- From {spec.dataset.source}, fingerprint {spec.dataset.fingerprint}."
    yield f"- Classes: {', '.join(model.classes)}."
    yield (
        f"- In {colours}, {form.size_px} x {form.size_px} pixels. Others are brought to that as the sweep read its own."
    )
    yield f"- The pool that was drawn from: {_by_class(model.classes, spec.protocol.pool)}."
    yield ""


def _sweep_s_numbers(summary: Summary, row: ApproachSummary, model: ExportedModel, *, is_on_all: bool) -> Iterator[str]:
    spec = summary.spec
    this = "the average that is kept" if len(model.members) > 1 else "this one alone"
    if is_on_all:
        this = f"what is kept, which has learned from all {sum(spec.protocol.pool)}"
    yield "## What the sweep measured"
    yield ""
    yield f"Of single models of this configuration, each trained on {spec.protocol.support} images, so not of {this}:"
    yield ""
    if row.quoted is None:
        yield "- Not confirmed on fresh seeds: its numbers in the search flatter it."
    else:
        fresh = fresh_seeds(row.quoted.n) if row.is_confirmed else f"{summary.seeds_there(row)} fresh seeds"
        yield f"- {capital(spec.measured)} on {fresh}: {_estimate(row.quoted, spec.ranked_by)}."
        if row.adjusted is not None:
            yield f"- The same without the luck of these seeds: {_estimate(row.adjusted, spec.ranked_by)}."
    for name, title in metric_titles(spec.protocol.classes).items():
        if name in row.quoted_validation and name != spec.ranked_by:
            found = row.quoted_validation[name]
            value = _estimate(found, name)
            if name == "brier":
                of_margins = " (of its margins, as if they were log-odds)" if model.temperature != 1 else ""
                value = f"{found.mean:.3f}{of_margins}"
            yield f"- {capital(title)} on validation images of these seeds: {value}."
    if row.test_accuracy is None:
        yield "- The test split was not opened for it."
    else:
        yield f"- Balanced accuracy on the test split: {_estimate(row.test_accuracy, BALANCED_ACCURACY)}."
    yield from _lost(summary, row.approach)
    yield ""


def _lost(summary: Summary, approach: str) -> Iterator[str]:
    rows = {each.approach: each for each in summary.robustness.approaches} if summary.robustness else {}
    found = rows.get(approach)
    if found is None or found.mean is None:
        yield "- What changed images cost it was not measured."
        return
    yield (
        f"- On changed test images its balanced accuracy {in_words(found.mean)} on average; by kind, where less than 0 "
        "is a gain:"
    )
    for each in found.kinds:
        yield f"    - {each.kind}: {lost_points(each.loss.mean)}"


def _own_numbers(
    summary: Summary, quality: Measured | None, before: Measured | None, *, is_on_all: bool
) -> Iterator[str]:
    yield "## How this very model does"
    yield ""
    if quality is None:
        why = "it has learned from all of them" if is_on_all else "of some class it has learned from all of them"
        yield f"There are no labelled images left to measure it on: {why}."
        yield ""
        return
    classes = summary.spec.protocol.classes
    yield (
        f"On the images of the pool that none of its models has learned from ({_by_class(classes, quality.images)}). "
        "The search chose the configuration on images of this pool, so these numbers flatter it a little."
    )
    yield ""
    yield f"- Balanced accuracy: {percent(quality.balanced_accuracy)} %."
    for name, recall in zip(classes, quality.recalls, strict=True):
        yield f"    - of {name}: {percent(recall)} %"
    yield f"- AUROC: {percent(quality.auroc)} %."
    yield f"- Brier score: {quality.brier:.3f} (0 is perfect; always one half of two classes is .25)."
    if before is not None:
        yield f"    - {before.brier:.3f} if its margins were taken for log-odds"
    yield ""
    yield "How often it is right when it says so (reliability):"
    yield ""
    yield "| probability of the predicted class | images | it says, on average | it is right |"
    yield "|---|---|---|---|"
    for each in quality.bins:
        yield (
            f"| {percent(each.low)} to {percent(each.high)} % | {each.images} | {percent(each.said)} % | "
            f"{percent(each.was)} % |"
        )
    yield ""


def _use(model: ExportedModel) -> Iterator[str]:
    yield "## Using it"
    yield ""
    yield (
        f"It knows {', '.join(model.classes)} and nothing else: to any image, of whatever it may be, it gives "
        "probabilities of these that sum to 1. They hold where each class is as frequent as any other, and for images "
        "from the same kind of device and patients."
    )
    yield ""
    yield "It is Python code and pickled functions: load it only if you trust where it comes from."
    yield ""


def _by_class(classes: Sequence[str], counts: Sequence[int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in zip(classes, counts, strict=True))


def _estimate(found: Estimate | Adjusted, metric: str) -> str:
    interval = interval_percent(found.low, found.high)
    alone = ", for other draws of labelled images alone" if metric == "auroc" else ""
    return f"{percent(found.mean)} %" + (f" (95 % interval {interval}{alone})" if interval else "")
