"""The report's figures of the search: which configuration they single out, and what they call it."""

from __future__ import annotations

import pytest

from made_up import found, trial
from sweeps.views import report_figures, search_figures
from sweeps.views.figure_style import VERMILLION, Plot


@pytest.fixture
def figures(monkeypatch):
    """What is drawn, by name, with its text in the place of a picture."""
    drawn = {}

    def keep(name, alt, figure):
        drawn[name] = figure
        return Plot(name=name, alt=alt, svg="<svg></svg>", png=b"")

    monkeypatch.setattr(report_figures, "rendered", keep)
    return drawn


def with_finalists():
    """The second configuration is better on the search's first seeds, and the first one on all of them."""
    return [
        trial(0, 0.8, params={"rate": 1e-4}),
        trial(1, 0.9, params={"rate": 1e-2}),
        trial(0, 0.96, stage="intensify", of_trial=0),
        trial(1, 0.7, stage="intensify", of_trial=1),
        trial(0, 0.85, stage="confirm", seeds=8, of_trial=0),
    ]


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def thick(figure):
    (line,) = [line for line in figure.axes[0].lines if line.get_color() == VERMILLION]
    return list(line.get_xdata())


def test_the_thick_line_is_the_configuration_that_is_confirmed(figures):
    trials = with_finalists()
    summary = found(trials, names=("a",))
    assert summary.approaches[0].best_trial == 0
    (plot,) = report_figures.figures(summary, trials)["parallel"]
    assert plot.alt.endswith("the thick line is configuration 0.")
    assert "2 complete configurations of a" in plot.alt
    assert thick(figures["parallel_1"]) == [0.0]
    assert words(figures["parallel_1"]) == ["the chosen one"]


def test_it_is_drawn_even_where_others_were_better_at_first():
    axes = [search_figures.Axis(name="rate", places=[0.1, 0.5, 0.9], ticks={})]
    figure = search_figures.parallel("Best", axes, {3: 80.0, 5: 90.0, 6: 85.0}, [], "accuracy", 2, 3)
    assert thick(figure) == [0.1]
    assert sorted(line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1) == [0.1, 0.5]


def test_the_green_line_is_the_confirmed_configuration_s(figures):
    trials = with_finalists()
    report_figures.figures(found(trials, names=("a",)), trials)
    for name in ("history", "cost_curve"):
        assert words(figures[name])[-1] == "mean of the confirmed one on fresh seeds"
        assert "best so far by the search's first seeds" in words(figures[name])
