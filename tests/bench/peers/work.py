"""A calibrated amount of CPU work, the same for both sides of a comparison."""

from __future__ import annotations

import time


def work_for(seconds: float) -> int:
    """Burn CPU of the calling thread for `seconds` of its own time."""
    rounds, end = 0, time.thread_time() + seconds
    while time.thread_time() < end:
        rounds += 1
    return rounds
