"""Whatever options a person gives: no traceback, and every refusal is one sentence and exit code 2."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import socket
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import made_up
import pretended
from fuzzing import TEXTS, TINY, contents, examples, is_one_sentence, refusal, within_seconds
from refusals import no_network
from sweeps import challenge1, challenge2, reproduce, rerun
from sweeps.engine import addresses, cluster
from sweeps.inputs import content_checks, images, weights
from sweeps.run import one_seed, pipeline
from sweeps.run.checks import check
from sweeps.run.command_line import as_remembered, parser
from sweeps.run.options import RESULTS_VARIABLE, ReproduceOptions, SweepOptions
from sweeps.run.prepare import prepare
from sweeps.run.start import sweep as main
from sweeps.run.sweep import sweep_command
from sweeps.store.journal import JOURNAL, Journal
from sweeps.tracking import location


class Started(BaseException):
    """All that was given is good, and Ray would start now."""


# Texts and files that no one expects.

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
    "--backbone": st.sampled_from(["test_vit", "test_vit.r160_in1k", "test_vitt", "timm/test_vit", ".."]) | TEXTS,
    "--seeds": NUMBERS,
    "--set": st.sampled_from(["learning_rate=1e-3", "starter_cnn.steps=30..50", "steps=50", "blocks=2,3"]) | TEXTS,
    "--sampler": st.sampled_from(["random", "tpe"]) | TEXTS,
    "--allocation": st.sampled_from(["even", "adaptive"]) | TEXTS,
    "--finalists": NUMBERS,
    "--confirm-seeds": NUMBERS,
    "--dataset": st.sampled_from(["phantom", "auto", "pneumoniamnist", "bloodmnist", "chestmnist", "good.npz"]) | PATHS,
    "--weights": st.sampled_from(["random", "auto", "imagenet", "good.pth", "dir"]) | PATHS,
    "--also": st.builds(
        str.__add__,
        st.sampled_from(["breastmnist=", "breastmnist=", "chestmnist=", ""]),
        st.sampled_from(["phantom", "auto", "breastmnist", "good.npz"]) | PATHS,
    ),
    "--size": st.sampled_from(["28", "64"]) | NUMBERS,
    "--shots": NUMBERS,
    "--group-by": st.sampled_from(["(a)", "(", "(a)(b)", "rows.csv", "notes.csv"]) | PATHS,
    "--validation": NUMBERS,
    "--precision": st.sampled_from(["auto", "float32", "bfloat16"]) | TEXTS,
    "--robustness": st.sampled_from(["on", "off"]) | TEXTS,
    "--metric": st.sampled_from(["balanced_accuracy", "auroc"]) | TEXTS,
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
    "--shot-curve": NUMBERS,
    "--approach": st.sampled_from(["pixel_baseline", "cnn", "a"]) | TEXTS,
    "--trial": st.sampled_from(["0", "1", "2"]) | TEXTS,
    "--seed": st.sampled_from(["0", "1000", "2000"]) | TEXTS,
}
OF_A_SEARCH = {
    *("--num-samples", "--seeds", "--confirm-seeds", "--metric", "--backbone", "--time-budget", "--search-seed"),
    *("--set", "--sampler", "--allocation", "--finalists", "--shot-curve", "--robustness"),
}
OF_RERUN = {"--approach", "--trial", "--seed", "--shots", "--dataset", "--group-by", "--weights", "--also"}
OF_ANY_SWEEP = VALUES.keys() - OF_A_SEARCH - {"--approach", "--trial", "--seed", "--epochs", "--sweep"}
FLAGS = {
    "challenge1": OF_ANY_SWEEP | OF_A_SEARCH,
    "challenge2": OF_ANY_SWEEP | OF_A_SEARCH,
    "reproduce": OF_ANY_SWEEP | {"--sweep"},
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
    weights = [] if command == "challenge1" else ["--weights", "random"]
    plain = st.sampled_from([[], ["--dataset", "phantom"], ["--dataset", "phantom", *weights, "--dry-run"]])
    return st.builds(lambda plain, words: sum(words, plain), plain, st.lists(words, max_size=3))


SWEEPS = st.sampled_from(["challenge1", "challenge2", "reproduce"])


# The commands, in a place of their own.


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def place(tmp_path_factory, module_patch, phantom, good_arrays):
    """A folder that holds every kind of thing a path can lead to; nobody is reached from it and nothing starts."""
    folder = tmp_path_factory.mktemp("place")
    module_patch.chdir(folder)
    module_patch.setenv("HOME", str(folder / "home"))
    for name in ("MLFLOW_TRACKING_URI", "MEDMNIST_ROOT", "RAY_ADDRESS", RESULTS_VARIABLE):
        module_patch.delenv(name, raising=False)
    module_patch.setattr(images, "_download_dataset", no_network)
    module_patch.setattr(weights, "_imagenet_weights", no_network)
    module_patch.setattr(content_checks, "_nearly_among", remembered(content_checks._nearly_among))
    module_patch.setattr(weights, "random_backbone", lambda name: TINY)
    module_patch.setattr(weights, "empty_backbone", lambda name: TINY)

    os.mkfifo(folder / "fifo")
    for name in ("dir", "home", "unreadable", "results/used", "results/damaged", "results/empty"):
        (folder / name).mkdir(parents=True)
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "notes.txt").write_text("Only words.\n" * 100)
    np.savez_compressed(folder / "good.npz", **good_arrays)
    (folder / "rows.csv").write_text("row,group\n" + "".join(f"{row},{row // 3}\n" for row in range(2013)))
    shutil.copy(folder / "notes.txt", folder / "notes.csv")
    torch.save(TINY.state_dict(), folder / "good.pth")
    shutil.copy(folder / "good.pth", folder / "dir" / "alexnet.pth")
    shutil.copy(folder / "good.npz", folder / "unreadable.npz")
    (folder / "results" / "damaged" / JOURNAL).write_text("no journal\n")
    Journal(folder / "results" / "empty", write=True).close()
    begin(folder / "results" / "begun")
    for name in ("unreadable.npz", "unreadable"):
        # Of no effect for root.
        (folder / name).chmod(0)

    with socket.create_server(("127.0.0.1", 0)) as server:
        module_patch.setattr(socket, "getaddrinfo", only_here(socket.getaddrinfo, server.getsockname()[1]))
        stop_at_the_start(module_patch, folder)
        yield folder
    (folder / "unreadable").chmod(0o700)


def remembered(compare):
    """The same of two arrays of images, without comparing the phantom's with each other a hundred times."""
    known = {}

    def look(*arrays):
        key = tuple((array.shape, hashlib.sha256(array.tobytes()).digest()) for array in arrays)
        if key not in known:
            known[key] = compare(*arrays)
        return known[key]

    return look


