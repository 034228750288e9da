"""What every request and answer carries, and what a request may not do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.errors import Note
from services.correlation import Ids
from services.doors import Deprecation, Doors, Endpoint
from services.endpoints import Call, Reply
from services.routing import Routes
from tests.services.refusals import SEGMENT, docs
from tests.services.wire.small import Place


def test_a_well_formed_request_id_comes_back_and_another_is_replaced(place: Place):
    kept = place.post(SEGMENT, docs("a"), headers={"X-Request-Id": "abc-123"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "abc-123"
    for bad in ("a b", "x" * 200, "<script>"):
        made = place.post(SEGMENT, docs("a"), headers={"X-Request-Id": bad})
        assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


def test_a_trace_is_continued_with_a_span_of_our_own(place: Place):
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = place.post(SEGMENT, docs("a"), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    version, found, span, flags = answer.headers["traceparent"].split("-")
    assert (version, found, flags) == ("00", trace, "01")
    assert span != "b7ad6b7169203331"


@pytest.mark.parametrize(
    "bad", ["", "00-0-0-00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
)  # fmt: skip
def test_a_malformed_trace_begins_a_new_one(bad: str):
    trace, span, flags = Ids(bytes(16)).trace(bad.encode())
    assert re.fullmatch("[0-9a-f]{32}", trace)
    assert re.fullmatch("[0-9a-f]{16}", span)
    assert flags == "00"


def test_ids_of_a_process_never_repeat():
    ids = Ids()
    made = [ids.request(None) for _ in range(1000)] + [ids.trace(None)[0] for _ in range(1000)]
    assert len(set(made)) == 2000


def test_the_key_may_come_in_either_header(place: Place):
    assert place.post(SEGMENT, docs("a"), bearer=False).status_code == 200


def test_head_is_get_without_its_body_and_options_names_the_methods(place: Place):
    got, head = place.get("/v1/version", key=None), place.call("HEAD", "/v1/version", key=None)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    options = place.call("OPTIONS", SEGMENT, key=None)
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")


def test_answers_are_neither_sniffed_nor_stored(place: Place):
    answer = place.post(SEGMENT, docs("a"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def through(app: Any, headers: list[tuple[bytes, bytes]], body: bytes = b"", path: str = SEGMENT) -> list[Any]:
    """A request as a server would hand it over, where httpx would mend it."""
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent


def test_a_header_that_must_be_single_may_not_stand_twice(place: Place):
    key = f"Bearer {place.keys['ministry']}".encode()
    headers = [(b"authorization", key), (b"authorization", b"Bearer other"), (b"content-type", b"application/json")]
    start, body = asyncio.run(through(place.app, headers))
    assert start["status"] == 400
    assert b"malformed-header" in body["body"]
    harmless = [(b"authorization", key), (b"content-type", b"application/json"), (b"accept", b"a"), (b"accept", b"b")]
    assert asyncio.run(through(place.app, harmless, b'{"documents":[{"id":"a","text":"b"}]}'))[0]["status"] == 200


def test_a_client_that_leaves_is_logged_and_nothing_is_sent(place: Place):
    async def go() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            sent.append(event)

        scope = {
            "type": "http", "method": "POST", "path": SEGMENT, "query_string": b"",
            "headers": [(b"authorization", f"Bearer {place.keys['ministry']}".encode())],
        }  # fmt: skip
        await place.app(scope, receive, send)
        return sent

    assert asyncio.run(go()) == []


def test_a_stream_ends_when_its_client_leaves(place: Place):
    ended: list[str] = []
    gone = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            ended.append("closed")

    async def handler(call: Call, body: None) -> Reply:
        return Reply(parts())

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        if event.get("body"):
            gone.set()

    row = Endpoint(method="GET", path="/v1/stream", handler=handler, summary=Note("Dòng", "Stream"), public=True)
    house = place.house
    doors = Doors([row], identity=house.identity, quota=house.quota, recorder=house.recorder, telemetry=house.telemetry)
    scope = {"type": "http", "method": "GET", "path": "/v1/stream", "query_string": b"", "headers": []}
    asyncio.run(asyncio.wait_for(doors(scope, receive, send), 5))
    assert ended == ["closed"]


def test_an_endpoint_on_its_way_out_says_so_and_then_is_gone(place: Place):
    async def handler(call: Call, body: None) -> Reply:
        return Reply({"ok": True})

    now = [1_000.0]
    row = Endpoint(
        method="GET", path="/v1/old", handler=handler, summary=Note("cũ", "old"), public=True,
        deprecation=Deprecation(500, 2_000, "/v1/new"),
    )  # fmt: skip
    house = place.house
    app = Doors(
        [row], identity=house.identity, quota=house.quota, recorder=house.recorder, telemetry=house.telemetry,
        clock=lambda: now[0],
    )  # fmt: skip
    old = Place(house, place.registry, place.keys, app, place.runner)
    answer = old.get("/v1/old", key=None)
    assert answer.headers["deprecation"] == "@500"
    assert answer.headers["sunset"] == "Thu, 01 Jan 1970 00:33:20 GMT"
    assert answer.headers["link"] == '</v1/new>; rel="successor-version"'
    now[0] = 2_000.0
    gone = old.get("/v1/old", key=None)
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")


def test_two_rows_for_one_place_are_refused_when_the_table_is_made():
    async def handler(call: Call, body: None) -> Reply:
        return Reply()

    row = Endpoint(method="GET", path="/a", handler=handler, summary=Note("", ""))
    with pytest.raises(ValueError, match="twice"):
        Routes([row, row])


def test_reads_are_recorded_too_and_health_is_not(place: Place):
    request_id = place.get("/v1/registry/models/vi-topic/versions/1.0.0/card").headers["x-request-id"]
    health = place.get("/healthz", key=None).headers["x-request-id"]
    records = {r.get("request_id"): r for r in place.records()}
    assert records[request_id]["event"] == "card.read"
    assert records[request_id]["object"] == {"name": "vi-topic", "version": "1.0.0"}
    assert health not in records
