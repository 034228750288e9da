"""Where the caller knows some rows already: what those labels say about the others.

Method: logistic regression with a ridge on the detectors' votes and the rarity of each column's value, on labelled rows
of balanced weight. Decision: it is used from fifty labels with five of each kind; fewer are not enough to contradict
the detectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST, LEAST_EACH = 50, 5
RIDGE = 1.0
ROUNDS = 25
MOST_FEATURES = 200


@dataclass(frozen=True, slots=True)
class Learned:
    """A weight for each feature and the constant, on features divided by `scale` after `centre` is taken off."""

    centre: Floats
    scale: Floats
    weights: Floats

    def chance(self, features: Floats) -> Floats:
        """The probability that a row is strange (n,), as the labels have it."""
        logit = np.clip(_with_one((features - self.centre) / self.scale) @ self.weights, -30, 30)
        found: Floats = 1 / (1 + np.exp(-logit))
        return found


def enough(labels: npt.NDArray[np.int8] | None) -> bool:
    """Whether there are labels to learn from."""
    if labels is None:
        return False
    return int((labels >= 0).sum()) >= LEAST and min(int((labels == kind).sum()) for kind in (0, 1)) >= LEAST_EACH


def learn(features: Floats, labels: npt.NDArray[np.int8]) -> Learned:
    """Fit on the labelled rows, by Newton's method."""
    known = labels >= 0
    rows, truth = features[known], (labels[known] == 1).astype(np.float64)
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = _with_one((rows - centre) / scale)
    worth = np.where(truth == 1, 0.5 / truth.sum(), 0.5 / (len(truth) - truth.sum())) * len(truth)
    ridge = RIDGE * np.eye(design.shape[1])
    ridge[-1, -1] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (worth * (truth - chance)) - ridge @ weights
        curve = (design * (worth * chance * (1 - chance))[:, None]).T @ design + ridge
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return Learned(centre, scale, weights)


def _with_one(rows: Floats) -> Floats:
    return np.column_stack([rows, np.ones(len(rows))])
