"""What has passed its time: files, jobs and results go, with what was read in them; the ledger keeps that they were.

Decisions
- `services.chores` sweeps, and nothing else: the platform's own process lives on when a worker has ended, and one owner
  tells the ledger once.
- What was understood of a file goes with the file. Of a named reading stays how to read (roles, measures,
  number forms), not what was read: the cells that it shows are taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select, update

from registry.database import Database
from registry.files import Files
from registry.jobs import Jobs
from registry.tables import files, readings

AT_ONCE: Final = 200

Note = Callable[[Mapping[str, Any]], object]


def sweep(database: Database, kept: Files, jobs: Jobs, note: Note) -> int:
    """Let go of what has passed its time; how much it was. `note` writes the ledger."""
    old_files, old_jobs = kept.expire(), jobs.expire()
    for file in old_files:
        note({"event": "file.expire", "tenant": file.tenant, "object": {"file_id": file.id}})
    for job in old_jobs:
        note({"event": "job.expire", "tenant": job.tenant, "object": {"job_id": job.id}})
    forget_readings(database)
    return len(old_files) + len(old_jobs)


def forget_readings(database: Database, file_id: str | None = None) -> None:
    """Forget what was read in a file that is gone (None: in all such files)."""
    gone: ColumnElement[bool] = readings.c.file_id.not_in(select(files.c.id))
    if file_id is not None:
        gone &= readings.c.file_id == file_id
    with database.write() as connection:
        connection.execute(delete(readings).where(gone, readings.c.name.is_(None)))
        named = select(readings.c.id, readings.c.document).where(gone).limit(AT_ONCE)
        for row in connection.execute(named).all():
            tables = row.document.get("tables", ())
            if any(table.get("sample") for table in tables):
                blank = {**row.document, "tables": [{**table, "sample": []} for table in tables]}
                connection.execute(update(readings).where(readings.c.id == row.id).values(document=blank))
