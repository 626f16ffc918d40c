"""From the command line to typed options: what was given, else what a resumed sweep remembers, else the default."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from sweeps.core.challenge import Challenge
from sweeps.core.commands import command
from sweeps.core.errors import BadInput, path_of
from sweeps.run.options import RESULTS, AnyOptions, Declaration, Options, SweepOptions, declarations, flag
from sweeps.store.spec import OptionValue

# Options that were given, or are remembered, by name.
Given = dict[str, OptionValue]
# The approaches that `--approaches all` stands for are known when it is known whether there is a backbone.
ALL = "all"
# What does nothing where no approach takes weights or other images.
NOT_FROM_SCRATCH = ("weights", "also")


class OneSentenceParser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        sentence = " ".join(message.split())
        raise BadInput(f"{sentence[0].upper()}{sentence[1:]}. `--help` shows all options.")


def parser(challenge: Challenge, kind: type[Options] = SweepOptions) -> argparse.ArgumentParser:
    """The parser of a challenge's command. An option that is not given is not in its result."""
    found = OneSentenceParser(
        prog=f"{challenge.name}.py",
        description=challenge.title,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    defaults = kind()
    for name, declared in declarations(kind).items():
        text = declared.help if isinstance(declared.help, str) else declared.help(challenge)
        if declared.read is None:
            found.add_argument(flag(name), action="store_true", help=text)
            continue
        default = getattr(defaults, name) if declared.default_help is None else declared.default_help
        more: dict[str, Any] = {"nargs": "+"} if declared.takes_many else {}
        if declared.adds_up:
            more["action"] = "extend"
        found.add_argument(
            flag(name),
            type=declared.read,
            metavar=declared.metavar,
            help=text if default == "" else f"{text} (default: {default})",
            **more,
        )
    return found


def parse(challenge: Challenge, arguments: Sequence[str] | None = None, kind: type[Options] = SweepOptions) -> Given:
    """The options that were given, checked one by one.

    Raises:
        BadInput: One of them is not usable.
    """
    given: Given = vars(parser(challenge, kind).parse_args(arguments))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    approaches = given.get("approaches")
    if isinstance(approaches, tuple):
        given["approaches"] = _approaches(challenge, [str(name) for name in approaches])
    curve = given.get("shot_curve")
    if isinstance(curve, tuple) and len(set(curve)) < len(curve):
        raise BadInput(f"Expected --shot-curve with different numbers; got {' '.join(map(str, curve))}.")
    if "name" in given and "resume" in given:
        raise BadInput("Expected --name for a new sweep or --resume for an old one; got both. Omit one.")
    return given


def _approaches(challenge: Challenge, words: Sequence[str]) -> tuple[str, ...]:
    names = [name for word in words for name in word.split(",") if name]
    if not names:
        raise BadInput("Expected --approaches with at least one name; got none. `--list` shows them.")
    if names == [ALL]:
        return (ALL,)
    if ALL in names:
        raise BadInput("Expected --approaches as names or as all; got both. Omit the names.")
    return tuple(approach.name for approach in challenge.named(names))


def complete(
    challenge: Challenge,
    given: Mapping[str, OptionValue],
    remembered: Mapping[str, OptionValue],
    kind: type[AnyOptions],
) -> AnyOptions:
    """All options: as given, else as remembered from the sweep's last start, else the default.

    The challenge's plain baseline, if it has one, is always among the approaches; one on any backbone is among them if
    a backbone is given, and only if there is one.

    Raises:
        BadInput: What is remembered is no value of its option, something was given that no approach takes, or there is
            a backbone without an approach for it or the other way round.
    """
    for name in NOT_FROM_SCRATCH:
        if name in given and challenge.is_from_scratch:
            raise _untaken(challenge, name)
    declared = declarations(kind)
    kept = {
        name: _checked(name, value, declared[name]) for name, value in remembered.items() if _is_kept(name, declared)
    }
    smoke = {name: each.smoke for name, each in declared.items() if each.smoke is not None}
    options: dict[str, Any] = {
        "approaches": tuple(approach.name for approach in challenge.approaches if approach.is_default),
        **(smoke if given.get("smoke") or kept.get("smoke") else {}),
        **kept,
        **given,
    }
    options["approaches"] = challenge.compared(_with_backbone(challenge, given, options))
    return kind(**options)


def _with_backbone(challenge: Challenge, given: Mapping[str, OptionValue], options: Mapping[str, Any]) -> set[str]:
    """The approaches, with those on any backbone if there is one.

    Raises:
        BadInput: There is a backbone without an approach for it, or the other way round.
    """
    asked, has_one = set(options["approaches"]), bool(options.get("backbone"))
    for_it = set(challenge.on_any_backbone)
    if asked == {ALL}:
        asked = {each.name for each in challenge.approaches} - (set() if has_one else for_it)
    if "backbone" in given:
        if not for_it:
            raise _untaken(challenge, "backbone")
        asked |= for_it
    lacking = sorted(asked & for_it)
    if lacking and not has_one:
        raise BadInput(
            f"Expected a network of timm with {', '.join(lacking)}; got none. Give one by its name there, for example "
            "--backbone resnet18."
        )
    return asked


def _untaken(challenge: Challenge, name: str) -> BadInput:
    return BadInput(f"Expected no {flag(name)}, since no approach of {challenge.name} takes any; omit it.")


def _is_kept(name: str, declared: Mapping[str, Declaration]) -> bool:
    return name in declared and declared[name].is_remembered


def _checked(name: str, value: OptionValue, declared: Declaration) -> OptionValue:
    """The value, if the command line could have given it.

    Raises:
        BadInput: It could not.
    """
    if declared.takes_many and isinstance(value, tuple) and all(_is_read(each, declared) for each in value):
        return value
    if declared.read is None and isinstance(value, bool):
        return value
    if value is None and declared.default_help is not None:
        return value
    if not declared.takes_many and _is_read(value, declared):
        return value
    raise BadInput(f"Expected a value of {flag(name)} in the journal of the sweep; got {value!r}. Begin a new sweep.")


def _is_read(value: OptionValue, declared: Declaration) -> bool:
    """Whether the command line reads this value from its text."""
    if declared.read is None or isinstance(value, bool):
        return False
    try:
        return declared.read(str(value)) == value
    except argparse.ArgumentTypeError:
        return False


def as_remembered(options: Options, found: Mapping[str, OptionValue]) -> Given:
    """What the journal keeps of the options, with what was found in the place of "auto" and of relative paths."""
    kept: Given = {}
    for name, declared in declarations(type(options)).items():
        if declared.is_remembered:
            value = getattr(options, name)
            if declared.words and isinstance(value, tuple):
                sources = [each.partition("=") for each in value]
                kept[name] = tuple(f"{of}={_absolute(what, declared)}" for of, _, what in sources)
            else:
                kept[name] = _absolute(value, declared) if declared.words else value
    return {**kept, **{name: value for name, value in found.items() if name in kept}}


def _absolute(value: str, declared: Declaration) -> str:
    """The value, if it is a path as one that is the same from any folder."""
    # A link is not followed: endings and the names of classes are in its name, and what it leads to may have neither.
    return value if value in declared.words else str(path_of(value).absolute())


def resume_command(challenge: Challenge, options: Options, folder_name: str) -> str:
    """The command that goes on with this sweep, with the options that it would not remember."""
    words = [command(challenge.name)]
    defaults = type(options)()
    for name, declared in declarations(type(options)).items():
        value = getattr(options, name)
        # A default from the environment may be another one where the command is typed.
        is_usual = value == getattr(defaults, name) and not (name == "results_dir" and value != RESULTS)
        if not declared.is_repeated or is_usual:
            continue
        # The parser of times takes no exponent.
        text = f"{Decimal(str(value)):f}s" if isinstance(value, float) else str(value)
        values = map(str, value) if isinstance(value, tuple) else [text]
        words += [flag(name), *map(shlex.quote, values)]
    return " ".join([*words, "--resume", folder_name])
