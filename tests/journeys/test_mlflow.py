"""The tracking server through the door: the standard client, one organisation's runs, nobody else's."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.processes import installation_mark, marked_processes
from tests.journeys.conftest import Platform, within
from tests.journeys.test_refusals import check

pytestmark = pytest.mark.journey

AUTHOR = """
import json, os, pathlib, sys, mlflow
folder = pathlib.Path(sys.argv[1])
weights = folder / "weights.bin"
weights.write_bytes(os.urandom(20_000_000))
mlflow.set_experiment("dự-báo-sxh")
with mlflow.start_run() as run:
    mlflow.log_params({"horizon": 12, "season": "tháng"})
    for step in range(20):
        mlflow.log_metric("smape", 13.0 - step / 10, step=step)
    mlflow.log_artifact(str(weights), "model")
    mlflow.set_tag("don-vi", "Sở Y tế")
back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model/weights.bin",
                                                        dst_path=str(folder / "back")))
found = mlflow.MlflowClient().get_run(run.info.run_id)
print(json.dumps({
    "run": run.info.run_id, "experiment": run.info.experiment_id, "params": found.data.params,
    "metrics": found.data.metrics, "same": back.read_bytes() == weights.read_bytes(),
    "artifact_uri": run.info.artifact_uri,
}))
"""
STRANGER = """
import json, sys, mlflow
from mlflow.exceptions import MlflowException
client = mlflow.MlflowClient()
def word(ask):
    try:
        return repr(ask())
    except MlflowException as error:
        return error.error_code
run, experiment = sys.argv[1:3]
print(json.dumps({
    "run": word(lambda: client.get_run(run)),
    "experiment": word(lambda: client.get_experiment(experiment)),
    "artifacts": word(lambda: client.list_artifacts(run)),
    "log": word(lambda: client.log_param(run, "a", "b")),
    "delete": word(lambda: client.delete_run(run)),
    "listed": [e.name for e in client.search_experiments()],
    "runs": len(client.search_runs([e.experiment_id for e in client.search_experiments()])),
}))
"""


def script(platform: Platform, key: str, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the standard client as a program of an engineer's."""
    variables = {
        **os.environ, "MLFLOW_TRACKING_URI": platform.url + "/mlflow", "MLFLOW_TRACKING_TOKEN": platform.keys[key],
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text, *arguments], env=variables, capture_output=True, text=True,
        timeout=180,
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def server_processes(platform: Platform) -> list[int]:
    marked = marked_processes(installation_mark(platform.home))
    return [process.pid for process in marked if "mlflow.sock" in " ".join(process.cmdline())]


