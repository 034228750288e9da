"""A job's row, and the moves that doors (registry.jobs) and workers (registry.claims) share.

Decision: the legal moves are data (`MOVES`), read by both and by the tests alike; whoever moves a job also writes the
event that tells of it, inside the transaction that makes it true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from models.errors import ConflictError, NotFoundError
from registry.names import new_id
from registry.tables import deliveries, job_events, jobs

State = Literal["queued", "needs_input", "running", "succeeded", "failed", "cancelled"]
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
class Job:
    """A job's row; see registry.tables."""

    id: str
    tenant: str
    actor: Mapping[str, Any]
    request_id: str
    idempotency: str | None
    request_sha256: str | None
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


def job_of(connection: Connection, job_id: str, *mine: ColumnElement[bool]) -> Job:
    """A job inside a transaction. Raises NotFoundError."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id, *mine)).one_or_none()
    if row is None:
        raise no_such_job()
    return job_from(row)


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


def job_from(row: Row[tuple[object, ...]]) -> Job:
    """A job from its row."""
    return Job(**row._asdict())
