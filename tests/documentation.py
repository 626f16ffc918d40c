"""README.md and docs/ as the tests read them: blocks, inline code, and the shell commands in both."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Command(NamedTuple):
    """One simple command, and the variables that it would find."""

    words: list[str]
    variables: dict[str, str]


def blocks(text: str, language: str) -> list[str]:
    """What stands between fences of this language."""
    return [body for name, body in FENCED.findall(text) if name == language]


def prose(text: str) -> str:
    """The text without what is fenced."""
    return FENCED.sub("", text)


def inline(text: str) -> list[str]:
    """What stands between backticks in the prose, each in one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def simple_commands(text: str, variables: dict[str, str]) -> Iterator[Command]:
    """The commands of a text of shell, without redirections; what it exports stays in `variables`."""
    for line in text.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        pieces: list[list[str]] = [[]]
        for word in words:
            if set(word) <= set("();<>|&") or word in ("{", "}"):
                pieces.append([])
            else:
                pieces[-1].append(word)
        for piece in filter(None, pieces):
            own = dict(variables)
            while piece and re.match(r"\w+=", piece[0]):
                name, _, value = piece.pop(0).partition("=")
                own[name] = value
            if piece and piece[0] == "export":
                variables.update(word.split("=", 1) for word in piece[1:] if "=" in word)
            elif piece:
                yield Command(piece, own)


def typed(text: str) -> list[Command]:
    """The commands in a text's blocks of bash; a person types each section's into the same shells."""
    found = []
    for section in re.split(r"^##+ ", text, flags=re.MULTILINE):
        variables: dict[str, str] = {}
        for block in blocks(section, "bash"):
            found += simple_commands(block, variables)
    return found


def named(program: str, found: list[Command]) -> list[Command]:
    """Those of the commands that run this program."""
    return [each for each in found if Path(each.words[0]).name == program]
