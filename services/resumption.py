"""Letting a suspended model answer again: two persons, one of them a reviewer (GOVERNANCE 4.2).

Decision: stopping takes one person and is immediate; starting takes two, and two means two subjects, not two keys. The
first person's word is kept in the database for a day; the second person's word completes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, insert, select

from models.errors import ConflictError, ForbiddenError
from registry.database import Database
from registry.entries import Entry
from registry.tables import facts
from services.callers import Caller

REVIEWERS: Final = frozenset({"tech_reviewer", "fairness_reviewer"})
PARTNERS: Final = frozenset({"release_operator", "model_owner", "agency_head", "dpo", "security_officer"})
LIFE_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Word:
    """What the first person said."""

    subject: str
    role: str
    at: float


class Resumptions:
    """The words given for suspended models. Every method is one short database transaction."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._clock = clock

    def give(self, caller: Caller, entry: Entry) -> Word | None:
        """Take the caller's word. None: it is the first and was kept; a Word: it completes that one.

        Raises ForbiddenError for whoever may not take part, ConflictError for a second word of the same person or when
        neither of the two is a reviewer.
        """
        if not _may_speak(caller, entry):
            vi = "Chỉ người thẩm định, người vận hành hoặc chủ mô hình của đơn vị giữ mô hình được cho chạy lại."
            en = "Only reviewers, operators and owners of the organisation that holds the model may resume it."
            raise ForbiddenError(vi, en, allowed_roles=sorted(REVIEWERS | PARTNERS))
        name = "resume:" + sha256(entry.reference.encode()).hexdigest()[:32]
        now = self._clock()
        with self._database.write() as connection:
            stored = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()
            first = None if stored is None else Word(**json.loads(stored))
            if first is not None and now - first.at < LIFE_SECONDS:
                _check_pair(first, caller)
                connection.execute(delete(facts).where(facts.c.name == name))
                return first
            connection.execute(delete(facts).where(facts.c.name == name))
            word = json.dumps({"subject": caller.subject.id, "role": caller.role, "at": now})
            connection.execute(insert(facts).values(name=name, value=word))
        return None

    def forget(self, entry: Entry) -> None:
        """Drop a word that was given before a new suspension."""
        name = "resume:" + sha256(entry.reference.encode()).hexdigest()[:32]
        with self._database.write() as connection:
            connection.execute(delete(facts).where(facts.c.name == name))


def _may_speak(caller: Caller, entry: Entry) -> bool:
    home = caller.platform or caller.tenant == entry.tenant
    return home and caller.subject.kind == "person" and caller.role in REVIEWERS | PARTNERS


def _check_pair(first: Word, caller: Caller) -> None:
    if first.subject == caller.subject.id:
        vi, en = "Cần một người thứ hai, khác người đã đề nghị.", "A second person is needed, not the same one."
        raise ConflictError(vi, en, code="four-eyes")
    if not {first.role, caller.role} & REVIEWERS:
        vi, en = "Một trong hai người phải là người thẩm định.", "One of the two must be a reviewer."
        raise ConflictError(vi, en, code="four-eyes")
