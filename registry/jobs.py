"""Jobs as their callers see them: accepted, asked after, cancelled, queued again.

Decisions
- The row is the truth of a job; whatever drives it (DBOS, registry.claims) only moves the row. A job is accepted when
  its row is committed, and never told so before.
- The legal moves are data (`MOVES`), read by this module, the worker and the tests alike.
- Every end (succeeded, failed, cancelled) counts the fence up: whatever still computes for the job can commit nothing
  from that moment, so a cancellation is effective at once, however long a chunk takes.
- The same Idempotency-Key of a tenant gives the same job, by a unique index; also when the answer of the first call
  was lost in a crash.
- Status, progress and end are events with a number, written in the transaction that makes them true: a reader of the
  stream continues after the last number it saw (`Last-Event-ID`) and misses nothing. An end is also a webhook's
  delivery, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from models.errors import ConflictError, NotFoundError
from registry.canonical import digest
from registry.database import Database
from registry.names import new_id
from registry.objects import Objects, Stored
from registry.storage import Storage, objects_of
from registry.tables import deliveries, job_chunks, job_events, jobs

State = Literal["queued", "needs_input", "running", "succeeded", "failed", "cancelled"]
LIFE_DAYS: Final = 30
MOVES: Final[Mapping[str, frozenset[str]]] = {
    "queued": frozenset({"running", "cancelled", "failed"}),
    "needs_input": frozenset({"queued", "cancelled"}),
    "running": frozenset({"queued", "needs_input", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset({"queued"}),
    "cancelled": frozenset({"queued"}),
}
ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a door accepts.

    `actor` are opaque ids (subject, kind, role, key); `model` is the entry that the gate let pass `{name, version,
    card, artifact, tier}`; `idempotency` the digest of the caller's key; `data` inline input, already stored.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job's row; see registry.tables."""

    id: str
    tenant: str
    actor: Mapping[str, Any]
    request_id: str
    idempotency: str | None
    type: str
    state: State
    file_id: str | None
    reading_id: str | None
    accept_guess: bool
    data_object: str | None
    input_sha256: str
    reading: Mapping[str, Any] | None
    reading_sha256: str | None
    parameters: Mapping[str, Any]
    parameters_sha256: str
    model: Mapping[str, Any]
    webhook_url: str | None
    progress_done: int
    progress_total: int
    progress_unit: str
    planned: bool
    attempts: int
    strikes: int
    runs: int
    dispatched: bool
    fence: int
    executor: str | None
    heartbeat_at: datetime | None
    questions: list[Mapping[str, Any]] | None
    error: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    counts: Mapping[str, int] | None
    held_back: int
    events: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    public: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ENDS


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
    ) -> None:
        """`clock` tells seconds since 1970."""
        self.database = database
        self.objects = objects
        self.storage = storage
        self._clock = clock
        self.life = timedelta(days=life_days)

    def create(self, new: NewJob) -> tuple[Job, bool]:
        """Accept a job; it is durable when this returns. The job, and whether it is new.

        With an idempotency digest that the tenant has used, the first job is returned and `new.data` is removed.
        Raises InvalidInputError (`storage-quota`), UnavailableError.
        """
        try:
            known = self._repeated(new)
            if known is None:
                with self.database.write() as connection:
                    if new.data is not None:
                        self.storage.take(connection, new.tenant, new.data.bytes)
                    values = self._fresh(new)
                    connection.execute(insert(jobs).values(values))
                    tell(connection, str(values["id"]), "status", {"status": "queued"}, self.now())
                    return job_of(connection, str(values["id"])), True
        except ConflictError:
            known = self._repeated(new)
            if known is None:
                raise
        except BaseException:
            self._drop(new.data)
            raise
        self._drop(new.data)
        return known, False

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
            return [_job(row) for row in connection.execute(query)]

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
                job = _job(row)
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
            "idempotency": new.idempotency, "type": new.type, "state": "queued", "file_id": new.file_id,
            "reading_id": new.reading_id, "accept_guess": new.accept_guess,
            "data_object": None if new.data is None else new.data.name, "input_sha256": new.input_sha256,
            "parameters": parameters, "parameters_sha256": digest(parameters).removeprefix("sha256:"),
            "model": dict(new.model), "webhook_url": new.webhook_url,
            "progress_done": 0, "progress_total": 0, "progress_unit": "items",
            "planned": False, "attempts": 0, "strikes": 0, "runs": 1, "dispatched": False, "fence": 0,
            "held_back": 0, "events": 0, "created_at": now, "expires_at": now + self.life,
        }  # fmt: skip

    def _repeated(self, new: NewJob) -> Job | None:
        """The job that the same Idempotency-Key made before."""
        if new.idempotency is None:
            return None
        with self.database.read() as connection:
            query = select(jobs).where(jobs.c.tenant == new.tenant, jobs.c.idempotency == new.idempotency)
            row = connection.execute(query).one_or_none()
        return None if row is None else _job(row)

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