def begin(folder):
    """The journal of a sweep of the phantom, with what a real one holds before its confirmation."""
    asked = {"dataset": "phantom", "approaches": ("pixel_baseline",)}
    begun = prepare(sweep_command(), check(challenge1.CHALLENGE, asked, SweepOptions))
    journal = Journal(folder, write=True)
    options = as_remembered(begun.options, begun.inputs.found())
    journal.begin(begun.whole_spec, made_up.changed(made_up.START, {"options": options}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "accuracy", lambda params, seed: 0.8)
        pretended.finish(pretended.search(journal, begun.approaches, num_samples=2))
    journal.close()


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

    def journal(path, *, write):
        if write and not path.resolve().is_relative_to(folder.resolve()):
            raise Started
        return Journal(path, write=write)

    # Each would leave a thread that listens.
    patch.setattr(pipeline.Signals, "listen", lambda self: None)
    patch.setattr(pipeline, "Journal", journal)
    patch.setattr(pipeline.Pipeline, "_start", started)
    patch.setattr(cluster, "start_ray", started)
    patch.setattr(one_seed, "run_seed", started)


COMMANDS = {
    "challenge1": lambda arguments: main(challenge1.CHALLENGE, arguments),
    "challenge2": lambda arguments: main(challenge2.CHALLENGE, arguments),
    "reproduce": reproduce.main,
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


@pytest.mark.parametrize(("command", "kind"), [("challenge1", SweepOptions), ("reproduce", ReproduceOptions)])
def test_every_option_is_among_them(command, kind):
    known = re.findall(r"\[(--[a-z-]+)", parser(challenge1.CHALLENGE, kind).format_usage())
    more = {"--open"} if kind is SweepOptions else set()
    assert FLAGS[command] | {"--dry-run", "--list", "--smoke"} | more == set(known)


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
    for checked, text in ((location.check_uri, uri), (addresses.check_address, address)):
        refusal(checked, text.replace("LISTENING", socket.getaddrinfo.listening))
    assert contents(place) == before


RERUN = ["--approach", "pixel_baseline", "--trial", "0", "--seed", "1000"]
JOURNALS = st.sampled_from(["results/empty", "results/damaged", "results/used"])


@examples(200)
@given(folder=st.just("results/begun") | JOURNALS | PATHS, more=st.lists(pairs(FLAGS["rerun"]), max_size=2))
def test_any_options_of_rerun(place, folder, more):
    check_ending(place, "rerun", [folder, *RERUN, *(word for pair in more for word in pair)])


@pytest.mark.parametrize("flag", ["--dataset", "--group-by", "--weights", "--also", "--results-dir", "--sweep"])
@pytest.mark.parametrize("path", PLACES)
def test_any_place_as_any_path(place, flag, path):
    command = "reproduce" if flag == "--sweep" else "challenge2"
    given = {"--dataset": "phantom", "--weights": "random", "--also": "breastmnist=phantom"}
    given[flag] = f"breastmnist={path}" if flag == "--also" else path
    check_ending(
        place, command, ["--approaches", "alexnet", "triplet", *(word for pair in given.items() for word in pair)]
    )
