"""The gate in the path of a request: what is not vouched for does not answer."""

from __future__ import annotations

import time

import pytest

from models.errors import UnavailableError
from registry.entries import Stage
from tests.registry.making import flip
from tests.services.refusals import SEGMENT, docs
from tests.services.wire.small import Place, small_house

VERSION = "/v1/registry/models/vi-segment/versions/1.0.0"
REASON = {"reason": "sai số tăng bất thường"}


def test_a_suspended_model_stops_answering_and_the_refusal_says_what_and_where(own: Place):
    assert own.post(SEGMENT, docs("a")).status_code == 200
    stopped = own.post(VERSION + "/suspend", REASON, key="security_officer")
    assert (stopped.status_code, stopped.json()["stage"], stopped.json()["state"]) == (200, "suspended", "suspended")
    refused = own.post(SEGMENT, docs("a"))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (403, "gate-closed")
    assert (problem["model"], problem["state"], problem["missing"]) == ("vi-segment@1.0.0", "suspended", ["suspended"])
    assert problem["review_url"] == VERSION
    record = next(r for r in own.records() if r.get("request_id") == problem["request_id"])
    assert (record["event"], record["error_code"]) == ("refuse.inference", "gate-closed")
    assert record["gate"]["model"] == "vi-segment@1.0.0"


def test_a_suspension_elsewhere_acts_within_two_seconds(own: Place):
    own.house.handles.start()
    own.house.store.move("vi-segment", "1.0.0", Stage.SUSPENDED, "another process", "thử")
    ends = time.monotonic() + 2
    while own.post(SEGMENT, docs("a")).status_code == 200:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_refusal_names_another_model_that_may_answer(own: Place):
    own.registry.add("other-segment", "text.segment/1")
    own.house.handles.refresh()
    own.post(VERSION + "/suspend", REASON, key="operator")
    for body in (docs("a"), docs("a", model="vi-segment")):
        refused = own.post(SEGMENT, body).json()
        assert (refused["code"], refused["fallback"]) == ("gate-closed", "other-segment@1.0.0")
    assert own.post(SEGMENT, docs("a", model="other-segment")).json()["model"]["name"] == "other-segment"


def test_resuming_takes_two_persons_one_of_them_a_reviewer(own: Place):
    own.post(VERSION + "/suspend", REASON, key="operator")
    first = own.post(VERSION + "/resume", REASON, key="operator")
    assert (first.status_code, first.json()["status"]) == (202, "awaiting_second")
    assert own.post(VERSION + "/resume", REASON, key="operator").json()["code"] == "four-eyes"
    assert own.post(VERSION + "/resume", REASON, key="owner").json()["code"] == "four-eyes"
    assert own.post(SEGMENT, docs("a")).status_code == 403
    second = own.post(VERSION + "/resume", REASON, key="reviewer")
    assert (second.status_code, second.json()["status"]) == (200, "serving")
    assert own.post(SEGMENT, docs("a")).status_code == 200


def test_a_word_given_before_a_new_suspension_does_not_count(own: Place):
    own.post(VERSION + "/suspend", REASON, key="operator")
    own.post(VERSION + "/resume", REASON, key="operator")
    own.post(VERSION + "/resume", REASON, key="reviewer")
    own.post(VERSION + "/suspend", REASON, key="operator")
    assert own.post(VERSION + "/resume", REASON, key="reviewer").status_code == 202


@pytest.mark.parametrize("key", ["ministry", "engineer", "engineer_b", "inspector", "data_steward"])
def test_others_may_not_resume(own: Place, key: str):
    own.post(VERSION + "/suspend", REASON, key="operator")
    assert own.post(VERSION + "/resume", REASON, key=key).json()["code"] == "forbidden"


def test_an_illegal_move_names_the_legal_ones(own: Place):
    resumed = own.post(VERSION + "/resume", REASON, key="operator")
    assert (resumed.status_code, resumed.json()["code"], resumed.json()["state"]) == (409, "illegal-move", "serving")
    assert "suspended" in resumed.json()["legal"]


def test_one_changed_byte_and_the_model_does_not_load(own: Place):
    folder = own.registry.folder / "vi-topic" / "1.0.0"
    flip(folder / "artifact" / "weights.json", 0)
    own.house.handles.verify()
    refused = own.post("/v1/nlp/topics", docs("a"))
    assert (refused.status_code, refused.json()["code"], refused.json()["state"]) == (403, "gate-closed", "altered")
    assert own.post(SEGMENT, docs("a")).status_code == 200


def test_a_changed_artefact_is_seen_when_it_is_opened(own: Place):
    own.registry.add("late", "text.segment/1")
    own.house.handles.refresh()
    flip(own.registry.folder / "late" / "1.0.0" / "artifact" / "weights.json", 0)
    for _ in range(2):
        assert own.post(SEGMENT, docs("a", model="late")).json()["state"] == "altered"


