"""The story of one job, in one place: claim → plan → chunks (permit, compute, remember, commit) → finish.

Decisions
- The engine computes nothing and keeps nothing: what was committed is in the rows, so it may be killed at any line and
  told again from the beginning; a chunk that was computed but not committed is computed once more, never counted twice.
- A record of each chunk is durable before the chunk counts. When the record cannot be written the chunk waits.
- What is away (database locked, disk full, registry unreadable) is waited for with growing pauses, without a limit: an
  accepted job outlives any outage. Only refusals, a closed gate, and a computation lost three times end it.
- While it waits for a computation it gives a sign of life and looks whether it still holds the job; after a
  cancellation it lets the computation go and commits nothing (the fence would refuse it).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, Final, Protocol, TypeVar

from models.errors import PlatformError, UnavailableError
from pipelines.jobs.compute import Answer, Compute, ComputeLostError, Task
from pipelines.jobs.gate import Gate
from pipelines.jobs.sources import Sources
from pipelines.jobs.work import told
from registry.claims import BEAT_SECONDS, MOST_CHUNK_STRIKES, Chunk, Claim, Claims, FenceLostError, PlannedChunk
from registry.entries import Entry
from registry.objects import Objects, Stored

LOOK_SECONDS: Final = 0.5
PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STRIKE_PAUSES: Final = (0.5, 2.0, 5.0)

T = TypeVar("T")


class StoppingError(Exception):
    """The worker ends: the job goes back to the queue."""


class JobFailedError(Exception):
    """The job cannot be done; `reason` is what its caller reads."""

    def __init__(self, reason: Mapping[str, Any]) -> None:
        super().__init__(str(reason.get("code")))
        self.reason = dict(reason)


class Remember(Protocol):
    """Writes the ledger's record of a computed chunk."""

    def __call__(self, claim: Claim, chunk: Chunk, entry: Entry, summary: Mapping[str, Any]) -> bool:
        """Whether the record is durable."""


