"""The registry's port: what is vouched for. One set of laws (tests/contract), two stores: memory and SQL.

Decisions
- A store never says "approved" from a row alone: an entry leaves it with `approval.verified` computed now, from the
  signed statement, the trusted keys, and the digests of the files as they lie on disk (`vouch`).
- Moves are judged by the table in `registry.entries`; a lost race is a ConflictError.
- Every change is one ledger event (`note`), written after it was committed, and counts the topic `registry` up, so
  that all processes see it within the polling interval.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from models.errors import ConflictError, IntegrityError, NotFoundError
from registry import approvals, statements
from registry.approvals import Trust
from registry.entries import Approval, Entry, Stage, may_move
from registry.evidence import Evidence, Evidences, digests_of
from registry.rules import illegal
from registry.statements import Paper

TOPIC = "registry"
CAPACITIES = ("registrant", "run", "card", "data", "owner")
Note = Callable[[Mapping[str, Any]], object]
Read = Callable[[Path], Evidence]


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who made a version, and in which capacity: registrant, run, card, data or owner."""

    subject: str
    capacity: str


class Store(Protocol):
    """Entries, their approvals and the default model of each task."""

    def revision(self) -> int:
        """A number that grows with every change."""

    def entries(self) -> list[Entry]:
        """All entries by name and version, each vouched for now."""

    def entry(self, name: str, version: str) -> Entry:
        """One entry, vouched for now. Raises NotFoundError."""

    def register(self, entry: Entry) -> Entry:
        """Take a new version in as DRAFT, without approval. The same digest set again is no change.

        Raises ConflictError when the version exists with another digest set.
        """

    def revise(self, entry: Entry, actor: str) -> Entry:
        """Give a version that is still a DRAFT other content. Raises NotFoundError, ConflictError."""

    def credit(self, name: str, version: str, authors: Collection[Author], actor: str) -> Entry:
        """Name further authors of a version; none is ever taken off. Raises NotFoundError."""

    def authors(self, name: str, version: str) -> list[Author]:
        """Who made a version, by subject and capacity. Raises NotFoundError."""

    def keep(self, name: str, version: str, paper: Paper) -> None:
        """Keep what a person signed, for the approval that will list it. Raises NotFoundError."""

    def approve(self, name: str, version: str, statement: str, actor: str) -> Entry:
        """Keep a signed approval and move IN_REVIEW → APPROVED.

        Raises NotFoundError, ConflictError (not in review), IntegrityError (signature, key, or digests that are not
        those of the stored files).
        """

    def move(
        self, name: str, version: str, to: Stage, actor: str, reason: str | None = None, *, percent: int | None = None
    ) -> Entry:
        """Move an entry along LEGAL_MOVES, with its share of traffic when that changes.

        Raises NotFoundError, ConflictError for an illegal move.
        """

    def share(self, name: str, version: str, percent: int, actor: str) -> Entry:
        """Change the share of traffic of a shadow or canary. Raises NotFoundError."""

    def announce(self, name: str, version: str, at: datetime, sunset: datetime, actor: str) -> Entry:
        """Say at `at` when a version will end. Raises NotFoundError."""

    def set_default(self, task: str, name: str, version: str, actor: str) -> Entry:
        """Make an entry the default model of one of its tasks. Raises NotFoundError, ConflictError."""


def vouch(
    entry: Entry, statement: tuple[str, str] | None, trust: Trust, read: Read, papers: Iterable[Paper] = ()
) -> Entry:
    """The entry with its approval verified against signature, keys and files; `reason` tells what does not hold.

    `statement` is (approval id, DSSE text) as stored, or None; `papers` are what persons signed about it.
    """
    try:
        evidence = read(Path(entry.folder))
        actual = digests_of(evidence, entry)
        if statement is None:
            return replace(entry, approval=None)
        approval = approvals.read(statement[1], trust, entry)
        if approval.digests != actual or approval.id != statement[0]:
            raise IntegrityError(
                f"Tệp của {entry.reference} khác bản đã được phê duyệt.",
                f"The files of {entry.reference} are not what was approved.",
                code="digest-mismatch",
            )
        statements.hold(approval, entry, evidence.card, papers)
    except IntegrityError as error:
        doubtful = None if statement is None else _unverified(statement, entry)
        return replace(entry, approval=doubtful, reason=f"{error.word}: {error.note.vi} | {error.note.en}")
    return replace(entry, approval=approval)


