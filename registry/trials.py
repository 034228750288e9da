"""What is counted of a version in shadow or canary, and the guards that it must pass to go on (GOVERNANCE 4.2)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from models.errors import Note
from registry.entries import Entry, Stage
from registry.rules import (
    CANARY_GUARDS,
    DAY_SECONDS,
    EXPOSURE_CALLS,
    EXPOSURE_DAYS,
    MOST_DIFFERING,
    MOST_FAILING,
    SHADOW_GUARDS,
    Actor,
)
from registry.tables import moves, releases

NEXT_GUARDS: Final[Mapping[Stage, tuple[str, ...]]] = {Stage.SHADOW: SHADOW_GUARDS, Stage.CANARY: CANARY_GUARDS}
GUARD_NOTES: Final[Mapping[str, Note]] = {
    "exposure": Note(
        f"Cần ít nhất {EXPOSURE_CALLS} lần tính hoặc {EXPOSURE_DAYS} ngày ở bước này.",
        f"At least {EXPOSURE_CALLS} calls or {EXPOSURE_DAYS} days in this stage are needed.",
    ),
    "failures": Note(f"Tỷ lệ lỗi phải dưới {MOST_FAILING:.0%}.", f"Fewer than {MOST_FAILING:.0%} may fail."),
    "difference": Note(
        f"Kết quả khác phiên bản đang phục vụ phải dưới {MOST_DIFFERING:.0%}.",
        f"Fewer than {MOST_DIFFERING:.0%} of the outcomes may differ from the serving version's.",
    ),
    "drill": Note(
        "Cần diễn tập ngắt: đình chỉ một lần ở bước chạy bóng hoặc thử nghiệm hẹp rồi cho chạy lại.",
        "A kill-switch drill is needed: one suspension in shadow or canary, and its resumption.",
    ),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What one process counted of a version since it last told."""

    calls: int = 0
    failures: int = 0
    dropped: int = 0
    differing: int = 0
    own_seconds: float = 0.0
    serving_seconds: float = 0.0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Trial:
    """A stage that a version is in, with everything counted in it so far; `drilled`: it was stopped once on trial."""

    stage: Stage
    percent: int
    subject: str
    started_at: datetime
    counts: Counts
    drilled: bool


def begin(connection: Connection, entry: Entry, actor: Actor, at: datetime) -> None:
    """Start to count for the stage that the version is in now."""
    connection.execute(
        insert(releases).values(
            id=f"rel_{secrets.token_hex(12)}", name=entry.name, version=entry.version, stage=entry.stage.value,
            percent=entry.percent, subject=actor.subject, role=actor.role, started_at=at, ended_at=None, calls=0,
            failures=0, dropped=0, differing=0, seconds={"own": 0.0, "serving": 0.0}, facts={},
        )
    )  # fmt: skip


def end(connection: Connection, entry: Entry, at: datetime) -> None:
    """Close the count of the stage that the version leaves."""
    connection.execute(update(releases).where(*_open(entry.name, entry.version)).values(ended_at=at))


def add(connection: Connection, name: str, version: str, counts: Counts) -> None:
    """Add what a process counted; nothing when the version is in no stage any more."""
    query = select(releases).where(*_open(name, version)).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        return
    seconds = {
        "own": row.seconds["own"] + counts.own_seconds, "serving": row.seconds["serving"] + counts.serving_seconds,
    }  # fmt: skip
    values = {
        "calls": row.calls + counts.calls, "failures": row.failures + counts.failures,
        "dropped": row.dropped + counts.dropped, "differing": row.differing + counts.differing, "seconds": seconds,
    }  # fmt: skip
    connection.execute(update(releases).where(releases.c.id == row.id).values(**values))


def current(connection: Connection, entry: Entry) -> Trial | None:
    """The count of the stage that the version is in; None before its release."""
    row = connection.execute(select(releases).where(*_open(entry.name, entry.version))).first()
    if row is None:
        return None
    stopped = select(moves.c.id).where(
        moves.c.name == entry.name, moves.c.version == entry.version, moves.c.to_stage == Stage.SUSPENDED.value,
        moves.c.from_stage.in_((Stage.SHADOW.value, Stage.CANARY.value)),
    )  # fmt: skip
    counts = Counts(row.calls, row.failures, row.dropped, row.differing, row.seconds["own"], row.seconds["serving"])
    drilled = connection.execute(stopped.limit(1)).first() is not None
    return Trial(Stage(row.stage), row.percent, row.subject, row.started_at, counts, drilled)


def holds(guard: str, trial: Trial | None, at: float) -> bool:
    """Whether a guard lets the version go on."""
    if trial is None:
        return False
    counts = trial.counts
    if guard == "exposure":
        waited = at - trial.started_at.timestamp() >= EXPOSURE_DAYS * DAY_SECONDS
        return waited or counts.calls >= EXPOSURE_CALLS
    if guard == "failures":
        return counts.failures <= MOST_FAILING * counts.calls
    if guard == "difference":
        return counts.differing <= MOST_DIFFERING * counts.calls
    return guard == "drill" and trial.drilled


def takes(entry: Entry, tenant: str, subject: str) -> bool:
    """Whether a caller is among those whom a canary answers: always the same ones, and more as its share grows."""
    drawn = sha256(f"{entry.name}/{tenant}/{subject}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % 100 < entry.percent


def _open(name: str, version: str) -> tuple[Any, ...]:
    return releases.c.name == name, releases.c.version == version, releases.c.ended_at.is_(None)
