"""Overload, deadlines and quotas: an answer each time, never an endless wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.callers import Limits
from tests.services.refusals import SEGMENT, docs
from tests.services.wire.small import Place, small_house

ONE = {"vi-segment": "text.segment/1"}


async def many(place: Place, body: object, number: int, key: str = "ministry") -> list[httpx.Response]:
    transport = httpx.ASGITransport(place.app)
    headers = {"Authorization": f"Bearer {place.keys[key]}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://aichung") as client:
        return await asyncio.gather(*(client.post(SEGMENT, json=body, headers=headers) for _ in range(number)))


def test_a_full_queue_answers_503_at_once_with_the_seconds_to_wait(tmp_path: Path):
    place = small_house(tmp_path, models=ONE, threads=1, queue=2)
    try:
        place.registry.add("slow", "text.segment/1", seconds=0.2)
        place.house.handles.refresh()
        assert place.post(SEGMENT, docs("a", model="slow")).status_code == 200
        answers = place.runner.run(many(place, docs("a", model="slow"), 8))
        assert Counter(a.status_code for a in answers) == {200: 3, 503: 5}
        refused = next(a for a in answers if a.status_code == 503)
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
    finally:
        place.close()


def test_small_calls_pass_while_a_slow_one_computes(tmp_path: Path):
    place = small_house(tmp_path, models=ONE, threads=1)
    try:
        place.registry.add("slow", "text.segment/1", seconds=0.4)
        place.house.handles.refresh()
        place.house.handles.warm()
        place.post(SEGMENT, docs("a", model="slow"))

        async def both() -> float:
            slow = asyncio.create_task(many(place, docs("a", model="slow"), 1))
            await asyncio.sleep(0.05)
            started = time.perf_counter()
            await many(place, docs("a"), 3)
            spent = time.perf_counter() - started
            assert not slow.done()
            assert (await slow)[0].status_code == 200
            return spent

        assert place.runner.run(both()) < 0.25
    finally:
        place.close()


def test_a_call_over_its_deadline_is_504_and_recorded(tmp_path: Path):
    place = small_house(tmp_path, models=ONE, deadline_seconds=0.1)
    try:
        place.registry.add("slow", "text.segment/1", seconds=0.3)
        place.house.handles.refresh()
        late = place.post(SEGMENT, docs("a", model="slow"))
        assert (late.status_code, late.json()["code"]) == (504, "deadline-exceeded")
        record = next(r for r in place.records() if r.get("request_id") == late.json()["request_id"])
        assert (record["status"], record["error_code"]) == (504, "deadline-exceeded")
    finally:
        place.close()


async def cancelled(place: Place, body: object) -> None:
    """A server that cancels the call of a client that left."""
    task = asyncio.create_task(many(place, body, 1))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def told(place: Place, body: object) -> None:
    """A server that tells of a client that left: the doors watch by themselves."""
    messages = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await asyncio.sleep(0.1)
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        raise AssertionError("nobody is left to be answered")

    headers = [(b"authorization", f"Bearer {place.keys['ministry']}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": SEGMENT, "query_string": b"", "headers": headers}
    await place.app(scope, receive, send)


@pytest.mark.parametrize("way_out", [cancelled, told])
def test_a_client_that_left_stops_the_rest_of_a_long_call(tmp_path: Path, way_out: Callable[..., Any]):
    place = small_house(tmp_path, models=ONE, threads=1)
    try:
        place.registry.add("slow", "text.segment/1", seconds=0.3)
        place.house.handles.refresh()
        model: Any = place.house.handles.open(place.house.store.entry("slow", "1.0.0")).model

        place.runner.run(way_out(place, docs(*["abc"] * 20, model="slow")))
        place.house.inference.close()
        assert model.computed < 20
        left = next(r for r in place.records() if r["event"] == "refuse.inference")
        assert (left["status"], left["error_code"]) == (499, "client-gone")
    finally:
        place.close()


def test_a_used_up_allowance_is_429_in_requests_and_in_documents(tmp_path: Path):
    place = small_house(tmp_path, models=ONE)
    try:
        issued = place.house.identity.create_key(
            None, subject_name="nhỏ", subject_kind="system", role="service", limits=Limits(5, 8),
            tenant=place.house.identity.authenticate(f"Bearer {place.keys['ministry']}").tenant,
        )  # fmt: skip
        key = issued.minted.text
        assert place.post(SEGMENT, docs(*"abcdef"), key=key).headers["ratelimit"].startswith('"minute";r=4')
        documents = place.post(SEGMENT, docs(*"abcdef"), key=key)
        assert (documents.status_code, documents.json()["code"]) == (429, "quota-exceeded")
        assert int(documents.headers["retry-after"]) >= 1
        statuses = [place.get("/v1/me", key=key).status_code for _ in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
        refused = place.get("/v1/me", key=key)
        assert refused.headers["ratelimit"].startswith('"minute";r=0')
        assert refused.json()["retry_after_seconds"] == int(refused.headers["retry-after"])
    finally:
        place.close()


def test_a_revoked_key_stops_answering_at_once_here(tmp_path: Path):
    place = small_house(tmp_path, models=ONE)
    try:
        key_id = place.keys["province"].split("_")[1]
        assert place.post(SEGMENT, docs("a"), key="province").status_code == 200
        place.house.identity.revoke_key(None, key_id)
        assert place.post(SEGMENT, docs("a"), key="province").status_code == 401
    finally:
        place.close()