def _unverified(statement: tuple[str, str], entry: Entry) -> Approval:
    """An approval that cannot be believed: nothing of it is repeated but its id."""
    never = datetime(1970, 1, 1, tzinfo=UTC)
    return Approval(statement[0], "bootstrap", statement[1], entry.digests, (), never, never, "", False)


def fresh(entry: Entry) -> Entry:
    """What `register` keeps of an entry: a DRAFT without approval or defaults."""
    return replace(entry, stage=Stage.DRAFT, approval=None, is_default=(), reason=None)


def refuse_other_digests(known: Entry, entry: Entry) -> None:
    """Raise ConflictError when a version is registered again with other content."""
    if known.digests != entry.digests:
        raise ConflictError(
            f"Phiên bản {entry.reference} đã được đăng ký với nội dung khác.",
            f"Version {entry.reference} is registered with other content.",
            code="version-exists",
        )


def refuse_illegal(entry: Entry, to: Stage) -> None:
    """Raise ConflictError when the table does not allow the move."""
    if not may_move(entry, to):
        raise illegal(entry, to.value)


def refuse_revision(entry: Entry) -> None:
    """Raise ConflictError when a version is no longer a draft: what was submitted does not change."""
    if entry.stage is not Stage.DRAFT:
        raise ConflictError(
            f"Chỉ sửa được bản nháp; {entry.reference} đang ở {entry.stage}.",
            f"Only a draft can be revised; {entry.reference} is {entry.stage}.",
            code="version-exists", state=entry.stage.value,
        )  # fmt: skip


def refuse_foreign_task(entry: Entry, task: str) -> None:
    """Raise ConflictError when the model does not answer the task."""
    if task not in entry.tasks:
        raise ConflictError(
            f"{entry.reference} không làm tác vụ này.",
            f"{entry.reference} does not answer this task.",
            code="wrong-task",
        )


def accepted(entry: Entry, statement: str, trust: Trust, read: Read, papers: Iterable[Paper] = ()) -> Approval:
    """The approval in a statement, held against keys, files and papers, for an entry in review.

    Raises ConflictError, IntegrityError.
    """
    refuse_illegal(entry, Stage.APPROVED)
    approval = approvals.read(statement, trust, entry)
    evidence = read(Path(entry.folder))
    if approval.digests != digests_of(evidence, entry):
        raise IntegrityError(
            f"Phê duyệt không khớp với tệp của {entry.reference}.",
            f"The approval does not match the files of {entry.reference}.",
            code="digest-mismatch",
        )
    statements.hold(approval, entry, evidence.card, papers)
    return approval


def event(word: str, entry: Entry, actor: str, **facts: Any) -> dict[str, Any]:
    """The ledger's record of a change: ids and digests, a reason only as its hash."""
    reason = facts.pop("reason", None)
    hashed = {} if reason is None else {"reason_sha256": sha256(reason.encode()).hexdigest()}
    return {
        "event": word, "actor": {"id": actor}, "model": {"name": entry.name, "version": entry.version,
        "digest": entry.digests.artifact}, "dossier_digest": entry.digests.card, "tier": entry.tier, **facts, **hashed,
    }  # fmt: skip


def move_facts(entry: Entry, to: Stage, reason: str | None, percent: int | None) -> dict[str, Any]:
    """What the record of a move says beside who and what."""
    share = {} if percent is None else {"percent": percent}
    return {"from": entry.stage.value, "to": to.value, "reason": reason, **share}


def silent(record: Mapping[str, Any]) -> None:
    """A note that goes nowhere: for stores that only read."""


