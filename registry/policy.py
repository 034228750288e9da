"""The policy in force, as one document with a version and a digest; approvals bind it.

Not law: the platform's own published rules (GOVERNANCE tags them as proposals). A change of anything in it changes the
digest, and every approval given under the old policy stops matching: whoever changes the policy approves anew.
"""

from __future__ import annotations

from typing import Any, Final

from registry.canonical import digest
from registry.card_fields import FIELDS
from registry.entries import BOOTSTRAP_DAYS, BOOTSTRAP_TIERS, DIRECT_MOVES, DIRECT_TIERS, LEGAL_MOVES, TIERS
from registry.rules import rules_document

POLICY_VERSION: Final = "policy/2"
POLICY: Final[dict[str, Any]] = {
    "version": POLICY_VERSION,
    "tiers": list(TIERS),
    "required": {tier: sorted(field.path for field in FIELDS if field.required(tier)) for tier in TIERS},
    "bootstrap": {"tiers": list(BOOTSTRAP_TIERS), "days": BOOTSTRAP_DAYS},
    "moves": {stage.value: sorted(to.value for to in moves) for stage, moves in LEGAL_MOVES.items()},
    "direct": {
        "tiers": list(DIRECT_TIERS),
        "moves": {stage.value: sorted(to.value for to in moves) for stage, moves in DIRECT_MOVES.items()},
    },
    "rules": rules_document(),
}
POLICY_DIGEST: Final = digest(POLICY)
