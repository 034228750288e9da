"""Jobs as their callers see them: accepted, asked after, cancelled, queued again.

Decisions
- The row is the truth of a job; whatever drives it (DBOS, registry.claims) only moves the row. A job is accepted when
  its row is committed, and never told so before.
- Every end (succeeded, failed, cancelled) counts the fence up: whatever still computes for the job can commit nothing
  from that moment, so a cancellation is effective at once, however long a chunk takes.
- The same Idempotency-Key of a tenant gives the same job for a day, by a unique index; also when the answer of the
  first call was lost in a crash. What makes a request the same is the digest of its bytes, kept beside the key: the
  job itself may have moved on (another reading, another default model).
- When it is not known whether a failed commit was kept, the input's bytes stay: a sweep finds what nobody owns.
- Status, progress and end are events with a number, written in the transaction that makes them true: a reader of the
  stream continues after the last number it saw (`Last-Event-ID`) and misses nothing. An end is also a webhook's
  delivery, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from models.errors import ConflictError, InvalidInputError, PlatformError, QuotaExceededError
from registry.canonical import digest
from registry.database import Database
from registry.job_rows import ENDS, Job, end, job_from, job_of, queue_again, refuse_illegal, tell
from registry.names import new_id
from registry.objects import Objects, Stored
from registry.storage import Storage, objects_of
from registry.tables import deliveries, job_chunks, job_events, jobs

__all__ = ["ENDS", "Job", "JobEvent", "Jobs", "NewJob", "job_of"]

LIFE_DAYS: Final = 30
CROWD_SECONDS: Final = 30
"""When a tenant with too many waiting jobs may try again."""
REPEATED: Final = timedelta(hours=24)
"""How long an Idempotency-Key stands for its job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a door accepts.

    `actor` are opaque ids (subject, kind, role, key); `model` is the entry that the gate let pass `{name, version,
    card, artifact, tier}`; `idempotency` the digest of the caller's key and `request_sha256` of the request under it;
    `data` inline input, already stored.
    """

    tenant: str
    actor: Mapping[str, Any]
    request_id: str
    type: str
    parameters: Mapping[str, Any]
    model: Mapping[str, Any]
    input_sha256: str
    file_id: str | None = None
    reading_id: str | None = None
    accept_guess: bool = False
    data: Stored | None = None
    webhook_url: str | None = None
    idempotency: str | None = None
    request_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event of a job's stream: `kind` is `status` or `progress`."""

    number: int
    kind: str
    body: Mapping[str, Any]
    at: datetime


