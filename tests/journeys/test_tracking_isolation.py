"""Two organisations before one tracking server: every way in that MLflow has, tried with the other's ids.

The server is the real one behind the real way to it; only the doors, which name the organisation, stand aside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.tracking import Tracking

pytestmark = pytest.mark.journey

MEGABYTE = 1 << 20
API = "/api/2.0/mlflow"
SECRET = b"cua don vi khac"


@dataclass
class Server:
    """The server, with what the first organisation keeps in it."""

    tracking: Tracking
    runner: asyncio.Runner
    ids: dict[str, str]

    def ask(self, tenant: str, method: str, path: str, data: Any = None, query: str = "") -> tuple[int, bytes]:
        """(status, body) of one request on behalf of an organisation."""
        raw = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
        return self.send(tenant, method, path, iter([raw] if raw else []), len(raw), query)

    def send(self, tenant: str, method: str, path: str, parts: Iterator[bytes], size: int, query: str = ""):
        async def body() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        async def go() -> tuple[int, bytes]:
            headers = {b"content-type": b"application/json", b"content-length": str(size).encode()}
            answer = await self.tracking.forward(
                method, f"/mlflow{path}", query.encode(), headers, body(), tenant
            )  # fmt: skip
            try:
                return answer.status_code, await answer.aread()
            finally:
                await answer.aclose()

        return self.runner.run(go())

    def made(self, path: str, data: Any) -> dict[str, Any]:
        status, body = self.ask("t_mine", "POST", path, data)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with asyncio.Runner() as runner:
        server = Server(Tracking(tmp_path_factory.mktemp("home"), 900.0), runner, {})
        experiment = server.made(f"{API}/experiments/create", {"name": "của tôi"})["experiment_id"]
        run = server.made(f"{API}/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]
        model = server.made(f"{API}/logged-models", {"experiment_id": experiment, "name": "mô-hình"})["model"]["info"]
        server.made(f"{API}/registered-models/create", {"name": "cua-toi"})
        source = {"name": "cua-toi", "source": run["artifact_uri"], "run_id": run["run_id"]}
        server.made(f"{API}/model-versions/create", source)
        place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        server.ids |= {"e": experiment, "r": run["run_id"], "m": model["model_id"], "a": place}
        assert server.ask("t_mine", "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{place}/s.txt", SECRET)[0] == 200
        yield server
        runner.run(server.tracking.close())


FOREIGN: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/@a/s.txt", None, ""),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/@a/evil.txt", b"x", ""),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/@a/s.txt", None, ""),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", None, "path=@a"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", None, "path=.."),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/@a", {"path": "@a/evil.txt", "num_parts": 1}, ""),
    ("GET", f"{API}/logged-models/@m", None, ""), ("DELETE", f"{API}/logged-models/@m", None, ""),
    ("PATCH", f"{API}/logged-models/@m", {"model_id": "@m", "status": "LOGGED_MODEL_READY"}, ""),
    ("PATCH", f"{API}/logged-models/@m/tags", {"tags": [{"key": "a", "value": "b"}]}, ""),
    ("GET", f"{API}/logged-models/@m/artifacts/directories", None, ""),
    ("GET", "/ajax-api/2.0/mlflow/logged-models/@m/artifacts/files", None, "artifact_file_path=MLmodel"),
    ("POST", f"{API}/logged-models", {"experiment_id": "@e", "name": "x"}, ""),
    ("GET", f"{API}/registered-models/get", None, "name=cua-toi"),
    ("DELETE", f"{API}/registered-models/delete", {"name": "cua-toi"}, ""),
    ("POST", f"{API}/registered-models/alias", {"name": "cua-toi", "alias": "champion", "version": "1"}, ""),
    ("GET", f"{API}/model-versions/get", None, "name=cua-toi&version=1"),
    ("GET", f"{API}/model-versions/get-download-uri", None, "name=cua-toi&version=1"),
    ("GET", f"{API}/runs/get", None, "run_id=@r"), ("POST", f"{API}/runs/delete", {"run_id": "@r"}, ""),
    ("POST", f"{API}/runs/create", {"experiment_id": "@e", "start_time": 1}, ""),
    ("POST", f"{API}/runs/log-metric", {"run_id": "@r", "key": "m", "value": 1, "timestamp": 1}, ""),
    ("POST", f"{API}/runs/log-batch", {"run_id": "@r", "params": [{"key": "a", "value": "b"}]}, ""),
    ("POST", f"{API}/runs/outputs", {"run_id": "@r", "models": [{"model_id": "@m", "step": 0}]}, ""),
    ("POST", f"{API}/runs/set-tag", {"run_id": "@r", "key": "a", "value": "b"}, ""),
    ("GET", f"{API}/metrics/get-history", None, "run_id=@r&metric_key=m"),
    ("GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", None, "run_ids=@r&metric_key=m&max_results=9"),
    ("GET", f"{API}/experiments/get", None, "experiment_id=@e"),
    ("POST", f"{API}/experiments/delete", {"experiment_id": "@e"}, ""),
    ("POST", f"{API}/experiments/update", {"experiment_id": "@e", "new_name": "x"}, ""),
    ("GET", "/get-artifact", None, "run_uuid=@r&path=s.txt"), ("GET", f"{API}/artifacts/list", None, "run_id=@r"),
    ("POST", "/ajax-api/2.0/mlflow/upload-artifact", b"x", "run_uuid=@r&path=evil.txt"),
]  # fmt: skip
SEARCHES: list[tuple[str, str, Any, str]] = [
    ("POST", f"{API}/experiments/search", {"max_results": 50}, ""),
    ("POST", f"{API}/runs/search", {"experiment_ids": ["@e"]}, ""),
    ("POST", f"{API}/logged-models/search", {"experiment_ids": ["@e"]}, ""),
    ("GET", f"{API}/registered-models/search", None, ""), ("GET", f"{API}/model-versions/search", None, ""),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", None, "path="),
    ("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["@e"]}, ""),
    ("GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk", None, "run_id=@r&metric_key=m"),
    ("POST", "/api/3.0/mlflow/traces/search",
     {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "@e"}}]}, ""),
    ("POST", "/graphql", {"query": '{mlflowSearchRuns(input:{experimentIds:["@e"]}){runs{info{runId}}}}'}, ""),
    ("POST", "/graphql", {"query": '{mlflowSearchModelVersions(input:{filter:""}){modelVersions{name source}}}'}, ""),
    ("POST", "/graphql", {"query": '{mlflowListArtifacts(input:{runId:"@r"}){files{path}}}'}, ""),
]  # fmt: skip


def meant(server: Server, given: Any) -> Any:
    """The first organisation's ids in the place of their marks."""
    text = json.dumps(given if not isinstance(given, bytes) else "")
    for mark, found in server.ids.items():
        text = text.replace(f"@{mark}", found)
    return given if isinstance(given, bytes) else json.loads(text)


