"""The worker: one process that does the jobs of an installation (`python -m services.worker --ray <address>`).

It claims jobs, lets Ray compute their chunks, commits what came out and writes the ledger. It is started by the
embedded platform when there is something to do and ends by itself when there has been nothing for a while; killed at
any moment it leaves nothing that the next one does not take up.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final

from models.errors import PlatformError
from pipelines.jobs.compute import Pool
from pipelines.jobs.dispatch import Dispatcher
from pipelines.jobs.driver import driving
from pipelines.jobs.engine import Engine
from pipelines.jobs.gate import Gate
from pipelines.jobs.sources import Sources
from registry.chain import new_chain_uid
from registry.claims import Chunk, Claim, Claims, units_of
from registry.database import Database
from registry.entries import Entry
from registry.ledger import Ledger
from registry.objects import Objects
from registry.readings import Readings
from registry.sql_store import SqlStore
from registry.storage import Storage
from services.executor import Link, RayPlace
from services.house import trust
from services.records import INFERENCE, POLICY_VERSION, model_facts
from services.settings import Settings
from services.supervision import EXECUTOR
from services.telemetry import Telemetry

DURABLE_SECONDS: Final = 5.0
AWAY: Final = 3
"""The exit status of a worker that lost Ray: start another one."""


class Worker:
    """The parts of one worker process."""

    def __init__(self, settings: Settings, ray_address: str, clock: Callable[[], float] = time.time) -> None:
        """Attach to the prepared installation. Raises IntegrityError, UnavailableError."""
        self.stopping = threading.Event()
        self.status = 0
        self._settings = settings
        self._database = Database.open(settings.database)
        self._objects = Objects(settings.objects)
        storage = Storage(self._database)
        self._ledger = Ledger(
            self._database, new_chain_uid("jobs", clock), clock=clock, linger_seconds=settings.ledger_commit_seconds
        )
        self._telemetry = Telemetry(
            settings.home, "jobs", log_bytes=settings.log_bytes, log_files=settings.log_files,
            flush_seconds=settings.metrics_flush_seconds, clock=clock,
        )  # fmt: skip
        self._claims = Claims(self._database, storage, clock, EXECUTOR)
        self._link = Link(ray_address, self._lose_ray)
        store = SqlStore(self._database, trust(settings), note=self._ledger.note, clock=clock)
        self._gate = Gate(store, clock)
        self._sources = Sources(self._database, Readings(self._database, clock))

    def run(self) -> int:
        """Do jobs until told to stop or idle for long; the exit status."""
        self._ledger.start()
        self._telemetry.start()
        places = [RayPlace(self._link, self._settings.objects) for _ in range(self._settings.job_places)]
        pool = Pool(places)
        engine = Engine(
            self._claims, self._objects, pool, self._gate, self._sources, self._remember, stopping=self.stopping
        )
        try:
            with driving(self._settings.jobs_database, EXECUTOR, partial(self._told, engine)) as driver:
                Dispatcher(
                    self._claims, driver, stopping=self.stopping, idle_seconds=self._settings.job_idle_seconds
                ).run()
                self.stopping.set()
        finally:
            self.stopping.set()
            pool.close()
            self._link.leave()
            self._telemetry.close()
            self._ledger.close()
            self._database.close()
        return self.status

    def _told(self, engine: Engine, job_id: str, runs: int) -> str:
        """Do one job and log how it ended."""
        started = time.monotonic()
        ended = engine.run(job_id, runs)
        self._telemetry.log.info("job", job=job_id, run=runs, ended=ended, seconds=round(time.monotonic() - started, 3))
        return ended

    def _remember(self, claim: Claim, chunk: Chunk, entry: Entry, summary: Mapping[str, Any]) -> bool:
        """The ledger's record of a chunk, durable before the chunk counts."""
        job = claim.job
        record = {
            "event": INFERENCE, "request_id": job.request_id, "tenant": job.tenant, "actor": dict(job.actor),
            "policy_version": POLICY_VERSION, "status": 200, "task": job.type,
            "job": {"id": job.id, "chunk": chunk.number, "fence": claim.fence},
            "in": {"units": units_of(chunk.items, summary), "input": job.input_sha256,
                   "parameters": job.parameters_sha256},
            "out": {name: summary[name] for name in ("succeeded", "failed") if name in summary},
        }  # fmt: skip
        receipt = self._ledger.note(record | model_facts(entry), sha256(chunk.input_sha256.encode()).digest())
        return receipt.wait(DURABLE_SECONDS)

    def _lose_ray(self) -> None:
        self.status = AWAY
        self.stopping.set()


def main() -> int:
    """Run a worker until it is told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ray", required=True)
    arguments = parser.parse_args()
    try:
        worker = Worker(Settings.read(), arguments.ray)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: worker.stopping.set())
        status = worker.run()
    except (PlatformError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # what still computes in a thread has been given back; nobody waits for it


if __name__ == "__main__":
    main()
