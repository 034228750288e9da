"""Jobs as a worker holds them: everything under a fence.

Decisions
- A worker claims a job and gets the fence that the claim counted up. Every later statement carries `WHERE id = ? AND
  fence = ? AND state = 'running'`; a worker that was paused, cut off or replaced finds no row and gives up
  (`FenceLostError`): it can neither commit a chunk nor end the job.
- A chunk is committed once: its row moves from pending to done in the transaction that moves the job's progress.
- A commit whose answer was lost may be asked for again: the same output of the same chunk, the same result of the same
  job, are found kept and answered as the first time, so nobody takes away the bytes that count.
- What is lost counts. A chunk whose computation was lost three times kills the job with the reason; a worker that died
  with the job is not the job's fault, so only ten deaths without one chunk committed in between do.
- What a file turned out to hold is charged as its chunks count, to the key that asked, in the same transaction: once,
  however often it was computed. Inline data was charged when it was accepted.
- Which job is next: the oldest of each tenant in turn, never the oldest of all, so ten thousand jobs of one tenant do
  not stand before the first of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import ConflictError
from registry.canonical import digest
from registry.database import Database
from registry.job_rows import Job, end, job_of, queue_again, tell
from registry.objects import Stored
from registry.storage import Storage
from registry.tables import Instant, executors, job_chunks, jobs, usage

BEAT_SECONDS: Final = 5.0
SILENT_BEATS: Final = 3
MOST_CHUNK_STRIKES: Final = 3
MOST_DEATHS: Final = 10
PROGRESS_SECONDS: Final = 0.5
USAGE_SECONDS: Final = 60


class FenceLostError(ConflictError):
    """Công việc đã có nơi khác giữ | The job is held elsewhere"""

    code = "fence-lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job held by a worker, under its fence."""

    job: Job
    executor: str

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def fence(self) -> int:
        """The fence of this claim."""
        return self.job.fence


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """A part of a job before it is computed: where its input lies, how far progress moves with it."""

    items: int
    input: Stored


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's row."""

    number: int
    state: str
    items: int
    input_object: str
    input_sha256: str
    output_object: str | None
    output_sha256: str | None
    summary: Mapping[str, Any] | None
    strikes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job that a workflow can be started for."""

    id: str
    tenant: str
    runs: int


class Claims:
    """The worker's side of the jobs. Every method is one short transaction; safe for threads and processes."""

    def __init__(self, database: Database, storage: Storage, clock: Callable[[], float], executor: str) -> None:
        """`executor` is this worker's stable name."""
        self._database = database
        self._storage = storage
        self._clock = clock
        self.executor = executor

    # --- what is next ---------------------------------------------------------------------------------------

    def waiting(self, per_tenant: int, most: int) -> list[Waiting]:
        """Queued jobs to start workflows for, the tenants in turn; each tenant has `per_tenant` under way at most."""
        order = func.row_number().over(partition_by=jobs.c.tenant, order_by=jobs.c.id)
        ranked = (
            select(jobs.c.id, jobs.c.tenant, jobs.c.runs, order.label("turn"))
            .where(jobs.c.state == "queued", jobs.c.dispatched.is_(False)).subquery()
        )  # fmt: skip
        with self._database.read() as connection:
            under_way = self._under_way(connection)
            query = select(ranked).where(ranked.c.turn <= per_tenant).order_by(ranked.c.turn, ranked.c.id)
            rows = connection.execute(query).all()
        free = [row for row in rows if row.turn + under_way.get(row.tenant, 0) <= per_tenant]
        return [Waiting(row.id, row.tenant, row.runs) for row in free[:most]]

    def dispatch(self, job: Waiting) -> None:
        """Note that a workflow was started for the job."""
        mine = (jobs.c.id == job.id, jobs.c.runs == job.runs, jobs.c.state == "queued")
        with self._database.write() as connection:
            connection.execute(update(jobs).where(*mine).values(dispatched=True))

    def renew(self, job: Waiting) -> None:
        """Give a queued job another workflow: the one of this number is over without having ended the job."""
        mine = (jobs.c.id == job.id, jobs.c.runs == job.runs, jobs.c.state == "queued")
        with self._database.write() as connection:
            connection.execute(update(jobs).where(*mine).values(runs=jobs.c.runs + 1, dispatched=False))

    def forget_dispatches(self) -> int:
        """At a worker's start: queued jobs are offered again, under the same workflow id. How many there were."""
        with self._database.write() as connection:
            query = update(jobs).where(jobs.c.state == "queued", jobs.c.dispatched.is_(True)).values(dispatched=False)
            return int(connection.execute(query).rowcount)

    def busy(self) -> bool:
        """Whether any job waits or runs: whether a worker is needed."""
        return needs_worker(self._database)

    # --- holding a job --------------------------------------------------------------------------------------

    def claim(self, job_id: str, runs: int) -> Claim | None:
        """Take a job up for the workflow number `runs`; None when it ended, or another workflow is meant.

        A job that lost its worker ten times without progress fails here.
        """
        now = self.now()
        with self._database.write() as connection:
            mine = and_(jobs.c.id == job_id, jobs.c.runs == runs, jobs.c.state.in_(["queued", "running"]))
            values = {
                "state": "running", "fence": jobs.c.fence + 1, "executor": self.executor, "heartbeat_at": now,
                "attempts": jobs.c.attempts + 1, "strikes": jobs.c.strikes + 1, "dispatched": True,
                "started_at": func.coalesce(jobs.c.started_at, literal(now, Instant)),
            }  # fmt: skip
            if connection.execute(update(jobs).where(mine).values(values)).rowcount != 1:
                return None
            job = job_of(connection, job_id)
            if job.strikes > MOST_DEATHS:
                end(connection, job, "failed", now, error=_worker_lost())
                return None
            tell(connection, job_id, "status", {"status": "running", "attempts": job.attempts}, now)
            return Claim(job, self.executor)

    def beat(self, claims: Sequence[Claim] = ()) -> list[Claim]:
        """Note that this worker and these claims are alive; the claims that are still held."""
        now = self.now()
        held = []
        with self._database.write() as connection:
            new: Any = sqlite.insert if self._database.path is not None else postgresql.insert
            row = new(executors).values(id=self.executor, started_at=now, heartbeat_at=now)
            connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"heartbeat_at": now}))
            for claim in claims:
                if connection.execute(update(jobs).where(_held(claim)).values(heartbeat_at=now)).rowcount == 1:
                    held.append(claim)
        return held

    def holds(self, claim: Claim) -> bool:
        """Whether the claim still stands: false after a cancellation or a takeover."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.id).where(_held(claim))).one_or_none() is not None

    def release(self, claim: Claim) -> None:
        """Give a job back to the queue unharmed: the worker ends, or what it needs is away."""
        with self._database.write() as connection:
            job = self._locked(connection, claim)
            back = {"strikes": max(0, job.strikes - 1), "attempts": max(0, job.attempts - 1)}
            queue_again(connection, job, self.now(), back)

    # --- the work -------------------------------------------------------------------------------------------

    def plan(
        self, claim: Claim, chunks: Sequence[PlannedChunk], unit: str, reading: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """Keep the plan of a job; the chunks. A job that is planned already keeps its first plan."""
        with self._database.write() as connection:
            job = self._locked(connection, claim)
            if not job.planned:
                rows = [
                    {"job_id": job.id, "number": number, "state": "pending", "items": chunk.items,
                     "input_object": chunk.input.name, "input_sha256": chunk.input.sha256, "strikes": 0, "commits": 0}
                    for number, chunk in enumerate(chunks)
                ]  # fmt: skip
                if rows:
                    connection.execute(insert(job_chunks), rows)
                total = sum(chunk.items for chunk in chunks)
                values: dict[str, Any] = {"planned": True, "progress_total": total, "progress_unit": unit}
                if reading is not None:
                    values |= {"reading": dict(reading), "reading_sha256": digest(reading).removeprefix("sha256:")}
                connection.execute(update(jobs).where(_held(claim)).values(values))
                body = {"progress": {"done": 0, "total": total, "unit": unit}}
                tell(connection, job.id, "progress", body, self.now())
        return self.chunks(claim.id)

    def chunks(self, job_id: str) -> list[Chunk]:
        """The job's chunks in order."""
        columns = [job_chunks.c[name] for name in Chunk.__slots__]
        with self._database.read() as connection:
            query = select(*columns).where(job_chunks.c.job_id == job_id).order_by(job_chunks.c.number)
            return [Chunk(**row._asdict()) for row in connection.execute(query)]

    def commit(self, claim: Claim, number: int, output: Stored, summary: Mapping[str, Any]) -> Job:
        """Make a computed chunk count, once. Raises FenceLostError: the output is nobody's."""
        now = self.now()
        with self._database.write() as connection:
            job = self._locked(connection, claim)
            mine = and_(job_chunks.c.job_id == job.id, job_chunks.c.number == number)
            done = {
                "state": "done", "output_object": output.name, "output_sha256": output.sha256,
                "summary": dict(summary), "commits": job_chunks.c.commits + 1, "fence": claim.fence,
                "committed_at": now,
            }  # fmt: skip
            moved = connection.execute(
                update(job_chunks).where(mine, job_chunks.c.state == "pending").values(done).returning(
                    job_chunks.c["items"]
                )
            ).scalar_one_or_none()  # fmt: skip
            if moved is None:
                kept = connection.execute(select(job_chunks.c.output_object).where(mine)).scalar_one_or_none()
                if kept != output.name:
                    raise _lost()
                return job
            reached = job.progress_done + moved
            self._charge(connection, job, units_of(moved, summary))
            values = {"progress_done": reached, "strikes": 0, "heartbeat_at": now}
            connection.execute(update(jobs).where(_held(claim)).values(values))
            progress = {"done": reached, "total": job.progress_total, "unit": job.progress_unit}
            tell(connection, job.id, "progress", {"progress": progress}, now)
            return job_of(connection, job.id)

    def strike(self, claim: Claim, number: int | None) -> int:
        """Count a lost computation of a chunk (None: of the plan); how often it was lost now. The caller judges."""
        with self._database.write() as connection:
            self._locked(connection, claim)
            connection.execute(update(jobs).where(_held(claim)).values(attempts=jobs.c.attempts + 1))
            if number is None:
                return 0
            mine = and_(job_chunks.c.job_id == claim.id, job_chunks.c.number == number)
            query = update(job_chunks).where(mine).values(strikes=job_chunks.c.strikes + 1)
            return int(connection.execute(query.returning(job_chunks.c.strikes)).scalar_one())

    # --- ends -----------------------------------------------------------------------------------------------

    def finish(
        self, claim: Claim, result: Mapping[str, Any], counts: Mapping[str, int], held_back: int = 0,
        at: datetime | None = None,
    ) -> Job:  # fmt: skip
        """End a job well. Raises FenceLostError, ValueError.

        `result` is {object, json, sha256, bytes, rows}: what was kept (pipelines.jobs.outcome), the same as the JSON
        that is handed out, the digest of that JSON, the bytes of both, and the rows of its table.
        """
        with self._database.write() as connection:
            known = connection.execute(select(jobs.c.state, jobs.c.result).where(jobs.c.id == claim.id)).one_or_none()
            if known is not None and known.state == "succeeded" and known.result == dict(result):
                return job_of(connection, claim.id)
            job = self._locked(connection, claim)
            unfinished = select(func.count()).where(job_chunks.c.job_id == job.id, job_chunks.c.state != "done")
            if connection.execute(unfinished).scalar_one():
                raise ValueError("a job with open chunks cannot end well")
            self._storage.count(connection, job.tenant, int(result["bytes"]))
            values = {"result": dict(result), "counts": dict(counts), "held_back": held_back, "error": None}
            end(connection, job, "succeeded", at or self.now(), **values)
            return job_of(connection, job.id)

    def fail(self, claim: Claim, error: Mapping[str, Any]) -> Job:
        """End a job with its reason, a problem document in both languages. Raises FenceLostError."""
        with self._database.write() as connection:
            end(connection, self._locked(connection, claim), "failed", self.now(), error=dict(error))
            return job_of(connection, claim.id)

    def ask(self, claim: Claim, questions: Sequence[Mapping[str, Any]], reading: Mapping[str, Any] | None) -> Job:
        """Let a job wait for an answer (`needs_input`). Raises FenceLostError."""
        now = self.now()
        asked = [dict(question) for question in questions]
        with self._database.write() as connection:
            job = self._locked(connection, claim)
            values = {
                "state": "needs_input", "questions": asked, "reading": reading, "fence": jobs.c.fence + 1,
                "executor": None, "heartbeat_at": None,
            }  # fmt: skip
            connection.execute(update(jobs).where(_held(claim)).values(values))
            tell(connection, job.id, "status", {"status": "needs_input", "questions": asked}, now)
            return job_of(connection, job.id)

    # --- the reaper -----------------------------------------------------------------------------------------

    def reap(self, silent_seconds: float = BEAT_SECONDS * SILENT_BEATS) -> list[str]:
        """Queue running jobs again that nobody gave a sign of life for; their ids."""
        now = self.now()
        silent = and_(jobs.c.state == "running", jobs.c.heartbeat_at < now - timedelta(seconds=silent_seconds))
        with self._database.write() as connection:
            ids = list(connection.scalars(select(jobs.c.id).where(silent)))
            for job_id in ids:
                queue_again(connection, job_of(connection, job_id), now, {})
        return ids

    def _charge(self, connection: Connection, job: Job, units: int) -> None:
        """Add what a chunk of a file held to the shared counters of this minute (services.quota reads them)."""
        key = job.actor.get("key")
        if job.file_id is None or key is None or units == 0:
            return
        start = datetime.fromtimestamp(int(self._clock()) // USAGE_SECONDS * USAGE_SECONDS, UTC)
        new: Any = sqlite.insert if self._database.path is not None else postgresql.insert
        row = new(usage).values(key=key, window_start=start, tenant=job.tenant, requests=0, units=units)
        more = {"units": usage.c.units + row.excluded.units}
        connection.execute(row.on_conflict_do_update(index_elements=[usage.c.key, usage.c.window_start], set_=more))

    def _under_way(self, connection: Connection) -> dict[str, int]:
        """How many jobs of each tenant have a workflow."""
        going = (jobs.c.state == "running") | and_(jobs.c.state == "queued", jobs.c.dispatched.is_(True))
        query = select(jobs.c.tenant, func.count().label("jobs")).where(going).group_by(jobs.c.tenant)
        return {row.tenant: row.jobs for row in connection.execute(query)}

    def _locked(self, connection: Connection, claim: Claim) -> Job:
        """The claim's job, its row held until the transaction ends. Raises FenceLostError."""
        row = connection.execute(select(jobs.c.id).where(_held(claim)).with_for_update()).one_or_none()
        if row is None:
            raise _lost()
        return job_of(connection, claim.id)

    def now(self) -> datetime:
        """The instant, by the clock."""
        return datetime.fromtimestamp(self._clock(), UTC)


def units_of(items: int, summary: Mapping[str, Any]) -> int:
    """What a chunk is charged and recorded as: its points or cells; its items where the work does not count those."""
    return int(summary.get("units", items))


def needs_worker(database: Database) -> bool:
    """Whether any job waits or runs."""
    with database.read() as connection:
        query = select(jobs.c.id).where(jobs.c.state.in_(["queued", "running"])).limit(1)
        return connection.execute(query).one_or_none() is not None


def silence(database: Database, executor: str, at: datetime) -> float | None:
    """Seconds since the executor's last sign of life; None when it never gave one."""
    with database.read() as connection:
        query = select(executors.c.heartbeat_at).where(executors.c.id == executor)
        last = connection.execute(query).scalar_one_or_none()
    return None if last is None else (at - last).total_seconds()


def touch(database: Database, executor: str) -> None:
    """Write something that changes nothing. Raises UnavailableError when nobody can write; then silence is no sign."""
    with database.write() as connection:
        mine = executors.c.id == executor
        connection.execute(update(executors).where(mine).values(started_at=executors.c.started_at))


def _held(claim: Claim) -> ColumnElement[bool]:
    return and_(jobs.c.id == claim.id, jobs.c.fence == claim.fence, jobs.c.state == "running")


def _lost() -> FenceLostError:
    return FenceLostError("Công việc không còn do tiến trình này giữ.", "This worker no longer holds the job.")


def _worker_lost() -> dict[str, str]:
    return {
        "code": "worker-lost",
        "vi": f"Tiến trình xử lý đã dừng {MOST_DEATHS} lần mà không tiến thêm.",
        "en": f"The worker was lost {MOST_DEATHS} times without progress.",
    }
