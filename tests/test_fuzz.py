"""Whatever a person gives: no traceback, and every refusal is one sentence and exit code 2. Hypothesis makes it up.

The examples are the same in every run. `SEEDSWEEP_FUZZ=100` looks for new ones, and a hundred times as many.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import resource
import shutil
import signal
import socket
import struct
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_up
import pretended
from made_up import finished
from refusals import no_network
from sweeps import challenge1, challenge2, engine, images, mlflow_uri, reported, rerun, road, weights
from sweeps.bad_input import BadInput
from sweeps.options import RESULTS_VARIABLE, ReportedOptions, SweepOptions, as_remembered, parser
from sweeps.record import JOURNAL, Record
from sweeps.sweep import Sweep, main
from trainables.data import Dataset

HUNT = int(os.environ.get("SEEDSWEEP_FUZZ", "0"))
# A slow machine is no failure, and a fixture that an example leaves as it was may serve the next one.
LENIENT = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def examples(count):
    """So many of them, always the same; or many more, never the same."""
    return settings(**LENIENT, max_examples=count * max(HUNT, 1), derandomize=not HUNT)


class Started(BaseException):
    """All that was given is good, and Ray would start now."""


class Hung(BaseException):
    """Nothing happened for a long time."""


def hung(number, frame):
    raise Hung


@contextlib.contextmanager
def within_seconds(seconds=60):
    """What hangs is told from what is slow; signal handlers that are set meanwhile are forgotten."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, hung)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def is_one_sentence(text):
    """Whether it can stand on one line of a terminal, whole and harmless."""
    return text.isprintable() and text.endswith(".") and len(text) <= 1000 and "Traceback" not in text


