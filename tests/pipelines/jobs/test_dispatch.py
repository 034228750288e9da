"""The worker's rounds: the tenants in turn, silent jobs taken up, an idle worker ending by itself."""

from __future__ import annotations

import threading
import time

import pytest

from models.errors import UnavailableError
from pipelines.jobs import dispatch
from pipelines.jobs.dispatch import OF_A_TENANT, Dispatcher
from registry.claims import Claims, Waiting
from registry.storage import Storage
from tests.pipelines.jobs.conftest import Shop


class Starts:
    """A driver that only notes what it was to start."""

    def __init__(self, over: set[str] | None = None) -> None:
        self.started: list[Waiting] = []
        self.over = over or set()

    def start(self, job: Waiting) -> bool:
        self.started.append(job)
        return f"{job.id}.{job.runs}" not in self.over


def dispatcher(shop: Shop, starts: Starts, **more) -> Dispatcher:
    return Dispatcher(shop.claims, starts, stopping=shop.stopping, **more)


def test_a_crowd_of_one_tenant_does_not_stand_before_another(shop: Shop):
    crowd = [shop.new(count=1).id for _ in range(40)]
    first = shop.new("ten_b", count=1).id
    starts = Starts()
    rounds = dispatcher(shop, starts)
    assert rounds.offer() == OF_A_TENANT + 1
    assert {job.id for job in starts.started} == {*crowd[:OF_A_TENANT], first}
    assert rounds.offer() == 0


def test_a_workflow_that_is_over_is_followed_by_another(shop: Shop):
    job = shop.new(count=1)
    starts = Starts(over={f"{job.id}.1"})
    rounds = dispatcher(shop, starts)
    rounds.offer()
    rounds.offer()
    assert [(one.id, one.runs) for one in starts.started] == [(job.id, 1), (job.id, 2)]


def test_an_idle_worker_ends_by_itself_and_a_busy_one_does_not(shop: Shop):
    started = time.monotonic()
    dispatcher(shop, Starts(), idle_seconds=0.3).run()
    assert time.monotonic() - started >= 0.3
    shop.new(count=1)
    busy = threading.Thread(target=dispatcher(shop, Starts(), idle_seconds=0.3).run)
    busy.start()
    busy.join(1.5)
    assert busy.is_alive()
    shop.stopping.set()
    busy.join(3)
    assert not busy.is_alive()


def test_an_outage_of_the_database_is_outlived(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    plain, away = Claims.waiting, iter([True, True])

    def sometimes(self, *arguments):
        if next(away, False):
            raise UnavailableError("", "")
        return plain(self, *arguments)

    monkeypatch.setattr(Claims, "waiting", sometimes)
    shop.new(count=1)
    starts = Starts()
    thread = threading.Thread(target=dispatcher(shop, starts).run)
    thread.start()
    until = time.monotonic() + 20
    while not starts.started and time.monotonic() < until:
        time.sleep(0.05)
    shop.stopping.set()
    thread.join(3)
    assert len(starts.started) == 1


def test_after_an_outage_everyone_has_time_to_give_a_sign_again(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatch, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(dispatch, "ROUND_SECONDS", 0.02)
    job = shop.new(count=1)
    other = Claims(shop.database, Storage(shop.database), lambda: time.time() - 3600, "other")
    assert other.claim(job.id, 1) is not None  # silent for an hour
    away = iter([True] * 5)

    def beat(self, *arguments):
        if next(away, False):
            raise UnavailableError("", "")
        beaten.append(time.monotonic())
        return []

    beaten: list[float] = []
    monkeypatch.setattr(Claims, "beat", beat)
    thread = threading.Thread(target=dispatcher(shop, Starts()).run)
    thread.start()
    while shop.get(job).state == "running":
        time.sleep(0.01)
    shop.stopping.set()
    thread.join(5)
    assert time.monotonic() - beaten[0] > 0.2
    assert len(beaten) >= 3
