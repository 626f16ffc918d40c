"""What the dispatcher does with a report, without Ray."""

from __future__ import annotations

from types import SimpleNamespace

from made_up import SPEC, START
from sweeps.engine.dispatcher import Dispatcher, Running, Work
from sweeps.store.journal import Journal


def nothing(*arguments):
    pass


def dispatcher_of(journal):
    """One with a task in work."""
    work = Work(stage=SimpleNamespace(journal=journal, take=nothing), image_sets=None, watcher=nothing)
    made = Dispatcher(iter([work]), lambda: 1, 60, nothing)
    made.running["a"] = Running(task=None)
    return made


def test_another_kind_of_processor_is_journaled_and_told_once(journal, capsys):
    journal.begin(SPEC, START)
    for _ in range(2):
        dispatcher = dispatcher_of(journal)
        for kind in (START.processor, "an abacus", "an abacus"):
            dispatcher.take("a", {"processor": kind})
    assert capsys.readouterr().err == (
        "A worker has another kind of processor (an abacus), which may round the last digits differently.\n"
    )
    assert Journal(journal.folder, write=False).processors() == (START.processor, "an abacus")


def test_the_same_kind_everywhere_is_not_worth_a_word(journal, capsys):
    journal.begin(SPEC, START)
    before = journal.path.read_bytes()
    dispatcher_of(journal).take("a", {"processor": START.processor})
    assert capsys.readouterr().err == ""
    assert journal.path.read_bytes() == before
