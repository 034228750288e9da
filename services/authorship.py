"""Who made a model version, computed from what is known at its registration (GOVERNANCE R1, four eyes).

Run: whom the tracking door stamped. Card: who sent it. Owner and data committers: whom card and run name, when that is
the id or the name of somebody who holds a key. A name that several persons of the organisation bear credits them all:
one reviewer too few is mended by drawing another, an author who reviews himself by nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import select

from registry.card_values import value_of
from registry.database import Database
from registry.store import Author
from registry.tables import keys

OWNER: Final = "identity.owner_person"
DATA_FIELDS: Final = ("data.labelling", "data.collection")
MAKERS: Final = ("who", "committer")


class Authorship:
    """Finds the authors of what is registered. Safe for threads."""

    def __init__(self, database: Database) -> None:
        """Persons are those who hold or held a key in `database`."""
        self._database = database

    def authors(self, tenant: str, registrant: str, card: Mapping[str, Any], run: Mapping[str, Any]) -> list[Author]:
        """Everybody who made what `registrant` brings; `run` has `subjects` and `committers`."""
        known = self._persons(tenant)
        owners = known.get(_plain(value_of(card, OWNER)), frozenset())
        named = {_plain(name) for name in (*run.get("committers", ()), *_named(card))}
        committers = {subject for name in named for subject in known.get(name, ())}
        found = {Author(registrant, "registrant"), Author(registrant, "card")}
        found |= {Author(str(subject), "run") for subject in run.get("subjects", ())}
        found |= {Author(subject, "owner") for subject in owners} | {Author(one, "data") for one in committers}
        return sorted(found, key=lambda one: (one.subject, one.capacity))

    def _persons(self, tenant: str) -> dict[str, frozenset[str]]:
        """Subjects by id, and those of the organisation by name."""
        columns = (keys.c.subject_id, keys.c.subject_name, keys.c.tenant)
        found: dict[str, frozenset[str]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(*columns).where(keys.c.subject_kind == "person").distinct()):
                names = (row.subject_id, row.subject_name) if row.tenant == tenant else (row.subject_id,)
                for name in map(_plain, names):
                    found[name] = found.get(name, frozenset()) | {row.subject_id}
        found.pop("", None)
        return found


def _named(card: Mapping[str, Any]) -> Iterator[Any]:
    """Whom a card names as having prepared data."""
    for path in DATA_FIELDS:
        value = value_of(card, path)
        if isinstance(value, Mapping):
            yield from (value.get(maker) for maker in MAKERS)
    for row in value_of(card, "data.datasets") or ():
        if isinstance(row, Mapping):
            yield from (row.get(maker) for maker in MAKERS)


def _plain(name: Any) -> str:
    """A name for comparing: composed, without case and double spaces."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split()) if isinstance(name, str) else ""
