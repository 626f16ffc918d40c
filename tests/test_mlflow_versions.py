"""A database that another version of MLflow has made is refused before anything starts: which of the two is older."""

from __future__ import annotations

import sqlite3

import pytest
from mlflow.store.db.utils import _get_latest_schema_revision

from commands import run_here
from sweeps.core.errors import BadInput
from sweeps.tracking import location

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("with_database")]


@pytest.fixture
def database(tmp_path):
    return tmp_path / "mlflow.db"


def change(database, *statements):
    with sqlite3.connect(database) as opened:
        for each in statements:
            opened.execute(each)
    opened.close()
    return f"sqlite:///{database}"


def of_version(database, version):
    return change(database, f"update alembic_version set version_num = '{version}'")


def refused(uri):
    with pytest.raises(BadInput) as caught:
        location.check_uri(uri)
    return str(caught.value)


def test_mlflow_s_own_newest_version_is_the_one_that_is_taken(database):
    (newest,) = location._versions_of_mlflow().keys() - location._versions_of_mlflow().values()
    assert newest == _get_latest_schema_revision()
    location.check_uri(f"sqlite:///{database}")


def test_an_older_database_is_to_be_brought_up_to_date(database):
    known = location._versions_of_mlflow()
    (newest,) = known.keys() - known.values()
    uri = of_version(database, known[newest])
    text = refused(uri)
    assert f"the database is older (version {known[newest]})" in text
    assert text.endswith(f"mlflow db upgrade {uri}")
    named = database.rename(database.with_name("a b.db"))
    assert refused(f"sqlite:///{named}").endswith(f"mlflow db upgrade 'sqlite:///{named}'")


def test_a_database_of_an_unknown_version_is_newer_than_this_mlflow(database):
    text = refused(of_version(database, "0123456789ab"))
    assert "this MLflow is older than the database (version 0123456789ab" in text
    assert "upgrade" not in text


def test_half_a_database_is_refused(database):
    assert "half made" in refused(change(database, "drop table alembic_version"))


def test_what_has_no_table_of_mlflow_s_yet_is_taken(tmp_path):
    location.check_uri(change(tmp_path / "other.db", "create table mine (number integer)"))


def test_a_command_refuses_it_in_one_line(tmp_path, database):
    of_version(database, "0123456789ab")
    done = run_here(tmp_path, "challenge1", "--dataset", "phantom", "--approaches", "cnn", "--num-samples", "1")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert not (tmp_path / "results").exists()
