import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = {"sweeps": {"search_spaces", "trainables"}, "search_spaces": set(), "trainables": set()}
FILES = {
    path.relative_to(ROOT): ast.parse(path.read_text()) for package in PACKAGES for path in ROOT.glob(f"{package}/*.py")
}

PROVIDERS = packages_distributions()


def imported(tree):
    """Every module that a file imports anywhere in it, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Imports here are absolute."
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            (name,) = node.args
            yield ast.literal_eval(name)


def top_level(tree):
    return {name.split(".")[0] for name in imported(tree)}


every_file = pytest.mark.parametrize("path", FILES, ids=str)


def test_there_is_something_to_check():
    assert {path.parts[0] for path in FILES} == set(PACKAGES)
    assert not [path for package in PACKAGES for path in ROOT.glob(f"{package}/*/**/*.py")]


@every_file
def test_imports_point_one_way(path):
    package = path.parts[0]
    assert top_level(FILES[path]) & set(PACKAGES) <= PACKAGES[package] | {package}


@every_file
def test_mlflow_is_known_to_tracking_alone(path):
    if path != Path("sweeps/tracking.py"):
        assert "mlflow" not in top_level(FILES[path])


@every_file
def test_torchvision_is_imported_in_one_place(path):
    if path != Path("trainables/vision.py"):
        assert "torchvision" not in top_level(FILES[path])


@every_file
def test_tuner_is_known_to_the_engine_alone(path):
    named = {node.attr for node in ast.walk(FILES[path]) if isinstance(node, ast.Attribute)}
    named |= {node.id for node in ast.walk(FILES[path]) if isinstance(node, ast.Name)}
    named |= {alias.name for node in ast.walk(FILES[path]) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert ("Tuner" in named) == (path == Path("sweeps/engine.py"))


@every_file
def test_every_import_is_of_ours_or_of_a_declared_dependency(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {Requirement(text).name.lower() for text in project["dependencies"]}
    for name in top_level(FILES[path]) - set(sys.stdlib_module_names) - set(PACKAGES):
        providers = {distribution.lower() for distribution in PROVIDERS[name]}
        assert providers & declared, f"{name} is not declared in pyproject.toml."


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "sweeps"], ids=str)
def test_no_module_beside_a_script_hides_another(path):
    # `python sweeps/challenge2.py` puts sweeps/ first on the path.
    if path.stem != "__init__":
        assert path.stem not in sys.stdlib_module_names
        assert path.stem not in PROVIDERS
