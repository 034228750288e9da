"""Ray's door for jobs: places that compute, each an actor of its own.

Decisions
- An actor keeps models open from chunk to chunk; it is made when a task comes and let go when none comes for a while,
  so a platform without jobs pays nothing for them.
- An actor that dies is replaced, and its task told lost; whether that is the task's fault is judged by the engine. When
  not even a new actor comes up, Ray itself is away: the task is refused for now, which costs the job no attempt.
- An actor may use so much memory and no more: a job that needs more hears so, instead of the machine being emptied.
"""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayError

from models.errors import UnavailableError
from pipelines.jobs.compute import Answer, ComputeLostError, Task
from pipelines.jobs.work import Bench, perform, told
from registry.objects import Objects
from services.works import WORKS

LOOK_SECONDS: Final = 0.25
READY_SECONDS: Final = 60.0
TASK_SECONDS: Final = 900.0
MEMORY_BYTES: Final = 3_000_000_000
AWAY_SECONDS: Final = 20.0


class Place:
    """Inside the actor: a bench, and the types of jobs."""

    def __init__(self, objects: str, memory_bytes: int) -> None:
        """Fence the process in, then open the bench."""
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._bench = Bench(Objects(Path(objects)))

    def ready(self) -> bool:
        """It is."""
        return True

    def perform(self, kind: str, facts: Mapping[str, Any]) -> Answer:
        """Do one task."""
        return perform(self._bench, WORKS, kind, facts)


class Link:
    """The connection of this process to the installation's Ray, made at the first task. Safe for threads."""

    def __init__(self, address: str, lost: Callable[[], None]) -> None:
        """`lost` is called when Ray cannot be reached any more: this process is of no use then."""
        self._address = address
        self._lost = lost
        self._lock = threading.Lock()

    def join(self) -> None:
        """Connect, unless that is done. Raises UnavailableError."""
        with self._lock:
            if ray.is_initialized():
                return
            try:
                ray.init(
                    address=self._address, log_to_driver=False, logging_level=logging.ERROR, namespace="jobs",
                    configure_logging=False,
                )  # fmt: skip
            except (RayError, RuntimeError, ConnectionError, TimeoutError, OSError, ValueError) as error:
                self._lost()
                raise _away() from error

    def lost(self) -> None:
        """Tell that Ray is away."""
        self._lost()

    def leave(self) -> None:
        """Disconnect; the actors of this process end with it."""
        with self._lock:
            if ray.is_initialized():
                ray.shutdown()


class RayPlace:
    """A runner that computes in an actor of Ray (see pipelines.jobs.compute)."""

    def __init__(self, link: Link, objects: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        """Nothing is started before the first task."""
        self._link = link
        self._objects = objects
        self._memory_bytes = memory_bytes
        self._actor: Any = None

    def run(self, task: Task, unwanted: Callable[[], bool]) -> Answer:
        """See Runner."""
        try:
            self._make_ready()
        except UnavailableError as error:
            return {"refused": told(error), "again": True}
        try:
            pending = self._actor.perform.remote(task.kind, dict(task.facts))
            deadline = time.monotonic() + TASK_SECONDS
            while not ray.wait([pending], timeout=LOOK_SECONDS)[0]:
                if unwanted() or time.monotonic() > deadline:
                    raise ComputeLostError("Phép tính bị dừng.", "The computation was ended.")
            answer: Answer = ray.get(pending)
            return answer
        except (RayError, ComputeLostError, RuntimeError, OSError) as error:
            self.rest()
            raise ComputeLostError("Tiến trình tính toán dừng.", "The computing process ended.") from error

    def rest(self) -> None:
        """See Runner."""
        actor, self._actor = self._actor, None
        if actor is not None:
            try:
                ray.kill(actor)
            except (RayError, RuntimeError, ValueError, OSError):
                return

    def _make_ready(self) -> None:
        """An actor that answers; a dead one is replaced. Raises UnavailableError when Ray is away."""
        started = time.monotonic()
        while True:
            self._link.join()
            try:
                if self._actor is None:
                    place = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Place)
                    self._actor = place.remote(str(self._objects), self._memory_bytes)
                ray.get(self._actor.ready.remote(), timeout=READY_SECONDS)
                return
            except (RayError, RuntimeError, TimeoutError, OSError) as error:
                self.rest()
                if time.monotonic() - started > AWAY_SECONDS:
                    self._link.lost()
                    raise _away() from error
                time.sleep(0.5)


def _away() -> UnavailableError:
    return UnavailableError("Chưa kết nối được Ray.", "Ray cannot be reached.", 5, code="compute-away")
