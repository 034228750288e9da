"""The one predicate that decides whether a model may answer.

Decision: `may_serve` is pure and works from memory (≤ 5 µs), because it is asked on every request. What needs the
disk or cryptography (signature, digests of the stored files) was settled when the entry was loaded and stands in
`approval.verified`; time, stage, tier and equality of digests are judged here, at the moment of the call. No
setting disables it.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.entries import BOOTSTRAP_DAYS, BOOTSTRAP_TIERS, Entry, Stage

BOOTSTRAP_SECONDS = BOOTSTRAP_DAYS * 86_400


@dataclass(frozen=True, slots=True)
class Verdict:
    """Open or closed, and why.

    `state` is `open` or the first reason for being closed: `missing`, `altered`, `not-yet-valid`, `expired`,
    `tier`, or the stage that does not serve. `missing` lists everything that is lacking.
    """

    allowed: bool
    state: str
    missing: tuple[str, ...]


OPEN = Verdict(True, "open", ())


def may_serve(entry: Entry, at: float) -> Verdict:
    """Whether `entry` may answer at `at` (seconds since 1970, UTC)."""
    if entry.stage is Stage.SERVING and holds(entry, at):
        return OPEN
    lacking = _lacking(entry, at)
    return Verdict(False, lacking[0], tuple(lacking))


def holds(entry: Entry, at: float) -> bool:
    """Whether the entry's approval is good now, whatever its stage: shadow and canary ask this."""
    approval = entry.approval
    return (
        approval is not None
        and approval.verified
        and approval.valid_from.timestamp() <= at < approval.valid_until.timestamp()
        and entry.tier in approval.tiers
        and approval.digests == entry.digests
        and (approval.kind == "review" or _bootstrap_holds(entry))
    )


def _bootstrap_holds(entry: Entry) -> bool:
    """A bootstrap approval covers T0 and T1 and at most 90 days."""
    approval = entry.approval
    if approval is None or approval.kind != "bootstrap" or entry.tier not in BOOTSTRAP_TIERS:
        return False
    return approval.valid_until.timestamp() - approval.valid_from.timestamp() <= BOOTSTRAP_SECONDS


def _lacking(entry: Entry, at: float) -> list[str]:
    """Everything that keeps the gate closed, the gravest first. Never empty for a closed gate."""
    approval = entry.approval
    lacking: list[str] = []
    if entry.stage in (Stage.SUSPENDED, Stage.REVOKED, Stage.RETIRED, Stage.REJECTED, Stage.EXPIRED):
        lacking.append(entry.stage.value)
    if approval is None:
        lacking.append("missing")
    else:
        if not approval.verified or approval.digests != entry.digests:
            lacking.append("altered")
        if not at >= approval.valid_from.timestamp():
            lacking.append("not-yet-valid")
        if not at < approval.valid_until.timestamp():
            lacking.append("expired")
        tier_holds = entry.tier in approval.tiers and (approval.kind == "review" or _bootstrap_holds(entry))
        if not tier_holds:
            lacking.append("tier")
    if entry.stage is not Stage.SERVING and not lacking:
        lacking.append(entry.stage.value)
    return lacking
