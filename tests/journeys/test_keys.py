"""Keys from their first call to their last, organisations, limits and repeated requests."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import Platform, within
from tests.journeys.test_refusals import check, plain
from tests.services.refusals import FORECAST, SEGMENT, docs, forecast

pytestmark = pytest.mark.journey

SECONDS = 2.0


def tenants(platform: Platform) -> dict[str, str]:
    """Ids of the organisations by code."""
    listed = platform.client("admin").get("/v1/tenants", params={"limit": 1000}).json()["data"]
    return {tenant["code"]: tenant["id"] for tenant in listed}


def issue(platform: Platform, by: httpx.Client | None = None, **more: Any) -> dict[str, Any]:
    """A new key; the ministry's own service unless told otherwise."""
    body = {"subject": {"name": "Hệ thống thử", "kind": "system"}, "role": "service", **more}
    body.setdefault("tenant", tenants(platform)["BYT"])
    answer = (by or platform.client("admin")).post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def families(platform: Platform, key: str) -> dict[str, int]:
    """What every family of the platform answers to a key."""
    client = platform.bearer(key)
    return {
        "nlp": client.post(SEGMENT, json=docs("Xin chào.")).status_code,
        "timeseries": client.post(FORECAST, json=forecast()).status_code,
        "platform": client.get("/v1/me").status_code,
    }


def become(platform: Platform, key: str, status: int, seconds: float = SECONDS) -> bool:
    """Whether every family answers a key with a status within the time."""
    return within(seconds, lambda: set(families(platform, key).values()) == {status})


def test_a_new_key_answers_everywhere_and_its_secret_is_shown_once(platform: Platform):
    made = issue(platform)
    assert re.fullmatch(r"aic_[0-9A-Za-z]+_[0-9A-Za-z]{20,}", made["key"])
    assert become(platform, made["key"], 200)
    listed = platform.client("admin").get("/v1/keys", params={"limit": 1000})
    (found,) = [key for key in listed.json()["data"] if key["id"] == made["id"]]
    assert found["state"] == "active"
    assert found.keys() == made.keys() - {"key", "notice", "request_id"}
    assert made["key"].split("_")[2] not in listed.text
    me = platform.bearer(made["key"]).get("/v1/me").json()
    assert (me["key_id"], me["role"], me["tenant"]["code"]) == (made["id"], "service", "BYT")
    assert platform.client(None, **{"X-API-Key": made["key"]}).get("/v1/me").status_code == 200


def test_a_revoked_key_stops_answering_everywhere_within_two_seconds(platform: Platform):
    made = issue(platform)
    assert become(platform, made["key"], 200)
    admin = platform.client("admin")
    assert admin.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert become(platform, made["key"], 401)
    assert admin.delete(f"/v1/keys/{made['id']}").status_code in (204, 409)
    (found,) = [k for k in admin.get("/v1/keys", params={"limit": 1000}).json()["data"] if k["id"] == made["id"]]
    assert found["state"] == "revoked"


def test_a_key_revoked_at_the_command_line_stops_answering_everywhere(platform: Platform):
    made = issue(platform)
    assert become(platform, made["key"], 200)
    done = platform.aichung("keys", "revoke", made["id"])
    assert done.returncode == 0, done.stderr
    assert become(platform, made["key"], 401)


def test_a_key_expires_by_itself(platform: Platform):
    soon = datetime.now(UTC) + timedelta(seconds=4)
    made = issue(platform, expires_at=soon.isoformat())
    assert become(platform, made["key"], 200)
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
    assert become(platform, made["key"], 401)
    check(platform.bearer(made["key"]).get("/v1/me"), 401, "key-expired")


def test_an_expiry_without_a_zone_is_vietnamese_time_and_a_past_one_is_refused(platform: Platform):
    made = issue(platform, expires_at="2030-01-01T07:00:00")
    assert datetime.fromisoformat(made["expires_at"]) == datetime(2030, 1, 1, tzinfo=UTC)
    body = {"subject": {"name": "a", "kind": "system"}, "role": "service", "expires_at": "2020-01-01T00:00:00Z"}
    check(platform.client("admin").post("/v1/keys", json=body), 422)


def test_a_rotation_lets_both_keys_answer_until_the_overlap_ends(platform: Platform):
    old = issue(platform)
    assert become(platform, old["key"], 200)
    rotated = platform.bearer(old["key"]).post(f"/v1/keys/{old['id']}/rotate", json={"overlap_seconds": 4})
    began = time.monotonic()
    assert rotated.status_code == 201, rotated.text
    new = rotated.json()
    assert new["replaces"] == old["id"]
    assert become(platform, new["key"], 200)
    assert set(families(platform, old["key"]).values()) == {200}
    time.sleep(max(0.0, 4 - (time.monotonic() - began)))
    assert become(platform, old["key"], 401)
    assert set(families(platform, new["key"]).values()) == {200}


