"""Whether a long sweep stays as fast and as small as it began, and leaves nothing behind: 2000 short configurations.

python benchmarks/soak.py [--trials 2000] [--seeds 5] [--workers 2] [--sampler random|tpe] [--sleep 0] [--no-stops]

A real sweep of two approaches that train next to nothing: Ray workers, racing, journal, MLflow (sqlite), confirmation,
tables and report. It runs in a process of its own with a fresh working directory and a temporary folder (TMPDIR) of its
own, so that whatever it leaves there is known to be its. Linux only.

After every `--every` finished configurations its driver says:

- RSS, as the kernel has it (VmRSS, no garbage collection before), open file descriptors, threads, size of the journal;
- seconds a configuration since the last sample, wall and CPU. The driver's CPU time is split into suggestions; its
  other tasks (journal, racing); Tune, which is what else the main thread does; the MLflow thread; and other threads
  (Ray's).
- beside the driver, the CPU time of Ray's own processes (raylet and GCS) and of the workers;
- how many configurations MLflow has still to take.

A part is called flat if it costs a configuration of the last quarter at most `FLAT` times as much as one of the second
(the first holds the start). Memory is called steady if it grows a configuration in the second half no more than `FLAT`
times as fast as in the first, after the first tenth: that Optuna and Tune keep every configuration is known.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import descendants, size_mb
from soak_driver import arguments
from soak_samples import FLAT, PARTS, Sample, of_search, rates, slope_kb, verdicts

from sweeps.views.text_table import aligned

DRIVER = Path(__file__).resolve().with_name("soak_driver.py")
# So long what is ending may take after the command has returned.
PATIENCE_SECONDS = 10.0
# What a sweep is meant to leave in its working directory.
MEANT = ("results", "mlflow.db", "mlartifacts", "mlruns")
# The options that the driver gets as they are.
HANDED_ON = ("trials", "seeds", "confirm_seeds", "workers", "every", "sampler", "sleep")


def outside(typed: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Run soak_driver.py with these options in folders of its own; its answer, and what it left."""
    # Orphans of the sweep become our children instead of init's, so that none escapes the look at what is left.
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    shared_memory = Path("/dev/shm")
    before = set(shared_memory.iterdir())
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        work, scratch, answer = Path(folder, "work"), Path(folder, "tmp"), Path(folder, "answer.json")
        work.mkdir()
        scratch.mkdir()
        told = run_driver(typed, work, scratch, answer)
        waited, left = wait_for_the_end(shared_memory, before)
        of_sweep = work / "results" / "soak"
        left += left_behind(work, of_sweep, scratch)
        found: dict[str, Any] = json.loads(answer.read_text())
        found["waited"] = waited
        found["told"] = told
        found["kept"] = {path.name: size_mb(path) for path in [*work.iterdir(), *of_sweep.iterdir()]}
    return found, left


def run_driver(typed: Sequence[str], work: Path, scratch: Path, answer: Path) -> str:
    """Run the driver to its end; what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "RAY_TMPDIR")}
    environment |= {"TMPDIR": str(scratch)}
    command = [sys.executable, str(DRIVER), *typed, "--answer", str(answer), "--begin", str(time.monotonic())]
    log = work.with_name("told.txt")
    with log.open("w") as told:
        done = subprocess.run(command, cwd=work, env=environment, stdout=told, stderr=told, check=False)
    if done.returncode or not answer.is_file():
        raise RuntimeError(f"The sweep ended with code {done.returncode}:\n{log.read_text()[-3000:]}")
    return log.read_text()


def wait_for_the_end(shared_memory: Path, before: set[Path]) -> tuple[float, list[str]]:
    """Wait until no process and no shared memory is left; the seconds that took, and what is left all the same."""
    since = time.monotonic()
    while True:
        waited = time.monotonic() - since
        processes = [f"process {pid}: {name[:100]}" for pid, (name, _) in descendants(os.getpid()).items()]
        memory = [f"shared memory: {path}" for path in set(shared_memory.iterdir()) - before]
        if not processes + memory or waited > PATIENCE_SECONDS:
            return waited, [*processes, *memory]
        time.sleep(0.2)


def left_behind(work: Path, of_sweep: Path, scratch: Path) -> list[str]:
    """Files that a sweep is not meant to leave."""
    left = [f"working directory: {path.name}" for path in work.iterdir() if path.name not in MEANT]
    left += [f"sweep's folder: {path.name}" for path in of_sweep.glob("*.lock*")]
    for path in sorted(scratch.iterdir()):
        what = [path] if path.name != "ray" else sorted(path.glob("session_2*"))
        left += [f"temporary folder: {each.relative_to(scratch)} ({size_mb(each):.1f} MB)" for each in what]
    return left


def shown(found: dict[str, Any]) -> str:
    """The tables and verdicts."""
    samples = [Sample(**each) for each in found["samples"]]
    during = of_search(samples)
    lines = []
    for sample, rate in rates(samples):
        lines.append(
            {
                "configurations": str(sample.trials),
                **{key: f"{rate[key]:.1f}" for key in ("wall", *PARTS, "ray", "workers")},
                "RSS MB": f"{sample.rss_mb:.0f}",
                "fds": str(sample.fds),
                "threads ": str(sample.os_threads),
                "journal MB": f"{sample.journal_mb:.1f}",
                "MLflow waits": str(sample.mlflow_waiting),
            }
        )
    early, late = slope_kb(during, 0.1, 0.5), slope_kb(during, 0.5, 1.0)
    steady = "steady" if late <= FLAT * max(early, 0) or late < 1 else "grows faster and faster"
    last = samples[-1]
    cpu = {key: getattr(last, key) for key in (*PARTS, "ray", "workers")}
    return "\n".join(
        [
            f"{last.trials} configurations, {last.seeds} seeds; wall and CPU milliseconds a configuration since the "
            "row above, and what the driver holds",
            "",
            aligned(lines, left=()),
            "",
            aligned(verdicts(during), left=("ms a configuration", "verdict")),
            "",
            f"Memory: {during[0].rss_mb:.0f} MB after {during[0].trials} configurations, {during[-1].rss_mb:.0f} "
            f"after {during[-1].trials}, at most {found['peak_mb']:.0f} with tables and report; {early:.1f} kB a "
            f"configuration in the first half, {late:.1f} in the second: {steady}.",
            "CPU in all, s: " + ", ".join(f"{key} {value:.1f}" for key, value in cpu.items()) + ".",
            f"The whole command took {found['seconds']:.0f} s, {found['seconds'] - last.wall:.0f} of them after the "
            f"last stage, and {found['cpu']:.0f} s of the driver's CPU.",
            "Kept, MB: " + ", ".join(f"{name} {size:.1f}" for name, size in sorted(found["kept"].items())) + ".",
        ]
    )


def main() -> int:
    """Run it and say what was found; 1 if something was left behind."""
    parser = arguments()
    parser.add_argument("--keep", type=Path, help="also write what was measured there, as JSON")
    asked = parser.parse_args()
    typed = [f"--{key.replace('_', '-')}={getattr(asked, key)}" for key in HANDED_ON]
    found, left = outside([*typed, *(["--no-stops"] if asked.no_stops else [])])
    if asked.keep:
        asked.keep.write_text(json.dumps(found))
    print(shown(found))
    print()
    if left:
        print(f"Left behind {PATIENCE_SECONDS:.0f} s after the command had returned:", *left, sep="\n    ")
    else:
        print(
            f"Nothing was left behind: no process, no temporary file, no shared memory ({found['waited']:.1f} s after)."
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