def refusal(find, *arguments, **more):
    """What is found, and why nothing was; one of them is None. It neither hangs nor warns."""
    with within_seconds(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            found, why = find(*arguments, **more), None
        except BadInput as error:
            found, why = None, str(error)
    assert [str(each.message) for each in warned] == []
    assert why is None or is_one_sentence(why), why
    return found, why


# Texts and files that no one expects.

LONG = st.builds(str.__mul__, st.sampled_from(["9", "x", "x/", "../", "~", "é", "\x1b", "%"]), st.integers(0, 5000))
TEXTS = (
    st.text(max_size=20)
    | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Nd", "Po"]), max_size=8)
    | st.text("aA0-_.,/~%:@[]*?#\\ =", min_size=1, max_size=12)
    | st.integers().map(str)
    | st.floats().map(str)
    | LONG
)
PLACES = [
    *("fifo", "dir", "broken", "loop", "notes.txt", "unreadable.npz", "unreadable", "good.npz", "good.pth", "./-", "/"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/fd", "/proc", "/proc/self/mem", "/proc/self/environ", ".", ".."),
    *("results", "results/used", "results/begun", "results/begun/study.journal", "notes.txt/x", "fifo/x"),
    *("~", "~x", "~root", "~/x", "dir/../good.npz"),
]
# As long as a path may just be, so that no file can be in it.
LONG_PATHS = st.integers(3900, 4200).map(lambda size: ("x/" * size)[:size])
PATHS = st.sampled_from(PLACES) | TEXTS | LONG_PATHS
HOSTS = [
    *("127.0.0.1", "localhost", "[::1]", "[::1", "::1", "8.8.8.8", "a..b", "é.com", "℀.com", "u:p@127.0.0.1", "@"),
    *("[v1.x]", "a%41"),
]
PORTS = [":0", ":9", ":LISTENING", ":65536", ":-1", ":²", ":abc", ":9/x?y#z", ":1e3", ":9%41", ":LISTENING/%00", ":"]
SERVERS = st.builds(
    str.__add__,
    st.sampled_from([*HOSTS, "", "x" * 70]),
    st.sampled_from([*PORTS, "", ":\n9", ":" + "9" * 5000]),
)
SCHEMES = ["http://", "https://", "HTTP://", "file://", "postgresql://", "//", "http:"]
DATABASES = ["sqlite:///", "sqlite:////", "sqlite://", "sqlite:", "SQLITE:///"]
URIS = (
    st.builds(str.__add__, st.sampled_from(SCHEMES), SERVERS)
    | st.builds(str.__add__, st.sampled_from(DATABASES), PATHS)
    | st.sampled_from(["sqlite:///:memory:", "sqlite:///mlflow.db", "sqlite:///x.db?mode=ro", "sqlite:///x%41.db"])
)
NAMES = st.sampled_from(["used", "begun", "empty", "damaged", "features", "new", "..", "x" * 100]) | TEXTS
NUMBERS = st.sampled_from(["1", "3", "1000", "9" * 18]) | TEXTS

VALUES = {
    "--num-samples": NUMBERS,
    "--approaches": st.sampled_from(["pixel_baseline", "alexnet", "triplet", "vgg11,alexnet", "all", ",", "cnn"])
    | TEXTS,
    "--seeds": NUMBERS,
    "--confirm-seeds": NUMBERS,
    "--dataset": st.sampled_from(["phantom", "auto", "pneumoniamnist", "good.npz"]) | PATHS,
    "--weights": st.sampled_from(["random", "auto", "imagenet", "good.pth", "dir"]) | PATHS,
    "--breastmnist": st.sampled_from(["phantom", "auto", "breastmnist", "good.npz"]) | PATHS,
    "--precision": st.sampled_from(["auto", "float32", "bfloat16"]) | TEXTS,
    "--name": NAMES,
    "--resume": NAMES,
    "--results-dir": st.just("results") | PATHS,
    "--tracking-uri": URIS | TEXTS,
    "--address": st.just("auto") | SERVERS | TEXTS,
    "--workers": NUMBERS,
    "--seed-timeout": st.sampled_from(["90s", "999999999.9h", "0.0000000001s"]) | TEXTS,
    "--time-budget": st.sampled_from(["90s", "999999999.9h", "0.0000000001s"]) | TEXTS,
    "--search-seed": NUMBERS,
    "--sweep": st.sampled_from(["results/begun", "results/empty", "results/damaged"]) | PATHS,
    "--epochs": TEXTS,
    "--approach": st.sampled_from(["pixel_baseline", "cnn", "a"]) | TEXTS,
    "--trial": st.sampled_from(["0", "1", "2"]) | TEXTS,
    "--seed": st.sampled_from(["0", "1000", "2000"]) | TEXTS,
}
OF_A_SEARCH = {"--num-samples", "--seeds", "--confirm-seeds", "--time-budget", "--search-seed"}
OF_RERUN = {"--approach", "--trial", "--seed", "--dataset", "--weights", "--breastmnist"}
OF_ANY_SWEEP = VALUES.keys() - OF_A_SEARCH - {"--approach", "--trial", "--seed", "--epochs", "--sweep"}
FLAGS = {
    "challenge1": OF_ANY_SWEEP | OF_A_SEARCH,
    "challenge2": OF_ANY_SWEEP | OF_A_SEARCH,
    "reported": OF_ANY_SWEEP | {"--sweep"},
    "rerun": OF_RERUN,
}


def pairs(flags):
    """One of the flags and a text for it."""
    return st.sampled_from(sorted(flags)).flatmap(lambda flag: st.tuples(st.just(flag), VALUES[flag]))


def arguments(command):
    """Any words, of which most are the command's own."""
    words = st.one_of(
        pairs(FLAGS[command]).map(list),
        pairs(FLAGS[command]).map(list),
        pairs(FLAGS[command]).map(lambda pair: ["=".join(pair)]),
        st.sampled_from([["--dry-run"], ["--list"], ["--smoke"], ["--help"], ["--"]]),
        pairs(VALUES).map(list) | TEXTS.map(lambda text: [text]),
    )
    # None would come far if all had to be usable by chance.
    plain = st.sampled_from(
        [[], ["--dataset", "phantom"], ["--dataset", "phantom", "--weights", "random", "--dry-run"]]
    )
    return st.builds(lambda plain, words: sum(words, plain), plain, st.lists(words, max_size=3))


SWEEPS = st.sampled_from(["challenge1", "challenge2", "reported"])


# The front door.


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


class TinyBackbone(torch.nn.Module):
    """In the place of every backbone, whose thousands of numbers would only take time."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))


TINY = TinyBackbone()


@pytest.fixture(scope="module")
def place(tmp_path_factory, module_patch, phantom, good_arrays):
    """A folder that holds every kind of thing a path can lead to; nobody is reached from it and nothing starts."""
    folder = tmp_path_factory.mktemp("place")
    module_patch.chdir(folder)
    module_patch.setenv("HOME", str(folder / "home"))
    for name in ("MLFLOW_TRACKING_URI", "MEDMNIST_ROOT", "RAY_ADDRESS", RESULTS_VARIABLE):
        module_patch.delenv(name, raising=False)
    module_patch.setattr(images, "phantom_dataset", lambda: phantom)
    module_patch.setattr(images, "_download_dataset", no_network)
    module_patch.setattr(weights, "_imagenet_weights", no_network)
    module_patch.setattr(weights, "random_backbone", lambda name: TINY)
    module_patch.setattr(weights, "empty_backbone", lambda name: TINY)

    os.mkfifo(folder / "fifo")
    for name in ("dir", "home", "unreadable", "results/used", "results/damaged", "results/empty"):
        (folder / name).mkdir(parents=True)
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "notes.txt").write_text("Only words.\n" * 100)
    np.savez_compressed(folder / "good.npz", **good_arrays)
    torch.save(TINY.state_dict(), folder / "good.pth")
    shutil.copy(folder / "good.pth", folder / "dir" / "alexnet.pth")
    shutil.copy(folder / "good.npz", folder / "unreadable.npz")
    (folder / "results" / "damaged" / JOURNAL).write_text("no journal\n")
    Record(folder / "results" / "empty", write=True).close()
    begin(folder / "results" / "begun")
    for name in ("unreadable.npz", "unreadable"):
        # Of no effect for root.
        (folder / name).chmod(0)

    with socket.create_server(("127.0.0.1", 0)) as server:
        module_patch.setattr(socket, "getaddrinfo", only_here(socket.getaddrinfo, server.getsockname()[1]))
        stop_at_the_start(module_patch, folder)
        yield folder
    (folder / "unreadable").chmod(0o700)


def begin(folder):
    """The record of a sweep of the phantom, with what a real one holds before its confirmation."""
    begun = Sweep.prepare(challenge1.CHALLENGE, {"dataset": "phantom", "approaches": ("pixel_baseline",)})
    record = Record(folder, write=True)
    options = as_remembered(begun.options, **begun.materials.found())
    record.begin(begun.whole_spec, {**made_up.START, "options": options})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "accuracy", lambda params, seed: 0.8)
        pretended.finish(pretended.search(record, begun.approaches, num_samples=2))
    record.close()


def only_here(getaddrinfo, listening):
    """A resolver that asks nobody and knows this machine alone."""

    def resolve(host, port, *more, **options):
        host = "127.0.0.1" if host == "localhost" else host
        found = getaddrinfo(host, port, 0, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        if any(address[0] not in ("127.0.0.1", "::1") for *_, address in found):
            raise OSError("no route to host")
        return found

    resolve.listening = str(listening)
    return resolve


def stop_at_the_start(patch, folder):
    """Put an end where Ray would start or a seed be trained, and before anything is written outside the folder."""

    def started(*arguments, **more):
        raise Started

    def record(path, *, write):
        if write and not path.resolve().is_relative_to(folder.resolve()):
            raise Started
        return Record(path, write=write)

    # Each would leave a thread that listens.
    patch.setattr(road.Signals, "listen", lambda self: None)
    patch.setattr(road, "Record", record)
    patch.setattr(road.Road, "_start", started)
    patch.setattr(engine, "start_ray", started)
    patch.setattr(rerun, "run_seed", started)


def contents(folder):
    """Every file in it with what changes when it is written."""
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


COMMANDS = {
    "challenge1": lambda arguments: main(challenge1.CHALLENGE, arguments),
    "challenge2": lambda arguments: main(challenge2.CHALLENGE, arguments),
    "reported": reported.main,
    "rerun": rerun.main,
}


def ending(command, arguments):
    """Exit code, or None if it would have started, and what a terminal in UTF-8 gets on stderr."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    told = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with within_seconds(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
            try:
                code = COMMANDS[command](arguments)
            except Started:
                code = None
            except SystemExit as done:
                code = done.code
    assert [str(each.message) for each in warned] == []
    for stream in (printed, told):
        stream.flush()
    return code, told.buffer.getvalue().decode()


def check_ending(place, command, arguments):
    """The command ends as it should, and leaves the folder as it was."""
    arguments = [each.replace("LISTENING", socket.getaddrinfo.listening) for each in arguments]
    before = contents(place)
    code, complaint = ending(command, arguments)
    after = contents(place)
    if code == 2:
        assert complaint.startswith(f"{command}: ")
        assert complaint.endswith("\n")
        assert is_one_sentence(complaint[:-1]), complaint
    else:
        assert complaint == ""
        assert code == 0 or code is None, code
    if code is not None:
        assert after == before
    for path in sorted(after.keys() - before.keys(), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(("command", "kind"), [("challenge1", SweepOptions), ("reported", ReportedOptions)])
def test_every_option_is_among_them(command, kind):
    known = re.findall(r"\[(--[a-z-]+)", parser(challenge1.CHALLENGE, kind).format_usage())
    assert FLAGS[command] | {"--dry-run", "--list", "--smoke"} == set(known)


@examples(250)
@given(given=SWEEPS.flatmap(lambda command: st.tuples(st.just(command), arguments(command))))
def test_any_options(place, given):
    check_ending(place, *given)


@examples(150)
@given(given=SWEEPS.flatmap(lambda command: st.tuples(st.just(command), pairs(FLAGS[command]))))
def test_any_single_option_beside_good_ones(place, given):
    command, pair = given
    of_the_phantom = [] if pair[0] == "--dataset" else ["--dataset", "phantom"]
    check_ending(place, command, [*of_the_phantom, "--dry-run", *pair])
    check_ending(place, command, [*of_the_phantom, *pair])


@examples(400)
@given(uri=URIS | TEXTS, address=SERVERS | TEXTS)
def test_any_store_and_any_cluster(place, uri, address):
    before = contents(place)
    for check, text in ((mlflow_uri.check_uri, uri), (engine.check_address, address)):
        refusal(check, text.replace("LISTENING", socket.getaddrinfo.listening))
    assert contents(place) == before


RERUN = ["--approach", "pixel_baseline", "--trial", "0", "--seed", "1000"]
RECORDS = st.sampled_from(["results/empty", "results/damaged", "results/used"])


@examples(200)
@given(folder=st.just("results/begun") | RECORDS | PATHS, more=st.lists(pairs(FLAGS["rerun"]), max_size=2))
def test_any_options_of_rerun(place, folder, more):
    check_ending(place, "rerun", [folder, *RERUN, *(word for pair in more for word in pair)])


@pytest.mark.parametrize("flag", ["--dataset", "--weights", "--breastmnist", "--results-dir", "--sweep"])
@pytest.mark.parametrize("path", PLACES)
def test_any_place_as_any_path(place, flag, path):
    command = "reported" if flag == "--sweep" else "challenge2"
    given = {"--dataset": "phantom", "--weights": "random", "--breastmnist": "phantom", flag: path}
    check_ending(
        place, command, ["--approaches", "alexnet", "triplet", *(word for pair in given.items() for word in pair)]
    )


# Files, mutated.


class Unseen(list):
    """A list that is left out of what Hypothesis prints of an example."""

    def __repr__(self):
        return "..."


def mutated(content, changes):
    """The content with bytes flipped, cut out, put in or repeated; places are shares of what is there."""
    content = bytearray(content)
    for kind, share, size, value in changes:
        at = int(share * len(content))
        if kind == "flip":
            content[at : at + 1] = bytes(each ^ (value or 1) for each in content[at : at + 1])
        elif kind == "cut":
            del content[at : at + size]
        elif kind == "put":
            content[at:at] = bytes([value]) * size
        elif kind == "repeat":
            content[at:at] = content[at : at + size]
        elif kind == "end":
            del content[at:]
    return bytes(content)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "flip", "cut", "put", "repeat", "end"]),
        # Headers stand at the beginning and a zip file's directory at the end.
        st.floats(0, 1) | st.floats(0, 0.02) | st.floats(0.98, 1),
        st.integers(1, 300),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


def check_images(path):
    """It is refused in one sentence or is what the documentation says, as either data set."""
    found, why = refusal(images.find_dataset, str(path))
    if not why:
        dataset, notice = found
        assert notice is None
        assert isinstance(dataset, Dataset)
        assert (dataset.pool_images.dtype, dataset.pool_images.shape) == (np.uint8, (2000, 28, 28))
        assert (dataset.test_images.dtype, dataset.test_images.shape[1:]) == (np.uint8, (28, 28))
        assert (dataset.test_labels.dtype, dataset.test_labels.shape) == (np.int64, (len(dataset.test_images),))
        assert set(dataset.test_labels.tolist()) == {0, 1}
        assert dataset.test_images.flags.c_contiguous
        assert dataset.pool_images.flags.c_contiguous
    found, other_why = refusal(images.find_other, "breastmnist", str(path), None)
    if not other_why:
        other, _ = found
        assert (other.images.dtype, other.images.shape[1:]) == (np.uint8, (28, 28))
        assert (other.labels.dtype, other.labels.shape) == (np.int64, (len(other.images),))
        assert set(other.labels.tolist()) == {0, 1}
        assert other.images.flags.c_contiguous
    # The other one needs less.
    assert why or not other_why
    return why


@pytest.fixture(scope="module")
def stored(place, good_arrays, tmp_path_factory):
    """A file of images, as bytes: compressed, so that most of them matter, and not."""
    found = Unseen()
    for save in (np.savez_compressed, np.savez):
        path = tmp_path_factory.mktemp("stored") / "images.npz"
        save(path, **good_arrays)
        found.append(path.read_bytes())
    return found


@examples(200)
@given(compressed=st.booleans(), changes=CHANGES)
def test_mutated_bytes_of_images(place, stored, tmp_path, compressed, changes):
    path = tmp_path / "images.npz"
    path.write_bytes(mutated(stored[0 if compressed else 1], changes))
    check_images(path)


OTHER_ARRAYS = {
    "float": lambda array: array.astype(float),
    "nan": lambda array: np.full(array.shape, np.nan),
    "bool": lambda array: array.astype(bool),
    "object": lambda array: array.astype(object),
    "text": lambda array: array.astype(str),
    "signed": lambda array: array.astype(np.int8),
    "big_endian": lambda array: array.astype(">u8"),
    "complex": lambda array: array.astype(complex),
    "structured": lambda array: array.view([("x", "u1")]),
    "long_fields": lambda array: np.zeros(3, [("x" * 3000, "u1"), ("\n\x1b", "u1")]),
    "time": lambda array: array.astype("m8[s]"),
    "negative": lambda array: -array.astype(np.int64) - 1,
    "huge": lambda array: array.astype(np.uint64) + np.uint64(2**64 - 300),
    "fortran": np.asfortranarray,
    "reversed": lambda array: array[::-1],
    "strided": lambda array: array[:, ::-1],
    "flat": np.ravel,
    "scalar": lambda array: np.uint8(0),
    "none": lambda array: array[:0],
    "one_less": lambda array: array[1:],
    "one_axis_more": lambda array: array[..., None],
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "twos": lambda array: np.full_like(array, 2),
    "masked": lambda array: np.ma.masked_equal(array, 0),
    "empty_axis": lambda array: np.zeros((len(array), 0, 28), np.uint8),
    "nothing": lambda array: None,
    "dictionary": lambda array: np.array({"labels": array}),
}
KEYS = [f"{split}_{part}" for split in ("train", "val", "test") for part in ("images", "labels")]


@examples(150)
@given(
    changes=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(sorted(OTHER_ARRAYS)), max_size=3),
    left_out=st.sets(st.sampled_from(KEYS), max_size=1),
    added=st.sets(TEXTS.filter(lambda text: text not in KEYS and "\0" not in text), max_size=2),
)
def test_other_arrays_as_images(place, good_arrays, tmp_path, changes, left_out, added):
    arrays = {key: OTHER_ARRAYS[changes[key]](good_arrays[key]) if key in changes else good_arrays[key] for key in KEYS}
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in [*arrays.items(), *((key, np.zeros(3)) for key in sorted(added))]:
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array))
            if key not in left_out:
                with contextlib.suppress(UnicodeEncodeError):
                    archive.writestr(f"{key}.npy", content.getvalue())
    check_images(path)


