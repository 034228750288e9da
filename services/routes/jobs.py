"""/v1/jobs: accepted when durable, watched, cancelled, queued again; results and reports read back.

Decision: 202 is given when the job's row is committed, never before. The answer to the same Idempotency-Key is built
from that row, so it is the same also when the first answer was lost in a crash; a repeated key is known before anything
else is judged, so it is the same also when the model was stopped or the file deleted meanwhile.

Decision: everything that can be refused at once is refused at once, as the synchronous endpoint would: the model's
gate, the parameters, inline data, an address that no webhook may go to. What only the file can tell (an open question)
is told by the job's status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import IO, Any, Final

import msgspec

from models.errors import (
    ConflictError,
    InvalidInputError,
    Note,
    PlatformError,
    UnavailableError,
)
from pipelines.results.report import POLICY
from registry.entries import Entry
from registry.jobs import Job, NewJob
from registry.objects import Stored
from services.addresses import AddressRefusedError, admit, parse_target
from services.desk import Desk
from services.endpoints import LARGE_BODY_BYTES, Call, Endpoint, Parameter, Reply
from services.events import HEADERS, MEDIA_TYPE, last_event_id, stream
from services.idempotency import plain_key
from services.job_wire import (
    AUDIENCES,
    FORMATS,
    REPORTS,
    STATES,
    TYPES,
    AcceptedOut,
    InputIn,
    JobIn,
    JobList,
    JobOut,
    OneJobOut,
    RequeueIn,
    WebhookIn,
    shown,
)
from services.orders import ORDERS, Order, check_data, check_parameters
from services.pages import PAGING, asked_page, cut, next_link, refused
from services.records import actor_of
from services.repeats import REPLAYED
from services.roles import JOBS_READ, JOBS_WRITE, PREDICT
from services.routes.files import download_headers, named_key, seen_by

READ_BYTES: Final = 1 << 18


def _choice(name: str, vi: str, en: str, values: tuple[str, ...]) -> Parameter:
    return Parameter(name, Note(vi, en), {"type": "string", "enum": list(values)})


FORMAT: Final = _choice("format", "Định dạng", "Format", tuple(FORMATS))
LOCALE: Final = _choice("locale", "vi: CSV cho Excel tiếng Việt", "vi: CSV for Vietnamese Excel", ("vi", "en"))
REPORT_FORMAT: Final = _choice("format", "Định dạng", "Format", tuple(REPORTS))
AUDIENCE: Final = _choice("audience", "Người đọc", "Reader", AUDIENCES)
LANGUAGE: Final = _choice("language", "Ngôn ngữ", "Language", ("vi", "en"))
STATUS: Final = _choice("status", "Trạng thái", "State", STATES)
TYPE: Final = _choice("type", "Loại", "Type", TYPES)

# --- endpoints ----------------------------------------------------------------------------------------------


class JobRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, desk: Desk) -> None:
        """Keep the parts."""
        self._desk = desk
        self._jobs = desk.jobs

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        one = "/v1/jobs/{job_id}"
        read: dict[str, Any] = {"method": "GET", "tag": "jobs", "scope": JOBS_READ}
        write: dict[str, Any] = {"method": "POST", "tag": "jobs", "scope": JOBS_WRITE}
        return [
            Endpoint(
                path="/v1/jobs", handler=self.create, request=JobIn, response=AcceptedOut, status=202, creates=True,
                body_limit=LARGE_BODY_BYTES, event="job.create", refusals=(403, 404, 409, 429, 507),
                examples={"vi": EXAMPLE}, summary=Note("Giao một công việc", "Submit a job"), **write,
            ),
            Endpoint(
                path="/v1/jobs", handler=self.list, response=JobList, event="job.list",
                query=(*PAGING, STATUS, TYPE), summary=Note("Danh sách công việc", "List jobs"), **read,
            ),
            Endpoint(
                path=one, handler=self.get, response=OneJobOut, event="job.read", refusals=(404,),
                summary=Note("Một công việc", "A job"), **read,
            ),
            Endpoint(
                path=one + "/cancel", handler=self.cancel, response=OneJobOut, event="job.cancel", refusals=(404,),
                summary=Note("Dừng một công việc", "Cancel a job"), **write,
            ),
            Endpoint(
                path=one + "/requeue", handler=self.requeue, request=RequeueIn, response=OneJobOut, status=202,
                empty_allowed=True, event="job.requeue", refusals=(404, 409),
                summary=Note("Trả lời câu hỏi hoặc làm lại", "Answer the questions, or run again"), **write,
            ),
            Endpoint(
                path=one + "/events", handler=self.events, event="job.events", refusals=(400, 404),
                media_types=(MEDIA_TYPE,), summary=Note("Diễn biến (SSE)", "Events (SSE)"), **read,
            ),
            Endpoint(
                path=one + "/result", handler=self.result, event="job.result", refusals=(404, 409),
                query=(FORMAT, LOCALE), media_types=tuple(kind.decode() for kind in FORMATS.values()),
                summary=Note("Kết quả", "The result"), **read,
            ),
            Endpoint(
                path=one + "/report", handler=self.report, event="job.report", refusals=(404, 406, 409),
                query=(REPORT_FORMAT, AUDIENCE, LANGUAGE), media_types=("text/html",),
                summary=Note("Báo cáo", "The report"), **read,
            ),
            Endpoint(
                method="DELETE", path=one, handler=self.delete, tag="jobs", scope=JOBS_WRITE, status=204,
                event="job.delete", refusals=(404, 409),
                summary=Note("Xóa công việc đã xong và kết quả", "Delete an ended job and its result"),
            ),
        ]  # fmt: skip

    async def create(self, call: Call, body: JobIn) -> Reply:
        """Accept a job; it is durable when this answers."""
        who, order = call.who, ORDERS[body.type]
        who.require(PREDICT)
        key = call.header("idempotency-key")
        idempotency = None if key is None else named_key(who, plain_key(key))
        request = await self._desk.uploads.aside(_digest, call.body)
        if idempotency is not None:
            known = await self._desk.uploads.aside(self._jobs.repeated, who.tenant, idempotency, request)
            if known is not None:
                return self._accepted(call, known, fresh=False)
        parameters = check_parameters(order, msgspec.json.encode(body.parameters))
        entry = self._desk.handles.allow(who, order.task, body.model)
        await self._check_webhook(who.tenant, body.webhook)
        digest_, stored = await self._input(call, order, body.input)
        new = NewJob(
            tenant=who.tenant, actor=actor_of(who), request_id=call.request_id, type=body.type, parameters=parameters,
            model=_facts(entry), input_sha256=digest_, file_id=body.input.file_id, reading_id=body.input.reading,
            accept_guess=body.input.accept_guess, data=stored, idempotency=idempotency, request_sha256=request,
            webhook_url=None if body.webhook is None else body.webhook.url,
        )  # fmt: skip
        job, fresh = await self._desk.uploads.aside(self._jobs.create, new)
        return self._accepted(call, job, fresh)

    def _accepted(self, call: Call, job: Job, fresh: bool) -> Reply:
        """The answer to a job that is durable, built from its row."""
        call.params = {"job_id": job.id}  # the record names what was made
        accepted = AcceptedOut(
            request_id=job.request_id, id=job.id, type=job.type, status="queued", created_at=job.created_at,
            url=f"/v1/jobs/{job.id}", events_url=f"/v1/jobs/{job.id}/events",
        )  # fmt: skip
        location = (b"location", accepted.url.encode())
        return Reply(accepted, 202, (location,) if fresh else (location, REPLAYED))

    async def _input(self, call: Call, order: Order, given: InputIn) -> tuple[str, Stored | None]:
        """The digest of what the job works on, and where inline data was kept."""
        if (given.file_id is None) == (given.data is None):
            vi, en = "Cần đúng một trong file_id, data.", "Give one of file_id and data."
            raise InvalidInputError.at("/input", vi, en, code="wrong-value")
        if given.data is None:
            digest_ = await asyncio.to_thread(self._file, call.who.tenant, given)
            call.quota = self._desk.quota.admit(call.who, requests=0, units=1)  # the rest as its chunks are done
            return digest_, None
        if given.reading is not None or given.accept_guess:
            vi, en = "reading và accept_guess chỉ dùng với file_id.", "reading and accept_guess go with file_id."
            raise InvalidInputError.at("/input", vi, en, code="wrong-value")
        stored, units = await self._desk.uploads.aside(self._keep, order, given.data)
        try:
            call.units = units
            call.quota = self._desk.quota.admit(call.who, requests=0, units=units)
        except PlatformError:
            self._desk.objects.delete(stored.name)
            raise
        return stored.sha256, stored

    def _keep(self, order: Order, data: Mapping[str, Any]) -> tuple[Stored, int]:
        content = msgspec.json.encode(data)
        units = check_data(order, content)
        return self._desk.objects.keep([content]), units

    def _file(self, tenant: str, given: InputIn) -> str:
        file = self._desk.files.ready([tenant], str(given.file_id))
        if given.reading is not None:
            reading = self._desk.readings.get([tenant], given.reading)
            if reading.file_id != file.id:
                vi, en = "Cách đọc này thuộc một tệp khác.", "This reading belongs to another file."
                raise InvalidInputError.at("/input/reading", vi, en, code="reading-of-another-file")
        return file.sha256

    async def _check_webhook(self, tenant: str, webhook: WebhookIn | None) -> None:
        """Refuse an address that no webhook may go to; one that does not answer now may do so later."""
        if webhook is None:
            return
        target = parse_target(webhook.url, "/webhook/url")
        hook = await asyncio.to_thread(self._desk.deliveries.hook, tenant)
        try:
            async with asyncio.timeout(2.0):
                await admit(target, hook.allowed)
        except AddressRefusedError as error:
            note = error.note
            raise InvalidInputError.at("/webhook/url", note.vi, note.en, code=error.word) from error
        except (UnavailableError, TimeoutError):
            return

    async def list(self, call: Call, body: None) -> Reply:
        """List the jobs that the caller sees."""
        query = call.query("limit", "after", "status", "type")
        page = asked_page(query)
        state, kind = chosen(query, "status", STATES), chosen(query, "type", TYPES)
        found = await asyncio.to_thread(self._jobs.page, seen_by(call.who), page.limit + 1, page.after, state, kind)
        data, frame = cut(found, [job.id for job in found], page)
        listed = JobList(request_id=call.request_id, data=[JobOut(**shown(call, job)) for job in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def get(self, call: Call, body: None) -> Reply:
        """A job."""
        call.query()
        return self._one(call, await asyncio.to_thread(self._jobs.get, seen_by(call.who), call.params["job_id"]))

    async def cancel(self, call: Call, body: None) -> Reply:
        """End a job now; nothing of it is committed afterwards."""
        return self._one(call, await asyncio.to_thread(self._jobs.cancel, call.who.tenant, call.params["job_id"]))

    async def requeue(self, call: Call, body: RequeueIn) -> Reply:
        """Answer a job's questions, or run a failed or cancelled one again."""
        job = await asyncio.to_thread(self._again, call.who.tenant, call.params["job_id"], body)
        return self._one(call, job, 202)

    def _again(self, tenant: str, job_id: str, body: RequeueIn) -> Job:
        job = self._jobs.get([tenant], job_id)
        if body.reading is not None:
            reading = self._desk.readings.get([tenant], body.reading)
            if reading.file_id != job.file_id:
                vi, en = "Cách đọc này thuộc một tệp khác.", "This reading belongs to another file."
                raise InvalidInputError.at("/reading", vi, en, code="reading-of-another-file")
        return self._jobs.requeue(tenant, job_id, reading_id=body.reading, accept_guess=body.accept_guess)

    async def delete(self, call: Call, body: None) -> Reply:
        """Delete an ended job and its result; the record stays."""
        call.query()
        await self._desk.uploads.aside(self._jobs.remove, call.who.tenant, call.params["job_id"])
        return Reply(None, 204)

    async def events(self, call: Call, body: None) -> Reply:
        """The job's events as they come."""
        call.query()
        job_id, tenants, seen = call.params["job_id"], seen_by(call.who), last_event_id(call)
        await asyncio.to_thread(self._jobs.get, tenants, job_id)
        if call.method == "HEAD":
            return Reply(_nothing(), headers=HEADERS)
        self._desk.feed.check(call.who.tenant)

        def read(after: int, limit: int) -> Any:
            return self._jobs.events(tenants, job_id, after, limit)

        alive = self._desk.alive(call)
        return Reply(stream(call, self._desk.feed, job_id, read, alive, seen), headers=HEADERS)

    async def result(self, call: Call, body: None) -> Reply:
        """The result in a format; the source cell stands beside every value."""
        query = call.query("format", "locale")
        form = chosen(query, "format", tuple(FORMATS)) or "json"
        locale = chosen(query, "locale", ("vi", "en"))
        job = await self._finished(call)
        opened = await self._desk.bounded.do(call, self._open, job, form, locale)
        digest_ = (job.result or {})["sha256"] if form == "json" else None
        headers = download_headers(f"{job.id}.{form}", None, FORMATS[form], digest_)
        return Reply(_nothing(opened) if call.method == "HEAD" else self._bytes(opened), headers=headers)

    async def report(self, call: Call, body: None) -> Reply:
        """The report for a reader."""
        query = call.query("format", "audience", "language")
        form = query.get("format", "html")
        if form not in REPORTS:
            offered = ", ".join(REPORTS)
            raise InvalidInputError(f"Chỉ có: {offered}.", f"Offered: {offered}.", code="not-acceptable")
        audience = chosen(query, "audience", AUDIENCES) or "leader"
        language = chosen(query, "language", ("vi", "en")) or call.language
        job = await self._finished(call)
        content = await self._desk.bounded.do(call, self._report, job, form, audience, language)
        return Reply(content, headers=((b"content-security-policy", POLICY.encode()),), media_type=REPORTS[form])

    def _open(self, job: Job, form: str, locale: str | None) -> IO[bytes]:
        """The result in a format; JSON is kept as it is handed out, the others are rendered."""
        result = job.result or {}
        if form == "json":
            return self._desk.objects.open(result["json"])
        return self._desk.renderer.result(self._desk.objects.path(result["object"]), form, locale)

    def _report(self, job: Job, form: str, audience: str, language: str) -> bytes:
        path = self._desk.objects.path((job.result or {})["object"])
        with self._desk.renderer.report(path, form, audience, language) as opened:
            return opened.read()

    async def _finished(self, call: Call) -> Job:
        """A job with a result. Raises NotFoundError, ConflictError (`no-result`)."""
        job = await asyncio.to_thread(self._jobs.get, seen_by(call.who), call.params["job_id"])
        if job.result is None or job.state != "succeeded":
            raise ConflictError(
                "Công việc chưa có kết quả.", "The job has no result.", code="no-result", job_status=job.state
            )
        return job

    def _one(self, call: Call, job: Job, status: int = 200) -> Reply:
        return Reply(OneJobOut(request_id=call.request_id, **shown(call, job)), status)

    async def _bytes(self, opened: IO[bytes]) -> AsyncIterator[bytes]:
        try:
            while part := await self._desk.uploads.aside(opened.read, READ_BYTES):
                yield part
        finally:
            opened.close()


def chosen(query: Mapping[str, str], name: str, values: tuple[str, ...]) -> str | None:
    """A query parameter that must be one of several words. Raises InvalidInputError."""
    value = query.get(name)
    if value is not None and value not in values:
        known = ", ".join(values)
        raise refused(name, f"{name} phải là một trong: {known}.", f"{name} must be one of: {known}.")
    return value


def _facts(entry: Entry) -> dict[str, str]:
    """The model as the job keeps it."""
    return {"name": entry.name, "version": entry.version, "card": entry.digests.card,
            "artifact": entry.digests.artifact, "tier": entry.tier}  # fmt: skip


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


async def _nothing(opened: IO[bytes] | None = None) -> AsyncIterator[bytes]:
    if opened is not None:
        opened.close()
    return
    yield b""


EXAMPLE: Final = {
    "type": "anomaly.series",
    "input": {"data": {"inputs": [{
        "name": "sxh-dong-nai", "series": [112, 98, 105, 130, 171, 240, 310, 356, 331, 262, 190, 140, 118, 101],
        "frequency": "M", "start_timestamp": "2024-01", "kind": "count", "unit": "ca",
    }]}},
    "parameters": {"alarm_budget": 5},
}  # fmt: skip
