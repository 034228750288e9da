"""Starting, stopping, killing and starting again, as an operator would."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.ports import plan
from services.processes import installation_mark, marked_processes
from tests.journeys.conftest import ROOT, Platform, environment, free_port, serve_once, start

pytestmark = pytest.mark.journey


RAYS = ("ray", "services.embedded", "services.worker")
"""Ray's own processes, and ours that speak to it as its drivers: Ray opens a port of its own in each."""


def listening(mark: str) -> tuple[dict[int, set[str]], set[int]]:
    """The doors of an installation's processes with their addresses, and which of them Ray's processes hold.

    One look for both: Ray's idle workers come and go.
    """
    processes = {process.pid: " ".join([process.name(), *process.cmdline()]) for process in marked_processes(mark)}
    doors: dict[int, set[str]] = {}
    rays: set[int] = set()
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.pid in processes:
            doors.setdefault(connection.laddr.port, set()).add(connection.laddr.ip)
            if any(word in processes[connection.pid] for word in RAYS):
                rays.add(connection.laddr.port)
    return doors, rays


def test_our_own_doors_are_on_loopback_and_the_rest_is_the_documented_list(platform: Platform):
    ports, mark = plan(platform.port), installation_mark(platform.home)
    open_doors, rays_own = listening(mark)
    for port in (ports.http, ports.fallback, *range(ports.replicas_first, ports.replicas_last + 1)):
        assert open_doors.pop(port, {"127.0.0.1"}) <= {"127.0.0.1"}
    wide = {port for port, addresses in open_doors.items() if addresses - {"127.0.0.1", "::1"}}
    assert wide - {ports.stats, ports.metrics} <= rays_own


def test_a_second_start_on_the_same_home_is_refused(platform: Platform):
    refused = serve_once(platform.home, free_port())
    assert refused.returncode == 1
    assert "Another start already uses the home" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert platform.client().get("/readyz").status_code == 200


def test_a_port_in_use_is_named_and_nothing_stays_behind(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = serve_once(tmp_path / "home", port)
    assert refused.returncode == 1
    assert f"Port {port} is in use" in refused.stderr
    assert not marked_processes(installation_mark(tmp_path / "home"))


def test_two_installations_share_nothing(platform: Platform, narrow: Platform):
    ours, theirs = installation_mark(platform.home), installation_mark(narrow.home)
    assert not set(listening(ours)[0]) & set(listening(theirs)[0])
    assert narrow.client().get("/v1/me").status_code == 200
    foreign = platform.bearer(narrow.keys["ministry"])
    assert foreign.get("/v1/me").status_code == 401


def test_ctrl_c_ends_everything_and_the_next_start_finds_the_same_keys(tmp_path: Path):
    first = start(tmp_path / "home")
    keys = first.keys
    assert first.stop(signal.SIGINT) == 0
    assert not marked_processes(installation_mark(first.home))
    second = start(tmp_path / "home", first.port)
    try:
        assert second.keys == keys
        assert second.client().get("/v1/me").status_code == 200
    finally:
        second.stop()


def test_after_kill_9_the_next_start_ends_the_leftovers_and_the_ledger_still_verifies(tmp_path: Path):
    first = start(tmp_path / "home")
    body = {"documents": [{"id": "1", "text": "Hà Nội là thủ đô của Việt Nam."}]}
    with first.client() as client:
        for _ in range(20):
            assert client.post("/v1/nlp/segment", json=body).status_code == 200
    time.sleep(0.5)
    first.process.kill()
    first.process.wait(10)
    second = start(tmp_path / "home", first.port)
    try:
        assert second.client().post("/v1/nlp/segment", json=body).status_code == 200
        time.sleep(0.5)
        verified = second.aichung("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        second.stop()
    assert not marked_processes(installation_mark(second.home))


def test_a_damaged_database_is_named_and_never_replaced_by_an_empty_one(tmp_path: Path):
    home = tmp_path / "home"
    running = start(home)
    running.stop()
    database = home / "aichung.db"
    content = bytearray(database.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\xff" * (4096 * 4)
    database.write_bytes(content)
    refused = serve_once(home, running.port)
    assert refused.returncode == 1
    assert "aichung.db" in refused.stderr
    assert "aichung restore" in refused.stderr
    assert "Traceback" not in refused.stderr
    database.unlink()
    for leftover in home.glob("aichung.db-*"):
        leftover.unlink()
    refused = serve_once(home, running.port)
    assert refused.returncode == 1
    assert not database.exists()


def test_an_altered_artefact_does_not_answer_and_the_others_do(tmp_path: Path):
    copy = tmp_path / "checkout"
    for room in ("services", "pipelines", "registry", "models", "deploy"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    weights = max((copy / "registry" / "bundled" / "vi-topic").rglob("*.safetensors"), key=lambda p: p.stat().st_size)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    with (home / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "serve"], cwd=copy, stdout=out, stderr=subprocess.STDOUT,
            env={**environment(home, port), "PYTHONPATH": str(copy)},
        )  # fmt: skip
        running = Platform(home, port, process, 0.0)  # type: ignore[arg-type]
        try:
            deadline = time.monotonic() + 120
            while "AI Chung ready" not in (home / "out").read_text() and time.monotonic() < deadline:
                time.sleep(0.2)
            said = (home / "out").read_text()
            assert "vi-topic" in said
            client = running.client()
            document = {"documents": [{"id": "1", "text": "Giá vàng hôm nay tăng mạnh."}]}
            assert client.post("/v1/nlp/topics", json=document).status_code in (403, 404)
            assert client.post("/v1/nlp/segment", json=document).status_code == 200
        finally:
            running.stop()