def test_a_caller_rotates_its_own_key_only(platform: Platform):
    first, second = issue(platform), issue(platform)
    assert become(platform, first["key"], 200)
    check(platform.bearer(first["key"]).post(f"/v1/keys/{second['id']}/rotate", json={}), 403)


def test_an_administrator_has_no_content_and_no_approval(platform: Platform):
    admin = platform.client("admin")
    assert set(families(platform, platform.keys["admin"]).values()) == {403, 200}
    for path in ("/v1/registry/models", "/v1/audit/records", "/v1/usage", "/v1/kpis", "/metrics"):
        check(admin.get(path), 403, "forbidden")
    version = "/v1/registry/models/forecast-core/versions/1.0.0"
    for path in (version + "/suspend", version + "/resume"):
        check(admin.post(path, json={"reason": "thử xem"}), 403, "forbidden")
    own = {"subject": {"name": "Quản trị khóa và tổ chức (đánh giá)", "kind": "person"}, "role": "inspector"}
    check(admin.post("/v1/keys", json=own), 403, "own-key")


@pytest.mark.parametrize(("change", "pointer"), [
    ({"role": "emperor"}, "/role"), ({"scopes": ["keys:manage"]}, "/scopes/0"), ({"tenant": "khong-co"}, "/tenant"),
    ({"role": "inspector"}, "/subject/kind"), ({"limits": {"requests_per_minute": 0}}, "/limits/requests_per_minute"),
    ({"subject": {"name": "", "kind": "system"}}, "/subject/name"), ({"expires_at": "mai"}, "/expires_at"),
    ({"subject": {"name": "a", "kind": "robot"}}, "/subject/kind"), ({"limits": {"units_per_minute": True}},
     "/limits/units_per_minute"),
])  # fmt: skip
def test_a_key_beyond_the_rules_is_not_issued(platform: Platform, change: dict[str, Any], pointer: str):
    body = {"subject": {"name": "a", "kind": "system"}, "role": "service", **change}
    problem = check(platform.client("admin").post("/v1/keys", json=body), 422)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


# --- organisations ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def provincial(platform: Platform) -> httpx.Client:
    """An administrator of Đồng Nai, who is not the platform's."""
    made = issue(
        platform, tenant=tenants(platform)["75"], role="platform_admin",
        subject={"name": "Quản trị của Đồng Nai", "kind": "person"},
    )  # fmt: skip
    client = platform.bearer(made["key"])
    assert within(SECONDS, lambda: client.get("/v1/me").status_code == 200)
    return client


def test_an_organisation_sees_itself_and_what_is_below_it(platform: Platform, provincial: httpx.Client):
    seen = {tenant["code"] for tenant in provincial.get("/v1/tenants").json()["data"]}
    assert seen == {"75", "26248"}
    assert {"AICHUNG", "BYT", "75", "56", "26248"} <= set(tenants(platform))
    assert tenants(platform)["56"] not in provincial.get("/v1/keys").text
    keys = provincial.get("/v1/keys", params={"limit": 1000}).json()["data"]
    assert {key["tenant"] for key in keys} <= {tenants(platform)["75"], tenants(platform)["26248"]}


def test_an_organisations_administrator_issues_no_key_beyond_it(platform: Platform, provincial: httpx.Client):
    known = tenants(platform)
    body = {"subject": {"name": "Xã", "kind": "system"}, "role": "service"}
    foreign = (known["56"], known["AICHUNG"], "x" * 8)
    refused = [provincial.post("/v1/keys", json={**body, "tenant": tenant}) for tenant in foreign]
    for answer in refused:
        check(answer, 422)
    assert len({plain(answer) for answer in refused}) == 1
    for role in ("inspector", "release_operator"):
        person = {"subject": {"name": f"Người {role}", "kind": "person"}, "role": role}
        made = provincial.post("/v1/keys", json=person).json()
        assert not {"audit:all", "metrics:read", "models:suspend"} & set(made["scopes"])


