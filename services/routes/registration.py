"""Registering a model: `POST /v1/registry/models/{name}/versions`, and what became of earlier attempts.

A form carries `artifact` (an archive of safe files, or one .onnx, .skops or .safetensors file), `card` (JSON or YAML),
`bias` (the bias.json that `aichung bias` made for these very bytes) where there is one and, if it is to be another than
the card's, `version`; a JSON body names a model of the tracking server instead. Sent again, a draft has what came last:
without `bias` it has no report. The answer is a draft with what was found out about it, which only its author may call;
the way on is `…/submit`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from models.errors import DeadlineError, InvalidInputError, Note, PlatformError, UnavailableError
from pipelines.bias.filing import MOST_BYTES as REPORT_BYTES
from registry.entries import Digests, Entry, Stage
from registry.registrations import Registration
from services.answers import provenance
from services.bodies import check_media_type, read_body
from services.endpoints import BODY_BYTES, Call, Endpoint, Headers, Reply
from services.idempotency import Idempotency, Kept
from services.multipart import Field, FilePart, is_form, read_form
from services.pages import PAGING, asked_page, cut, next_link
from services.registrar import TESTED, UPLOAD, WRITTEN, Arrived, Registered, Registrar, aside
from services.repeats import REPLAYED
from services.roles import MODELS_READ, MODELS_REGISTER
from services.runs import Fetched, Runs
from services.strict_json import Decoder

MOST_BYTES: Final = 1 << 30
CARD_BYTES: Final = 1 << 20
BUFFER_BYTES: Final = 1 << 20
PARTS: Final = {"artifact": (UPLOAD, MOST_BYTES), "card": (WRITTEN, CARD_BYTES), "bias": (TESTED, REPORT_BYTES)}
"""The files of a form: what each is called in quarantine, and how large it may be."""
IDLE_SECONDS: Final = 60.0
FORM_SCHEMA: Final = {
    "type": "object",
    "required": ["artifact", "card"],
    "properties": {
        "artifact": {"type": "string", "format": "binary"},
        "card": {"type": "string", "format": "binary"},
        "bias": {"type": "string", "format": "binary"},
        "version": {"type": "string", "pattern": r"^\d{1,4}\.\d{1,4}\.\d{1,4}$"},
    },
    "additionalProperties": False,
}

# --- wire types ---------------------------------------------------------------------------------------------


class ModelIn(Struct, forbid_unknown_fields=True):
    """A model of the tracking server, its card and, where there is one, its bias report."""

    model_uri: Annotated[str, Meta(min_length=8, max_length=1_000)]
    card: dict[str, Any]
    bias: dict[str, Any] | None = None
    version: Annotated[str, Meta(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,4}$")] | None = None


class RegisteredOut(Struct):
    """A new draft. `report` has the tier, what is missing before it can be submitted, and what the trial measured."""

    request_id: str
    registration: str
    name: str
    version: str
    kind: str
    tasks: Sequence[str]
    stage: Stage
    tier: str
    digests: Digests
    created_at: datetime
    card_url: str
    report: dict[str, Any]


class RegistrationOut(Struct, kw_only=True):
    """An attempt to register: how far it came, and the word of what refused it."""

    id: str
    subject: str
    name: str
    version: str | None
    state: str
    reason: str | None
    facts: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class OneRegistrationOut(RegistrationOut, kw_only=True):
    """An attempt, as the answer to a call."""

    request_id: str


class RegistrationList(Struct):
    """One page of attempts, newest first."""

    request_id: str
    data: list[RegistrationOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


# --- endpoints ----------------------------------------------------------------------------------------------


class RegistrationRoutes:
    """The endpoints and the parts they need."""

    def __init__(
        self, registrar: Registrar, runs: Runs | None, idempotency: Idempotency, refresh: Callable[[], object]
    ) -> None:
        """Without `runs` only uploads are taken; `refresh` lets this process see a new draft at once."""
        self._refresh = refresh
        self._registrar = registrar
        self._runs = runs
        self._idempotency = idempotency
        self._decoder = Decoder(ModelIn)

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        attempts = "/v1/registry/registrations"
        return [
            Endpoint(
                method="POST", path="/v1/registry/models/{name}/versions", handler=self.register, tag="models",
                scope=MODELS_REGISTER, event="registry.register", request=ModelIn, response=RegisteredOut, status=201,
                creates=True, streamed=True, request_media={"multipart/form-data": FORM_SCHEMA},
                refusals=(400, 404, 409, 413, 415, 422, 503),
                summary=Note("Đăng ký một phiên bản mô hình", "Register a version of a model"),
            ),
            Endpoint(
                method="GET", path=attempts, handler=self.attempts, tag="models", scope=MODELS_REGISTER,
                event="registry.list", response=RegistrationList, query=PAGING,
                summary=Note("Các lượt đăng ký của đơn vị", "The organisation's attempts to register"),
            ),
            Endpoint(
                method="GET", path=attempts + "/{id}", handler=self.attempt, tag="models", scope=MODELS_READ,
                event="registry.read", response=OneRegistrationOut, refusals=(404,),
                summary=Note("Một lượt đăng ký", "One attempt to register"),
            ),
        ]  # fmt: skip

    async def register(self, call: Call, body: None) -> Reply:
        """Take a model in as a draft."""
        call.query()
        name = call.params["name"]
        id_, folder = await aside(self._registrar.begin, call.who, name)
        try:
            arrived, marks = await self._arrive(call, id_, folder)
        except BaseException as error:
            word = error.word if isinstance(error, PlatformError) else "body-cut-short"
            await aside(self._registrar.abandon, id_, folder, word)
            raise
        return await self._once(call, name, arrived, marks)

    async def _once(self, call: Call, name: str, arrived: Arrived, marks: bytes) -> Reply:
        """Register, once for an Idempotency-Key; the same key again gives the first answer."""
        header, who = call.header("idempotency-key"), call.who
        if header is None:
            return await self._make(call, name, arrived)
        route = f"{call.method} {call.path}"
        try:
            begun = await aside(self._idempotency.begin, who.tenant, header, route, marks, who.subject.id)
        except BaseException:
            await aside(self._registrar.abandon, arrived.id, arrived.folder, "idempotency")
            raise
        if isinstance(begun, Kept):
            await aside(self._registrar.abandon, arrived.id, arrived.folder, "repeated")
            return Reply(begun.body, begun.status, (*begun.headers, REPLAYED))
        try:
            reply = await self._make(call, name, arrived)
        except BaseException:
            await aside(self._idempotency.abandon, begun)
            raise
        content = msgspec.json.encode(reply.body)
        await aside(self._idempotency.settle, begun, reply.status, reply.headers, content)
        return Reply(content, reply.status, reply.headers)

    async def _make(self, call: Call, name: str, arrived: Arrived) -> Reply:
        registered: Registered = await aside(self._registrar.register, call.who, name, arrived)
        await aside(self._refresh)
        entry = registered.entry
        call.params = {**call.params, "version": entry.version}
        headers: Headers = ((b"location", _url(entry).encode()), *provenance(entry))
        found = RegisteredOut(
            call.request_id, registered.registration, entry.name, entry.version, entry.kind, entry.tasks, entry.stage,
            entry.tier, entry.digests, entry.created_at, _url(entry) + "/card", dict(registered.report),
        )  # fmt: skip
        return Reply(found, 201, headers)

    async def attempts(self, call: Call, body: None) -> Reply:
        """List the organisation's attempts."""
        query = call.query("limit", "after")
        page = asked_page(query)
        rows = await asyncio.to_thread(self._registrar.attempts.all, call.who.tenant, page.limit + 1, page.after)
        data, frame = cut([RegistrationOut(**_shown(row)) for row in rows], [row.id for row in rows], page)
        listed = RegistrationList(request_id=call.request_id, data=list(data), **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def attempt(self, call: Call, body: None) -> Reply:
        """One attempt."""
        call.query()
        row = await asyncio.to_thread(self._registrar.attempts.get, call.who.tenant, call.params["id"])
        return Reply(OneRegistrationOut(request_id=call.request_id, **_shown(row)))

    # --- what arrives ---------------------------------------------------------------------------------------

    async def _arrive(self, call: Call, id_: str, folder: Path) -> tuple[Arrived, bytes]:
        if is_form(call.header("content-type")):
            return await _take_form(call, id_, folder)
        if call.receive is None:
            raise AssertionError("a streamed endpoint without a stream")
        content = await read_body(call.receive, call.headers, BODY_BYTES)
        if content:
            check_media_type(call.headers)
        asked: ModelIn = self._decoder.decode(content)
        if self._runs is None:
            vi, en = "Bản cài đặt này không có máy chủ theo dõi.", "This installation has no tracking server."
            raise UnavailableError(vi, en, 60, code="tracking-away")
        fetched = await self._runs.fetch(call.who.tenant, asked.model_uri, folder / UPLOAD)
        await aside((folder / WRITTEN).write_bytes, msgspec.json.encode(asked.card))
        if asked.bias is not None:
            await aside((folder / TESTED).write_bytes, msgspec.json.encode(asked.bias))
        run, bias = _run(fetched), asked.bias is not None
        makers = {"subjects": fetched.subjects, "committers": fetched.committers}
        return Arrived(id_, folder, "model.tar", True, asked.version, run, bias, makers), content


async def _take_form(call: Call, id_: str, folder: Path) -> tuple[Arrived, bytes]:
    """Write the parts of a form as they arrive. Raises InvalidInputError (400, 413, 415, 422)."""
    seen: dict[str, str] = {}
    marks = sha256()
    file: IO[bytes] | None = None
    size, most = 0, 0
    try:
        async for part in read_form(call.header("content-type"), _paced(call)):
            if isinstance(part, bytes):
                size += len(part)
                if size > most or file is None:
                    raise InvalidInputError(
                        f"Phần này vượt quá {most} byte.", f"This part exceeds {most} bytes.", code="too-large"
                    )
                marks.update(part)
                await asyncio.to_thread(file.write, part) if len(part) >= BUFFER_BYTES else file.write(part)
                continue
            _known(part, seen)
            if file is not None:
                file.close()
                file = None
            place, most = PARTS.get(part.name, ("", 0))
            size = 0
            seen[part.name] = part.filename if isinstance(part, FilePart) else part.text
            marks.update(f"\0{part.name} {seen[part.name]}\0".encode())
            if isinstance(part, FilePart):
                file = (folder / place).open("xb", buffering=BUFFER_BYTES)
            elif part.name == "card":
                (folder / WRITTEN).write_text(part.text, encoding="utf-8")
    finally:
        if file is not None:
            file.close()
    for name in ("artifact", "card"):
        if name not in seen:
            vi, en = f"Thiếu phần {name} trong biểu mẫu.", f"The form has no part `{name}`."
            raise InvalidInputError.at(f"/{name}", vi, en, code="missing-field")
    (folder / UPLOAD).chmod(0o600)
    arrived = Arrived(
        id_, folder, seen["artifact"][:200], True, seen.get("version"), bias="bias" in seen
    )  # fmt: skip
    return arrived, marks.digest()


def _known(part: Field | FilePart, seen: Mapping[str, str]) -> None:
    """Raise InvalidInputError for a part that no form has, or that stands twice."""
    allowed = PARTS if isinstance(part, FilePart) else ("card", "version")
    if part.name not in allowed:
        vi = "Biểu mẫu gồm artifact và bias (tệp), card và version."
        en = "A form holds `artifact` and `bias` (files), `card`, `version`."
        raise InvalidInputError.at("", vi, en, code="unknown-field")
    if part.name in seen:
        vi, en = "Một phần của biểu mẫu xuất hiện hai lần.", "A part of the form stands twice."
        raise InvalidInputError.at(f"/{part.name}", vi, en, code="duplicate-key")


async def _paced(call: Call) -> AsyncIterator[bytes]:
    """The body's parts. Raises DeadlineError for a sender that stopped."""
    stream = call.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                part = await anext(stream, None)
        except TimeoutError as error:
            raise DeadlineError("Gửi nội dung quá chậm.", "The body arrived too slowly.") from error
        if part is None:
            return
        yield part


def _run(fetched: Fetched) -> dict[str, Any]:
    return {**fetched.facts, "figures": fetched.figures, "datasets": fetched.datasets}


def _url(entry: Entry) -> str:
    return f"/v1/registry/models/{entry.name}/versions/{entry.version}"


def _shown(row: Registration) -> dict[str, Any]:
    facts = json.loads(json.dumps(dict(row.facts)))
    return {
        "id": row.id, "subject": row.subject, "name": row.name, "version": row.version, "state": row.state,
        "reason": row.reason, "facts": facts, "created_at": row.created_at, "updated_at": row.updated_at,
    }  # fmt: skip
