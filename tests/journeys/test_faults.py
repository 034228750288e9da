"""What breaks around the platform: processes, clock, locks, disks, files. It says so clearly and comes back."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from services.house import prepare
from services.processes import installation_mark, marked_processes
from services.settings import Settings
from tests.journeys.conftest import ROOT, Platform, aichung, environment, free_port, start, within
from tests.journeys.test_refusals import check
from tests.services.refusals import FORECAST, SEGMENT, docs, forecast

pytestmark = pytest.mark.journey

NEW_KEY = {"subject": {"name": "Hệ thống thử", "kind": "system"}, "role": "service"}
MONTH = 30 * 86_400


def refused(home: Path, port: int | None = None, **variables: str) -> str:
    """What a start that must fail says."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "serve"], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**environment(home, port or free_port()), **variables},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "AI Chung: " in done.stderr or "✗ " in done.stderr, done.stderr
    return done.stderr


def forecasts(platform: Platform) -> int:
    """The status of a forecast; 0 when the line broke."""
    with suppress(httpx.TransportError):
        return platform.client().post(FORECAST, json=forecast()).status_code
    return 0


# --- processes ----------------------------------------------------------------------------------------------


def test_a_killed_replica_comes_back_and_the_others_answer_meanwhile(platform: Platform):
    (replica,) = platform.replicas("timeseries")
    replica.kill()
    began, client = time.monotonic(), platform.client()
    answered = 0
    while time.monotonic() - began < 3:
        assert client.post(SEGMENT, json=docs("Xin chào.")).status_code == 200
        assert client.get("/v1/me").status_code == 200
        answered += 1
    assert answered > 10
    assert within(40, lambda: forecasts(platform) == 200)
    (again,) = platform.replicas("timeseries")
    assert again.pid != replica.pid
    assert within(15, lambda: client.get("/readyz").status_code == 200)
    assert within(10, lambda: platform.aichung("audit", "verify").returncode == 0)


def test_a_killed_proxy_comes_back(platform: Platform):
    proxies = [p for p in marked_processes(installation_mark(platform.home)) if p.name() == "haproxy"]
    assert proxies
    for proxy in proxies:
        with suppress(psutil.NoSuchProcess):
            proxy.kill()
    assert within(30, lambda: forecasts(platform) == 200)
    assert platform.process is None or platform.process.poll() is None


# --- the database -------------------------------------------------------------------------------------------


