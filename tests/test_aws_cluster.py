"""`ray_cluster.yaml` and the pages about clusters, checked as far as that goes without a cloud.

Ray's own schema and command parsers, and bash, read them; a whole `ray up` runs against a machine that is not there.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from typing import Any

import click
import jsonschema
import pytest
import yaml
from mlflow.cli import cli as mlflow_cli
from ray.autoscaler._private import commands, subprocess_output_util
from ray.autoscaler._private.providers import _NODE_PROVIDERS
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from documentation import PAGES, ROOT, Command, named, simple_commands, typed
from sweeps.engine.cluster import MAX_TRIALS
from sweeps.run.options import RESULTS_VARIABLE

CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
LISTS = [key for key in CLUSTER if key.endswith("_commands")]
LOOPBACK = "127.0.0.1"
PAGE = typed(PAGES["docs/clusters.md"])


def of_cluster_file() -> list[Command]:
    """Each of its commands has a shell of its own."""
    return [found for key in LISTS for text in CLUSTER[key] for found in simple_commands(text, {})]


def parsed(words: list[str]) -> dict[str, Any]:
    """What Ray's own parser makes of a `ray ...` command, which does not run."""
    command: click.Command = ray_cli
    words = words[1:]
    while isinstance(command, click.Group):
        name, *words = words
        if name not in command.commands:
            raise click.UsageError(f"No such command {name!r}.")
        command = command.commands[name]
    return command.make_context(command.name, list(words)).params


def test_there_is_something_to_check():
    assert len(named("ray", of_cluster_file())) == 4
    assert len(named("ray", PAGE)) >= 8


def checked(cluster: dict[str, Any]) -> None:
    validate_config(prepare_config(copy.deepcopy(cluster)))
    assert cluster["provider"]["type"] in _NODE_PROVIDERS


def test_cluster_file_passes_rays_schema():
    checked(CLUSTER)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["idle_minutes"], 10),
        (["head_node_type"], "nowhere"),
        (["max_workers"], "four"),
        (["available_node_types", "worker", "min_workers"], 5),
        (["available_node_types", "worker", "spot"], True),
        (["worker_start_ray_commands"], "true"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_the_cluster_file_are_seen(path, value):
    broken = copy.deepcopy(CLUSTER)
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises((jsonschema.ValidationError, ValueError, click.ClickException)):
        checked(broken)


@pytest.mark.parametrize("key", LISTS)
def test_commands_are_shell(key):
    for text in CLUSTER[key]:
        assert "\n" not in text
        done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), text


def test_ray_takes_every_ray_command():
    for each in named("ray", of_cluster_file() + PAGE):
        parsed(each.words)


@pytest.mark.parametrize(
    "words", ["ray start --prot=6379", "ray strat", "ray job submit --num-samples 5 -- python x.py"]
)
def test_mistakes_in_ray_commands_are_seen(words):
    with pytest.raises(click.UsageError):
        parsed(words.split())


def test_token_is_asked_for_in_every_ray_command_and_goes_everywhere():
    for each in named("ray", of_cluster_file() + PAGE):
        assert each.variables.get("RAY_AUTH_MODE") == "token", each.words
    assert CLUSTER["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_dashboard_and_mlflow_are_on_loopback():
    starts = [each for each in named("ray", of_cluster_file()) if "--head" in each.words]
    assert [parsed(each.words)["dashboard_host"] for each in starts] == [LOOPBACK]
    (server,) = (each.words for each in of_cluster_file() if "mlflow" in each.words)
    start = server.index("server")
    assert mlflow_cli.commands["server"].make_context("server", server[start + 1 :]).params["host"] == LOOPBACK


def test_head_has_no_trials_and_says_how_many_the_workers_can_have():
    head, worker = CLUSTER["available_node_types"]["head"], CLUSTER["available_node_types"]["worker"]
    assert CLUSTER["head_node_type"] == "head"
    assert set(CLUSTER["available_node_types"]) == {"head", "worker"}
    assert worker["max_workers"] == CLUSTER["max_workers"]
    assert head["resources"] == {"CPU": 0, MAX_TRIALS: CLUSTER["max_workers"] * worker["resources"]["CPU"]}


def test_workers_are_spot_machines_from_none_on_with_what_the_head_has():
    head, worker = CLUSTER["available_node_types"]["head"], CLUSTER["available_node_types"]["worker"]
    assert worker["min_workers"] == 0
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["node_config"]["ImageId"] == worker["node_config"]["ImageId"]
    (synced,) = CLUSTER["cluster_synced_files"]
    assert CLUSTER["head_setup_commands"][-1].endswith(f"freeze > {synced}")
    assert CLUSTER["worker_setup_commands"][-1].endswith(f"install --quiet -r {synced}")


def test_head_installs_what_the_project_needs(tmp_path):
    (tmp_path / "seedsweep").mkdir()
    (tmp_path / "seedsweep/pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").symlink_to(sys.executable)
    (text,) = (text for text in CLUSTER["head_setup_commands"] if "tomllib" in text)
    subprocess.run(["bash", "-euc", text], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    wanted = (tmp_path / "seedsweep/requirements.txt").read_text().splitlines()
    assert {"torch", "optuna", "ray[default]", "boto3"} <= {re.split("[<>=]", line)[0] for line in wanted}


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", RESULTS_VARIABLE])
def test_variables_are_those_that_the_command_reads(name):
    (start,) = (each for each in named("ray", of_cluster_file()) if "--head" in each.words)
    assert name in start.variables
    assert any(name in path.read_text() for path in ROOT.glob("sweeps/**/*.py"))


def test_ray_up_does_all_of_it_in_this_order(tmp_path, monkeypatch):
    """Against a machine that is not there: what would be sent to it is noted instead."""
    (tmp_path / ".ray").mkdir()
    for name in (".ray/auth_token", "key"):
        (tmp_path / name).write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    # Files that are named in it lie in the checkout.
    monkeypatch.chdir(ROOT)
    sent: list[str] = []

    class Notes:
        def check_call(self, words: list[str], *_: Any, **__: Any) -> None:
            sent.append(" ".join(words))

    monkeypatch.setattr(
        subprocess_output_util, "run_cmd_redirected", lambda words, *_, **__: sent.append(" ".join(words))
    )
    here = {key: value for key, value in CLUSTER.items() if key not in ("available_node_types", "head_node_type")}
    here |= {"provider": {"type": "local", "head_ip": "192.0.2.1", "worker_ips": []}, "max_workers": 0}
    here["auth"] = {"ssh_user": "ubuntu", "ssh_private_key": str(tmp_path / "key")}
    here = prepare_config(copy.deepcopy(here))
    (tmp_path / "cluster.json").write_text(json.dumps(here))
    commands.get_or_create_head_node(
        here,
        str(tmp_path / "cluster.json"),
        no_restart=False,
        restart_only=False,
        yes=True,
        override_cluster_name=None,
        _runner=Notes(),
    )
    expected = ["auth_token", "pyproject.toml", "python3 -m venv", "pip install", "pip freeze", "mount -t nfs4"]
    expected += ["mlflow server", "/health", "ray stop", "ray start --head"]
    first = [next(number for number, line in enumerate(sent) if piece in line) for piece in expected]
    assert first == sorted(first)
