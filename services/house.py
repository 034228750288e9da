"""The composition root: the one place where the parts are put together.

Decision: parts are arguments. Nothing below this file builds its own database, clock or ledger, reads the environment
or keeps a global; a test builds the same house from other parts. `prepare` is the owner's work (create, migrate, take
the bundled models in, checkpoints) and is done once by the starting process; `build_house` attaches a replica.
"""

from __future__ import annotations

import hmac
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from models.errors import IntegrityError, Note
from models.tensors import Tensors
from models.values import Document, Series, Table
from registry import bundle
from registry.approvals import Trust
from registry.chain import new_chain_uid
from registry.checkpoints import Checkpointer
from registry.database import Database
from registry.evidence import Evidences
from registry.founding import found
from registry.ledger import Ledger
from registry.lockbox import Lockbox
from registry.objects import Objects
from registry.persons import Persons
from registry.releases import Releases
from registry.reviews import Reviews
from registry.signatures import PublicKey, Signer
from registry.sql_store import SqlStore
from registry.storage import owned
from registry.store import Store
from registry.tables import facts
from services.chores import Chores
from services.evaluation import found_evaluation
from services.handles import Handles
from services.idempotency import Idempotency
from services.identity import Identity
from services.inference import Inference
from services.keys import open_pepper
from services.lapses import Lapses
from services.metrics import clear
from services.quota import Quota
from services.records import Recorder
from services.series import weigh as weigh_series
from services.settings import Settings
from services.shadows import Shadows
from services.telemetry import Telemetry
from services.tenants import PLATFORM, load_tenants
from services.tracking import Tracking
from services.webhooks import lockbox

FAMILY_TASKS: Final = {
    "nlp": frozenset({"segment", "topics", "classify", "diacritics"}),
    "timeseries": frozenset({"forecast", "anomalies"}),
    "platform": frozenset({"tabular-anomalies"}),
    "all": None,
}
"""The tasks whose models a family's process opens at start; None means all."""

BOOTSTRAP: Final = "bootstrap"
CHECKPOINT: Final = "checkpoint"
PEPPER: Final = "pepper"
REVIEW_KEY: Final = "review/platform.key"


@dataclass(frozen=True, slots=True)
class House:
    """The parts of one serving process."""

    settings: Settings
    clock: Callable[[], float]
    database: Database
    identity: Identity
    quota: Quota
    idempotency: Idempotency
    store: Store
    handles: Handles
    ledger: Ledger
    recorder: Recorder
    inference: Inference
    telemetry: Telemetry
    reviews: Reviews
    releases: Releases
    persons: Persons
    tracking: Tracking | None
    lockbox: Lockbox
    chores: Chores | None = None
    lapses: Lapses | None = None

    def start(self) -> None:
        """Start the threads of every part; the ledger first, because the others may have something to record."""
        self.ledger.start()
        self.telemetry.start()
        self.identity.start()
        self.quota.start()
        self.handles.start()
        if self.chores is not None:
            self.chores.start()
        if self.lapses is not None:
            self.lapses.start()

    def close(self) -> None:
        """Stop in the opposite order; the ledger last, so that everything is recorded."""
        if self.lapses is not None:
            self.lapses.close()
        if self.chores is not None:
            self.chores.close()
        self.inference.close()
        self.handles.close()
        self.quota.close()
        self.identity.close()
        self.telemetry.close()
        self.ledger.close()
        self.database.close()


def weigh(item: Any) -> int:
    """The size of one item in the units of computing time: characters, cells of a table, elements of arrays."""
    if isinstance(item, Document):
        return len(item.text)
    if isinstance(item, Table):
        return item.count * len(item.columns)
    if isinstance(item, Tensors):
        return item.size
    return weigh_series(item) if isinstance(item, Series) else 1


def build_house(settings: Settings, family: str, clock: Callable[[], float] = time.time) -> House:
    """Attach a serving process to the prepared installation; nothing runs before `start`.

    Raises IntegrityError, UnavailableError from the database, keys and registry.
    """
    database = Database.open(settings.database)
    pepper = open_pepper(keys_folder(settings) / "pepper", create=False)
    ledger = Ledger(database, new_chain_uid(family, clock), clock=clock, linger_seconds=settings.ledger_commit_seconds)
    evidences = Evidences()
    store = SqlStore(database, trust(settings), read=evidences.read, note=ledger.note, clock=clock)
    persons = Persons(database, keys_folder(settings) / "persons", clock)
    signer = Signer.load(keys_folder(settings) / REVIEW_KEY, PLATFORM)
    reviews = Reviews(database, store, persons, signer, note=ledger.note, read=evidences.read, clock=clock)
    releases = Releases(database, store, note=ledger.note, clock=clock)
    telemetry = Telemetry(
        settings.home, family, log_bytes=settings.log_bytes, log_files=settings.log_files,
        flush_seconds=settings.metrics_flush_seconds, clock=clock,
    )  # fmt: skip
    handles = Handles(
        store, weigh, clock=clock, capacity=settings.memory_models, memory_bytes=settings.memory_bytes,
        idle_seconds=settings.memory_idle_seconds, poll_seconds=settings.poll_seconds, tasks=FAMILY_TASKS[family],
    )  # fmt: skip
    quota = Quota(database, clock=clock)
    recorder = Recorder(ledger)
    inference = Inference(
        handles, quota, recorder, telemetry, threads=settings.inference_threads, queue=settings.inference_queue,
        deadline_seconds=settings.deadline_seconds, shadows=Shadows(handles, database, clock),
    )  # fmt: skip
    governs = family in ("platform", "all")
    return House(
        settings=settings, clock=clock, database=database,
        identity=Identity(database, pepper, clock, settings.poll_seconds), quota=quota,
        idempotency=Idempotency(database, pepper, clock), store=store, handles=handles, ledger=ledger,
        recorder=recorder, inference=inference, telemetry=telemetry,
        reviews=reviews, releases=releases, persons=persons,
        tracking=Tracking(settings.home, settings.tracking_idle_seconds) if governs else None,
        lockbox=(box := lockbox(pepper)),
        chores=Chores(settings, database, ledger, telemetry, box, clock) if governs else None,
        lapses=Lapses(releases, reviews) if governs else None,
    )  # fmt: skip


