"""`seedsweep COMMAND ...`: the scripts beside this file as one command that pip installs, for any folder."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Sequence

from sweeps.core.interrupts import begin_command
from sweeps.core.output import print_for_whoever_reads

# What each script is for, in a line.
COMMANDS = {
    "challenge1": "compare approaches that learn from the few images alone",
    "challenge2": "compare approaches with pretrained networks",
    "export": "keep a sweep's winner as a model",
    "predict": "classify image files with such a model",
    "remove": "remove a sweep, its runs in MLflow too",
    "reproduce": "the study's numbers beside ours",
    "rerun": "train one seed again and compare it with what was recorded",
}
USAGE = "\n".join(
    [
        "usage: seedsweep COMMAND [options]; the same as `python sweeps/COMMAND.py [options]` in the checkout",
        "",
        *(f"  {name:<12}{what}" for name, what in COMMANDS.items()),
        "",
        "`seedsweep COMMAND --help` shows a command's options.",
    ]
)


def seedsweep(arguments: Sequence[str] | None = None) -> int:
    """Run a script's `main` with the words after its name; returns its exit code, 2 if there is no such script.

    It begins before it imports libraries, which takes seconds.
    """
    begin_command()
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] in ([], ["-h"], ["--help"]):
        print_for_whoever_reads()
        print(USAGE)
        return 0
    command, *options = words
    # As the script's file is called, too.
    command = command.removesuffix(".py")
    if command not in COMMANDS:
        print(f"seedsweep: expected one of the commands {', '.join(COMMANDS)}; got {words[0]!r}.", file=sys.stderr)
        return 2
    code: int = pkgutil.resolve_name(f"sweeps.{command}:main")(options)
    return code
