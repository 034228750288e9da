"""The pool: tenants in turn, warm places first, abandoned work let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any

import pytest

from pipelines.jobs import compute
from pipelines.jobs.compute import ComputeLostError, InProcess, Pool, Task


class Recorder:
    """A runner that notes what it did, and waits where it is told to."""

    def __init__(self, done: list[str], hold: threading.Event | None = None) -> None:
        self.done, self.hold = done, hold
        self.rested = 0
        self.ended = 0

    def run(self, task: Task, unwanted: Callable[[], bool]) -> Mapping[str, Any]:
        self.done.append(task.job_id)
        while self.hold is not None and not self.hold.wait(0.01):
            if unwanted():
                self.ended += 1
                raise ComputeLostError("", "")
        return {"done": {"job": task.job_id}}

    def rest(self) -> None:
        self.rested += 1


def task(job: str, tenant: str = "a") -> Task:
    return Task(tenant, job, "chunk", {})


def test_tenants_take_turns_task_by_task():
    done: list[str] = []
    gate = threading.Event()
    pool = Pool([Recorder(done, gate)])
    futures = [pool.submit(task("first"))]
    time.sleep(0.05)
    futures += [pool.submit(task(f"a{n}")) for n in range(100)]
    futures += [pool.submit(task(f"b{n}", "b")) for n in range(2)]
    gate.set()
    for future in futures:
        future.result(5)
    assert done[:6] == ["first", "a0", "b0", "a1", "b1", "a2"]
    pool.close()


def test_the_place_that_computed_last_computes_next():
    done: list[list[str]] = [[], [], []]
    pool = Pool([Recorder(each) for each in done])
    time.sleep(0.05)
    for number in range(10):
        pool.submit(task(str(number))).result(5)
        time.sleep(0.01)
    assert sorted(map(len, done)) == [0, 0, 10]
    pool.close()


def test_an_abandoned_job_loses_what_waits_at_once_and_what_runs_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compute, "ABANDON_SECONDS", 0.1)
    runner = Recorder([], threading.Event())
    pool = Pool([runner])
    running, waiting = pool.submit(task("x")), pool.submit(task("x"))
    time.sleep(0.05)
    pool.abandon("x")
    with pytest.raises(CancelledError):
        waiting.result(0)
    with pytest.raises(ComputeLostError):
        running.result(2)
    assert runner.ended == 1
    other = pool.submit(task("x"))
    assert runner.hold is not None
    runner.hold.set()
    assert other.result(2)["done"] == {"job": "x"}
    pool.close()


def test_a_place_without_work_rests_and_wakes_up_again():
    runner = Recorder([])
    pool = Pool([runner], idle_seconds=0.05)
    time.sleep(0.2)
    assert runner.rested >= 1
    assert pool.submit(task("x")).result(2)
    pool.close()
    with pytest.raises(ComputeLostError):
        pool.submit(task("y"))


def test_a_function_that_raises_is_a_lost_computation():
    def fail(kind: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError

    pool = Pool([InProcess(fail)])
    with pytest.raises(ComputeLostError):
        pool.submit(task("x")).result(2)
    pool.close()
