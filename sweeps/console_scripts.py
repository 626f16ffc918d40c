"""The commands as pip installs them. Each says what Ctrl-C does before it imports libraries, which takes seconds."""

from __future__ import annotations

from sweeps.core.interrupts import exit_quietly_on_interrupt


def challenge1() -> int:
    """As `python sweeps/challenge1.py`."""
    exit_quietly_on_interrupt()
    from sweeps.challenge1 import main

    return main()


def challenge2() -> int:
    """As `python sweeps/challenge2.py`."""
    exit_quietly_on_interrupt()
    from sweeps.challenge2 import main

    return main()


def reproduce() -> int:
    """As `python sweeps/reproduce.py`."""
    exit_quietly_on_interrupt()
    from sweeps.reproduce import main

    return main()


def export() -> int:
    """As `python sweeps/export.py`."""
    exit_quietly_on_interrupt()
    from sweeps.export import main

    return main()


def predict() -> int:
    """As `python sweeps/predict.py`."""
    exit_quietly_on_interrupt()
    from sweeps.predict import main

    return main()


def rerun() -> int:
    """As `python sweeps/rerun.py`."""
    exit_quietly_on_interrupt()
    from sweeps.rerun import main

    return main()