class Engine:
    """Does jobs. `run` may be called from several threads at once, each with a job of its own."""

    def __init__(
        self,
        claims: Claims,
        objects: Objects,
        compute: Compute,
        gate: Gate,
        sources: Sources,
        remember: Remember,
        *,
        stopping: threading.Event | None = None,
    ) -> None:
        """When `stopping` is set every job that is being done goes back to the queue."""
        self._claims = claims
        self._objects = objects
        self._compute = compute
        self._gate = gate
        self._sources = sources
        self._remember = remember
        self._stopping = stopping or threading.Event()

    def run(self, job_id: str, runs: int) -> str:
        """Do a job; how it ended: succeeded, failed, needs_input, released, or gone (somebody else's, or ended)."""
        try:
            claim = self._patiently(lambda: self._claims.claim(job_id, runs))
        except StoppingError:
            return "released"
        if claim is None:
            return "gone"
        try:
            return self._do(claim)
        except FenceLostError:
            return "gone"
        except StoppingError:
            return self._release(claim)
        finally:
            self._compute.abandon(job_id)

    def _do(self, claim: Claim) -> str:
        try:
            chunks = self._claims.chunks(claim.id) if claim.job.planned else self._plan(claim)
            if chunks is None:
                return "needs_input"
            self._work(claim, chunks)
            self._finish(claim)
            return "succeeded"
        except JobFailedError as error:
            reason = error.reason
        except UnavailableError:
            raise
        except FenceLostError:
            raise
        except PlatformError as error:
            reason = told(error)
        self._patiently(lambda: self._claims.fail(claim, reason))
        return "failed"

    # --- the steps ------------------------------------------------------------------------------------------

    def _plan(self, claim: Claim) -> list[Chunk] | None:
        """The job's chunks; None when it waits for an answer."""
        entry = self._permit(claim)
        facts = self._patiently(lambda: self._sources.of(claim.job)) | self._common(claim, entry)
        done = self._one(claim, "plan", facts)
        if "questions" in done:
            pattern = self._patiently(lambda: self._sources.pattern(claim.job, str(done["fingerprint"])))
            if pattern is not None:
                done = self._one(claim, "plan", {**facts, "pattern": pattern})
        if "questions" in done:
            self._patiently(lambda: self._claims.ask(claim, done["questions"], done["reading"]))
            return None
        chunks = [PlannedChunk(int(each["items"]), _stored(each)) for each in done["chunks"]]
        return self._patiently(lambda: self._claims.plan(claim, chunks, done["unit"], done.get("reading")))

    def _work(self, claim: Claim, chunks: list[Chunk]) -> None:
        """Compute and commit every chunk that is not done, a few at once."""
        waiting = deque(chunk for chunk in chunks if chunk.state != "done")
        under_way: dict[Future[Answer], tuple[Chunk, Entry]] = {}
        while waiting or under_way:
            while waiting and len(under_way) < self._compute.places:
                chunk = waiting.popleft()
                entry = self._permit(claim)
                facts = self._common(claim, entry) | {
                    "input": {"object": chunk.input_object, "sha256": chunk.input_sha256}
                }
                under_way[self._submit(claim, "chunk", facts)] = (chunk, entry)
            for future in self._await(claim, list(under_way)):
                chunk, entry = under_way.pop(future)
                done = self._judge(claim, future, chunk.number)
                if done is None:
                    waiting.append(chunk)
                else:
                    self._count(claim, chunk, entry, done)

    def _count(self, claim: Claim, chunk: Chunk, entry: Entry, done: Mapping[str, Any]) -> None:
        """Remember a computed chunk, then make it count."""
        output, summary = _stored(done["output"]), done["summary"]

        def commit() -> None:
            if not self._remember(claim, chunk, entry, summary):
                raise UnavailableError("Chưa ghi được nhật ký.", "The record cannot be written.", code="ledger-away")
            self._claims.commit(claim, chunk.number, output, summary)

        try:
            self._patiently(commit)
        except FenceLostError:
            self._objects.delete(output.name)
            raise

    def _finish(self, claim: Claim) -> None:
        entry = self._permit(claim)
        now = self._claims.now()
        header = self._patiently(lambda: self._sources.header(claim.job.id, entry, now))
        chunks: list[dict[str, Any]] = [
            {
                "input": {"object": chunk.input_object, "sha256": chunk.input_sha256},
                "output": {"object": chunk.output_object, "sha256": chunk.output_sha256},
                "summary": chunk.summary,
            }
            for chunk in self._patiently(lambda: self._claims.chunks(claim.id))
        ]
        done = self._one(claim, "finish", self._common(claim, entry) | {"chunks": chunks, "header": header})
        result = done["result"]
        try:
            self._patiently(lambda: self._claims.finish(claim, result, done["counts"], int(done["held_back"]), now))
        except FenceLostError:
            for name in ("object", "json"):
                self._objects.delete(str(result[name]))
            raise
        for chunk in chunks:  # the outcome holds them now
            self._objects.delete(str(chunk["output"]["object"]))
            self._objects.delete(str(chunk["input"]["object"]))

    # --- computing ------------------------------------------------------------------------------------------

    def _common(self, claim: Claim, entry: Entry) -> dict[str, Any]:
        model = {"name": entry.name, "artifact": entry.digests.artifact, "folder": entry.folder}
        return {"type": claim.job.type, "parameters": dict(claim.job.parameters), "model": model}

    def _submit(self, claim: Claim, kind: str, facts: Mapping[str, Any]) -> Future[Answer]:
        return self._compute.submit(Task(claim.job.tenant, claim.id, kind, facts))

    def _one(self, claim: Claim, kind: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """One task, repeated when it was lost, at most three times."""
        lost = 0
        while True:
            future = self._submit(claim, kind, facts)
            while not self._await(claim, [future]):
                continue
            done = self._judge(claim, future, None, lost)
            if done is not None:
                return done
            lost += 1

    def _judge(
        self, claim: Claim, future: Future[Answer], number: int | None, lost: int = 0
    ) -> Mapping[str, Any] | None:
        """What a finished future gave; None when the task is to be done again.

        Raises JobFailedError for a refusal, or when the task was lost for the third time.
        """
        try:
            answer: Answer = future.result()
        except (ComputeLostError, CancelledError):
            answer = {"broken": ["ComputeLostError"]}
        if "done" in answer:
            found: Mapping[str, Any] = answer["done"]
            return found
        if "refused" in answer:
            if not answer.get("again"):
                raise JobFailedError(answer["refused"])
            self._pause(claim, PAUSES[-1])
            return None
        strikes = self._patiently(lambda: self._claims.strike(claim, number))
        strikes = lost + 1 if number is None else strikes
        if strikes >= MOST_CHUNK_STRIKES:
            raise JobFailedError(_lost(number, strikes, answer["broken"]))
        self._pause(claim, STRIKE_PAUSES[min(strikes, len(STRIKE_PAUSES)) - 1])
        return None

    def _await(self, claim: Claim, futures: list[Future[Answer]]) -> list[Future[Answer]]:
        """The futures that are done, waiting for the first at most until the next sign of life.

        Raises FenceLostError when the job is no longer held, StoppingError.
        """
        until = time.monotonic() + BEAT_SECONDS
        while time.monotonic() < until:
            finished, _ = wait(futures, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if self._stopping.is_set():
                raise StoppingError
            if finished:
                return [future for future in futures if future in finished]
            if not self._patiently(lambda: self._claims.holds(claim)):
                raise FenceLostError("Công việc đã dừng.", "The job was ended.")
        self._beat(claim)
        return []

    def _permit(self, claim: Claim) -> Entry:
        return self._patiently(lambda: self._gate.permit(claim.job.model))

    def _beat(self, claim: Claim) -> None:
        if not self._patiently(lambda: self._claims.beat([claim])):
            raise FenceLostError("Công việc đã dừng.", "The job was ended.")

    def _pause(self, claim: Claim, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise StoppingError
        self._beat(claim)

    def _release(self, claim: Claim) -> str:
        """Give the job back while the worker ends; when that fails the reaper finds it."""
        try:
            self._claims.release(claim)
        except PlatformError:
            return "gone"
        return "released"

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do something that may be away for a while. Raises StoppingError when the worker ends before."""
        tries = 0
        while True:
            try:
                return act()
            except UnavailableError as error:
                if self._stopping.wait(PAUSES[min(tries, len(PAUSES) - 1)]):
                    raise StoppingError from error
                tries += 1


def _stored(facts: Mapping[str, Any]) -> Stored:
    return Stored(str(facts["object"]), int(facts["bytes"]), str(facts["sha256"]))


def _lost(number: int | None, strikes: int, places: list[str]) -> dict[str, Any]:
    """The reason of a job that was given up."""
    where = {} if number is None else {"chunk": number}
    kind = places[0] if places else "?"
    return {
        "code": "computation-lost" if kind == "ComputeLostError" else "computation-failed",
        "vi": f"Phép tính hỏng {strikes} lần liên tiếp ({kind}); có thể cho chạy lại.",
        "en": f"The computation failed {strikes} times in a row ({kind}); the job can be queued again.",
        "attempts": strikes,
        **where,
        "at": places[1:],
    }
