"""Keys, tenants, the caller, the ledger and its sums, over the whole path."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.errors import UnauthenticatedError
from registry.checkpoints import Checkpointer
from registry.merkle import leaf_hash
from registry.proofs import check
from registry.signatures import PublicKey, Signer
from services.keys import PATTERN
from tests.services.wire.small import Place, small_house

KEY = {"subject": {"name": "Hệ thống một cửa", "kind": "system"}, "role": "service"}
TENANT = {"code": "26041", "vintage": "2025-07-01", "name": "Phường Trấn Biên", "kind": "state", "level": "commune"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A house whose log begins with the test."""
    place = small_house(tmp_path / "home")
    yield place
    place.close()


def issue(place: Place, **more: Any) -> dict[str, Any]:
    answer = place.post("/v1/keys", KEY | more, key="admin")
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def same_but_for_the_request_id(one: httpx.Response, other: httpx.Response) -> bool:
    first, second = one.json(), other.json()
    for body in (first, second):
        body.pop("request_id"), body.pop("instance")
    return one.status_code == other.status_code and first == second


class TestKeys:
    def test_a_key_is_shown_once_answers_at_once_and_stops_when_revoked(self, place: Place) -> None:
        made = issue(place)
        assert PATTERN.fullmatch(made["key"])
        assert made["tenant"] == "platform"
        assert place.get("/v1/me", key=made["key"]).json()["key_id"] == made["id"]
        listed = place.get("/v1/keys?limit=1000", key="admin")
        assert made["key"] not in listed.text
        assert made["id"] in [key["id"] for key in listed.json()["data"]]
        assert place.call("DELETE", f"/v1/keys/{made['id']}", key="admin").status_code == 204
        refused = place.get("/v1/me", key=made["key"])
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")

    def test_only_the_administrator_manages_keys_and_does_nothing_else(self, place: Place) -> None:
        for name in place.keys:
            expected = 201 if name == "admin" else 403
            assert place.post("/v1/keys", KEY, key=name).status_code == expected, name
        answer = place.post("/v1/nlp/segment", {"documents": [{"id": "a", "text": "xin chào"}]}, key="admin")
        assert answer.status_code == 403
        for path in ("/v1/audit/records", "/v1/usage", "/v1/kpis", "/v1/catalog", "/metrics"):
            assert place.get(path, key="admin").status_code == 403, path

    def test_limits_given_to_a_key_are_kept(self, place: Place) -> None:
        made = issue(place, limits={"requests_per_minute": 3, "units_per_minute": 100})
        answers = [place.get("/v1/me", key=made["key"]) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=3;w=60'
        assert answers[0].headers["ratelimit"] == '"minute";r=2;t=20'
        assert answers[0].json()["limits"]["requests"]["remaining"] == 2
        assert int(answers[3].headers["retry-after"]) in (19, 20)
        assert answers[3].headers["ratelimit"].startswith('"minute";r=0;t=')
        assert answers[3].json()["code"] == "quota-exceeded"

    def test_rotation_leaves_both_keys_during_the_overlap(self, place: Place) -> None:
        made = issue(place)
        answer = place.post(f"/v1/keys/{made['id']}/rotate", {"overlap_seconds": 60}, key=made["key"])
        assert answer.status_code == 201
        assert answer.json()["replaces"] == made["id"]
        assert answer.json()["subject"] == made["subject"]
        for key in (made["key"], answer.json()["key"]):
            assert place.get("/v1/me", key=key).status_code == 200
        assert place.post(f"/v1/keys/{made['id']}/rotate", {}, key="admin").status_code == 409

    def test_an_empty_rotation_body_takes_the_default(self, place: Place) -> None:
        made = issue(place)
        assert place.call("POST", f"/v1/keys/{made['id']}/rotate", key="admin").status_code == 201

    def test_a_repeated_creation_gives_the_same_key_once(self, place: Place) -> None:
        headers = {"Idempotency-Key": '"once"'}
        one, two = (place.post("/v1/keys", KEY, key="admin", headers=headers) for _ in range(2))
        assert one.content == two.content
        assert two.headers["idempotency-replayed"] == "true"
        other = place.post("/v1/keys", KEY | {"scopes": ["predict"]}, key="admin", headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"role": "emperor"}, {"role": 3}, {"scopes": ["all"]}, {"scopes": "predict"}, {"tenant": "t_none"},
            {"subject": {"name": "", "kind": "system"}}, {"subject": {"name": "x", "kind": "robot"}},
            {"limits": {"requests_per_minute": 0}}, {"limits": {"requests_per_minute": "5"}},
            {"limits": {"requests_per_minute": True}}, {"expires_at": "2001-01-01T00:00:00Z"},
            {"expires_at": "tomorrow"}, {"secret": "mine"}, {"role": "tech_reviewer"},
        ],
    )  # fmt: skip
    def test_a_bad_wish_is_422_with_its_pointer_and_no_echo(self, place: Place, wrong: dict[str, Any]) -> None:
        answer = place.post("/v1/keys", KEY | wrong, key="admin")
        assert answer.status_code == 422, answer.text
        pointer = answer.json()["errors"][0]["pointer"]
        assert pointer.startswith(("/" + next(iter(wrong)), "/subject/kind")) or "secret" in wrong
        assert not any(word in answer.text for word in ("emperor", "robot", "tomorrow"))

    def test_a_foreign_key_is_the_same_404_as_a_random_one(self, place: Place) -> None:
        province = place.get("/v1/me", key="province").json()["tenant"]["id"]
        local = issue(place, role="platform_admin", tenant=province)["key"]
        foreign = place.get("/v1/me", key="ministry").json()["key_id"]
        for method, tail in (("DELETE", ""), ("POST", "/rotate")):
            answers = [place.call(method, f"/v1/keys/{key}{tail}", key=local) for key in (foreign, "000000000000")]
            assert answers[0].status_code == 404
            assert same_but_for_the_request_id(*answers)
        assert place.get("/v1/me", key="ministry").status_code == 200

    def test_lists_come_in_pages_with_a_link(self, place: Place) -> None:
        whole = [key["id"] for key in place.get("/v1/keys?limit=1000", key="admin").json()["data"]]
        walked: list[str] = []
        url = "/v1/keys?limit=5"
        while True:
            answer = place.get(url, key="admin")
            page = answer.json()
            walked += [key["id"] for key in page["data"]]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                assert "link" not in answer.headers
                break
            url = answer.headers["link"].partition(">")[0].removeprefix("<")
        assert walked == whole

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=٣", "after=nobody", "after=", "x=1"])
    def test_a_bad_page_is_refused(self, place: Place, query: str) -> None:
        assert place.get(f"/v1/keys?{query}", key="admin").status_code in (400, 422)


