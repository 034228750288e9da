"""What is tolerated: margins δ by control tier (GOVERNANCE 3.3), as versioned policy.

Decision: an agency may tighten a margin for itself; loosening one takes a waiver with its approver and its end. The
margins stand in the report beside each figure, so that a reader need not know this file.

Decision: two figures that the policy does not name borrow a margin, and the report says which: forecasts that break
through their upper bound count like missed cases (recall), words and names that come back wrong like wrong answers.
"""

from __future__ import annotations

import math
from typing import Final

from models.errors import InvalidInputError
from models.scores.groups import JUDGED, Rule

VERSION: Final = "bias-margins/1"
TIERS: Final = ("T0", "T1", "T2", "T3")
STRICTEST_LEAST: Final = 500
"""At T3 a group needs this many cases to pass."""
MARGINS: Final[dict[str, tuple[float, float, float]]] = {
    "accuracy": (0.10, 0.08, 0.05),
    "false_alarms": (0.05, 0.03, 0.02),
    "flips": (0.05, 0.02, 0.01),
    "shift": (0.08, 0.05, 0.03),
    "auc": (0.08, 0.05, 0.03),
    "coverage": (0.08, 0.05, 0.04),
    "size_peers": (math.log(2.0), math.log(1.5), math.log(1.3)),
    "flag_ratio": (math.log(2.0), math.log(1.5), math.log(1.33)),
    "skill": (0.0, 0.0, 0.0),
}
"""Quantity → margin at T1, T2, T3; T0 is held to T1. Those of ratios are logarithms."""


def rule_for(quantity: str, tier: str) -> Rule:
    """The rule of a quantity at a tier. Raises InvalidInputError for a tier that does not exist."""
    if tier not in TIERS:
        raise InvalidInputError(f"Mức kiểm soát: {', '.join(TIERS)}.", f"Control tiers: {', '.join(TIERS)}.")
    at = max(TIERS.index(tier), 1) - 1
    return Rule(MARGINS[quantity][at], least=STRICTEST_LEAST if tier == "T3" else JUDGED)
