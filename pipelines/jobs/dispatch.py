"""The worker's round: offer queued jobs to the driver, give signs of life, take up what fell silent.

Decision: the rows decide what is next (the tenants in turn, few of each under way), so DBOS never holds more than what
is about to run, and ten thousand jobs of one tenant do not stand in anybody's way.

Decision: after an outage (of the database, or of this process) nothing is taken up for silence until everyone had time
to give a sign again; else a worker would take its own jobs from its own hands.
"""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from models.errors import PlatformError
from registry.claims import BEAT_SECONDS, SILENT_BEATS, Claims, Waiting

ROUND_SECONDS: Final = 0.25
OF_A_TENANT: Final = 4
AT_A_TIME: Final = 32


class Starts(Protocol):
    """Starts workflows; pipelines.jobs.driver is one."""

    def start(self, job: Waiting) -> bool:
        """Start the job's workflow, or find it started; False when that workflow is over already."""


class Dispatcher:
    """The rounds of one worker. `run` returns when it is told to stop, or when nothing was to do for a while."""

    def __init__(
        self,
        claims: Claims,
        starts: Starts,
        *,
        stopping: threading.Event,
        idle_seconds: float | None = None,
    ) -> None:
        """`idle_seconds` without any job end the worker (None: never)."""
        self._claims = claims
        self._starts = starts
        self._stopping = stopping
        self._idle_seconds = idle_seconds
        self._beaten = self._outage = 0.0

    def run(self) -> None:
        """Go round until the end. What is away is waited for."""
        forgotten = False
        idle_since = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            try:
                if not forgotten:
                    self._claims.forget_dispatches()
                    forgotten = True
                self._beat(now)
                if self.offer() or self._claims.busy():
                    idle_since = now
            except PlatformError:
                idle_since = self._outage = time.monotonic()
            if self._idle_seconds is not None and now - idle_since > self._idle_seconds:
                return
            self._stopping.wait(ROUND_SECONDS)

    def _beat(self, now: float) -> None:
        """Give a sign of life when it is time, and take up the jobs of those who give none."""
        if now - self._beaten < BEAT_SECONDS:
            return
        self._claims.beat()
        if self._beaten and now - self._beaten > 2 * BEAT_SECONDS:
            self._outage = now
        self._beaten = now
        if now - self._outage > BEAT_SECONDS * SILENT_BEATS:
            self._claims.reap()

    def offer(self) -> int:
        """Start workflows for queued jobs; how many."""
        waiting = self._claims.waiting(OF_A_TENANT, AT_A_TIME)
        for job in waiting:
            if self._starts.start(job):
                self._claims.dispatch(job)
            else:
                self._claims.renew(job)
        return len(waiting)