class TestTenants:
    def test_the_administrator_enters_a_tenant_below_another(self, place: Place) -> None:
        province = place.get("/v1/me", key="province").json()["tenant"]["id"]
        made = place.post("/v1/tenants", TENANT | {"parent": province}, key="admin")
        assert made.status_code == 201
        assert made.json()["id"] in [t["id"] for t in place.get("/v1/tenants", key="admin").json()["data"]]
        assert place.post("/v1/tenants", TENANT, key="admin").status_code == 409

    @pytest.mark.parametrize(
        "wrong", [{"kind": "platform"}, {"level": "village"}, {"parent": "t_none"}, {"code": "a b"}, {"name": " "}]
    )
    def test_a_bad_one_is_422(self, place: Place, wrong: dict[str, Any]) -> None:
        assert place.post("/v1/tenants", TENANT | wrong, key="admin").status_code == 422

    def test_callers_do_not_list_tenants(self, place: Place) -> None:
        assert place.get("/v1/tenants", key="ministry").status_code == 403


def test_me_tells_who_the_caller_is_and_what_is_left(place: Place) -> None:
    me = place.get("/v1/me", key="commune").json()
    assert me["tenant"]["name"] == "Xã Trảng Bom"
    assert (me["role"], me["role_title"]) == ("service", "bên gọi")
    assert "predict" in me["scopes"]
    assert me["limits"]["requests"]["limit_per_minute"] == 600_000


def predict(place: Place, key: str, count: int = 1) -> None:
    for number in range(count):
        body = {"documents": [{"id": str(number), "text": "xin chào"}]}
        assert place.post("/v1/nlp/segment", body, key=key).status_code == 200


