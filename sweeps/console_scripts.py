"""The commands as pip installs them. Each begins before it imports libraries, which takes seconds."""

from __future__ import annotations

from sweeps.core.interrupts import begin_command


def challenge1() -> int:
    """As `python sweeps/challenge1.py`."""
    begin_command()
    from sweeps.challenge1 import main

    return main()


def challenge2() -> int:
    """As `python sweeps/challenge2.py`."""
    begin_command()
    from sweeps.challenge2 import main

    return main()


def reproduce() -> int:
    """As `python sweeps/reproduce.py`."""
    begin_command()
    from sweeps.reproduce import main

    return main()


def rerun() -> int:
    """As `python sweeps/rerun.py`."""
    begin_command()
    from sweeps.rerun import main

    return main()
