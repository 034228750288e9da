"""What differs between two versions' cards, field by field, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.card_fields import SECTIONS
from registry.card_text import fields_in_order
from registry.card_values import GAPS
from services.console.fields import Field, Reading, field_of


@dataclass(frozen=True, slots=True)
class Change:
    """A field that says something else, is new, or is gone."""

    kind: str
    before: Field | None
    after: Field | None

    @property
    def title(self) -> str:
        """The field's name."""
        found = self.after or self.before
        return "" if found is None else found.title

    @property
    def path(self) -> str:
        """The field's place in the card."""
        found = self.after or self.before
        return "" if found is None else found.path


def changes(before: Mapping[str, Any], after: Mapping[str, Any], reading: Reading) -> list[Change]:
    """Every field that differs, in the card's order."""
    found = []
    for section in SECTIONS:
        old, new = _fields(before, section), _fields(after, section)
        for name in fields_in_order(section, {**old, **new}):
            if _said(old.get(name)) == _said(new.get(name)):
                continue
            kind = "new" if name not in old else "gone" if name not in new else "changed"
            path = f"{section}.{name}"
            found.append(
                Change(
                    kind, field_of(before, path, reading) if name in old else None,
                    field_of(after, path, reading) if name in new else None,
                )
            )  # fmt: skip
    return found


def _fields(card: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = card.get(section)
    return found if isinstance(found, Mapping) else {}


def _said(field: Any) -> Any:
    """What a field says, without its provenance: who wrote it and when differs at every training."""
    if not isinstance(field, Mapping):
        return field
    return {name: field[name] for name in ("value", *GAPS) if name in field}
