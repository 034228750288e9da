"""Open Inference Protocol v2: `/v2`, every model that is released and, for who made it, its draft.

Decision: the same story as every other dialect (`services.inference`): gate, quota, deadline, record, provenance. A
client of the protocol from any registry works with the address and a key as its `Authorization` header.

Decision: a refusal is the platform's problem document with one member more, `error`, which is where clients of the
protocol look. What the protocol leaves open (`parameters`) carries the request's id, the card and the notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from models.errors import InvalidInputError, Note, PlatformError
from models.tensors import Tensors
from registry.entries import Entry
from registry.gate import may_serve
from services.answers import notice, provenance
from services.bodies import check_media_type
from services.endpoints import LARGE_BODY_BYTES, Call, Endpoint, Reply
from services.handles import INFER, Handles
from services.inference import Ask, Inference
from services.roles import MODELS_READ, PREDICT
from services.strict_json import Decoder
from services.tensor_views import View, refuse_marked, view_of
from services.tensor_wire import (
    BINARY,
    BINARY_ALL,
    MAX_ELEMENTS,
    InferRequest,
    Parameters,
    WireAnswer,
    WireWanted,
    answer_of,
    tensors_of,
)

HEADER: Final = "inference-header-content-length"
OCTETS: Final = b"application/octet-stream"
MODEL: Final = "/v2/models/{name}"
VERSION: Final = "/v2/models/{name}/versions/{version}"
INLINE_BYTES: Final = 100_000

# --- wire types ---------------------------------------------------------------------------------------------


class ServerMetadata(msgspec.Struct):
    """Who answers, and what it can beside the protocol's core."""

    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct):
    """The process answers."""

    live: bool


class Ready(msgspec.Struct):
    """Whether the server, or a model, can be called now."""

    ready: bool
    name: str | None = None


class WireSpec(msgspec.Struct):
    """A declared tensor; -1 is a length that the caller chooses."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[WireSpec]
    outputs: list[WireSpec]
    parameters: dict[str, str]


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The outputs of a call; `parameters` holds the request's id, the model's card and the notice."""

    model_name: str
    model_version: str
    outputs: list[WireAnswer]
    parameters: dict[str, str]
    id: str | None = None


# --- mapping ------------------------------------------------------------------------------------------------

DECODER: Final = Decoder(InferRequest)
ENCODE: Final = msgspec.json.Encoder().encode


def _read(call: Call) -> tuple[InferRequest, Tensors]:
    """The request and its arrays, from JSON or with the binary extension. Raises InvalidInputError."""
    declared = call.header(HEADER)
    if declared is None:
        if call.header("content-type") is not None:  # clients of the protocol name none
            check_media_type(call.headers)
        length = len(call.body)
    else:
        length = int(declared) if declared.isdigit() and len(declared) < 12 else -1
        if not 0 < length <= len(call.body):
            vi, en = "Inference-Header-Content-Length không hợp lệ.", "Inference-Header-Content-Length is not valid."
            raise InvalidInputError.at("", vi, en, code="malformed-header")
    body = DECODER.decode(call.body[:length])
    tensors = tensors_of(body.inputs, memoryview(call.body)[length:])
    refuse_marked(tensors)
    return body, tensors


def _fitted(tensors: Tensors, body: InferRequest, ask: Ask, entry: Entry) -> Ask:
    """The ask for the model that answers. Raises InvalidInputError."""
    view = view_of(entry.kind)
    given: Parameters = {name: value for name, value in (body.parameters or {}).items() if name != BINARY_ALL}
    unknown = set(given) - set(view.parameters)
    if unknown:
        known = ", ".join((*view.parameters, BINARY_ALL))
        raise InvalidInputError.at(
            "/parameters", f"Cho phép: {known}.", f"Allowed parameters: {known}.", code="unsupported-option"
        )
    question = view.ask(tensors, given, tuple(one.name for one in body.outputs or ()))
    return Ask(
        INFER, ask.model, question.items, question.options, question.units, question.charged, whole=True,
        most=question.most,
    )  # fmt: skip


