"""The model card's account of what the sweep measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from made_up import SPEC, START, changed, found, trial
from sweeps.views import model_card

THREE = replace(SPEC.protocol, classes=("x", "y", "z"), shots=(5, 5, 5), pool=(1214, 1214, 1214))


def confirmed(seeds=8, **spec):
    """A sweep of one approach; one of three classes has no hits, since those that are made up are of two."""
    more = [trial(0, 0.8), trial(0, 0.8, stage="confirm", seeds=seeds, of_trial=0)]
    if "protocol" in spec:
        own = {"sensitivity": None, "specificity": None, "hits": None, "recalls": (0.7, 0.8, 0.9)}
        more = [replace(each, results=tuple(replace(r, **own) for r in each.results)) for each in more]
    if spec.get("metric") == "auroc":
        more = [replace(each, ranked_by="auroc") for each in more]
    return found(more, names=("a",), spec=spec, starts=(changed(START, {"options": {"confirm_seeds": seeds}}),))


def lines(summary):
    return list(
        model_card._sweep_s_numbers(
            summary, summary.approaches[0], SimpleNamespace(members=[None], temperature=1.0), is_on_all=False
        )
    )


def beginning(texts):
    """What each line on a metric says it is about."""
    return [text.partition(":")[0] for text in texts if "of these seeds" in text or "fresh seed" in text]


def test_of_two_classes_it_says_which_one_is_the_positive():
    assert beginning(lines(confirmed())) == [
        "- Accuracy on 8 fresh seeds",
        "- AUROC on validation images of these seeds",
        "- Specificity (recall of normal) on validation images of these seeds",
        "- Sensitivity (recall of pneumonia) on validation images of these seeds",
        "- Brier score on validation images of these seeds",
    ]


def test_of_more_classes_each_has_its_recall():
    card = lines(confirmed(protocol=THREE, test_counts=(5, 5, 5)))
    texts = [text for text in card if "recall" in text.lower()]
    assert beginning(texts) == [f"- Recall of {name} on validation images of these seeds" for name in "xyz"]
    assert "70.0 %" in texts[0]


@pytest.mark.parametrize("metric", ["balanced_accuracy", "auroc"])
def test_each_metric_is_there_once_and_auroc_s_interval_says_what_it_is_for(metric):
    card = lines(confirmed(metric=metric))
    (auroc,) = [text for text in card if "AUROC" in text]
    (accuracy,) = [text for text in card if text.startswith("- Accuracy")]
    assert ("on 8 fresh seeds" in auroc) == (metric == "auroc")
    assert auroc.endswith(", for other draws of labelled images alone).")
    assert "alone" not in accuracy


def test_one_seed_is_one():
    assert "- Accuracy on 1 fresh seed: 80.0 %." in lines(confirmed(seeds=1))
