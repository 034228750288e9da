"""Jobs while everything around them dies: no accepted job is lost, no chunk counts twice, no event stands twice.

`JOURNEY_KILLS` says how many processes are killed (5; the acceptance kills 50), `JOURNEY_CROWD` how many jobs of one
organisation stand before the first of another (300; the acceptance puts 10,000 there).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from registry.database import Database
from registry.jobs import Jobs, NewJob
from registry.objects import Objects
from registry.storage import Storage
from services.processes import installation_mark, marked_processes
from tests.journeys.conftest import Platform, start, within

pytestmark = pytest.mark.journey

KILLS = int(os.environ.get("JOURNEY_KILLS", "5"))
CROWD = int(os.environ.get("JOURNEY_CROWD", "300"))
JOBS = 20
SERIES = 60 if KILLS <= 10 else 150
"""Enough for the jobs to outlast the killing."""

ENDS = {"succeeded", "failed", "cancelled"}


def series(count: int, points: int, seed: int = 1) -> list[dict[str, Any]]:
    """Monthly series with a season, noise and one spike each."""
    rng = random.Random(seed)
    return [
        {
            "name": f"s{number}", "frequency": "D", "start_timestamp": "2015-01-01",
            "series": [100 + 10 * (t % 7) + rng.gauss(0, 5) + (90 if t == points // 2 else 0) for t in range(points)],
        }
        for number in range(count)
    ]  # fmt: skip


def submit(client: httpx.Client, inputs: list[dict[str, Any]], key: str | None = None, **parameters: Any) -> str:
    body = {"type": "anomaly.series", "input": {"data": {"inputs": inputs}}, "parameters": parameters}
    reply = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": key} if key else {})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["id"])


def job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    return dict(client.get(f"/v1/jobs/{job_id}").json())


def ended(client: httpx.Client, job_id: str, seconds: float = 120) -> dict[str, Any]:
    """The job once it has ended."""
    return within(seconds, lambda: (found := job(client, job_id))["status"] in ENDS and found) or job(client, job_id)


def processes(platform: Platform, word: str) -> list[psutil.Process]:
    """Processes of the installation whose command line holds a word."""
    found = []
    for process in marked_processes(installation_mark(platform.home)):
        try:
            if word in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An installation that these tests may break."""
    running = start(tmp_path_factory.mktemp("fragile"))
    yield running
    running.stop()


class Assassin:
    """Kills something of the platform, and starts the platform again when it killed all of it."""

    TARGETS = ("services.worker",) * 6 + ("ray::",) * 6 + ("ServeReplica", "raylet", "services.embedded")

    def __init__(self, platform: Platform, seed: int) -> None:
        self.platform = platform
        self.rng = random.Random(seed)
        self.killed: list[str] = []

    def strike(self) -> None:
        """Kill one process, whichever the dice say."""
        process = self.platform.process
        if process is not None and process.poll() is not None:  # it gave itself up, as without its Ray it must
            self.raise_again()
        before = len(self.killed)
        while len(self.killed) == before:
            word = self.rng.choice(self.TARGETS)
            if word == "services.embedded":
                self.fell()
                return
            victims = processes(self.platform, word)
            if victims:
                victim = self.rng.choice(victims)
                self.killed.append(" ".join(victim.cmdline())[:60])
                victim.kill()

    def fell(self) -> None:
        """The serving process itself, and whoever starts it again."""
        self.killed.append("services.embedded")
        process = self.platform.process
        assert process is not None
        process.kill()
        process.wait(20)
        self.raise_again()

    def raise_again(self) -> None:
        again = start(self.platform.home, self.platform.port)
        self.platform.process = again.process


def test_jobs_survive_random_deaths(fragile: Platform):
    inputs = series(SERIES, 3000)
    client = fragile.client("province")
    reference = ended(client, submit(client, inputs))
    assert reference["status"] == "succeeded", reference
    ids = [submit(client, inputs, key=f"job-{number}") for number in range(JOBS)]
    assert [submit(client, inputs, key=f"job-{number}") for number in range(3)] == ids[:3]
    assassin = Assassin(fragile, int(os.environ.get("JOURNEY_SEED", "7")))
    for _ in range(KILLS):
        time.sleep(assassin.rng.uniform(1.0, 4.0))
        assassin.strike()
    found = {}
    deadline = time.monotonic() + 120 + 20 * KILLS
    while len(found) < JOBS and time.monotonic() < deadline:
        for job_id in set(ids) - set(found):
            try:
                state = job(client, job_id)
            except (httpx.HTTPError, ValueError):
                continue
            if state.get("status") in ENDS:
                found[job_id] = state
        time.sleep(0.5)
    told = {job_id: state["status"] + str(state["error"] or "") for job_id, state in found.items()}
    assert set(told.values()) == {"succeeded"}, (assassin.killed, told)
    assert len(found) == JOBS, (assassin.killed, [job(client, each) for each in set(ids) - set(found)])
    once = fragile.query("SELECT job_id, number, commits FROM job_chunks WHERE state = 'done' AND commits != 1")
    assert once == []
    assert fragile.query("SELECT count(*) FROM job_chunks WHERE state != 'done'") == [(0,)]
    expected = outcome(client, reference["id"])
    for job_id in ids:
        assert outcome(client, job_id) == expected
        numbers = [number for (number,) in fragile.query("SELECT number FROM job_events WHERE job_id = ?", job_id)]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def outcome(client: httpx.Client, job_id: str) -> tuple[list[str], list[Any]]:
    """The ids of all events, each once, and the scores."""
    outputs = client.get(f"/v1/jobs/{job_id}/result?format=json").json()["outputs"]
    events = [event["id"] for output in outputs for event in output["events"]]
    assert len(events) == len(set(events))
    return events, [output["points"]["score"] for output in outputs]


