"""What runs the platform on a cluster renders, validates, and carries the configuration that runs locally."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def rendered() -> list[dict]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed on this machine")
    command = ["kubectl", "kustomize", str(DEPLOY / "base")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


def ray_service() -> dict:
    return yaml.safe_load((DEPLOY / "base" / "rayservice.yaml").read_text(encoding="utf-8"))


def test_the_cluster_runs_the_configuration_that_runs_locally():
    assert ray_service()["spec"]["serveConfigV2"] == (DEPLOY / "serve.yaml").read_text(encoding="utf-8")


def test_the_rendered_ray_service_is_fresh():
    assert subprocess.run([sys.executable, str(DEPLOY / "render.py"), "--check"]).returncode == 0


def test_every_rendered_object_is_valid_kubernetes(rendered):
    kinds = {document["kind"] for document in rendered}
    assert {"RayService", "Service", "NetworkPolicy", "PodDisruptionBudget", "Namespace"} <= kinds
    for document in rendered:
        if document["apiVersion"].startswith("ray.io/"):
            continue
        kubernetes_validate.validate(document, "1.32", strict=True)


def test_the_pods_of_the_ray_service_are_valid_kubernetes():
    cluster = ray_service()["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **group["template"]}
        kubernetes_validate.validate({**pod, "metadata": {"name": "x"}}, "1.32", strict=True)


def test_a_misspelt_key_is_refused_by_strict_validation():
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containres": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.32", strict=True)
