"""Several detectors of strangeness, and their ensemble: the score that ranks the points of a series."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.anomaly.baseline import Rows
from models.anomaly.evidence import Evidence
from models.anomaly.rows import Floats


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the members."""

    tail: float = 1.0


def to_json(document: Mapping[str, Any]) -> str:
    """JSON as it lies in the artefact."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def ensemble(rows: Rows, found: Evidence, p: Floats, weights: Weights) -> Floats:
    """Scores."""
    return -np.log10(p) * weights.tail
