"""Health, readiness, metrics, description."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.app import endpoints_by_family
from services.metrics import Metrics, clear
from services.telemetry import Telemetry
from tests.services.refusals import FORECAST, SEGMENT, docs, forecast
from tests.services.wire.small import Place, small_house


def test_health_and_version_need_no_key(place: Place):
    assert place.get("/healthz", key=None).json() == {"status": "ok"}
    assert place.get("/readyz", key=None).json() == {"status": "ready"}
    assert place.get("/v1/version", key=None).json()["api"] == "v1"


def test_the_platform_is_ready_when_every_family_is(tmp_path: Path):
    place = small_house(tmp_path, "platform", models={})
    try:
        waiting = place.get("/readyz", key=None)
        assert (waiting.status_code, waiting.json()["code"]) == (503, "not-ready")
        assert waiting.json()["reasons"] == ["nlp: not-ready", "timeseries: not-ready"]
        for family in ("nlp", "timeseries"):
            metrics = Metrics(tmp_path / "metrics", family)
            metrics.set("aichung_ready", {"process": family}, 1)
            metrics.write()
        assert place.get("/readyz", key=None).status_code == 200
    finally:
        place.close()


def test_a_family_answers_its_own_addresses_only(tmp_path: Path):
    place = small_house(tmp_path, "nlp", models={"vi-segment": "text.segment/1"})
    try:
        assert place.post(SEGMENT, docs("a")).status_code == 200
        assert place.post(FORECAST, forecast()).json()["code"] == "not-found"
    finally:
        place.close()


def test_metrics_are_for_operators_and_hold_no_paths_and_no_texts(place: Place):
    place.post(SEGMENT, docs("chuyện riêng"))
    place.get("/v1/registry/models/abc-riêng")
    text = place.get("/metrics", key="operator")
    assert text.headers["content-type"].startswith("text/plain")
    assert 'aichung_requests_total{method="POST",route="/v1/nlp/segment",status="200"}' in text.text
    assert 'aichung_predictions_total{model="vi-segment@1.0.0",outcome="ok",task="segment"}' in text.text
    assert 'route="/v1/registry/models/{name}"' in text.text
    assert "riêng" not in text.text
    assert "abc" not in text.text


def test_metrics_of_all_processes_are_added_up_and_a_dead_ones_gauges_fall_away(tmp_path: Path):
    one, other = Metrics(tmp_path, "a"), Metrics(tmp_path, "b")
    for metrics in (one, other):
        metrics.request("/x", "GET", 200, 0.003)
        metrics.request("/x", "BREW", 200, 0.003)
        metrics.set("aichung_models_loaded", {"process": "p"}, 2)
    dead = other._snapshot()
    dead.pid = 2**22 + 1
    (tmp_path / "dead.json").write_bytes(msgspec.json.encode(dead))
    text = one.render().decode()
    assert re.search(r'aichung_requests_total\{method="GET",route="/x",status="200"\} 2\.0', text)
    assert re.search(r'aichung_requests_total\{method="other",route="/x",status="200"\} 2\.0', text)
    assert re.search(r'aichung_models_loaded\{process="p"\} 2\.0', text)
    assert 'aichung_request_seconds_bucket{le="0.005",route="/x"} 4.0' in text
    assert 'aichung_request_seconds_bucket{le="0.0025",route="/x"} 0.0' in text
    assert one.spread("aichung_request_seconds", "route") == {"/x": (4, 0.005, 0.005)}
    clear(tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_the_access_log_has_the_template_and_ids_and_neither_query_nor_key(place: Place):
    answer = place.get("/v1/registry/models?limit=7")
    place.house.telemetry.flush()
    log = "\n".join(path.read_text() for path in (place.house.settings.home / "logs").glob("*.log"))
    line = next(json.loads(row) for row in log.splitlines() if answer.headers["x-request-id"] in row)
    assert (line["route"], line["method"], line["status"]) == ("/v1/registry/models", "GET", 200)
    assert line["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert "limit" not in log
    assert not any(key in log for key in place.keys.values())


def test_a_key_pasted_into_a_log_is_blotted_out(tmp_path: Path):
    telemetry = Telemetry(tmp_path, "p")
    key = "aic_0123456789ab_" + "A" * 40
    telemetry.log.warning("odd", note=f"see {key}", nested={"list": [key]})
    telemetry.close()
    log = next((tmp_path / "logs").glob("*.log")).read_text()
    assert key not in log
    assert log.count("aic_***") == 2


def test_logs_are_capped_in_size_and_number(tmp_path: Path):
    telemetry = Telemetry(tmp_path, "p", log_bytes=2_000, log_files=3)
    for place in range(300):
        telemetry.log.info("line", place=place)
    telemetry.close()
    files = list((tmp_path / "logs").glob("p-*"))
    assert len(files) == 3
    assert sum(path.stat().st_size for path in files) <= 6_000 + 300


def test_lines_beyond_the_buffer_are_counted(tmp_path: Path):
    telemetry = Telemetry(tmp_path, "p")
    for _ in range(50_002):
        telemetry.request("/x", "GET", 200, 0.001, "", "r", "t", "")
    telemetry.flush()
    assert b"aichung_log_lines_lost 2.0" in telemetry.metrics.render()
    telemetry.close()


def test_the_description_is_valid_openapi_and_covers_every_row(place: Place):
    document = place.get("/openapi.json", key=None).json()
    OpenAPIV31SpecValidator(document).validate()
    tables = endpoints_by_family(place.house, "all")
    rows = {(row.path, row.method.lower()) for table in tables.values() for row in table if not row.hidden}
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == rows
    segment = document["paths"][SEGMENT]["post"]
    assert {"200", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503"} <= segment["responses"].keys()
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_examples_in_the_description_are_answered(place: Place):
    document = place.get("/openapi.json", key=None).json()
    tried = 0
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            answer = place.post(path, example["value"])
            tried += 1
            told = answer.status_code in (200, 202) or answer.json()["code"] in ("unknown-task", "unknown-model")
            assert told, path
    assert tried >= 8


def test_the_page_for_people_needs_nothing_from_outside(place: Place):
    page = place.get("/docs", key=None)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert SEGMENT in page.text
    assert not re.search(r'(src|href)="(?!#|/openapi)', page.text)
    assert "<script" not in page.text
