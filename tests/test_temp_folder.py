"""A folder in which Ray could not start is refused before anything starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ray._common import utils as ray_utils
from ray._private import node, utils

from commands import ROOT
from fuzzing import is_one_sentence, refusal
from sweeps.core.errors import BadInput
from sweeps.engine import cluster, temp_folder
from sweeps.engine.temp_folder import MOST_BYTES, check_temp_folder, longest_socket

LONGEST = MOST_BYTES - len(f"/ray/{longest_socket()}")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch):
    for name in temp_folder.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def of_length(folder, count):
    """A folder in this one, made, with a path of so many bytes."""
    path = folder / ("x" * (count - len(os.fsencode(folder)) - 1))
    path.mkdir()
    assert len(os.fsencode(path)) == count
    return path


@pytest.fixture
def short_folder():
    folder = Path("/tmp") / f"s{os.getpid()}"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-r", folder], check=True)


def test_ray_still_reads_these_variables_and_names_its_sockets_so(monkeypatch, tmp_path):
    assert ray_utils.get_default_ray_temp_dir() == "/tmp/ray"
    for name in reversed(temp_folder.VARIABLES):
        monkeypatch.setenv(name, str(tmp_path / name))
        assert ray_utils.get_default_ray_temp_dir() == str(tmp_path / name / "ray")
    source = Path(node.__file__).read_text()
    for text in ('"%Y-%m-%d_%H-%M-%S_%f"', 'f"session_{date_str}_{os.getpid()}"', '"sockets"', '"plasma_store"'):
        assert text in source, text


@pytest.mark.parametrize("name", temp_folder.VARIABLES)
def test_the_longest_path_that_is_taken_holds_a_socket_and_ray_takes_it(name, short_folder, monkeypatch):
    folder = of_length(short_folder, LONGEST)
    monkeypatch.setenv(name, f"{folder}/")
    check_temp_folder()
    path = folder / "ray" / longest_socket()
    utils.validate_socket_filepath(str(path))
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as real:
        real.bind(str(path))


@pytest.mark.parametrize("name", temp_folder.VARIABLES)
def test_one_byte_more_is_refused_as_ray_would(name, short_folder, monkeypatch):
    folder = of_length(short_folder, LONGEST + 1)
    monkeypatch.setenv(name, str(folder))
    _, why = refusal(check_temp_folder)
    assert is_one_sentence(why)
    assert f"at most {LONGEST} bytes in {name}, since a socket's path has at most {MOST_BYTES}" in why
    assert f"got {LONGEST + 1}: " in why
    with pytest.raises(OSError, match="AF_UNIX path length"):
        utils.validate_socket_filepath(str(folder / "ray" / longest_socket()))


def test_bytes_count_not_letters(short_folder, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder / ("ü" * 20)))
    assert "bytes in RAY_TMPDIR" in refusal(check_temp_folder)[1]


def test_a_file_in_its_place(tmp_path, monkeypatch):
    file = Path("/tmp") / f"f{os.getpid()}"
    file.touch()
    monkeypatch.setenv("RAY_TMPDIR", str(file))
    _, why = refusal(check_temp_folder)
    file.unlink()
    assert is_one_sentence(why)
    assert f"write into {file}/ray, where Ray keeps its sockets and logs by RAY_TMPDIR; got: Not a directory" in why


@pytest.mark.skipif(os.geteuid() != 0, reason="To be somebody else takes root.")
@pytest.mark.parametrize("named", [True, False])
def test_a_folder_of_somebody_else(named, short_folder, monkeypatch):
    """As /tmp/ray is where another user's Ray has made it."""
    (short_folder / "ray").mkdir()
    short_folder.chmod(0o755)
    if named:
        monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    else:
        monkeypatch.setattr(temp_folder, "OTHERWISE", str(short_folder))
    os.seteuid(65534)
    try:
        _, why = refusal(check_temp_folder)
    finally:
        os.seteuid(0)
    assert is_one_sentence(why)
    assert "got: Permission denied. Set RAY_TMPDIR to a short path" in why
    check_temp_folder()


def test_a_command_says_so_before_anything_starts(tmp_path):
    """Without importing a library that takes seconds."""
    home = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    code = "import sys; from sweeps.challenge1 import main; code = main(); print(code, 'ray' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code, "--dataset", "phantom"],
        cwd=tmp_path,
        env=home | {"RAY_TMPDIR": "/tmp/" + "x" * 120},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout == "2 False\n"
    assert told.stderr.startswith("challenge1: Expected at most ")
    assert told.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != ".medmnist"] == []


def test_one_seed_again_is_refused_too(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 120)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(BadInput, match="RAY_TMPDIR"):
        cluster.start_ray(None, 1)
