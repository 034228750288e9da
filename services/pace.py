"""How long a call will take: what warm-up measured, corrected by what calls have cost since.

Decision: learned from the CPU time of the computing thread, not from the clock, so that a busy machine does not make
every call look long; only calls of some size teach, because in a small one the fixed cost hides the rate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from services.handles import Handle

LEARNING_UNITS: Final = 500
SHARE: Final = 0.2


class Pace:
    """Seconds for a unit of each open model. Safe for threads: a lost update costs one lesson."""

    def __init__(self) -> None:
        self._unit_seconds: dict[str, float] = {}

    def expect(self, handle: Handle, units: int) -> float:
        """Seconds of CPU that a call of this size should take."""
        rate = self._unit_seconds.get(handle.entry.digests.artifact, handle.unit_seconds)
        return handle.fixed_seconds + units * rate

    def predict(self, handle: Handle, items: Sequence[Any], options: Any, units: int) -> list[Any]:
        """Compute, and learn from what it cost."""
        if units < LEARNING_UNITS:
            return handle.model.predict(items, options)
        started = time.thread_time()
        outputs = handle.model.predict(items, options)
        rate = max(0.0, time.thread_time() - started - handle.fixed_seconds) / units
        digest = handle.entry.digests.artifact
        known = self._unit_seconds.get(digest, rate)
        self._unit_seconds[digest] = known + SHARE * (rate - known)
        return outputs
