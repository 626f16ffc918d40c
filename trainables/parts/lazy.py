"""Imports of learners that wait until a learner is used.

The lists of approaches name forty learners. Their modules import PyTorch, scikit-learn and more, which takes seconds;
`--list` needs none of them, and a worker needs those that it trains.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.parts.learner import Learner

_import = builtins.__import__


@contextmanager
def lazily() -> Iterator[None]:
    """Let `from trainables.MODULE import NAME` in this block bind names that import the module when they are used.

    Type checkers and readers see a plain import, which for them it is.
    """

    def lazy_import(module: str, *args: Any) -> Any:
        if not module.startswith("trainables."):
            return _import(module, *args)
        names: Sequence[str] = args[2]
        return SimpleNamespace(**{name: Lazy(module, name) for name in names})

    builtins.__import__ = lazy_import  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.__import__ = _import


class Lazy:
    """What stands in for a class or function: whatever is asked of it is asked of that, then imported."""

    def __init__(self, module: str, name: str) -> None:
        """Import nothing."""
        self._place = (module, name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            # Python asks any object for these, for example whether it is copied in a way of its own.
            raise AttributeError(name)
        return getattr(_imported(*self._place), name)

    def __call__(self, *args: Any) -> Any:
        """What the function gives."""
        return _imported(*self._place)(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lazy) and other._place == self._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __reduce__(self) -> tuple[type[Lazy], tuple[str, str]]:
        # In another process it is as lazy as here.
        return Lazy, self._place


def docstring_of(learner: type[Learner]) -> str:
    """The learner's docstring; if it is lazy, as its source has it."""
    return _docstring(*learner._place) if isinstance(learner, Lazy) else learner.__doc__ or ""


@cache
def _imported(module: str, name: str) -> Any:
    return getattr(_import(module, fromlist=(name,)), name)


@cache
def _docstring(module: str, name: str) -> str:
    classes = (each for each in _source(module).body if isinstance(each, ast.ClassDef))
    return next(ast.get_docstring(each) or "" for each in classes if each.name == name)


@cache
def _source(module: str) -> ast.Module:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))
