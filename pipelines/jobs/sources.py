"""Where a job's input lies and what its outcome says of it: rows turned into the plain facts of a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.errors import InvalidInputError, NotFoundError
from registry.database import Database
from registry.entries import Entry
from registry.jobs import Job, job_of
from registry.readings import Readings
from registry.tables import files, tenants


class Sources:
    """Reads files, readings and organisations for jobs."""

    def __init__(self, database: Database, readings: Readings) -> None:
        """Only read from."""
        self._database = database
        self._readings = readings

    def of(self, job: Job) -> dict[str, Any]:
        """The input's facts for the plan. Raises InvalidInputError (`input-gone`) when it was deleted."""
        if job.data_object is not None:
            return {"data": {"object": job.data_object, "sha256": job.input_sha256}}
        row = self._file(job)
        if row is None:
            raise InvalidInputError("Tệp đầu vào đã bị xóa.", "The input was deleted.", code="input-gone")
        found: dict[str, Any] = {
            "data": None,
            "file": {"object": row.object, "sha256": row.sha256, "filename": row.filename},
            "accept_guess": job.accept_guess,
            "reading": None,
        }
        if job.reading_id is not None:
            try:
                found["reading"] = dict(self._readings.get([job.tenant], job.reading_id).document)
            except NotFoundError as error:
                raise InvalidInputError("Cách đọc đã bị xóa.", "The reading was deleted.", code="input-gone") from error
        return found

    def pattern(self, job: Job, fingerprint: str) -> Mapping[str, Any] | None:
        """The tenant's named reading for files with these headers."""
        known = self._readings.named(job.tenant, fingerprint)
        return None if known is None else known.document

    def header(self, job_id: str, entry: Entry, finished_at: datetime) -> dict[str, Any]:
        """What the outcome says of the job; see pipelines.jobs.outcome.HEADER."""
        with self._database.read() as connection:
            job = job_of(connection, job_id)
            named = select(tenants.c.name).where(tenants.c.id == job.tenant)
            organisation = connection.execute(named).scalar_one_or_none()
        row = self._file(job)
        approval = entry.approval
        return {
            "job_id": job.id, "type": job.type, "created_at": job.created_at.isoformat(),
            "finished_at": finished_at.isoformat(),
            "model": {"name": entry.name, "version": entry.version, "card": entry.digests.card},
            "parameters": dict(job.parameters),
            "source": None if job.file_id is None else {
                "file_id": job.file_id, "filename": None if row is None else row.filename, "sha256": job.input_sha256,
            },
            "reading": None if job.reading is None else dict(job.reading),
            "approval": None if approval is None else {
                "id": approval.id, "kind": approval.kind, "valid_until": approval.valid_until.isoformat(),
            },
            "organisation": organisation,
        }  # fmt: skip

    def _file(self, job: Job) -> Any:
        if job.file_id is None:
            return None
        with self._database.read() as connection:
            return connection.execute(select(files).where(files.c.id == job.file_id)).one_or_none()