def test_a_changed_card_is_told_and_never_shown(own: Place):
    folder = own.registry.folder / "vi-topic" / "1.0.0"
    card = folder / "card.json"
    card.write_text(card.read_text().replace("vi-topic@1.0.0", "vi-topic@1.0.1"))
    shown = own.get("/v1/registry/models/vi-topic/versions/1.0.0/card")
    assert (shown.status_code, shown.json()["code"]) == (503, "evidence-altered")
    own.house.handles.verify()
    assert own.post("/v1/nlp/topics", docs("a")).json()["state"] == "altered"


def test_an_approval_lapses_by_the_clock(tmp_path):
    now = [time.time()]
    place = small_house(tmp_path, clock=lambda: now[0])
    try:
        assert place.post(SEGMENT, docs("a")).status_code == 200
        now[0] += 91 * 86_400
        refused = place.post(SEGMENT, docs("a")).json()
        assert (refused["code"], refused["state"]) == ("gate-closed", "expired")
    finally:
        place.close()


def test_a_draft_is_seen_in_the_registry_and_does_not_answer(own: Place):
    own.registry.add("draft", "text.segment/1", approve=False)
    own.house.handles.refresh()
    assert own.get("/v1/registry/models/draft").json()["versions"][0]["approval"] is None
    refused = own.post(SEGMENT, docs("a", model="draft")).json()
    assert (refused["code"], refused["state"]) == ("gate-closed", "missing")


def test_another_tenants_model_is_the_same_404_as_none(own: Place):
    tenant = own.house.identity.authenticate(f"Bearer {own.keys['province']}").tenant
    own.registry.add("secret", "text.segment/1", tenant=tenant, public=False)
    own.house.handles.refresh()
    assert own.post(SEGMENT, docs("a", model="secret"), key="province").status_code == 200
    assert own.get("/v1/registry/models/secret", key="province").status_code == 200
    for path in (
        "/v1/registry/models/{}",
        "/v1/registry/models/{}/versions/1.0.0",
        "/v1/registry/models/{}/versions/1.0.0/card",
    ):
        foreign, none = (own.get(path.format(name), key="province_b") for name in ("secret", "nobody"))
        assert foreign.status_code == none.status_code == 404
        assert blank(foreign.json()) == blank(none.json())
    foreign, none = (own.post(SEGMENT, docs("a", model=name), key="province_b") for name in ("secret", "nobody"))
    assert (foreign.status_code, blank(foreign.json())) == (404, blank(none.json()))
    assert foreign.headers.keys() == none.headers.keys()


def blank(problem: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in problem.items() if name not in ("request_id", "instance")}


def test_a_version_can_be_pinned_and_the_newest_is_meant_otherwise(own: Place):
    own.registry.add("twice", "text.segment/1", version="1.9.0")
    own.registry.add("twice", "text.segment/1", version="1.10.0")
    own.house.handles.refresh()
    meant = [own.post(SEGMENT, docs("a", model=m)).json()["model"]["version"] for m in ("twice", "twice@1.9.0")]
    assert meant == ["1.10.0", "1.9.0"]


def test_a_gate_that_cannot_decide_says_503(own: Place):
    own.house.handles._fresh_until = 0.0
    refused = own.post(SEGMENT, docs("a"))
    assert (refused.status_code, refused.json()["code"]) == (503, "registry-stale")
    assert int(refused.headers["retry-after"]) >= 1


def test_only_so_many_models_stay_open(own: Place):
    own.house.handles._open._count = 2
    for task in ("segment", "topics", "diacritics", "segment"):
        assert own.post(f"/v1/nlp/{task}", docs("a")).status_code == 200
    own.registry.add("one-more", "text.segment/1")
    own.house.handles.refresh()
    assert own.post(SEGMENT, docs("a", model="one-more")).status_code == 200
    assert own.house.handles.loaded == 2


def test_the_answer_of_a_grave_model_waits_for_its_record(own: Place):
    own.registry.add("grave", "text.segment/1", tier="T3")
    own.house.handles.refresh()
    assert own.post(SEGMENT, docs("a", model="grave")).status_code == 200
    own.house.ledger.note = lambda *_: Never()  # type: ignore[method-assign]
    refused = own.post(SEGMENT, docs("a", model="grave"))
    assert (refused.status_code, refused.json()["code"]) == (503, "ledger-away")
    assert own.post(SEGMENT, docs("a")).status_code == 200


class Never:
    accepted = False

    def wait(self, seconds: float) -> bool:
        return False


def test_an_unreadable_store_does_not_stop_what_is_known_until_it_lasts(own: Place):
    def broken() -> int:
        raise UnavailableError("a", "b")

    own.house.handles.start()
    own.house.store.revision = broken  # type: ignore[method-assign]
    time.sleep(0.6)
    assert own.post(SEGMENT, docs("a")).status_code == 200
