"""Jobs over the wire: accepted when durable, watched, ended, read back; the worker's part is played by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipelines.jobs.outcome import HEADER, record_of
from pipelines.jobs.parcels import packed
from pipelines.results.report import POLICY
from pipelines.results.values import SeriesResult
from registry.claims import Claim, Claims
from registry.jobs import Job, Jobs
from registry.objects import Objects
from registry.storage import Storage
from tests.services.refusals import one
from tests.services.wire.small import Place
from tests.services.wire.test_files import plain, upload

DATA = {"inputs": [one(series=[5.0] * 20 + [900.0])]}
JOB = {"type": "anomaly.series", "input": {"data": DATA}}


class Worker:
    """The worker's side of the rows."""

    def __init__(self, place: Place) -> None:
        house = place.house
        self.objects = Objects(house.settings.home / "objects")
        self.storage = Storage(house.database)
        self.jobs = Jobs(house.database, self.objects, self.storage, house.clock)
        self.claims = Claims(house.database, self.storage, house.clock, "w1")

    def claim(self, job_id: str) -> Claim:
        job = next(job for job in self.claims.waiting(1000, 1000) if job.id == job_id)
        claim = self.claims.claim(job.id, job.runs)
        assert claim is not None
        return claim

    def finish(self, job_id: str) -> Job:
        claim = self.claim(job_id)
        self.claims.plan(claim, [], "series")
        header = dict.fromkeys(HEADER) | {
            "job_id": job_id, "type": "anomaly.series", "created_at": "2026-11-24T00:00:00+00:00",
            "finished_at": "2026-11-24T00:01:00+00:00", "model": dict(claim.job.model), "parameters": {},
            "counts": {"succeeded": 1, "failed": 0}, "held_back": 2,
        }  # fmt: skip
        series = SeriesResult(
            "s", None, "ca", "flow", ("2024-01",), (5.0,), ("a!B2",), {"points": POINTS, "events": []}
        )
        kept = self.objects.keep(packed([header, record_of(series)]))
        document = self.objects.keep([b'{"series": []}'])
        result = {"object": kept.name, "json": document.name, "sha256": document.sha256,
                  "bytes": kept.bytes + document.bytes, "rows": 1}  # fmt: skip
        return self.claims.finish(claim, result, {"succeeded": 1, "failed": 0}, 2)


POINTS = {"score": [0.0], "p_value": [1.0], "expected": [5.0], "lower": [1.0], "upper": [9.0], "is_anomaly": [False]}


@pytest.fixture(scope="module")
def worker(place: Place) -> Worker:
    return Worker(place)


def submit(place: Place, body: Any = JOB, key: str = "province", **headers: str) -> httpx.Response:
    return place.call("POST", "/v1/jobs", key=key, json=body, headers=headers)


