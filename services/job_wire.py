"""Jobs on the wire: what is sent and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from registry.jobs import Job
from services.endpoints import Call
from services.orders import ORDERS

FORMATS: Final = {
    "csv": b"text/csv; charset=utf-8", "json": b"application/json", "parquet": b"application/vnd.apache.parquet",
    "xlsx": b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
REPORTS: Final = {"html": b"text/html; charset=utf-8"}
AUDIENCES: Final = ("leader", "analyst", "inspector")
STATES: Final = ("queued", "needs_input", "running", "succeeded", "failed", "cancelled")
TYPES: Final = tuple(ORDERS)

Id = Annotated[str, Meta(min_length=1, max_length=64)]
State = Literal["queued", "needs_input", "running", "succeeded", "failed", "cancelled"]
Type = Literal["anomaly.series", "anomaly.tabular", "forecast"]


class InputIn(Struct, forbid_unknown_fields=True):
    """What a job works on: a file with a reading (or an accepted guess), or inline data."""

    file_id: Id | None = None
    reading: Id | None = None
    accept_guess: bool = False
    data: dict[str, Any] | None = None


class WebhookIn(Struct, forbid_unknown_fields=True):
    """Where the end of the job is told."""

    url: Annotated[str, Meta(min_length=1, max_length=2_048)]


class JobIn(Struct, forbid_unknown_fields=True):
    """A job. `parameters` are the options of the synchronous endpoint."""

    type: Type
    input: InputIn
    parameters: dict[str, Any] = {}
    model: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    webhook: WebhookIn | None = None


class RequeueIn(Struct, forbid_unknown_fields=True):
    """How the waiting questions are answered: a reading, or an accepted guess; neither repeats a failed job."""

    reading: Id | None = None
    accept_guess: bool | None = None


class ProgressOut(Struct):
    """How far the job is."""

    done: int
    total: int
    unit: str


class ModelOut(Struct):
    """The model that does the job."""

    name: str
    version: str
    card: str


class ResultOut(Struct):
    """Where the result is read (`?format=`), the digest and rows of what was kept."""

    url: str
    sha256: str
    rows: int
    formats: tuple[str, ...] = tuple(FORMATS)


class ReportOut(Struct):
    """Where the report is read (`?audience=`)."""

    url: str
    formats: tuple[str, ...] = tuple(REPORTS)
    audiences: tuple[str, ...] = AUDIENCES


class CountsOut(Struct):
    """Series or rows that were done, and that failed."""

    succeeded: int
    failed: int


class InputOut(Struct):
    """What the job works on; `sha256` is of the file, or of the inline data."""

    file_id: str | None
    reading: str | None
    accept_guess: bool
    sha256: str


class AcceptedOut(Struct, kw_only=True):
    """A job that is durable."""

    request_id: str
    id: str
    type: str
    status: State
    created_at: datetime
    url: str
    events_url: str


class JobOut(Struct, kw_only=True):
    """A job as it stands."""

    id: str
    tenant: str
    type: str
    status: State
    progress: ProgressOut
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    model: ModelOut
    input: InputOut
    parameters: dict[str, Any]
    result: ResultOut | None
    report: ReportOut | None
    counts: CountsOut | None
    held_back: int
    questions: list[Any]
    error: dict[str, Any] | None


class OneJobOut(JobOut, kw_only=True):
    """One job, as the answer to a call."""

    request_id: str


class JobList(Struct, kw_only=True):
    """One page of jobs, newest first."""

    request_id: str
    data: list[JobOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


def shown(call: Call, job: Job) -> dict[str, Any]:
    """A job on the wire."""
    url = f"/v1/jobs/{job.id}"
    done = job.state == "succeeded" and job.result is not None
    result, counts = job.result or {}, job.counts
    return {
        "id": job.id, "tenant": job.tenant, "type": job.type, "status": job.state,
        "progress": ProgressOut(job.progress_done, job.progress_total, job.progress_unit), "attempts": job.attempts,
        "created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "model": ModelOut(job.model["name"], job.model["version"], job.model["card"]),
        "input": InputOut(job.file_id, job.reading_id, job.accept_guess, job.input_sha256),
        "parameters": dict(job.parameters),
        "result": ResultOut(url + "/result", result["sha256"], result["rows"]) if done else None,
        "report": ReportOut(url + "/report") if done else None,
        "counts": None if counts is None else CountsOut(counts.get("succeeded", 0), counts.get("failed", 0)),
        "held_back": job.held_back, "questions": list(job.questions or ()), "error": told(call, job.error),
    }  # fmt: skip


def told(call: Call, error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Why a job failed, in the caller's language."""
    if error is None:
        return None
    detail = error.get(call.language) or error.get("detail") or error.get("en")
    return {"code": error.get("code", "internal-error"), "detail": detail} | {
        name: value for name, value in error.items() if name not in ("vi", "en", "code", "detail")
    }
