import ctypes
import gc
import os
import shutil

import numpy as np
import optuna
import pytest
import torch

import made_weights
from commands import TOKEN, empty_database
from faults import run_undisturbed
from sweeps.engine import cluster
from sweeps.store.journal import Journal
from trainables.parts.datasets import phantom_dataset
from trainables.parts.garbage import pause_collection, resume_collection

os.environ.update(TOKEN)
# As in workers. PyTorch 2.13 crashes where two threads train a small network whose images have their colours last.
torch.set_num_threads(1)
# Ray's workers give way to whatever else runs; here the tests wait for them, and the other tests would starve them.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray calls it
# Who is here by SSH is told more.
os.environ.pop("SSH_CONNECTION", None)

# By what they take, half a minute and more each. What has one long test is not the last of them: the process that takes
# such a file takes the next one too.
LONGEST = [
    "test_approaches.py",
    "test_sweep_pretrained.py",
    "test_sweep.py",
    "test_tune_loop.py",
    "test_any_images.py",
    "test_tutorial.py",
    "test_reproduce.py",
    "test_ui_view_browser.py",
    "test_digits.py",
    "test_search.py",
    "test_export.py",
    "test_fuzz_options.py",
    "test_report.py",
]


# (The process that hands the tests out collects none of them, so it never resumes.)
pause_collection()


def pytest_collection_finish():
    resume_collection()


def pytest_collection_modifyitems(items):
    """The longest files first, or one process would wait for them at the end, then what is slow."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path.name, len(LONGEST)), item.path not in slow))


@pytest.fixture(scope="session", autouse=True)
def _without_waiting_for_the_disk():
    """A journal waits for the disk at every line; what is written by the tests' own processes need not outlive them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def _forgetting(request):
    """What a file keeps for its own tests goes with it: a process runs dozens, and some keep a gigabyte of weights."""
    yield
    for module in (request.module, made_weights):
        for each in vars(module).values():
            if hasattr(each, "cache_clear") and each.__module__ == module.__name__:
                each.cache_clear()
    # A process that has trained gives nothing back by itself (`prepare_worker`).
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The folder of a sweep that nothing happened to, with which those under faults are compared."""
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def phantom():
    return phantom_dataset()


@pytest.fixture(scope="session")
def good_arrays():
    # The first two pixels of each image hold its row, so that a test can tell which image it got.
    rng = np.random.default_rng(0)
    arrays = {}
    for split, counts in {"train": (1003, 1010), "val": (0, 0), "test": (2, 5)}.items():
        labels = rng.permutation(np.repeat(np.array([0, 1], np.uint8), counts))
        images = np.zeros((len(labels), 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(len(labels)), 256)
        # No image stands in two splits.
        images[:, 14:20, 14:20] = {"train": 0, "val": 100, "test": 200}[split]
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


@pytest.fixture(scope="session")
def good_npz(good_arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "good.npz"
    np.savez(path, **good_arrays)
    return path


@pytest.fixture
def with_database(tmp_path):
    """MLflow's database is in the test's folder already, without a run."""
    shutil.copy(empty_database(), tmp_path / "mlflow.db")


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "sweep", write=True)
    yield journal
    journal.close()


@pytest.fixture(scope="module")
def two_workers(request):
    import ray

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The workers cannot import a file of tests.
    ray.cloudpickle.register_pickle_by_value(request.module)
    cluster.start_ray(None, 2)
    yield
    ray.shutdown()