def keys_folder(settings: Settings) -> Path:
    """Where the installation's own keys lie (mode 0700)."""
    return settings.home / "keys"


def trust(settings: Settings) -> Trust:
    """The public keys this installation trusts: its bootstrap key, and those reviewers' keys the operator laid down."""
    folder = keys_folder(settings)
    own = folder / f"{BOOTSTRAP}.key.pub"
    bootstrap = (PublicKey.load(own),) if own.exists() else ()
    review = tuple(PublicKey.load(path) for path in sorted((folder / "review").glob("*.pub")))
    return Trust(bootstrap, review)


class Keeper:
    """What the starting process keeps for the whole installation: the signed checkpoints."""

    def __init__(self, database: Database, checkpoints: Checkpointer) -> None:
        """Made by `prepare`."""
        self.database = database
        self._checkpoints = checkpoints

    def start(self) -> None:
        """Write a checkpoint every interval."""
        self._checkpoints.start()

    def close(self) -> None:
        """Write the last checkpoint and let go of the database."""
        self._checkpoints.close()
        self.database.close()


def prepare(settings: Settings, clock: Callable[[], float] = time.time) -> Keeper:
    """Bring the installation up to date before anything serves; idempotent.

    Creates the home, database and keys at the first start, migrates an older one after a backup, founds the evaluation
    installation, takes the bundled models in. What the operator should know goes to the standard error.
    Raises IntegrityError for a damaged home, UnavailableError for a locked or full one.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    keys_folder(settings).mkdir(mode=0o700, exist_ok=True)
    clear(settings.home / "metrics")
    database = found(settings.database, marker=settings.home / "database.marker", clock=clock)
    try:
        findings = _furnish(settings, database, clock)
        Objects(settings.objects).sweep(*owned(database))
        signer = Signer.load_or_create(keys_folder(settings) / f"{CHECKPOINT}.key", CHECKPOINT)
        checkpoints = Checkpointer(
            database, settings.home / "checkpoints", signer, clock=clock, interval_seconds=settings.checkpoint_seconds
        )
    except BaseException:
        database.close()
        raise
    for finding in findings:
        print(f"AI Chung: {finding.vi}\n          {finding.en}", file=sys.stderr)  # noqa: T201
    return Keeper(database, checkpoints)


def _furnish(settings: Settings, database: Database, clock: Callable[[], float]) -> list[Note]:
    """Tenants, keys, models; returns what the operator should know."""
    pepper = _pepper(settings, database)
    findings = Identity(database, pepper, clock).clock_findings()
    signer = None
    if settings.profile == "evaluation":
        at = datetime.fromtimestamp(clock(), UTC)
        findings += found_evaluation(database, pepper, settings.home, at)
        signer = Signer.load_or_create(keys_folder(settings) / f"{BOOTSTRAP}.key", BOOTSTRAP)
    Signer.load_or_create(keys_folder(settings) / REVIEW_KEY, PLATFORM)
    ledger = Ledger(database, new_chain_uid("start", clock), clock=clock)
    ledger.start()
    try:
        store = SqlStore(database, trust(settings), note=ledger.note, clock=clock)
        owner = _platform_tenant(database)
        installed = bundle.install(
            bundle.BUNDLED_FOLDER, store, signer, clock=clock, profile=settings.profile, tenant=owner
        )
    finally:
        ledger.close()
    return findings + [trouble.error.note for trouble in installed.troubles]


def _pepper(settings: Settings, database: Database) -> bytes:
    """The pepper, made on the first start only and held against the database ever after.

    Raises IntegrityError when it is gone or another one: no key could be checked, and a new one would void them all.
    """
    known = database.fact(PEPPER)
    pepper = open_pepper(keys_folder(settings) / "pepper", create=known is None)
    mark = hmac.digest(pepper, PEPPER.encode(), "sha256").hex()
    if known is None:
        with database.write() as connection:
            connection.execute(insert(facts).values(name=PEPPER, value=mark))
    elif not hmac.compare_digest(known, mark):
        raise IntegrityError(
            "Tệp pepper không thuộc cơ sở dữ liệu này. Hãy khôi phục cả hai từ cùng một bản sao lưu.",
            "The pepper file does not belong to this database. Restore both from the same backup.",
            code="pepper-foreign",
        )
    return pepper


def _platform_tenant(database: Database) -> str:
    """The platform's own organisation, which vouches for the bundled models; a plain word before there is one."""
    with database.read() as connection:
        own = [tenant.id for tenant in load_tenants(connection) if tenant.kind == PLATFORM]
    return own[0] if own else bundle.PLATFORM_TENANT
