"""What a terminal shows while a sweep runs and afterwards, and what a log file has of it."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import time

import pytest

from commands import ROOT, terminal, wait_for
from pretended import approach, finish, search, work
from sweeps.core import progress as module
from sweeps.core.progress import Part, Progress, fitting
from sweeps.run.workers import _parts

BEGIN = """
import sys, time
from pathlib import Path
from sweeps.core import progress
from sweeps.core.output import print_for_whoever_reads
from sweeps.core.progress import Part, Progress, say

print_for_whoever_reads()

def parts(count, done, running=()):
    return [
        Part(name=f"approach{at}", done=done, total=50, is_running=at in running, note="best 88.1 %" if at else "")
        for at in range(count)
    ]
"""
# What it ends with, so that a test sees where the cursor is left.
END = '\nprint("The end.", flush=True)\n'


class Screen:
    """What a terminal shows after all that was written to it; only what is written here is known."""

    def __init__(self, written):
        self.lines, self.row, self.column = [""], 0, 0
        for part in re.findall(r"\x1b\[[?0-9;]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", written):
            self._take(part)

    def _take(self, part):
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif part == "\x1b[2K":
            self.lines[self.row] = ""
        elif part == "\x1b[1A":
            self.row -= 1
            assert self.row >= 0
        elif part.startswith("\x1b"):
            assert part.endswith("m") or part in ("\x1b[?25l", "\x1b[?25h"), part
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


def environment(**more):
    without = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in without}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


def begin(code, rows, columns, **more):
    """A Python program in a terminal of that size; our end of it."""
    ours, theirs, own = terminal()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    running = subprocess.Popen([sys.executable, "-c", BEGIN + code + END], env=environment(**more), **own)
    os.close(theirs)
    return running, ours


def written(code, rows=24, columns=100, **more):
    """All that the program writes to its terminal."""
    running, ours = begin(code, rows, columns, **more)
    found = b""
    try:
        while some := os.read(ours, 1 << 16):
            found += some
    except OSError:
        # It is closed.
        pass
    os.close(ours)
    assert running.wait(60) == 0
    return found.decode()


def drawn(code, **how):
    """The screen after the last drawing, the screen at the end, and all that was written."""
    everything = written("progress.SECONDS_BETWEEN_DRAWS = 0\n" + code, **how)
    # At the end it is drawn once more, then taken away.
    last = everything[: everything.rindex("\x1b[?25h")].rstrip()
    return Screen(last).text, Screen(everything).text, everything


def test_a_line_for_all_and_one_for_each_approach_that_has_begun_go_at_the_end():
    shown, after, _ = drawn("""
with Progress("Search", 150, "seeds") as shown:
    shown.show(10, 150, 40, "best so far approach1 88.1 %", [*parts(2, 5, [1]), *parts(3, 0)[2:]])
    say("Something [b]happened[/b] " + 120 * "x")
    shown.show(20, 150, 30, "best so far approach1 88.1 %", [*parts(2, 10, [1]), *parts(3, 0)[2:]])
""")
    bar = r" [━╺╸]{12} "
    said, first, *others = shown.split("\n")
    assert said == "Something [b]happened[/b] " + 120 * "x"
    assert re.fullmatch(rf"Search +13%{bar}20/150 seeds in \d+ s, about 30 s left, best so far appro.*", first)
    assert len(others) == 2
    assert re.fullmatch(rf"  approach0  20%{bar}10/50", others[0])
    assert re.fullmatch(rf"  approach1  20%{bar}10/50, best 88.1 %", others[1])
    assert after == f"{said}\nThe end."


@pytest.mark.parametrize(("rows", "count"), [(24, 12), (8, 7), (2, 1), (1, 1)])
def test_as_many_lines_as_fit_and_then_of_those_that_run(rows, count):
    shown, after, everything = drawn(
        """
with Progress("Search", 1000, "seeds") as shown:
    shown.show(10, 1000, parts=parts(30, 5, range(1, 30, 2)))
""",
        rows=rows,
        columns=60,
    )
    first, *others = shown.split("\n")
    assert first.startswith("Search ")
    assert [line.split()[0] for line in others] == [f"approach{at}" for at in range(1, 30, 2)][: count - 1]
    assert all(len(line) <= 60 for line in Screen(everything).lines + shown.split("\n"))
    assert after == "The end."


def test_nothing_is_drawn_more_than_four_times_a_second():
    everything = written("""
with Progress("Search", 1000, "seeds") as shown:
    until = time.monotonic() + 1.1
    while time.monotonic() < until:
        shown.show(10, 1000, parts=parts(2, 5))
        time.sleep(0.01)
""")
    # One at the beginning and one at the end.
    assert 2 <= everything.count("Search") <= 2 + 5


def test_what_a_person_is_told_when_stopping_stays_below_the_lines():
    _, after, _ = drawn("""
import os
try:
    with Progress("Search", 1000, "seeds") as shown:
        shown.show(10, 1000, parts=parts(3, 5))
        os.write(2, b"\\nStopping; what is finished is saved.\\n")
        raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
