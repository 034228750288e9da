"""One set of laws for files, readings, jobs and webhooks, on SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from models.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    UnavailableError,
)
from registry.claims import MOST_DEATHS, Claim, Claims, FenceLostError, PlannedChunk, needs_worker, silence
from registry.database import Database
from registry.deliveries import Deliveries
from registry.files import Files
from registry.job_rows import MOVES
from registry.jobs import REPEATED, Job, Jobs, NewJob
from registry.lockbox import Lockbox
from registry.objects import Objects
from registry.readings import Readings
from registry.storage import Storage, owned
from registry.tables import deliveries as deliveries_table
from registry.tables import executors, files, job_chunks, job_events, jobs, readings, storage, tenants, usage, webhooks

A, B = "ten_a", "ten_b"
BOX = Lockbox(bytes(32))


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    found: Database = request.getfixturevalue(request.param)
    with found.write() as connection:
        for tenant in (A, B):
            row = {"id": tenant, "code": tenant, "vintage": "x", "name": tenant, "kind": "state", "level": "province"}
            connection.execute(insert(tenants).values(row | {"created_at": datetime.now(UTC)}))
    yield found
    with found.write() as connection:
        for table in (deliveries_table, webhooks, executors, job_events, job_chunks, jobs, readings, storage, files):
            connection.execute(delete(table))
        connection.execute(delete(tenants).where(tenants.c.id.in_([A, B])))


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


@pytest.fixture
def kept(database: Database) -> Storage:
    return Storage(database, quota_bytes=1000)


@pytest.fixture
def filed(database: Database, objects: Objects, kept: Storage, clock: Clock) -> Files:
    return Files(database, objects, kept, clock)


@pytest.fixture
def door(database: Database, objects: Objects, kept: Storage, clock: Clock) -> Jobs:
    return Jobs(database, objects, kept, clock)


@pytest.fixture
def claims(database: Database, kept: Storage, clock: Clock) -> Claims:
    return Claims(database, kept, clock, "embedded")


def new(tenant: str = A, **more) -> NewJob:
    return NewJob(
        tenant=tenant, actor={"id": "sub_1", "type": "person"}, request_id="req_1", type="forecast",
        parameters={"horizon": 3}, model={"name": "m", "version": "1.0.0"}, input_sha256="0" * 64, **more,
    )  # fmt: skip


def planned(claims: Claims, objects: Objects, job: Job, chunks: int = 3) -> Claim:
    claim = claims.claim(job.id, job.runs)
    assert claim is not None
    claims.plan(claim, [PlannedChunk(10, objects.keep([b"in"])) for _ in range(chunks)], "series")
    return claim


def finished(claims: Claims, objects: Objects, claim: Claim) -> Job:
    for chunk in claims.chunks(claim.id):
        if chunk.state != "done":
            claims.commit(claim, chunk.number, objects.keep([b"out"]), {"succeeded": 10, "failed": 0})
    out = objects.keep([b"result"])
    return claims.finish(claim, {"object": out.name, "sha256": out.sha256, "bytes": 6, "rows": 1}, {"succeeded": 30})


# --- files --------------------------------------------------------------------------------------------------


def test_a_file_is_found_by_its_own_tenant_and_by_nobody_else(filed: Files, objects: Objects):
    file = filed.add(A, "sub", "analysis", "niên giám.xls", objects.keep([b"abc", b"def"]))
    assert filed.get([A], file.id) == file
    assert b"".join(objects.parts(file.object or "")) == b"abcdef"
    for tenants_seen, wanted in (([B], file.id), ([A], "file_0")):
        with pytest.raises(NotFoundError) as refused:
            filed.get(tenants_seen, wanted)
        assert refused.value.note.vi == "Không tìm thấy tệp."
    with pytest.raises(NotFoundError):
        filed.remove(B, file.id)


def test_storage_has_a_quota_that_deleting_gives_back(filed: Files, objects: Objects, kept: Storage):
    first = filed.add(A, "sub", "x", "a", objects.keep([b"x" * 900]))
    stored = objects.keep([b"x" * 101])
    with pytest.raises(InvalidInputError) as refused:
        filed.add(A, "sub", "x", "b", stored)
    assert refused.value.word == "storage-quota"
    assert objects.size(stored.name) == 0
    filed.add(B, "sub", "x", "b", objects.keep([b"x" * 101]))
    filed.remove(A, first.id)
    assert kept.usage(A) == (0, 1000)
    assert kept.usage(B) == (101, 1000)
    kept.set_quota(B, 50)
    assert kept.usage(B) == (101, 50)


def test_a_resumable_upload_continues_where_it_ends_and_is_ready_when_its_digest_matches(
    filed: Files, objects: Objects, kept: Storage
):
    sealed = objects.keep([b"hello world"])
    file = filed.announce(A, "sub", "x", "a.csv", sealed.bytes, sealed.sha256)
    assert kept.usage(A)[0] == 11
    with objects.resume(file.id, 0, file.bytes) as part:
        part.write(b"hello")
        assert part.keep() == 5
    with pytest.raises(ConflictError) as wrong:
        objects.resume(file.id, 3, file.bytes)
    assert wrong.value.facts["received"] == 5
    with pytest.raises(ConflictError) as early:
        filed.complete(A, file.id)
    assert early.value.word == "incomplete-upload"
    with pytest.raises(InvalidInputError), objects.resume(file.id, 5, file.bytes) as part:
        part.write(b" world!")
    assert objects.received(file.id) == 5
    with objects.resume(file.id, 5, file.bytes) as part:
        part.write(b" world")
        part.keep()
    done = filed.complete(A, file.id)
    assert (done.status, done.sha256) == ("ready", sealed.sha256)
    assert filed.complete(A, file.id) == done
    assert objects.received(file.id) == 0


def test_an_upload_with_another_digest_never_becomes_a_file(filed: Files, objects: Objects):
    file = filed.announce(A, "sub", "x", "a.csv", 3, "0" * 64)
    with objects.resume(file.id, 0, 3) as part:
        part.write(b"abc")
        part.keep()
    with pytest.raises(ConflictError) as refused:
        filed.complete(A, file.id)
    assert refused.value.word == "digest-mismatch"
    with pytest.raises(ConflictError) as unready:
        filed.ready([A], file.id)
    assert unready.value.word == "file-not-ready"


def test_old_files_go_with_their_bytes(filed: Files, objects: Objects, kept: Storage, clock: Clock):
    file = filed.add(A, "sub", "x", "a", objects.keep([b"abc"]))
    assert filed.expire() == []
    clock.now += 31 * 86_400
    assert [old.id for old in filed.expire()] == [file.id]
    assert objects.size(file.object or "") == 0
    assert kept.usage(A)[0] == 0


def test_lists_go_from_the_newest_on(filed: Files, objects: Objects):
    ids = [filed.add(A, "sub", "x", str(n), objects.keep([b"a"])).id for n in range(5)]
    first = filed.page([A], 3)
    assert [file.id for file in first] == ids[:1:-1]
    assert [file.id for file in filed.page([A], 3, first[-1].id)] == ids[1::-1]
    assert filed.page([B], 3) == []


# --- readings -----------------------------------------------------------------------------------------------


def test_a_correction_names_the_version_it_corrects(database: Database, clock: Clock):
    book = Readings(database, clock)
    first = book.add(A, "sub", "file_1", "0" * 64, "f1", {"tables": []}, 2)
    second = book.correct(A, first.id, 1, {"tables": [1]}, 0, "mẫu y tế")
    assert (second.version, second.document, second.open_questions) == (2, {"tables": [1]}, 0)
    with pytest.raises(ConflictError) as late:
        book.correct(A, first.id, 1, {}, 0)
    assert late.value.word == "precondition-failed"
    for tenant, reading_id in ((B, first.id), (A, "rdg_0")):
        with pytest.raises(NotFoundError):
            book.correct(tenant, reading_id, 2, {}, 0)
        with pytest.raises(NotFoundError):
            book.get([tenant], reading_id)


def test_the_newest_named_reading_of_a_fingerprint_is_the_template(database: Database, clock: Clock):
    book = Readings(database, clock)
    book.add(A, "sub", "file_1", "0" * 64, "f1", {}, 0)
    assert book.named(A, "f1") is None
    old = book.add(A, "sub", "file_1", "0" * 64, "f1", {}, 0, "cũ")
    young = book.add(A, "sub", "file_2", "0" * 64, "f1", {}, 0, "mới")
    assert book.named(A, "f1") == young
    assert book.named(A, "f1", "cũ") == old
    assert book.named(A, "f2") is None
    assert book.named(B, "f1") is None
    plain = book.add(A, "sub", "file_1", "0" * 64, "f1", {}, 0)
    assert [one.id for one in book.page([A], 10, file_id="file_1")][:2] == [plain.id, old.id]
    book.forget(A, "file_1")
    assert book.page([A], 10, file_id="file_1") == [old]
    book.remove(A, young.id)
    assert book.named(A, "f1") == old


# --- jobs at the door ---------------------------------------------------------------------------------------


def test_an_accepted_job_is_queued_and_hidden_from_others(door: Jobs):
    job, is_new = door.create(new())
    assert is_new
    assert (job.state, job.parameters, job.attempts) == ("queued", {"horizon": 3}, 0)
    assert door.get([A], job.id) == job
    for call in (door.get, door.events):
        with pytest.raises(NotFoundError):
            call([B], job.id)
    for act in (door.cancel, door.requeue, door.remove):
        with pytest.raises(NotFoundError):
            act(B, job.id)
    assert [event.body for event in door.events([A], job.id)] == [{"status": "queued"}]


def test_one_idempotency_key_is_one_job_however_many_ask_at_once(door: Jobs, objects: Objects, kept: Storage):
    made: list[tuple[Job, bool]] = []

    def post() -> None:
        made.append(door.create(new(idempotency="k" * 64, data=objects.keep([b"data"]))))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.id for job, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1
    assert kept.usage(A)[0] == 4
    assert len(list(objects.root.glob("??/*"))) == 1
    assert door.create(new(B, idempotency="k" * 64))[0].id != made[0][0].id


def test_an_idempotency_key_stands_for_one_request_and_for_a_day(
    door: Jobs, claims: Claims, objects: Objects, kept: Storage, clock: Clock
):
    same = {"idempotency": "k" * 64, "request_sha256": "1" * 64}
    first, fresh = door.create(new(data=objects.keep([b"data"]), **same))
    assert fresh
    door.requeue(A, door.cancel(A, first.id).id, accept_guess=True)  # what the job became is not what was asked
    assert door.create(new(**same)) == (door.get([A], first.id), False)
    data = objects.keep([b"other"])
    with pytest.raises(InvalidInputError) as refused:
        door.create(new(data=data, **same | {"request_sha256": "2" * 64}))
    assert refused.value.word == "idempotency-key-reused"
    assert objects.size(data.name) == 0
    assert kept.usage(A)[0] == 4
    clock.now += REPEATED.total_seconds()
    second, fresh = door.create(new(**same | {"request_sha256": "2" * 64}))
    assert fresh
    assert second.id != first.id
    assert door.repeated(A, "k" * 64, "2" * 64) == second
    assert door.get([A], first.id).idempotency is None


@contextmanager
def answer_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every transaction is committed, and its answer lost: what a server that is stopped hard may do."""
    plain = Database.write

    @contextmanager
    def lost(self: Database) -> Iterator[Connection]:
        with plain(self) as connection:
            yield connection
        raise UnavailableError("", "", code="database-away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", lost)
        yield