# --- moves that doors and workers share ---------------------------------------------------------------------


def job_of(connection: Connection, job_id: str, *mine: ColumnElement[bool]) -> Job:
    """A job inside a transaction. Raises NotFoundError."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id, *mine)).one_or_none()
    if row is None:
        raise no_such_job()
    return _job(row)


def refuse_illegal(job: Job, to: str) -> None:
    """Raise ConflictError, naming the legal moves, when the table does not allow the move."""
    if to not in MOVES[job.state]:
        allowed = sorted(MOVES[job.state])
        listed = ", ".join(allowed) or "—"
        raise ConflictError(
            f"Không chuyển được công việc từ {job.state} sang {to}; được phép: {listed}.",
            f"The job cannot move from {job.state} to {to}; allowed: {listed}.",
            code="illegal-move",
            state=job.state,
            allowed=allowed,
        )


def tell(connection: Connection, job_id: str, kind: str, body: Mapping[str, Any], at: datetime) -> None:
    """Write the job's next event."""
    counted = update(jobs).where(jobs.c.id == job_id).values(events=jobs.c.events + 1).returning(jobs.c.events)
    number = connection.execute(counted).scalar_one()
    connection.execute(insert(job_events).values(job_id=job_id, number=number, kind=kind, body=dict(body), at=at))


def end(connection: Connection, job: Job, state: str, at: datetime, **values: Any) -> None:
    """Move a job to an end: fence counted up, event and delivery written."""
    refuse_illegal(job, state)
    final = {"state": state, "finished_at": at, "fence": jobs.c.fence + 1, "executor": None, "heartbeat_at": None}
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(final | values))
    body: dict[str, Any] = {"status": state}
    if values.get("error") is not None:
        body["error"] = values["error"]
    tell(connection, job.id, "status", body, at)
    if job.webhook_url is not None:
        event = f"job.{state}"
        data = {"id": job.id, "type": job.type, "status": state, "url": f"/v1/jobs/{job.id}"}
        row = {
            "id": new_id("msg", at), "tenant": job.tenant, "job_id": job.id, "event": event, "url": job.webhook_url,
            "body": {"type": event, "timestamp": at.isoformat(), "data": data}, "state": "pending", "tries": 0,
            "due_at": at, "created_at": at,
        }  # fmt: skip
        connection.execute(insert(deliveries).values(row))


def queue_again(connection: Connection, job: Job, at: datetime, values: Mapping[str, Any]) -> None:
    """Move a job back to the queue for another workflow."""
    again = {
        "state": "queued", "dispatched": False, "runs": jobs.c.runs + 1, "fence": jobs.c.fence + 1, "executor": None,
        "heartbeat_at": None,
    }  # fmt: skip
    connection.execute(update(jobs).where(jobs.c.id == job.id).values({**again, **values}))
    tell(connection, job.id, "status", {"status": "queued"}, at)


def no_such_job() -> NotFoundError:
    """The one answer for every job that the caller may not see."""
    return NotFoundError("Không tìm thấy công việc.", "No such job.")


def _of(tenants: Collection[str]) -> ColumnElement[bool]:
    return jobs.c.tenant.in_(list(tenants))


def _job(row: Row[tuple[object, ...]]) -> Job:
    return Job(**row._asdict())
