"""From what an engineer sends to a draft in the registry, or to a refusal with its reason.

Decisions
- What arrives is written to a quarantine folder as it comes, mode 0600, and is from then on only opened behind the
  fence (`pipelines.registration`). What is refused stays there for thirty days, for whoever looks into it.
- A few registrations run at once, each in processes of its own; the next one hears 503.
- A version that is still a draft may be sent again by its authors: the new content replaces the old, a new folder
  each time, so that nobody reads half of one and half of the other. Any other version that exists is a conflict.
- A name belongs to the organisation that brought it first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from models.artifact import NAME
from models.errors import ConflictError, IntegrityError, InvalidInputError, PlatformError, UnavailableError
from pipelines.datasets import load_catalogue
from pipelines.registration.examining import Asked, Examined, examine
from pipelines.registration.sandbox import Sandbox
from registry.canonical import read_document
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import ARTIFACT, BIAS, CARD, EVALUATION, digests_of, read_evidence
from registry.registrations import Registrations
from registry.store import Note, Store
from services.authorship import Authorship
from services.callers import Caller

UPLOAD: Final = "upload"
WRITTEN: Final = "card"
TESTED: Final = "bias"
AT_ONCE: Final = 2
KEPT_SECONDS: Final = 30 * 86_400.0
EMPTY: Final = Digests("", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Arrived:
    """What lies in quarantine: the attempt's id and folder, the name it was sent under, whether a card came with it.

    `bias` says whether a bias report did; `makers` are the run's `subjects` and `committers`, for the authors.
    """

    id: str
    folder: Path
    sent_as: str
    card: bool
    version: str | None = None
    run: Mapping[str, Any] | None = None
    bias: bool = False
    makers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """A draft: its entry, and the report that was made on the way."""

    registration: str
    entry: Entry
    report: Mapping[str, Any]


class Registrar:
    """Registers the models of one installation. Blocks: call it in a thread. Safe for threads."""

    def __init__(
        self, home: Path, database: Database, store: Store, note: Note, clock: Callable[[], float] = time.time,
        sandbox: Sandbox | None = None,
    ) -> None:  # fmt: skip
        """`note` takes ledger events; artefacts go to `home/models`, what is not yet believed to `home/quarantine`."""
        self._models = home.resolve() / "models"
        self._quarantine = home.resolve() / "quarantine"
        self._store = store
        self._note = note
        self._clock = clock
        self._sandbox = sandbox or Sandbox()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._sources = load_catalogue()
        self._authorship = Authorship(database)
        self.attempts = Registrations(database, clock)

    def begin(self, who: Caller, name: str) -> tuple[str, Path]:
        """Open an attempt: its id and its folder in quarantine. Raises InvalidInputError, ConflictError."""
        if not NAME.fullmatch(name):
            vi, en = "Tên mô hình gồm a–z, 0–9, gạch nối.", "A model's name is a–z, 0–9, hyphens."
            raise InvalidInputError.at("/name", vi, en, code="wrong-value")
        if any(entry.tenant != who.tenant for entry in self._named(name)):
            raise ConflictError("Tên này đã có chủ.", "This name is taken.", code="name-taken")
        self._sweep()
        id_ = self.attempts.begin(who.tenant, who.subject.id, name)
        folder = self._quarantine / id_
        folder.mkdir(parents=True, mode=0o700)
        return id_, folder

    def register(self, who: Caller, name: str, arrived: Arrived) -> Registered:
        """Judge what arrived and make it a draft.

        Raises InvalidInputError with the reason for a refusal, ConflictError, UnavailableError.
        """
        if not self._places.acquire(blocking=False):
            self._drop(arrived)
            vi, en = "Đang có nhiều lượt đăng ký; thử lại sau.", "Too many registrations are running; try again."
            raise UnavailableError(vi, en, 15, code="registrations-busy")
        try:
            return self._register(who, name, arrived)
        except PlatformError as error:
            self._refused(who, name, arrived, error)
            raise
        except BaseException:
            self.attempts.move(arrived.id, "refused", reason="internal-error")
            raise
        finally:
            self._places.release()

    def _register(self, who: Caller, name: str, arrived: Arrived) -> Registered:
        self.attempts.move(arrived.id, "trying", folder=str(arrived.folder))
        at = datetime.fromtimestamp(self._clock(), UTC)
        known = self._named(name)
        newest = max((entry.version for entry in known), key=_numbers, default=None)
        asked = Asked(
            name, who.subject.id, at.isoformat(), who.organisation.name, arrived.version, newest,
            arrived.run or {}, self._sources, self._others(name),
        )  # fmt: skip
        card, bias = WRITTEN if arrived.card else None, TESTED if arrived.bias else None
        examined = examine(self._sandbox, arrived.folder, UPLOAD, arrived.sent_as, card, asked, bias)
        entry = self._entry(who, examined, at, arrived)
        standing = next((one for one in known if one.version == entry.version), None)
        if standing is not None and not (standing.stage is Stage.DRAFT and who.subject.id in standing.authors):
            raise ConflictError(
                f"Phiên bản {entry.reference} đã tồn tại.", f"Version {entry.reference} exists.", code="version-exists"
            )
        kept = self._settle(entry, arrived, standing)
        authors = self._authorship.authors(who.tenant, who.subject.id, examined.card, arrived.makers)
        self._store.credit(name, entry.version, authors, who.subject.id)
        kept = self._store.entry(name, entry.version)
        self.attempts.move(
            arrived.id, "registered", version=entry.version, folder=entry.folder, facts=dict(examined.report)
        )
        return Registered(arrived.id, kept, examined.report)

    def _entry(self, who: Caller, examined: Examined, at: datetime, arrived: Arrived) -> Entry:
        artifact = examined.artifact
        folder = self._models / artifact.name / artifact.version / arrived.id
        return Entry(
            name=artifact.name, version=artifact.version, kind=artifact.kind, tasks=examined.tasks, tenant=who.tenant,
            public=False, tier=examined.tier, stage=Stage.DRAFT, digests=EMPTY, folder=str(folder), approval=None,
            reason=None, created_at=at,
        )  # fmt: skip

    def _settle(self, entry: Entry, arrived: Arrived, standing: Entry | None) -> Entry:
        """Put the examined files in their place and the entry into the registry."""
        folder = Path(entry.folder)
        folder.mkdir(parents=True)
        try:
            for name in (ARTIFACT, CARD, EVALUATION, *([BIAS] if arrived.bias else [])):
                os.rename(arrived.folder / name, folder / name)
            flush(folder)
            entry = replace(entry, digests=digests_of(read_evidence(folder), entry))
            if standing is None:
                kept = self._store.register(entry)
            else:
                kept = self._store.revise(replace(entry, created_at=standing.created_at), "platform")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(arrived.folder, ignore_errors=True)
        if standing is not None:
            shutil.rmtree(standing.folder, ignore_errors=True)
        return kept

    # --- refusals -------------------------------------------------------------------------------------------

    def _refused(self, who: Caller, name: str, arrived: Arrived, error: PlatformError) -> None:
        """Keep what was sent, and nothing that was made of it; note why."""
        for made in (ARTIFACT, CARD, EVALUATION, BIAS):
            path = arrived.folder / made
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        upload = arrived.folder / UPLOAD
        facts: dict[str, Any] = {"code": error.word}
        for kept in arrived.folder.iterdir():
            kept.chmod(0o400)
        if upload.is_file():
            facts |= {"sha256": _digest(upload), "bytes": upload.stat().st_size}
        self.attempts.move(arrived.id, "refused", reason=error.word, facts=facts)
        actor = {"type": who.subject.kind, "id": who.subject.id, "role": who.role}
        self._note({"event": "refuse.model", "actor": actor, "registration": arrived.id, "name": name, **facts})

    def _drop(self, arrived: Arrived) -> None:
        shutil.rmtree(arrived.folder, ignore_errors=True)
        self.attempts.move(arrived.id, "refused", reason="registrations-busy")

    def abandon(self, id_: str, folder: Path, reason: str) -> None:
        """Give up an attempt whose bytes did not arrive."""
        shutil.rmtree(folder, ignore_errors=True)
        self.attempts.move(id_, "refused", reason=reason)

    def _sweep(self) -> None:
        """Remove what has lain in quarantine longer than it should."""
        until = self._clock() - KEPT_SECONDS
        for folder in self._quarantine.glob("reg_*"):
            if folder.stat().st_mtime < until:
                shutil.rmtree(folder, ignore_errors=True)

    # --- what is known --------------------------------------------------------------------------------------

    def _named(self, name: str) -> list[Entry]:
        return [entry for entry in self._store.entries() if entry.name == name]

    def _others(self, name: str) -> list[Mapping[str, Any]]:
        """The cards of other models, against which shared text is found; unreadable ones are left out."""
        cards: list[Mapping[str, Any]] = []
        for entry in self._store.entries():
            if entry.name != name:
                try:
                    cards.append(read_document(Path(entry.folder) / CARD))
                except IntegrityError:
                    continue
        return cards


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def flush(folder: Path) -> None:
    """Make every file of a folder durable."""
    for path in [folder, *folder.rglob("*")]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


async def aside(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do a registrar's work in a thread, to its end."""
    return await asyncio.shield(asyncio.to_thread(work, *arguments))
