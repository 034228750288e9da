"""Lists in pages: `?limit=&after=` in, `{data, has_more, first_id, last_id}` and a `Link` to the next page out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from models.errors import Fault, InvalidInputError, Note
from services.endpoints import Call, Headers, Parameter

DEFAULT_LIMIT: Final = 100
MOST_LIMIT: Final = 1000
LONGEST_CURSOR: Final = 200

PAGING: Final = (
    Parameter(
        "limit",
        Note(f"Số mục tối đa (1–{MOST_LIMIT})", f"At most this many items (1–{MOST_LIMIT})"),
        {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter("after", Note("Mã của mục cuối trang trước", "Id of the last item of the page before")),
)


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for."""

    limit: int
    after: str | None


def asked_page(query: Mapping[str, str]) -> Page:
    """The page of a query. Raises InvalidInputError for a limit out of range or an absurd cursor."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= limit <= MOST_LIMIT:
        raise refused("limit", f"limit phải là số nguyên từ 1 đến {MOST_LIMIT}.", f"limit must be 1 to {MOST_LIMIT}.")
    after = query.get("after")
    if after is not None and not 0 < len(after) <= LONGEST_CURSOR:
        raise refused("after", "Con trỏ after không hợp lệ.", "The cursor after is not valid.")
    return Page(limit, after)


def refused(parameter: str, vi: str, en: str) -> InvalidInputError:
    """A query parameter that breaks a rule; the pointer is empty, as it does not stand in the body."""
    return InvalidInputError(vi, en, (Fault("", vi, en),), code="bad-parameter", parameter=parameter)


def cut(found: Sequence[Any], ids: Sequence[str], page: Page) -> tuple[Sequence[Any], dict[str, Any]]:
    """The page's items and its frame, from up to `limit` + 1 items and their ids."""
    data, ids = found[: page.limit], ids[: page.limit]
    frame = {
        "has_more": len(found) > page.limit,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }
    return data, frame


def next_link(call: Call, query: Mapping[str, str], frame: Mapping[str, Any]) -> Headers:
    """The `Link` header to the next page, with the filters of this one; nothing on the last page."""
    if not frame["has_more"]:
        return ()
    following = urlencode({**query, "after": frame["last_id"]}, quote_via=quote)
    return ((b"link", f'<{quote(call.path)}?{following}>; rel="next"'.encode()),)
