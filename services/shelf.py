"""The open models of one process, within a bound of memory.

Decisions
- What counts is bytes, as measured when a model was opened; the number of models is bounded too, because each costs
  what no measurement sees. Room is made before a model is opened, by what its files weigh, and again once it is known
  what it really weighs. The model that was used longest ago goes first.
- The one model that was asked for is kept even when it is alone over the bound: refusing it would help nobody.
- A model that nobody has used for `idle_seconds` is closed, unless it is `kept`: those that callers mean by default
  stay warm, hundreds of others cost nothing while they are quiet.
- A call that still computes with a closed model holds it to its end; memory is given back then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from services.memory import give_back


class Weighed(Protocol):
    """What stands on a shelf."""

    @property
    def bytes_held(self) -> int:
        """What it weighs in memory."""


Book = TypeVar("Book", bound=Weighed)


class Shelf(Generic[Book]):
    """Open models by digest. Safe for threads."""

    def __init__(
        self,
        *,
        count: int,
        bytes_held: int,
        idle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        trim: Callable[[], None] = give_back,
    ) -> None:
        """Room for `count` models of `bytes_held` together."""
        self._count = count
        self._bytes = bytes_held
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._trim = trim
        self._open: dict[str, Book] = {}
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def bytes_held(self) -> int:
        """What the open models weigh together."""
        with self._lock:
            return self._weight()

    def get(self, digest: str) -> Book | None:
        """The open model, marked as used now."""
        book = self._open.get(digest)
        if book is not None:
            self._used[digest] = self._clock()
        return book

    def items(self) -> list[tuple[str, Book]]:
        """All that are open, as they were a moment ago."""
        with self._lock:
            return list(self._open.items())

    def make_room(self, size: int) -> None:
        """Close what was used longest ago until `size` more bytes fit."""
        with self._lock:
            gone = self._shrink(self._count - 1, self._bytes - size)
        if gone:
            self._trim()

    def put(self, digest: str, book: Book) -> None:
        """Open one more; older ones go when there are too many or they weigh too much."""
        with self._lock:
            self._open[digest] = book
            self._used[digest] = self._clock()
            gone = self._shrink(self._count, self._bytes, keep=digest)
        if gone:
            self._trim()

    def replace(self, digest: str, book: Book) -> None:
        """The same open model under news of it; nothing when it was closed meanwhile."""
        with self._lock:
            if digest in self._open:
                self._open[digest] = book

    def close(self, digests: list[str]) -> None:
        """Close these, when they are open."""
        with self._lock:
            gone = [self._remove(digest) for digest in digests if digest in self._open]
        if gone:
            self._trim()

    def close_idle(self, kept: set[str]) -> None:
        """Close what nobody has used for the idle time and is not `kept`."""
        until = self._clock() - self._idle_seconds
        with self._lock:
            idle = [digest for digest in self._open if digest not in kept and self._used.get(digest, until) < until]
        self.close(idle)

    def _weight(self) -> int:
        return sum(book.bytes_held for book in self._open.values())

    def _shrink(self, count: int, most: int, keep: str = "") -> list[str]:
        """Close until the bounds hold, never `keep`."""
        gone: list[str] = []
        weight = self._weight()
        for digest in sorted(self._open, key=lambda one: self._used.get(one, 0.0)):
            if len(self._open) <= count and weight <= most:
                break
            if digest != keep:
                weight -= self._open[digest].bytes_held
                gone.append(self._remove(digest))
        return gone

    def _remove(self, digest: str) -> str:
        self._open.pop(digest)
        self._used.pop(digest, None)
        return digest
