"""Reading the fields of a card: values, gaps, and which figures are speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

GAPS = ("not_evaluated", "not_applicable")
SPEED_SUFFIXES = ("_per_second", "_seconds", "_milliseconds", "_ms", "_microseconds")


def field_of(card: Mapping[str, Any], path: str) -> Any:
    """The field at `section.name`, or None."""
    section, _, name = path.partition(".")
    fields = card.get(section)
    return fields.get(name) if isinstance(fields, Mapping) else None


def value_of(card: Mapping[str, Any], path: str) -> Any:
    """The value at `section.name`; None for a gap or a field that is not there."""
    field = field_of(card, path)
    return field.get("value") if isinstance(field, Mapping) else None


def is_gap(field: Any) -> bool:
    """Whether a field is an explicit gap with its reason."""
    return isinstance(field, Mapping) and len(field) == 1 and next(iter(field)) in GAPS


def is_speed(name: str) -> bool:
    """Whether a figure measures speed on one machine (it belongs to the load test, not to the metrics)."""
    return name.endswith(SPEED_SUFFIXES)


def texts(value: Any) -> Iterator[str]:
    """Every string inside a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
