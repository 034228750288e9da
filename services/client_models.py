"""The client's methods for models, their review and release; `services.client.Client` has them.

draft = ai.register("petition-topic", "model.onnx", card="card.yaml")
print(draft["report"]["findings"])
ai.submit_version("petition-topic", draft["version"])
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote
from uuid import uuid4

from models.errors import InvalidInputError
from pipelines.registration.written import read_card
from services.client_files import save
from services.results import Listing
from services.transport import Transport, object_of

MEDIA_TYPES: Final = {
    "json": "application/json", "html": "text/html", "markdown": "text/markdown", "pdf": "application/pdf",
    "cyclonedx": "application/vnd.cyclonedx+json",
}  # fmt: skip
CardFormat = Literal["json", "html", "markdown", "pdf", "cyclonedx"]
Decision = Literal["approve", "reject", "request_changes"]
Stage = Literal["shadow", "canary", "serving"]
Card = str | Path | Mapping[str, Any]
"""A card: the path of a JSON or YAML file, or the document itself."""


class ModelMethods:
    """Models: the catalogue, registration, cards, review and release."""

    _line: Transport
    _progress: bool

    def catalog(self) -> Listing:
        """What may be called, with its measured figures."""
        return Listing.of(object_of(self._line.get("/v1/catalog")))

    def models(self, *, after: str | None = None, limit: int | None = None) -> Listing:
        """Models in the registry."""
        return Listing.of(object_of(self._line.get("/v1/registry/models", {"after": after, "limit": limit})))

    def model(self, name: str, version: str | None = None) -> dict[str, Any]:
        """A model with its versions, or one version."""
        return object_of(self._line.get(_path(name, version)))

    # --- registration ---------------------------------------------------------------------------------------

    def register(
        self, name: str, artifact: str | Path | None = None, *, card: Card, model_uri: str | None = None,
        version: str | None = None, bias: Card | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Register a model file or archive, or a model of the tracking server; the draft with its report.

        `bias` is the bias.json that `aichung bias` made for these very bytes.

        Raises InvalidInputError when it is refused, with the reason, or when there is no such file.
        """
        path, headers = _path(name) + "/versions", {"Idempotency-Key": str(uuid4())}
        if (artifact is None) == (model_uri is None):
            vi, en = "Cần đúng một trong artifact và model_uri.", "Exactly one of artifact and model_uri is needed."
            raise InvalidInputError.at("/artifact", vi, en)
        if artifact is None:
            more = {**({"version": version} if version else {}), **({} if bias is None else {"bias": card_of(bias)})}
            body = {"model_uri": model_uri, "card": card_of(card), **more}
            return object_of(self._line.send("POST", path, json=body, headers=headers, repeatable=True))
        place = Path(artifact)
        form = {"artifact": (place.name, _read(place), "application/octet-stream"), "card": ("card", _content(card))}
        form |= {} if bias is None else {"bias": ("bias.json", _content(bias))}
        data = {"version": version} if version else {}
        return object_of(self._line.send("POST", path, files=form, data=data, headers=headers, repeatable=True))

    def registrations(self, *, after: str | None = None, limit: int | None = None) -> Listing:
        """The organisation's attempts to register, newest first, with what refused them."""
        return Listing.of(object_of(self._line.get("/v1/registry/registrations", {"after": after, "limit": limit})))

    def registration(self, registration_id: str) -> dict[str, Any]:
        """One attempt to register."""
        return object_of(self._line.get(f"/v1/registry/registrations/{quote(registration_id, safe='')}"))

    # --- evidence -------------------------------------------------------------------------------------------

    def card(self, name: str, version: str, form: CardFormat = "json") -> dict[str, Any] | str | bytes:
        """A version's card: an object (`json`, `cyclonedx`), HTML or Markdown text, or the bytes of a PDF."""
        response = self._line.get(_path(name, version) + "/card", accept=MEDIA_TYPES[form])
        if form in ("json", "cyclonedx"):
            return object_of(response)
        return response.content if form == "pdf" else response.text

    def evaluation(self, name: str, version: str) -> dict[str, Any]:
        """A version's evaluation record."""
        return object_of(self._line.get(_path(name, version) + "/evaluation"))

    def bias_report(self, name: str, version: str) -> dict[str, Any]:
        """A version's bias report, or why there is none."""
        return object_of(self._line.get(_path(name, version) + "/bias-report"))

    def diff(self, name: str, version: str, against: str | None = None) -> dict[str, Any]:
        """What differs from another version; from the one approved last when none is named."""
        return object_of(self._line.get(_path(name, version) + "/diff", {"against": against}))

    def evidence(self, name: str, version: str, to: str | Path) -> Path:
        """The signed bundle of evidence, written to a path."""
        return save(self._line, _path(name, version) + "/evidence", {}, Path(to), self._progress)

    # --- review ---------------------------------------------------------------------------------------------

    def submit_version(self, name: str, version: str) -> dict[str, Any]:
        """Ask for the review of a draft. Raises ConflictError naming what is missing."""
        return self._line.act("POST", _path(name, version) + "/submit", {})

    def reviews(self, name: str, version: str) -> dict[str, Any]:
        """Who has it since when, what was said, signed and waived, and what is missing."""
        return object_of(self._line.get(_path(name, version) + "/reviews"))

    def statement(self, name: str, version: str, decision: Decision) -> dict[str, Any]:
        """What is to be signed for a decision, by a person who keeps the own key."""
        return object_of(self._line.get(_path(name, version) + "/reviews/statement", {"decision": decision}))

    def review(
        self, name: str, version: str, decision: Decision, role: str, *,
        comments: Sequence[Mapping[str, str]] = (), statement: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Decide in the role of the key; comments are `{"pointer", "text"}`, `statement` a signed envelope."""
        body = {"decision": decision, "role": role, "comments": [dict(one) for one in comments]}
        signed = {} if statement is None else {"statement": dict(statement)}
        return self._line.act("POST", _path(name, version) + "/reviews", {**body, **signed})

    def comment(self, name: str, version: str, pointer: str, text: str) -> dict[str, Any]:
        """Remark on one place of the card (JSON Pointer)."""
        return self._line.act("POST", _path(name, version) + "/comments", {"pointer": pointer, "text": text})

    def waive(
        self, name: str, version: str, gap: str, reason: str, compensating_control: str, expires_at: datetime
    ) -> dict[str, Any]:
        """Answer for a gap, with what is done instead, until a day."""
        body = {"gap": gap, "reason": reason, "compensating_control": compensating_control}
        return self._line.act("POST", _path(name, version) + "/waivers", {**body, "expires_at": expires_at.isoformat()})

    def inbox(self) -> dict[str, Any]:
        """The caller's own reviews by due date."""
        return object_of(self._line.get("/v1/me/reviews"))

    def signing_keys(self) -> dict[str, Any]:
        """The caller's own signing keys."""
        return object_of(self._line.get("/v1/me/signing-keys"))

    def add_signing_key(self, public_key: str) -> dict[str, Any]:
        """Register a public key or certificate (PEM) of the caller's own."""
        return self._line.act("POST", "/v1/me/signing-keys", {"public_key": public_key})

    def drop_signing_key(self, key_id: str) -> None:
        """End one of the caller's own signing keys."""
        self._line.act("DELETE", f"/v1/me/signing-keys/{quote(key_id, safe='')}")

    # --- release --------------------------------------------------------------------------------------------

    def release(self, name: str, version: str, stage: Stage, percent: int | None = None) -> dict[str, Any]:
        """Bring an approved version a stage further."""
        share = {} if percent is None else {"percent": percent}
        return self._line.act("POST", _path(name, version) + "/release", {"stage": stage, **share})

    def rollback(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """Let the version that served before serve again."""
        return self._line.act("POST", _path(name, version) + "/rollback", {"reason": reason})

    def retire(self, name: str, version: str, sunset: datetime) -> dict[str, Any]:
        """Announce when a version ends."""
        return self._line.act("POST", _path(name, version) + "/retire", {"sunset": sunset.isoformat()})

    def suspend(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """Stop a model: one person suffices. Effective within 2 s."""
        return self._line.act("POST", _path(name, version) + "/suspend", {"reason": reason})

    def resume(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """Speak for starting a suspended model again: it takes two persons."""
        return self._line.act("POST", _path(name, version) + "/resume", {"reason": reason})

    def revoke(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """End a version for good."""
        return self._line.act("POST", _path(name, version) + "/revoke", {"reason": reason})


def card_of(card: Card) -> dict[str, Any]:
    """A card as a document of JSON's own types; a file may be JSON or YAML. Raises InvalidInputError."""
    return read_card(_content(card))


def _content(card: Card) -> bytes:
    return _read(card) if isinstance(card, str | Path) else json.dumps(dict(card), default=str).encode()


def _read(place: str | Path) -> bytes:
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"Không đọc được {place}.", f"{place} cannot be read.") from error


def _path(name: str, version: str | None = None) -> str:
    path = f"/v1/registry/models/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"
