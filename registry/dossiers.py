"""Everything that is known of a version's review, as frozen values: what pages, answers and evidence bundles show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, func, insert, select

from models.errors import Note
from registry.duties import Duty
from registry.entries import Entry, Stage
from registry.rules import RoleNeed
from registry.statements import Paper
from registry.store import Author
from registry.tables import approvals, comments, keys, moves, reviews, statements, views, waivers

EVIDENCE: Final = ("card", "evaluation", "bias_report", "diff")


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on one place of the card (`pointer`, a JSON Pointer; "" for the whole)."""

    id: str
    round: int
    subject: str
    role: str
    pointer: str
    text: str
    at: datetime
    review: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A person's signed statement as it is kept."""

    id: str
    key_id: str
    custody: str
    sha256: str
    paper: Paper


@dataclass(frozen=True, slots=True)
class Review:
    """One person's decision in one round, with what was signed."""

    id: str
    round: int
    subject: str
    role: str
    decision: str
    at: datetime
    signed: Signed | None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A gap that somebody of higher rank answers for until `expires_at`; `gap` is a field, a rule or a guard."""

    id: str
    gap: str
    reason: str
    control: str
    subject: str
    role: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One move in a version's life: who has it since when."""

    at: datetime
    source: Stage | None
    target: Stage
    subject: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """The review of one version.

    `round` counts the submissions, `required` are the signatures its tier asks for, `missing` says what keeps it from
    its next stage, `duties` are the reviewers drawn in this round, `previous` is the version of the same model that was
    approved before, `names` the names of the persons named by their ids.
    """

    entry: Entry
    round: int
    authors: tuple[Author, ...]
    reviews: tuple[Review, ...]
    comments: tuple[Comment, ...]
    waivers: tuple[Waiver, ...]
    history: tuple[Step, ...]
    required: tuple[RoleNeed, ...]
    missing: tuple[Note, ...]
    duties: tuple[Duty, ...]
    previous: Entry | None
    names: Mapping[str, str]


def round_of(connection: Connection, entry: Entry) -> int:
    """How often the version was brought to review; 0 before the first time."""
    about = (moves.c.name == entry.name, moves.c.version == entry.version)
    query = select(func.count()).where(*about, moves.c.to_stage == Stage.IN_REVIEW.value)
    return int(connection.execute(query).scalar_one())


def reviews_of(connection: Connection, entry: Entry) -> list[Review]:
    """Every decision about a version, the oldest first."""
    signed = {
        row.review: Signed(row.id, row.key_id, row.custody, row.sha256, Paper(row.statement, row.public_key))
        for row in connection.execute(_about(statements, entry))
    }
    return [
        Review(row.id, row.round, row.subject, row.role, row.decision, row.at, signed.get(row.id))
        for row in connection.execute(_about(reviews, entry).order_by(reviews.c.at, reviews.c.id))
    ]


def comments_of(connection: Connection, entry: Entry) -> list[Comment]:
    """Every remark on a version, the oldest first."""
    rows = connection.execute(_about(comments, entry).order_by(comments.c.at, comments.c.id))
    return [
        Comment(row.id, row.round, row.subject, row.role, row.pointer, row.text, row.at, row.review) for row in rows
    ]


def waivers_of(connection: Connection, entry: Entry) -> list[Waiver]:
    """Every waiver of a version, the oldest first, also those that have ended."""
    rows = connection.execute(_about(waivers, entry).order_by(waivers.c.at, waivers.c.id))
    return [_waiver(row) for row in rows]


def steps_of(connection: Connection, entry: Entry) -> list[Step]:
    """The life of a version, move by move."""
    rows = connection.execute(_about(moves, entry).order_by(moves.c.id))
    return [
        Step(
            row.at, None if row.from_stage is None else Stage(row.from_stage), Stage(row.to_stage), row.subject,
            row.reason,
        )
        for row in rows
    ]  # fmt: skip


def previous_of(connection: Connection, entry: Entry) -> str | None:
    """The version of the same model that was approved last, beside this one and before it."""
    same = [approvals.c.name == entry.name, approvals.c.version != entry.version]
    own = select(func.min(approvals.c.created_at)).where(
        approvals.c.name == entry.name, approvals.c.version == entry.version
    )
    first = connection.execute(own).scalar()
    if first is not None:
        same.append(approvals.c.created_at < first)
    query = select(approvals.c.version).where(*same).order_by(approvals.c.created_at.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()


def names_of(connection: Connection, subjects: set[str]) -> dict[str, str]:
    """The names of persons and systems by their ids."""
    query = select(keys.c.subject_id, keys.c.subject_name).where(keys.c.subject_id.in_(subjects))
    return {row.subject_id: row.subject_name for row in connection.execute(query)}


def note_view(connection: Connection, subject: str, entry: Entry, evidence: str, at: datetime) -> None:
    """Write down that a person opened evidence, once for what it shows now."""
    row = {
        "name": entry.name, "version": entry.version, "subject": subject, "evidence": evidence,
        "digest": _shown(entry, evidence),
    }  # fmt: skip
    same = [views.c[name] == value for name, value in row.items()]
    if connection.execute(select(views.c.at).where(*same)).first() is None:
        connection.execute(insert(views).values(**row, at=at))


def seen_by(connection: Connection, subject: str, entry: Entry) -> frozenset[str]:
    """Which evidence of a version, as it is now, a person has opened."""
    rows = connection.execute(_about(views, entry).where(views.c.subject == subject))
    return frozenset(row.evidence for row in rows if row.digest == _shown(entry, row.evidence))


def _shown(entry: Entry, evidence: str) -> str:
    """The digest of what an evidence shows now; a diff is of the card."""
    return str(getattr(entry.digests, "card" if evidence == "diff" else evidence))


def _waiver(row: Row[Any]) -> Waiver:
    return Waiver(row.id, row.gap, row.reason, row.control, row.subject, row.role, row.at, row.expires_at)


def _about(table: Table, entry: Entry) -> Select[Any]:
    return select(table).where(table.c.name == entry.name, table.c.version == entry.version)
