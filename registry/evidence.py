"""The digest set of a model version, computed from the files as they lie on disk.

    <folder>/artifact/        manifest.json and the weights        → artifact (every byte held against the manifest)
    <folder>/card.json        the dossier                          → card
    <folder>/evaluation.json  the evaluation record                → evaluation
    <folder>/bias.json         the bias report; without the file: what the card says of it   → bias_report
    the card's datasets with their digests                         → data
    what is served: name, version, kind, tasks, tenant, tier …     → serving (from the entry, so a changed row shows)
    registry.policy                                                → policy

Decision: digests are recomputed at every load of an entry. Hashing large weights again at every change of the registry
would stop the platform for seconds, so within one process a file whose identity on disk (inode, size, both times in
nanoseconds) is unchanged keeps its digest for at most an hour (R4: every start, and hourly).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artifact import Artifact, open_artifact
from models.errors import IntegrityError
from registry.canonical import digest, read_document
from registry.card_values import field_of, value_of
from registry.entries import Digests, Entry
from registry.policy import POLICY_DIGEST

ARTIFACT, CARD, EVALUATION, BIAS = "artifact", "card.json", "evaluation.json", "bias.json"
TRUST_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What lies in a model version's folder, verified against itself."""

    artifact: Artifact
    card: dict[str, Any]
    evaluation: dict[str, Any]
    bias: dict[str, Any] | None = None


def read_evidence(folder: Path) -> Evidence:
    """Open a folder: artefact audited byte by byte, card and evaluation parsed and about the same artefact.

    Raises IntegrityError naming what is missing or altered.
    """
    try:
        artifact = open_artifact(folder / ARTIFACT)
    except OSError as error:
        raise _unreadable(folder) from error
    card, evaluation = read_document(folder / CARD), read_document(folder / EVALUATION)
    bias = read_document(folder / BIAS) if (folder / BIAS).exists() else None
    same = (artifact.name, artifact.version) == (card.get("name"), card.get("version"))
    about = evaluation.get("model")
    measured = about.get("artifact_digest") if isinstance(about, dict) else None
    if not same or not value_of(card, "identity.artifact_digest") == measured == artifact.digest:
        raise IntegrityError(
            f"Thẻ hoặc hồ sơ đánh giá của {artifact.name} không thuộc về mô hình đang lưu.",
            f"The card or the evaluation of {artifact.name} is not about the stored artefact.",
            code="evidence-mismatch",
        )
    return Evidence(artifact, card, evaluation, bias)


def digests_of(evidence: Evidence, entry: Entry) -> Digests:
    """The digest set of `entry` with this evidence."""
    serving = {
        "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": list(entry.tasks),
        "tenant": entry.tenant, "public": entry.public, "tier": entry.tier,
    }  # fmt: skip
    return Digests(
        artifact=evidence.artifact.digest,
        card=digest(evidence.card),
        evaluation=digest(evidence.evaluation),
        bias_report=digest(evidence.bias or field_of(evidence.card, "fairness.bias_report")),
        data=digest(field_of(evidence.card, "data.datasets")),
        serving=digest(serving),
        policy=POLICY_DIGEST,
    )


Mark = tuple[tuple[str, int, int, int, int], ...]


class Evidences:
    """Evidence by folder, kept while the files are untouched and for at most `trust_seconds`. Safe for threads."""

    def __init__(self, trust_seconds: float = TRUST_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing known."""
        self._trust_seconds = trust_seconds
        self._clock = clock
        self._known: dict[Path, tuple[float, Mark, Evidence]] = {}

    def read(self, folder: Path) -> Evidence:
        """As `read_evidence`. Raises IntegrityError."""
        try:
            mark, now = _mark(folder), self._clock()
        except OSError as error:
            raise _unreadable(folder) from error
        known = self._known.get(folder)
        if known is not None and known[1] == mark and now - known[0] < self._trust_seconds:
            return known[2]
        evidence = read_evidence(folder)
        self._known[folder] = (now, mark, evidence)
        return evidence


def _mark(folder: Path) -> Mark:
    """Identity on disk of every file of a folder."""
    marks = []
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        marks.append((str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return tuple(marks)


def _unreadable(folder: Path) -> IntegrityError:
    """A model whose files cannot be read is that model's fault, not the registry's: the others go on."""
    name = f"{folder.parent.name}@{folder.name}"
    return IntegrityError(
        f"Không đọc được tệp của mô hình {name}.", f"The files of model {name} cannot be read.",
        code="evidence-unreadable",
    )  # fmt: skip
