"""Approvals: the statement that binds a digest set, and reading it back.

Decision: every fact of an approval stands inside the signed statement, and `read` takes it from there alone, so that a
changed database row cannot lengthen, widen or move an approval. The subjects of the statement are the seven digests
(GOVERNANCE R3); the predicate says who decided what, as whom, for which model, tiers and time, under which policy.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from models.errors import ConflictError, IntegrityError
from registry.entries import BOOTSTRAP_DAYS, BOOTSTRAP_TIERS, Approval, Digests, Entry
from registry.policy import POLICY_VERSION
from registry.signatures import PublicKey, Signer, Statement, verify

Kind = Literal["bootstrap", "review"]

APPROVAL_TYPE = "https://aichung.vn/approval/v1"
DIGEST_NAMES = tuple(field.name for field in fields(Digests))


@dataclass(frozen=True, slots=True)
class Trust:
    """The public keys this installation trusts, by what they may sign: a bootstrap key never signs a review."""

    bootstrap: tuple[PublicKey, ...] = ()
    review: tuple[PublicKey, ...] = ()

    def keys(self) -> dict[str, PublicKey]:
        """All keys by id."""
        return {key.key_id: key for key in (*self.bootstrap, *self.review)}

    def may_sign(self, key_id: str, kind: Kind) -> bool:
        """Whether that key is trusted for approvals of that kind."""
        return any(key.key_id == key_id for key in (self.bootstrap if kind == "bootstrap" else self.review))


def bootstrap(entry: Entry, signer: Signer, now: float) -> Approval:
    """The installation's own approval of a bundled model: tiers T0 and T1 only, 90 days, named as what it is.

    Raises ConflictError for an entry of a higher tier.
    """
    if entry.tier not in BOOTSTRAP_TIERS:
        raise ConflictError(
            f"Mô hình mức {entry.tier} phải qua rà soát, không tự phê duyệt được.",
            f"A model of tier {entry.tier} needs a review; it cannot approve itself.",
        )
    return sign(
        entry, signer, kind="bootstrap", role="installation", person="bootstrap", tiers=BOOTSTRAP_TIERS,
        valid_from=now, days=BOOTSTRAP_DAYS,
    )  # fmt: skip


def sign(
    entry: Entry,
    signer: Signer,
    *,
    kind: Kind,
    role: str,
    person: str,
    tiers: tuple[str, ...],
    valid_from: float,
    days: int,
    until: float | None = None,
    statements: Sequence[Mapping[str, str]] = (),
) -> Approval:
    """Sign that `entry`'s digest set may serve in `tiers` for `days` from `valid_from` (seconds since 1970).

    `until` ends it earlier (a waiver that it stands on); `statements` names what each person signed: its `sha256`,
    `role`, `person` and `key_id`.
    """
    start = datetime.fromtimestamp(valid_from, UTC).replace(microsecond=0)
    end = int((start + timedelta(days=days)).timestamp())
    predicate: dict[str, Any] = {
        "id": f"apr_{secrets.token_hex(12)}", "decision": "approve", "kind": kind, "role": role, "person": person,
        "model": {"name": entry.name, "version": entry.version}, "tiers": list(tiers),
        "valid_from": int(start.timestamp()), "valid_until": end if until is None else min(end, int(until)),
        "policy_version": POLICY_VERSION,
    }  # fmt: skip
    if statements:
        predicate["statements"] = [dict(statement) for statement in statements]
    text = signer.sign(asdict(entry.digests), APPROVAL_TYPE, predicate)
    return read(text, Trust((signer.public,), (signer.public,)), entry)


def read(text: str, trust: Trust, entry: Entry) -> Approval:
    """The approval that a signed statement holds for `entry`; `verified` is true.

    Raises IntegrityError when the signature fails (codes of `signatures.verify`), the key may not sign this kind
    (`signature-unknown-key`), or the statement is about something else (`approval-foreign`).
    Time is not judged here: the gate does that at every call.
    """
    statement = verify(text, trust.keys())
    try:
        approval = _parse(text, statement)
        model = statement.predicate["model"]
        foreign = (model["name"], model["version"]) != (entry.name, entry.version)
        if foreign or statement.predicate_type != APPROVAL_TYPE or statement.predicate["decision"] != "approve":
            raise ValueError("about something else")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise IntegrityError(
            f"Phê duyệt không phải của mô hình {entry.reference}.",
            f"The approval is not about {entry.reference}.",
            code="approval-foreign",
        ) from error
    if not trust.may_sign(statement.key_id, approval.kind):
        raise IntegrityError(
            "Khóa này không được ký loại phê duyệt đó.",
            "This key may not sign that kind of approval.",
            code="signature-unknown-key",
        )
    return approval


def _parse(text: str, statement: Statement) -> Approval:
    predicate = statement.predicate
    if set(statement.subjects) != set(DIGEST_NAMES) or predicate["kind"] not in ("bootstrap", "review"):
        raise ValueError("not an approval")
    return Approval(
        id=str(predicate["id"]),
        kind=predicate["kind"],
        statement=text,
        digests=Digests(**statement.subjects),
        tiers=tuple(str(tier) for tier in predicate["tiers"]),
        valid_from=datetime.fromtimestamp(predicate["valid_from"], UTC),
        valid_until=datetime.fromtimestamp(predicate["valid_until"], UTC),
        signer=str(predicate["person"]),
        verified=True,
        statements=tuple(str(statement["sha256"]) for statement in predicate.get("statements", ())),
    )
