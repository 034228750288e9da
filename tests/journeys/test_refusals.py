"""Every refusal of the contract over real HTTP: never a 500, never an echo of what was sent."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import Platform
from tests.journeys.operations import METHODS, Operation, operations
from tests.services.refusals import ANOMALIES, FORECAST, REFUSALS, SECRET, SEGMENT, Refusal, docs, forecast, one

pytestmark = pytest.mark.journey

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
LARGE = (FORECAST, ANOMALIES)


def check(answer: httpx.Response, status: int, code: str | None = None, place: object = "") -> dict[str, Any]:
    """A refusal is a whole problem, and repeats nothing."""
    told = f"{place}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code == status, told
    assert answer.headers["content-type"] == "application/problem+json", told
    problem: dict[str, Any] = answer.json()
    assert problem.keys() >= MEMBERS, told
    assert problem["status"] == status, told
    assert problem["request_id"] == answer.headers["x-request-id"], told
    assert problem["type"].endswith(problem["code"]), told
    assert answer.headers["content-language"] in ("vi", "en"), told
    assert code is None or problem["code"] == code, told
    assert SECRET not in answer.text + str(answer.headers.raw), told
    assert len(answer.content) < 4_000, told
    return problem


def plain(answer: httpx.Response) -> str:
    """An answer's body without its request id: for comparing byte for byte."""
    return answer.text.replace(answer.headers["x-request-id"], "")


@pytest.fixture(scope="module")
def table(platform: Platform) -> list[Operation]:
    found = operations(platform)
    assert len(found) > 25
    return found


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_a_bad_request_is_refused_as_the_contract_says(platform: Platform, refusal: Refusal):
    headers = {"Content-Type": "application/json", **refusal.headers}
    if refusal.key is not None:
        headers["Authorization"] = "Bearer " + platform.keys.get(refusal.key, refusal.key)
    client = shared(platform)
    answer = client.request(refusal.method, refusal.path, content=refusal.content, headers=headers)
    problem = check(answer, refusal.status, refusal.code)
    if refusal.pointer is not None:
        assert [fault["pointer"] for fault in problem["errors"]] == [refusal.pointer]
    if refusal.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def shared(platform: Platform) -> httpx.Client:
    """One client without a key for the whole table."""
    found = [client for client in platform.clients if not {"authorization", "x-api-key"} & set(client.headers)]
    return found[0] if found else platform.client(None)


# --- who calls ----------------------------------------------------------------------------------------------


def test_every_endpoint_without_a_right_key_is_401(platform: Platform, table: list[Operation]):
    right = platform.keys["ministry"]
    wrong = {
        "no key": {},
        "an unknown key": {"Authorization": "Bearer aic_000000000000_" + "0" * 40},
        "a right id with a wrong secret": {"Authorization": f"Bearer {right[:-1]}{'a' if right[-1] != 'a' else 'b'}"},
        "another scheme": {"Authorization": f"Basic {right}"},
        "no scheme": {"Authorization": right},
        "an empty token": {"Authorization": "Bearer"},
        "an empty X-API-Key": {"X-API-Key": ""},
        "a key in a query-like header": {"X-API-Key": f"key={right}"},
    }
    client = shared(platform)
    for operation in table:
        if operation.public:
            continue
        for name, headers in wrong.items():
            answer = client.request(operation.method, operation.url, headers=headers)
            check(answer, 401, place=f"{operation} {name}")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert right not in answer.text


def test_a_known_id_with_a_wrong_secret_is_answered_like_an_unknown_one(platform: Platform):
    right = platform.keys["ministry"]
    known = platform.bearer(right[:-4] + "0000").get("/v1/me")
    unknown = platform.bearer("aic_" + "0" * (len(right.split("_")[1])) + "_" + right.split("_")[2]).get("/v1/me")
    assert plain(known) == plain(unknown)


def test_every_endpoint_refuses_a_role_that_lacks_its_scope(platform: Platform, table: list[Operation]):
    asked = [operation for operation in table if operation.scope is not None]
    assert len({operation.scope for operation in asked}) >= 8
    for operation in asked:
        client = operation.lacking(platform)
        answer = client.request(operation.method, operation.url, content=SECRET.encode())
        check(answer, 403, "forbidden", operation)