""")
    head, *middle, last = after.split("\n")
    assert head.startswith("Search ")
    assert [line.split()[0] for line in middle if line] == ["approach0", "approach1", "approach2", "Stopping;"]
    assert last == "The end."


def test_an_error_takes_the_lines_away():
    _, after, _ = drawn("""
try:
    with Progress("Search", 1000, "seeds") as shown:
        shown.show(10, 1000, parts=parts(3, 5))
        raise OSError
except OSError:
    say("An error.")
""")
    assert after == "An error.\nThe end."


def test_a_terminal_that_closes_ends_nothing(tmp_path):
    code = f"""
progress.SECONDS_BETWEEN_DRAWS = 0
folder = Path({str(tmp_path)!r})
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with Progress("Search", 1000, "seeds") as shown:
    (folder / "begun").touch()
    while not (folder / "closed").exists():
        shown.show(10, 1000, parts=parts(3, 5))
        time.sleep(0.01)
    for at in range(20):
        shown.show(at, 1000, parts=parts(3, 5))
        say("Something.")
(folder / "written").touch()
"""
    running, ours = begin(code, 24, 100)
    wait_for((tmp_path / "begun").exists, 60)
    os.read(ours, 1000)
    os.close(ours)
    (tmp_path / "closed").touch()
    assert running.wait(60) == 0
    assert (tmp_path / "written").exists()


LOGGED = """
progress.SECONDS_BETWEEN_LINES = 0
with Progress("Search", 1000, "seeds") as shown:
    shown.show(10, 1000, 40, "best so far approach1 88.1 %", parts(3, 5))
    say("Something.")
assert "rich.live" not in sys.modules or {is_terminal}
"""
LINES = ["Search: 10 of 1000 seeds, about 40 s left, best so far approach1 88.1 %", "Something."]


@pytest.mark.parametrize("more", [{}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}])
def test_a_log_file_has_a_line_now_and_then_and_nothing_else(more):
    code = BEGIN + LOGGED.format(is_terminal=False)
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment(**more), capture_output=True, text=True, timeout=60
    )
    assert (told.returncode, told.stdout) == (0, "")
    # The first is of the beginning, where the time between lines is none.
    assert told.stderr.splitlines() == ["Search: 0 of 1000 seeds", *LINES]


def test_so_has_a_terminal_that_cannot_go_back_to_a_line():
    everything = written(LOGGED.format(is_terminal=True), TERM="dumb")
    assert everything.splitlines() == ["Search: 0 of 1000 seeds", *LINES, "The end."]


def test_between_two_lines_of_a_log_file_nothing_is_written(capsys, monkeypatch):
    with Progress("Images", 10, "files") as shown:
        shown.show(1, 10)
        now = time.monotonic()
        monkeypatch.setattr(module.time, "monotonic", lambda: now + 31)
        shown.show(5, 10)
        shown.show(6, 10)
    assert re.fullmatch(r"Images: 5 of 10 files, about 31 s left\n", capsys.readouterr().err)


def part(name, done=0, is_running=False):
    return Part(name=name, done=done, total=9, is_running=is_running)


def test_what_has_not_begun_and_a_single_part_have_no_line():
    parts = [part("a", 3), part("b"), part("c", 0, True), part("d", 9)]
    assert [each.name for each in fitting(parts, 5)] == ["a", "c", "d"]
    assert [each.name for each in fitting(parts, 2)] == ["c"]
    assert fitting(parts, 0) == fitting(parts[:1], 5) == []


def test_the_parts_of_a_stage_are_its_approaches_since_this_start(journal):
    stage = search(journal, [approach("a"), approach("b")], num_samples=1, racing=None)
    before = {name: tally.seeds_done for name, tally in stage.tallies.items()}
    work(stage, stage.next_task())
    running = stage.next_task()
    first, second = _parts(stage, before)
    assert (first.name, first.done, first.total, first.is_running) == ("a", 10, 10, False)
    assert re.fullmatch(r"best \d\d\.\d %", first.note)
    assert second == Part(name="b", done=0, total=10, is_running=True)
    work(stage, running)
    again = search(journal, [approach("a"), approach("b")], num_samples=2, racing=None)
    before = {name: tally.seeds_done for name, tally in again.tallies.items()}
    assert [(each.done, each.total) for each in _parts(again, before)] == [(0, 10), (0, 10)]


def test_totals_expect_that_as_many_seeds_are_raced_out_as_so_far(journal):
    stage = search(journal, num_samples=20)
    before = {"a": 0}
    (first,) = _parts(stage, before)
    assert (first.done, first.total) == (0, 200)
    for _ in range(10):
        work(stage, stage.next_task())
    (half,) = _parts(stage, before)
    assert 10 < half.done < 80
    assert half.total == 2 * half.done
    finish(stage)
    (whole,) = _parts(stage, before)
    assert whole.done == whole.total
