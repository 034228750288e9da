"""The client's files and jobs against a whole house over real sockets; the worker's part is played by hand."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.errors import ConflictError, DeadlineError, InvalidInputError, NotFoundError, UnavailableError
from services import client_files
from services.cli import main
from services.client import Client
from services.transport import Transport
from tests.services.wire.small import Place
from tests.services.wire.test_jobs import DATA, Worker
from tests.services.wire.test_readings import TABLE


@pytest.fixture
def ai(place: Place, address: str) -> Iterator[Client]:
    with Client(address, place.keys["province"], language="en", progress=False) as client:
        yield client


@pytest.fixture(scope="module")
def worker(place: Place) -> Worker:
    return Worker(place)


def test_a_small_file_goes_in_one_form_and_comes_back(ai: Client, tmp_path: Path) -> None:
    path = tmp_path / "dịch tả 2011.csv"
    path.write_bytes(TABLE)
    file = ai.upload(path, purpose="batch")
    assert (file["filename"], file["purpose"]) == ("dịch tả 2011.csv", "batch")
    assert ai.download(file["id"], tmp_path / "back.csv").read_bytes() == TABLE
    assert file["id"] in [row["id"] for row in ai.pages(ai.files)]
    ai.delete_file(file["id"])
    with pytest.raises(NotFoundError):
        ai.file(file["id"])


def test_a_large_file_goes_in_parts(ai: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_files, "PART_BYTES", 1000)
    content = b"a,b\n" + b"1,2\n" * 900
    file = ai.upload(content, filename="lon.csv", resumable=True)
    assert (file["status"], file["sha256"]) == ("ready", hashlib.sha256(content).hexdigest())


def test_an_upload_goes_on_after_broken_lines(ai: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_files, "PART_BYTES", 1000)
    send, calls = Transport.send, []

    def shaky(self: Transport, method: str, path: str, **more: Any) -> Any:
        calls.append(method)
        if method == "PUT" and calls.count("PUT") % 3 == 2:
            raise UnavailableError("đứt", "broken", code="connection-failed")
        answer = send(self, method, path, **more)
        if method == "PUT" and calls.count("PUT") == 4:
            raise UnavailableError("đứt", "broken after it arrived", code="connection-failed")
        return answer

    monkeypatch.setattr(Transport, "send", shaky)
    content = bytes(range(48, 58)) * 700
    assert ai.upload(content, filename="a.csv", resumable=True)["status"] == "ready"
    assert calls.count("PUT") > 7


def test_an_upload_that_broke_off_is_taken_up_again(ai: Client) -> None:
    body = {"filename": "a.csv", "bytes": len(TABLE), "sha256": hashlib.sha256(TABLE).hexdigest()}
    made = ai._line.create("/v1/files", body)
    ai._part(made["id"], TABLE[:5], 0, len(TABLE))
    assert ai.resume_upload(made["id"], TABLE)["status"] == "ready"


def test_what_cannot_be_sent_is_told(ai: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        ai.upload(tmp_path / "none.csv")
    with pytest.raises(InvalidInputError):
        ai.upload(b"a")
    with pytest.raises(InvalidInputError) as raised:
        ai.upload(b"a", filename="a.png")
    assert raised.value.word == "unsupported-file-type"


def test_a_reading_is_asked_for_answered_and_kept(ai: Client) -> None:
    file = ai.upload(TABLE, filename="Ho gà.csv")
    reading = ai.read(file["id"], name="Mẫu ho gà")
    year = next(question["id"] for question in reading["questions"] if question["code"] == "year_unknown")
    settled = ai.correct(reading, answers={year: "2019"})
    assert (settled["version"], settled["name"]) == (2, "Mẫu ho gà")
    assert ai.reading(reading["id"])["tables"] == settled["tables"]
    with pytest.raises(ConflictError):
        ai.correct(reading, answers={year: "2020"})
    assert [row["id"] for row in ai.readings(file_id=file["id"])] == [reading["id"]]
    ai.delete_reading(reading["id"])


def test_a_job_is_followed_to_its_end(ai: Client, worker: Worker) -> None:
    job = ai.submit("anomaly.series", data=DATA, direction="up")
    later = threading.Timer(0.3, worker.finish, [job["id"]])
    later.start()
    told = list(ai.events(job["id"]))
    assert [news.number for news in told] == list(range(1, len(told) + 1))
    assert told[-1].body == {"status": "succeeded"}
    assert list(ai.events(job["id"], after=told[-2].number)) == told[-1:]
    found = ai.wait(job["id"])
    assert (found["status"], found["parameters"]) == ("succeeded", {"direction": "up"})


def test_results_and_reports_come_in_every_form(ai: Client, worker: Worker, tmp_path: Path) -> None:
    job = ai.submit("anomaly.series", data=DATA)["id"]
    worker.finish(job)
    assert ai.result(job) == {"series": []}
    assert ai.result(job, "csv", locale="vi").startswith(b"\xef\xbb\xbf")
    assert ai.result(job, "xlsx", to=tmp_path / "a.xlsx").read_bytes()[:2] == b"PK"
    assert "<html" in ai.report(job, audience="analyst")
    with pytest.raises(NotFoundError):
        ai.result("job_" + "0" * 35, "csv", to=tmp_path / "b.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xlsx"]


def test_a_job_under_a_key_is_one_job_and_may_be_cancelled(ai: Client) -> None:
    one, two = (ai.submit("anomaly.series", data=DATA, idempotency_key="k7")["id"] for _ in range(2))
    assert one == two
    assert ai.cancel(one)["status"] == "cancelled"
    assert ai.requeue(one)["status"] == "queued"
    with pytest.raises(DeadlineError):
        ai.wait(one, timeout_seconds=0.1)
    ai.cancel(one)
    ai.delete_job(one)
    assert one not in [row["id"] for row in ai.pages(ai.jobs)]


def test_the_operator_sets_where_webhooks_may_go(ai: Client, place: Place, address: str) -> None:
    tenant = ai.me()["tenant"]["id"]
    with pytest.raises(InvalidInputError):
        ai.submit("anomaly.series", data=DATA, webhook="http://127.0.0.1:9/hook")
    with Client(address, place.keys["operator"], progress=False) as operator:
        assert operator.allow_webhooks(tenant, ["127.0.0.1:9"])["allowed"] == ["127.0.0.1:9"]
    assert ai.webhook()["allowed"] == ["127.0.0.1:9"]
    assert ai.submit("anomaly.series", data=DATA, webhook="http://127.0.0.1:9/hook")["status"] == "queued"
    assert ai.webhook()["secret"] != ai.rotate_webhook()["secret"]
    assert list(ai.deliveries()) == []
    with pytest.raises(NotFoundError):
        ai.retry_delivery("msg_x")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["aichung", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_whole_way_from_the_shell(
    place: Place, address: str, worker: Worker, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("AICHUNG_URL", address)
    monkeypatch.setenv("AICHUNG_KEY", place.keys["province"])
    path = tmp_path / "Uốn ván 2012.csv"
    path.write_bytes(TABLE)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            for waiting in worker.claims.waiting(100, 100):
                worker.finish(waiting.id)

    threading.Thread(target=work, daemon=True).start()
    try:
        assert run(monkeypatch, "files", "upload", str(path)) == 0
        assert "Uốn ván" in capsys.readouterr().out
        assert run(monkeypatch, "jobs", "submit", "anomaly.series", str(path), "-s", "sensitivity=60", "--json") == 0
        job = capsys.readouterr().out.split('"id":"')[1].split('"')[0]
        assert run(monkeypatch, "jobs", "result", job, str(tmp_path / "kq.csv")) == 0
        assert run(monkeypatch, "jobs", "report", job, str(tmp_path / "bc.html")) == 0
        assert run(monkeypatch, "jobs", "events", job) == 0
        assert '"status":"succeeded"' in capsys.readouterr().out
        assert run(monkeypatch, "jobs", "show", "job_khong_co") == 1
        assert "No such job" not in capsys.readouterr().out
    finally:
        stop.set()
        time.sleep(0.2)
    assert (tmp_path / "bc.html").read_text(encoding="utf-8").startswith("<!")
