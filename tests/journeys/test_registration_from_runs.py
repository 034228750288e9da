"""A model on its way from the tracking server into the registry, logged by the standard client over a real socket.

The house is in this process and its models are small; the tracking server is the real one.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from registry.entries import Stage
from registry.store import Author
from services.app import create_app
from services.tracking import Tracking
from tests.pipelines.registration.samples import graph
from tests.services.wire.small import Place, small_house
from tests.services.wire.test_registration import card

pytestmark = pytest.mark.journey

API = "/mlflow/api/2.0/mlflow"
COLLEAGUE = "Kỹ sư thứ hai"
STEWARD = "Người chuẩn bị dữ liệu"
ENGINEER = """
import json, pathlib, sys, mlflow, onnx
from mlflow.entities import DatasetInput, Dataset, InputTag
good = pathlib.Path(sys.argv[1])
mlflow.set_experiment("đăng-ký")
with mlflow.start_run() as run:
    mlflow.log_params({"seed": 7, "depth": 3})
    mlflow.log_metric("macro_f1", 0.9)
    logged = mlflow.onnx.log_model(onnx.load(good), name="nhan", pip_requirements=[])
    mlflow.log_artifact(str(good), "plain")
    evil = pathlib.Path(sys.argv[2])
    mlflow.log_artifacts(str(evil), "evil")
    client = mlflow.MlflowClient()
    data = Dataset("don-thu", "0123456789abcdef", "catalogue", "x")
    client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag("committer", sys.argv[3])])])
client.create_registered_model("nhan-dang")
version = client.create_model_version("nhan-dang", f"models:/{logged.model_id}", run.info.run_id,
                                      model_id=logged.model_id)
