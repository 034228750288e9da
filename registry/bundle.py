"""The bundled models: taken into the registry at every start, again and again without change.

    <BUNDLED_FOLDER>/<name>/<version>/artifact/, card.json, evaluation.json

Decisions
- Each folder is audited byte by byte and its card linted before it is registered. What is wrong with one model is a
  finding about that model; the platform starts without it and says so.
- An evaluation installation signs with its own bootstrap key (T0 and T1, 90 days, named `bootstrap`). It signs a
  version once: when those 90 days are over the gate closes and stays closed until somebody decides. A model
  that a person suspended, rejected or retired stays so.
- A production installation registers the bundle up to IN_REVIEW and approves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from models.artifact import Artifact
from models.errors import ConflictError, IntegrityError, InvalidInputError, PlatformError
from registry import approvals, cards
from registry.entries import Digests, Entry, Stage
from registry.evidence import Evidence, digests_of, read_evidence
from registry.signatures import Signer
from registry.store import Store

Profile = Literal["evaluation", "production"]
BUNDLED_FOLDER = Path(__file__).resolve().parent / "bundled"
ACTOR = "platform"
PLATFORM_TENANT = "platform"
KIND_TASKS: dict[str, tuple[str, ...]] = {
    "text.segment/1": ("segment",),
    "text.classify/1": ("topics", "classify"),
    "text.diacritics/1": ("diacritics",),
    "forecast.core/1": ("forecast",),
    "forecast.additive/1": ("forecast",),
    "anomaly.series/1": ("anomalies",),
    "tabular.anomaly/1": ("tabular-anomalies",),
}
DEFAULTS = {
    "segment": "vi-segment",
    "topics": "vi-topic",
    "classify": "vi-topic",
    "diacritics": "vi-diacritics",
    "forecast": "forecast-core",
    "anomalies": "anomaly-series",
    "tabular-anomalies": "anomaly-tabular",
}
BUNDLED = (*sorted(set(DEFAULTS.values())), "forecast-prophet")
_EMPTY = Digests("", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one bundled model."""

    model: str
    error: PlatformError


@dataclass(frozen=True, slots=True)
class Installed:
    """What the bundle holds now: entries as the store vouches for them, and the trouble found."""

    entries: tuple[Entry, ...]
    troubles: tuple[Trouble, ...]


def install(
    bundled: Path,
    store: Store,
    signer: Signer | None,
    *,
    clock: Callable[[], float] = time.time,
    profile: Profile = "evaluation",
    tenant: str = PLATFORM_TENANT,
) -> Installed:
    """Register every bundled model; idempotent. Never raises for a fault of one model.

    `signer` is the installation's bootstrap key, needed by the evaluation profile. Raises UnavailableError when the
    store cannot be written.
    """
    if profile == "evaluation" and signer is None:
        raise ValueError("the evaluation profile signs with the bootstrap key")
    known = {(entry.name, entry.version) for entry in store.entries()}
    folders = sorted(path.parent.parent for path in bundled.glob("*/*/artifact/manifest.json"))
    entries: list[Entry] = []
    troubles: list[Trouble] = []
    for folder in folders:
        try:
            entry = _take_in(folder, store, clock, tenant)
            entries.append(_approve(entry, store, signer, clock) if profile == "evaluation" and signer else entry)
        except (IntegrityError, ConflictError, InvalidInputError) as error:
            troubles.append(Trouble(f"{folder.parent.name}@{folder.name}", error))
    held = {entry.name for entry in entries} | {trouble.model.partition("@")[0] for trouble in troubles}
    troubles += [Trouble(name, _absent(name)) for name in BUNDLED if name not in held]
    _set_defaults(entries, known, store)
    return Installed(tuple(store.entry(entry.name, entry.version) for entry in entries), tuple(troubles))


