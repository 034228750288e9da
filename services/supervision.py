"""The worker's keeper: starts it when a job waits, again when it died, and ends it when it shows no life.

Decision: no jobs, no worker. One look at the database twice a second costs nothing; a worker, with DBOS and Ray's
client, would cost the idle platform a hundred megabytes.

Decision: a worker that has work and gives no sign of life for three intervals is ended and replaced; what it held is
taken over under another fence. While the database takes no writes (locked, disk full) nobody can give a sign, so no
silence is counted: ending the worker would only throw away what it computed. A worker that dies at once is started
again with growing pauses.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from models.errors import PlatformError
from registry.claims import BEAT_SECONDS, SILENT_BEATS, needs_worker, silence, touch
from registry.database import Database
from services.processes import die_with_parent

EXECUTOR: Final = "embedded"
LOOK_SECONDS: Final = 0.5
END_SECONDS: Final = 5.0
START_SECONDS: Final = 20.0
PAUSES: Final = (0.0, 0.5, 2.0, 5.0, 15.0)
LASTED_SECONDS: Final = 30.0


class Keeper:
    """Keeps one worker process. `start` and `close` from the process that owns the installation."""

    def __init__(
        self,
        database: Database,
        executor: str,
        command: list[str],
        log: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`command` runs the worker in this process's environment; what it prints goes to `log`."""
        self._database = database
        self._executor = executor
        self._command = command
        self._log = log
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._not_before = self._away = 0.0
        self._short_lives = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The running worker's process id."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Begin to look. The worker's parent, in the kernel's eyes, is this thread: it lives until `close`."""
        self._thread = threading.Thread(target=self._run, name="worker-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the worker: it gives its jobs back, and is killed when it does not hurry."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS + 2.0)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except (PlatformError, OSError):  # the database is away, the disk is full: look again
                continue
        self._end()

    def look(self) -> None:
        """One look: start a missing worker, end a silent one."""
        process, now = self._process, time.monotonic()
        if process is not None and process.poll() is not None:
            self._buried(process, now)
            process = None
        if not needs_worker(self._database):
            return
        if process is None:
            if now >= self._not_before:
                self._launch(now)
            return
        if now - self._started > START_SECONDS and self._silent(now):
            process.kill()
            process.wait(END_SECONDS)

    def _silent(self, now: float) -> bool:
        """Whether the worker gave no sign of life for three intervals in which it could have."""
        quiet = silence(self._database, self._executor, datetime.fromtimestamp(self._clock(), UTC))
        if quiet is None or quiet <= BEAT_SECONDS:
            return False
        try:
            touch(self._database, self._executor)
        except PlatformError:
            self._away = time.monotonic()
        return min(quiet, now - self._started, now - self._away) > BEAT_SECONDS * SILENT_BEATS

    def _buried(self, process: subprocess.Popen[bytes], now: float) -> None:
        """A worker that ended; one that died young, and not of its own will, makes the next one wait."""
        self._process = None
        young = process.returncode != 0 and now - self._started < LASTED_SECONDS
        self._short_lives = min(self._short_lives + 1, len(PAUSES) - 1) if young else 0
        self._not_before = now + PAUSES[self._short_lives]

    def _launch(self, now: float) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent,
            )  # fmt: skip
        self._started = now

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def worker_command(ray_address: str) -> list[str]:
    """How the worker is run."""
    return [sys.executable, "-m", "services.worker", "--ray", ray_address]
