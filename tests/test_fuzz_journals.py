"""Whatever became of a journal: it is read, or refused in one sentence, and reading does not change it."""

from __future__ import annotations

import contextlib
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, Unseen, examples, mutated, refusal
from made_up import finished
from sweeps.store.journal import JOURNAL, Journal


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """The lines of the journal of a finished sweep."""
    journal = Journal(tmp_path_factory.mktemp("finished"), write=True)
    finished(journal, num_samples=2)
    journal.close()
    return Unseen(journal.path.read_bytes().splitlines(keepends=True))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["sweep", "a", "a confirmed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def rewritten(line, keys, value):
    """The line with another value somewhere in it: down along these keys, each taken modulo what is there."""
    whole = inside = json.loads(line)
    while isinstance(inside, dict | list) and inside:
        names = sorted(inside) if isinstance(inside, dict) else range(len(inside))
        name = names[keys[0] % len(names)]
        if len(keys) == 1 or not isinstance(inside[name], dict | list) or not inside[name]:
            inside[name] = value
            break
        inside, keys = inside[name], keys[1:]
    return json.dumps(whole).encode() + b"\n"


LINE = st.floats(0, 1, exclude_max=True) | st.floats(0, 0.05)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["drop", "twice", "move", "tear"]), LINE, LINE),
        st.tuples(st.just("bytes"), LINE, CHANGES),
        st.tuples(st.just("json"), LINE, JSON),
        st.tuples(st.just("inside"), LINE, st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=4), JSON)),
    ),
    min_size=1,
    max_size=3,
)


def edited(lines, edits):
    lines = list(lines)
    for kind, share, how in edits:
        if not lines:
            break
        at = int(share * len(lines))
        if kind == "drop":
            del lines[at]
        elif kind == "twice":
            lines.insert(int(how * len(lines)), lines[at])
        elif kind == "move":
            lines.insert(int(how * len(lines)), lines.pop(at))
        elif kind == "tear":
            lines[at] = lines[at][: int(how * len(lines[at]))]
        elif kind == "bytes":
            lines[at] = mutated(lines[at], how)
        elif kind == "json":
            lines[at] = json.dumps(how).encode() + b"\n"
        elif kind == "inside":
            with contextlib.suppress(ValueError):
                lines[at] = rewritten(lines[at], *how)
    return b"".join(lines)


def read(folder, write):
    """Open a journal and read all of it, as every command does."""
    journal = Journal(folder, write=write)
    try:
        return journal.trials(), journal.approaches(), journal.spec, journal.starts
    finally:
        journal.close()


def put_journal(folder, content):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / JOURNAL).write_bytes(content)


@examples(250)
@given(edits=EDITS)
def test_an_edited_journal(lines, tmp_path, edits):
    content = edited(lines, edits)
    put_journal(tmp_path / "sweep", content)
    refusal(read, tmp_path / "sweep", write=False)
    assert (tmp_path / "sweep" / JOURNAL).read_bytes() == content
    refusal(read, tmp_path / "sweep", write=True)


def test_a_journal_as_it_was_is_read(lines, tmp_path):
    put_journal(tmp_path / "sweep", b"".join(lines))
    (trials, *_), why = refusal(read, tmp_path / "sweep", write=False)
    assert why is None
    assert {trial.stage for trial in trials} == {"search", "confirm"}
