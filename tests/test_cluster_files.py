"""`ray_cluster.yaml` and the README's cluster section, checked as far as that goes without a cloud.

Ray's own schema and command parsers, bash, Kubernetes' schemas and this project's command line read them; a whole
`ray up` runs against a machine that is not there.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml
from mlflow.cli import cli as mlflow_cli
from ray.autoscaler._private import commands, subprocess_output_util
from ray.autoscaler._private.kuberay import autoscaling_config
from ray.autoscaler._private.providers import _NODE_PROVIDERS
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from sweeps import options

ROOT = Path(__file__).resolve().parent.parent
CLUSTER_FILE = ROOT / "ray_cluster.yaml"
CLUSTER: dict[str, Any] = yaml.safe_load(CLUSTER_FILE.read_text())
README = (ROOT / "README.md").read_text()
SECTION = README.partition("<!-- cluster -->")[2].partition("<!-- end cluster -->")[0]
# The section's parts, each of which a person follows from top to bottom in the same shells.
PARTS = SECTION.split("\n### ")
CLAIM, JOB = (
    yaml.safe_load_all(text) if (text := "".join(re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL))) else ({}, {})
)
KUBERNETES = "1.35"
LISTS = [key for key in CLUSTER if key.endswith("_commands")]
LOOPBACK = "127.0.0.1"


class Command(NamedTuple):
    """One simple command, and the variables that it would find."""

    words: list[str]
    variables: dict[str, str]


def simple_commands(text: str, variables: dict[str, str]) -> Iterator[Command]:
    """The commands of a text of shell, without redirections; what it exports stays in `variables`."""
    for line in text.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        pieces: list[list[str]] = [[]]
        for word in words:
            if set(word) <= set("();<>|&") or word in ("{", "}"):
                pieces.append([])
            else:
                pieces[-1].append(word)
        for piece in filter(None, pieces):
            own = dict(variables)
            while piece and re.match(r"\w+=", piece[0]):
                name, _, value = piece.pop(0).partition("=")
                own[name] = value
            if piece and piece[0] == "export":
                variables.update(word.split("=", 1) for word in piece[1:] if "=" in word)
            elif piece:
                yield Command(piece, own)


def of_cluster_file() -> list[Command]:
    """Each of its commands has a shell of its own."""
    return [found for key in LISTS for text in CLUSTER[key] for found in simple_commands(text, {})]


def of_readme() -> list[Command]:
    found = []
    for part in PARTS:
        variables: dict[str, str] = {}
        for block in re.findall(r"```bash\n(.*?)```", part, re.DOTALL):
            found += simple_commands(block, variables)
    return found


def named(program: str, found: list[Command]) -> list[Command]:
    return [each for each in found if Path(each.words[0]).name == program]


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


def sweep_commands() -> list[list[str]]:
    """Every command line of this project that the section has, alone or inside of a job."""
    lines = [each.words for each in of_readme()] + [shlex.split(JOB["spec"]["entrypoint"])]
    lines = [words[words.index("--") + 1 :] if words[:3] == ["ray", "job", "submit"] else words for words in lines]
    return [words for words in lines if words[0] == "python"]


def test_there_is_something_to_check():
    assert CLAIM["kind"] == "PersistentVolumeClaim"
    assert JOB["kind"] == "RayJob"
    assert len(named("ray", of_cluster_file())) == 4
    assert len(named("ray", of_readme())) >= 8
    assert len(sweep_commands()) == 5


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
    for each in named("ray", of_cluster_file() + of_readme()):
        parsed(each.words)


@pytest.mark.parametrize(
    "words", ["ray start --prot=6379", "ray strat", "ray job submit --num-samples 5 -- python x.py"]
)
def test_mistakes_in_ray_commands_are_seen(words):
    with pytest.raises(click.UsageError):
        parsed(words.split())


def test_token_is_asked_for_in_every_ray_command_and_goes_everywhere():
    for each in named("ray", of_cluster_file() + of_readme()):
        assert each.variables.get("RAY_AUTH_MODE") == "token", each.words
    assert CLUSTER["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert JOB["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


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
    assert head["resources"] == {"CPU": 0, "max_trials": CLUSTER["max_workers"] * worker["resources"]["CPU"]}


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


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "SEEDSWEEP_RESULTS_DIR"])
def test_variables_are_those_that_the_command_reads(name):
    (start,) = (each for each in named("ray", of_cluster_file()) if "--head" in each.words)
    environment = JOB["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    assert name in start.variables
    assert name in [each["name"] for each in environment]
    assert any(name in path.read_text() for path in ROOT.glob("sweeps/*.py"))


def test_the_resource_is_the_one_that_the_command_reads():
    assert '"max_trials"' in (ROOT / "sweeps/engine.py").read_text()


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
    expected = ["auth_token", "pyproject.toml", "python3.11 -m venv", "pip install", "pip freeze", "mount -t nfs4"]
    expected += ["mlflow server", "/health", "ray stop", "ray start --head"]
    first = [next(number for number, line in enumerate(sent) if piece in line) for piece in expected]
    assert first == sorted(first)


def test_this_projects_command_line_takes_what_the_section_says():
    for _, script, *arguments in sweep_commands():
        path = Path(script)
        assert (ROOT / "sweeps" / path.name).is_file()
        challenge = importlib.import_module(f"sweeps.{path.stem}").CHALLENGE
        options.parse(challenge, arguments)


POD_TEMPLATE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["spec"],
    # What is in it is Kubernetes' own, and checked by its schemas.
    "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}},
}
RAY_START_PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}
# RayJob as KubeRay 1.5.1 defines it (ray.io/v1), for the parts that a sweep has use for; others would be added here.
RAY_JOB = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            # Kubernetes allows longer ones, but KubeRay makes longer names from it.
            "properties": {"name": {"pattern": r"^[a-z][-a-z0-9]{0,46}$"}},
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["entrypoint", "rayClusterSpec"],
            "properties": {
                "activeDeadlineSeconds": COUNT,
                "backoffLimit": COUNT,
                "entrypoint": {"type": "string"},
                "runtimeEnvYAML": {"type": "string"},
                "jobId": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
                "submitterPodTemplate": POD_TEMPLATE,
                "suspend": {"type": "boolean"},
                "ttlSecondsAfterFinished": COUNT,
                "rayClusterSpec": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["headGroupSpec"],
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "authOptions": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"mode": {"enum": ["disabled", "token"]}},
                        },
                        "enableInTreeAutoscaling": {"type": "boolean"},
                        "autoscalerOptions": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "env": {"type": "array"},
                                "idleTimeoutSeconds": COUNT,
                                "image": {"type": "string"},
                                "resources": {"type": "object"},
                                "upscalingMode": {"enum": ["Default", "Aggressive", "Conservative"]},
                                "version": {"enum": ["v1", "v2"]},
                            },
                        },
                        "headGroupSpec": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["rayStartParams", "template"],
                            "properties": {
                                "rayStartParams": RAY_START_PARAMS,
                                "serviceType": {"type": "string"},
                                "template": POD_TEMPLATE,
                            },
                        },
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                                "properties": {
                                    "groupName": {"type": "string"},
                                    "replicas": COUNT,
                                    "minReplicas": COUNT,
                                    "maxReplicas": COUNT,
                                    "numOfHosts": COUNT,
                                    "rayStartParams": RAY_START_PARAMS,
                                    "template": POD_TEMPLATE,
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def head_and_workers(job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return cluster["headGroupSpec"], workers


def check_job(job: dict[str, Any]) -> None:
    jsonschema.validate(job, RAY_JOB)
    for group in head_and_workers(job):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_manifest_passes_the_schemas():
    check_job(JOB)
    kubernetes_validate.validate(CLAIM, KUBERNETES, strict=True)


def test_manifest_passes_them_with_its_optional_lines():
    text = re.search(r"```yaml\n(.*?)```", SECTION, re.DOTALL)[1]
    with_spot = re.sub(r"# (nodeSelector|tolerations):", r"\1:", text)
    _, job = yaml.safe_load_all(with_spot)
    assert {"nodeSelector", "tolerations"} <= set(head_and_workers(job)[1]["template"]["spec"])
    check_job(job)


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job["spec"].update(backofLimit=0),
        lambda job: job["spec"].update(ttlSecondsAfterFinished="1h"),
        lambda job: head_and_workers(job)[0]["rayStartParams"].update({"num-cpus": 0}),
        lambda job: head_and_workers(job)[1].pop("groupName"),
        lambda job: head_and_workers(job)[1].update(replica=0),
        lambda job: head_and_workers(job)[0]["template"]["spec"]["containers"][0]["env"][0].update(value=5),
        lambda job: head_and_workers(job)[1]["template"]["spec"]["containers"][0].update(images="IMAGE"),
    ],
)
def test_mistakes_in_the_manifest_are_seen(change):
    broken = copy.deepcopy(JOB)
    change(broken)
    with pytest.raises(jsonschema.ValidationError):
        check_job(broken)


def test_manifests_head_has_no_trials_and_says_how_many_the_workers_can_have():
    head, workers = head_and_workers(JOB)
    (container,) = workers["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert limits == container["resources"]["requests"]
    assert (workers["replicas"], workers["minReplicas"]) == (0, 0)
    wanted = {"max_trials": workers["maxReplicas"] * int(limits["cpu"])}
    start = head["rayStartParams"]
    assert start["num-cpus"] == "0"
    # KubeRay puts it into a line of shell as it is, and Ray's autoscaler reads it in a way of its own.
    told = subprocess.run(["bash", "-c", f"printf %s {start['resources']}"], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == wanted
    assert autoscaling_config._get_custom_resources({}, start, "head") == wanted


def test_manifests_results_and_mlflow_are_on_the_claim():
    head, _ = head_and_workers(JOB)
    (container,) = head["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = head["template"]["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert container["workingDir"] == mount["mountPath"]
    assert variables["SEEDSWEEP_RESULTS_DIR"].startswith(mount["mountPath"] + "/")
    assert variables["MLFLOW_TRACKING_URI"].startswith(f"sqlite:///{mount['mountPath']}/")
