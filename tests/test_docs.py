"""What README.md and docs/ say of this project's files, commands, options and output is true of the code."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from documentation import PAGES, ROOT, inline, prose, typed
from sweeps import export, predict, remove, rerun
from sweeps.core.errors import BadInput
from sweeps.run import command_line
from sweeps.run.options import ReproduceOptions, SweepOptions

SCRIPTS = {"challenge1": SweepOptions, "challenge2": SweepOptions, "reproduce": ReproduceOptions}
# Commands about what a sweep has left, with options of their own.
OTHERS = {"export": export, "predict": predict, "rerun": rerun, "remove": remove}
# What the pages write for either of these.
EITHER = ("python sweeps/challenge1.py", "python sweeps/challenge2.py")
OURS = re.compile(r"(?:sweeps|trainables|search_spaces|tests|benchmarks|docs)/[\w/.-]*\w/?")
# The files that the README's example asks a person to write.
TO_BE_WRITTEN = ("trainables/brightness.py", "search_spaces/brightness.py")

every_page = pytest.mark.parametrize("page", PAGES)


def read(words: list[str]) -> None:
    """Give a command of this project to its own parser.

    Raises:
        BadInput: It does not take these options.
    """
    script, arguments = Path(words[1]), words[2:]
    assert (ROOT / script.parent.name / script.name).is_file(), script
    if script.parent.name == "benchmarks":
        assert not arguments
    elif arguments == ["--help"]:
        # A parser ends the process here.
        return
    elif script.stem in OTHERS:
        OTHERS[script.stem]._parser().parse_args(arguments)
    else:
        challenge = importlib.import_module(f"sweeps.{script.stem}").CHALLENGE
        command_line.parse(challenge, arguments, SCRIPTS[script.stem])


def of_this_project(text: str) -> list[list[str]]:
    """Every command line of this project in a page, in blocks and in the prose, also those in a submitted job."""
    lines = [each.words for each in typed(text)]
    for span in inline(text):
        if span.startswith("... --"):
            lines += [shlex.split(span.replace("...", each, 1)) for each in EITHER]
        elif re.match(r"(\.venv/bin/)?python (sweeps|benchmarks)/", span):
            lines.append(shlex.split(span))
    lines = [words[words.index("--") + 1 :] if words[:3] == ["ray", "job", "submit"] else words for words in lines]
    return [words for words in lines if Path(words[0]).name == "python" and words[1].endswith(".py")]


def test_readme_fits_on_two_screens():
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_readme_leads_to_every_page():
    links = re.findall(r"\]\((docs/[\w-]+\.md)", PAGES["README.md"])
    assert {page for page in PAGES if page != "README.md"} <= set(links)


@every_page
def test_lines_are_short(page):
    for line in prose(PAGES[page]).splitlines():
        assert len(line) <= 120 or line.startswith("|"), line


def anchors(text: str) -> set[str]:
    """The links that a page's headings can be reached by, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", prose(PAGES[page])):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@every_page
def test_images_are_small(page):
    for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGES[page]):
        assert ((ROOT / page).parent / link).stat().st_size < 150_000


def test_there_are_commands_to_check():
    found = [words for text in PAGES.values() for words in of_this_project(text)]
    assert {Path(words[1]).stem for words in found} >= {*SCRIPTS, *OTHERS, "training", "stock_tune", "frozen_features"}
    assert len(found) >= 30


@every_page
def test_commands_are_taken_by_their_own_parsers(page):
    for words in of_this_project(PAGES[page]):
        read(words)


@pytest.mark.parametrize(
    "line",
    [
        "python sweeps/challenge1.py --num-sample 5",
        "python sweeps/challenge1.py --approaches vgg11",
        "python sweeps/reproduce.py --num-samples 5",
        "python sweeps/rerun.py results/NAME --approach cnn --trial 0",
    ],
)
def test_mistakes_in_commands_are_seen(line):
    with pytest.raises(BadInput):
        read(shlex.split(line))


@every_page
def test_options_exist(page):
    known = {"--help"}
    for script, kind in SCRIPTS.items():
        challenge = importlib.import_module(f"sweeps.{script}").CHALLENGE
        known |= set(command_line.parser(challenge, kind)._option_string_actions)
    for other in OTHERS.values():
        known |= set(other._parser()._option_string_actions)
    for span in inline(PAGES[page]):
        if span.startswith("--"):
            assert span.split()[0] in known, span


@every_page
def test_files_of_the_project_that_are_named_exist(page):
    for span in inline(PAGES[page]):
        for path in OURS.findall(span):
            if path not in TO_BE_WRITTEN:
                assert (ROOT / path).exists(), path


def test_challenge_2_is_what_the_first_command_runs():
    first, *_ = of_this_project(PAGES["README.md"])
    assert first[1:] == ["sweeps/challenge2.py", "--num-samples", "50"]


@every_page
def test_tables_of_approaches_have_them_all(page):
    if page != "docs/approaches-and-spaces.md":
        return
    text = PAGES[page]
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    challenges = [importlib.import_module(f"sweeps.{name}").CHALLENGE for name in ("challenge1", "challenge2")]
    assert listed == {approach.name for challenge in challenges for approach in challenge.approaches}
