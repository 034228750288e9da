"""What is not vouched for does not answer: suspension, resumption, altered papers, provenance."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
import rfc8785

from tests.journeys.conftest import Platform, within
from tests.journeys.test_refusals import check
from tests.services.refusals import ANOMALIES, FORECAST, docs, forecast, one

pytestmark = pytest.mark.journey

SECONDS = 2.0
REASON = {"reason": "sai số tăng bất thường ở ba tỉnh"}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "vi-segment": ("/v1/nlp/segment", docs("Hà Nội là thủ đô của Việt Nam.")),
    "vi-topic": ("/v1/nlp/topics", docs("Giá vàng hôm nay tăng mạnh.")),
    "vi-diacritics": ("/v1/nlp/diacritics", docs("Ha Noi la thu do cua Viet Nam.")),
    "forecast-core": (FORECAST, forecast(one(series=list(range(36))))),
    "forecast-prophet": (FORECAST, {**forecast(one(series=list(range(36)))), "model": "forecast-prophet"}),
    "anomaly-series": (ANOMALIES, {"inputs": [one(series=[5] * 30 + [500] + [5] * 5)]}),
    "anomaly-tabular": (
        "/v1/tabular/anomalies",
        {
            "columns": [{"name": "số ca", "type": "number"}],
            "rows": [[5 + at % 3] for at in range(40)] + [[500]],
        },
    ),
}
"""A call of every bundled model."""


def version(name: str) -> str:
    return f"/v1/registry/models/{name}/versions/1.0.0"


def ask(platform: Platform, name: str) -> httpx.Response:
    path, body = CALLS[name]
    return platform.client().post(path, json=body)


def suspend(platform: Platform, name: str, key: str) -> httpx.Response:
    return platform.client(key).post(version(name) + "/suspend", json=REASON)


def resume(platform: Platform, name: str, key: str) -> httpx.Response:
    return platform.client(key).post(version(name) + "/resume", json=REASON)


@pytest.fixture
def mended(platform: Platform) -> Iterator[None]:
    """Whatever a test suspended answers again afterwards."""
    yield
    for name in CALLS:
        if platform.client("reviewer").get(version(name)).json().get("stage") == "suspended":
            resume(platform, name, "reviewer")
            resume(platform, name, "operator")
            assert within(SECONDS, lambda name=name: ask(platform, name).status_code == 200)


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_names_its_model_and_the_card_leads_to_the_same_digest(platform: Platform, name: str):
    answer = ask(platform, name)
    assert answer.status_code == 200, answer.text
    model = answer.json()["model"]
    assert model == {"name": name, "version": "1.0.0", "card": answer.headers["x-model-card"]}
    assert answer.headers["x-model"] == f"{name}@1.0.0"
    assert answer.json()["notice"] == "Kết quả do hệ thống AI đề xuất"
    card = platform.client().get(version(name) + "/card")
    assert "sha256:" + sha256(rfc8785.dumps(card.json())).hexdigest() == model["card"]
    page = platform.client().get(version(name) + "/card", headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    assert name in page.text
    evaluation = platform.client().get(version(name) + "/evaluation")
    assert evaluation.status_code == 200
    report = platform.client().get(version(name) + "/bias-report").json()["bias_report"]
    assert report["value"]["verdict_by_axis"]


def test_a_bootstrap_approval_is_named_everywhere_and_lapses_after_90_days(platform: Platform):
    listed = platform.client().get("/v1/registry/models").json()["data"]
    assert {model["name"] for model in listed} == set(CALLS)
    for model in listed:
        (found,) = model["versions"]
        approval = found["approval"]
        assert (approval["kind"], approval["verified"], found["state"]) == ("bootstrap", True, "open")
        assert set(approval["tiers"]) <= {"T0", "T1"}
        assert found["tier"] in ("T0", "T1")
        assert approval["valid_until"][:10] > approval["valid_from"][:10]
    catalog = platform.client().get("/v1/catalog").json()["data"]
    assert {model["approval_kind"] for model in catalog} == {"bootstrap"}


@pytest.mark.parametrize(("name", "key"), [
    ("vi-segment", "dpo"), ("forecast-core", "security_officer"), ("anomaly-series", "agency_head"),
    ("vi-topic", "inspector"), ("vi-diacritics", "operator"),
])  # fmt: skip
def test_one_person_suspends_and_the_next_call_is_refused(platform: Platform, mended: None, name: str, key: str):
    assert ask(platform, name).status_code == 200
    stopped = suspend(platform, name, key)
    assert stopped.status_code == 200, stopped.text
    assert (stopped.json()["stage"], stopped.json()["reason"]) == ("suspended", REASON["reason"])
    assert within(SECONDS, lambda: ask(platform, name).status_code == 403)
    problem = check(ask(platform, name), 403, "gate-closed")
    assert (problem["model"], problem["state"], problem["missing"]) == (f"{name}@1.0.0", "suspended", ["suspended"])
    assert problem["review_url"] == version(name)
    shown = platform.client().get(version(name)).json()
    assert (shown["state"], shown["reason"]) == ("suspended", REASON["reason"])
    assert platform.client().get(problem["review_url"]).status_code == 200
    path, body = CALLS[name]
    check(platform.client().post(path, json={**body, "model": name}), 403, "gate-closed")
    check(platform.client().post(path, json={**body, "model": f"{name}@1.0.0"}), 403, "gate-closed")


def test_a_suspended_default_is_not_replaced_unasked_and_the_way_out_is_named(platform: Platform, mended: None):
    suspend(platform, "forecast-core", "operator")
    assert within(SECONDS, lambda: ask(platform, "forecast-core").status_code == 403)
    assert ask(platform, "forecast-core").json()["fallback"] == "forecast-prophet@1.0.0"
    assert ask(platform, "forecast-prophet").status_code == 200


def test_starting_again_takes_two_persons_one_of_them_a_reviewer(platform: Platform, mended: None):
    name = "vi-segment"
    suspend(platform, name, "operator")
    assert within(SECONDS, lambda: ask(platform, name).status_code == 403)
    for key in ("ministry", "engineer", "inspector", "data_steward"):
        check(resume(platform, name, key), 403)
    first = resume(platform, name, "operator")
    assert (first.status_code, first.json()["status"]) == (202, "awaiting_second")
    check(resume(platform, name, "operator"), 409, "four-eyes")
    check(resume(platform, name, "owner"), 409, "four-eyes")
    assert ask(platform, name).status_code == 403
    second = resume(platform, name, "fairness_reviewer")
    assert (second.status_code, second.json()["status"]) == (200, "serving")
    assert within(SECONDS, lambda: ask(platform, name).status_code == 200)


def test_a_second_key_of_the_same_person_is_not_a_second_person(platform: Platform, mended: None):
    suspend(platform, "vi-topic", "operator")
    assert resume(platform, "vi-topic", "reviewer").status_code == 202
    mine = platform.client("reviewer").get("/v1/me").json()["key_id"]
    rotated = platform.client("reviewer").post(f"/v1/keys/{mine}/rotate", json={"overlap_seconds": 3600}).json()
    again = platform.bearer(rotated["key"])
    assert within(SECONDS, lambda: again.get("/v1/me").status_code == 200)
    check(again.post(version("vi-topic") + "/resume", json=REASON), 409, "four-eyes")
    platform.client("admin").delete(f"/v1/keys/{rotated['id']}")
    assert resume(platform, "vi-topic", "operator").status_code == 200


@pytest.mark.parametrize("key", [
    "ministry", "engineer", "reviewer", "owner", "data_steward", "appeals_officer", "admin",
])  # fmt: skip
def test_others_may_not_suspend(platform: Platform, key: str):
    check(suspend(platform, "vi-segment", key), 403, "forbidden")
    assert ask(platform, "vi-segment").status_code == 200


def test_an_illegal_move_names_the_legal_ones(platform: Platform, mended: None):
    problem = check(resume(platform, "vi-segment", "operator"), 409, "illegal-move")
    assert problem["state"] == "serving"
    assert "suspended" in problem["legal"]
    suspend(platform, "vi-segment", "operator")
    check(suspend(platform, "vi-segment", "operator"), 409, "illegal-move")


def test_a_suspension_is_in_the_ledger_with_its_person(platform: Platform, mended: None):
    stopped = suspend(platform, "vi-diacritics", "dpo")

    def found() -> list[Any]:
        query = {"request_id": stopped.json()["request_id"]}
        return platform.client("inspector").get("/v1/audit/records", params=query).json()["data"]

    records = [record["record"] for record in within(SECONDS, found)]
    (record,) = [record for record in records if record["event"] == "deploy.suspend"]
    assert record["actor"]["role"] == "dpo"
    assert record["object"] == {"name": "vi-diacritics", "version": "1.0.0"}
    moves = platform.client("inspector").get("/v1/audit/records?event=registry.move&limit=1").json()["data"]
    moved = moves[0]["record"]
    assert (moved["from"], moved["to"], moved["actor"]["id"]) == ("serving", "suspended", record["actor"]["id"])
    assert moved["reason_sha256"] == sha256(REASON["reason"].encode()).hexdigest()


def test_an_altered_approval_closes_the_gate(platform: Platform, mended: None):
    ((before,),) = platform.query("SELECT statement FROM approvals WHERE name = ?", "vi-topic")
    bump = "UPDATE revisions SET value = value + 1"
    assert ask(platform, "vi-topic").status_code == 200
    try:
        for altered in (before.replace('"payload":"e', '"payload":"f'), before[:-20] + before[-19:], "{}", ""):
            assert altered != before
            platform.tamper("UPDATE approvals SET statement = ? WHERE name = ?", altered, "vi-topic")
            platform.tamper(bump)
            assert within(SECONDS, lambda: ask(platform, "vi-topic").status_code == 403), altered[:40]
            problem = check(ask(platform, "vi-topic"), 403, "gate-closed")
            assert problem["state"] in ("altered", "missing")
        assert ask(platform, "vi-segment").status_code == 200
    finally:
        platform.tamper("UPDATE approvals SET statement = ? WHERE name = ?", before, "vi-topic")
        platform.tamper(bump)
    assert within(SECONDS, lambda: ask(platform, "vi-topic").status_code == 200)


@pytest.mark.parametrize("change", [
    "UPDATE entries SET tier = 'T3' WHERE name = 'vi-segment'",
    "UPDATE entries SET digests = replace(digests, substr(digests, 30, 8), 'ffffffff') WHERE name = 'vi-segment'",
    "UPDATE entries SET stage = 'draft' WHERE name = 'vi-segment'",
    "UPDATE entries SET folder = '/etc' WHERE name = 'vi-segment'",
])  # fmt: skip
def test_a_change_in_the_registry_behind_the_platforms_back_opens_nothing(platform: Platform, change: str):
    columns = "tier, digests, stage, folder"
    (before,) = platform.query(f"SELECT {columns} FROM entries WHERE name = 'vi-segment'")
    try:
        platform.tamper(change)
        platform.tamper("UPDATE revisions SET value = value + 1")
        assert within(SECONDS, lambda: ask(platform, "vi-segment").status_code != 200)
        assert ask(platform, "vi-segment").status_code in (403, 404, 503)
    finally:
        platform.tamper("UPDATE entries SET tier=?, digests=?, stage=?, folder=? WHERE name = 'vi-segment'", *before)
        platform.tamper("UPDATE revisions SET value = value + 1")
    assert within(5, lambda: ask(platform, "vi-segment").status_code == 200)
