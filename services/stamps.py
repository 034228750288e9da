"""What the tracking door writes on runs and models itself: who made them (GOVERNANCE R1).

Decisions
- Every run, logged model and model version gets the tag `aichung.subject` with the caller's subject when it is made.
  MLflow's own `mlflow.user` is whatever the client says; four eyes needs a name that nobody can choose.
- Tags whose key begins with `aichung.` or `gov.` are the platform's: a client's attempt to write, change or delete one
  is refused, under every address that writes tags.
- What was checked is what MLflow reads: the body is parsed here and written anew, so that no second reading of the
  same bytes (a key that stands twice, JSON inside a JSON string) differs from ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.errors import ForbiddenError, InvalidInputError

SUBJECT: Final = "aichung.subject"
RESERVED: Final = ("aichung.", "gov.")
BODY_BYTES: Final = 4 << 20
TAGGED: Final = re.compile(
    r"/mlflow/(?:ajax-)?api/[23]\.0/mlflow/"
    r"(?:experiments|logged-models|model-versions|registered-models|runs)(?:/(?P<rest>.*))?"
)
UNTAGGED: Final = re.compile(r"search|log-inputs|log-model|outputs|m-[0-9a-f]{32}/params")
"""What writes no tags and may be large."""

MADE: Final = re.compile(r"/mlflow/(?:ajax-)?api/[23]\.0/mlflow/(?:runs/create|logged-models|model-versions/create)/?")
"""Where something is made that gets its maker's stamp (by POST)."""


def writes_tags(method: str, path: str) -> bool:
    """Whether a request may write tags, so that its body must be read first."""
    found = TAGGED.fullmatch(path)
    return method != "GET" and found is not None and UNTAGGED.fullmatch(found["rest"] or "") is None


def stamped(method: str, path: str, body: bytes, subject: str) -> bytes:
    """The body to pass on: with the maker's stamp where something is made.

    Raises ForbiddenError (`reserved-tag`) for a tag of the platform's, InvalidInputError for a body that is no object.
    """
    made = method == "POST" and MADE.fullmatch(path) is not None
    _refuse(path.rstrip("/").rpartition("/tags/")[2] if "/tags/" in path else "")
    if not body.strip() and not made:
        return body
    document = _parsed(body or b"{}")
    for key in _keys(path, document):
        _refuse(key)
    if made:
        document["tags"] = [*(document.get("tags") or ()), {"key": SUBJECT, "value": subject}]
    return json.dumps(document).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    """The object in a body; older clients send it as JSON inside a JSON string."""
    try:
        document = json.loads(body)
        while isinstance(document, str):
            document = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise _no_object() from error
    if not isinstance(document, dict):
        raise _no_object()
    return document


def _keys(path: str, document: Mapping[str, Any]) -> Iterator[str]:
    """The keys of all tags that a body writes or deletes. Raises InvalidInputError for tags of another form."""
    if path.rstrip("/").endswith("-tag"):
        yield str(document.get("key", ""))
    rows = document.get("tags") or ()
    if not isinstance(rows, list | tuple):
        raise _no_object()
    for row in rows:
        if not isinstance(row, dict):
            raise _no_object()
        yield str(row.get("key", ""))


def _refuse(key: str) -> None:
    """Raise ForbiddenError for a key of the platform's."""
    if key.strip().casefold().startswith(RESERVED):
        raise ForbiddenError(
            "Nhãn bắt đầu bằng aichung. hoặc gov. do nền tảng ghi; không ai khác được ghi, sửa hay xóa.",
            "Tags that begin with aichung. or gov. are written by the platform; nobody else writes, changes or "
            "deletes them.",
            code="reserved-tag",
        )


def _no_object() -> InvalidInputError:
    vi, en = "Nội dung phải là một đối tượng JSON của MLflow.", "The body must be a JSON object of MLflow's."
    return InvalidInputError.at("", vi, en, code="invalid-json")
