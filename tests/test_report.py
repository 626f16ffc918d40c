"""The report as files: what is in it, that it stands alone, and that it is there whatever the journal holds."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import pretended
from made_up import SPEC, START, approaches, changed, finished, found, source, trial
from sweeps.analysis.approach_summary import PublishedNumber
from sweeps.analysis.summary import summarise
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.journal import Journal
from sweeps.store.trials import searched
from sweeps.views import report, report_figures, report_page, report_tables, search_figures
from sweeps.views.figure_style import Plot

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """Every tag with its attributes, all ids, and whether each tag that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def pretended_trials(journal, name):
    return searched(journal.trials([name]), name)


def written(journal, made):
    """The report's two texts and its plots' names."""
    paths = report.write(journal, made, summarise(journal, made))
    assert all(path.is_file() for path in paths)
    page, markdown = (journal.folder / name for name in ("report.html", "report.md"))
    assert paths[:2] == [page, markdown]
    return page.read_text(), markdown.read_text(), {path.stem for path in paths[2:]}


def a_confirmation(seeds):
    return trial(0, 0.8, stage="confirm", seeds=seeds, of_trial=0)


@pytest.fixture
def without_pictures(monkeypatch):
    """For what is about words: drawing takes most of a report's time."""
    monkeypatch.setattr(
        report_figures, "rendered", lambda name, alt, figure: Plot(name=name, alt=alt, svg="<svg></svg>", png=b"")
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A phantom smoke sweep of two approaches with some failures, and its report."""
    journal = Journal(tmp_path_factory.mktemp("whole") / "sweep", write=True)
    hostile = "<script>alert('a')</script> | [x](y)"

    def fails(task, seed):
        return hostile if task.trial.number == 3 else None

    made = approaches("a", "b")
    journal.begin(
        changed(SPEC, {"dataset": source("phantom"), "smoke": True}),
        changed(
            START, {"command": "python sweeps/challenge1.py --name '<b>&'", "notices": ("No <i>images</i> here.",)}
        ),
    )
    pretended.finish(pretended.search(journal, made, num_samples=12), fails=fails)
    pretended.finish(ConfirmationStage(journal, made, lambda *who: None, seeds=8))
    yield journal, made, written(journal, made)
    journal.close()


def test_every_section_and_plot_is_there(whole):
    journal, _, (page, markdown, names) = whole
    assert names == {
        "seeds",
        "differences",
        "history",
        "cost_curve",
        "cost",
        "parallel_1",
        "parallel_2",
    } | {name for name in names if name.startswith("importance")}
    for heading in ("Checks", "Paired differences", "Accuracy against cost", "How it was run", "How to go on"):
        assert f"<h2>{heading}</h2>" in page
        assert f"\n## {heading}\n" in markdown
    for name in names:
        assert f"(plots/{name}.png)" in markdown
        assert f'id="figure-{name}"' in page
        assert (journal.folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_answer_and_its_picture_come_first(whole):
    _, _, (page, markdown, _) = whole
    for text, heading in ((page, "<h2>{}</h2>"), (markdown, "## {}\n")):
        assert text.index(heading.format("The answer, seed by seed")) < text.index(heading.format("Checks"))


def test_every_seed_and_configuration_says_what_it_is_under_the_pointer(whole):
    journal, made, (page, _, _) = whole
    summary = summarise(journal, made)
    for row in summary.approaches:
        said = re.findall(rf"<title>{row.approach}, seed \d+: (\d+\.\d) %</title>", page)
        assert len(said) == 8
        assert abs(sum(map(float, said)) / 8 - 100 * row.quoted.mean) < 0.06
    tried = sum(len(trials) for trials in (pretended_trials(journal, name) for name in "ab"))
    assert len(re.findall(r"<title>configuration \d+, ", page)) == tried
    # Each line of the parallel coordinates is one configuration.
    complete = sum(trial.state == "COMPLETE" for name in "ab" for trial in pretended_trials(journal, name))
    assert len(re.findall(r"<title>configuration \d+: ", page)) == complete


def test_approaches_warnings_and_commands_are_in_both(whole):
    _, _, (page, markdown, names) = whole
    for text in (page, markdown):
        assert "PHANTOM IMAGES · SMOKE RUN" in text
        assert "| a |" in text or '<th scope="row">a</th>' in text
        assert "--num-samples 24" in text
        assert "optuna-dashboard" in text
    # Once for the page, and once in each plot.
    assert page.count("PHANTOM IMAGES · SMOKE RUN") == 1 + len(names)


def test_the_page_asks_nobody_for_anything(whole):
    _, _, (page, _, _) = whole
    tags = Page(page).tags
    assert not {"script", "link", "iframe", "img", "object", "base"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_of_two_classes_the_positive_one_is_named(whole):
    _, _, (page, markdown, _) = whole
    sentence = "pneumonia, the second class, is the positive one: sensitivity is the recall of pneumonia, specificity "
    for text in (page, markdown):
        # Under the table of recalls, for eyes and for readers of screens, and among what was fixed.
        assert text.count(sentence) == (3 if text == page else 2)
    of_three = replace(SPEC.protocol, classes=("x", "y", "z"), shots=(5, 5, 5), pool=(1214, 1214, 1214))
    assert "positive" not in report_tables.recalls(found([], spec={"protocol": of_three})).caption


def test_links_and_ids_fit(whole):
    _, _, (page, _, _) = whole
    tags = Page(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {attributes["href"][1:] for tag, attributes in tags if "href" in attributes and tag != "image"}
    wanted |= {target[1:] for target in re.findall(r"url\(([^)]*)\)", page)}
    assert wanted <= set(ids)


def test_pictures_say_what_they_show(whole):
    _, _, (page, _, names) = whole
    labels = [attributes["aria-label"] for _, attributes in Page(page).tags if attributes.get("role") == "img"]
    assert len(labels) == len(names)
    assert all(len(label) > 20 for label in labels)


def test_words_of_users_stay_words(whole):
    _, _, (page, markdown, _) = whole
    assert "&lt;script&gt;alert(" in page
    assert "&lt;i&gt;images&lt;/i&gt;" in page
    for text in (page, markdown):
        assert "<script" not in text
        assert "<i>" not in text
    # Only inside a block of code, where it stays as it is.
    assert all(line.startswith("    ") for line in markdown.splitlines() if "<b>" in line)


def test_the_same_journal_gives_the_same_bytes_and_no_old_plots(whole):
    journal, made, before = whole
    pictures = {path.name: path.read_bytes() for path in (journal.folder / "plots").iterdir()}
    (journal.folder / "plots" / "importance_9.png").write_bytes(b"old")
    assert written(journal, made) == before
    assert {path.name: path.read_bytes() for path in (journal.folder / "plots").iterdir()} == pictures


def test_one_approach_alone(journal):
    page, _, names = written(journal, finished(journal, names=("b",), num_samples=2))
    Page(page)
    assert "differences" not in names
    assert "No two approaches have all their fresh seeds" in page
    assert "PHANTOM" not in page


def test_approaches_without_a_published_number(journal, without_pictures):
    """One beside others, and then all: every other section is there as before."""
    made = finished(journal)
    some = written(journal, [made[0], replace(made[1], published=None)])
    none = written(journal, [replace(each, published=None) for each in made])
    for page, markdown, names in (some, none):
        Page(page)
        assert {"seeds", "history", "cost"} <= names
        assert "<h2>The study&#39;s numbers" in page or "<h2>The study's numbers" in page
        assert "## The study's numbers" in markdown
    assert "The study has none of these approaches." in none[0]
    assert "The study has none of these approaches." in none[1]
    assert "The study has none" not in some[0] + some[1]
    assert "<dt>a</dt><dd>made up</dd>" in some[0]
    assert "<dt>b</dt>" not in some[0]


def test_an_approach_that_the_study_does_not_have_is_not_among_its_approaches(journal, without_pictures):
    ours = [
        replace(each, published=replace(each.published, is_of_the_study=each.name != "b"))
        for each in finished(journal, names=("a", "b"))
    ]
    page, _, _ = written(journal, ours)
    assert "<dt>a</dt><dd>made up</dd>" in page
    assert "<dt>b</dt>" not in page
    only_ours = [replace(each, published=replace(each.published, is_of_the_study=False)) for each in ours]
    page, markdown, _ = written(journal, only_ours)
    assert "The study has none of these approaches." in page
    assert "The study has none of these approaches." in markdown


@pytest.mark.parametrize("spec", [{"protocol": replace(SPEC.protocol, pool=(900, 900))}, {"metric": "auroc"}])
def test_what_is_not_the_study_s_is_not_said_to_be_its_approaches(journal, spec, without_pictures):
    made = finished(journal, spec=spec)
    for text in written(journal, made)[:2]:
        assert "not the study's images" in html.unescape(text)
        assert "none of these approaches" not in text
        assert "more accurate" not in text
        assert "shuffles of the\naccuracies" not in text


def test_says_what_suggested_configurations(journal, without_pictures):
    made = finished(journal)
    # Begun before there was a choice, and resumed.
    starts = (START, *(changed(START, {"options": {**START.options, "sampler": each}}) for each in ("tpe", "random")))
    for start in starts[1:]:
        journal.begin(journal.spec, start)
    assert "Sampler: tpe, then random; seed 0" in written(journal, made)[1]


def test_what_intervals_are_made_of_is_said_as_it_is():
    """With hits, as `made_up` has them, and without."""
    with_hits = [trial(0, 0.8, approach=name) for name in "ab"]
    with_hits += [trial(0, 0.8, approach=name, stage="confirm", of_trial=0) for name in "ab"]
    bare = [replace(each, results=tuple(replace(r, hits=None) for r in each.results)) for each in with_hits]
    known, unknown = (report_page._intervals(found(trials)) for trials in (with_hits, bare))
    assert known.startswith("The 95 % interval of a mean is Wilson's")
    assert "adds" in known
    assert "of the seeds alone" in unknown


def test_columns_have_the_names_that_are_printed(whole):
    _, _, (page, markdown, _) = whole
    for name in ("published", "our run of it", "complete/raced/failed", "seconds/seed"):
        assert f"| {name} |" in markdown
        assert f">{name.replace('/', '/' + chr(0x200B))}</th>" in page
    for text in (page, markdown):
        assert not re.search(r"reported|the record|finding|s a seed", text, re.IGNORECASE)


def test_one_seed_is_no_range():
    facts = {fact.name: fact.text for fact in report_page._seeds(found([trial(0), a_confirmation(1)], names=("a",)))}
    assert facts["Fresh seeds"].startswith("2000, for")
    assert facts["Seeds of the search"].startswith("1000000 to 1000009, ")


def test_an_incomplete_confirmation_is_not_taken_for_a_mean(without_pictures):
    trials = [trial(0), a_confirmation(3)]
    summary = found(trials, names=("a",), spec={"dataset": source("phantom")})
    assert report_tables.equal_cost(summary, trials).rows[0][-1] == ""
    assert report_tables.recalls(summary).rows[0][0] == "a (3 of 8 seeds)"
    (plot,) = report_figures.figures(summary, trials)["seeds"]
    assert plot.alt.endswith("a (3 of 8 seeds) 80.0 %")
    published = PublishedNumber(
        mean_percent=70.0, sd_percent=None, seeds=None, params={}, note="", is_class_accuracy=True, is_of_the_study=True
    )
    row = changed(summary.approaches[0], {"published": published})
    summary = changed(summary, {"approaches": (row,)})
    assert report_tables.study(summary).rows[0][-1] == ""
    (plot,) = report_figures.figures(summary, trials)["study"]
    assert plot.alt == "Published numbers and ours: a 70.0 %"


def test_an_unconfirmed_journal(journal):
    made = approaches("a", "b")
    journal.begin(SPEC, START)
    stage = pretended.search(journal, made, num_samples=2)
    pretended.finish(stage)
    page, _, names = written(journal, made)
    Page(page)
    assert "No approach has all its fresh seeds yet" in page
    assert {"history", "cost"} <= names
    assert "seeds" not in names


def test_a_journal_that_has_only_begun(journal):
    journal.begin(SPEC, START)
    page, markdown, names = written(journal, approaches("a", "b"))
    Page(page)
    assert names == set()
    assert "There is nothing to draw here yet." in page
    assert "There is nothing to draw here yet." in markdown


def test_what_goes_wrong_is_said_in_a_line(journal, monkeypatch):
    def broken(*_):
        raise OSError("no space left\non device")

    monkeypatch.setattr(report, "write", broken)
    files, trouble = report.try_to_write(journal, [], found([]))
    assert files == []
    assert trouble == "Report  not written (OSError: no space left); the journal has everything"


def test_labels_are_spread_and_stay_in_order():
    assert search_figures.spread([1.0, 3.0], 0.5, 10) == [1.0, 3.0]
    assert search_figures.spread([3.0, 1.0, 1.0], 0.5, 10) == pytest.approx([3.0, 0.75, 1.25])
    assert search_figures.spread([9.9, 10.0], 1.0, 10) == pytest.approx([9.0, 10.0])
    assert search_figures.spread([], 1.0, 10) == []


def test_markdown_tables_keep_their_columns():
    table = report_tables.Table(
        head=["a", "words", "n"], rows=[["x|y", "two\nlines <b>", "1"]], caption="", left=("words",)
    )
    assert report_tables.markdown(table).splitlines() == [
        "| a | words | n |",
        "| :-- | :-- | --: |",
        "| x\\|y | two lines &lt;b&gt; | 1 |",
    ]


def test_the_page_does_not_depend_on_the_environment(journal, monkeypatch):
    made = finished(journal)
    before = written(journal, made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@example.org")
    assert written(journal, made) == before
