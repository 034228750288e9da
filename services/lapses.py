"""What time does to models: expired approvals and announced ends are moved to their stage, and told in the ledger.

Decision: the gate does not wait for this. An approval that has ended closes it at the next call; the sweep only makes
the registry say so. It also approves what a crash between the last signature and the approval left in review.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from models.errors import PlatformError
from registry.releases import Releases
from registry.reviews import Reviews

SWEEP_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class Lapses:
    """The sweep of one process, in a thread. Several may run: a move is made once."""

    def __init__(self, releases: Releases, reviews: Reviews, seconds: float = SWEEP_SECONDS) -> None:
        """Nothing runs before `start`."""
        self._releases = releases
        self._reviews = reviews
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with a first sweep at once."""
        self._thread = threading.Thread(target=self._run, name="lapses", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def sweep(self) -> None:
        """One sweep; the thread outlives every fault."""
        try:
            self._releases.lapse()
            self._reviews.settle_all()
        except PlatformError as error:
            log.warning("lapses.failed", extra={"code": error.word})
        except Exception:
            log.exception("lapses.failed")

    def _run(self) -> None:
        while True:
            self.sweep()
            if self._stop.wait(self._seconds):
                return
