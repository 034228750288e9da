"""The worker's keeper: no jobs, no worker; a dead or silent one is replaced."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from registry.claims import Claims
from registry.database import Database
from registry.founding import found
from registry.jobs import Job, Jobs, NewJob
from registry.objects import Objects
from registry.storage import Storage
from registry.tables import tenants
from services import supervision
from services.supervision import Keeper

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
FAILING = [sys.executable, "-c", "import sys; sys.exit(3)"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = found(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with made.write() as connection:
        row = {"id": "ten_a", "code": "a", "vintage": "x", "name": "A", "kind": "state", "level": "province"}
        connection.execute(insert(tenants).values(row | {"created_at": datetime.now(UTC)}))
    yield made
    made.close()


def accept(database: Database, folder: Path) -> Job:
    jobs = Jobs(database, Objects(folder / "objects"), Storage(database), time.time)
    return jobs.create(NewJob(
        tenant="ten_a", actor={}, request_id="r", type="forecast", parameters={}, model={}, input_sha256="0" * 64,
    ))[0]  # fmt: skip


def keeper(database: Database, folder: Path, command: list[str]) -> Keeper:
    return Keeper(database, "embedded", command, folder / "worker.out")


def test_without_jobs_there_is_no_worker(database: Database, tmp_path: Path):
    idle = keeper(database, tmp_path, SLEEPER)
    idle.look()
    assert idle.pid is None


def test_a_waiting_job_brings_one_up_and_its_death_another(database: Database, tmp_path: Path):
    accept(database, tmp_path)
    busy = keeper(database, tmp_path, SLEEPER)
    try:
        busy.look()
        first = busy.pid
        assert first is not None
        busy.look()
        assert busy.pid == first
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while busy.pid in (None, first) and time.monotonic() < deadline:
            busy.look()
            time.sleep(0.05)
        assert busy.pid not in (None, first)
    finally:
        busy._end()
    assert busy.pid is None


def test_a_worker_that_fails_at_once_is_started_with_growing_pauses(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervision, "PAUSES", (0.0, 0.3, 5.0))
    accept(database, tmp_path)
    failing = keeper(database, tmp_path, FAILING)
    starts: list[float] = []
    plain = failing._launch

    def launch(now: float) -> None:
        starts.append(now)
        plain(now)

    monkeypatch.setattr(failing, "_launch", launch)
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        failing.look()
        time.sleep(0.02)
    assert len(starts) == 2
    assert starts[1] - starts[0] >= 0.3


def test_a_silent_worker_with_work_is_ended(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervision, "START_SECONDS", 0.1)
    monkeypatch.setattr(supervision, "BEAT_SECONDS", 0.7)
    accept(database, tmp_path)
    Claims(database, Storage(database), time.time, "embedded").beat()
    frozen = keeper(database, tmp_path, SLEEPER)
    try:
        frozen.look()
        first = frozen.pid
        time.sleep(0.3)
        frozen.look()
        assert frozen.pid == first
        time.sleep(2.0)
        frozen.look()
        assert frozen.pid is None
        deadline = time.monotonic() + 5
        while frozen.pid is None and time.monotonic() < deadline:
            frozen.look()
            time.sleep(0.05)
        assert frozen.pid not in (None, first)
    finally:
        frozen._end()


def test_a_worker_that_cannot_give_a_sign_is_left_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """While somebody holds the write lock no worker can write; soon after it, silence counts again."""
    monkeypatch.setattr(supervision, "START_SECONDS", 0.1)
    monkeypatch.setattr(supervision, "BEAT_SECONDS", 0.4)
    accept(database, tmp_path)
    Claims(database, Storage(database), time.time, "embedded").beat()
    waiting = Keeper(
        Database.open(f"sqlite:///{database.path}", busy_seconds=0.05), "embedded", SLEEPER, tmp_path / "worker.out"
    )
    try:
        waiting.look()
        first = waiting.pid
        with closing(sqlite3.connect(str(database.path), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + 3
            while time.monotonic() < until:
                waiting.look()
                time.sleep(0.02)
            assert waiting.pid == first
            other.execute("ROLLBACK")
        waiting.look()
        assert waiting.pid == first
        until = time.monotonic() + 10
        while waiting.pid == first and time.monotonic() < until:
            waiting.look()
            time.sleep(0.02)
        assert waiting.pid != first
    finally:
        waiting._end()
        waiting._database.close()


def test_closing_ends_the_worker(database: Database, tmp_path: Path):
    accept(database, tmp_path)
    kept = keeper(database, tmp_path, SLEEPER)
    kept.start()
    deadline = time.monotonic() + 5
    while kept.pid is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept.pid is not None
    kept.close()
    assert kept.pid is None
