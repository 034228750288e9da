"""What a piece of work costs, for tests of proportion: CPU of this thread, the least of several tries.

A test never holds work to a number of seconds: machines differ and are busy. It compares two sizes in one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FLOOR_SECONDS = 0.000_5


def cpu_seconds(work: Callable[[], object], tries: int = 3) -> float:
    """The least CPU that one of the tries took, and never less than what a clock can tell."""
    costs = []
    for _ in range(tries):
        started = time.thread_time()
        work()
        costs.append(time.thread_time() - started)
    return max(min(costs), FLOOR_SECONDS)