@pytest.fixture(scope="module")
def used(place: Place) -> Place:
    """A house with a history: two organisations have called."""
    predict(place, "ministry", 3)
    predict(place, "province", 2)
    place.records()
    return place


class TestTheLedger:
    def read(self, place: Place, key: str, query: str = "") -> list[dict[str, Any]]:
        answer = place.get(f"/v1/audit/records?limit=1000{query}", key=key)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def test_a_tenant_sees_its_own_and_the_inspector_all(self, used: Place) -> None:
        ministry = used.get("/v1/me", key="ministry").json()["tenant"]["id"]
        own = self.read(used, "ministry")
        assert {row["record"]["tenant"] for row in own} == {ministry}
        assert sum(row["event"] == "inference" for row in own) >= 3
        everything = self.read(used, "inspector")
        assert sum(row["event"] == "inference" for row in everything) >= 5
        assert self.read(used, "inspector", f"&tenant={ministry}&event=inference") == [
            row for row in everything if row["event"] == "inference" and row["record"]["tenant"] == ministry
        ]

    def test_naming_a_foreign_tenant_finds_nothing_like_a_random_one(self, used: Place) -> None:
        province = used.get("/v1/me", key="province").json()["tenant"]["id"]
        assert self.read(used, "ministry", f"&tenant={province}") == self.read(used, "ministry", "&tenant=t_0") == []

    def test_every_view_is_itself_recorded(self, used: Place) -> None:
        self.read(used, "inspector")
        last = used.records()[-2]
        assert (last["event"], last["actor"]["role"]) == ("audit.read", "inspector")

    def test_the_record_is_shown_as_it_was_hashed(self, used: Place) -> None:
        answer = used.get("/v1/audit/records?event=inference&limit=1", key="ministry")
        (row,) = answer.json()["data"]
        start = answer.text.index('"record":') + len('"record":')
        exact = answer.text[start : answer.text.index('}],"has_more"')]
        assert leaf_hash(exact.encode()).hex() == row["leaf"]

    def test_pages_go_back_in_time_without_gaps(self, used: Place) -> None:
        whole = [row["id"] for row in self.read(used, "ministry")]
        walked: list[str] = []
        after = ""
        while True:
            page = used.get(f"/v1/audit/records?limit=2{after}", key="ministry").json()
            walked += [row["id"] for row in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        assert [one for one in walked if one in whole] == whole
        upwards = [row["id"] for row in self.read(used, "ministry", "&order=asc&event=inference")]
        assert upwards == [row["id"] for row in self.read(used, "ministry", "&event=inference")][::-1]

    def test_a_foreign_cursor_is_refused_like_a_random_one(self, used: Place) -> None:
        foreign = self.read(used, "province")[0]["id"]
        answers = [
            used.get(f"/v1/audit/records?after={after}", key="ministry") for after in (foreign, "nowhere:1", "nonsense")
        ]
        assert {answer.status_code for answer in answers} == {422}
        assert same_but_for_the_request_id(*answers[:2])

    @pytest.mark.parametrize("query", ["from=yesterday", "order=up", "event=", "from=2026-01-01&from=2026-01-02"])
    def test_a_bad_filter_is_refused(self, used: Place, query: str) -> None:
        assert used.get(f"/v1/audit/records?{query}", key="ministry").status_code in (400, 422)

    def test_times_filter(self, used: Place) -> None:
        assert self.read(used, "ministry", "&to=2020-01-01") == []
        assert self.read(used, "ministry", "&from=2020-01-01T00:00:00Z&event=inference")

    def test_one_record_is_proven_to_a_signed_root_and_a_foreign_one_is_404(self, used: Place) -> None:
        home = used.house.settings.home
        signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
        mine = self.read(used, "ministry", "&event=inference")[0]["seq"]
        early = used.get(f"/v1/audit/records/{mine}/proof", key="ministry")
        assert (early.status_code, early.json()["code"]) == (409, "not-covered-yet")
        Checkpointer(used.house.database, home / "checkpoints", signer).write()
        answer = used.get(f"/v1/audit/records/{mine}/proof", key="ministry")
        assert answer.status_code == 200, answer.text
        proof = answer.json()
        key = PublicKey.load(home / "keys" / "checkpoint.key.pub")
        assert check(proof, key)["event"] == "inference"
        assert proof["public_key"] == key.pem().decode()
        foreign = self.read(used, "province", "&event=inference")[0]["seq"]
        answers = [used.get(f"/v1/audit/records/{seq}/proof", key="ministry") for seq in (foreign, "none:1", "12")]
        assert {one.status_code for one in answers} == {404}
        assert same_but_for_the_request_id(*answers[:2])
        assert used.get(f"/v1/audit/records/{foreign}/proof", key="inspector").status_code == 200


class TestSums:
    def test_usage_is_what_the_log_says_of_the_own_organisation(self, own: Place) -> None:
        place = own
        predict(place, "ministry", 3)
        predict(place, "province", 1)
        refused = place.post("/v1/nlp/topics", {"documents": [{"id": "a", "text": "x"}], "model": "none"})
        assert refused.status_code == 404
        place.records()
        usage = place.get("/v1/usage", key="ministry").json()
        rows = {row["task"]: row for row in usage["data"]}
        assert (rows["segment"]["answered"], rows["segment"]["model"]) == (3, "vi-segment")
        assert rows["segment"]["units"] > 0
        assert usage["totals"]["answered"] == 3
        assert place.get("/v1/usage", key="inspector").json()["totals"]["answered"] == 4
        assert place.get("/v1/usage?to=2020-01-01&from=2019-12-31", key="ministry").json()["data"] == []

    def test_kpis_are_measured_or_say_that_they_are_not(self, own: Place) -> None:
        place = own
        predict(place, "ministry", 4)
        place.records()
        home = place.house.settings.home
        signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
        Checkpointer(place.house.database, home / "checkpoints", signer).write()
        figures = {one["name"]: one for one in place.get("/v1/kpis", key="inspector").json()["data"]}
        assert figures["approved_answers_share"]["value"] == 1.0
        assert figures["bootstrap_answers_share"] | {"value": 1.0, "n": 4} == figures["bootstrap_answers_share"]
        assert figures["log_drops"]["value"] == 0
        assert figures["latency_p99"]["value"] >= figures["latency_p50"]["value"] > 0
        assert figures["last_checkpoint"]["status"] == "measured"
        assert figures["human_override_rate"] == {
            "name": "human_override_rate", "vi": "Tỷ lệ con người bác kết quả", "en": "Human override rate",
            "status": "not_measured", "value": None, "unit": None, "n": None,
        }  # fmt: skip

    def test_a_time_too_long_or_reversed_is_refused(self, place: Place) -> None:
        for query in ("from=2020-01-01", "from=2026-01-02&to=2026-01-01"):
            assert place.get(f"/v1/usage?{query}", key="ministry").status_code == 422

    def test_kpis_are_for_those_who_watch(self, place: Place) -> None:
        assert place.get("/v1/kpis", key="ministry").status_code == 403


def test_administration_is_recorded_without_names_or_secrets(place: Place) -> None:
    made = issue(place)
    place.call("DELETE", f"/v1/keys/{made['id']}", key="admin")
    place.call("DELETE", "/v1/keys/000000000000", key="admin")
    records = place.records()
    events = [record["event"] for record in records]
    assert {"admin.key.create", "admin.key.revoke", "refuse.admin.key.revoke"} <= set(events)
    created = [record for record in records if record["event"] == "admin.key.create"][-1]
    assert created["object"] == {"key_id": made["id"]}
    text = json.dumps(records, ensure_ascii=False)
    assert made["key"] not in text
    assert KEY["subject"]["name"] not in text  # type: ignore[index]


def test_a_key_made_and_revoked_over_http_acts_within_two_seconds_in_another_process(place: Place) -> None:
    other = type(place.house.identity)(place.house.database, place.house.identity._pepper)
    other.start()
    made = issue(place)

    def knows() -> bool:
        try:
            return bool(other.authenticate(None, made["key"]))
        except UnauthenticatedError:
            return False

    for expected, change in ((True, None), (False, ("DELETE", f"/v1/keys/{made['id']}"))):
        if change:
            place.call(*change, key="admin")
        started = time.monotonic()
        while knows() is not expected:
            assert time.monotonic() - started < 20
            time.sleep(0.02)
    other.close()
