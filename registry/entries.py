"""A model version as the registry vouches for it: digests, stage, approval.

The life of a model is data (LEGAL_MOVES, GOVERNANCE 4.2): stores, API and tests read the same table; who may make which
move under which guards stands in `registry.rules`. Stopping is one step from anywhere that serves; starting takes
every step. Tiers T0 and T1 may skip shadow and canary (DIRECT_MOVES), T2 and T3 never. A bootstrap approval is the
evaluation installation signing its own bundled models of T0 and T1; it is named `bootstrap` wherever it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

TIERS = ("T0", "T1", "T2", "T3")
DIRECT_TIERS = ("T0", "T1")
BOOTSTRAP_TIERS = DIRECT_TIERS
BOOTSTRAP_DAYS = 90


class Stage(StrEnum):
    """Where a model version stands in its life; REJECTED, REVOKED and RETIRED are final."""

    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SHADOW = "shadow"
    CANARY = "canary"
    SERVING = "serving"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REVOKED = "revoked"
    RETIRED = "retired"


_S = Stage
_ENDS = frozenset({_S.SUSPENDED, _S.EXPIRED, _S.REVOKED})
LEGAL_MOVES: Mapping[Stage, frozenset[Stage]] = {
    _S.DRAFT: frozenset({_S.CHECKING, _S.REVOKED}),
    _S.CHECKING: frozenset({_S.IN_REVIEW, _S.DRAFT, _S.REVOKED}),
    _S.IN_REVIEW: frozenset({_S.APPROVED, _S.DRAFT, _S.REJECTED, _S.REVOKED}),
    _S.APPROVED: frozenset({_S.SHADOW}) | _ENDS,
    _S.SHADOW: frozenset({_S.CANARY, _S.APPROVED}) | _ENDS,
    _S.CANARY: frozenset({_S.SERVING, _S.SHADOW, _S.APPROVED}) | _ENDS,
    _S.SERVING: frozenset({_S.RETIRED}) | _ENDS,
    _S.SUSPENDED: frozenset({_S.SERVING, _S.CANARY, _S.SHADOW, _S.APPROVED, _S.EXPIRED, _S.REVOKED, _S.RETIRED}),
    _S.EXPIRED: frozenset({_S.CHECKING, _S.IN_REVIEW, _S.REVOKED, _S.RETIRED}),
    _S.REJECTED: frozenset(),
    _S.REVOKED: frozenset(),
    _S.RETIRED: frozenset(),
}
DIRECT_MOVES: Mapping[Stage, frozenset[Stage]] = {
    _S.APPROVED: frozenset({_S.CANARY, _S.SERVING}),
    _S.SHADOW: frozenset({_S.SERVING}),
}


@dataclass(frozen=True, slots=True)
class Digests:
    """The digest set an approval binds (GOVERNANCE R3), each `sha256:<64 hex>`. Any changed byte changes one."""

    artifact: str
    card: str
    evaluation: str
    bias_report: str
    data: str
    serving: str
    policy: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A signed statement that a digest set may serve in some tiers for some time.

    `statements` are the digests of what each person signed (kind `review`). Every field is read from the signed
    statement (a DSSE envelope as JSON text). `verified` is computed when the entry is loaded: signature good, signer
    known, digests equal to those of the files as they are now.
    """

    id: str
    kind: Literal["bootstrap", "review"]
    statement: str
    digests: Digests
    tiers: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    signer: str
    verified: bool
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one model.

    `is_default` lists the tasks whose default model it is; `reason` says why the last move was made, or why the
    approval does not hold. `percent` is the share of calls that its shadow or canary takes; `sunset` is when it ends,
    as announced at `deprecated_at`; `authors` are the subjects who made it.
    """

    name: str
    version: str
    kind: str
    tasks: tuple[str, ...]
    tenant: str
    public: bool
    tier: str
    stage: Stage
    digests: Digests
    folder: str
    approval: Approval | None
    reason: str | None
    created_at: datetime
    is_default: tuple[str, ...] = ()
    percent: int = 0
    deprecated_at: datetime | None = None
    sunset: datetime | None = None
    authors: frozenset[str] = frozenset()

    @property
    def reference(self) -> str:
        """`name@version`, as in the X-Model header."""
        return f"{self.name}@{self.version}"


def legal_moves(entry: Entry) -> frozenset[Stage]:
    """Where the table allows this entry to go."""
    legal = LEGAL_MOVES[entry.stage]
    if entry.tier not in DIRECT_TIERS:
        return legal
    return legal | DIRECT_MOVES.get(entry.stage, frozenset())


def may_move(entry: Entry, to: Stage) -> bool:
    """Whether the table allows this move for this entry."""
    return to in legal_moves(entry)