@pytest.fixture(scope="module")
def made(narrow: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of the platform's engineer, logged by the standard client."""
    assert server_processes(narrow) == []
    return told(script(narrow, "engineer", AUTHOR, str(tmp_path_factory.mktemp("engineer"))))


def test_the_standard_client_logs_a_run_with_a_large_artefact(narrow: Platform, made: dict[str, Any]):
    assert made["params"] == {"horizon": "12", "season": "tháng"}
    assert made["metrics"]["smape"] == pytest.approx(11.1)
    assert made["same"] is True
    assert made["artifact_uri"].startswith("mlflow-artifacts:")
    assert server_processes(narrow)


def test_another_organisation_finds_nothing_of_it(narrow: Platform, made: dict[str, Any]):
    seen = told(script(narrow, "engineer_b", STRANGER, made["run"], made["experiment"]))
    assert "dự-báo-sxh" not in seen["listed"]
    assert seen["runs"] == 0
    for ask in ("run", "experiment", "artifacts", "log", "delete"):
        assert seen[ask] == "RESOURCE_DOES_NOT_EXIST", (ask, seen[ask])
    again = told(script(narrow, "engineer", STRANGER.replace('"delete": word(lambda: client.delete_run(run)),', ""),
                        made["run"], made["experiment"]))  # fmt: skip
    assert again["listed"].count("dự-báo-sxh") == 1
    assert again["runs"] == 1


@pytest.mark.parametrize("header", ["X-MLFLOW-WORKSPACE", "x-mlflow-workspace"])
def test_a_workspace_header_of_the_clients_changes_nothing(narrow: Platform, made: dict[str, Any], header: str):
    path = "/mlflow/api/2.0/mlflow/runs/get"
    mine = narrow.client("engineer").get(path, params={"run_id": made["run"]}, headers={header: "t-khac"})
    assert mine.status_code == 200
    for workspace in ("default", "t-platform", "t-aichung", "*", ""):
        foreign = narrow.client("engineer_b").get(path, params={"run_id": made["run"]}, headers={header: workspace})
        assert foreign.status_code == 404
        unknown = narrow.client("engineer_b").get(path, params={"run_id": "0" * 32}, headers={header: workspace})
        assert foreign.text.replace(made["run"], "") == unknown.text.replace("0" * 32, "")


@pytest.mark.parametrize("path", [
    "/api/3.0/mlflow/workspaces", "/ajax-api/3.0/mlflow/workspaces", "/api/3.0/mlflow/workspaces/t-platform",
    "/api/2.0/mlflow/webhooks", "/api/3.0/mlflow/gateway/secrets/list", "/ajax-api/3.0/mlflow/jobs", "/signup",
    "/ajax-api/2.0/mlflow/gateway-proxy", "/ajax-api/3.0/mlflow/mcp-servers", "/model-versions/get-artifact",
    "/api/2.0/mlflow/runs/../../../3.0/mlflow/workspaces", "/api/2.0/mlflow-artifacts/presigned/a",
])  # fmt: skip
def test_the_rest_of_the_tracking_server_is_not_there(narrow: Platform, made: dict[str, Any], path: str):
    for method in ("GET", "POST", "PATCH", "DELETE"):
        head = f"{method} /mlflow{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n"
        said = narrow.talk(f"{head}Authorization: Bearer {narrow.keys['engineer_b']}\r\n\r\n".encode())
        assert said.split()[1] == b"404", said[:300]
        assert b'"urn:aichung:problem:not-found"' in said


def test_no_other_query_language_shows_a_foreign_run(narrow: Platform, made: dict[str, Any]):
    text = 'query { mlflowGetRun(input: {runId: "@"}) { run { info { runId } } } }'
    query = {"query": text.replace("@", made["run"])}
    foreign = narrow.client("engineer_b").post("/mlflow/graphql", json=query)
    assert made["experiment"] not in foreign.text.replace(made["run"], "")
    assert '"runId"' not in foreign.text


@pytest.mark.parametrize("place", ["file:///", "/etc", "http://127.0.0.1:1/", "mlflow-artifacts:/../..", "s3://a/b"])
def test_a_client_chooses_no_place_for_artefacts(narrow: Platform, made: dict[str, Any], place: str):
    body = {"name": f"nơi {place}", "artifact_location": place}
    assert narrow.client("engineer_b").post("/mlflow/api/2.0/mlflow/experiments/create", json=body).status_code == 400


@pytest.mark.parametrize("path", [
    "/mlflow/../v1/keys", "/mlflow/%2e%2e/v1/keys", "/mlflow/api/2.0/mlflow-artifacts/artifacts/..%2f..%2fmlflow.db",
    "/mlflow/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%2e%2e/mlflow.db",
    "/mlflow/get-artifact?path=../../../../mlflow.db&run_uuid=" + "0" * 32,
])  # fmt: skip
def test_no_path_leads_out_of_the_artefacts(narrow: Platform, made: dict[str, Any], path: str):
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {narrow.keys['engineer_b']}"
    said = narrow.talk(head.encode() + b"\r\n\r\n", seconds=60)
    assert said.split()[1] in (b"400", b"401", b"403", b"404", b"405"), said[:300]
    assert b"SQLite format" not in said


def test_roles_without_tracking_are_refused(narrow: Platform):
    path = "/mlflow/api/2.0/mlflow/experiments/search"
    for key in ("ministry", "province", "operator", "admin", "inspector"):
        check(narrow.client(key).post(path, json={"max_results": 1}), 403, "forbidden")
    check(narrow.client(None).post(path, json={"max_results": 1}), 401)
    done = script(narrow, "ministry", "import mlflow; mlflow.MlflowClient().search_experiments()")
    assert done.returncode != 0


def test_a_body_without_length_or_beyond_two_gibibytes_is_refused(narrow: Platform):
    key = f"Authorization: Bearer {narrow.keys['engineer']}\r\n"
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/a/b"
    head = f"PUT {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{key}"
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=20) as line:  # it waits for the body's end
        line.sendall((head + f"Content-Length: {(2 << 30) + 1}\r\n\r\n").encode())
        large = line.recv(65536)
    assert large.split()[1] == b"413", large[:200]
    unknown = narrow.talk((head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n").encode())
    assert unknown.split()[1] == b"411", unknown[:200]


def test_the_server_has_no_door_of_its_own_and_its_work_is_recorded(narrow: Platform, made: dict[str, Any]):
    for pid in server_processes(narrow):
        text = Path(f"/proc/{pid}/environ").read_bytes()
        assert narrow.keys["engineer"].encode() not in text

    def recorded() -> bool:
        rows = narrow.query("SELECT count(*) FROM ledger WHERE event = 'run.access'")
        return bool(rows[0][0] > 10)

    assert within(3, recorded)
    log = (narrow.home / "mlflow" / "server.log").read_text(encoding="utf-8", errors="replace")
    assert not [key for key in narrow.keys.values() if key in log]


def test_the_server_falls_asleep_and_wakes_up_again(narrow: Platform, made: dict[str, Any]):
    assert within(45, lambda: not server_processes(narrow))
    found = narrow.client("engineer").get("/mlflow/api/2.0/mlflow/runs/get", params={"run_id": made["run"]})
    assert found.status_code == 200
    assert server_processes(narrow)
