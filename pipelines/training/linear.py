"""Linear one-against-the-rest training on sparse rows, and calibration of its scores.

Squared hinge with L2 penalty (the L2-loss support vector machine of Fan et al. 2008) minimised by L-BFGS: a few dozen
passes of two sparse products each, deterministic, no step size to choose.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]

_BIAS_PENALTY = 0.01


def fit(matrix: csr_matrix, classes: Classes, count: int, cost: float, importance: Singles, rounds: int) -> Singles:
    """Weights of shape (features + 1, count), the last row the bias.

    `importance` weighs rows; `cost` is the usual C.
    """
    features = matrix.shape[1]
    turned = matrix.T.tocsr()
    sign = np.where(np.eye(count, dtype=np.bool_)[classes], np.float32(1), np.float32(-1))
    share = (cost * importance)[:, None].astype(np.float32)

    def loss(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(features + 1, count)
        single = table.astype(np.float32)
        short = np.maximum(0, 1 - sign * (matrix @ single[:-1] + single[-1]))
        pull = -2 * share * sign * short
        slope = np.empty_like(table)
        slope[:-1] = turned @ pull + single[:-1]
        slope[-1] = pull.sum(axis=0) + _BIAS_PENALTY * table[-1]
        penalty = 0.5 * (np.vdot(table[:-1], table[:-1]) + _BIAS_PENALTY * np.vdot(table[-1], table[-1]))
        return float((share * short * short).sum(dtype=np.float64) + penalty), slope.ravel()

    start = np.zeros((features + 1) * count)
    options = {"maxiter": rounds, "maxcor": 6, "ftol": 1e-5}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return cast(Singles, found.x.reshape(features + 1, count).astype(np.float32))


def calibrate(scores: Floats, classes: Classes) -> tuple[Singles, Singles]:
    """Scale and shift of each class's score that maximise the likelihood of the classes (vector scaling).

    A light pull towards one common scale keeps rare classes steady.
    """
    count = scores.shape[1]
    right = np.arange(len(classes)), classes

    def loss(flat: Floats) -> tuple[float, Floats]:
        scale, shift = flat[:count], flat[count:]
        logits = scores * scale + shift
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(axis=1, keepdims=True)
        error = odds / total
        error[right] -= 1
        spread = scale - scale.mean()
        value = (np.log(total).sum() - logits[right].sum()) / len(classes) + 0.01 * (spread @ spread)
        slope = np.concatenate([(error * scores).mean(axis=0) + 0.02 * spread, error.mean(axis=0)])
        return float(value), slope

    found = minimize(loss, np.concatenate([np.full(count, 3.0), np.zeros(count)]), jac=True, method="L-BFGS-B")
    return found.x[:count].astype(np.float32), found.x[count:].astype(np.float32)


def softmax(logits: Floats) -> Floats:
    """Probabilities by row."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return cast(Floats, odds / odds.sum(axis=1, keepdims=True))


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| over equal bins of confidence (Naeini et al. 2015)."""
    where = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(where, confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))
