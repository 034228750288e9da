"""Registering over HTTP: a draft with its report, refusals kept and told, one organisation's names and attempts."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml

from pipelines.bias.margins import VERSION
from registry.canonical import digest
from tests.pipelines.registration.samples import ROOT, graph, layers, malicious, scikit, zipped
from tests.services.wire import test_bias_routes
from tests.services.wire.small import Place

VERSIONS = "/v1/registry/models/{}/versions"


def card(name: str, **changes: Any) -> dict[str, Any]:
    """The human part of a real card, as another model's."""
    document = yaml.safe_load((ROOT / "model_cards" / "vi-segment" / "card.yaml").read_text("utf-8"))
    document = json.loads(json.dumps(document, default=str)) | {"name": name}
    document["identity"] |= {"licence": "MIT", "model_family": "onnx"}
    for section, field in (("purpose", "intended_use"), ("risk", "limitations"), ("fairness", "harms"),
                           ("explanation", "plain_explanation")):  # fmt: skip
        document[section][field] = {"vi": f"Riêng cho {name}: mô tả thử nghiệm", "en": f"For {name} only, a test"}
    return document | changes


def send(place: Place, name: str, sent_as: str, data: bytes, written: Any = None, key: str = "engineer", **more: str):
    written = card(name) if written is None else written
    body = written if isinstance(written, bytes) else json.dumps(written).encode()
    return form(place, name, {"artifact": (sent_as, data), "card": ("card.yaml", body)}, key, **more)


def form(place: Place, name: str, files: dict[str, tuple[str, bytes]], key: str = "engineer", **more: str):
    request = httpx.Request("POST", "http://aichung", files=files)
    headers = {"Content-Type": request.headers["content-type"], **more}
    return place.call("POST", VERSIONS.format(name), key=key, content=request.read(), headers=headers)


@pytest.fixture(scope="module")
def draft(place: Place) -> dict[str, Any]:
    answer = send(place, "tong-doc", "model.onnx", graph())
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_onnx_file_becomes_a_draft_with_what_was_measured(draft: dict[str, Any]):
    assert (draft["name"], draft["version"], draft["stage"], draft["kind"]) == (
        "tong-doc", "1.0.0", "draft", "onnx.tensor/1")  # fmt: skip
    trial = draft["report"]["trial"]
    assert 0 < trial["p50_ms"] <= trial["p99_ms"]
    assert trial["items_per_second"] > 0
    assert draft["report"]["filled"]["required"] > 0


def test_the_report_names_what_is_missing_before_review(draft: dict[str, Any]):
    report = draft["report"]
    assert report["ready"] is False
    named = {finding["field"] for finding in report["findings"] if finding["blocking"]}
    assert {"data.datasets", "evaluation.metrics"} <= named


def test_the_draft_stands_in_the_registry_and_nobody_elses_list(place: Place, draft: dict[str, Any]):
    path = VERSIONS.format("tong-doc") + "/1.0.0"
    assert place.get(path, key="engineer").json()["stage"] == "draft"
    assert place.get(path, key="engineer_b").status_code == 404
    shown = place.get(path + "/card", key="engineer").json()
    assert shown["evaluation"]["load_test"]["source"] == "auto"
    assert shown["purpose"]["intended_use"]["source"] == "human"


def test_a_draft_may_be_sent_again_by_its_author_and_the_next_version_counts_up(place: Place, draft: dict[str, Any]):
    again = send(place, "tong-doc", "model.onnx", graph(out=4), card("tong-doc", version="1.0.0"))
    assert again.status_code == 201, again.text
    assert again.json()["digests"]["artifact"] != draft["digests"]["artifact"]
    following = send(place, "tong-doc", "model.onnx", graph())
    assert following.json()["version"] == "1.1.0"


@pytest.mark.parametrize(("sent_as", "data", "kind"), [
    ("model.skops", scikit(), "onnx.tensor/1"),
    ("model.zip", zipped({"model.safetensors": layers(),
                          "config.json": b'{"layers":[{"weight":"weight","bias":"bias"}]}'}), "safetensors.layers/1"),
])  # fmt: skip
def test_other_safe_forms_become_drafts(place: Place, sent_as: str, data: bytes, kind: str):
    answer = send(place, "mo-hinh-" + sent_as.partition(".")[2], sent_as, data)
    assert answer.status_code == 201, answer.text
    assert answer.json()["kind"] == kind