def test_a_worker_that_stands_still_is_replaced_and_gives_one_result(fragile: Platform):
    client = fragile.client("province")
    job_id = submit(client, series(60, 1500))
    assert within(30, lambda: processes(fragile, "services.worker") and job(client, job_id)["progress"]["done"] > 0)
    (worker,) = processes(fragile, "services.worker")
    worker.send_signal(signal.SIGSTOP)
    assert ended(client, job_id, 90)["status"] == "succeeded"
    assert fragile.query("SELECT max(commits), min(commits) FROM job_chunks WHERE job_id = ?", job_id) == [(1, 1)]
    assert not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE


def test_a_cancelled_job_stops_within_five_seconds(fragile: Platform):
    client = fragile.client("province")
    job_id = submit(client, series(200, 2000))
    assert within(30, lambda: job(client, job_id)["progress"]["done"] > 0)
    started = time.monotonic()
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert time.monotonic() - started < 5
    (reached,) = fragile.query("SELECT count(*) FROM job_chunks WHERE job_id = ? AND state = 'done'", job_id)
    time.sleep(4)
    assert fragile.query("SELECT count(*) FROM job_chunks WHERE job_id = ? AND state = 'done'", job_id) == [reached]
    assert client.post(f"/v1/jobs/{job_id}/requeue").status_code == 202
    assert ended(client, job_id)["status"] == "succeeded"


def test_a_stop_and_a_new_start_lose_nothing(fragile: Platform):
    client = fragile.client("province")
    ids = [submit(client, series(30, 1500, seed)) for seed in range(3)]
    assert within(30, lambda: any(job(client, each)["progress"]["done"] for each in ids))
    assert fragile.stop() == 0
    again = start(fragile.home, fragile.port)
    fragile.process = again.process
    client = fragile.client("province")
    assert [ended(client, each)["status"] for each in ids] == ["succeeded"] * 3


def test_one_organisations_crowd_does_not_keep_another_waiting(fragile: Platform):
    crowd, other = fragile.client("province"), fragile.client("province_b")
    last = submit(crowd, series(2, 50))
    ended(crowd, last)
    tenant = crowd.get("/v1/me").json()["tenant"]["id"]
    cancel = accept_many(fragile, tenant, last, CROWD)
    try:
        assert within(20, lambda: list(crowd.get("/v1/jobs?status=running").json()["data"]))
        started = time.monotonic()
        first = submit(other, series(2, 50))
        assert within(5, lambda: job(other, first)["started_at"])
        assert time.monotonic() - started <= 5
        assert ended(other, first, 20)["status"] == "succeeded"
    finally:
        cancel()


def accept_many(platform: Platform, tenant: str, like: str, count: int) -> Callable[[], None]:
    """Accept many jobs like one that was done, as the door would; how to cancel them."""
    database = Database.open(f"sqlite:///{platform.home / 'aichung.db'}")
    objects = Objects(platform.home / "objects")
    jobs = Jobs(database, objects, Storage(database), time.time)
    old = jobs.get([tenant], like)
    data = b"".join(objects.parts(str(old.data_object)))
    ids = [
        jobs.create(NewJob(
            tenant=tenant, actor=old.actor, request_id=old.request_id, type=old.type, parameters=old.parameters,
            model=old.model, input_sha256=old.input_sha256, data=objects.keep([data]),
        ))[0].id
        for _ in range(count)
    ]  # fmt: skip

    def cancel() -> None:
        for job_id in ids:
            jobs.cancel(tenant, job_id)
        database.close()

    return cancel


def test_every_chunk_left_one_record_in_the_ledger(fragile: Platform):
    client = fragile.client("province")
    job_id = submit(client, series(40, 1500))
    assert ended(client, job_id)["status"] == "succeeded"
    (chunks,) = fragile.query("SELECT count(*) FROM job_chunks WHERE job_id = ?", job_id)
    records = [json.loads(text) for (text,) in fragile.query("SELECT record FROM ledger WHERE event = 'inference'")]
    mine = [record["job"]["chunk"] for record in records if record.get("job", {}).get("id") == job_id]
    assert sorted(mine) == list(range(chunks[0]))