SIZES = st.integers(-3, 3000) | st.sampled_from([2**31, 2**32, 2**40, 2**62, 2**63, 2**64, 10**30])
DESCRIPTIONS = ["|u1", "<f8", "|O", "|S0", "<U999999999", "|V0", "(28,28)u1", [("a", "|u1")], "", 3, "no", ("|u1", 3)]
HEADERS = st.one_of(
    st.builds(
        lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
        st.sampled_from(DESCRIPTIONS),
        st.sampled_from([False, True, 0, "no"]),
        st.lists(SIZES, max_size=4).map(tuple) | st.tuples(SIZES, st.just(28), st.just(28)),
    ),
    st.text(max_size=50).map(ascii),
    st.sampled_from(["(" * 9000, "{" * 100, "-" * 9000 + "1", "{'descr': 3L}", "1" * 9000]),
)


@examples(120)
@given(header=HEADERS, version=st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]), data=st.binary(max_size=50))
def test_made_up_headers_of_an_array(place, good_arrays, tmp_path, header, version, data):
    path = tmp_path / "images.npz"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    np.savez_compressed(path, **{key: array for key, array in good_arrays.items() if key != "train_images"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", b"\x93NUMPY" + bytes(version) + size + header.encode() + data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check_images(path)
    # In kilobytes: what a header claims is not taken, only what is there.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


# Weights.


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def check_weights(path):
    found, why = refusal(weights.find_weights, str(path), ["alexnet"])
    if not why:
        state = found[0]["alexnet"].state
        assert {name: (each.shape, each.dtype) for name, each in state.items()} == {
            name: (each.shape, each.dtype) for name, each in TINY.state_dict().items()
        }
        assert all(each.isfinite().all() for each in state.values())
        TinyBackbone().load_state_dict(state)
    return why


def saved(state, **how):
    content = io.BytesIO()
    torch.save(state, content, **how)
    return content.getvalue()


@examples(300)
@given(zipped=st.booleans(), changes=CHANGES)
def test_mutated_bytes_of_weights(place, tmp_path, zipped, changes):
    path = tmp_path / "mine.pth"
    path.write_bytes(mutated(saved(TINY.state_dict(), _use_new_zipfile_serialization=zipped), changes))
    check_weights(path)


def with_attribute(name):
    """A tensor whose method of this name is none."""

    def change(tensor):
        parameter = torch.nn.Parameter(tensor.clone())
        setattr(parameter, name, 3)
        return parameter

    return change


def nested(tensor):
    with warnings.catch_warnings(action="ignore"):
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


OTHER_TENSORS = {
    "half": lambda tensor: tensor.half(),
    "double": lambda tensor: tensor.double(),
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "float4": lambda tensor: torch.zeros(tensor.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    "integers": lambda tensor: tensor.long(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "negated": torch._neg_view,
    "nan": lambda tensor: torch.full_like(tensor, torch.nan),
    "too_great": lambda tensor: torch.full(tensor.shape, 1e300, dtype=torch.float64),
    "one_for_all": lambda tensor: torch.zeros(1).expand(tensor.shape),
    "transposed": lambda tensor: tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor,
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "nested": nested,
    "another_shape": lambda tensor: tensor[:1],
    "parameter": torch.nn.Parameter,
    "parameter_detach": with_attribute("detach"),
    "parameter_to": with_attribute("is_floating_point"),
    "empty": lambda tensor: tensor[:0],
    "list": lambda tensor: tensor.tolist(),
    "text": lambda tensor: "tensor",
    "none": lambda tensor: None,
}
WRAPPED = {
    "as it is": lambda state: state,
    "nested": lambda state: {"state_dict": state, "epoch": 3},
    "nested twice": lambda state: {"state_dict": {"state_dict": state}},
    "ordered": OrderedDict,
    "list": lambda state: list(state.values()),
    "pairs": lambda state: list(state.items()),
}
PARTS = list(TINY.state_dict())
# But for the number of batches, which nobody reads.
READ = [name for name in PARTS if not name.endswith("tracked")]


@examples(250)
@given(
    changes=st.dictionaries(st.sampled_from(READ), st.sampled_from(sorted(OTHER_TENSORS)), max_size=2),
    left_out=st.sets(st.sampled_from(PARTS), max_size=1),
    added=st.dictionaries(
        TEXTS | st.integers() | st.none() | st.tuples(st.text()), st.just(torch.zeros(1)), max_size=1
    ),
    wrapped=st.sampled_from(sorted(WRAPPED)),
    attribute=st.none() | st.sampled_from(["get", "items", "keys", "values", "__contains__"]),
)
def test_other_tensors_as_weights(place, tmp_path, changes, left_out, added, wrapped, attribute):
    state = {
        key: OTHER_TENSORS[changes[key]](tensor) if key in changes else tensor
        for key, tensor in TINY.state_dict().items()
    }
    state = WRAPPED[wrapped]({key: tensor for key, tensor in state.items() if key not in left_out} | added)
    if isinstance(state, OrderedDict) and attribute:
        setattr(state, attribute, 3)
    path = tmp_path / "mine.pth"
    try:
        path.write_bytes(saved(state))
    except TypeError:
        # Torch looks at the items itself.
        return
    check_weights(path)


GLOBALS = [
    b"cos\nsystem\n", b"cos\nmkdir\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n", b"ctorch\nload\n", b"c\n\n",
    b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"ccollections\nCounter\n",
]  # fmt: skip
OPCODES = st.one_of(
    st.sampled_from(GLOBALS),
    st.sampled_from([bytes([each]) for each in b"})](tusaeRb\x81Q0N\x85\x86\x87."]),
    st.integers(0, 255).map(lambda value: b"K" + bytes([value])),
    st.integers(0, 3).map(lambda value: b"q" + bytes([value])),
    st.integers(0, 3).map(lambda value: b"h" + bytes([value])),
    st.sampled_from(["storage", "MARKER", "cpu", "0", "state_dict", *PARTS]).map(
        lambda text: b"X" + struct.pack("<I", len(text)) + text.encode()
    ),
    st.just(b"X\xff\xff\xff\xff"),
    st.binary(min_size=1, max_size=4),
)


@examples(300)
@given(zipped=st.booleans(), opcodes=st.lists(OPCODES, max_size=25))
def test_made_up_pickles_as_weights(place, tmp_path, zipped, opcodes):
    program = b"\x80\x02" + b"".join(opcodes) + b"."
    path = tmp_path / "mine.pth"
    if zipped:
        content = io.BytesIO(saved(TINY.state_dict()))
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    else:
        path.write_bytes(program)
    before = contents(place)
    check_weights(path)
    assert contents(place) == before


@pytest.mark.parametrize("where", ["whole", "state", "key", "attribute", "module"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_not_executed_wherever_it_is(place, tmp_path, where, zipped):
    hostile = Hostile(tmp_path / "executed")
    state, module = OrderedDict(TINY.state_dict()), TinyBackbone()
    state.hidden = module.hidden = hostile
    plain = TINY.state_dict()
    simple = {"whole": hostile, "state": {**plain, "x": hostile}, "key": {**plain, (hostile, 1): 3}}
    content = {**simple, "attribute": state, "module": module}[where]
    path = tmp_path / "mine.pth"
    path.write_bytes(saved(content, _use_new_zipfile_serialization=zipped))
    assert check_weights(path)
    path.write_bytes(pickle.dumps(content))
    assert check_weights(path)
    assert not (tmp_path / "executed").exists()


# Records.


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """The lines of the record of a finished sweep."""
    record = Record(tmp_path_factory.mktemp("finished"), write=True)
    finished(record, num_samples=2)
    record.close()
    return Unseen(record.path.read_bytes().splitlines(keepends=True))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["sweep", "a", "a confirmed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def rewritten(line, keys, value):
    """The line with another value somewhere in it: down along these keys, each taken modulo what is there."""
    whole = inside = json.loads(line)
    while isinstance(inside, dict | list) and inside:
        names = sorted(inside) if isinstance(inside, dict) else range(len(inside))
        name = names[keys[0] % len(names)]
        if len(keys) == 1 or not isinstance(inside[name], dict | list) or not inside[name]:
            inside[name] = value
            break
        inside, keys = inside[name], keys[1:]
    return json.dumps(whole).encode() + b"\n"


LINE = st.floats(0, 1, exclude_max=True) | st.floats(0, 0.05)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["drop", "twice", "move", "tear"]), LINE, LINE),
        st.tuples(st.just("bytes"), LINE, CHANGES),
        st.tuples(st.just("json"), LINE, JSON),
        st.tuples(st.just("inside"), LINE, st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=4), JSON)),
    ),
    min_size=1,
    max_size=3,
)


def edited(lines, edits):
    lines = list(lines)
    for kind, share, how in edits:
        if not lines:
            break
        at = int(share * len(lines))
        if kind == "drop":
            del lines[at]
        elif kind == "twice":
            lines.insert(int(how * len(lines)), lines[at])
        elif kind == "move":
            lines.insert(int(how * len(lines)), lines.pop(at))
        elif kind == "tear":
            lines[at] = lines[at][: int(how * len(lines[at]))]
        elif kind == "bytes":
            lines[at] = mutated(lines[at], how)
        elif kind == "json":
            lines[at] = json.dumps(how).encode() + b"\n"
        elif kind == "inside":
            with contextlib.suppress(ValueError):
                lines[at] = rewritten(lines[at], *how)
    return b"".join(lines)


def read(folder, write):
    """Open a record and read all of it, as every command does."""
    record = Record(folder, write=write)
    try:
        return record.trials(), record.approaches(), record.spec, record.starts
    finally:
        record.close()


def put_journal(folder, content):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / JOURNAL).write_bytes(content)


@examples(250)
@given(edits=EDITS)
def test_an_edited_record(journal, tmp_path, edits):
    content = edited(journal, edits)
    put_journal(tmp_path / "sweep", content)
    refusal(read, tmp_path / "sweep", write=False)
    assert (tmp_path / "sweep" / JOURNAL).read_bytes() == content
    refusal(read, tmp_path / "sweep", write=True)


def test_a_record_as_it_was_is_read(journal, tmp_path):
    put_journal(tmp_path / "sweep", b"".join(journal))
    (trials, *_), why = refusal(read, tmp_path / "sweep", write=False)
    assert why is None
    assert {trial.stage for trial in trials} == {"search", "confirm"}
