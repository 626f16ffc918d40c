"""Python's garbage collector beside large imports, through which it looks again and again in vain.

PyTorch, Ray and pandas leave hundreds of thousands of objects that stay until the process ends. Looking through them
takes a third of a worker's CPU time from its start to its end, if it does nothing. Only the standard library is used
here.
"""

from __future__ import annotations

import atexit
import gc


def pause_collection() -> None:
    """Collect nothing until `resume_collection`, and nothing at the end of the process, where memory goes anyway."""
    gc.disable()
    atexit.register(gc.freeze)


def resume_collection() -> None:
    """Collect again if it was paused, but never look at what is there now."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
