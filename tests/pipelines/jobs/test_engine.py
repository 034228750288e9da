"""The story of one job, and every way in which it can be interrupted."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from models.errors import ConflictError, GateClosedError, UnavailableError
from pipelines.jobs import engine as engine_module
from pipelines.jobs.compute import ComputeLostError
from registry.claims import MOST_CHUNK_STRIKES, Claims
from registry.database import Database
from registry.jobs import NewJob
from registry.readings import Readings
from registry.storage import Storage
from registry.tables import job_chunks
from tests.pipelines.jobs.conftest import MODEL, Shop


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PAUSES", (0.01,))
    monkeypatch.setattr(engine_module, "STRIKE_PAUSES", (0.01,))
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.02)


def commits(shop: Shop) -> list[int]:
    with shop.database.read() as connection:
        return list(connection.scalars(select(job_chunks.c.commits).order_by(job_chunks.c.job_id, job_chunks.c.number)))


def test_a_job_is_planned_computed_and_put_together(shop: Shop):
    job = shop.new(count=5)
    assert shop.engine().run(job.id, 1) == "succeeded"
    done = shop.get(job)
    assert (done.state, done.progress_done, done.progress_total, done.attempts) == ("succeeded", 5, 5, 1)
    assert shop.outcome(job) == b"0\n2\n4\n6\n8\n"
    assert commits(shop) == [1] * 5
    assert sorted(number for _, number in shop.remembered) == [0, 1, 2, 3, 4]
    assert done.counts == {"succeeded": 5, "failed": 0}
    kept = {path.name for path in shop.objects.root.glob("??/*")}
    assert kept == {done.data_object, (done.result or {})["object"], (done.result or {})["json"]}


def test_an_empty_job_ends_well(shop: Shop):
    job = shop.new(count=0)
    assert shop.engine().run(job.id, 1) == "succeeded"
    assert shop.get(job).result


def test_a_job_that_ended_or_belongs_to_another_workflow_is_left_alone(shop: Shop):
    job = shop.new()
    assert shop.engine().run(job.id, 2) == "gone"
    shop.jobs.cancel("ten_a", job.id)
    assert shop.engine().run(job.id, 1) == "gone"
    assert shop.toy.computed == []


def test_a_refused_plan_fails_the_job_with_its_pointer(shop: Shop):
    job = shop.new(count=-1)
    assert shop.engine().run(job.id, 1) == "failed"
    error = shop.get(job).error or {}
    assert (error["code"], error["errors"][0]["pointer"]) == ("negative", "/count")
    assert shop.get(job).attempts == 1


def test_a_deleted_input_fails_the_job_with_the_reason(shop: Shop):
    job = shop.jobs.create(job_of_a_file("file_gone"))[0]
    assert shop.engine().run(job.id, 1) == "failed"
    assert (shop.get(job).error or {})["code"] == "input-gone"


def job_of_a_file(file_id: str) -> NewJob:
    return NewJob(
        tenant="ten_a", actor={}, request_id="r", type="toy", parameters={"count": 1}, model=MODEL,
        input_sha256="0" * 64, file_id=file_id,
    )  # fmt: skip


def test_a_question_waits_for_an_answer_unless_a_named_reading_gives_it(shop: Shop):
    job = shop.new(parameters={"ask": "number-format"})
    assert shop.engine().run(job.id, 1) == "needs_input"
    waiting = shop.get(job)
    assert (waiting.state, waiting.questions) == ("needs_input", [{"code": "number-format"}])
    Readings(shop.database, time.time).add("ten_a", "sub", "file", "0" * 64, "f1", {"tables": [7]}, 0, "mẫu")
    answered = shop.jobs.requeue("ten_a", job.id)
    assert shop.engine().run(job.id, answered.runs) == "succeeded"
    assert shop.get(job).reading == {"tables": [7]}


def test_a_poison_chunk_kills_its_job_after_three_tries_with_the_reason(shop: Shop):
    def poison() -> None:
        raise ZeroDivisionError("a secret number")

    shop.toy.orders[1] = poison
    bad, good = shop.new(count=3), shop.new(count=3, tenant="ten_b")
    engine = shop.engine()
    assert engine.run(bad.id, 1) == "failed"
    failed = shop.get(bad)
    error = failed.error or {}
    assert (error["code"], error["chunk"], error["attempts"]) == ("computation-failed", 1, MOST_CHUNK_STRIKES)
    assert "secret" not in str(error)
    assert shop.toy.computed.count(1) == 3
    shop.toy.orders.clear()
    assert engine.run(good.id, 1) == "succeeded"
    again = shop.jobs.requeue("ten_a", bad.id)
    assert engine.run(bad.id, again.runs) == "succeeded"
    assert set(commits(shop)) == {1}


def test_a_lost_computation_is_done_again(shop: Shop):
    lives = iter([ComputeLostError("", ""), ComputeLostError("", ""), None])

    def die() -> None:
        fault = next(lives)
        if fault is not None:
            raise fault

    shop.toy.orders[2] = die
    job = shop.new(count=4)
    assert shop.engine().run(job.id, 1) == "succeeded"
    assert shop.toy.computed.count(2) == 3
    assert shop.get(job).attempts == 3
    assert commits(shop) == [1] * 4


def test_a_full_disk_is_waited_for_and_costs_no_attempt(shop: Shop):
    full = iter([True] * 5 + [False])

    def maybe() -> None:
        if next(full):
            raise UnavailableError("", "", code="storage-full")

    shop.toy.orders[0] = maybe
    job = shop.new(count=2)
    assert shop.engine().run(job.id, 1) == "succeeded"
    assert shop.get(job).attempts == 1


def test_a_locked_database_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    plain, failures = Claims.commit, iter([True, False] * 50)

    def sometimes(self, *arguments):
        if next(failures):
            raise UnavailableError("", "", code="database-busy")
        return plain(self, *arguments)

    monkeypatch.setattr(Claims, "commit", sometimes)
    job = shop.new(count=4)
    assert shop.engine().run(job.id, 1) == "succeeded"
    assert commits(shop) == [1] * 4


def test_a_chunk_counts_only_once_its_record_is_durable(shop: Shop):
    shop.ledger_away = True
    job = shop.new(count=1)
    thread = threading.Thread(target=shop.engine().run, args=(job.id, 1))
    thread.start()
    time.sleep(0.3)
    assert shop.get(job).progress_done == 0
    shop.ledger_away = False
    thread.join(10)
    assert shop.get(job).state == "succeeded"


def test_a_model_suspended_in_the_middle_fails_the_job_with_the_gates_reason(shop: Shop):
    def suspend() -> None:
        shop.gate.closed = GateClosedError("Đã dừng.", "Suspended.", model="toy@1.0.0", state="suspended", missing=[])

    shop.toy.orders[1] = suspend
    job = shop.new(count=6)
    assert shop.engine(shop.pool(places=1)).run(job.id, 1) == "failed"
    failed = shop.get(job)
    assert ((failed.error or {})["code"], (failed.error or {})["state"]) == ("gate-closed", "suspended")
    assert failed.progress_done < 6
    shop.gate.closed = None
    assert shop.engine().run(job.id, shop.jobs.requeue("ten_a", job.id).runs) == "succeeded"
    assert commits(shop) == [1] * 6


def test_a_cancelled_job_commits_nothing_more_and_ends_soon(shop: Shop):
    slow = threading.Event()
    shop.toy.orders = {number: lambda: slow.wait(10) and None for number in range(1, 50)}
    job = shop.new(count=50)
    thread = threading.Thread(target=shop.engine().run, args=(job.id, 1))
    thread.start()
    deadline = time.monotonic() + 5
    while shop.get(job).progress_done < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    shop.jobs.cancel("ten_a", job.id)
    reached = shop.get(job).progress_done
    thread.join(3)
    assert not thread.is_alive()
    slow.set()
    time.sleep(0.2)
    assert (shop.get(job).state, shop.get(job).progress_done) == ("cancelled", reached)
    assert len(shop.toy.computed) <= 4


def test_a_stopping_worker_gives_its_jobs_back_unharmed(shop: Shop):
    hold = threading.Event()
    shop.toy.orders[1] = lambda: hold.wait(10) and None
    job = shop.new(count=3)
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(shop.engine().run(job.id, 1)))
    thread.start()
    time.sleep(0.3)
    shop.stopping.set()
    thread.join(5)
    hold.set()
    assert ended == ["released"]
    back = shop.get(job)
    assert (back.state, back.strikes, back.runs) == ("queued", 0, 2)
    shop.stopping.clear()
    assert shop.engine().run(job.id, 2) == "succeeded"
    assert commits(shop) == [1] * 3


def test_a_paused_worker_that_wakes_up_commits_nothing(shop: Shop):
    """What SIGSTOP does: the job is taken over while the first worker stands still in the middle of a chunk."""
    hold, first = threading.Event(), threading.Event()

    def stand_still() -> None:
        if not first.is_set():
            first.set()
            hold.wait(10)

    shop.toy.orders[0] = stand_still
    job = shop.new(count=3)
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(shop.engine().run(job.id, 1)))
    thread.start()
    assert first.wait(5)
    other = Claims(shop.database, Storage(shop.database), lambda: time.time() + 60, "other")
    assert other.reap(15) == [job.id]
    assert shop.engine(claims=other).run(job.id, 2) == "succeeded"
    hold.set()
    thread.join(5)
    assert ended == ["gone"]
    assert shop.outcome(job) == b"0\n2\n4\n"
    assert commits(shop) == [1] * 3


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_job_survives_a_death_at_every_single_write(shop: Shop, monkeypatch: pytest.MonkeyPatch, when: str):
    """The N-th transaction of the worker is the last thing it does, for every N until a job runs through."""
    plain = Database.write
    writes = {"left": 0}

    @contextmanager
    def mortal(self):
        writes["left"] -= 1
        if writes["left"] == 0 and when == "before":
            raise Killed
        with plain(self) as connection:
            yield connection
        if writes["left"] == 0 and when == "after":
            raise Killed

    number = 0
    survived = False
    while not survived:
        number += 1
        job = shop.new(count=3)
        monkeypatch.setattr(Database, "write", mortal)
        writes["left"] = number
        try:
            shop.engine(shop.pool(places=1)).run(job.id, 1)
            survived = True
        except Killed:
            pass
        monkeypatch.setattr(Database, "write", plain)
        if not survived and shop.get(job).state != "succeeded":
            assert shop.engine().run(job.id, 1) == "succeeded"
        assert shop.get(job).state == "succeeded"
        assert shop.outcome(job) == b"0\n2\n4\n"
        events = shop.jobs.events(["ten_a"], job.id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert number > 5
    assert set(commits(shop)) == {1}


def test_two_workers_at_one_job_give_one_result(shop: Shop):
    job = shop.new(count=20)
    ended: list[str] = []
    threads = [threading.Thread(target=lambda: ended.append(shop.engine().run(job.id, 1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ended) == ["gone", "gone", "gone", "succeeded"]
    assert commits(shop) == [1] * 20
    with pytest.raises(ConflictError):
        shop.jobs.requeue("ten_a", job.id)
