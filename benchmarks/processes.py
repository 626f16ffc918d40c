"""What Linux says of processes and files: memory, threads, CPU time, who descends from whom, sizes."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def status(key: str, pid: int | str = "self") -> int:
    """A number of /proc/PID/status; memory in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    return 0


def open_files() -> int:
    """Open file descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def descendants(of: int) -> dict[int, tuple[str, float]]:
    """Command and CPU seconds of every living process that descends from `of`."""
    processes: dict[int, tuple[int, str, float]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            rest = stat[stat.rindex(")") + 2 :].split()
            if rest[0] != "Z":
                name = command or stat[stat.index("(") + 1 : stat.rindex(")")]
                processes[int(folder.name)] = (int(rest[1]), name, (int(rest[11]) + int(rest[12])) / TICKS)
    found: dict[int, tuple[str, float]] = {}
    reached = {of}
    while reached:
        reached = {pid for pid, (parent, _, _) in processes.items() if parent in reached and pid not in found}
        found |= {pid: processes[pid][1:] for pid in reached}
    return found


def size_mb(path: Path) -> float:
    """Size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 1e6