def test_a_new_organisation_stands_below_its_parent(platform: Platform, provincial: httpx.Client):
    code = f"x{time.time_ns():x}"[-12:]
    body = {"code": code, "vintage": "2025-07-01", "name": "Xã thử", "kind": "state", "level": "commune"}
    check(provincial.post("/v1/tenants", json={**body, "parent": tenants(platform)["56"]}), 422)
    made = provincial.post("/v1/tenants", json={**body, "parent": tenants(platform)["75"]})
    assert made.status_code == 201, made.text
    assert provincial.get("/v1/tenants").json()["data"][-1]["id"] == made.json()["id"]
    check(provincial.post("/v1/tenants", json={**body, "parent": tenants(platform)["75"]}), 409)


def test_another_organisations_key_is_a_404_like_none_at_all(platform: Platform, provincial: httpx.Client):
    foreign = issue(platform, tenant=tenants(platform)["56"])["id"]
    random = "".join(reversed(foreign))
    for ask in (lambda key: provincial.delete(f"/v1/keys/{key}"),
                lambda key: provincial.post(f"/v1/keys/{key}/rotate", json={})):  # fmt: skip
        one, none = ask(foreign), ask(random)
        check(one, 404)
        assert plain(one) == plain(none)
        assert [name for name, _ in one.headers.raw] == [name for name, _ in none.headers.raw]
    for path in ("/v1/keys?after=", "/v1/tenants?after="):
        assert plain(provincial.get(path + foreign)) == plain(provincial.get(path + random))


def test_lists_come_in_pages_without_gap_or_repetition(platform: Platform):
    admin = platform.client("admin")
    whole = [key["id"] for key in admin.get("/v1/keys", params={"limit": 1000}).json()["data"]]
    walked, url = [], "/v1/keys?limit=7"
    while url:
        page = admin.get(url)
        walked += [key["id"] for key in page.json()["data"]]
        url = page.links["next"]["url"] if page.json()["has_more"] else ""
    assert walked == whole


# --- repeated requests --------------------------------------------------------------------------------------


def test_a_repeated_request_gets_the_first_answer_and_creates_once(platform: Platform, provincial: httpx.Client):
    mark = f"lan-1-{time.time_ns()}"
    admin = platform.client("admin")
    body = {"subject": {"name": mark, "kind": "system"}, "role": "service"}
    first = admin.post("/v1/keys", json=body, headers={"Idempotency-Key": mark})
    again = admin.post("/v1/keys", json=body, headers={"Idempotency-Key": f'"{mark}"'})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    other = {**body, "role": "ml_engineer"}
    check(admin.post("/v1/keys", json=other, headers={"Idempotency-Key": mark}), 422, "idempotency-key-reused")
    elsewhere = provincial.post("/v1/keys", json=body, headers={"Idempotency-Key": mark})
    assert elsewhere.status_code == 201
    assert elsewhere.json()["id"] != first.json()["id"]
    listed = admin.get("/v1/keys", params={"limit": 1000}).json()["data"]
    assert len([key for key in listed if key["subject"]["name"] == mark]) == 2
    assert platform.bearer(first.json()["key"]).get("/v1/me").status_code == 200


def test_requests_that_race_under_one_idempotency_key_create_once(platform: Platform):
    mark = f"dua-{time.time_ns()}"
    admin = platform.client("admin")
    body = {"subject": {"name": mark, "kind": "system"}, "role": "service"}

    def send(_: int) -> httpx.Response:
        return admin.post("/v1/keys", json=body, headers={"Idempotency-Key": mark})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(24)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["key"] for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            check(answer, 409, "idempotency-in-flight")
    listed = admin.get("/v1/keys", params={"limit": 1000}).json()["data"]
    assert len([key for key in listed if key["subject"]["name"] == mark]) == 1


@pytest.mark.parametrize("mark", ["", '""', "a" * 256, "a b", '"a', "khóa"])
def test_a_malformed_idempotency_key_is_refused(platform: Platform, mark: str):
    body = {"subject": {"name": "a", "kind": "system"}, "role": "service"}
    headers = {"Idempotency-Key": mark.encode()}
    check(platform.client("admin").post("/v1/keys", json=body, headers=headers), 400, "malformed-header")


def test_a_refused_request_leaves_its_idempotency_key_free(platform: Platform):
    mark = f"sai-{time.time_ns()}"
    admin = platform.client("admin")
    body = {"subject": {"name": "a", "kind": "system"}, "role": "khong-co"}
    check(admin.post("/v1/keys", json=body, headers={"Idempotency-Key": mark}), 422)
    mended = admin.post("/v1/keys", json={**body, "role": "service"}, headers={"Idempotency-Key": mark})
    assert mended.status_code == 201


# --- limits -------------------------------------------------------------------------------------------------