def _take_in(folder: Path, store: Store, clock: Callable[[], float], tenant: str) -> Entry:
    """Audit, lint, register and bring to review. Raises IntegrityError, ConflictError, InvalidInputError."""
    evidence = read_evidence(folder)
    artifact = evidence.artifact
    if (artifact.name, artifact.version) != (folder.parent.name, folder.name):
        raise _finding(artifact, "tên thư mục khác tên mô hình", "the folder is named after another model")
    tier = cards.control_tier(evidence.card)
    findings = [f for f in cards.lint(evidence.card, tier, artifact_digest=artifact.digest) if f.blocking]
    if findings:
        words = ", ".join(f"{finding.field} ({finding.rule})" for finding in findings[:5])
        raise _finding(artifact, f"hồ sơ mô hình chưa đạt: {words}", f"the card does not pass: {words}")
    entry = store.register(_entry(evidence, folder, tier, tenant, clock))
    for stage, following in ((Stage.DRAFT, Stage.CHECKING), (Stage.CHECKING, Stage.IN_REVIEW)):
        if entry.stage is stage:
            entry = store.move(entry.name, entry.version, following, ACTOR)
    return entry


def _entry(evidence: Evidence, folder: Path, tier: str, tenant: str, clock: Callable[[], float]) -> Entry:
    artifact = evidence.artifact
    entry = Entry(
        name=artifact.name, version=artifact.version, kind=artifact.kind, tasks=tasks_of(artifact), tenant=tenant,
        public=True, tier=tier, stage=Stage.DRAFT, digests=_EMPTY, folder=str(folder.resolve()), approval=None,
        reason=None, created_at=datetime.fromtimestamp(clock(), UTC),
    )  # fmt: skip
    return replace(entry, digests=digests_of(evidence, entry))


def tasks_of(artifact: Artifact) -> tuple[str, ...]:
    """The tasks a model answers: its configuration's `tasks`, else its kind's. Raises IntegrityError for neither."""
    named = artifact.config.get("tasks")
    if isinstance(named, list) and named and all(isinstance(task, str) for task in named):
        return tuple(named)
    if artifact.kind not in KIND_TASKS:
        raise _finding(artifact, f"không biết loại {artifact.kind}", f"unknown kind {artifact.kind}")
    return KIND_TASKS[artifact.kind]


def _approve(entry: Entry, store: Store, signer: Signer, clock: Callable[[], float]) -> Entry:
    """Sign and release what nobody has decided about yet."""
    if entry.stage is Stage.IN_REVIEW:
        approval = approvals.bootstrap(entry, signer, clock())
        entry = store.approve(entry.name, entry.version, approval.statement, signer.name)
    if entry.stage is Stage.APPROVED and entry.approval is not None and entry.approval.kind == "bootstrap":
        entry = store.move(entry.name, entry.version, Stage.SERVING, ACTOR)
    return entry


def _set_defaults(entries: list[Entry], known: set[tuple[str, str]], store: Store) -> None:
    """A task without a default gets its bundled model; a newly arrived version follows an older one of its name.

    What a person chose (another model, or going back to an older version) stays.
    """
    chosen = {task: entry for entry in store.entries() for task in entry.is_default}
    for task, name in DEFAULTS.items():
        versions = [entry for entry in entries if entry.name == name and task in entry.tasks]
        if not versions:
            continue
        newest = max(versions, key=lambda entry: tuple(int(part) for part in entry.version.split(".")))
        current = chosen.get(task)
        arrived = (newest.name, newest.version) not in known
        if current is None or (current.name == name and current.version != newest.version and arrived):
            store.set_default(task, newest.name, newest.version, ACTOR)


def _finding(artifact: Artifact, vi: str, en: str) -> IntegrityError:
    return IntegrityError(f"Mô hình {artifact.name}: {vi}.", f"Model {artifact.name}: {en}.", code="bundle-refused")


def _absent(name: str) -> IntegrityError:
    return IntegrityError(
        f"Thiếu mô hình đi kèm {name}; nền tảng chạy mà không có mô hình này.",
        f"The bundled model {name} is missing; the platform runs without it.",
        code="bundle-missing",
    )
