"""Where computing happens, behind a small port: tasks in, plain answers out, the tenants in turn.

    Engine ──submit──▶ Compute (Pool) ──▶ Runner: one place that computes one task at a time
                                            ├── InProcess   a function call, for tests and tools
                                            └── services.executor   an actor of Ray

Decisions
- A task and its answer are plain JSON values and names of objects, so it does not matter where it is computed.
- An answer says what happened: `done`, `refused` (the task cannot be done, and why), or `broken` (a fault of the code).
  A computation that gave no answer at all is `ComputeLostError`: its process died or was ended.
- Tenants take turns task by task, so a job of one tenant waits for at most one task of each other tenant and place.
- The place that computed last computes next, so one job at a time needs one place, kept warm, and not all of them.
- A job that was abandoned loses its waiting tasks at once; a task that still runs is ended after a grace.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

from models.errors import PlatformError

ABANDON_SECONDS: Final = 3.0
IDLE_SECONDS: Final = 60.0
Answer = Mapping[str, Any]


class ComputeLostError(PlatformError):
    """Mất kết quả tính toán | The computation was lost"""

    code = "computation-lost"


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of computing for a job: `kind` is plan, chunk or finish."""

    tenant: str
    job_id: str
    kind: str
    facts: Mapping[str, Any]


class Compute(Protocol):
    """Computes tasks."""

    @property
    def places(self) -> int:
        """How many tasks are computed at once."""

    def submit(self, task: Task) -> Future[Answer]:
        """Compute a task when its turn comes; the future may raise ComputeLostError."""

    def abandon(self, job_id: str) -> None:
        """Nobody waits for this job's tasks any more."""

    def close(self) -> None:
        """End everything; what runs is lost."""


class Runner(Protocol):
    """One place that computes one task at a time; used by one thread."""

    def run(self, task: Task, unwanted: Callable[[], bool]) -> Answer:
        """Compute. `unwanted` tells when to end the task. Raises ComputeLostError."""

    def rest(self) -> None:
        """Let go of what is kept ready; called when nothing was asked for a while, and at the end."""


class Turns:
    """Tasks that wait, the tenants in turn. Guarded by the pool's lock."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: OrderedDict[str, deque[tuple[Task, Future[Answer]]]] = OrderedDict()

    def put(self, task: Task, future: Future[Answer]) -> None:
        """Let a task wait behind its tenant's others."""
        self._waiting.setdefault(task.tenant, deque()).append((task, future))

    def take(self) -> tuple[Task, Future[Answer]] | None:
        """The next tenant's first task; that tenant goes to the end of the row."""
        while self._waiting:
            tenant, tasks = self._waiting.popitem(last=False)
            task, future = tasks.popleft()
            if tasks:
                self._waiting[tenant] = tasks
            if future.set_running_or_notify_cancel():
                return task, future
        return None

    def drop(self, job_id: str) -> None:
        """Cancel what waits of a job."""
        for tasks in self._waiting.values():
            for task, future in tasks:
                if task.job_id == job_id:
                    future.cancel()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting


class Pool:
    """A Compute over several runners, each with a thread of its own."""

    def __init__(self, runners: Sequence[Runner], *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Start the threads; a runner without work for `idle_seconds` rests."""
        self._idle_seconds = idle_seconds
        self._turns = Turns()
        self._running: dict[int, Task] = {}
        self._abandoned: dict[str, float] = {}
        self._lock = threading.Lock()
        self._bells = [threading.Condition(self._lock) for _ in runners]
        self._idle: list[int] = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(number, runner), name=f"compute-{number}", daemon=True)
            for number, runner in enumerate(runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def places(self) -> int:
        """See Compute."""
        return len(self._threads)

    def submit(self, task: Task) -> Future[Answer]:
        """See Compute."""
        future: Future[Answer] = Future()
        with self._lock:
            if self._closed:
                raise ComputeLostError("Đang dừng.", "Stopping.")
            self._abandoned.pop(task.job_id, None)
            self._turns.put(task, future)
            if self._idle:
                self._bells[self._idle.pop()].notify()
        return future

    def abandon(self, job_id: str) -> None:
        """See Compute."""
        with self._lock:
            self._turns.drop(job_id)
            if any(task.job_id == job_id for task in self._running.values()):
                self._abandoned[job_id] = time.monotonic() + ABANDON_SECONDS

    def close(self) -> None:
        """See Compute."""
        with self._lock:
            self._closed = True
            for bell in self._bells:
                bell.notify()
        for thread in self._threads:
            thread.join(5.0)

    def _serve(self, number: int, runner: Runner) -> None:
        """One runner's life: take, compute, answer; rest when there is nothing to do."""
        while not self._closed:
            taken = self._next(number)
            if taken is None:
                runner.rest()
                continue
            task, future = taken
            try:
                future.set_result(runner.run(task, lambda job_id=task.job_id: self._unwanted(job_id)))  # type: ignore[misc]
            except BaseException as error:  # whatever it was, the waiting side must hear of it
                future.set_exception(error)
            with self._lock:
                del self._running[number]
                if all(other.job_id != task.job_id for other in self._running.values()):
                    self._abandoned.pop(task.job_id, None)
        runner.rest()

    def _next(self, number: int) -> tuple[Task, Future[Answer]] | None:
        """The next task; None after `idle_seconds` without one, or at the end."""
        with self._lock:
            until = time.monotonic() + self._idle_seconds
            while not self._closed:
                taken = self._turns.take()
                if taken is not None:
                    self._running[number] = taken[0]
                    return taken
                if number not in self._idle:
                    self._idle.append(number)
                if not self._bells[number].wait(max(0.0, until - time.monotonic())):
                    break
            if number in self._idle:
                self._idle.remove(number)
            return None

    def _unwanted(self, job_id: str) -> bool:
        return self._closed or time.monotonic() > self._abandoned.get(job_id, float("inf"))


class InProcess:
    """A runner that calls a function: for tests, and wherever one process is enough."""

    def __init__(self, perform: Callable[[str, Mapping[str, Any]], Answer]) -> None:
        """`perform(kind, facts)` computes; what it raises is a lost computation."""
        self._perform = perform

    def run(self, task: Task, unwanted: Callable[[], bool]) -> Answer:
        """See Runner."""
        try:
            return self._perform(task.kind, task.facts)
        except Exception as error:
            raise ComputeLostError("Tiến trình tính toán dừng.", "The computing process ended.") from error

    def rest(self) -> None:
        """See Runner."""
