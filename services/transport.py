"""The client's line to the platform: one request, patient where it is safe, with problems raised as typed errors.

Decision: what may be sent twice without harm (reads, predictions, creations under an Idempotency-Key) is tried
again after a broken connection; a replica that dies costs seconds, not an answer. Everything else is tried again
only when it surely was not acted on: the connection was never made, or the platform itself said "later" (429, 503
with Retry-After).

Decision: patience is bounded in tries and in seconds; a server that asks for more is told to the caller instead.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec

from models.errors import (
    ConflictError,
    DeadlineError,
    Fault,
    ForbiddenError,
    GateClosedError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    QuotaExceededError,
    UnauthenticatedError,
    UnavailableError,
)

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 120.0
TRIES: Final = 6
PATIENCE_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 0.2
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
_JSON: Final = {"Content-Type": JSON}
OF_STATUS: Final[Mapping[int, type[PlatformError]]] = {
    401: UnauthenticatedError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 412: ConflictError,
    504: DeadlineError,
}  # fmt: skip


class Transport:
    """Sends requests with the caller's key. Safe for threads."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        language: str = "vi",
        timeout_seconds: float = READ_SECONDS,
        tries: int = TRIES,
        patience_seconds: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`tries` counts the first one; `patience_seconds` bounds all waiting of one request together."""
        self._tries = tries
        self._patience_seconds = patience_seconds
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}", "Accept-Language": language, "User-Agent": "aichung-client"},
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, accept: str = "application/json"
    ) -> httpx.Response:
        """A read. Raises the platform's errors."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return self.send("GET", path, params=params, headers={"Accept": accept}, repeatable=True)

    def predict(self, path: str, body: Any) -> dict[str, Any]:
        """A prediction: changes nothing, so it may be repeated. Raises the platform's errors."""
        return object_of(self.send("POST", path, content=_encode(body), headers=_JSON, repeatable=True))

    def create(self, path: str, body: Any, key: str | None = None) -> dict[str, Any]:
        """A creation under an Idempotency-Key (its own when none is given), so that repeating it creates once."""
        headers = {**_JSON, "Idempotency-Key": key or str(uuid4())}
        return object_of(self.send("POST", path, content=_encode(body), headers=headers, repeatable=True))

    @contextmanager
    def open(
        self, path: str, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A read whose answer is taken as it comes. Raises the platform's errors, also while it is being read."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            with self._http.stream("GET", path, params=params, headers=dict(headers or {})) as response:
                if not response.is_success:
                    response.read()
                    raise problem_of(response)
                yield response
        except httpx.TimeoutException as error:
            raise _timed_out(error) from error
        except httpx.TransportError as error:
            raise _broken() from error

    def act(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A change that is safe to repeat because the second one finds it done or refuses it (suspend, revoke)."""
        content = None if body is None else _encode(body)
        response = self.send(method, path, content=content, headers=_JSON if content else {}, repeatable=False)
        return object_of(response) if response.content else {}

    def send(
        self, method: str, path: str, *, repeatable: bool, accepted: Collection[int] = (), **request: Any
    ) -> httpx.Response:
        """One request to its end; statuses `accepted` are answers besides the successes.

        Raises the platform's errors; UnavailableError with code `connection-failed` when there is no answer.
        """
        deadline = time.monotonic() + self._patience_seconds
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(method, path, **request)
            except httpx.TimeoutException as error:
                failure = _timed_out(error)
                again = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
                cause: Exception | None = error
            except httpx.TransportError as error:
                failure, again, cause = _broken(), repeatable or isinstance(error, httpx.ConnectError), error
            else:
                if response.is_success or response.status_code in accepted:
                    return response
                failure, cause = problem_of(response), None
                again = _worth_repeating(response, failure, repeatable, attempt)
            pause = _pause(failure, attempt)
            if not again or attempt >= self._tries or time.monotonic() + pause > deadline:
                raise failure from cause
            self._sleep(pause)


def _encode(body: Any) -> bytes:
    """JSON; NaN, which JSON lacks, becomes null: a missing value."""
    return msgspec.json.encode(body)


def object_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a response."""
    found: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])
    return found


def _worth_repeating(response: httpx.Response, failure: PlatformError, repeatable: bool, attempt: int) -> bool:
    """Whether a refusal is worth another try.

    A 5xx that is no problem document comes from the proxy before the platform, and may be repeated like a broken line.
    """
    if response.status_code in (429, 503) and "retry-after" in response.headers:
        return True
    if response.status_code >= 500 and not _is_problem(response):
        return repeatable
    return failure.word == "idempotency-in-flight" and attempt > 1


def _pause(failure: PlatformError, attempt: int) -> float:
    """Seconds before the next try: what the platform asks for, else growing, with chance against marching in step."""
    growing = FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1) * (0.5 + random.random())  # noqa: S311
    asked = getattr(failure, "retry_after_seconds", 0) if failure.word != "connection-failed" else 0
    return max(float(asked), growing)


def _is_problem(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith(PROBLEM)


def problem_of(response: httpx.Response) -> PlatformError:
    """The typed error of a refusal; its facts carry `status`, `request_id` and the problem's own members."""
    try:
        document = object_of(response) if _is_problem(response) else {}
    except msgspec.DecodeError:
        document = {}
    status = response.status_code
    detail = str(document.get("detail") or f"HTTP {status}")
    known = ("type", "title", "status", "detail", "instance", "code", "errors", "retry_after_seconds")
    facts = {name: value for name, value in document.items() if name not in known}
    facts |= {"status": status, "request_id": document.get("request_id")}
    code = document.get("code") or ("internal-error" if status >= 500 else None)
    if status in (429, 503) or (status >= 500 and not document):
        wait = _seconds(response.headers.get("retry-after"))
        kind = QuotaExceededError if status == 429 else UnavailableError
        return kind(detail, detail, wait, code=code, **facts)
    if status == 403 and code == GateClosedError.code:
        return GateClosedError(detail, detail, code=code, **facts)
    if status in OF_STATUS:
        return OF_STATUS[status](detail, detail, code=code, **facts)
    if status >= 500:
        return PlatformError(detail, detail, code=code, **facts)
    faults = [Fault(f.get("pointer", ""), f.get("detail", ""), f.get("detail", "")) for f in document.get("errors", [])]
    return InvalidInputError(detail, detail, faults, code=code, **facts)


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 1


def _broken() -> UnavailableError:
    return UnavailableError(
        "Không kết nối được với nền tảng, hoặc kết nối bị đứt.",
        "The platform could not be reached, or the connection broke.",
        code="connection-failed",
    )


def _timed_out(error: httpx.TimeoutException) -> PlatformError:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return _broken()
    return DeadlineError(
        "Nền tảng không trả lời kịp.", "The platform did not answer in time.", code="no-answer-in-time"
    )