def test_the_public_endpoints_need_no_key_and_show_no_secret(platform: Platform, table: list[Operation]):
    public = [operation for operation in table if operation.public]
    assert {operation.path for operation in public} == {
        "/healthz", "/readyz", "/v1/version", "/openapi.json", "/docs", "/v2/health/live", "/v2/health/ready",
    }  # fmt: skip
    for operation in public:
        answer = shared(platform).get(operation.path)
        assert answer.status_code == 200
        assert not [key for key in platform.keys.values() if key in answer.text]
        assert str(platform.home) not in answer.text


# --- methods and addresses ----------------------------------------------------------------------------------


def test_every_address_names_its_methods(platform: Platform, table: list[Operation]):
    client = shared(platform)
    by_path: dict[str, set[str]] = {}
    for operation in table:
        by_path.setdefault(operation.url, set()).add(operation.method)
    for url, methods in by_path.items():
        expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        options = client.options(url)
        assert options.status_code == 204
        assert set(options.headers["allow"].split(", ")) == expected, url
        for method in {word.upper() for word in METHODS} - methods:
            answer = client.request(method, url)
            check(answer, 405, "method-not-allowed", url)
            assert set(answer.headers["allow"].split(", ")) == expected


def test_head_is_get_without_a_body(platform: Platform):
    for name, path in ((None, "/v1/version"), (None, "/openapi.json"), ("ministry", "/v1/me"), (None, "/v1/nothing")):
        client = platform.client(name)
        head, get = client.head(path), client.get(path)
        assert head.status_code == get.status_code
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v2/health", "/v2/../v1/me", "/v1/nlp", "/v1/nlp/", "/v1/nlp//segment", "//v1/me",
    "/v1/timeseries/../me", "/v1/timeseries/%2e%2e/me", "/v1/me/", "/V1/me", "/v1/me%00", "/v1/me;a=1", "/v1/me%2f",
    "/v1/registry/models/a/b/c", "/v1/" + SECRET, "/%ff%fe", "/v1/registry/models/..%2f..%2fetc%2fpasswd",
    "/mlflow", "/" + "a" * 7000,
])  # fmt: skip
def test_there_is_nothing_at_any_other_address(platform: Platform, path: str):
    key = platform.keys["ministry"]
    said = platform.talk(
        f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    )
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.split()[1] == b"404", said[:300]
    assert json.loads(body)["code"] in ("not-found", "unknown-model", "unknown-task")
    assert SECRET.encode() not in said


# --- bodies -------------------------------------------------------------------------------------------------

