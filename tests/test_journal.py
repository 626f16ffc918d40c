"""The journal: what is written is there, once, whatever happened to the writer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from sweeps.core.errors import BadInput
from sweeps.store.journal import Journal
from sweeps.store.journal_file import JournalGone
from sweeps.store.trials import TrialRecord, write_seed
from test_files import no_links
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


def result(seed, accuracy=0.8, split=VALIDATION, **more):
    return SeedResult(seed=seed, split=split, seconds=0.5, timestamp_ms=1, accuracy=accuracy, **more)


def test_seeds_survive_the_writer(journal):
    asked = journal.study("a").ask()
    asked.suggest_float("x", 0, 1)
    write_seed(asked, result(1000, 0.75, brier=0.125))
    (found,) = Journal(journal.folder, write=False).trials()
    assert (found.state, found.params) == ("RUNNING", asked.params)
    assert found.results == (result(1000, 0.75, brier=0.125),)


def test_the_same_seed_is_written_once(journal):
    asked = journal.study("a").ask()
    assert write_seed(asked, result(1000, 0.75))
    assert not write_seed(asked, result(1000, 0.25))
    (found,) = journal.trials()
    assert found.values("accuracy").tolist() == [0.75]


def test_pruner_sees_each_seed_s_own_value(journal):
    asked = journal.study("a").ask()
    for seed, accuracy in ((1000, 0.75), (1001, 0.5)):
        write_seed(asked, result(seed, accuracy))
    write_seed(asked, result(1000, 0.9, split=TEST))
    assert journal.study("a").trials[0].intermediate_values == {1000: 0.75, 1001: 0.5}


def test_a_running_trial_goes_on_under_its_number_with_its_parameters(journal):
    """Optuna does not promise this: it is why its version is pinned."""
    first = journal.study("a").ask()
    x = first.suggest_float("x", 0, 1)
    write_seed(first, result(1000))
    journal.close()
    again = Journal(journal.folder, write=True)
    study = again.study("a")
    (frozen,) = study.get_trials(states=(TrialState.RUNNING,))
    taken_up = Trial(study, frozen._trial_id)
    assert taken_up.number == first.number
    assert taken_up.suggest_float("x", 0, 1) == x
    assert taken_up.suggest_int("y", 0, 9) in range(10)
    write_seed(taken_up, result(1001))
    study.tell(taken_up, 0.8)
    assert [r.seed for r in again.trials()[0].results] == [1000, 1001]
    again.close()


def test_a_torn_last_line_is_cut_and_everything_before_it_kept(journal):
    asked = journal.study("a").ask()
    write_seed(asked, result(1000))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"op_code": 8, "worker_id": "half a li')
    again = Journal(journal.folder, write=True)
    write_seed(again.study("a").ask(), result(1001))
    again.close()
    assert [len(found.results) for found in Journal(journal.folder, write=False).trials()] == [1, 1]
    assert all(json.loads(line) for line in journal.path.read_text().splitlines())


def test_what_is_written_together_is_one_piece_that_is_there_at_the_end(journal):
    asked = journal.study("a").ask()
    before = journal.path.read_bytes()
    with journal.together():
        for seed in (1000, 1001):
            assert write_seed(asked, result(seed, 0.75, recalls=(0.5, 1.0), hits="Yg=="))
        assert not write_seed(asked, result(1001, 0.25))
        assert journal.path.read_bytes() == before
    (found,) = journal.trials()
    (read,) = Journal(journal.folder, write=False).trials()
    assert [r.seed for r in found.results] == [1000, 1001]
    assert found.results == read.results
    assert read.results[0].recalls == (0.5, 1.0)


def test_what_was_written_together_before_an_error_is_kept(journal):
    asked = journal.study("a").ask()

    def fails():
        with journal.together():
            write_seed(asked, result(1000))
            raise RuntimeError("between two seeds")

    with pytest.raises(RuntimeError, match="between two seeds"):
        fails()
    assert len(Journal(journal.folder, write=False).trials()[0].results) == 1


def test_optuna_itself_reads_the_journal(journal):
    write_seed(journal.study("a").ask(), result(1000))
    storage = JournalStorage(JournalFileBackend(str(journal.path)))
    (trial,) = optuna.load_study(study_name="a", storage=storage).trials
    assert trial.intermediate_values == {1000: 0.8}
    assert trial.user_attrs["seed:1000:validation"]["accuracy"] == 0.8


def test_one_writer_at_a_time(journal):
    with pytest.raises(BadInput, match="another process holds"):
        Journal(journal.folder, write=True)
    assert Journal(journal.folder, write=False).trials() == []
    journal.close()
    Journal(journal.folder, write=True).close()


def test_a_closed_journal_can_be_read_on(journal):
    journal.close()
    again = Journal(journal.folder, write=True)
    again.study("a").ask()
    again.close()
    assert [trial.number for trial in journal.trials()] == [0]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_deleted_journal_is_noticed_and_put_back_as_it_was(journal, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr("os.link", no_links)
    asked = journal.study("a").ask()
    write_seed(asked, result(1000))
    before = journal.path.read_bytes()
    assert not journal.put_back_if_gone()
    shutil.rmtree(journal.folder)
    with pytest.raises(JournalGone, match="was deleted or replaced"):
        write_seed(asked, result(1001))
    assert journal.put_back_if_gone()
    assert journal.path.read_bytes() == before
    assert [path.name for path in journal.folder.iterdir()] == ["study.journal"]
    assert len(journal.trials()[0].results) == 1


def test_a_journal_in_whose_place_is_another_is_kept_beside_it(journal):
    before = journal.path.read_bytes()
    journal.path.unlink()
    journal.path.write_text("somebody else's")
    with pytest.raises(FileExistsError, match=r"is another one by now; this sweep's is in .*study.journal.\d+"):
        journal.put_back_if_gone()
    assert journal.path.read_text() == "somebody else's"
    (kept,) = journal.folder.glob("study.journal.*")
    assert kept.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a journal\n", b"\xff\xfe\n", b"[]\n"])
def test_a_damaged_journal_is_refused(tmp_path, content):
    (tmp_path / "study.journal").write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        Journal(tmp_path, write=True)


def test_a_reader_writes_nothing(journal):
    write_seed(journal.study("a").ask(), result(1000))
    before = journal.path.read_bytes()
    reader = Journal(journal.folder, write=False)
    assert len(reader.trials()) == 1
    assert reader.approaches() == ["a"]
    assert journal.path.read_bytes() == before


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(BadInput, match="there is none"):
        Journal(tmp_path, write=False)


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="Expected to write"):
        Journal(tmp_path / "file" / "sweep", write=True)


def test_values_are_in_the_order_of_the_seeds_and_without_failures():
    results = (result(1002, 0.3), result(1000, 0.1), result(1001, None, error="no luck"), result(1000, 0.9, split=TEST))
    found = TrialRecord(
        approach="a",
        stage="search",
        number=0,
        state="FAIL",
        params={},
        results=results,
        reason="no luck",
        of_trial=None,
        started_ms=0,
        ended_ms=None,
    )
    assert np.array_equal(found.values("accuracy"), [0.1, 0.3])
    assert found.values("accuracy", TEST).tolist() == [0.9]
    assert found.seconds == 2.0


def test_what_many_seeds_have_in_common_is_held_once_and_of_its_own_type(journal):
    """Memory of a long sweep's driver; 1 and 1.0 are equal, and only one of them is a count."""
    for _ in range(2):
        asked = journal.study("a").ask()
        asked.suggest_float("x", 0, 1)
        write_seed(asked, result(1, 1.0, sensitivity=0.25))
    one, other = (found.results[0] for found in Journal(journal.folder, write=False).trials())
    assert (type(one.seed), type(one.accuracy)) == (int, float)
    assert one == other
    for name in ("seed", "split", "accuracy", "sensitivity"):
        assert getattr(one, name) is getattr(other, name)
