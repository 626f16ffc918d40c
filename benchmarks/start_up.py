"""Seconds from a command to its first finished seed: `python sweeps/challenge1.py --smoke`, in a fresh folder.

python benchmarks/start_up.py [--against CHECKOUT] [--rounds 5]

With another checkout of this project, the two take turns with the same Python and libraries, so that whatever else the
machine does hits both. A round of each comes first and does not count: it reads what a disk must read.
"CPU" is that of all processes of the command until then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from sweeps.views.text_table import aligned

HERE = Path(__file__).resolve().parent.parent
# What a journal has of a seed that is finished.
SEED = b'"seed:'
LOOK_SECONDS = 0.02


def first_seed(checkout: Path) -> tuple[float, float]:
    """Start the command, wait for its first seed and end it; seconds on the clock, and of CPU."""
    command = [sys.executable, str(checkout / "sweeps/challenge1.py"), "--smoke", "--dataset", "phantom"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        begin = time.perf_counter()
        driver = subprocess.Popen(
            command,
            cwd=folder,
            # Ray, too, keeps its files where they go afterwards.
            env=environment | {"PYTHONPATH": str(checkout), "RAY_TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not any(SEED in path.read_bytes() for path in Path(folder).glob("results/*/study.journal")):
            if driver.poll() is not None:
                raise RuntimeError(f"The command of {checkout} ended with code {driver.returncode}.")
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - begin
        whole = psutil.Process(driver.pid)
        processes = [*whole.children(recursive=True), whole]
        cpu = 0.0
        for each in processes:
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                cpu += times.user + times.system
        for each in processes:
            with contextlib.suppress(psutil.Error):
                each.kill()
        driver.wait()
        psutil.wait_procs(processes)
    return seconds, cpu


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Seconds from a command to its first finished seed.")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout of this project")
    parser.add_argument("--rounds", type=int, default=5, help="of each (default: 5)")
    options = parser.parse_args()
    checkouts = [HERE, *([options.against.resolve()] if options.against else [])]
    found = [[first_seed(each) for each in checkouts] for _ in range(options.rounds + 1)][1:]
    rows = [
        {
            "checkout": checkout.name if checkout != HERE else "this one",
            "seconds": f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})",
            "CPU seconds": f"{statistics.median(cpu):.1f}",
        }
        for checkout, of_checkout in zip(checkouts, zip(*found, strict=True), strict=True)
        for seconds, cpu in [tuple(zip(*of_checkout, strict=True))]
    ]
    print(aligned(rows, left=("checkout",)))
    if options.against:
        ratios = [own[0] / other[0] for own, other in found]
        print(f"\nThis one takes {statistics.median(ratios):.2f} of the other's time (median of the rounds)")


if __name__ == "__main__":
    main()
