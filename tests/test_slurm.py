"""The batch script for Slurm with its real parts: a real cluster of Ray's, a real sweep, real signals.

`srun` and `scontrol` are stand-ins: the first runs the step's command here, the second notes what it was asked.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from commands import ROOT, environment, wait_for, wait_for_seeds

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("with_database")]

SRUN = """#!/bin/bash
echo "srun $*" >> asked
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> asked
if [ "$1" = show ]; then echo localhost; fi
"""
OPTIONS = shlex.split("--dataset phantom --approaches pixel_baseline --num-samples 10 --seeds 4 --confirm-seeds 20")


@pytest.fixture
def submit(tmp_path):
    """Starts the script as Slurm would: a name for the sweep, and on how many nodes."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    # What pip makes of the project's entry point.
    for name, module, function in (
        ("seedsweep", "sweeps.console_scripts", "seedsweep"),
        ("ray", "ray.scripts.scripts", "main"),
    ):
        (stand_ins / name).write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        (stand_ins / name).chmod(0o755)
    (stand_ins / "python").symlink_to(sys.executable)

    def start(nodes, *options):
        variables = environment(tmp_path) | {
            "PATH": f"{stand_ins}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SEEDSWEEP_PYTHON": str(stand_ins / "python"),
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_JOB_NUM_NODES": str(nodes),
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_CPUS_PER_TASK": "1",
        }
        return subprocess.Popen(
            ["bash", ROOT / "docs/sweep.sbatch", "sweep", "challenge1", *OPTIONS, *options],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def test_a_job_out_of_time_is_put_back_and_goes_on(submit, tmp_path):
    job = submit(2)
    wait_for_seeds(tmp_path, 12)
    # To the script alone, as `--signal=B:` has it.
    job.send_signal(signal.SIGUSR1)
    printed, _ = job.communicate(timeout=120)
    assert job.returncode == 143, printed
    asked = (tmp_path / "asked").read_text()
    assert f"scontrol requeue {os.getpid()}" in asked
    assert asked.count("--head ") == 1
    assert asked.count(" --address=") == 1
    assert "--nodes=1 --exclude=localhost" in asked
    wait_for(lambda: not list(Path("/tmp").glob(f"ray-{os.getpid()}")))

    before = pd.read_csv(tmp_path / "results/sweep/seeds.csv")
    again = submit(1, "--num-samples", "12")
    printed, _ = again.communicate(timeout=240)
    assert again.returncode == 0, printed
    after = pd.read_csv(tmp_path / "results/sweep/seeds.csv")
    assert len(before) >= 12
    # What was finished was not trained again, and the job was put back once.
    assert len(before.merge(after)) == len(before)
    assert (tmp_path / "asked").read_text().count("requeue") == 1
    trials = pd.read_csv(tmp_path / "results/sweep/trials.csv")
    assert (trials["state"] != "REPEAT").sum() == 12


@pytest.mark.parametrize("code", [0, 143])
def test_a_job_ends_as_its_sweep_does_not_as_what_was_waiting_for_it(submit, tmp_path, code):
    """The sweep may have been ready when the warning came; then there is nothing to put back."""
    sweep = tmp_path / "bin/seedsweep"
    sweep.write_text(f"#!/bin/bash\ntrap 'exit {code}' TERM\ntouch begun\nwhile :; do sleep 0.1; done\n")
    job = submit(1)
    wait_for(lambda: (tmp_path / "begun").exists())
    job.send_signal(signal.SIGUSR1)
    printed, _ = job.communicate(timeout=60)
    assert job.returncode == code, printed
    assert (tmp_path / "asked").exists() == bool(code)


def test_the_header_asks_for_what_the_script_relies_on():
    header = {
        line.removeprefix("#SBATCH ")
        for line in (ROOT / "docs/sweep.sbatch").read_text().splitlines()
        if line.startswith("#SBATCH")
    }
    assert {"--requeue", "--ntasks-per-node=1", "--open-mode=append", "--signal=B:USR1@180"} <= header
