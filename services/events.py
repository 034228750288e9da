"""Server-sent events of jobs: numbered, resumable with `Last-Event-ID`, with heartbeats.

Decision: events are rows of the database, and a stream is a place in them. Nothing is queued for a listener, so a slow
one costs nothing and a lost one loses nothing: it comes back with the number it saw last. One look a tick asks for all
followed jobs together which of them has something new; only then are rows read.

Decision: every stream ends by itself after a while, and at once when its key is revoked; the doors end it when its
listener has gone. How many there may be is bounded for the process and for each organisation.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from sqlalchemy import select

from models.errors import InvalidInputError, PlatformError, UnavailableError
from registry.database import Database
from registry.jobs import ENDS, JobEvent
from registry.tables import jobs
from services.endpoints import Call

TICK_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 1_800.0
RETRY_MILLISECONDS: Final = 1_000
EVENTS_A_READ: Final = 200
MOST_STREAMS: Final = 256
MOST_OF_A_TENANT: Final = 32
MEDIA_TYPE: Final = "text/event-stream"

HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"), (b"x-accel-buffering", b"no"),
)  # fmt: skip


Latest = Callable[[Sequence[str]], Mapping[str, int]]
Read = Callable[[int, int], Sequence[JobEvent]]


class Feed:
    """Wakes whoever follows a job when it has something new: one look at the database a tick, for all together."""

    def __init__(self, latest: Latest, *, tick_seconds: float = TICK_SECONDS) -> None:
        """`latest` gives the last event's number of each of several jobs."""
        self._latest = latest
        self._tick_seconds = tick_seconds
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._known: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._streams: dict[str, int] = defaultdict(int)

    @property
    def streams(self) -> int:
        """Streams that are open now."""
        return sum(self._streams.values())

    def check(self, tenant: str) -> None:
        """Raise UnavailableError when there are too many streams."""
        if self.streams >= MOST_STREAMS or self._streams.get(tenant, 0) >= MOST_OF_A_TENANT:
            vi, en = "Đang có quá nhiều luồng sự kiện; thử lại sau.", "Too many event streams are open; try later."
            raise UnavailableError(vi, en, 5, code="too-many-streams")

    def enter(self, tenant: str) -> None:
        """Count a stream in."""
        self._streams[tenant] += 1

    def leave(self, tenant: str) -> None:
        """Count a stream out."""
        self._streams[tenant] -= 1
        if not self._streams[tenant]:
            del self._streams[tenant]

    async def wait(self, job_id: str, seen: int, seconds: float) -> None:
        """Wait until the job has an event after number `seen`, at most for so long."""
        if self._known.get(job_id, 0) > seen:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[job_id].add(woken)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken
        finally:
            self._waiting[job_id].discard(woken)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def _run(self) -> None:
        """Look once a tick for as long as somebody waits."""
        idle = 0
        while idle < 20:
            await asyncio.sleep(self._tick_seconds)
            idle = 0 if self._waiting else idle + 1
            if self._waiting:
                with suppress(PlatformError):  # the database is away: the next tick asks again
                    self._tell(await asyncio.to_thread(self._latest, list(self._waiting)))
        self._known.clear()

    def _tell(self, latest: Mapping[str, int]) -> None:
        for job_id, number in latest.items():
            moved = number > self._known.get(job_id, 0)
            self._known[job_id] = number
            for woken in self._waiting.get(job_id, ()) if moved else ():
                if not woken.done():
                    woken.set_result(None)


def latest_of(database: Database) -> Latest:
    """The last events' numbers, read from the jobs' rows."""

    def latest(job_ids: Sequence[str]) -> Mapping[str, int]:
        with database.read() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.events).where(jobs.c.id.in_(job_ids)))
            return {row.id: row.events for row in rows}

    return latest


def last_event_id(call: Call) -> int:
    """The number after which a listener wants to go on; 0 for the beginning. Raises InvalidInputError (400)."""
    text = (call.header("last-event-id") or "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        vi, en = "Last-Event-ID phải là số của một sự kiện đã nhận.", "Last-Event-ID must be the number of an event."
        raise InvalidInputError.at("", vi, en, code="malformed-header")
    return int(text)


async def stream(
    call: Call, feed: Feed, job_id: str, read: Read, alive: Callable[[], bool], seen: int
) -> AsyncIterator[bytes]:
    """The events of a job as they come, until the last one or the key's end."""
    tenant = call.who.tenant
    feed.enter(tenant)
    started = told = time.monotonic()
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        while alive() and time.monotonic() - started < LONGEST_SECONDS:
            events = await asyncio.to_thread(_read, read, seen)
            for event in events:
                seen = event.number
                yield frame(event)
            if events and len(events) < EVENTS_A_READ and is_end(events[-1]):
                return
            if events:
                told = time.monotonic()
                continue
            if time.monotonic() - told >= HEARTBEAT_SECONDS:
                told = time.monotonic()
                yield b": \n\n"
            await feed.wait(job_id, seen, LOOK_SECONDS)
    finally:
        feed.leave(tenant)


def is_end(event: JobEvent) -> bool:
    """Whether an event says that the job has ended; after a requeue others may follow it."""
    return event.kind == "status" and event.body.get("status") in ENDS


def _read(read: Read, seen: int) -> Sequence[JobEvent]:
    """What is new; nothing while the database is away, the stream goes on."""
    try:
        return read(seen, EVENTS_A_READ)
    except PlatformError:
        return ()


def frame(event: JobEvent) -> bytes:
    """One event on the wire; JSON holds no line breaks, so one `data` line carries it."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.encode(), msgspec.json.encode(event.body))