DEEP = b"[" * 65 + b"]" * 65
STRICT: list[tuple[str, bytes, dict[str, str], int, str | None]] = [
    ("not JSON", b'{"' + SECRET.encode(), {}, 400, "malformed-json"),
    ("a single quote", b"{'a': 1}", {}, 400, "malformed-json"),
    ("trailing bytes", b"{}x", {}, 400, "malformed-json"),
    ("two documents", b"{}{}", {}, 400, "malformed-json"),
    ("a byte order mark", b"\xef\xbb\xbf{}", {}, 400, "malformed-json"),
    ("UTF-16", "{}".encode("utf-16"), {}, 400, None),
    ("a duplicate key", b'{"a":1,"a":1}', {}, 400, "duplicate-key"),
    ("an escaped duplicate key", b'{"a":1,"\\u0061":1}', {}, 400, "duplicate-key"),
    ("65 levels", b'{"a":' + DEEP + b"}", {}, 400, "too-deep"),
    ("100,000 levels", b"[" * 100_000, {}, 400, "too-deep"),
    ("invalid UTF-8", b'{"a":"\xff"}', {}, 400, None),
    ("an overlong form", b'{"a":"\xc0\xaf"}', {}, 400, None),
    ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}', {}, 400, None),
    ("a lone surrogate", b'{"a":"\\udc00"}', {}, 422, "lone-surrogate"),
    ("a NUL", b'{"a":"\\u0000"}', {}, 422, "nul-character"),
    ("NaN", b'{"a":NaN}', {}, 422, "not-finite"),
    ("-Infinity", b'{"a":-Infinity}', {}, 422, "not-finite"),
    ("an unknown field", json.dumps({SECRET: SECRET}).encode(), {}, 422, None),
    ("a list", b"[]", {}, 422, "wrong-value"),
    ("null", b"null", {}, 422, "wrong-value"),
    ("a text", json.dumps(SECRET).encode(), {}, 422, "wrong-value"),
    ("a number", b"1e999", {}, 422, None),
    ("no media type", b"{}", {"Content-Type": ""}, 415, "unsupported-media-type"),
    ("plain text", b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    ("a form", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
    ("multipart", b"{}", {"Content-Type": "multipart/form-data; boundary=a"}, 415, "unsupported-media-type"),
    ("another charset", b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported-media-type"),
    ("brotli", b"{}", {"Content-Encoding": "br"}, 415, "unsupported-content-encoding"),
    ("deflate", b"{}", {"Content-Encoding": "deflate"}, 415, "unsupported-content-encoding"),
    ("gzip twice", b"{}", {"Content-Encoding": "gzip, gzip"}, 415, "unsupported-content-encoding"),
    ("broken gzip", b"{}", {"Content-Encoding": "gzip"}, 400, "malformed-gzip"),
    ("cut gzip", gzip.compress(b"{}" + b" " * 99)[:-6], {"Content-Encoding": "gzip"}, 400, "malformed-gzip"),
    ("gzip with a tail", gzip.compress(b"{}") + b"x", {"Content-Encoding": "gzip"}, 400, "malformed-gzip"),
    ("a gzip bomb", gzip.compress(b" " * (34 << 20)), {"Content-Encoding": "gzip"}, 413, "too-large"),
]  # fmt: skip


JUDGED_LATER = {("an unknown field", "/v1/readings/{reading_id}")}
"""Corrections name parts of the reading, so their fields are judged once the reading is found."""


def test_every_endpoint_reads_its_body_by_the_same_strict_rules(platform: Platform, table: list[Operation]):
    asked = [operation for operation in table if operation.takes_json]
    assert len(asked) >= 13
    for operation in asked:
        with operation.allowed(platform) as client:
            for name, content, headers, status, code in STRICT:
                if (name == "multipart" and operation.takes_form) or (name, operation.path) in JUDGED_LATER:
                    continue
                sent = {"Content-Type": "application/json", **headers}
                answer = client.request(operation.method, operation.url, content=content, headers=sent)
                check(answer, status, code, f"{operation} {name}")
            if not operation.may_be_empty:
                json_type = {"Content-Type": "application/json"}
                check(client.request(operation.method, operation.url, headers=json_type), 400, "empty-body", operation)


def test_an_endpoint_that_takes_nothing_refuses_a_body(platform: Platform):
    sent = platform.client("admin").request("DELETE", "/v1/keys/khong-co", content=SECRET.encode())
    check(sent, 422, "unexpected-body")


def test_every_endpoint_refuses_unknown_query_parameters(platform: Platform, table: list[Operation]):
    for operation in table:
        if not (operation.public or operation.streamed):
            with operation.allowed(platform) as client:
                answer = client.request(operation.method, operation.url, params={SECRET: SECRET})
            check(answer, 422, "unknown-parameter", operation)


@pytest.mark.parametrize(("query", "status"), [
    ("limit=0", 422), ("limit=1001", 422), ("limit=-1", 422), ("limit=1.0", 422), ("limit=٣", 422), ("limit=", 422),
    ("limit=1&limit=1", 400), ("after=" + SECRET, 422), ("after=%00", 400), ("after=%ff", 400), ("=1", 422),
    ("from=" + SECRET, 422), ("from=99999-01-01", 422), ("order=sideways", 422), ("event=", 422),
    ("after=" + "a" * 5000, 400), ("a" * 20, 400), ("after=' OR 1=1 --", 422), ("chain=..%2f..%2fa", 200),
])  # fmt: skip
def test_a_bad_query_of_a_list_is_refused(platform: Platform, query: str, status: int):
    answer = platform.client("inspector").get("/v1/audit/records?" + query)
    if status == 200:
        assert (answer.status_code, answer.json()["data"]) == (200, [])
    else:
        check(answer, status)


# --- sizes --------------------------------------------------------------------------------------------------


def test_sizes_up_to_the_limit_are_answered_and_one_more_is_413(platform: Platform):
    client = platform.client()
    thousand = client.post(SEGMENT, json=docs(*["Xin chào."] * 1000))
    assert thousand.json()["usage"]["documents"] == 1000
    assert client.post(SEGMENT, json=docs("a" * 100_000)).status_code == 200
    whole = json.dumps(docs("Xin chào.")).encode()
    filled = whole + b" " * ((2 << 20) - len(whole))
    kind = {"Content-Type": "application/json"}
    assert client.post(SEGMENT, content=filled, headers=kind).status_code == 200
    check(client.post(SEGMENT, content=filled + b" ", headers=kind), 413, "too-large")
    points = [one(name=f"s{i}", series=[1] * 2001) for i in range(1000)]
    check(client.post(ANOMALIES, json={"inputs": points}), 413, "too-large")


def test_a_time_series_body_may_have_32_mib_and_no_more(platform: Platform):
    client, kind = platform.client(), {"Content-Type": "application/json"}
    whole = json.dumps(forecast()).encode()
    filled = whole + b" " * ((32 << 20) - len(whole))
    assert client.post(FORECAST, content=filled, headers=kind).status_code == 200
    check(client.post(FORECAST, content=filled + b" ", headers=kind), 413, "too-large")


def test_a_body_without_end_is_cut_off_soon_after_the_limit(platform: Platform):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 200 << 20:
            sent += 1 << 20
            yield b" " * (1 << 20)

    try:
        answer = platform.client().post(SEGMENT, content=endless(), headers={"Content-Type": "application/json"})
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        answer = None  # the line was closed while we were still sending
    assert sent < 64 << 20
    if answer is not None:
        check(answer, 413, "too-large")
    assert platform.client().post(SEGMENT, json=docs("a")).status_code == 200


# --- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [
    b"0", b"-1", b"1001", b"true", b"false", b'"3"', b"null", b"3.0", b"3.5", b"1e308", b"1e999", b"NaN", b"[]", b"{}",
    b"9223372036854775808", b"1" * 400, b"-0", b'""',
])  # fmt: skip
def test_a_horizon_is_a_whole_number_from_1_to_1000(platform: Platform, raw: bytes):
    body = json.dumps(forecast(horizon="@")).encode().replace(b'"@"', raw)
    answer = platform.client().post(FORECAST, content=body, headers={"Content-Type": "application/json"})
    problem = check(answer, 422)
    assert problem["errors"][0]["pointer"] == "/options/horizon"


