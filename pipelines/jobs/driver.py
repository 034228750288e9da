"""DBOS Transact's door: the only file that imports it. DBOS starts a workflow for each job and never loses one.

Decisions, each the cure of a gap that was measured (DBOS 3.4)
- `executor_id` is stable and `application_version` is the number of the workflow's schema, so that what a killed or
  upgraded worker left behind is taken over at the next start. DBOS never runs the workflows of another schema; the
  number is part of a workflow's id, so that a new schema starts its own for every job that waits.
- Arguments are a job's id and number of runs in portable JSON: nothing is pickled, nothing is large. The chunks are
  checkpoints of our own (registry.claims), so a workflow told again goes on where it was.
- A workflow that was recovered three times is given up by DBOS; the job's row then falls silent, the reaper queues it
  again as another workflow, and the claim counts the deaths. The same goes for a lost DBOS file.
- Queues are partitioned by tenant. Deduplication does not work there, so the workflow's id `<job>.<runs>.<schema>`
  does it.
- DBOS has a SQLite file of its own in write-ahead mode, used by one worker process; on PostgreSQL several may share it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from registry.claims import Waiting

SCHEMA: Final = "jobs-1"
"""To be changed when a workflow that was begun by older code cannot be gone on with."""

QUEUE: Final = "jobs"
WORKFLOW: Final = "job"
RECOVERIES: Final = 3
AT_ONCE: Final = 48
OF_A_TENANT: Final = 2
POLL_SECONDS: Final = 0.2
OVER: Final = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

Run = Callable[[str, int], str]


class Driver:
    """Workflows of jobs; made by `driving`."""

    def __init__(self, workflow: Run) -> None:
        """Keep the registered workflow."""
        self._workflow = workflow

    def start(self, job: Waiting) -> bool:
        """Start the job's workflow, or find it started; False when that workflow is over already."""
        with SetWorkflowID(f"{job.id}.{job.runs}.{SCHEMA}"), SetEnqueueOptions(queue_partition_key=job.tenant):
            handle = DBOS.enqueue_workflow(QUEUE, self._workflow, job.id, job.runs)
        return handle.get_status().status not in OVER


@contextmanager
def driving(url: str, executor: str, run: Run) -> Iterator[Driver]:
    """DBOS at work: what was left pending is recovered at once. One at a time in a process.

    `url` is DBOS's own database (`sqlite:////absolute/file` or PostgreSQL).
    """
    _prepare(url)
    logging.getLogger("dbos").setLevel(logging.ERROR)
    config = DBOSConfig(
        name="aichung", system_database_url=url, executor_id=executor, application_version=SCHEMA,
        serializer=DBOSPortableJSONSerializer(), log_level="ERROR", enable_otlp=False, use_listen_notify=False,
    )  # fmt: skip
    DBOS(config=config)
    try:
        workflow = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RECOVERIES)(run)
        DBOS.launch()
        DBOS.register_queue(
            QUEUE, worker_concurrency=AT_ONCE, partition_worker_concurrency=OF_A_TENANT,
            polling_interval_sec=POLL_SECONDS, on_conflict="always_update",
        )  # fmt: skip
        yield Driver(workflow)
    finally:
        with suppress(Exception):
            DBOS.destroy(destroy_registry=True)


def _prepare(url: str) -> None:
    """Put DBOS's SQLite file into write-ahead mode, which the file remembers."""
    if not url.startswith("sqlite:///"):
        return
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