print(json.dumps({"run": run.info.run_id, "model": logged.model_id, "version": version.version}))
"""
LOADER = "flavors:\n  python_function:\n    loader_module: evil\n  onnx:\n    data: model.onnx\n"


@dataclass
class Site:
    """A small house with a real tracking server, on a socket."""

    place: Place
    url: str
    made: dict[str, str]

    def ask(self, key: str, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.place.keys[key]}"}
        return httpx.request(method, self.url + path, headers=headers, json=body, timeout=300, **more)

    def register(self, name: str, uri: str, key: str = "engineer", **changes: Any) -> httpx.Response:
        body = {"model_uri": uri, "card": card(name, **changes)}
        return self.ask(key, "POST", f"/v1/registry/models/{name}/versions", body)

    def subject(self, key: str) -> str:
        return self.place.house.identity.authenticate(f"Bearer {self.place.keys[key]}", None).subject.id


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("house")
    place = small_house(home, models={"vi-segment": "text.segment/1"})
    tracking = Tracking(home, 900.0)
    app = create_app(replace(place.house, tracking=tracking), "all")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=serve, args=(server, tracking), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    site = Site(place, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", {})
    identity = place.house.identity
    home_of = identity.authenticate(f"Bearer {place.keys['engineer']}", None)
    for key, name, role in (
        ("colleague", COLLEAGUE, "ml_engineer"), ("steward", STEWARD, "tech_reviewer"),
        ("own_reviewer", home_of.subject.name, "tech_reviewer"),
    ):  # fmt: skip
        issued = identity.create_key(None, subject_name=name, subject_kind="person", role=role, tenant=home_of.tenant)
        place.keys[key] = issued.minted.text
    try:
        wake(site)
        site.made |= log(site, tmp_path_factory.mktemp("engineer"))
        yield site
    finally:
        server.should_exit = True
        thread.join(30)
        place.close()


def serve(server: uvicorn.Server, tracking: Tracking) -> None:
    """Answer until told to stop, then end the tracking server."""
    with asyncio.Runner() as runner:
        runner.run(server.serve())
        runner.run(tracking.close())


def wake(site: Site) -> None:
    """Start the server before the client asks, however long the machine takes."""
    for _ in range(5):
        if site.ask("engineer", "POST", f"{API}/experiments/search", {"max_results": 1}).status_code == 200:
            return
    raise AssertionError("the tracking server did not come up")


def log(site: Site, folder: Path) -> dict[str, str]:
    """What an engineer's program logs with the standard client."""
    good, evil = folder / "model.onnx", folder / "evil"
    good.write_bytes(graph())
    evil.mkdir()
    (evil / "MLmodel").write_text(LOADER)
    (evil / "model.onnx").write_bytes(graph())
    variables = {
        **os.environ, "MLFLOW_TRACKING_URI": site.url + "/mlflow", "MLFLOW_TRACKING_TOKEN": site.place.keys["engineer"],
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    arguments = [sys.executable, "-W", "ignore", "-c", ENGINEER, str(good), str(evil), STEWARD]
    done = subprocess.run(arguments, env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("uri", [
    "runs:/{run}/nhan", "runs:/{run}/plain", "runs:/{run}/plain/model.onnx", "models:/{model}",
    "models:/nhan-dang/{version}",
])  # fmt: skip
def test_a_logged_model_becomes_a_draft_under_every_address(site: Site, uri: str):
    name = f"tu-theo-doi-{len(uri)}"
    answer = site.register(name, uri.format(**site.made))
    assert answer.status_code == 201, answer.text
    assert answer.json()["kind"] == "onnx.tensor/1"
    shown = site.ask("engineer", "GET", f"/v1/registry/models/{name}/versions/1.0.0/card").json()
    assert shown["identity"]["mlflow"]["value"] == {"run_id": site.made["run"]}
    assert shown["training"]["seed"]["value"] == "7"


def test_who_made_the_run_the_card_and_the_data_are_the_authors(site: Site):
    answer = site.register("cua-dong-nghiep", "runs:/{run}/nhan".format(**site.made), "colleague")
    assert answer.status_code == 201, answer.text
    credited = {(one.subject, one.capacity) for one in site.place.house.store.authors("cua-dong-nghiep", "1.0.0")}
    colleague = site.subject("colleague")
    assert credited == {
        (colleague, "registrant"), (colleague, "card"), (site.subject("engineer"), "run"),
        (site.subject("steward"), "data"),
    }  # fmt: skip


def test_the_engineer_whose_run_it_was_cannot_review_what_a_colleague_registered(site: Site):
    path = "/v1/registry/models/cua-dong-nghiep/versions/1.0.0"
    store = site.place.house.store
    for stage in (Stage.CHECKING, Stage.IN_REVIEW):
        store.move("cua-dong-nghiep", "1.0.0", stage, "test")
    site.place.house.handles.refresh()
    assert site.subject("own_reviewer") == site.subject("engineer")  # a second role is no second person
    for key in ("own_reviewer", "steward"):
        for document in ("card", "evaluation"):
            assert site.ask(key, "GET", f"{path}/{document}").status_code == 200
        refused = site.ask(key, "POST", f"{path}/reviews", {"decision": "approve", "role": "tech_reviewer"})
        assert (refused.status_code, refused.json()["code"]) == (403, "author")
    denied = [row for row in site.place.records() if row["event"].startswith("refuse.")]
    assert any(row["actor"]["id"] == site.subject("engineer") for row in denied)


def test_the_owner_whom_the_card_names_is_an_author(site: Site):
    owner = site.place.house.identity.authenticate(f"Bearer {site.place.keys['owner']}", None).subject
    written = card("co-chu")
    written["identity"]["owner_person"] = owner.name
    body = {"model_uri": "models:/{model}".format(**site.made), "card": written}
    answer = site.ask("engineer", "POST", "/v1/registry/models/co-chu/versions", body)
    assert answer.status_code == 201, answer.text
    assert Author(owner.id, "owner") in site.place.house.store.authors("co-chu", "1.0.0")


@pytest.mark.parametrize("uri", ["runs:/{run}/nhan", "models:/{model}", "models:/nhan-dang/{version}"])
def test_another_organisations_model_is_not_there(site: Site, uri: str):
    answer = site.register("cua-nguoi-khac", uri.format(**site.made), "engineer_b")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-run")


@pytest.mark.parametrize("uri", [
    "s3://kho/model", "file:///etc/passwd", "http://127.0.0.1:1/m", "models:/nhan-dang@champion", "runs:/../../etc",
    "mlflow-artifacts:/workspaces/t-khac/1", "runs:/" + "0" * 32 + "/../x",
])  # fmt: skip
def test_no_other_place_is_followed(site: Site, uri: str):
    answer = site.register("noi-khac", uri)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/model_uri"


def test_code_that_an_mlflow_model_names_is_refused_and_never_loaded(site: Site):
    answer = site.register("doi-nap-ma", "runs:/{run}/evil".format(**site.made))
    assert (answer.status_code, answer.json()["code"]) == (422, "model-code")
    assert site.register("khong-co", "runs:/{run}/nothing".format(**site.made)).status_code == 404


RESERVED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "runs/create", {"experiment_id": "0", "tags": [{"key": "aichung.subject", "value": "x"}]}),
    ("POST", "runs/set-tag", {"run_id": "@run", "key": "aichung.subject", "value": "x"}),
    ("POST", "runs/set-tag", {"run_id": "@run", "key": "gov.stage", "value": "serving"}),
    ("POST", "runs/delete-tag", {"run_id": "@run", "key": "aichung.subject"}),
    ("POST", "runs/log-batch", {"run_id": "@run", "tags": [{"key": "aichung.subject", "value": "x"}]}),
    ("PATCH", "logged-models/@model/tags", {"tags": [{"key": "aichung.subject", "value": "x"}]}),
    ("DELETE", "logged-models/@model/tags/aichung.subject", {}),
    ("POST", "model-versions/set-tag", {"name": "nhan-dang", "version": "1", "key": "gov.stage", "value": "x"}),
    ("DELETE", "model-versions/delete-tag", {"name": "nhan-dang", "version": "1", "key": "aichung.subject"}),
    ("POST", "registered-models/set-tag", {"name": "nhan-dang", "key": "gov.stage", "value": "x"}),
    ("POST", "registered-models/create", {"name": "b", "tags": [{"key": "gov.stage", "value": "serving"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), RESERVED)
def test_the_platforms_tags_are_nobody_elses_to_write(site: Site, method: str, path: str, body: dict[str, Any]):
    text = json.dumps(body).replace("@run", site.made["run"])
    path = path.replace("@model", site.made["model"])
    answer = site.ask("colleague", method, f"{API}/{path}", json.loads(text))
    assert (answer.status_code, answer.json()["code"]) == (403, "reserved-tag")


def test_the_stamps_stand_and_an_engineers_own_tags_are_written(site: Site):
    own = {"run_id": site.made["run"], "key": "don-vi", "value": "Sở Y tế"}
    assert site.ask("colleague", "POST", f"{API}/runs/set-tag", own).status_code == 200
    run = site.ask("engineer", "GET", f"{API}/runs/get?run_id={site.made['run']}").json()["run"]["data"]["tags"]
    model = site.ask("engineer", "GET", f"{API}/logged-models/{site.made['model']}").json()["model"]["info"]["tags"]
    version = site.ask("engineer", "GET", f"{API}/model-versions/get?name=nhan-dang&version=1").json()
    for tags in (run, model, version["model_version"]["tags"]):
        assert {"key": "aichung.subject", "value": site.subject("engineer")} in tags
    assert {"key": "don-vi", "value": "Sở Y tế"} in run
