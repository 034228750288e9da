"""A version's life over HTTP: who may do what, after what, with which signature; nothing answers without it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.artifact import seal
from registry import cards
from registry.card_fields import FIELDS
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.keypairs import FileKey
from registry.signatures import Signer, envelope
from registry.store import Author
from tests.registry.making import card_for, flip, human
from tests.services.refusals import SEGMENT, docs
from tests.services.wire.small import Place, small_house

NAME = "vi-cat-tu"
REASON = {"reason": "thử ngắt theo kế hoạch"}
DAY = 86_400.0
ROLES = {
    "reviewer": "tech_reviewer", "fairness_reviewer": "fairness_reviewer", "dpo": "dpo",
    "security_officer": "security_officer", "agency_head": "agency_head",
}  # fmt: skip
IMPACT = {
    "digest": "sha256:" + "1" * 64, "approved_by_head": "sub_head", "date": "2026-11-01",
    "public_url": "https://vi-du.gov.vn/bao-cao",
}  # fmt: skip
T2 = {"classification": {"personal_data": True}, "training": {"reproducibility": "lặp lại, lệch 0,001"}}
T3 = {
    "classification": {"art20": {"uses": ["b"], "direct_basis": True}}, "purpose": {"decision_role": "direct_basis"},
    "training": {"reproducibility": "lặp lại, lệch 0,001"},
}  # fmt: skip


class HandClock:
    def __init__(self) -> None:
        self.now = float(int(time.time()))  # whole seconds: seven days later is seven days later

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def place(tmp_path: Path, clock: HandClock) -> Iterator[Place]:
    made = small_house(tmp_path / "var", clock=clock, models={"vi-segment": "text.segment/1"})
    yield made
    made.close()


def path(verb: str = "", version: str = "1.0.0") -> str:
    return f"/v1/registry/models/{NAME}/versions/{version}{verb}"


def subject(place: Place, key: str) -> str:
    return place.house.identity.authenticate(f"Bearer {place.keys[key]}", None).subject.id


def draft(place: Place, version: str = "1.0.0", changes: dict[str, Any] | None = None, bias: Any = None) -> Entry:
    """A complete model of its author, as registration leaves it."""
    folder = place.registry.folder / NAME / version
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / "weights.json").write_text("{}", "utf-8")
    licence = human()["identity"]["licence"]
    artifact = seal(folder / "artifact", name=NAME, version=version, kind="text.segment/1", licence=licence, config={})
    stated = {section: human()[section] | fields for section, fields in (changes or {}).items() if section in human()}
    card, evaluation = card_for(artifact, **stated)
    for section, fields in (changes or {}).items():
        for name, value in fields.items():
            card.setdefault(section, {})[name] = {
                "value": value, "source": "human", "by": "test", "at": "2026-11-24T00:00:00Z", "evidence": [],
            }  # fmt: skip
    tier = cards.control_tier(card)
    for needed in FIELDS:
        if needed.required(tier):
            card.setdefault(needed.section, {}).setdefault(needed.name, {"not_applicable": "bản thử | a trial"})
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False), "utf-8")
    (folder / "evaluation.json").write_text(json.dumps(evaluation), "utf-8")
    if bias is not None:
        (folder / "bias.json").write_text(json.dumps(bias), "utf-8")
    entry = Entry(
        NAME, version, "text.segment/1", ("segment",), place.registry.store.entry("vi-segment", "1.0.0").tenant, True,
        tier, Stage.DRAFT, Digests("", "", "", "", "", "", ""), str(folder), None, None,
        datetime.fromtimestamp(place.house.clock(), UTC),
    )  # fmt: skip
    place.registry.store.register(replace(entry, digests=digests_of(read_evidence(folder), entry)))
    entry = place.registry.store.credit(NAME, version, {Author(subject(place, "engineer"), "run")}, "platform")
    place.house.handles.refresh()
    return entry


def read_all(place: Place, key: str, version: str = "1.0.0") -> None:
    for document in ("/card", "/evaluation", "/bias-report"):
        assert place.get(path(document, version), key=key).status_code == 200


def decide(place: Place, key: str, decision: str = "approve", *, version: str = "1.0.0", **more: Any) -> httpx.Response:
    body = {"decision": decision, "role": ROLES.get(key, "tech_reviewer"), **more}
    return place.post(path("/reviews", version), body, key=key)


def submit(place: Place, version: str = "1.0.0", key: str = "engineer") -> httpx.Response:
    return place.post(path("/submit", version), {}, key=key)


def approve(place: Place, *keys: str, version: str = "1.0.0") -> dict[str, Any]:
    assert submit(place, version).status_code == 200
    for key in keys:
        read_all(place, key, version)
        answer = decide(place, key, version=version)
        assert answer.status_code == 201, answer.text
    return answer.json()


def release(place: Place, stage: str, key: str = "operator", version: str = "1.0.0", **more: Any) -> httpx.Response:
    return place.post(path("/release", version), {"stage": stage, **more}, key=key)


def ask(place: Place, model: str = NAME) -> httpx.Response:
    return place.post(SEGMENT, {**docs("xin chào"), "model": model})


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return answer.json()


def refusals(place: Place, word: str) -> list[dict[str, Any]]:
    return [record for record in place.records() if record["event"] == f"refuse.{word}" and "error_code" in record]


TWO = ("reviewer", "fairness_reviewer")


def test_a_t1_model_is_submitted_signed_by_two_and_released_by_a_third(place: Place):
    draft(place)
    assert problem(ask(place), 403, "gate-closed")["state"] == "missing"
    shown = approve(place, *TWO)
    assert (shown["stage"], shown["round"], shown["missing"]) == ("approved", 1, [])
    assert {one["role"] for one in shown["reviews"]} == {"tech_reviewer", "fairness_reviewer"}
    assert {one["signed"]["custody"] for one in shown["reviews"]} == {"platform"}
    assert [step["target"] for step in shown["history"]] == ["draft", "checking", "in_review", "approved"]
    assert problem(ask(place), 403, "gate-closed")["missing"] == ["approved"]
    assert release(place, "serving").json()["status"] == "serving"
    assert ask(place).json()["model"]["name"] == NAME
    approval = place.get(path()).json()["approval"]
    assert (approval["kind"], approval["verified"], approval["signer"]) == ("review", True, "platform")


def test_an_author_reviews_by_no_key_and_no_role(place: Place):
    entry = draft(place)
    problem(decide(place, "engineer"), 403, "forbidden")
    place.registry.store.credit(NAME, "1.0.0", {Author(subject(place, "reviewer"), "card")}, "platform")
    place.house.handles.refresh()
    assert submit(place).status_code == 200
    read_all(place, "reviewer")
    problem(decide(place, "reviewer"), 403, "author")
    tenant = place.house.identity.authenticate(f"Bearer {place.keys['engineer']}", None)
    second = place.post(
        "/v1/keys",
        {
            "tenant": tenant.tenant, "subject": {"name": tenant.subject.name, "kind": "person"},
            "role": "tech_reviewer", "scopes": [],
        },
        key="admin",
    )  # fmt: skip
    assert second.status_code == 201, second.text
    place.house.identity.refresh()
    read_all(place, second.json()["key"])
    problem(decide(place, second.json()["key"]), 403, "author")
    assert [record["error_code"] for record in refusals(place, "review.approve")] == ["author", "author"]
    assert place.registry.store.entry(entry.name, entry.version).stage is Stage.IN_REVIEW


def test_evidence_is_opened_before_it_is_judged_and_each_person_signs_once(place: Place):
    draft(place)
    submit(place)
    assert problem(decide(place, "reviewer"), 409, "evidence-unread")["missing"] == ["card", "evaluation"]
    read_all(place, "reviewer")
    problem(decide(place, "reviewer", role="dpo"), 403, "forbidden")
    assert decide(place, "reviewer").status_code == 201
    problem(decide(place, "reviewer"), 409, "four-eyes")
    read_all(place, "security_officer")
    problem(decide(place, "security_officer"), 409, "not-needed")


def test_changes_are_asked_for_field_by_field_and_start_a_new_round(place: Place):
    draft(place)
    submit(place)
    read_all(place, "reviewer")
    problem(decide(place, "reviewer", "request_changes"), 422, "invalid-input")
    remark = {"pointer": "/risk/limitations", "text": "nêu rõ với văn bản không dấu"}
    back = decide(place, "reviewer", "request_changes", comments=[remark]).json()
    assert back["stage"] == "draft"
    assert (back["comments"][0]["pointer"], back["comments"][0]["text"]) == tuple(remark.values())
    shown = approve(place, *TWO)
    assert (shown["round"], shown["stage"], len(shown["reviews"])) == (2, "approved", 3)


def test_illegal_moves_name_the_legal_ones(place: Place):
    draft(place)
    assert problem(decide(place, "reviewer"), 409, "illegal-move")["legal"] == ["checking", "revoked"]
    assert problem(release(place, "serving"), 409, "illegal-move")["state"] == "draft"
    submit(place)
    assert "approved" in problem(submit(place), 409, "illegal-move")["legal"]
    read_all(place, "reviewer")
    rejected = decide(place, "reviewer", "reject", comments=[{"pointer": "", "text": "không đạt"}])
    assert rejected.json()["stage"] == "rejected"
    assert problem(submit(place), 409, "illegal-move")["legal"] == []


def test_a_person_with_a_key_of_his_own_signs_by_himself(place: Place):
    draft(place)
    submit(place)
    read_all(place, "reviewer")
    signer = Signer(FileKey.generate("ecdsa-p256-sha256"), "reviewer")
    pem = {"public_key": signer.public.pem().decode()}
    assert place.post("/v1/me/signing-keys", pem, key="reviewer").status_code == 201
    problem(place.post("/v1/me/signing-keys", pem, key="fairness_reviewer"), 409, "signing-key-known")
    problem(decide(place, "reviewer"), 422, "statement-required")
    unsigned = place.get(path("/reviews/statement"), key="reviewer").json()
    payload = base64.b64decode(unsigned["payload"])
    stranger = json.loads(envelope(Signer.generate("x"), unsigned["payloadType"], payload))
    problem(decide(place, "reviewer", statement=stranger), 422, "signature-unknown-key")
    signed = json.loads(envelope(signer, unsigned["payloadType"], payload))
    remark = [{"pointer": "", "text": "không đạt"}]
    problem(decide(place, "reviewer", "reject", comments=remark, statement=signed), 422, "statement-foreign")
    shown = decide(place, "reviewer", statement=signed).json()
    assert shown["reviews"][0]["signed"]["custody"] == "person"
    read_all(place, "fairness_reviewer")
    assert decide(place, "fairness_reviewer").json()["stage"] == "approved"


@pytest.mark.parametrize("file", ["artifact/weights.json", "card.json", "evaluation.json", "bias.json"])
def test_one_changed_byte_after_the_approval_keeps_it_from_serving(place: Place, file: str):
    entry = draft(place, bias={"verdict_by_axis": {"diacritics": "PASS"}})
    approve(place, *TWO)
    flip(Path(entry.folder) / file, -2 if file.startswith("artifact") else -4)
    place.house.handles.verify()
    problem(release(place, "serving"), 409, "gate-closed")
    assert problem(ask(place), 403, "gate-closed")["state"] == "altered"
    assert refusals(place, "deploy.serving")


def test_an_altered_statement_of_a_person_closes_the_gate(place: Place):
    draft(place)
    approve(place, *TWO)
    release(place, "serving")
    assert ask(place).status_code == 200
    with place.house.database.write() as connection:
        connection.exec_driver_sql("UPDATE statements SET statement = replace(statement, 'sig', 'gis')")
    place.house.handles.verify()
    assert problem(ask(place), 403, "gate-closed")["state"] == "altered"


def test_an_approval_ends_without_grace_and_its_end_is_announced(place: Place, clock: HandClock):
    draft(place)
    approve(place, *TWO)
    release(place, "serving")
    until = datetime.fromisoformat(place.get(path()).json()["approval"]["valid_until"]).timestamp()
    for days, told in ((61, 0), (59, 60), (29, 30), (6, 7)):
        clock.now = until - days * DAY
        assert [str(told) in one["en"] for one in place.get(path()).json()["notices"]] == [True] * bool(told)
    assert ask(place).status_code == 200
    clock.now = until
    assert problem(ask(place), 403, "gate-closed")["state"] == "expired"
    assert [entry.name for entry in place.house.releases.lapse()] == [NAME, "vi-segment"]
    assert place.house.releases.lapse() == []
    place.house.handles.refresh()
    assert place.get(path()).json()["stage"] == "expired"
    problem(release(place, "serving"), 409, "illegal-move")


def test_one_stops_and_two_start_where_it_was_stopped(place: Place):
    draft(place)
    approve(place, *TWO)
    release(place, "shadow", percent=50)
    assert place.post(path("/suspend"), REASON, key="inspector").json()["stage"] == "suspended"
    assert place.post(path("/resume"), REASON, key="operator").status_code == 202
    problem(place.post(path("/resume"), REASON, key="operator"), 409, "four-eyes")
    assert place.post(path("/resume"), REASON, key="reviewer").json()["status"] == "shadow"
    problem(ask(place), 403, "gate-closed")


def test_rolling_back_is_one_call(place: Place, clock: HandClock):
    for version in ("1.0.0", "1.1.0"):
        clock.now += 60
        draft(place, version)
        approve(place, *TWO, version=version)
        release(place, "serving", version=version)
        if version == "1.0.0":
            place.registry.store.set_default("segment", NAME, version, "test")
    assert place.get(path(version="1.1.0")).json()["default_for"] == ["segment"]
    assert ask(place).headers["x-model"] == f"{NAME}@1.1.0"
    back = place.post(path("/rollback", "1.1.0"), REASON, key="operator")
    assert (back.json()["version"], back.json()["default_for"]) == ("1.0.0", ["segment"])
    assert ask(place).headers["x-model"] == f"{NAME}@1.0.0"
    problem(ask(place, f"{NAME}@1.1.0"), 403, "gate-closed")
    problem(place.post(path("/rollback"), REASON, key="operator"), 409, "nothing-to-roll-back-to")
    assert place.get(path("/reviews", "1.1.0"), key="reviewer").json()["previous"] == f"{NAME}@1.0.0"


def test_a_waiver_comes_from_above_and_ends_the_approval_with_it(place: Place):
    draft(place, changes=T2)
    refused = problem(submit(place), 422, "card-incomplete")
    assert {error["pointer"] for error in refused["errors"]} == {"/fairness/bias_report"}
    assert place.get(path()).json()["stage"] == "draft"
    ends = datetime.fromtimestamp(place.house.clock(), UTC).replace(microsecond=0) + timedelta(days=30)
    body = {
        "gap": "fairness.bias_report", "reason": "chưa đủ dữ liệu", "compensating_control": "người kiểm tra",
        "expires_at": ends.isoformat(),
    }  # fmt: skip
    problem(place.post(path("/waivers"), body, key="reviewer"), 403, "rank")
    problem(
        place.post(path("/waivers"), {**body, "gap": "identity.artifact_digest"}, key="agency_head"),
        422,
        "not-waivable",
    )
    late = (ends + timedelta(days=400)).isoformat()
    problem(place.post(path("/waivers"), {**body, "expires_at": late}, key="agency_head"), 422, "invalid-input")
    assert place.post(path("/waivers"), body, key="agency_head").status_code == 201
    assert approve(place, *TWO, "dpo")["stage"] == "approved"
    assert datetime.fromisoformat(place.get(path()).json()["approval"]["valid_until"]) == ends


def test_a_t2_model_passes_shadow_and_canary_and_two_persons_open_the_door(place: Place, clock: HandClock):
    draft(place, changes=T2, bias={"verdict_by_axis": {"diacritics": "PASS"}})
    approve(place, *TWO, "dpo")
    assert problem(release(place, "serving"), 409, "illegal-move")["legal"] == [
        "expired",
        "revoked",
        "shadow",
        "suspended",
    ]
    assert release(place, "shadow").json()["status"] == "shadow"
    assert problem(release(place, "canary", percent=10), 409, "guards")["missing"] == ["exposure"]
    clock.now += 7 * DAY
    assert release(place, "canary", percent=10).json()["status"] == "canary"
    assert release(place, "canary", percent=30).status_code == 200
    assert place.get(path()).json()["percent"] == 30
    clock.now += 7 * DAY
    assert problem(release(place, "serving"), 409, "guards")["missing"] == ["drill"]
    place.post(path("/suspend"), REASON, key="operator")
    place.post(path("/resume"), REASON, key="operator")
    assert place.post(path("/resume"), REASON, key="reviewer").json()["status"] == "canary"
    assert release(place, "serving").json()["status"] == "awaiting_second"
    problem(release(place, "serving"), 409, "four-eyes")
    assert release(place, "serving", "owner").json()["status"] == "serving"
    assert ask(place).status_code == 200


def test_direct_basis_of_a_decision_makes_t3_and_waits_for_the_signed_and_published_report(place: Place):
    bias = {"verdict_by_axis": {"diacritics": "PASS"}}
    blocked = {"classification": T3["classification"] | {"impact_assessment": {"digest": IMPACT["digest"]}}}
    assert draft(place, "1.0.0", T3 | blocked, bias).tier == "T3"
    refused = problem(submit(place), 422, "card-incomplete")
    assert "/classification/impact_assessment" in {error["pointer"] for error in refused["errors"]}
    whole = {"classification": T3["classification"] | {"impact_assessment": IMPACT, "classification_dossier": "số 1"}}
    draft(place, "1.1.0", T3 | whole, bias)
    assert submit(place, "1.1.0").status_code == 200
    read_all(place, "agency_head", "1.1.0")
    before = problem(decide(place, "agency_head", version="1.1.0"), 409, "order")["missing"]
    assert before == ["tech_reviewer", "fairness_reviewer", "dpo", "security_officer"]
    for key in ("reviewer", "fairness_reviewer", "dpo", "security_officer", "agency_head"):
        read_all(place, key, "1.1.0")
        shown = decide(place, key, version="1.1.0").json()
    assert shown["stage"] == "approved"


def test_a_failed_bias_report_keeps_a_model_from_review(place: Place):
    draft(place, bias={"verdict_by_axis": {"diacritics": "FAIL"}})
    assert problem(submit(place), 422, "card-incomplete")["errors"][0]["pointer"] == "/fairness/bias_report"


def test_the_dossier_of_an_altered_draft_says_so_and_can_be_read(place: Place):
    entry = draft(place)
    (Path(entry.folder) / "card.json").write_text("{", "utf-8")
    answer = place.get(path("/reviews"), key="engineer")
    assert answer.status_code == 200, answer.text
    assert [set(one) for one in answer.json()["missing"]] == [{"vi", "en"}]


def test_callers_do_not_read_who_said_what(place: Place):
    draft(place)
    assert place.get(path("/reviews")).status_code == 403
    assert place.get(path("/reviews"), key="engineer").status_code == 200


def test_the_inbox_holds_what_the_platform_drew(place: Place):
    draft(place)
    submit(place)
    (duty,) = place.get("/v1/me/reviews", key="reviewer").json()["data"]
    assert (duty["name"], duty["role"]) == (NAME, "tech_reviewer")
    read_all(place, "reviewer")
    decide(place, "reviewer")
    assert place.get("/v1/me/reviews", key="reviewer").json()["data"] == []


def test_retiring_is_announced_thirty_days_ahead(place: Place, clock: HandClock):
    draft(place)
    approve(place, *TWO)
    release(place, "serving")
    now = datetime.fromtimestamp(clock.now, UTC)
    near, far = ((now + timedelta(days=days)).isoformat() for days in (29, 31))
    problem(place.post(path("/retire"), {"sunset": near}, key="owner"), 422, "invalid-input")
    assert place.post(path("/retire"), {"sunset": far}, key="owner").json()["sunset"]
    answer = ask(place)
    assert answer.status_code == 200
    assert answer.headers["deprecation"] == f"@{int(clock.now)}"
    assert parsedate_to_datetime(answer.headers["sunset"]) == (now + timedelta(days=31)).replace(microsecond=0)
    clock.now += 32 * DAY
    assert NAME in [entry.name for entry in place.house.releases.lapse()]
    place.house.handles.refresh()
    assert place.get(path()).json()["stage"] == "retired"


def test_a_shadow_computes_its_share_and_nobody_gets_its_answers(place: Place):
    draft(place, "1.0.0")
    approve(place, *TWO)
    release(place, "shadow", percent=50)
    for _ in range(10):
        assert place.post(SEGMENT, docs("xin chào")).headers["x-model"] == "vi-segment@1.0.0"
    place.house.inference.close()
    counted = place.get(path("/reviews"), key="operator").json()["trial"]["counted"]["counts"]
    assert (counted["calls"], counted["failures"], counted["dropped"], counted["differing"]) == (5, 0, 0, 0)
    assert counted["own_seconds"] > 0 < counted["serving_seconds"]


def test_a_canary_answers_always_the_same_share_of_callers(place: Place):
    for version in ("1.0.0", "1.1.0"):
        draft(place, version)
        approve(place, *TWO, version=version)
    release(place, "serving")
    keys = ("ministry", "province", "province_b", "commune", "engineer", "reviewer", "owner", "operator")

    def chosen() -> set[str]:
        body = {**docs("xin chào"), "model": NAME}
        return {key for key in keys if place.post(SEGMENT, body, key=key).headers["x-model"] == f"{NAME}@1.1.0"}

    grown: list[set[str]] = [chosen()]
    for percent in (1, 50, 100):
        assert release(place, "canary", version="1.1.0", percent=percent).status_code == 200
        assert chosen() == chosen()
        grown.append(chosen())
    assert all(fewer <= more for fewer, more in pairwise(grown))
    assert (grown[0], grown[-1]) == (set(), set(keys))
    place.post(path("/suspend", "1.1.0"), REASON, key="operator")
    assert chosen() == set()