def test_a_malicious_model_is_refused_kept_apart_and_logged(place: Place):
    name, data, word = malicious(place.house.settings.home / "canary")["a pickle named model.onnx"]
    answer = send(place, "doc-hai", name, data)
    assert (answer.status_code, answer.json()["code"]) == (422, word)
    attempt = place.get("/v1/registry/registrations", key="engineer").json()["data"][0]
    assert (attempt["state"], attempt["reason"]) == ("refused", word)
    kept = sorted((place.house.settings.home / "quarantine" / attempt["id"]).iterdir())
    assert [path.name for path in kept] == ["card", "upload"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    assert not (place.house.settings.home / "canary").exists()
    assert place.get(f"/v1/registry/registrations/{attempt['id']}", key="engineer_b").status_code == 404
    assert place.get(VERSIONS.format("doc-hai") + "/1.0.0", key="engineer").status_code == 404


def test_blanks_boilerplate_and_personal_data_are_refused(place: Place):
    document = card("the-xau", operation={"monitoring": ""})
    document["purpose"]["intended_use"] = "None"
    document["identity"]["owner_person"] = "0912345678"
    answer = send(place, "the-xau", "model.onnx", graph(), document)
    assert (answer.status_code, answer.json()["code"]) == (422, "card-refused")
    named = {error["pointer"] for error in answer.json()["errors"]}
    assert {"/card/purpose/intended_use", "/card/identity/owner_person", "/card/operation/monitoring"} <= named


def test_state_secrets_are_refused_whatever_else_the_card_says(place: Place):
    document = card("bi-mat")
    document["classification"]["secrecy"] = "mật"
    answer = send(place, "bi-mat", "model.onnx", graph(), document)
    assert answer.json()["code"] == "secrecy-refused"


def test_another_organisation_cannot_take_a_name(place: Place, draft: dict[str, Any]):
    answer = send(place, "tong-doc", "model.onnx", graph(), key="engineer_b")
    assert (answer.status_code, answer.json()["code"]) == (409, "name-taken")


def test_callers_without_the_scope_are_refused(place: Place):
    assert send(place, "cua-toi", "model.onnx", graph(), key="ministry").status_code == 403


def test_the_same_key_registers_once(place: Place):
    first = send(place, "mot-lan", "model.onnx", graph(), **{"Idempotency-Key": "once"})
    second = send(place, "mot-lan", "model.onnx", graph(), **{"Idempotency-Key": "once"})
    assert first.status_code == second.status_code == 201
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json()["registration"] == first.json()["registration"]


def test_a_form_without_its_parts_is_refused(place: Place):
    answer = form(place, "thieu", {"card": ("c", b"{}")})
    assert (answer.status_code, answer.json()["code"]) == (422, "missing-field")


def filed_report(draft: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A bias report about a draft's bytes."""
    about = {
        "name": draft["name"], "version": draft["version"], "kind": draft["kind"],
        "artifact_digest": draft["digests"]["artifact"],
    }  # fmt: skip
    return {**test_bias_routes.report(), "model": about, "margins": VERSION, "tier": draft["tier"], **changes}


def send_tested(place: Place, draft: dict[str, Any], report: dict[str, Any], data: bytes) -> httpx.Response:
    files = {
        "artifact": ("model.onnx", data),
        "card": ("card.json", json.dumps(card(draft["name"], version=draft["version"])).encode()),
        "bias": ("bias.json", json.dumps(report).encode()),
    }
    return form(place, draft["name"], files)


def test_a_bias_report_of_these_bytes_is_filed_with_the_draft_and_named_by_its_card(place: Place):
    first = send(place, "co-bao-cao", "model.onnx", graph()).json()
    report = filed_report(first)
    answer = send_tested(place, first, report, graph())
    assert answer.status_code == 201, answer.text
    filed = answer.json()
    assert filed["digests"]["artifact"] == first["digests"]["artifact"]
    assert filed["digests"]["bias_report"] == digest(report)
    assert filed["digests"]["card"] != first["digests"]["card"]
    path = VERSIONS.format("co-bao-cao") + "/1.0.0"
    shown = place.get(path + "/card", key="engineer").json()["fairness"]["bias_report"]
    assert (shown["source"], shown["value"]["verdict_by_axis"]) == ("inherited", {"province": "FAIL"})
    assert shown["evidence"] == [digest(report)]
    assert place.get(path + "/bias-report", key="engineer").json()["report"] == report
    again = send(place, "co-bao-cao", "model.onnx", graph(), card("co-bao-cao", version="1.0.0")).json()
    assert again["digests"]["card"] != filed["digests"]["card"]
    assert place.get(path + "/bias-report", key="engineer").json()["report"] is None


def test_a_bias_report_about_other_bytes_is_refused_and_the_draft_stays(place: Place):
    first = send(place, "bao-cao-khac", "model.onnx", graph()).json()
    for report, data, word in (
        (filed_report(first), graph(out=4), "evidence-mismatch"),
        (filed_report(first, verdict="PASS"), graph(), "wrong-document"),
        (filed_report(first, margins="margins/0"), graph(), "bias-margins"),
    ):
        answer = send_tested(place, first, report, data)
        assert (answer.status_code, answer.json()["code"]) == (422, word)
        assert answer.json()["errors"][0]["pointer"] == "/bias"
    kept = place.get(VERSIONS.format("bao-cao-khac") + "/1.0.0", key="engineer").json()
    assert kept["digests"] == first["digests"]
    attempt = place.get("/v1/registry/registrations", key="engineer").json()["data"][0]
    lies = sorted((place.house.settings.home / "quarantine" / attempt["id"]).iterdir())
    assert [path.name for path in lies] == ["bias", "card", "upload"]