def test_a_commit_whose_answer_was_lost_keeps_its_bytes(
    door: Jobs, claims: Claims, filed: Files, objects: Objects, monkeypatch: pytest.MonkeyPatch
):
    key = {"idempotency": "k" * 64, "request_sha256": "1" * 64}
    data = objects.keep([b"data"])
    with answer_lost(monkeypatch), pytest.raises(UnavailableError):
        door.create(new(data=data, **key))
    with answer_lost(monkeypatch), pytest.raises(UnavailableError):
        filed.add(A, "sub", "x", "a", stored := objects.keep([b"file"]))
    (file,) = filed.page([A], 10)
    assert (file.object, objects.size(stored.name)) == (stored.name, 4)
    job, fresh = door.create(new(data=objects.keep([b"data"]), **key))
    assert (fresh, job.data_object, objects.size(data.name)) == (False, data.name, 4)
    claim = planned(claims, objects, job, chunks=1)
    out, result = objects.keep([b"out"]), objects.keep([b"result"])
    ended = {"object": result.name, "json": result.name, "sha256": result.sha256, "bytes": 6, "rows": 1}
    with answer_lost(monkeypatch), pytest.raises(UnavailableError):
        claims.commit(claim, 0, out, {})
    assert claims.commit(claim, 0, out, {}).progress_done == 10
    with answer_lost(monkeypatch), pytest.raises(UnavailableError):
        claims.finish(claim, ended, {"succeeded": 10})
    assert claims.finish(claim, ended, {"succeeded": 10}).state == "succeeded"
    with pytest.raises(FenceLostError):
        claims.finish(claim, ended | {"object": "f" * 48}, {"succeeded": 10})