class MemoryStore:
    """The store in memory: the port's twin for tests and tools. Safe for threads."""

    def __init__(self, trust: Trust, *, read: Read | None = None, note: Note = silent) -> None:
        """`read` gives the evidence of a folder (default: from disk), `note` takes ledger events."""
        self._trust = trust
        self._read = read or Evidences().read
        self._note = note
        self._lock = threading.RLock()
        self._revision = 0
        self._entries: dict[tuple[str, str], Entry] = {}
        self._statements: dict[tuple[str, str], tuple[str, str]] = {}
        self._defaults: dict[str, tuple[str, str]] = {}
        self._authors: dict[tuple[str, str], set[Author]] = {}
        self._papers: dict[tuple[str, str], list[Paper]] = {}

    def revision(self) -> int:
        """See Store."""
        return self._revision

    def entries(self) -> list[Entry]:
        """See Store."""
        with self._lock:
            return [self.entry(*key) for key in sorted(self._entries)]

    def entry(self, name: str, version: str) -> Entry:
        """See Store."""
        with self._lock:
            key = (name, version)
            if key not in self._entries:
                raise not_registered()
            defaults = tuple(sorted(task for task, holder in self._defaults.items() if holder == key))
            subjects = frozenset(author.subject for author in self._authors.get(key, ()))
            entry = replace(self._entries[key], is_default=defaults, authors=subjects)
            return vouch(entry, self._statements.get(key), self._trust, self._read, self._papers.get(key, ()))

    def register(self, entry: Entry) -> Entry:
        """See Store."""
        with self._lock:
            key = (entry.name, entry.version)
            known = self._entries.get(key)
            if known is not None:
                refuse_other_digests(known, entry)
                if known.folder == entry.folder:
                    return self.entry(*key)
                return self._keep(replace(known, folder=entry.folder), "registry.relocate", "platform")
            return self._keep(fresh(entry), "registry.register", "platform")

    def revise(self, entry: Entry, actor: str) -> Entry:
        """See Store."""
        with self._lock:
            known = self.entry(entry.name, entry.version)
            refuse_revision(known)
            return self._keep(replace(fresh(entry), created_at=known.created_at), "card.edit", actor)

    def credit(self, name: str, version: str, authors: Collection[Author], actor: str) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            known = self._authors.setdefault((name, version), set())
            if known.issuperset(authors):
                return entry
            known.update(authors)
            return self._keep(entry, "registry.credit", actor)

    def authors(self, name: str, version: str) -> list[Author]:
        """See Store."""
        with self._lock:
            self.entry(name, version)
            return sorted(self._authors.get((name, version), ()), key=lambda one: (one.subject, one.capacity))

    def keep(self, name: str, version: str, paper: Paper) -> None:
        """See Store."""
        with self._lock:
            self.entry(name, version)
            self._papers.setdefault((name, version), []).append(paper)

    def approve(self, name: str, version: str, statement: str, actor: str) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            approval = accepted(entry, statement, self._trust, self._read, self._papers.get((name, version), ()))
            self._statements[(name, version)] = (approval.id, statement)
            facts = {"approval_id": approval.id, "approval_kind": approval.kind}
            return self._keep(replace(entry, stage=Stage.APPROVED, reason=None), "approval.grant", actor, **facts)

    def move(
        self, name: str, version: str, to: Stage, actor: str, reason: str | None = None, *, percent: int | None = None
    ) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            refuse_illegal(entry, to)
            moved = replace(entry, stage=to, reason=reason, percent=entry.percent if percent is None else percent)
            return self._keep(moved, "registry.move", actor, **move_facts(entry, to, reason, percent))

    def share(self, name: str, version: str, percent: int, actor: str) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            return self._keep(replace(entry, percent=percent), "deploy.share", actor, percent=percent)

    def announce(self, name: str, version: str, at: datetime, sunset: datetime, actor: str) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            announced = replace(entry, sunset=sunset, deprecated_at=entry.deprecated_at or at)
            return self._keep(announced, "deploy.announce", actor, sunset=int(sunset.timestamp()))

    def set_default(self, task: str, name: str, version: str, actor: str) -> Entry:
        """See Store."""
        with self._lock:
            entry = self.entry(name, version)
            refuse_foreign_task(entry, task)
            self._defaults[task] = (name, version)
            return self._keep(self._entries[(name, version)], "registry.default", actor, task=task)

    def _keep(self, entry: Entry, word: str, actor: str, **facts: Any) -> Entry:
        self._entries[(entry.name, entry.version)] = replace(entry, approval=None)
        self._revision += 1
        self._note(event(word, entry, actor, **facts))
        return self.entry(entry.name, entry.version)


def not_registered() -> NotFoundError:
    """The one answer for every model that is not there."""
    return NotFoundError("Không tìm thấy mô hình.", "No such model.")
