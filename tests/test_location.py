"""Which stores are refused before a sweep begins, and which is taken if none is named."""

from __future__ import annotations

import pytest

from sweeps.core import provenance
from sweeps.core.errors import BadInput
from sweeps.tracking import links, location


@pytest.mark.parametrize(
    "uri", ["mlruns", "postgres//x", "http://127.0.0.1:9", "http://", "sqlite:////no/such/folder/x.db"]
)
def test_a_store_that_cannot_be_used_is_refused(uri):
    with pytest.raises(BadInput, match="Expected"):
        location.check_uri(uri)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(BadInput, match=f"got no folder {folder}, which must be there first"):
            location.check_uri(f"sqlite:///{folder}/x.db")
    location.check_uri(f"sqlite:///{tmp_path}/x.db")


def test_too_few_slashes_are_named():
    with pytest.raises(BadInput, match=r"with three slashes before the file's path; got 'sqlite://x\.db'"):
        location.check_uri("sqlite://x.db")


def test_uri_is_as_given_or_from_the_environment_or_the_default(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///from_environment.db")
    assert location.resolve_uri("sqlite:///given.db") == "sqlite:///given.db"
    assert location.resolve_uri(None) == "sqlite:///from_environment.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert location.resolve_uri(None) == "sqlite:///mlflow.db"


def test_no_password_is_shown():
    assert provenance.without_password("https://user:secret@host:5000/path") == "https://host:5000/path"
    assert provenance.without_password("sqlite:////a/b@c.db") == "sqlite:////a/b@c.db"
    assert "secret" not in location.ui_command("https://user:secret@host:5000")


def test_a_password_is_not_in_the_recorded_command(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x.py", "--tracking-uri=http://me:secret@host:5000/a", "--name", "b@c"])
    assert provenance.of_this_start().command == "python x.py --tracking-uri=http://host:5000/a --name b@c"


def test_mlflow_is_told_the_whole_path_of_a_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert location.as_opened(location.DEFAULT_URI) == f"sqlite:///{tmp_path}/mlflow.db"
    assert location.as_opened("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_a_database_in_a_folder_by_whose_name_mlflow_means_another_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "a %20?y"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for uri in (location.DEFAULT_URI, f"sqlite:///{folder}/mlflow.db"):
        with pytest.raises(BadInput, match=r"got .*/a %20\?y/mlflow\.db, a name by which MLflow means another"):
            location.check_uri(uri)


def test_the_command_that_shows_a_database_can_be_typed_as_it_stands():
    assert location.ui_command("sqlite:///mlflow.db") == "mlflow ui"
    assert location.ui_command("sqlite:///a/b.db") == "mlflow ui --backend-store-uri sqlite:///a/b.db"
    assert location.ui_command("sqlite:///a b.db") == "mlflow ui --backend-store-uri 'sqlite:///a b.db'"


@pytest.mark.parametrize(
    ("connection", "uri", "wanted"),
    [
        ("", "sqlite:///mlflow.db", None),
        ("10.0.0.7 53000 10.0.0.9 22", "sqlite:///mlflow.db", "ssh -L 5000:localhost:5000 ada@10.0.0.9"),
        ("10.0.0.7 53000 10.0.0.9 2222", "http://127.0.0.1:8080", "ssh -L 8080:localhost:8080 -p 2222 ada@10.0.0.9"),
        ("10.0.0.7 53000 10.0.0.9 22", "http://me:secret@localhost", "ssh -L 80:localhost:80 ada@10.0.0.9"),
        ("10.0.0.7 53000 10.0.0.9 22", "https://mlflow.example.org", None),
    ],
)
def test_who_is_here_by_ssh_gets_the_line_that_brings_the_page(monkeypatch, connection, uri, wanted):
    monkeypatch.setenv("SSH_CONNECTION", connection)
    monkeypatch.setenv("LOGNAME", "ada")
    assert location.ssh_tunnel(uri) == wanted
    lines = links.where_to_look(uri, "1", "table", "charts")
    assert [line for line in lines if "ssh" in line] == ([f"        on your own machine: {wanted}"] if wanted else [])
