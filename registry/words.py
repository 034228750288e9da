"""The word of the first of two persons, kept for a day until the second one comes (GOVERNANCE 4.2).

Decision: two means two subjects, not two keys. A word is kept for one action on one version.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, insert, select

from models.errors import ConflictError
from registry.database import Database
from registry.entries import Entry
from registry.rules import Actor
from registry.tables import facts

LIFE_SECONDS: Final = 86_400.0
ACTIONS: Final = ("resume", "serving")


@dataclass(frozen=True, slots=True)
class Word:
    """What the first person said."""

    subject: str
    role: str
    at: float


class Words:
    """The words given. Every method is one short database transaction."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._clock = clock

    def give(self, actor: Actor, entry: Entry, action: str) -> Word | None:
        """Take the actor's word. None: it is the first and was kept; a Word: that one stands and is not yet used up.

        Raises ConflictError (`four-eyes`) for a second word of the same person.
        """
        name, now = _name(entry, action), self._clock()
        with self._database.write() as connection:
            stored = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()
            first = None if stored is None else Word(**json.loads(stored))
            if first is not None and now - first.at < LIFE_SECONDS:
                if first.subject == actor.subject:
                    raise ConflictError(
                        "Cần một người thứ hai, khác người đã đề nghị.", "A second person is needed, not the same one.",
                        code="four-eyes",
                    )  # fmt: skip
                return first
            word = json.dumps(asdict(Word(actor.subject, actor.role, now)))
            connection.execute(delete(facts).where(facts.c.name == name))
            connection.execute(insert(facts).values(name=name, value=word))
        return None

    def forget(self, entry: Entry) -> None:
        """Drop every word about a version: it was used, or a new stop made it void."""
        names = [_name(entry, action) for action in ACTIONS]
        with self._database.write() as connection:
            connection.execute(delete(facts).where(facts.c.name.in_(names)))


def _name(entry: Entry, action: str) -> str:
    return f"{action}:{sha256(entry.reference.encode()).hexdigest()[:32]}"
