"""What needs no library is answered without importing one: the help, the list, and options that cannot be read."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from fuzzing import is_one_sentence
from sweeps.challenge1 import CNNHog
from sweeps.console_scripts import COMMANDS
from sweeps.core.challenge import Approach
from sweeps.core.interrupts import NOT_ON_WINDOWS
from trainables.parts.lazy import Lazy, docstring_of, lazily

ROOT = Path(__file__).parent.parent
# Those whose import takes a noticeable part of a second.
SLOW = {
    "torch",
    "torchvision",
    "timm",
    "ray",
    "mlflow",
    "pandas",
    "scipy",
    "sklearn",
    "skimage",
    "matplotlib",
    "medmnist",
    "safetensors",
    "rich",
}
# As `python sweeps/...` does, then says on a line of its own what it has imported.
RUN = """
import importlib, sys
code = None
try:
    code = importlib.import_module(f"sweeps.{sys.argv[1]}").main(sys.argv[2:])
except SystemExit as ended:
    code = ended.code
print("\\n", code, *sorted({name.split(".")[0] for name in sys.modules}))
"""
QUICK = [
    ("challenge1", "--help", 0),
    ("challenge1", "--list", 0),
    ("challenge1", "--num-samples -1", 2),
    ("challenge1", "--approaches nonsense", 2),
    ("challenge1", "--dataset chestmnist", 2),
    ("challenge1", "--dataset missing.npz", 2),
    ("challenge1", "--resume missing", 2),
    ("challenge2", "--help", 0),
    ("challenge2", "--list", 0),
    ("challenge2", "--approaches nonsense", 2),
    ("challenge2", "--dataset missing.npz", 2),
    ("reproduce", "--help", 0),
    ("reproduce", "--list", 0),
    ("reproduce", "--workers 0", 2),
    ("export", "--help", 0),
    ("export", "results/missing --seeds 0", 2),
    ("predict", "--help", 0),
    ("predict", "model", 2),
    ("rerun", "--help", 0),
    ("rerun", "results/missing --trial one", 2),
    ("remove", "--help", 0),
    ("remove", "results/missing --no", 2),
]


@pytest.mark.parametrize(("command", "arguments", "code"), QUICK, ids=lambda part: str(part))
def test_it_is_answered_without_slow_libraries(command, arguments, code, tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", RUN, command, *arguments.split()],
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    found, *modules = told.stdout.splitlines()[-1].split()
    assert int(found) == code, told.stderr
    assert SLOW.isdisjoint(modules)


# As Windows has it: no signals but these, and none of the modules of POSIX.
ON_WINDOWS = """
import contextlib, pathlib, runpy, signal, sys
sys.argv = sys.argv[1:]
for name in dir(signal):
    if name.startswith("SIG") and name not in ("SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV"):
        delattr(signal, name)
for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None
sys.platform = "win32"
if sys.argv[0].startswith("sweeps/"):
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    from sweeps import console_scripts
    console_scripts.seedsweep(sys.argv)
"""


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("how", ["sweeps/{}.py", "{}"], ids=["script", "installed"])
def test_on_windows_it_says_where_it_runs_and_nothing_more(command, how):
    told = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS, how.format(command), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"{command}: {NOT_ON_WINDOWS}\n"
    assert is_one_sentence(NOT_ON_WINDOWS)


def test_a_lazy_learner_is_the_class_once_it_is_used():
    imported = importlib.import_module("trainables.cnn_hog").CNNHog
    assert isinstance(CNNHog, Lazy)
    assert CNNHog.Config is imported.Config
    assert CNNHog.may_need is imported.may_need
    assert docstring_of(CNNHog).splitlines()[0] == imported.__doc__.splitlines()[0]
    assert pickle.loads(pickle.dumps(CNNHog)) == CNNHog
    approach = Approach(name="a", learner=CNNHog, space=None, seconds_per_seed=1.0)
    assert approach.about == Approach(name="a", learner=imported, space=None, seconds_per_seed=1.0).about


def test_only_imports_of_learners_wait_and_only_in_the_block():
    with lazily():
        import json

        from trainables.small_cnn import CNN
    from trainables.small_cnn import StarterCNN

    assert json.loads("1") == 1
    assert isinstance(CNN, Lazy)
    assert not isinstance(StarterCNN, Lazy)


def test_a_name_that_is_not_there_is_an_error_at_its_first_use():
    with lazily():
        from trainables.small_cnn import Missing
    with pytest.raises(AttributeError, match="Missing"):
        assert Missing.may_need
