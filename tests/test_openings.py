"""How often a test split was opened, over all sweeps in a results folder: real journals, a pretended worker, no Ray."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from made_up import SPEC, START, approaches, finished, source
from pretended import finish, outcome, search
from sweeps.analysis.checks import checks
from sweeps.analysis.openings import OtherSweep, SplitOpenings, in_words
from sweeps.analysis.summary import summarise
from sweeps.core.files import LEDGER
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.journal import Journal
from sweeps.store.openings import Openings, read_openings
from sweeps.views import console
from trainables.parts.protocol import TEST, VALIDATION

IMAGES = SPEC.dataset.fingerprint


@pytest.fixture
def results(tmp_path):
    return tmp_path


def sweep(results, name, **how):
    """A finished sweep of two approaches."""
    journal = Journal(results / name, write=True)
    made = finished(journal, num_samples=2, **how)
    summary = summarise(journal, made)
    found = {check.title: check for check in checks(summary, journal.trials())}["Test split"]
    journal.close()
    return summary, found


def noted(results, name):
    """A sweep that has opened the split for two configurations."""
    journal = Journal(results / name, write=True)
    journal.begin(SPEC, START)
    for trial in range(2):
        Openings(journal).note("a", trial, {})
    journal.close()


def keys(results, images=IMAGES):
    return [(each.sweep, each.approach, each.trial) for each in read_openings(results, images)]


def test_each_configuration_is_one_line_before_its_first_result_is_in_the_journal(results):
    journal = Journal(results / "one", write=True)
    journal.begin(SPEC, START)
    made = approaches("a")
    finish(search(journal, made, num_samples=1))
    stage = ConfirmationStage(journal, made, lambda *who: None, seeds=3)
    task = stage.next_task()
    stage.take(task, outcome(task, 2000, VALIDATION))
    assert not (results / LEDGER).exists()
    stage.take(task, outcome(task, 2000, TEST))
    (opening,) = read_openings(results, IMAGES)
    assert (opening.sweep, opening.sweep_id, opening.approach, opening.trial) == ("one", journal.id, "a", 0)
    assert opening.params == {"x": 0.5, "kind": "plain"}
    # The driver dies, and the next one goes on; then more seeds are asked for.
    for seeds in (3, 5):
        finish(ConfirmationStage(journal, made, lambda *who: None, seeds=seeds))
    assert len((results / LEDGER).read_text().splitlines()) == 1
    journal.close()


def test_sweeps_of_the_same_images_add_up_and_say_so(results):
    first, check = sweep(results, "one")
    assert (first.openings, check.mark) == (SplitOpenings(here=2), "keep in mind")
    sweep(results, "other images", spec={"dataset": source("/elsewhere.npz", "f" * 16)})
    second, check = sweep(results, "two")
    assert second.openings == SplitOpenings(here=2, others=(OtherSweep(name="one", configurations=2),))
    assert check.mark == "look at this"
    words = "opened for 4 configurations in this results folder (2 in this sweep, 2 in one): 4 looks."
    assert words in check.text
    assert words in " ".join(console.sweep_text(second, results).split())


def test_a_deleted_sweep_was_seen_and_a_renamed_one_is_the_same(results):
    sweep(results, "one")
    sweep(results, "two")
    shutil.rmtree(results / "one")
    (results / "two").rename(results / "three")
    journal = Journal(results / "three", write=True)
    made = approaches("a", "b")
    Openings(journal).note_all(journal.trials())
    assert summarise(journal, made).openings == SplitOpenings(
        here=2, others=(OtherSweep(name="one", configurations=2),)
    )
    journal.close()
    assert len(keys(results)) == 4


def test_the_phantom_s_split_is_synthetic_and_not_counted(results):
    for name in ("one", "two"):
        summary, check = sweep(results, name, spec={"dataset": source("phantom")})
    assert not (results / LEDGER).exists()
    assert (summary.openings.is_synthetic, check.mark) == (True, "fine")
    assert "looks" not in console.sweep_text(summary, results)


@pytest.mark.parametrize("torn", [b'{"time_ms": 1, "ima', b"\xff\xfe", b"[1", b'"x"\n', b"[" * 100_000])
def test_a_line_that_a_dead_driver_left_is_skipped_and_ended(results, torn):
    noted(results, "one")
    with (results / LEDGER).open("ab") as ledger:
        ledger.write(torn)
    noted(results, "two")
    assert [name for name, *_ in keys(results)] == ["one", "one", "two", "two"]


def test_a_ledger_that_cannot_be_written_is_told_and_stops_nothing(results, capfd):
    (results / LEDGER).mkdir()
    summary, _ = sweep(results, "one")
    assert summary.openings == SplitOpenings(here=2)
    assert capfd.readouterr().err.count("cannot be written") == 1
    # What could not be written then is written by the next start.
    (results / LEDGER).rmdir()
    journal = Journal(results / "one", write=True)
    Openings(journal).note_all(journal.trials())
    journal.close()
    assert len(keys(results)) == 2


def test_sweeps_at_the_same_time_lose_no_line(results):
    journals = []
    for at in range(4):
        journals.append(Journal(results / f"s{at}", write=True))
        journals[-1].begin(SPEC, START)

    def note(journal):
        openings = Openings(journal)
        for trial in range(10):
            openings.note("a", trial, {"x": trial})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(note, journals))
    assert len(keys(results)) == 40
    assert all(json.loads(line) for line in (results / LEDGER).read_text().splitlines())
    for journal in journals:
        journal.close()


@pytest.mark.parametrize(
    ("openings", "says"),
    [
        (SplitOpenings(here=0), "has not been opened"),
        (SplitOpenings(here=1), "its test number is unbiased"),
        (SplitOpenings(here=12), "12 configurations in this results folder (all in this sweep): 12 looks."),
        (SplitOpenings(here=12), "the best of them is not"),
    ],
)
def test_what_it_does_to_the_claim(openings, says):
    assert says in in_words(openings)


def test_a_ledger_of_another_version_counts_no_line_that_it_cannot_read(results):
    (results / LEDGER).write_text(json.dumps({"images": IMAGES, "sweep": "one"}) + "\n")
    assert read_openings(results, IMAGES) == []
