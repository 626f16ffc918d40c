"""`--set`: a space made narrower, or some of it fixed, without code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

# Random configurations in which every parameter of a space should turn up, those that only some configurations have
# among them.
DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one `--set` says of a parameter.

    Attributes:
        text: As it was given.
        approach: Whose parameter it is; None is that of all that have one of this name but the baseline.
        name: The parameter.
        limits: Least and greatest value; None where values are listed.
        values: The values that are left, as they were written.
    """

    text: str
    approach: str | None
    name: str
    limits: tuple[float, float] | None = None
    values: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Setting:
        """Read NAME=VALUE, NAME=VALUE,VALUE or NAME=LEAST..GREATEST, with APPROACH. before it or not.

        Raises:
            ValueError: It is none of these.
        """
        found = re.fullmatch(r"(?:(\w+)\.)?(\w+)=(\S+)", text)
        if not found:
            raise ValueError(f"expected NAME=VALUE or NAME=LEAST..GREATEST, such as steps=50; got {text!r}")
        approach, name, value = found.groups()
        if ".." not in value:
            return cls(text=text, approach=approach, name=name, values=tuple(value.split(",")))
        least, _, greatest = value.partition("..")
        try:
            limits = float(least), float(greatest)
        except ValueError:
            raise ValueError(f"expected two numbers in NAME=LEAST..GREATEST; got {text!r}") from None
        if not limits[0] <= limits[1]:
            raise ValueError(f"expected the least value before the greatest; got {text!r}")
        return cls(text=text, approach=approach, name=name, limits=limits)

    def within(self, least: float, greatest: float) -> tuple[float, float]:
        """What it leaves of a range.

        Raises:
            ValueError: Nothing, or it lists several values.
        """
        wanted = self.limits
        if wanted is None:
            try:
                (value,) = map(float, self.values)
            except ValueError:
                raise ValueError(f"a number or a range within {least:g} to {greatest:g} for {self.name}") from None
            wanted = value, value
        low, high = max(wanted[0], least), min(wanted[1], greatest)
        # A fixed value must be possible as it is; of a range, the possible part is searched.
        if not low <= high:
            raise ValueError(f"something within {least:g} to {greatest:g} for {self.name}")
        return low, high

    def of_choices(self, choices: Sequence[Any]) -> list[Any]:
        """What it leaves of choices.

        Raises:
            ValueError: Something that it lists is none of them, or nothing is left.
        """
        if self.limits:
            left = [each for each in choices if _number(each) and self.limits[0] <= each <= self.limits[1]]
        else:
            left = [each for each in choices if any(_is_written(each, value) for value in self.values)]
        if not left or not all(any(_is_written(each, value) for each in left) for value in self.values):
            raise ValueError(f"some of {', '.join(map(str, choices))} for {self.name}")
        return left

    def allows(self, value: Any) -> bool:
        """Whether a value is among what it leaves."""
        if self.limits:
            return _number(value) and self.limits[0] <= value <= self.limits[1]
        return any(_is_written(value, each) for each in self.values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_written(value: Any, text: str) -> bool:
    if _number(value):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text.lower() == str(value).lower()


def of_one(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Of settings about an approach, those that count: what is said of it alone before what is said of all.

    Raises:
        ValueError: Two of the same kind are about the same parameter.
    """
    found: dict[str, Setting] = {}
    for setting in sorted(settings, key=lambda each: each.approach is not None):
        known = found.get(setting.name)
        if known is not None and (known.approach is None) == (setting.approach is None):
            raise ValueError(f"one for each parameter, not two of {setting.name}")
        found[setting.name] = setting
    return tuple(setting for setting in settings if found[setting.name] is setting)


class NarrowedTrial:
    """A trial that offers what settings leave of each range; of everything else it offers what a trial does."""

    def __init__(self, trial: Any, settings: Sequence[Setting]) -> None:
        self._trial = trial
        self._settings = {setting.name: setting for setting in settings}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def suggest_float(self, name: str, low: float, high: float, **more: Any) -> float:
        """A number from what is left of the range."""
        setting = self._settings.get(name)
        if setting:
            low, high = setting.within(low, high)
        value: float = self._trial.suggest_float(name, low, high, **more)
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from what is left of the range.

        Raises:
            ValueError: None is left.
        """
        setting = self._settings.get(name)
        if setting:
            least, greatest = setting.within(low, high)
            possible = [value for value in range(low, high + 1, step) if least <= value <= greatest]
            if not possible:
                steps = f" in steps of {step}" if step > 1 else ""
                raise ValueError(f"whole numbers within {low} to {high}{steps} for {name}")
            low, high = possible[0], possible[-1]
        value: int = self._trial.suggest_int(name, low, high, step=step, log=log)
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices that are left."""
        setting = self._settings.get(name)
        return self._trial.suggest_categorical(name, setting.of_choices(choices) if setting else choices)


@dataclass
class Rehearsal:
    """A trial that draws at random and remembers what it was asked for."""

    random: Random
    params: dict[str, Any] = field(default_factory=dict)

    def suggest_float(self, name: str, low: float, high: float, **more: Any) -> float:
        """Any number of the range."""
        return self._keep(name, self.random.uniform(low, high))

    def suggest_int(self, name: str, low: int, high: int, **more: Any) -> int:
        """Any whole number of the range."""
        return self._keep(name, self.random.randint(low, high))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Any of the choices."""
        return self._keep(name, self.random.choice(choices))

    def _keep(self, name: str, value: Any) -> Any:
        self.params[name] = value
        return value


def parameters(suggest: Callable[[Any], None]) -> list[str]:
    """The names of all parameters that a space asks for.

    Raises:
        ValueError: What settings leave of one of them is nothing.
    """
    random, found = Random(0), dict[str, None]()
    for _ in range(DRAWS):
        trial = Rehearsal(random)
        suggest(trial)
        found |= dict.fromkeys(trial.params)
    return list(found)


def is_allowed(params: Mapping[str, Any], settings: Sequence[Setting]) -> bool:
    """Whether a configuration is one that settings leave."""
    return all(setting.allows(params[setting.name]) for setting in settings if setting.name in params)
