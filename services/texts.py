"""Documents on the wire: what every language endpoint takes, and what is refused before a model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from models.errors import InvalidInputError, PlatformError
from services.answers import TextUsage
from services.secrecy import is_marked

MAX_DOCUMENTS: Final = 1_000
MAX_CHARACTERS: Final = 100_000

Id = Annotated[str, Meta(min_length=1, max_length=256)]


class WireDocument(msgspec.Struct, forbid_unknown_fields=True):
    """One text with the caller's own id."""

    id: Id
    text: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_CHARACTERS})]


Documents = Annotated[list[WireDocument], Meta(min_length=1, extra_json_schema={"maxItems": MAX_DOCUMENTS})]


def _check_sizes(documents: Sequence[WireDocument]) -> int:
    """The characters of a call. Raises InvalidInputError (413) over a limit."""
    if len(documents) > MAX_DOCUMENTS:
        vi, en = f"Tối đa {MAX_DOCUMENTS} văn bản mỗi lần gọi.", f"At most {MAX_DOCUMENTS} documents a call."
        raise InvalidInputError.at("/documents", vi, en, code="too-large")
    total = 0
    for place, document in enumerate(documents):
        size = len(document.text)
        if size > MAX_CHARACTERS:
            vi, en = f"Tối đa {MAX_CHARACTERS} ký tự mỗi văn bản.", f"At most {MAX_CHARACTERS} characters a document."
            raise InvalidInputError.at(f"/documents/{place}/text", vi, en, code="too-large")
        total += size
    return total


def _marked(place: int) -> InvalidInputError:
    return InvalidInputError.at(
        f"/documents/{place}/text",
        "Văn bản mang dấu mật; hệ thống này không được xử lý tài liệu mật.",
        "The document bears a secrecy mark; this system may not process it.",
        code="secrecy-mark",
    )


class Prepared(msgspec.Struct, frozen=True):
    """The documents of a call once checked: `refused` holds those with a secrecy mark, by place."""

    documents: Sequence[WireDocument]
    accepted: list[WireDocument]
    refused: dict[int, PlatformError]
    characters: int

    @property
    def usage(self) -> TextUsage:
        """What the call counts as."""
        return TextUsage(len(self.documents), self.characters)


def prepare(documents: Sequence[WireDocument]) -> Prepared:
    """Check sizes and secrecy marks. Raises InvalidInputError (413) over a limit."""
    characters = _check_sizes(documents)
    refused: dict[int, PlatformError] = {i: _marked(i) for i, d in enumerate(documents) if is_marked(d.text)}
    accepted = [d for i, d in enumerate(documents) if i not in refused] if refused else list(documents)
    return Prepared(documents, accepted, refused, characters)