@pytest.mark.parametrize("levels", [[0], [1], [-0.1], [1.1], [True], ["0.5"], [None], [0.5, 0.5], [0.0001] * 2, "0.5",
                                    [0.1] * 100])  # fmt: skip
def test_quantiles_lie_between_0_and_1_and_differ(platform: Platform, levels: Any):
    check(platform.client().post(FORECAST, json=forecast(quantiles=levels)), 422)


@pytest.mark.parametrize("frequency", [
    "", "M1", "0M", "-1D", "1.5H", "fortnight", "month", "W-XYZ", "99999999999D", "D;", "ngày", "\u00d7", 3, None,
])  # fmt: skip
def test_a_frequency_is_one_of_the_known_words(platform: Platform, frequency: Any):
    check(platform.client().post(FORECAST, json=forecast(one(frequency=frequency))), 422)


@pytest.mark.parametrize("stamp", [
    "", "2024-13", "2024-02-30", "24-01-01", "2024-01-01T25:00", "0000-01", "10000-01", "hôm qua", "2024/01/01",
    "2024-01-01T00:00:00+99:00", 20240101, None, "2024-01-01" + " " * 40,
])  # fmt: skip
def test_a_start_is_a_moment_of_the_calendar(platform: Platform, stamp: Any):
    check(platform.client().post(FORECAST, json=forecast(one(start_timestamp=stamp))), 422)


def test_a_forecast_beyond_the_year_9999_fails_and_up_to_it_is_legal(platform: Platform):
    inputs = [one(name="long", frequency="Y", start_timestamp="9990"), one(name="835", frequency="Y", series=[1] * 835,
              start_timestamp="1950")]  # fmt: skip
    answer = platform.client().post(FORECAST, json=forecast(*inputs, horizon=100))
    outputs = answer.json()["outputs"]
    assert [output["status"] for output in outputs] == ["failed", "succeeded"]
    assert outputs[0]["error"]["code"] == "beyond-calendar"
    assert outputs[1]["content"][0]["periods"][-1] == "2884"


