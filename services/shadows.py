"""Models on trial: a shadow computes what a serving model answered and nobody gets it; a canary's calls are counted.

Decisions
- A shadow never costs the caller anything but a look at a tuple: its work waits in a short queue for one thread, and
  what finds the queue full is dropped and counted.
- Outcomes are compared as the ledger tells them (how many succeeded, which labels came first), never by their bytes:
  two models of the same task may differ in the last digit and agree.
- What was counted is added to the database every few seconds; a killed process loses the last few.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from registry import trials
from registry.database import Database
from registry.entries import Entry, Stage
from registry.gate import holds
from registry.trials import Counts
from services.handles import Handles
from services.records import outcome_of

WAITING: Final = 32
FLUSH_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Shadows:
    """The trials of one process. Safe for threads; its thread starts with the first call that concerns a trial."""

    def __init__(
        self, handles: Handles, database: Database, clock: Callable[[], float] = time.time, waiting: int = WAITING
    ) -> None:
        """At most `waiting` mirrored calls wait."""
        self._handles = handles
        self._database = database
        self._clock = clock
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(waiting)
        self._counts: dict[tuple[str, str], Counts] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def answered(
        self, entry: Entry, items: Sequence[Any], options: Any, outputs: Sequence[Any], seconds: float
    ) -> None:
        """A call was answered by `entry`: count a canary, mirror to the shadows of the same tasks."""
        if entry.stage is Stage.CANARY:
            self.count(entry, Counts(calls=1, own_seconds=seconds))
            return
        for shadow in self._handles.index.trials:
            wanted = shadow.stage is Stage.SHADOW and set(shadow.tasks) & set(entry.tasks)
            if wanted and shadow.kind == entry.kind and self._turn(shadow) and holds(shadow, self._clock()):
                self._mirror(shadow, items, options, outputs, seconds)

    def failed(self, entry: Entry) -> None:
        """A call broke on our side: it counts against a canary."""
        if entry.stage is Stage.CANARY:
            self.count(entry, Counts(calls=1, failures=1))

    def count(self, entry: Entry, counts: Counts) -> None:
        """Add to what this process counted."""
        key = (entry.name, entry.version)
        with self._lock:
            self._counts[key] = self._counts.get(key, Counts()).plus(counts)
            self._begin()

    def flush(self) -> None:
        """Add what was counted to the database."""
        with self._lock:
            counted, self._counts = self._counts, {}
        if counted:
            with self._database.write() as connection:
                for (name, version), counts in counted.items():
                    trials.add(connection, name, version, counts)

    def close(self) -> None:
        """End the thread; what waits is let go, what was counted is kept."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(5.0)

    def _turn(self, shadow: Entry) -> bool:
        """Whether this call is one of the share, evenly spread."""
        key = (shadow.name, shadow.version)
        with self._lock:
            turn = self._turns.get(key, 0) + shadow.percent
            self._turns[key] = turn % 100
        return turn >= 100

    def _mirror(
        self, shadow: Entry, items: Sequence[Any], options: Any, outputs: Sequence[Any], seconds: float
    ) -> None:
        expected = outcome_of(outputs)
        try:
            self._queue.put_nowait(lambda: self._compute(shadow, items, options, expected, seconds))
        except queue.Full:
            self.count(shadow, Counts(dropped=1))
            return
        with self._lock:
            self._begin()

    def _compute(
        self, shadow: Entry, items: Sequence[Any], options: Any, expected: dict[str, Any], seconds: float
    ) -> None:
        started = time.perf_counter()
        try:
            handle = self._handles.ready(shadow) or self._handles.open(shadow)
            found = outcome_of(handle.model.predict(items, options))
        except Exception:
            log.warning("shadow.failed", extra={"model": shadow.reference}, exc_info=True)
            self.count(shadow, Counts(calls=1, failures=1))
            return
        own = time.perf_counter() - started
        self.count(shadow, Counts(1, 0, 0, int(found != expected), own, seconds))

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        due = time.monotonic() + FLUSH_SECONDS
        running = True
        while running:
            try:
                work = self._queue.get(timeout=max(0.01, due - time.monotonic()))
                running = work is not None
                if work is not None:
                    work()
            except queue.Empty:
                pass
            if not running or time.monotonic() >= due:
                due = time.monotonic() + FLUSH_SECONDS
                self._tell()

    def _tell(self) -> None:
        """Flush; the thread outlives a database that is away."""
        try:
            self.flush()
        except Exception:
            log.exception("shadow.not-counted")
