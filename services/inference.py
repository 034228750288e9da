"""The story of a request, in one place: allow → permit → predict → remember.

Decisions
- It knows neither HTTP nor Ray. A dialect maps its wire to values, asks here, and maps the outputs back.
- Small work runs where it stands, on the event loop: beside a computing thread the loop waits for the interpreter
  lock at every step, which halved the throughput of calls of a millisecond. What is expected to take longer
  (`services.pace`) goes to a bounded pool of threads, because numpy releases the lock.
- Overload is an answer: at most `queue` calls wait; the next one hears 503 with the seconds the queue needs.
- A long call is cut into chunks of a quarter of a second, so that a deadline or a departed client stops it there.
- Every way out is recorded, also refusals and failures. At tiers T2 and T3 the answer waits for its durable record and
  is not given without it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from msgspec import Struct

from models.errors import DeadlineError, InvalidInputError, PlatformError, UnavailableError
from registry.entries import Entry
from services.bodies import DisconnectedError
from services.endpoints import Call
from services.handles import Handle, Handles
from services.pace import Pace
from services.problems import status_of
from services.quota import Quota
from services.records import Recorder, outcome_of, refusal_detail
from services.roles import PREDICT
from services.shadows import Shadows
from services.telemetry import Telemetry

INLINE_SECONDS: Final = 0.004
CHUNK_SECONDS: Final = 0.25
DURABLE_SECONDS: Final = 5.0
DURABLE_TIERS: Final = frozenset({"T2", "T3"})


class Ask(Struct, frozen=True):
    """What a dialect asks: values of the models, never wire types.

    `units` is the size in the model's units (characters, points), `charged` what counts against the quota (documents,
    points). `whole`: the items belong together and must not be cut into chunks. `most` is the largest number of items
    for models named in it, `guards` what the input guards refused, as counts. `fit` makes the ask for the entry that
    was chosen, where what is computed depends on which model answers.
    """

    task: str
    model: str | None
    items: Sequence[Any]
    options: Any
    units: int
    charged: int
    whole: bool = False
    most: tuple[tuple[str, int], ...] = ()
    guards: Mapping[str, int] = {}
    fit: Callable[[Entry], Ask] | None = None


class Answer(Struct, frozen=True):
    """One output (or the error in its place) for each item, in order, and who vouches for it."""

    outputs: list[Any]
    entry: Entry


class Inference:
    """Answers calls with the models of one process. `close` ends its threads."""

    def __init__(
        self,
        handles: Handles,
        quota: Quota,
        recorder: Recorder,
        telemetry: Telemetry,
        *,
        threads: int = 2,
        queue: int = 64,
        deadline_seconds: float = 60.0,
        shadows: Shadows | None = None,
    ) -> None:
        """`threads` compute at once, `queue` calls may wait for them, each at most `deadline_seconds`."""
        self._handles = handles
        self._quota = quota
        self._recorder = recorder
        self._telemetry = telemetry
        self._shadows = shadows
        self._threads = threads
        self._queue = queue
        self._deadline_seconds = deadline_seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._pace = Pace()
        self._busy = 0
        self._backlog_seconds = 0.0

    async def answer(self, call: Call, ask: Ask) -> Answer:
        """Answer one request: allow, permit, predict, remember.

        Raises NotFoundError, GateClosedError, ForbiddenError, QuotaExceededError, InvalidInputError, UnavailableError,
        DeadlineError.
        """
        call.units = ask.charged
        call.entry = None
        started = time.perf_counter()
        try:
            call.entry = entry = self._handles.allow(call.who, ask.task, ask.model)
            call.who.require(PREDICT)
            if ask.fit is not None:
                ask = ask.fit(entry)
                call.units = ask.charged
            _within(entry, ask)
            call.quota = self._quota.admit(call.who, requests=0, units=ask.charged)
            outputs = await self._predict(call, entry, ask)
        except BaseException as error:
            self._refused(call, ask, error)
            raise
        if self._handles.index.trials and self._shadows is not None:
            self._shadows.answered(entry, ask.items, ask.options, outputs, time.perf_counter() - started)
        self._telemetry.predicted(entry.reference, ask.task, "ok", time.perf_counter() - started, ask.charged)
        receipt = self._recorder.answer(call, ask.task, entry, 200, {"out": outcome_of(outputs), **ask.guards})
        if entry.tier in DURABLE_TIERS and not await asyncio.to_thread(receipt.wait, DURABLE_SECONDS):
            raise UnavailableError("Chưa ghi được nhật ký.", "The record cannot be written.", code="ledger-away")
        return Answer(outputs, entry)

    def _refused(self, call: Call, ask: Ask, error: BaseException) -> None:
        """Remember a refusal, a failure, or a client that went away."""
        status = 499 if isinstance(error, asyncio.CancelledError | DisconnectedError) else status_of(error)
        model = "" if call.entry is None else call.entry.reference
        if status >= 500 and call.entry is not None and self._shadows is not None:
            self._shadows.failed(call.entry)
        self._telemetry.predicted(model, ask.task, "refused" if status < 500 else "failed", 0.0, 0)
        self._recorder.answer(call, ask.task, call.entry, status, refusal_detail(error))

    async def _predict(self, call: Call, entry: Entry, ask: Ask) -> list[Any]:
        """Compute here or in a thread."""
        if not ask.items:
            return []
        handle = self._handles.ready(entry)
        expected = math.inf if handle is None else self._pace.expect(handle, ask.units)
        if handle is not None and expected <= INLINE_SECONDS and handle.model.steady:
            return self._pace.predict(handle, ask.items, ask.options, ask.units)
        if handle is None:
            expected = 1.0
        if self._busy >= self._threads + self._queue:
            raise _overloaded(self._backlog_seconds / self._threads)
        if self._backlog_seconds / self._threads > self._deadline_seconds:
            raise _overloaded(self._backlog_seconds / self._threads - self._deadline_seconds)
        self._busy += 1
        self._backlog_seconds += expected
        return await self._compute_beside(call, entry, ask, expected)

    async def _compute_beside(self, call: Call, entry: Entry, ask: Ask, expected: float) -> list[Any]:
        """Compute in a thread, until done, late or abandoned by the client."""
        stopped = _Flag()
        stop_at = time.monotonic() + self._deadline_seconds
        work = self._pool.submit(self._compute, entry, ask, stop_at, stopped)
        computing = asyncio.wrap_future(work)
        computing.add_done_callback(lambda done: self._done(done, expected))
        departure = asyncio.ensure_future(call.departure())
        ends: set[asyncio.Future[Any]] = {computing, departure}
        try:
            await asyncio.wait(ends, timeout=self._deadline_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.up = True
            work.cancel()  # what still waits for a thread leaves the queue at once
            departure.cancel()
        if computing.done():
            return computing.result()
        raise DisconnectedError if departure.done() else _late()

    def _done(self, computing: asyncio.Future[list[Any]], expected: float) -> None:
        if not computing.cancelled():
            computing.exception()  # seen here, so that an abandoned failure is not reported as forgotten
        self._busy -= 1
        self._backlog_seconds = max(0.0, self._backlog_seconds - expected)
        if not self._busy:
            self._backlog_seconds = 0.0

    def _compute(self, entry: Entry, ask: Ask, stop_at: float, stopped: _Flag) -> list[Any]:
        """In a thread: open the model when needed, then chunk by chunk until done, late or abandoned."""
        handle = self._handles.open(entry)
        if ask.whole or len(ask.items) <= 1:
            return self._chunk(handle, ask, ask.items, stop_at, stopped)
        per_item = max(self._pace.expect(handle, ask.units) / len(ask.items), 1e-7)
        size = max(1, int(CHUNK_SECONDS / per_item))
        outputs: list[Any] = []
        for start in range(0, len(ask.items), size):
            outputs += self._chunk(handle, ask, ask.items[start : start + size], stop_at, stopped)
        return outputs

    def _chunk(self, handle: Handle, ask: Ask, items: Sequence[Any], stop_at: float, stopped: _Flag) -> list[Any]:
        if stopped.up or time.monotonic() > stop_at:
            raise _late()
        return self._pace.predict(handle, items, ask.options, ask.units * len(items) // max(1, len(ask.items)))

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return max(0, self._busy - self._threads)

    def close(self) -> None:
        """End the threads; what runs is finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._shadows is not None:
            self._shadows.close()


class _Flag:
    """Raised by the event loop, seen by the thread."""

    __slots__ = ("up",)

    def __init__(self) -> None:
        self.up = False


def _within(entry: Entry, ask: Ask) -> None:
    """Hold a model's own limit on the number of items. Raises InvalidInputError (413)."""
    for name, most in ask.most:
        if entry.name == name and len(ask.items) > most:
            raise InvalidInputError.at(
                "/inputs",
                f"{name} nhận tối đa {most} chuỗi mỗi lần gọi; nhiều hơn thì dùng công việc nền.",
                f"{name} takes at most {most} series a call; send more as a job.",
                code="too-large",
            )


def _overloaded(seconds: float) -> PlatformError:
    return UnavailableError(
        "Hàng đợi đã đầy; thử lại sau.",
        "The queue is full; try again later.",
        max(1, math.ceil(seconds)),
        code="overloaded",
    )


def _late() -> DeadlineError:
    return DeadlineError("Tính quá thời hạn; hãy gửi ít hơn.", "The computation took too long; send less.")
