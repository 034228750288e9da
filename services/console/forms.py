"""Forms that come in from the console's own pages: read strictly, and only from there."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from models.errors import ForbiddenError, InvalidInputError
from services.endpoints import Call

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
FORM_BYTES: Final = 32 << 10
MOST_FIELDS: Final = 64
CSRF: Final = "csrf"


def read_form(call: Call, *allowed: str) -> dict[str, str]:
    """The fields of a form, each stripped, line ends as one sign; those not filled in are missing.

    Raises InvalidInputError for another media type, bytes that are no form, an unknown or repeated field.
    """
    media = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if media != MEDIA_TYPE:
        raise InvalidInputError(
            f"Chỉ nhận biểu mẫu {MEDIA_TYPE}.", f"Only a form ({MEDIA_TYPE}) is taken.", code="unsupported-media-type"
        )
    try:
        text = call.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict",
                          max_num_fields=MOST_FIELDS)  # fmt: skip
    except ValueError as error:
        raise _malformed() from error
    found = {name: value.replace("\r\n", "\n").strip() for name, value in pairs}
    if len(found) != len(pairs) or not found.keys() <= {*allowed, CSRF} or any("\0" in v for v in found.values()):
        raise _malformed()
    return {name: value for name, value in found.items() if value}


def check_origin(call: Call) -> None:
    """Raise ForbiddenError for a form that another site sent here, as the browser itself says."""
    site = call.header("sec-fetch-site")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        origin = call.header("origin")
        own = origin is None or urlsplit(origin).netloc == call.header("host")
    if not own:
        raise ForbiddenError(
            "Biểu mẫu này đến từ một trang khác.", "This form comes from another site.", code="cross-site"
        )


def _malformed() -> InvalidInputError:
    return InvalidInputError("Biểu mẫu không hợp lệ.", "The form is not valid.", code="malformed-form")
