"""What the platform's own process does beside answering: webhooks that are due, retention, and the counts it shows.

Decision: they run here and not in the worker, because a worker lives only while there are jobs, and a message may be
due hours later. One indexed look a second costs nothing; several processes never take the same message (its time is
pushed forward when it is taken).

Decision: what a killed computation left in the object store (a draft, an output that no row owns) goes when it is a day
old: nothing under way is that old without a row. The start sweeps all of it, but a platform may run for months.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Table, func, select

from models.errors import PlatformError
from registry.database import Database
from registry.deliveries import Deliveries, Delivery
from registry.files import Files
from registry.jobs import Jobs
from registry.ledger import Ledger
from registry.lockbox import Lockbox
from registry.objects import Objects
from registry.storage import Storage, owned
from registry.tables import deliveries, jobs
from services.retention import sweep
from services.settings import Settings
from services.telemetry import Telemetry
from services.webhooks import Message, pause_after, send

TICK_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 60.0
TIDY_SECONDS: Final = 3_600.0
ORPHAN_SECONDS: Final = 86_400.0
COUNT_SECONDS: Final = 5.0
AT_ONCE: Final = 16
STATES: Final = ("queued", "needs_input", "running", "succeeded", "failed", "cancelled")
SENT: Final = ("pending", "delivered", "dead")

log = logging.getLogger(__name__)


class Chores:
    """The chores of one installation, in a thread. Several may run; each message is taken by one."""

    def __init__(
        self, settings: Settings, database: Database, ledger: Ledger, telemetry: Telemetry, lockbox: Lockbox,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Keep the parts; `lockbox` opens the webhooks' secrets. Nothing runs before `start`."""
        self._database = database
        self._ledger = ledger
        self._clock = clock
        storage, self._objects = Storage(database), Objects(settings.objects)
        self._files = Files(database, self._objects, storage, clock)
        self._jobs = Jobs(database, self._objects, storage, clock)
        self._deliveries = Deliveries(database, lockbox, clock)
        self._counts: dict[tuple[str, str], int] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        for state in STATES:
            telemetry.watch("aichung_jobs", {"state": state}, self._count_of("jobs", state))
        for state in SENT:
            telemetry.watch("aichung_webhooks", {"state": state}, self._count_of("deliveries", state))

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; what is being sent is let go and sent again later."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def deliver(self) -> int:
        """Send what is due, several at once; how many were tried."""
        due = self._deliveries.due(AT_ONCE)
        if due:
            asyncio.run(self._send_all(due))
        return len(due)

    def sweep(self) -> int:
        """Let go of what has passed its time; how much it was."""
        return sweep(self._database, self._files, self._jobs, self._ledger.note)

    def tidy(self) -> int:
        """Remove what nobody owns and nobody will; how much it was."""
        old = self._clock() - ORPHAN_SECONDS
        return self._objects.sweep(*owned(self._database), spare_after=old)

    def count(self) -> None:
        """Count jobs and messages by state, for the metrics."""
        found: dict[tuple[str, str], int] = {}
        with self._database.read() as connection:
            for table in (jobs, deliveries):
                column = table.c.state
                for state, number in connection.execute(select(column, func.count()).group_by(column)):
                    found[(_name(table), state)] = number
        self._counts = found

    async def _send_all(self, due: list[Delivery]) -> None:
        await asyncio.gather(*(self._send(delivery) for delivery in due))

    async def _send(self, delivery: Delivery) -> None:
        hook = await asyncio.to_thread(self._deliveries.hook, delivery.tenant)
        message = Message(delivery.id, delivery.url, msgspec.json.encode(dict(delivery.body)))
        outcome = await send(message, hook.secrets, int(self._clock()), hook.allowed)
        if outcome.delivered:
            await asyncio.to_thread(self._deliveries.delivered, delivery)
        else:
            fault = outcome.word if outcome.status is None else f"http-{outcome.status}"
            pause = pause_after(delivery.tries + 1, outcome)
            await asyncio.to_thread(self._deliveries.failed, delivery, fault, pause)
        self._ledger.note(_record(delivery, outcome.delivered, outcome.word))

    def _count_of(self, table: str, state: str) -> Callable[[], float]:
        return lambda: float(self._counts.get((table, state), 0))

    def _run(self) -> None:
        last: dict[Callable[[], object], float] = {}
        every = (
            (self.deliver, TICK_SECONDS), (self.count, COUNT_SECONDS), (self.sweep, SWEEP_SECONDS),
            (self.tidy, TIDY_SECONDS),
        )  # fmt: skip
        while not self._stop.wait(TICK_SECONDS):
            for chore, seconds in every:
                if time.monotonic() - last.get(chore, 0.0) >= seconds * 0.9:
                    last[chore] = time.monotonic()
                    self._attempt(chore)

    def _attempt(self, chore: Callable[[], object]) -> None:
        """One chore; the thread outlives every fault."""
        try:
            chore()
        except PlatformError as error:
            log.warning("chores.failed", extra={"code": error.word})
        except Exception:
            log.exception("chores.failed")


def _name(table: Table) -> str:
    return str(table.name)


def _record(delivery: Delivery, delivered: bool, word: str) -> Mapping[str, Any]:
    return {
        "event": "webhook.deliver" if delivered else "refuse.webhook.deliver", "tenant": delivery.tenant,
        "object": {"delivery_id": delivery.id, "job_id": delivery.job_id}, "outcome": word,
    }  # fmt: skip