def test_a_series_that_no_model_can_use_fails_alone(platform: Platform):
    inputs = [one(name="tốt"), one(name="rỗng", series=[None] * 6), one(name="không có", series=[])]
    for path, body in ((FORECAST, forecast(*inputs)), (ANOMALIES, {"inputs": inputs})):
        answer = platform.client().post(path, json=body)
        assert answer.status_code == 200, answer.text
        outputs = answer.json()["outputs"]
        assert [output["name"] for output in outputs] == ["tốt", "rỗng", "không có"]
        assert outputs[0]["status"] == "succeeded"
        assert answer.json()["status"] in ("partial", "completed")
        for output in outputs[1:]:
            if output["status"] == "failed":
                assert output["error"]["code"]
                assert output["error"]["request_id"] == answer.json()["request_id"]


def test_a_document_that_fails_stands_in_errors_and_the_others_are_answered(platform: Platform):
    answer = platform.client().post(SEGMENT, json=docs("Xin chào.", "TUYỆT MẬT\nNội dung", "Hà Nội."))
    assert answer.status_code == 200
    assert [document["id"] for document in answer.json()["documents"]] == ["d0", "d2"]
    (failed,) = answer.json()["errors"]
    assert (failed["id"], failed["error"]["code"]) == ("d1", "secrecy-mark")
    assert "Nội dung" not in answer.text


def test_texts_that_trip_programs_are_answered(platform: Platform):
    texts = ["", " ", "\t\n", "\u200b\u200d\ufeff", "e" + "\u0301" * 5000, "👩‍👩‍👧‍👦" * 500, "a" * 50_000, "\u202e abc",
             "﷽" * 1000, "Ạ\u0323\u0302", "\U0010ffff", "." * 20_000, "(" * 20_000, "\u2028", "𠀀𠀁"]  # fmt: skip
    for task in ("segment", "topics", "diacritics"):
        answer = platform.client().post(f"/v1/nlp/{task}", json=docs(*texts))
        assert answer.status_code == 200, answer.text[:300]
        assert len(answer.json()["documents"]) + len(answer.json()["errors"]) == len(texts)


# --- headers ------------------------------------------------------------------------------------------------


def request_of(platform: Platform, *headers: bytes, body: bytes | None = None) -> bytes:
    content = json.dumps(forecast()).encode() if body is None else body
    lines = [
        b"POST /v1/timeseries/forecast HTTP/1.1", b"Host: a", b"Connection: close",
        b"Content-Length: %d" % len(content), *headers,
    ]  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def test_a_header_that_must_be_single_is_refused_when_doubled(platform: Platform):
    key = b"Authorization: Bearer " + platform.keys["ministry"].encode()
    other = b"Authorization: Bearer " + platform.keys["province"].encode()
    kind = b"Content-Type: application/json"
    for headers in ([key, other, kind], [key, kind, b"Content-Type: text/plain"],
                    [key, kind, b"X-API-Key: a", b"X-API-Key: b"],
                    [key, kind, b"Idempotency-Key: a", b"Idempotency-Key: b"],
                    [key, kind, b"Content-Encoding: identity", b"Content-Encoding: gzip"]):  # fmt: skip
        said = platform.talk(request_of(platform, *headers))
        assert said.startswith(b"HTTP/1.1 400"), said[:200]
        assert b'"malformed-header"' in said


def test_a_request_whose_length_is_ambiguous_is_refused_and_smuggles_nothing(platform: Platform):
    key = b"Authorization: Bearer " + platform.keys["ministry"].encode()
    hidden = b"0\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: a\r\n\r\n"
    for headers in ([b"Transfer-Encoding: chunked"], [b"Content-Length: 3"], [b"Transfer-Encoding: xchunked"],
                    [b"Transfer-Encoding : chunked"], [b"Content-Length: +5"]):  # fmt: skip
        said = platform.talk(request_of(platform, key, b"Content-Type: application/json", *headers, body=hidden))
        assert said.startswith(b"HTTP/1.1 400"), said[:200]
        assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("value", [b"\xff", b"a b", SECRET.encode() + b"<", b"x" * 200, "mã".encode(), b"\x01"])