def test_an_input_that_no_row_owns_is_removed(door: Jobs, filed: Files, objects: Objects, database: Database):
    data, file = objects.keep([b"x" * 2000]), objects.keep([b"x" * 2000])
    with pytest.raises(InvalidInputError):
        door.create(new(data=data))
    with pytest.raises(InvalidInputError):
        filed.add(A, "sub", "x", "a", file)
    assert (objects.size(data.name), objects.size(file.name)) == (0, 0)


def test_inline_data_counts_against_the_quota(door: Jobs, objects: Objects):
    data = objects.keep([b"x" * 1001])
    with pytest.raises(InvalidInputError):
        door.create(new(data=data))
    assert objects.size(data.name) == 0


def test_a_cancelled_job_can_be_queued_again_and_a_finished_one_cannot(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    assert door.cancel(A, job.id).state == "cancelled"
    assert door.cancel(A, job.id).state == "cancelled"
    again = door.requeue(A, job.id)
    assert (again.state, again.runs) == ("queued", 2)
    assert claims.claim(job.id, 1) is None
    assert finished(claims, objects, planned(claims, objects, again)).state == "succeeded"
    with pytest.raises(ConflictError) as refused:
        door.requeue(A, job.id)
    assert refused.value.facts["allowed"] == []
    assert set(MOVES) == {"queued", "needs_input", "running", "succeeded", "failed", "cancelled"}


def test_lists_can_be_narrowed(door: Jobs):
    ids = [door.create(new())[0].id for _ in range(3)]
    door.cancel(A, ids[1])
    assert [job.id for job in door.page([A], 10, state="queued")] == [ids[2], ids[0]]
    assert [job.id for job in door.page([A], 10, after=ids[1])] == [ids[0]]
    assert door.page([A], 10, type="anomaly.series") == []
    assert door.page([B], 10) == []


def test_an_ended_job_goes_with_all_it_kept(
    door: Jobs, claims: Claims, objects: Objects, kept: Storage, database: Database
):
    job, _ = door.create(new(data=objects.keep([b"data"])))
    with pytest.raises(ConflictError):
        door.remove(A, job.id)
    finished(claims, objects, planned(claims, objects, job))
    assert kept.usage(A)[0] == 4 + 6
    names, _ = owned(database)
    assert len(names) == len(list(objects.root.glob("??/*"))) == 8
    door.remove(A, job.id)
    assert kept.usage(A)[0] == 0
    assert list(objects.root.glob("??/*")) == []
    with pytest.raises(NotFoundError):
        door.get([A], job.id)


def test_old_jobs_expire_and_running_ones_do_not(door: Jobs, claims: Claims, objects: Objects, clock: Clock):
    old, running = door.create(new())[0], door.create(new())[0]
    finished(claims, objects, planned(claims, objects, old))
    planned(claims, objects, running)
    clock.now += 40 * 86_400
    assert [job.id for job in door.expire()] == [old.id]


def test_of_two_that_sweep_at_once_one_tells_what_went(
    door: Jobs, claims: Claims, objects: Objects, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    job = door.create(new())[0]
    finished(claims, objects, planned(claims, objects, job))
    clock.now += 40 * 86_400
    write, other = Database.write, []

    def late(database: Database):
        """The other one comes between the look and the deletion."""
        monkeypatch.setattr(Database, "write", write)
        other.extend(door.expire())
        return write(database)

    monkeypatch.setattr(Database, "write", late)
    assert door.expire() == []
    assert [gone.id for gone in other] == [job.id]


# --- jobs in the worker's hands -----------------------------------------------------------------------------


def test_every_chunk_moves_the_progress_once_and_the_stream_tells_all(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    claim = planned(claims, objects, job)
    with pytest.raises(ValueError, match="open chunks"):
        claims.finish(claim, {"object": "x", "sha256": "y", "bytes": 1}, {})
    done = finished(claims, objects, claim)
    assert (done.progress_done, done.progress_total, done.progress_unit) == (30, 30, "series")
    assert done.counts == {"succeeded": 30}
    events = door.events([A], job.id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [e.body.get("status") for e in events if e.kind == "status"] == ["queued", "running", "succeeded"]
    assert [e.body["progress"]["done"] for e in events if e.kind == "progress"] == [0, 10, 20, 30]
    assert door.events([A], job.id, after=events[-2].number) == events[-1:]


def test_a_worker_that_was_replaced_commits_nothing(door: Jobs, claims: Claims, objects: Objects, database: Database):
    job, _ = door.create(new())
    paused = planned(claims, objects, job)
    taken = claims.claim(job.id, 1)
    assert taken is not None
    assert taken.fence > paused.fence
    assert not claims.holds(paused)
    assert claims.holds(taken)
    out = objects.keep([b"late"])
    for late in (
        lambda: claims.commit(paused, 0, out, {}), lambda: claims.fail(paused, {}), lambda: claims.strike(paused, 0),
        lambda: claims.release(paused), lambda: claims.ask(paused, [], None),
        lambda: claims.finish(paused, {"bytes": 0}, {}), lambda: claims.plan(paused, [], "x"),
    ):  # fmt: skip
        with pytest.raises(FenceLostError):
            late()
    assert claims.beat([paused, taken]) == [taken]
    claims.commit(taken, 0, out, {})
    with pytest.raises(FenceLostError):
        claims.commit(taken, 0, objects.keep([b"again"]), {})
    finished(claims, objects, taken)
    with database.read() as connection:
        assert list(connection.scalars(select(job_chunks.c.commits))) == [1, 1, 1]


def test_what_a_file_held_is_charged_once_to_the_key_that_asked(
    door: Jobs, claims: Claims, objects: Objects, database: Database
):
    asked = replace(new(file_id="file_1"), actor={"id": "sub_1", "type": "person", "key": "key_1"})
    job, _ = door.create(asked)
    claim = planned(claims, objects, job)
    out = objects.keep([b"x"])
    claims.commit(claim, 0, out, {"units": 1000})
    claims.commit(claim, 0, out, {"units": 1000})
    with pytest.raises(FenceLostError):
        claims.commit(claim, 0, objects.keep([b"y"]), {"units": 1000})
    claims.commit(claim, 1, objects.keep([b"z"]), {})
    inline, _ = door.create(replace(asked, file_id=None, data=objects.keep([b"in"])))
    claims.commit(planned(claims, objects, inline), 0, objects.keep([b"x"]), {"units": 1000})
    with database.write() as connection:
        columns = (usage.c.key, usage.c.tenant, usage.c.requests, usage.c.units)
        charged = connection.execute(select(*columns).where(usage.c.key == "key_1")).all()
        connection.execute(delete(usage))
    assert [tuple(row) for row in charged] == [("key_1", A, 0, 1010)]


def test_nothing_is_committed_after_a_cancellation(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    claim = planned(claims, objects, job)
    door.cancel(A, job.id)
    assert not claims.holds(claim)
    with pytest.raises(FenceLostError):
        claims.commit(claim, 0, objects.keep([b"x"]), {})
    assert door.get([A], job.id).progress_done == 0


def test_a_job_is_planned_once(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    claim = planned(claims, objects, job)
    claims.commit(claim, 0, objects.keep([b"x"]), {})
    again = claims.claim(job.id, 1)
    assert again is not None
    chunks = claims.plan(again, [PlannedChunk(1, objects.keep([b"other"]))], "rows")
    assert [chunk.state for chunk in chunks] == ["done", "pending", "pending"]


def test_a_question_lets_the_job_wait_and_an_answer_plans_it_anew(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new(file_id="file_1"))
    claim = claims.claim(job.id, 1)
    assert claim is not None
    waiting = claims.ask(claim, [{"code": "number-format", "vi": "?", "en": "?", "options": []}], {"tables": []})
    assert (waiting.state, waiting.questions and waiting.questions[0]["code"]) == ("needs_input", "number-format")
    assert not claims.busy()
    answered = door.requeue(A, job.id, reading_id="rdg_1")
    assert (answered.state, answered.reading_id, answered.questions) == ("queued", "rdg_1", None)
    assert finished(claims, objects, planned(claims, objects, answered)).state == "succeeded"


def test_a_released_job_is_unharmed(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    claims.release(planned(claims, objects, job))
    back = door.get([A], job.id)
    assert (back.state, back.attempts, back.strikes, back.runs) == ("queued", 0, 0, 2)
    assert claims.waiting(1, 10)[0].runs == 2


def test_a_job_whose_worker_dies_again_and_again_fails_with_the_reason(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    for _ in range(MOST_DEATHS):
        assert claims.claim(job.id, 1) is not None
    assert claims.claim(job.id, 1) is None
    failed = door.get([A], job.id)
    assert (failed.state, failed.error and failed.error["code"]) == ("failed", "worker-lost")
    lucky, _ = door.create(new())
    planned(claims, objects, lucky)
    for number in range(3):
        for _ in range(MOST_DEATHS - 1):
            claim = claims.claim(lucky.id, 1)
        assert claim is not None
        claims.commit(claim, number, objects.keep([b"x"]), {})
    assert finished(claims, objects, claim).state == "succeeded"


def test_lost_computations_are_counted_by_chunk(door: Jobs, claims: Claims, objects: Objects):
    job, _ = door.create(new())
    claim = planned(claims, objects, job)
    assert [claims.strike(claim, 1), claims.strike(claim, 1), claims.strike(claim, 0)] == [1, 2, 1]
    assert claims.strike(claim, None) == 0
    failed = claims.fail(claim, {"code": "chunk-lost"})
    assert (failed.state, failed.attempts) == ("failed", 5)
    door.requeue(A, job.id)
    assert [chunk.strikes for chunk in claims.chunks(job.id)] == [0, 0, 0]


def test_tenants_take_turns(door: Jobs, claims: Claims):
    many = [door.create(new(A))[0].id for _ in range(20)]
    one = door.create(new(B))[0].id
    first = claims.waiting(2, 10)
    assert {job.id for job in first} == {many[0], many[1], one}
    for job in first:
        claims.dispatch(job)
    assert claims.waiting(2, 10) == []
    claims.claim(many[0], 1)
    door.cancel(A, many[0])
    assert [job.id for job in claims.waiting(2, 10)] == [many[2]]
    assert claims.forget_dispatches() == 2


def test_a_silent_job_is_queued_again_under_another_workflow(
    door: Jobs, claims: Claims, objects: Objects, clock: Clock, database: Database
):
    job, _ = door.create(new())
    claim = planned(claims, objects, job)
    claims.beat([claim])
    assert claims.reap(15) == []
    clock.now += 16
    now = datetime.fromtimestamp(clock.now, UTC)
    assert 15 < (silence(database, "embedded", now) or 0) < 20
    assert silence(database, "elsewhere", now) is None
    assert claims.reap(15) == [job.id]
    assert needs_worker(database)
    with pytest.raises(FenceLostError):
        claims.commit(claim, 0, objects.keep([b"x"]), {})
    assert (claims.waiting(1, 1)[0].id, claims.waiting(1, 1)[0].runs) == (job.id, 2)


# --- webhooks -----------------------------------------------------------------------------------------------


def test_an_end_is_written_for_its_webhook_and_kept_until_it_is_delivered_or_dead(
    door: Jobs, claims: Claims, objects: Objects, database: Database, clock: Clock
):
    outbox = Deliveries(database, BOX, clock)
    job, _ = door.create(new(webhook_url="https://example.vn/hook"))
    assert outbox.due() == []
    finished(claims, objects, planned(claims, objects, job))
    (delivery,) = outbox.due()
    assert (delivery.event, delivery.body["data"]["id"]) == ("job.succeeded", job.id)
    assert outbox.due() == []
    outbox.failed(delivery, "503", 5.0)
    assert outbox.due() == []
    clock.now += 6
    (delivery,) = outbox.due()
    outbox.failed(delivery, "503", None)
    clock.now += 90_000
    assert outbox.due() == []
    with pytest.raises(NotFoundError):
        outbox.retry(B, delivery.id)
    outbox.retry(A, delivery.id)
    (last,) = outbox.due()
    outbox.delivered(last)
    assert outbox.page(A, 1)[0].state == "delivered"
    clock.now += 90_000
    assert outbox.due() == []
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(deliveries_table)).scalar_one() == 1


def test_each_tenant_signs_with_its_own_secret(database: Database, clock: Clock):
    outbox = Deliveries(database, BOX, clock)
    first = outbox.hook(A)
    assert outbox.hook(A) == first
    assert outbox.hook(B).secret != first.secret
    assert (outbox.allow(A, ["10.0.0.0/8"]).secret, outbox.hook(A).allowed) == (first.secret, ["10.0.0.0/8"])
    assert outbox.rotate(A).secret != first.secret


def test_the_secret_before_signs_beside_its_successor_until_the_overlap_ends(database: Database, clock: Clock):
    outbox = Deliveries(database, BOX, clock)
    first = outbox.hook(A)
    second = outbox.rotate(A, timedelta(hours=1))
    assert second.secrets == [second.secret, first.secret]
    assert second.previous_until is not None
    assert outbox.allow(A, ["10.0.0.0/8"]).secrets == second.secrets
    third = outbox.rotate(A, timedelta(hours=1))
    assert third.secrets == [third.secret, second.secret]
    clock.now += 3601
    assert outbox.hook(A).secrets == [third.secret]
    assert (outbox.hook(A).previous, outbox.hook(A).previous_until) == (None, None)
    assert outbox.rotate(A).previous is None


def test_secrets_are_kept_sealed_each_to_its_tenant(database: Database, clock: Clock):
    outbox = Deliveries(database, BOX, clock)
    secret, other = outbox.hook(A).secret, outbox.hook(B).secret
    with database.read() as connection:
        kept = dict(connection.execute(select(webhooks.c.tenant, webhooks.c.secret)).all())
    assert secret not in kept[A]
    with database.write() as connection:
        connection.execute(update(webhooks).where(webhooks.c.tenant == A).values(secret=kept[B]))
    with pytest.raises(IntegrityError) as refused:
        outbox.hook(A)
    assert refused.value.word == "secret-altered"
    with pytest.raises(IntegrityError):
        Deliveries(database, Lockbox(b"1" * 32), clock).hook(B)
    with database.write() as connection:  # as a version before kept it
        connection.execute(update(webhooks).where(webhooks.c.tenant == A).values(secret=secret))
    assert outbox.hook(A).secret == secret
    with database.read() as connection:
        (sealed,) = connection.execute(select(webhooks.c.secret).where(webhooks.c.tenant == A)).one()
    assert secret not in sealed
    assert outbox.hook(B).secret == other


def test_a_tenants_crowd_has_a_bound_and_another_tenant_is_not_kept_out(
    database: Database, objects: Objects, kept: Storage, claims: Claims, clock: Clock
):
    jobs = Jobs(database, objects, kept, clock, most_queued=2)
    first, _ = jobs.create(new())
    jobs.create(new())
    with pytest.raises(QuotaExceededError) as caught:
        jobs.create(new(data=objects.keep([b"data"])))
    assert (caught.value.word, caught.value.retry_after_seconds) == ("too-many-jobs", 30)
    assert not list(objects.root.glob("[0-9a-f][0-9a-f]/*"))
    assert jobs.create(new(B))[1]
    assert claims.claim(first.id, first.runs) is not None
    assert jobs.create(new())[1]
