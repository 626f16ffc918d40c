"""What a raylet starts in the place of its two agents, of which a sweep uses neither: it says so, and lives as long.

Ray's own each import Ray and a web server; the raylet waits for them, which is half of its start. This one is run as a
script, with what theirs are given, and imports next to nothing.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# By the file that would be run, the ports that a raylet waits for; each comes in a file of that name.
PORTS = {
    "agent.py": ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"),
    "main.py": ("runtime_env_agent_port",),
}
# What Ray takes for "there is none".
NO_PORT = -1
SECONDS_BETWEEN_LOOKS = 1.0


def main(command: list[str]) -> None:
    """Write the files into the session's folder, and end when the raylet has ended, as Ray's agents do."""
    raylet = int(os.environ["RAY_RAYLET_PID"])
    given = dict(each.removeprefix("--").split("=", 1) for each in command[1:] if "=" in each)
    for name in PORTS[Path(command[0]).name]:
        part = Path(given["session-dir"], f"{name}.part")
        part.write_text(str(NO_PORT))
        # The raylet looks for it again and again, and reads it at once.
        part.rename(part.with_name(f"{name}_{given['node-id']}"))
    while os.getppid() == raylet:
        time.sleep(SECONDS_BETWEEN_LOOKS)


if __name__ == "__main__":
    main(sys.argv[1:])