def test_every_answer_tells_what_is_left_and_the_one_too_many_is_429(platform: Platform):
    made = issue(platform, limits={"requests_per_minute": 30, "units_per_minute": 1000})
    client = platform.bearer(made["key"])
    assert within(SECONDS, lambda: client.get("/v1/version").status_code == 200)
    assert within(SECONDS, lambda: client.post(FORECAST, json=forecast()).status_code == 200)
    left = []
    for _ in range(40):
        answer = client.post(FORECAST, json=forecast())
        assert answer.headers["ratelimit-policy"] == '"minute";q=30;w=60'
        (remaining, reset) = re.fullmatch(r'"minute";r=(\d+);t=(\d+)', answer.headers["ratelimit"]).groups()
        assert int(remaining) <= 30
        assert 0 <= int(reset) <= 60
        if answer.status_code == 429:
            break
        assert answer.status_code == 200
        left.append(int(remaining))
    assert left == sorted(left, reverse=True)
    assert 20 <= len(left) <= 35
    problem = check(answer, 429)
    assert re.fullmatch(r"[1-9]\d*", answer.headers["retry-after"])
    assert problem["retry_after_seconds"] == int(answer.headers["retry-after"]) <= 60
    assert client.get("/v1/version").status_code == 200
    time.sleep(int(answer.headers["retry-after"]))
    assert within(SECONDS, lambda: client.post(FORECAST, json=forecast()).status_code == 200)  # what others reconciled


def test_documents_and_points_count_too(platform: Platform):
    made = issue(platform, limits={"requests_per_minute": 1000, "units_per_minute": 20})
    client = platform.bearer(made["key"])
    assert within(SECONDS, lambda: client.post(FORECAST, json={}).status_code == 422)
    body = forecast()
    statuses = [client.post(FORECAST, json=body).status_code for _ in range(6)]
    assert statuses[0] == 200
    assert 429 in statuses
    assert platform.client().post(FORECAST, json=body).status_code == 200
    assert within(SECONDS, lambda: client.get("/v1/me").status_code == 200)
    assert client.get("/v1/me").json()["limits"]["units"]["limit_per_minute"] == 20


def test_a_limit_is_not_evaded_through_another_family_or_spelling(platform: Platform):
    made = issue(platform, limits={"requests_per_minute": 20, "units_per_minute": 100_000})
    client = platform.bearer(made["key"])
    other = platform.client(None, **{"X-API-Key": made["key"], "X-Forwarded-For": "1.2.3.4"})
    assert within(SECONDS, lambda: client.get("/v1/me").status_code == 200)
    allowed, began = 0, time.monotonic()
    while time.monotonic() - began < 6:
        for ask in (lambda: client.get("/v1/me"), lambda: other.get("/v1/me"), lambda: client.get("/v1/catalog"),
                    lambda: other.post(FORECAST, json=forecast())):  # fmt: skip
            allowed += ask().status_code == 200
    assert allowed <= 20 * (1 + 6 / 60) + 20 * 2  # one bucket, and at most one more in each other process
    assert {client.get("/v1/me").status_code, client.post(FORECAST, json=forecast()).status_code} == {429}


# --- secrets ------------------------------------------------------------------------------------------------


def test_a_secret_stands_nowhere_in_the_installation(platform: Platform):
    made = issue(platform)
    secret = made["key"].split("_")[2]
    client = platform.bearer(made["key"])
    assert within(SECONDS, lambda: client.get("/v1/me").status_code == 200)
    admin = platform.client("admin")
    marked = {"Idempotency-Key": f"bi-mat-{time.time_ns()}"}
    body = {"subject": {"name": "Bí mật", "kind": "system"}, "role": "service"}
    kept = admin.post("/v1/keys", json=body, headers=marked).json()["key"].split("_")[2]
    for path in ("/v1/" + made["key"], "/v1/registry/models/" + made["key"], "/v1/audit/records?event=" + made["key"]):
        client.get(path, headers={"X-Request-Id": made["key"], "User-Agent": made["key"], "Referer": made["key"]})
    client.post(SEGMENT, json=docs("a", model=made["key"]))
    client.post(FORECAST, json=forecast(), headers={"X-Request-Id": "x:" + made["key"]})
    evaluation = [key.split("_")[2] for key in platform.keys.values()]
    time.sleep(1.5)
    for path, content in platform.files():
        for word in (secret, kept):
            assert word.encode() not in content, path
        if path.name != "keys.json":
            assert not [word for word in evaluation if word.encode() in content], path
    assert (platform.home / "keys.json").stat().st_mode & 0o777 == 0o600
    assert (platform.home / "keys").stat().st_mode & 0o777 == 0o700