def accepted(place: Place, body: Any = JOB, **more: Any) -> str:
    answer = submit(place, body, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def status(place: Place, job: str) -> dict[str, Any]:
    return dict(place.get(f"/v1/jobs/{job}", key="province").json())


def events(answer: httpx.Response) -> Iterator[tuple[int, str, Any]]:
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "id" in lines:
            yield int(lines["id"]), lines["event"], json.loads(lines["data"])


def test_a_job_is_accepted_with_its_address(place: Place):
    answer = submit(place)
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == body["url"] == f"/v1/jobs/{body['id']}"
    found = status(place, body["id"])
    assert found["status"] == body["status"] == "queued"
    assert found["model"]["name"] == "anomaly-series"
    assert found["input"]["sha256"]
    assert (found["result"], found["error"], found["counts"]) == (None, None, None)


def test_the_same_key_is_the_same_job(place: Place):
    first, second = (submit(place, **{"Idempotency-Key": '"abc"'}) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    other = submit(place, {**JOB, "parameters": {"direction": "up"}}, **{"Idempotency-Key": "abc"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert submit(place, key="ministry", **{"Idempotency-Key": "abc"}).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("change", [
    {"model": "anomaly-series"}, {"type": "anomaly.tabular"}, {"webhook": {"url": "https://hook.example.vn/x"}},
    {"input": {"file_id": "file_1"}},
], ids=str)  # fmt: skip
def test_a_key_used_for_another_request_is_refused_whatever_differs(place: Place, change: dict[str, Any]):
    key = {"Idempotency-Key": "khac"}
    accepted(place, **key)
    other = submit(place, {**JOB, **change}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_a_repeated_key_gets_its_job_also_when_the_file_is_gone_and_the_answers_moved_on(place: Place, worker: Worker):
    file, key = upload(place)["id"], {"Idempotency-Key": "tep"}
    body = {"type": "anomaly.series", "input": {"file_id": file}}
    first = submit(place, body, **key)
    job = first.json()["id"]
    place.call("POST", f"/v1/jobs/{job}/cancel", key="province")
    place.call("POST", f"/v1/jobs/{job}/requeue", key="province", json={"accept_guess": True})
    assert place.call("DELETE", f"/v1/files/{file}", key="province").status_code == 204
    again = submit(place, body, **key)
    assert (again.status_code, again.json()) == (202, first.json())


def data(**more: Any) -> dict[str, Any]:
    return {**JOB, "input": {"data": {"inputs": [one(**more)]}}}


REFUSED: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("no input", {**JOB, "input": {}}, 422, "wrong-value", "/input"),
    ("two inputs", {**JOB, "input": {"file_id": "f", "data": DATA}}, 422, "wrong-value", "/input"),
    ("a reading of inline data", {**JOB, "input": {"data": DATA, "reading": "r"}}, 422, "wrong-value", "/input"),
    ("another type", {**JOB, "type": "bi-mat"}, 422, "wrong-value", "/type"),
    ("an unknown field", {**JOB, "bi-mat": 1}, 422, "unknown-field", ""),
    ("an unknown parameter", {**JOB, "parameters": {"bi-mat": 1}}, 422, "unknown-field", "/parameters"),
    ("a parameter of another kind", {**JOB, "parameters": {"sensitivity": "3"}}, 422, "wrong-value",
     "/parameters/sensitivity"),
    ("a budget of an unknown field", {**JOB, "parameters": {"alarm_budget": {"count": 1, "bi-mat": 1}}}, 422,
     "unknown-field", "/parameters/alarm_budget"),
    ("a budget of another period", {**JOB, "parameters": {"alarm_budget": {"count": 1, "per": "bi-mat"}}}, 422,
     "wrong-value", "/parameters/alarm_budget/per"),
    ("a budget beside a sensitivity", {**JOB, "parameters": {"alarm_budget": {"count": 1}, "sensitivity": 5}}, 422,
     "exclusive-options", "/parameters"),
    ("no horizon", {**JOB, "type": "forecast"}, 422, "missing-field", "/parameters/horizon"),
    ("an unknown frequency", data(frequency="x"), 422, "bad-frequency", "/input/data/inputs/0/frequency"),
    ("a text for a number", data(series=["3"]), 422, "wrong-value", "/input/data/inputs/0/series/0"),
    ("no series", {**JOB, "input": {"data": {"inputs": []}}}, 422, "wrong-value", "/input/data/inputs"),
    ("other data", {**JOB, "input": {"data": {"rows": []}}}, 422, "unknown-field", "/input/data"),
    ("a model of another task", {**JOB, "model": "forecast-core"}, 404, "unknown-model", ""),
    ("no URL", {**JOB, "webhook": {"url": "nope"}}, 422, "bad-url", "/webhook/url"),
    ("a file URL", {**JOB, "webhook": {"url": "file:///etc/passwd"}}, 422, "bad-url", "/webhook/url"),
    ("an inner address", {**JOB, "webhook": {"url": "https://127.0.0.1/x"}}, 422, "address-refused", "/webhook/url"),
    ("metadata", {**JOB, "webhook": {"url": "http://169.254.169.254/"}}, 422, "address-refused", "/webhook/url"),
    ("no such file", {**JOB, "input": {"file_id": "file_" + "0" * 35}}, 404, "not-found", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "code", "word", "pointer"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_can_be_refused_at_once_is_refused(
    place: Place, name: str, body: dict[str, Any], code: int, word: str, pointer: str
):
    before = len(list((place.house.settings.home / "objects").glob("??/*")))
    answer = submit(place, body)
    assert (answer.status_code, answer.json()["code"]) == (code, word), answer.text
    if answer.json()["errors"]:
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert "bi-mat" not in answer.text
    assert len(list((place.house.settings.home / "objects").glob("??/*"))) == before


@pytest.mark.parametrize("budget", [0, 20, {"count": 20}, {"count": 3, "per": "week", "scope": "unit"}], ids=str)
def test_a_budget_is_a_number_or_says_of_what(place: Place, budget: Any):
    job = accepted(place, {**JOB, "parameters": {"alarm_budget": budget}})
    assert status(place, job)["parameters"] == {"alarm_budget": budget}


def test_a_job_of_a_closed_gate_is_refused(own: Place):
    own.registry.add("anomaly-series", "anomaly.series/1", approve=False)
    own.house.handles.refresh()
    answer = submit(own)
    assert (answer.status_code, answer.json()["code"]) == (403, "gate-closed")


def test_a_finished_job_tells_its_story_and_gives_its_result(place: Place, worker: Worker):
    job = accepted(place)
    early = place.get(f"/v1/jobs/{job}/result", key="province")
    assert (early.status_code, early.json()["code"]) == (409, "no-result")
    worker.finish(job)
    found = status(place, job)
    assert (found["status"], found["counts"], found["held_back"]) == ("succeeded", {"succeeded": 1, "failed": 0}, 2)
    told = list(events(place.get(f"/v1/jobs/{job}/events", key="province")))
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert (told[0][2]["status"], told[-1][2]["status"]) == ("queued", "succeeded")
    rest = place.get(f"/v1/jobs/{job}/events", key="province", headers={"Last-Event-ID": str(told[-2][0])})
    assert rest.headers["content-type"].startswith("text/event-stream")
    assert list(events(rest)) == told[-1:]
    result = place.get(f"/v1/jobs/{job}/result", key="province")
    assert (result.content, result.headers["content-type"]) == (b'{"series": []}', "application/json")
    assert result.headers["etag"] == f'"{found["result"]["sha256"]}"'


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_a_result_is_rendered_in_every_format(place: Place, worker: Worker, form: str):
    job = accepted(place)
    worker.finish(job)
    answer = place.get(f"/v1/jobs/{job}/result?format={form}", key="province")
    assert answer.status_code == 200, answer.text
    assert answer.content[:4] == {"csv": b'"ser', "parquet": b"PAR1", "xlsx": b"PK\x03\x04"}[form]
    assert f"{job}.{form}" in answer.headers["content-disposition"]


def test_a_csv_for_vietnamese_excel_has_semicolons(place: Place, worker: Worker):
    job = accepted(place)
    worker.finish(job)
    answer = place.get(f"/v1/jobs/{job}/result?format=csv&locale=vi", key="province")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert b";" in answer.content.splitlines()[0]


@pytest.mark.parametrize("audience", ["leader", "analyst", "inspector"])
def test_a_report_is_a_page_that_runs_nothing(place: Place, worker: Worker, audience: str):
    job = accepted(place)
    worker.finish(job)
    answer = place.get(f"/v1/jobs/{job}/report?audience={audience}", key="province")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert "<script" not in answer.text


def test_other_formats_and_readers_are_refused(place: Place, worker: Worker):
    job = accepted(place)
    worker.finish(job)
    for query in ("result?format=pdf", "report?audience=x", "result?locale=fr", "result?more=1"):
        assert place.get(f"/v1/jobs/{job}/{query}", key="province").status_code == 422
    answer = place.get(f"/v1/jobs/{job}/events", key="province", headers={"Last-Event-ID": "x"})
    assert answer.status_code == 400


@pytest.mark.parametrize("form", ["pdf", "docx", ""])
def test_a_report_in_another_format_is_not_acceptable(place: Place, worker: Worker, form: str):
    job = accepted(place)
    worker.finish(job)
    answer = place.get(f"/v1/jobs/{job}/report?format={form}", key="province")
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (406, 406, "not-acceptable")
    assert told["detail"] == "Chỉ có: html."


def test_a_cancelled_job_ends_at_once_and_may_be_queued_again(place: Place, worker: Worker):
    job = accepted(place)
    claim = worker.claim(job)
    ended = place.call("POST", f"/v1/jobs/{job}/cancel", key="province")
    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert not worker.claims.holds(claim)
    assert place.call("POST", f"/v1/jobs/{job}/cancel", key="province").json()["status"] == "cancelled"
    again = place.call("POST", f"/v1/jobs/{job}/requeue", key="province")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    twice = place.call("POST", f"/v1/jobs/{job}/requeue", key="province")
    assert (twice.status_code, twice.json()["code"]) == (409, "illegal-move")
    assert twice.json()["allowed"]


def test_a_waiting_job_shows_its_questions_and_goes_on_with_an_answer(place: Place, worker: Worker):
    file = upload(place)["id"]
    job = accepted(place, {**JOB, "input": {"file_id": file}})
    question = {"id": "year", "code": "year_unknown", "vi": "Năm nào?", "en": "Which year?", "options": []}
    worker.claims.ask(worker.claim(job), [question], {"tables": []})
    found = status(place, job)
    assert (found["status"], found["questions"]) == ("needs_input", [question])
    other = upload(place)["id"]
    foreign = place.call("POST", f"/v1/files/{other}/readings", key="province").json()["id"]
    wrong = place.call("POST", f"/v1/jobs/{job}/requeue", key="province", json={"reading": foreign})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "reading-of-another-file")
    gone = place.call("POST", f"/v1/jobs/{job}/requeue", key="province", json={"accept_guess": True})
    assert (gone.json()["status"], gone.json()["input"]["accept_guess"], gone.json()["questions"]) == (
        "queued",
        True,
        [],
    )


def test_a_failed_job_says_why_in_the_callers_language(place: Place, worker: Worker):
    job = accepted(place)
    worker.claims.fail(worker.claim(job), {"code": "computation-lost", "vi": "Hỏng rồi.", "en": "Lost."})
    assert status(place, job)["error"] == {"code": "computation-lost", "detail": "Hỏng rồi."}
    english = place.get(f"/v1/jobs/{job}", key="province", headers={"Accept-Language": "en"}).json()
    assert english["error"]["detail"] == "Lost."


def test_another_organisations_job_is_like_one_that_does_not_exist(place: Place, worker: Worker):
    job, file = accepted(place), upload(place)["id"]
    worker.finish(job)
    made_up = "job_" + "0" * 35
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/result"), ("GET", "/report"), ("DELETE", ""),
                         ("POST", "/cancel"), ("POST", "/requeue")):  # fmt: skip
        seen, none = (place.call(method, f"/v1/jobs/{one_}{path}", key="province_b") for one_ in (job, made_up))
        assert seen.status_code == none.status_code == 404
        assert plain(seen) == plain(none)
    assert place.get("/v1/jobs", key="province_b").json()["data"] == []
    seen, none = (
        submit(place, {**JOB, "input": {"file_id": one_}}, key="province_b") for one_ in (file, "file_" + "0" * 35)
    )
    assert plain(seen) == plain(none)


def test_jobs_are_listed_by_state_and_type(place: Place):
    job = accepted(place, key="ministry")
    place.call("POST", f"/v1/jobs/{job}/cancel", key="ministry")
    kept = accepted(place, key="ministry")
    by_state = place.get("/v1/jobs?status=cancelled", key="ministry").json()["data"]
    assert [row["id"] for row in by_state] == [job]
    assert kept in [row["id"] for row in place.get("/v1/jobs?type=anomaly.series", key="ministry").json()["data"]]
    assert place.get("/v1/jobs?type=forecast", key="ministry").json()["data"] == []
    assert place.get("/v1/jobs?status=x", key="ministry").status_code == 422


def test_an_ended_job_may_be_deleted(place: Place, worker: Worker):
    job = accepted(place)
    assert place.call("DELETE", f"/v1/jobs/{job}", key="province").status_code == 409
    worker.finish(job)
    assert place.call("DELETE", f"/v1/jobs/{job}", key="province").status_code == 204
    assert place.get(f"/v1/jobs/{job}", key="province").status_code == 404


def test_a_stream_ends_when_its_key_is_revoked(place: Place):
    job = accepted(place)
    key = place.post(
        "/v1/keys",
        {
            "subject": {"name": "x", "kind": "system"},
            "role": "service",
            "tenant": place.get("/v1/me", key="province").json()["tenant"]["id"],
        },
        key="admin",
    ).json()

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(place.app), base_url="http://a") as client:
            task = asyncio.create_task(
                client.get(f"/v1/jobs/{job}/events", headers={"Authorization": f"Bearer {key['key']}"})
            )
            await asyncio.sleep(0.3)
            assert not task.done()
            await asyncio.to_thread(place.house.identity.revoke_key, None, key["id"])
            return await asyncio.wait_for(task, 5)

    assert next(events(place.runner.run(go())))[2] == {"status": "queued"}
