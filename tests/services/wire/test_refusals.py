"""Every refusal of the contract is a problem in two languages, with its code and place and without an echo."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest

from tests.services.refusals import REFUSALS, SECRET, SEGMENT, Refusal, docs
from tests.services.wire.small import Place

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_a_bad_request_is_refused_as_the_contract_says(place: Place, refusal: Refusal):
    answer = place.call(refusal.method, refusal.path, key=refusal.key, content=refusal.content, headers=refusal.headers)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (refusal.status, refusal.code), answer.text
    assert problem.keys() >= MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    if refusal.pointer is not None:
        assert [fault["pointer"] for fault in problem["errors"]] == [refusal.pointer]
    assert SECRET not in answer.text
    assert len(answer.content) < 4_000
    if refusal.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if refusal.status == 405:
        assert answer.headers["allow"]


def test_no_refusal_was_our_own_fault_and_each_model_refusal_is_in_the_ledger(place: Place):
    words = [record["event"] for record in place.records()]
    assert "refuse.inference" in words
    assert not [record for record in place.records() if record.get("error_code") == "internal-error"]


def test_a_problem_speaks_english_when_asked_and_vietnamese_otherwise(place: Place):
    said = {
        language: place.post(SEGMENT, {}, headers={"Accept-Language": language}).json()["errors"][0]["detail"]
        for language in ("vi", "en", "en;q=0.3, vi;q=0.5", "fr, en;q=0.8, *;q=0.1", "zh")
    }
    vi, en = "Thiếu trường bắt buộc documents.", "Required field documents is missing."
    assert list(said.values()) == [vi, en, vi, en, vi]


def test_a_body_slightly_over_the_limit_is_heard_out_and_a_huge_one_is_cut_off(place: Place):
    sent = []

    async def drip():
        for _ in range(200):
            sent.append(1)
            yield b" " * (1 << 18)

    async def go():
        transport = httpx.ASGITransport(place.app)
        headers = {"Authorization": f"Bearer {place.keys['ministry']}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://aichung") as client:
            return await client.post(SEGMENT, content=drip(), headers=headers)

    answer = place.runner.run(go())
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert len(sent) * (1 << 18) <= (3 << 20) + (1 << 18)


def test_a_gzip_body_is_read_like_any_other(place: Place):
    body = gzip.compress(json.dumps(docs("xin chào")).encode())
    answer = place.call("POST", SEGMENT, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200


def test_an_error_of_ours_is_a_problem_without_traceback_and_the_log_has_its_places_but_no_text(place: Place):
    answer = place.post("/v1/nlp/topics", docs("crash"))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "crash" not in answer.text
    assert "Traceback" not in answer.text
    place.house.telemetry.flush()
    log = "\n".join(path.read_text() for path in (place.house.settings.home / "logs").glob("*.log"))
    line = next(json.loads(row) for row in log.splitlines() if '"internal-error"' in row)
    assert line["request_id"] == answer.json()["request_id"]
    assert line["chain"][0]["error"] == "RuntimeError"
    assert any("small.py" in at for at in line["chain"][0]["at"])
    assert "the secret is crash" not in log