def test_a_locked_database_stops_administration_and_no_answer(platform: Platform):
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(platform.home / "aichung.db", timeout=10, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            locked.set()
            release.wait(20)
            connection.execute("ROLLBACK")

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(10)
        client, began = platform.client(), time.monotonic()
        made = [client.post(SEGMENT, json=docs("Xin chào.")) for _ in range(20)]
        made += [client.post(FORECAST, json=forecast()) for _ in range(20)]
        assert {answer.status_code for answer in made} == {200}
        assert time.monotonic() - began < 4
        busy = platform.client("admin").post("/v1/keys", json=NEW_KEY)
        problem = check(busy, 503, "database-busy")
        assert int(busy.headers["retry-after"]) == problem["retry_after_seconds"]
        assert client.get("/v1/registry/models").status_code == 200
    finally:
        release.set()
        holder.join()
    ids = [answer.json()["request_id"] for answer in made]

    def recorded() -> bool:
        marks = ", ".join("?" * len(ids))
        return platform.query(f"SELECT count(*) FROM ledger WHERE request_id IN ({marks})", *ids) == [(40,)]

    assert within(10, recorded)
    assert platform.client("admin").post("/v1/keys", json=NEW_KEY).status_code == 201
    assert within(10, lambda: client.get("/readyz").status_code == 200)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for a home, 48 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to the last byte."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for block in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * block)
    return ballast


def test_a_full_disk_stops_no_answer_and_loses_no_record(small_disk: Path, another: Callable[..., Platform]):
    platform = another(small_disk / "home")
    client = platform.client()
    assert client.post(FORECAST, json=forecast()).status_code == 200
    time.sleep(1)
    ballast = fill(small_disk)
    ids = []
    for _ in range(300):
        answer = client.post(FORECAST, json=forecast())
        assert answer.status_code == 200, answer.text
        ids.append(answer.json()["request_id"])
    refusal = platform.client("admin").post("/v1/keys", json=NEW_KEY)
    check(refusal, 503, "storage-full")
    assert int(refusal.headers["retry-after"]) >= 1
    assert client.get("/healthz").status_code == 200
    ballast.unlink()

    def recorded() -> int:
        marks = ", ".join("?" * len(ids))
        ((count,),) = platform.query(f"SELECT count(*) FROM ledger WHERE request_id IN ({marks})", *ids)
        return int(count)

    assert within(15, lambda: recorded() == len(ids)), recorded()
    assert within(10, lambda: client.get("/readyz").status_code == 200)
    assert within(35, lambda: platform.client("admin").post("/v1/keys", json=NEW_KEY).status_code == 201)
    metrics = platform.client("operator").get("/metrics").text
    assert 'aichung_ledger_records{process="timeseries",state="dropped"} 0' in metrics
    assert platform.aichung("audit", "verify").returncode == 0
    platform.stop()


def test_a_full_disk_at_the_first_start_is_told_and_leaves_nothing_half_made(small_disk: Path):
    fill(small_disk)
    home = small_disk / "home"
    said = refused(home)
    assert "full" in said or "written" in said
    (small_disk / "ballast").unlink()
    prepare(Settings(home=home)).close()


# --- files, clock, settings ---------------------------------------------------------------------------------


def test_a_wrong_clock_and_lost_keys_are_told_and_mended(tmp_path: Path):
    home = tmp_path / "home"
    prepare(Settings(home=home), clock=lambda: time.time() + MONTH).close()
    (home / "keys.json").unlink()
    running = start(home)
    try:
        said = running.said()
        assert "clock" in said
        assert "NTP" in said
        assert "aichung keys reissue" in said
        assert running.aichung("keys", "reissue").returncode == 0
        assert (home / "keys.json").stat().st_mode & 0o777 == 0o600
        assert within(2, lambda: running.client().post(SEGMENT, json=docs("a")).status_code == 403)
        problem = check(running.client().post(SEGMENT, json=docs("a")), 403, "gate-closed")
        assert problem["state"] == "not-yet-valid"
    finally:
        running.stop()


@contextmanager
def calls(platform: Platform) -> Iterator[None]:
    """Callers that keep the ledger and its checkpoints growing while the block runs."""
    done, client = threading.Event(), platform.client()

    def call() -> None:
        while not done.is_set():
            assert client.post(SEGMENT, json=docs("Xin chào.")).status_code == 200

    with ThreadPoolExecutor(2) as callers:
        asked = [callers.submit(call) for _ in range(2)]
        time.sleep(3)  # a checkpoint is written, and the next one falls into the backup
        try:
            yield
        finally:
            done.set()
        for one in asked:
            one.result()


def test_a_backup_brings_the_installation_back_as_it_was(platform: Platform, tmp_path: Path):
    folder, home = tmp_path / "backup", tmp_path / "home"
    before = platform.client("admin").post("/v1/keys", json=NEW_KEY).json()["key"]
    with calls(platform):
        done = platform.aichung("backup", str(folder))
    assert done.returncode == 0, done.stderr
    after = platform.client("admin").post("/v1/keys", json=NEW_KEY).json()["key"]
    busy = platform.aichung("restore", str(folder))
    assert busy.returncode == 1
    assert "Another start already uses the home" in busy.stderr
    assert platform.aichung("backup", str(folder)).returncode == 1

    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    content = bytearray((damaged / "aichung.db").read_bytes())
    content[8192:40960] = b"\xff" * 32768
    (damaged / "aichung.db").write_bytes(content)
    bad = aichung(home, "restore", str(damaged))
    assert bad.returncode == 1
    assert "damaged" in bad.stderr
    assert not (home / "aichung.db").exists()

    assert aichung(home, "restore", str(folder)).returncode == 0
    verified = aichung(home, "audit", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["covered"] > 0
    restored = start(home)
    try:
        assert restored.keys == platform.keys
        assert restored.client().post(SEGMENT, json=docs("Xin chào.")).status_code == 200
        assert restored.bearer(before).get("/v1/me").status_code == 200
        assert restored.bearer(after).get("/v1/me").status_code == 401
        verified = restored.aichung("audit", "verify")
        assert verified.returncode == 0, verified.stdout
    finally:
        restored.stop()


@pytest.mark.parametrize(("variable", "value"), [
    ("AICHUNG_HTTP_PORT", "abc"), ("AICHUNG_HTTP_PORT", "80"), ("AICHUNG_PROFILE", "demo"),
    ("AICHUNG_POLL_SECONDS", "30"), ("AICHUNG_INFERENCE_THREADS", "0"), ("AICHUNG_HTTP_HOST", "a b"),
])  # fmt: skip
def test_a_setting_beyond_its_bounds_is_named(tmp_path: Path, variable: str, value: str):
    assert variable in refused(tmp_path / "home", **{variable: value})
    assert not (tmp_path / "home" / "aichung.db").exists()


def test_the_production_profile_wants_postgresql_and_creates_nothing(tmp_path: Path):
    assert "postgresql" in refused(tmp_path / "home", AICHUNG_PROFILE="production")
    assert not (tmp_path / "home" / "keys.json").exists()


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("đây không phải thư mục")
    assert str(file) in refused(file)
    assert str(file) in refused(file / "below")


def test_a_start_that_does_not_get_ready_says_so_and_leaves_nothing_behind(tmp_path: Path):
    home = tmp_path / "home"
    assert "not ready after" in refused(home, AICHUNG_READY_SECONDS="0.2")
    assert not marked_processes(installation_mark(home))


def test_a_lost_pepper_is_named_and_not_replaced(tmp_path: Path):
    home = tmp_path / "home"
    prepare(Settings(home=home)).close()
    (home / "keys" / "pepper").unlink()
    assert "pepper" in refused(home)
    assert not (home / "keys" / "pepper").exists()