@pytest.mark.parametrize(("method", "path", "data", "query"), FOREIGN)
def test_what_is_named_by_a_foreign_id_is_not_there(server: Server, method: str, path: str, data: Any, query: str):
    ask = meant(server, [path, query])
    status, body = server.ask("t_other", method, ask[0], meant(server, data), ask[1])
    assert status in (400, 404), (status, body[:300])
    assert SECRET not in body


@pytest.mark.parametrize(("method", "path", "data", "query"), SEARCHES)
def test_a_search_finds_nothing_of_another_organisation(
    server: Server, method: str, path: str, data: Any, query: str
):  # fmt: skip
    ask = meant(server, [path, query])
    status, body = server.ask("t_other", method, ask[0], meant(server, data), ask[1])
    assert status in (200, 404)
    found = body.replace(json.dumps(meant(server, data)).encode(), b"")
    for word in ("cua-toi", "của tôi", "s.txt", "workspaces/t-t-mine", server.ids["m"]):
        assert word.encode() not in found
        assert json.dumps(word).strip('"').encode() not in found
    assert b'"runId"' not in found


@pytest.mark.parametrize("source", [
    "mlflow-artifacts:/@a", "models:/@m", "models:/cua-toi/1", "runs:/@r/model", "file:///etc", "/etc",
    "http://127.0.0.1:1/x", "mlflow-artifacts:/workspaces/t-t-other/../t-t-mine",
])  # fmt: skip
def test_a_version_cannot_be_made_of_what_belongs_to_another(server: Server, source: str):
    server.ask("t_other", "POST", f"{API}/registered-models/create", {"name": "mine"})
    body = {"name": "mine", "source": meant(server, source)}
    assert server.ask("t_other", "POST", f"{API}/model-versions/create", body)[0] in (400, 404)


def test_after_all_of_it_the_owner_finds_everything_as_it_was(server: Server):
    place = f"/api/2.0/mlflow-artifacts/artifacts/{server.ids['a']}"
    assert server.ask("t_mine", "GET", f"{place}/s.txt") == (200, SECRET)
    assert server.ask("t_mine", "GET", f"{place}/evil.txt")[0] == 404
    run = server.ask("t_mine", "GET", f"{API}/runs/get", query=f"run_id={server.ids['r']}")
    assert json.loads(run[1])["run"]["info"]["lifecycle_stage"] == "active"
    assert server.ask("t_mine", "GET", f"{API}/logged-models/{server.ids['m']}")[0] == 200


def test_half_a_gigabyte_passes_without_being_held(server: Server):
    size, part = 500 * MEGABYTE, bytes(MEGABYTE)
    processes = [psutil.Process(), *psutil.Process(server.tracking._process.pid).children(recursive=True)]
    before = sum(process.memory_info().rss for process in processes)
    most = 0

    def parts() -> Iterator[bytes]:
        nonlocal most
        for number in range(500):
            if number % 50 == 0:
                most = max(most, sum(process.memory_info().rss for process in processes))
            yield part

    path = f"/api/2.0/mlflow-artifacts/artifacts/{server.ids['a']}/large.bin"
    assert server.send("t_mine", "PUT", path, parts(), size)[0] == 200
    assert max(most, sum(process.memory_info().rss for process in processes)) - before < 200 * MEGABYTE
    stored = [one for one in Path(server.tracking._folder).rglob("large.bin") if one.is_file()]
    assert [one.stat().st_size for one in stored] == [size]
