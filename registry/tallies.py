"""Sums over the ledger: what was used, and the figures of governance, always computed from the records.

Decision: a figure that the records do not hold is absent, never zero: "not measured" is not "none" (GOVERNANCE 5.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, case, func, select
from sqlalchemy.dialects.postgresql import JSONB

from registry.tables import ledger
from registry.trail import Filter, conditions

INFERENCE = "inference"
REFUSED = f"refuse.{INFERENCE}"
DROP = "log.drop"


@dataclass(frozen=True, slots=True)
class Consumed:
    """What was asked of one model in one task."""

    task: str
    model: str | None
    answered: int
    refused: int
    units: int
    bytes: int


def consumption(connection: Connection, wanted: Filter) -> list[Consumed]:
    """Answers, refusals, units and bytes by task and model, from the records."""
    member = _Members(connection)
    task, model = member.text("task"), member.text("model", "name")
    answered = func.sum(case((ledger.c.event == INFERENCE, 1), else_=0))
    query = (
        select(task, model, answered, func.count(), func.sum(member.number("in", "units")),
               func.sum(member.number("in", "bytes")))
        .where(ledger.c.event.in_((INFERENCE, REFUSED)), *conditions(wanted))
        .group_by(task, model)
        .order_by(task, model)
    )  # fmt: skip
    return [
        Consumed(name or "", used, int(good), int(total - good), int(units or 0), int(size or 0))
        for name, used, good, total, units, size in connection.execute(query)
    ]


def events(connection: Connection, wanted: Filter) -> dict[str, int]:
    """How many records of each event."""
    query = select(ledger.c.event, func.count()).where(*conditions(wanted)).group_by(ledger.c.event)
    return {row[0]: row[1] for row in connection.execute(query)}


def answers_by_approval(connection: Connection, wanted: Filter) -> dict[str, int]:
    """Answers by the kind of approval they stood under; "" for none."""
    kind = _Members(connection).text("approval_kind")
    query = select(kind, func.count()).where(ledger.c.event == INFERENCE, *conditions(wanted)).group_by(kind)
    return {word or "": count for word, count in connection.execute(query)}


def refusals_by_code(connection: Connection, wanted: Filter) -> dict[str, int]:
    """Refused and failed calls of models, by code word."""
    code = _Members(connection).text("error_code")
    query = select(code, func.count()).where(ledger.c.event == REFUSED, *conditions(wanted))
    return {word or "": count for word, count in connection.execute(query.group_by(code))}


def latencies(connection: Connection, wanted: Filter, shares: Sequence[float]) -> list[float] | None:
    """Quantiles of the answers' latency in milliseconds (nearest rank); None when there were no answers."""
    value = _Members(connection).number("latency_ms")
    answers = (ledger.c.event == INFERENCE, *conditions(wanted))
    count = connection.execute(select(func.count()).select_from(ledger).where(*answers)).scalar_one()
    if not count:
        return None
    ranked = select(value).where(*answers).order_by(value)
    found = []
    for share in shares:
        rank = min(int(share * count), count - 1)
        found.append(float(connection.execute(ranked.offset(rank).limit(1)).scalar_one()))
    return found


def dropped(connection: Connection, wanted: Filter) -> int:
    """Records that the ledger had to drop, as its own `log.drop` records say."""
    number = func.sum(_Members(connection).number("records"))
    return int(connection.execute(select(number).where(ledger.c.event == DROP, *conditions(wanted))).scalar_one() or 0)


class _Members:
    """Members of the JSON records as SQL, in the words of the dialect."""

    def __init__(self, connection: Connection) -> None:
        self.sqlite = connection.dialect.name == "sqlite"

    def text(self, *path: str) -> ColumnElement[Any]:
        if self.sqlite:
            return func.json_extract(ledger.c.record, "$." + ".".join(path))
        return cast(ColumnElement[Any], sqlalchemy.cast(ledger.c.record, JSONB)[path].astext)

    def number(self, *path: str) -> ColumnElement[Any]:
        if self.sqlite:
            return func.json_extract(ledger.c.record, "$." + ".".join(path))
        return cast(ColumnElement[Any], sqlalchemy.cast(ledger.c.record, JSONB)[path].as_float())
