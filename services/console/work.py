"""What waits for a person: reviews by due date, releases, resumptions, approvals that end, and the own models.

Decision: the lists are cut from what is in memory by the registry's own predicate (`offered`); only the own models of
the page that is shown are looked up in full, so that a thousand models cost no more than ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from models.errors import Note
from registry.dossiers import Dossier
from registry.duties import Duty
from registry.entries import Entry, Stage
from registry.reviews import Reviews
from registry.rules import Actor, notices, offered
from services.console.listing import version_path
from services.console.titles import Titles
from services.console.wording import Mark, role_title, stage_mark

OWN_ROWS: Final = 5
LIST_ROWS: Final = 50
ENDED: Final = (Stage.REJECTED, Stage.REVOKED, Stage.RETIRED)
RELEASES: Final = ("shadow", "canary", "serving")


@dataclass(frozen=True, slots=True)
class Task:
    """A version that waits for somebody."""

    entry: Entry
    title: Note
    mark: Mark

    @property
    def path(self) -> str:
        """Its page."""
        return version_path(self.entry)


@dataclass(frozen=True, slots=True)
class Due(Task):
    """A review that the platform drew the reader for."""

    duty: Duty
    late: bool


@dataclass(frozen=True, slots=True)
class Told(Task):
    """A version with what is to be said of it."""

    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a version since when: a person by name, or a role that anyone of it may take up."""

    who: str | Note
    role: Note | None
    since: datetime
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Own(Task):
    """One of the reader's own models: what is missing, and who has it."""

    missing: tuple[Note, ...]
    holders: tuple[Holder, ...]


def work(
    reviews: Reviews, titles: Titles, actor: Actor, entries: Sequence[Entry], now: datetime, page: int
) -> dict[str, Any]:
    """The facts of a person's first page."""
    known = {(entry.name, entry.version): entry for entry in entries}

    def facts(entry: Entry) -> tuple[Entry, Note, Mark]:
        return entry, titles.of(entry), stage_mark(entry.stage)

    inbox = [
        Due(*facts(known[duty.name, duty.version]), duty, duty.due_at <= now)
        for duty in reviews.inbox(actor)
        if (duty.name, duty.version) in known
    ]
    steps = [(entry, offered(actor, entry)) for entry in entries if entry.stage not in ENDED]
    own = [entry for entry in entries if actor.subject in entry.authors and entry.stage not in ENDED]
    own.sort(key=lambda entry: entry.created_at, reverse=True)
    told = [
        (entry, notices(entry, now.timestamp()))
        for entry, acts in steps
        if "suspend" in acts or actor.subject in entry.authors
    ]
    shown = own[(page - 1) * OWN_ROWS : page * OWN_ROWS]
    return {
        "inbox": inbox[:LIST_ROWS], "waiting": len(inbox),
        "releases": [Task(*facts(e)) for e, acts in steps if any(a in acts for a in RELEASES)][:LIST_ROWS],
        "stopped": [Task(*facts(e)) for e, acts in steps if "resume" in acts][:LIST_ROWS],
        "ending": [Told(*facts(e), notes) for e, notes in told if notes][:LIST_ROWS],
        "own": [_own(reviews.dossier(entry), *facts(entry)) for entry in shown],
        "owned": len(own), "page": page, "pages": max(1, -(-len(own) // OWN_ROWS)),
    }  # fmt: skip


def holders(dossier: Dossier) -> tuple[Holder, ...]:
    """Who has a version now, since when."""
    entry, steps = dossier.entry, dossier.history
    since = steps[-1].at if steps else entry.created_at
    if entry.stage is Stage.IN_REVIEW:
        drawn = [one for one in dossier.duties if one.ended_at is None]
        named = [_person(dossier, one) for one in drawn]
        signed = {one.role for one in dossier.reviews if one.round == dossier.round and one.decision == "approve"}
        left = {need.role for need in dossier.required} - signed - {one.role for one in drawn}
        return (*named, *(Holder(role_title(role), None, since) for role in sorted(left)))
    role = {
        Stage.DRAFT: "ml_engineer", Stage.APPROVED: "release_operator", Stage.SHADOW: "release_operator",
        Stage.CANARY: "release_operator", Stage.EXPIRED: "model_owner", Stage.SUSPENDED: "release_operator",
    }.get(entry.stage)  # fmt: skip
    return () if role is None else (Holder(role_title(role), None, since),)


def _person(dossier: Dossier, duty: Duty) -> Holder:
    return Holder(dossier.names.get(duty.subject, duty.subject), role_title(duty.role), duty.at, duty.due_at)


def _own(dossier: Dossier, entry: Entry, title: Note, mark: Mark) -> Own:
    return Own(entry, title, mark, dossier.missing, holders(dossier))
