"""Garbage is not looked for among what was imported, and is among all else."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
import ray

from commands import ROOT
from trainables.parts.garbage import resume_collection

PAUSED = """
import gc
from sweeps.core.interrupts import begin_command, importing

begin_command()
paused = not gc.isenabled()
with importing():
    import json
print(paused, gc.isenabled(), gc.get_freeze_count() > 1000)


class Cycle:
    def __del__(self):
        print("collected")


def leave_a_cycle():
    cycle = Cycle()
    cycle.own = cycle


leave_a_cycle()
gc.collect()
leave_a_cycle()
"""


def test_a_command_collects_nothing_until_all_is_imported_and_nothing_as_it_ends():
    done = subprocess.run([sys.executable, "-c", PAUSED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True True", "collected"]


def test_what_was_not_paused_goes_on_as_before():
    frozen = gc.get_freeze_count()
    resume_collection()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_a_worker_has_imported_what_trains_before_it_is_given_work():
    @ray.remote
    def state():
        import gc
        import sys

        return gc.isenabled(), gc.get_freeze_count() > 100_000, "trainables.seed_trainable" in sys.modules

    assert ray.get(state.remote()) == (True, True, True)