def test_a_malformed_request_id_is_replaced_and_never_repeated(platform: Platform, value: bytes):
    key = b"Authorization: Bearer " + platform.keys["ministry"].encode()
    said = platform.talk(request_of(platform, key, b"Content-Type: application/json", b"X-Request-Id: " + value))
    if said.startswith(b"HTTP/1.1 400"):  # the proxy's own word on a control character
        assert value not in said
        return
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), said[:300]
    (given,) = re.findall(rb"(?im)^x-request-id: (.*)\r?$", head)
    assert json.loads(body)["request_id"] == given.strip().decode()
    assert value not in said


def test_a_request_id_and_a_trace_of_the_callers_come_back_once(platform: Platform):
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    headers = {"X-Request-Id": "don-vi:2026/11-abc", "traceparent": trace}
    for answer in (platform.client().post(SEGMENT, json=docs("a"), headers=headers),
                   platform.client().post(SEGMENT, json={}, headers=headers)):  # fmt: skip
        assert answer.headers.get_list("x-request-id") == ["don-vi:2026/11-abc"]
        assert answer.json()["request_id"] == "don-vi:2026/11-abc"
        assert answer.headers["traceparent"].split("-")[1] == "ab" * 16
        assert answer.headers["traceparent"].split("-")[2] != "cd" * 8


@pytest.mark.parametrize("header", [
    b"X-Request-Timeout-Seconds: 0.0000001", b"X-Request-Disconnect-Disabled: \xff", b"X-Session-Id: \xff",
    b"serve_multiplexed_model_id: \xff", b"serve-multiplexed-model-id: a", b"Accept-Language: \xff\xfe",
    b"Accept: \xff", b"traceparent: \xff", b"X-Forwarded-For: 10.0.0.1", b"X-HTTP-Method-Override: DELETE",
    b"X-Original-URL: /v1/keys", b"Expect: 100-continue", b"Upgrade: h2c", b"Cookie: a=b", b"Range: bytes=0-1",
    b"If-None-Match: *", b"Authorization-Info: x", b"X-MLFLOW-WORKSPACE: t-other",
])  # fmt: skip
def test_no_other_header_steers_or_breaks_the_answer(platform: Platform, header: bytes):
    key = b"Authorization: Bearer " + platform.keys["ministry"].encode()
    said = platform.talk(request_of(platform, key, b"Content-Type: application/json", header))
    said = said.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200"), said[:300]
    assert b'"mean_forecast"' in said


def test_a_wish_for_a_websocket_is_answered_at_once_by_the_doors(platform: Platform):
    key = platform.keys["ministry"]
    upgrade = (f"Host: a\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")  # fmt: skip
    body = json.dumps(docs("Xin chào."))
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    post = f"POST {SEGMENT} HTTP/1.1\r\n{upgrade}{content}"
    for sent, statuses in ((f"GET /v1/me HTTP/1.1\r\n{upgrade}\r\n", (200,)), (post, (200, 400))):
        with socket.create_connection(("127.0.0.1", platform.port), timeout=5) as line:
            line.sendall(sent.encode())
            head = line.recv(65536).partition(b"\r\n\r\n")[0]
        assert int(head.split()[1]) in statuses, head
        assert b"json" in head.lower()


def test_a_problem_speaks_the_language_that_is_asked_for(platform: Platform):
    def said(language: str | None) -> tuple[str, str]:
        headers = {} if language is None else {"Accept-Language": language}
        problem = check(platform.client().post(SEGMENT, json={}, headers=headers), 422)
        return problem["title"], problem["errors"][0]["detail"]

    vi, en = said("vi"), said("en")
    assert vi != en
    assert re.search("[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", vi[1])
    assert en[1].isascii()
    assert said(None) == said("fr") == said("vi-VN, en;q=0.5") == said("*") == said(";;;,q=") == vi
    assert said("en-GB") == said("vi;q=0.1, en;q=0.9") == en


def test_an_answer_repeats_no_secret_of_the_server(platform: Platform):
    answer = platform.client().get("/v1/nothing")
    for header in ("x-powered-by", "x-served-by"):
        assert header not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_nothing_of_all_this_was_a_fault_of_the_platform(platform: Platform):
    metrics = platform.client("operator").get("/metrics").text
    assert "aichung_internal_errors_total" not in metrics
    assert not re.search(r'aichung_requests_total\{[^}]*status="500"', metrics)
    assert platform.client(None).get("/readyz").status_code == 200
    assert os.path.getsize(platform.home / "serve.out") < 10_000
