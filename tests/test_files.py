"""A file is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.core.files import put_in_place, write_whole


@pytest.mark.parametrize("content", ["a line\nümläut ±\n", b"\x00\xff\r\n"])
def test_a_file_is_replaced_by_all_of_the_content(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "file"
    path.write_text("what was there before, and is longer than what comes")
    write_whole(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_until_all_is_written_the_file_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle, or Ctrl-C: what was there stays, and nothing unfinished lies beside it."""
    path = tmp_path / "file"
    path.write_text("before")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "after")
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "file", "text")


def no_links(*_: object) -> None:
    """As on exFAT."""
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_complete_file_gets_a_name_that_no_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr("os.link", no_links)
    complete, path = tmp_path / "complete", tmp_path / "file"
    complete.write_text("first")
    put_in_place(complete, path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    complete.write_text("second")
    with pytest.raises(FileExistsError):
        put_in_place(complete, path)
    assert (path.read_text(), complete.read_text()) == ("first", "second")
