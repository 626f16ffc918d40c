"""The manifest of a RayJob in docs/clusters.md, checked by schemas and by what reads it."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config

from documentation import PAGES, blocks
from sweeps import challenge2
from sweeps.engine.cluster import MAX_TRIALS
from sweeps.run import command_line
from sweeps.run.options import RESULTS_VARIABLE

(MANIFEST,) = blocks(PAGES["docs/clusters.md"], "yaml")
CLAIM, JOB = yaml.safe_load_all(MANIFEST)
KUBERNETES = "1.35"
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


def test_the_two_documents_are_a_claim_and_a_job():
    assert CLAIM["kind"] == "PersistentVolumeClaim"
    assert JOB["kind"] == "RayJob"
    assert JOB["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_manifest_passes_the_schemas():
    check_job(JOB)
    kubernetes_validate.validate(CLAIM, KUBERNETES, strict=True)


def test_manifest_passes_them_with_its_optional_lines():
    with_spot = re.sub(r"# (nodeSelector|tolerations):", r"\1:", MANIFEST)
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
    wanted = {MAX_TRIALS: workers["maxReplicas"] * int(limits["cpu"])}
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
    assert variables[RESULTS_VARIABLE].startswith(mount["mountPath"] + "/")
    assert variables["MLFLOW_TRACKING_URI"].startswith(f"sqlite:///{mount['mountPath']}/")


def test_job_runs_a_command_that_takes_its_options():
    program, script, *arguments = shlex.split(JOB["spec"]["entrypoint"])
    assert (program, script) == ("python", "/home/ray/seedsweep/sweeps/challenge2.py")
    command_line.parse(challenge2.CHALLENGE, arguments)