def _binary(body: InferRequest, names: list[str]) -> list[str]:
    """The outputs that are wanted in binary. Raises InvalidInputError for a parameter that is no such wish."""
    everything = _truth(body.parameters or {}, BINARY_ALL, "/parameters", default=False)
    wishes = {one.name: _wish(one, place, everything) for place, one in enumerate(body.outputs or ())}
    return [name for name in names if wishes.get(name, everything)]


def _wish(wanted: WireWanted, place: int, default: bool) -> bool:
    given = wanted.parameters or {}
    if not set(given) <= {BINARY}:
        vi, en = f"Chỉ cho phép {BINARY}.", f"Only {BINARY} is allowed."
        raise InvalidInputError.at(f"/outputs/{place}/parameters", vi, en, code="unsupported-option")
    return _truth(given, BINARY, f"/outputs/{place}/parameters", default=default)


def _truth(given: Mapping[str, Any], name: str, pointer: str, *, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        vi, en = "Phải là true hoặc false.", "Must be true or false."
        raise InvalidInputError.at(f"{pointer}/{name}", vi, en, code="wrong-type")
    return value


def _selected(arrays: Mapping[str, Any], body: InferRequest) -> dict[str, Any]:
    """The outputs asked for, in the order asked. Raises InvalidInputError (413) when they are too many."""
    names = [one.name for one in body.outputs] if body.outputs else list(arrays)
    found = {name: arrays[name] for name in names}
    if sum(array.size for array in found.values()) > MAX_ELEMENTS:
        vi, en = f"Kết quả quá {MAX_ELEMENTS} phần tử.", f"The answer holds over {MAX_ELEMENTS} elements."
        raise InvalidInputError.at("/outputs", vi, en, code="too-large")
    return found


def _reference(call: Call) -> str:
    version = call.params.get("version")
    return call.params["name"] if version is None else f"{call.params['name']}@{version}"


class OpenInference:
    """The endpoints over one process's models."""

    def __init__(
        self, inference: Inference, handles: Handles, *, version: str, reasons: Callable[[], list[str]],
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        """`reasons` says why the process cannot answer now."""
        self._inference = inference
        self._handles = handles
        self._version = version
        self._reasons = reasons
        self._clock = clock

    async def server(self, call: Call, body: None) -> Reply:
        """Who answers."""
        return Reply(ServerMetadata("aichung", self._version, ["binary_tensor_data"]))

    async def live(self, call: Call, body: None) -> Reply:
        """The process answers."""
        return Reply(Live(True))

    async def ready(self, call: Call, body: None) -> Reply:
        """Whether models can be called."""
        ready = not self._reasons()
        return Reply(Ready(ready), 200 if ready else 503)

    async def model(self, call: Call, body: None) -> Reply:
        """What a model takes and gives."""
        entry = self._handles.allow(call.who, INFER, _reference(call))
        handle = self._handles.ready(entry)
        if handle is None:
            handle = await asyncio.to_thread(self._handles.open, entry)
        view = view_of(entry.kind)
        inputs, outputs = (
            [WireSpec(one.name, one.datatype, list(one.shape)) for one in side] for side in view.declared(handle.model)
        )
        return Reply(
            ModelMetadata(
                entry.name, self._versions(call, entry), view.platform, inputs, outputs,
                {"card": entry.digests.card, "tier": entry.tier, "stage": entry.stage.value},
            ),
            headers=provenance(entry),
        )  # fmt: skip

    async def model_ready(self, call: Call, body: None) -> Reply:
        """Whether a model may be called now; a closed gate says what is missing."""
        return Reply(Ready(True, self._handles.allow(call.who, INFER, _reference(call)).name))

    async def infer(self, call: Call, body: None) -> Reply:
        """Answer one call."""
        small = len(call.body) <= INLINE_BYTES
        request, tensors = _read(call) if small else await asyncio.to_thread(_read, call)
        ask = Ask(INFER, _reference(call), (), None, 0, 0)
        ask = Ask(INFER, ask.model, (), None, 0, 0, fit=partial(_fitted, tensors, request, ask))
        answer = await self._inference.answer(call, ask)
        for output in answer.outputs:
            if isinstance(output, PlatformError):
                raise output
        work = partial(self._reply, call, request, answer.entry, view_of(answer.entry.kind), answer.outputs)
        return work() if small else await asyncio.to_thread(work)

    def _reply(self, call: Call, request: InferRequest, entry: Entry, view: View, outputs: list[Any]) -> Reply:
        arrays = _selected(view.answer(outputs), request)
        answers, tails = answer_of(arrays, _binary(request, list(arrays)))
        about = {"request_id": call.request_id, "card": entry.digests.card, "notice": notice(call)}
        response = InferResponse(entry.name, entry.version, answers, about, request.id)
        headers = provenance(entry)
        if not tails:
            return Reply(response, headers=headers)
        head = ENCODE(response)
        return Reply(
            b"".join((head, *tails)), headers=(*headers, (HEADER.encode(), str(len(head)).encode())), media_type=OCTETS
        )

    def _versions(self, call: Call, entry: Entry) -> list[str]:
        """The versions of a model that the caller may call now."""
        now = self._clock()
        able = [
            one.version for one in self._handles.index.by_name.get(entry.name, ())
            if call.who.sees(one) and may_serve(one, now).allowed
        ]  # fmt: skip
        return able or [entry.version]


# --- endpoints ----------------------------------------------------------------------------------------------

EXAMPLE: Final = {
    "inputs": [
        {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Bộ Y tế họp giao ban về phòng chống dịch."]}
    ]
}
REFUSALS: Final = (403, 404, 413, 422, 429, 503, 504)
BINARY_MEDIA: Final = {"application/octet-stream": {"type": "string", "format": "binary"}}

Handler = Callable[[Call, Any], Awaitable[Reply]]


def endpoints(routes: OpenInference) -> list[Endpoint]:
    """The rows of this dialect."""
    read: dict[str, Any] = {"method": "GET", "tag": "oip"}
    of_model: dict[str, Any] = {**read, "scope": MODELS_READ, "refusals": (403, 404, 503)}
    infer: dict[str, Any] = {
        "method": "POST", "tag": "oip", "handler": _told(routes.infer), "request": InferRequest, "scope": PREDICT,
        "response": InferResponse, "event": "inference", "body_limit": LARGE_BODY_BYTES, "verbatim": True,
        "refusals": REFUSALS, "request_media": BINARY_MEDIA,
        "media_types": ("application/json", "application/octet-stream"),
        "summary": Note("Gọi mô hình theo Open Inference Protocol", "Call a model by the Open Inference Protocol"),
    }  # fmt: skip
    metadata: dict[str, Any] = {
        "handler": _told(routes.model), "response": ModelMetadata, "event": "registry.catalog",
        "summary": Note("Đầu vào, đầu ra của mô hình", "Inputs and outputs of a model"),
    }  # fmt: skip
    ready: dict[str, Any] = {
        "handler": _told(routes.model_ready), "response": Ready,
        "summary": Note("Mô hình gọi được chưa", "Whether a model may be called"),
    }  # fmt: skip
    return [
        Endpoint(
            path="/v2", handler=routes.server, response=ServerMetadata, scope=MODELS_READ,
            summary=Note("Máy chủ và phần mở rộng của giao thức", "The server and its extensions"), **read,
        ),
        Endpoint(
            path="/v2/health/live", handler=routes.live, response=Live, public=True,
            summary=Note("Tiến trình còn trả lời", "The process answers"), **read,
        ),
        Endpoint(
            path="/v2/health/ready", handler=routes.ready, response=Ready, public=True, refusals=(503,),
            summary=Note("Máy chủ sẵn sàng", "The server is ready"), **read,
        ),
        *(Endpoint(path=path, **metadata, **of_model) for path in (MODEL, VERSION)),
        *(Endpoint(path=f"{path}/ready", **ready, **of_model) for path in (MODEL, VERSION)),
        Endpoint(path=f"{MODEL}/infer", examples={"vi": EXAMPLE}, **infer),
        Endpoint(path=f"{VERSION}/infer", **infer),
    ]  # fmt: skip


def _told(handler: Handler) -> Handler:
    """The handler, whose refusals also say what they are where clients of the protocol look."""

    async def telling(call: Call, body: Any) -> Reply:
        try:
            return await handler(call, body)
        except PlatformError as error:
            error.facts["error"] = error.note.en if call.language == "en" else error.note.vi
            raise

    return telling
