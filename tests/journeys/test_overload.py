"""More than the platform can do: bounded queues, told at once, and nobody waits for a stranger's slowness."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.journeys.conftest import Platform, within
from tests.journeys.test_refusals import check
from tests.services.refusals import FORECAST, SEGMENT, docs, forecast, one

pytestmark = pytest.mark.journey

HEAVY = {**forecast(*[one(name=f"s{i}", series=[float((i * k) % 97) for k in range(120)]) for i in range(60)])}
HEAVY["options"] = {"horizon": 12, "backtest": {"origins": 3}}


def gauge(platform: Platform, name: str) -> float:
    """The sum of a gauge over the processes."""
    text = platform.client("operator").get("/metrics").text
    return sum(float(value) for value in re.findall(rf"(?m)^{name}(?:\{{[^}}]*\}})? (\S+)$", text))


def test_too_much_work_is_refused_at_once_and_the_rest_is_done(narrow: Platform):
    client = narrow.client()

    def send(_: int) -> tuple[httpx.Response, float]:
        started = time.monotonic()
        return client.post(FORECAST, json=HEAVY), time.monotonic() - started

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(send, range(40)))
    statuses = Counter(answer.status_code for answer, _ in answers)
    assert set(statuses) <= {200, 429, 503, 504}, statuses
    assert statuses[200] >= 4
    assert statuses[503] >= 10
    for answer, _ in answers:
        if answer.status_code == 503:
            problem = check(answer, 503, "overloaded")
            assert int(answer.headers["retry-after"]) == problem["retry_after_seconds"] >= 1
    assert max(seconds for _, seconds in answers) < 30
    assert within(30, lambda: gauge(narrow, "aichung_queue_waiting") == 0)
    assert client.post(FORECAST, json=forecast()).status_code == 200


def test_other_families_answer_while_one_is_overloaded(narrow: Platform):
    client = narrow.client()
    with ThreadPoolExecutor(12) as pool:
        heavy = [pool.submit(client.post, FORECAST, json=HEAVY) for _ in range(12)]
        times = []
        while not all(job.done() for job in heavy) and len(times) < 50:
            started = time.monotonic()
            assert narrow.client().post(SEGMENT, json=docs("Xin chào.")).status_code == 200
            times.append(time.monotonic() - started)
    assert sorted(times)[len(times) // 2] < 1.0
    assert {job.result().status_code for job in heavy} <= {200, 429, 503, 504}


def test_a_client_that_leaves_takes_its_work_along(narrow: Platform):
    impatient = httpx.Client(base_url=narrow.url, headers=narrow.client().headers, timeout=0.3)
    with impatient, ThreadPoolExecutor(5) as pool:
        for job in [pool.submit(impatient.post, FORECAST, json=HEAVY) for _ in range(5)]:
            with pytest.raises(httpx.TransportError):
                job.result()
    started = time.monotonic()
    assert within(10, lambda: narrow.client().post(FORECAST, json=forecast()).status_code == 200)
    assert time.monotonic() - started < 5
    assert within(20, lambda: gauge(narrow, "aichung_queue_waiting") == 0)


def test_slow_senders_hold_a_socket_and_nobody_else(platform: Platform):
    body = json.dumps(docs("Xin chào.")).encode()
    head = (
        f"POST {SEGMENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {platform.keys['ministry']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    client = platform.client()
    with ExitStack() as lines:
        slow = []
        for number in range(200):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", platform.port), timeout=30))
            line.sendall(head[: 40 + number % 100] if number % 2 else head + body[:5])
            slow.append(line)
        times = []
        for _ in range(30):
            started = time.monotonic()
            assert client.post(SEGMENT, json=docs("Xin chào.")).status_code == 200
            times.append(time.monotonic() - started)
        assert sorted(times)[15] < 0.5
        slow[0].sendall(body[5:])
        assert slow[0].recv(65536).startswith(b"HTTP/1.1 200")


def test_clients_that_vanish_while_sending_do_no_harm(platform: Platform):
    head = (
        f"POST {FORECAST} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {platform.keys['ministry']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    ).encode()
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", platform.port), timeout=10) as line:
            line.sendall(head + b'{"inputs":[')
    assert platform.client().post(FORECAST, json=forecast()).status_code == 200
    assert "aichung_internal_errors_total" not in platform.client("operator").get("/metrics").text


def test_headers_beyond_16_kib_are_the_proxys_own_refusal(platform: Platform):
    client = platform.client()
    assert client.get("/v1/me", headers={"X-Long": "a" * 12_000}).status_code == 200
    refused = client.get("/v1/me", headers={"X-Long": "a" * 20_000})
    assert refused.status_code in (400, 431)
    assert refused.headers["content-type"].startswith("text/html")
    assert client.get("/v1/me").status_code == 200


def test_two_thousand_quick_calls_at_once_are_all_answered(platform: Platform):
    client = httpx.Client(base_url=platform.url, headers=platform.client().headers, timeout=60,
                          limits=httpx.Limits(max_connections=64))  # fmt: skip
    with client, ThreadPoolExecutor(64) as pool:
        statuses = Counter(pool.map(lambda i: client.post(SEGMENT, json=docs(f"Câu {i}.")).status_code, range(2000)))
    assert set(statuses) <= {200, 429, 503}
    assert statuses[200] >= 1900
