"""Reading a card that people wrote: JSON or YAML, as a document that JSON can hold.

Decision: one reader for the platform, behind its fence, and for the laptop. JSON is read as JSON first: to YAML 1.1 its
`1e-05` is a text.
"""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any, Final

import yaml

from models.errors import InvalidInputError

DEEPEST: Final = 32


def read_card(data: bytes) -> dict[str, Any]:
    """A card that people wrote, JSON or YAML. Raises InvalidInputError."""
    try:
        found = plain(_parsed(data.decode("utf-8")), 0)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_card("", "Thẻ không phải JSON hay YAML hợp lệ.", "The card is not valid JSON or YAML.") from error
    if not isinstance(found, dict):
        raise bad_card("", "Thẻ phải là một đối tượng.", "The card is an object.")
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return yaml.load(text, yaml.CSafeLoader)  # the safe loader, in C


def plain(value: Any, depth: int) -> Any:
    """A document of YAML as JSON can hold it. Raises ValueError for what it cannot."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, dict):
        return {_word(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no finite number")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError("of no type of JSON")


def _word(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("a name is no text")
    return name


def bad_card(pointer: str, vi: str, en: str) -> InvalidInputError:
    """The refusal of a card that cannot be read."""
    return InvalidInputError.at(f"/card{pointer}", vi, en, code="malformed-card")
