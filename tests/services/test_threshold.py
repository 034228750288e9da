"""Nothing that a caller writes into a header steers or breaks Ray Serve."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.threshold import UNWATCHED, Threshold, cleaned, middlewares

PLAIN = [(b"host", b"a"), (b"authorization", b"Bearer b"), (b"content-type", b"application/json")]


@pytest.mark.parametrize("name", [
    b"x-request-timeout-seconds", b"x-request-disconnect-disabled", b"x-session-id", b"serve_multiplexed_model_id",
    b"serve-multiplexed_model-id",
])  # fmt: skip
def test_a_control_header_of_the_server_is_dropped(name: bytes):
    assert cleaned([*PLAIN, (name, b"\xff")]) == PLAIN


@pytest.mark.parametrize("value", [b"\xff", b"", b"a b", b"<script>", b"a" * 129, "ệ".encode()])
def test_a_malformed_request_id_is_dropped_so_that_the_server_makes_one(value: bytes):
    assert cleaned([(b"x-request-id", value), *PLAIN]) == PLAIN


def test_two_request_ids_are_none_and_one_good_one_stays():
    good = (b"x-request-id", b"abc-1")
    assert cleaned([good, *PLAIN, good]) == PLAIN
    assert cleaned([good, *PLAIN]) == [*PLAIN, good]


def test_everything_else_passes_in_order_and_doubled_headers_stay_doubled():
    headers = [*PLAIN, (b"authorization", b"Bearer c"), (b"x-\xc3\xa9", b"\xff")]
    assert cleaned(headers) == headers


def test_the_hook_gives_the_server_one_middleware():
    assert [type(middleware).__name__ for middleware in middlewares()] == ["Middleware"]


def test_the_server_hears_from_us_alone_that_it_need_not_watch_the_client():
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["headers"])

    scope = {"type": "http", "headers": [*PLAIN, (b"x-request-disconnect-disabled", b"?0")]}
    asyncio.run(Threshold(app)(scope, None, None))  # type: ignore[arg-type]
    assert seen == [[*PLAIN, UNWATCHED]]