class Jobs:
    """The jobs of the installation, for doors. Every method is one short transaction."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        storage: Storage,
        clock: Callable[[], float],
        *,
        life_days: int = LIFE_DAYS,
        most_queued: int | None = None,
    ) -> None:
        """`clock` tells seconds since 1970; a tenant may have `most_queued` jobs waiting (None: any number)."""
        self.database = database
        self.objects = objects
        self.storage = storage
        self._clock = clock
        self.life = timedelta(days=life_days)
        self._most_queued = most_queued

    def create(self, new: NewJob) -> tuple[Job, bool]:
        """Accept a job; it is durable when this returns. The job, and whether it is new.

        With an idempotency digest that the tenant has used, the first job is returned and `new.data` is removed.
        Raises InvalidInputError (`storage-quota`, `idempotency-key-reused`), QuotaExceededError (`too-many-jobs`),
        UnavailableError.
        """
        known = None
        values = self._fresh(new)
        try:
            if new.idempotency is not None:
                known = self.repeated(new.tenant, new.idempotency, new.request_sha256)
            if known is None:
                known = self._insert(new, values)
        except BaseException:
            self._let_go(new.data, str(values["id"]))
            raise
        if known is None:
            return self.get([new.tenant], str(values["id"])), True
        self._drop(new.data)
        return known, False

    def repeated(self, tenant: str, idempotency: str, request_sha256: str | None) -> Job | None:
        """The job that the same Idempotency-Key made within a day.

        Raises InvalidInputError (`idempotency-key-reused`) when it came with another request.
        """
        mine = (jobs.c.tenant == tenant, jobs.c.idempotency == idempotency, jobs.c.created_at > self.now() - REPEATED)
        with self.database.read() as connection:
            row = connection.execute(select(jobs).where(*mine)).one_or_none()
        if row is None:
            return None
        if None not in (row.request_sha256, request_sha256) and row.request_sha256 != request_sha256:
            raise InvalidInputError(
                "Idempotency-Key này đã dùng cho một yêu cầu khác.",
                "This Idempotency-Key was used for another request.",
                code="idempotency-key-reused",
            )
        return job_from(row)

    def _insert(self, new: NewJob, values: Mapping[str, object]) -> Job | None:
        """Write the row of a job; the other job, when the same key was faster."""
        now = self.now()
        try:
            with self.database.write() as connection:
                self._check_crowd(connection, new.tenant)
                if new.data is not None:
                    self.storage.take(connection, new.tenant, new.data.bytes)
                if new.idempotency is not None:
                    old = and_(jobs.c.tenant == new.tenant, jobs.c.idempotency == new.idempotency)
                    connection.execute(
                        update(jobs).where(old, jobs.c.created_at <= now - REPEATED).values(idempotency=None)
                    )
                connection.execute(insert(jobs).values(values))
                tell(connection, str(values["id"]), "status", {"status": "queued"}, now)
        except ConflictError:
            known = None
            if new.idempotency is not None:
                known = self.repeated(new.tenant, new.idempotency, new.request_sha256)
            if known is None:
                raise
            return known
        return None

    def _check_crowd(self, connection: Connection, tenant: str) -> None:
        """Refuse a job behind too many of its tenant's that wait."""
        if self._most_queued is None:
            return
        waiting = select(jobs.c.id).where(jobs.c.tenant == tenant, jobs.c.state == "queued").limit(self._most_queued)
        if connection.execute(select(func.count()).select_from(waiting.subquery())).scalar_one() >= self._most_queued:
            raise QuotaExceededError(
                f"Đơn vị đã có {self._most_queued} việc đang chờ; hãy đợi bớt việc rồi gửi tiếp.",
                f"The organisation has {self._most_queued} jobs waiting; send more when some are done.",
                CROWD_SECONDS,
                code="too-many-jobs",
            )

    def get(self, tenants: Collection[str], job_id: str) -> Job:
        """A job of one of these tenants. Raises NotFoundError, the same for what does not exist."""
        with self.database.read() as connection:
            return job_of(connection, job_id, _of(tenants))

    def page(
        self, tenants: Collection[str], limit: int, after: str | None = None, state: str | None = None,
        type: str | None = None,
    ) -> list[Job]:  # fmt: skip
        """Up to `limit` jobs, newest first, that follow the id `after`."""
        query = select(jobs).where(_of(tenants)).order_by(jobs.c.id.desc()).limit(limit)
        for column, value in ((jobs.c.state, state), (jobs.c.type, type)):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            query = query.where(jobs.c.id < after)
        with self.database.read() as connection:
            return [job_from(row) for row in connection.execute(query)]

    def events(self, tenants: Collection[str], job_id: str, after: int = 0, limit: int = 1000) -> list[JobEvent]:
        """The job's events with numbers above `after`, in order. Raises NotFoundError."""
        with self.database.read() as connection:
            job_of(connection, job_id, _of(tenants))
            query = select(job_events).where(job_events.c.job_id == job_id, job_events.c.number > after)
            rows = connection.execute(query.order_by(job_events.c.number).limit(limit))
            return [JobEvent(row.number, row.kind, row.body, row.at) for row in rows]

    def cancel(self, tenant: str, job_id: str) -> Job:
        """End a job now; nothing of it is committed afterwards. A job that has ended stays as it is.

        Raises NotFoundError.
        """
        with self.database.write() as connection:
            job = job_of(connection, job_id, jobs.c.tenant == tenant)
            if job.ended:
                return job
            end(connection, job, "cancelled", self.now())
            return job_of(connection, job_id)

    def requeue(
        self, tenant: str, job_id: str, *, reading_id: str | None = None, accept_guess: bool | None = None
    ) -> Job:
        """Queue a failed, cancelled or waiting job again; its finished chunks are kept.

        Another reading or an accepted guess plans it anew. Raises NotFoundError, ConflictError (`illegal-move`).
        """
        with self.database.write() as connection:
            job = job_of(connection, job_id, jobs.c.tenant == tenant)
            refuse_illegal(job, "queued")
            values: dict[str, Any] = {
                "attempts": 0, "strikes": 0, "error": None, "questions": None, "finished_at": None, "counts": None,
                "expires_at": self.now() + self.life,
            }  # fmt: skip
            if reading_id is not None or accept_guess is not None:
                values |= {
                    "reading_id": reading_id, "accept_guess": bool(accept_guess), "planned": False,
                    "progress_done": 0, "progress_total": 0, "reading": None, "reading_sha256": None,
                }  # fmt: skip
                connection.execute(delete(job_chunks).where(job_chunks.c.job_id == job_id))
            connection.execute(
                update(job_chunks).where(job_chunks.c.job_id == job_id, job_chunks.c.state == "pending")
                .values(strikes=0)
            )  # fmt: skip
            queue_again(connection, job, self.now(), values)
            return job_of(connection, job_id)

    def remove(self, tenant: str, job_id: str) -> Job:
        """Delete an ended job with its results. Raises NotFoundError, ConflictError (`job-not-ended`)."""
        with self.database.write() as connection:
            job = job_of(connection, job_id, jobs.c.tenant == tenant)
            if not job.ended:
                raise ConflictError("Công việc chưa kết thúc.", "The job has not ended.", code="job-not-ended")
            names = self._forget(connection, job)
        for name in names:
            self.objects.delete(name)
        return job

    def expire(self, most: int = 50) -> list[Job]:
        """Delete ended jobs that have passed their time; what was deleted, for the ledger."""
        due = (jobs.c.expires_at < self.now(), jobs.c.state.in_([*ENDS, "needs_input"]))
        with self.database.read() as connection:
            ids = list(connection.scalars(select(jobs.c.id).where(*due).limit(most)))
        old: list[Job] = []
        for job_id in ids:
            with self.database.write() as connection:
                row = connection.execute(select(jobs).where(jobs.c.id == job_id, *due).with_for_update()).one_or_none()
                if row is None:  # deleted or queued again since
                    continue
                job = job_from(row)
                names = self._forget(connection, job)
            for name in names:
                self.objects.delete(name)
            old.append(job)
        return old

    def now(self) -> datetime:
        """The instant, by the clock."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def _fresh(self, new: NewJob) -> dict[str, object]:
        now = self.now()
        parameters = dict(new.parameters)
        return {
            "id": new_id("job", now), "tenant": new.tenant, "actor": dict(new.actor), "request_id": new.request_id,
            "idempotency": new.idempotency, "request_sha256": new.request_sha256, "type": new.type, "state": "queued",
            "file_id": new.file_id,
            "reading_id": new.reading_id, "accept_guess": new.accept_guess,
            "data_object": None if new.data is None else new.data.name, "input_sha256": new.input_sha256,
            "parameters": parameters, "parameters_sha256": digest(parameters).removeprefix("sha256:"),
            "model": dict(new.model), "webhook_url": new.webhook_url,
            "progress_done": 0, "progress_total": 0, "progress_unit": "items",
            "planned": False, "attempts": 0, "strikes": 0, "runs": 1, "dispatched": False, "fence": 0,
            "held_back": 0, "events": 0, "created_at": now, "expires_at": now + self.life,
        }  # fmt: skip

    def _let_go(self, data: Stored | None, job_id: str) -> None:
        """Remove the input of a job that was not accepted; one that may have been, after all, keeps it."""
        if data is None:
            return
        try:
            with self.database.read() as connection:
                kept = connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).one_or_none()
        except PlatformError:
            return
        if kept is None:
            self._drop(data)

    def _drop(self, data: Stored | None) -> None:
        if data is not None:
            self.objects.delete(data.name)

    def _forget(self, connection: Connection, job: Job) -> list[str]:
        """Delete a job's rows; the objects that nobody owns any more."""
        chunks = connection.execute(select(job_chunks).where(job_chunks.c.job_id == job.id)).all()
        names = [chunk.input_object for chunk in chunks] + [chunk.output_object for chunk in chunks]
        names += [job.data_object, *objects_of(job.result)]
        size = int((job.result or {}).get("bytes", 0))
        if job.data_object is not None:
            size += self.objects.size(job.data_object)
        self.storage.give(connection, job.tenant, size)
        for table in (job_chunks, job_events, deliveries):
            connection.execute(delete(table).where(table.c.job_id == job.id))
        connection.execute(delete(jobs).where(jobs.c.id == job.id))
        return [name for name in names if name is not None]


def _of(tenants: Collection[str]) -> ColumnElement[bool]:
    return jobs.c.tenant.in_(list(tenants))
