"""Dynamic optimised Theta (Fiorucci, Pellegrini, Louzada, Petropoulos & Koehler 2016), on seasonally adjusted series.

Forecast of step t: l[t-1] + (1 - 1/theta) ((1-a)^(t-1) A[t-1] + (1 - (1-a)^t)/a B[t-1]), where A and B are the line
fitted to the first t-1 values. For a given smoothing parameter a the weight of the line and the first level enter
linearly: both are solved by least squares, theta held to [1, inf), and only a is searched.
"""

from __future__ import annotations

import numpy as np

from models.forecast.innovations import TINY, Block, Ints
from models.values import Floats

MAX_WEIGHT = 0.98
"""1 - 1/theta; theta up to 50."""

DYNAMIC_STEPS = 120
"""Steps in which forecasts feed the line; by then it is straight and is carried on."""


def _line(sum_y: Floats, sum_ty: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Intercept and slope of the least-squares line through t points at 1…t, from their sums."""
    slope = np.where(t > 1, (12 * sum_ty - 6 * (t + 1) * sum_y) / np.maximum(t * (t * t - 1), 1), 0)
    return np.asarray(sum_y / t - slope * (t + 1) / 2), np.asarray(slope)


def _pull(alpha: Floats, t: Floats, intercept: Floats, slope: Floats) -> Floats:
    """What the line adds to the forecast of step t + 1 when t values are known, before its weight."""
    decay = (1 - alpha) ** t
    return np.asarray(decay * intercept + (1 - decay * (1 - alpha)) / alpha * slope)


class Theta:
    """The model fitted to a block: alpha, weight of the line and levels of every series."""

    def __init__(self, block: Block) -> None:
        self.block = block
        t = np.arange(1.0, len(block.values) + 1)[:, None]
        self.sum_y, self.sum_ty = block.values.cumsum(0), (block.values * t).cumsum(0)
        self.intercept, self.slope = _line(self.sum_y, self.sum_ty, t)
        count = len(block.lengths)
        grid = np.broadcast_to(np.linspace(0.04, 0.98, 20)[:, None], (20, count))
        alpha = self._best(grid)
        near = np.clip(alpha + np.linspace(-0.04, 0.04, 9)[:, None], 0.02, 0.99)
        self.alpha = self._best(near)
        loss, levels, weight, first = self._solve(self.alpha[None, :])
        t_all = np.arange(1.0, len(block.values) + 1)[:, None]
        self.weight, self.sse = weight[0], loss[0]
        self.levels = levels[:, 0] + (1 - self.alpha) ** t_all * first[0]

    def _best(self, alphas: Floats) -> Floats:
        """Per series the alpha (candidate, series) of the least squared error, in chunks of bounded memory."""
        part = max(1, 2_000_000 // max(1, self.block.values.size))
        losses = np.concatenate([self._solve(alphas[i : i + part])[0] for i in range(0, len(alphas), part)])
        return np.asarray(np.take_along_axis(alphas, losses.argmin(0)[None, :], 0)[0])

    def _solve(self, alpha: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Squared error, levels from zero (time, candidate, series), line weight and first level of candidates."""
        y = self.block.values
        levels = np.empty((len(y), *alpha.shape))
        level, scratch = np.zeros(alpha.shape), np.empty(alpha.shape)
        for t in range(len(y)):
            np.subtract(y[t], level, out=scratch)
            scratch *= alpha
            level += scratch
            levels[t] = level
        known = np.arange(1.0, len(y))[:, None, None]
        mask = self.block.mask[1:, None, :].copy()
        mask[:1] *= (self.block.lengths < 5)[None, None, :]
        errors = (y[1:, None, :] - levels[:-1]) * mask
        start = (1 - alpha) ** known * mask
        line = _pull(alpha, known, self.intercept[:-1, None, :], self.slope[:-1, None, :]) * mask
        weight = self._weight(errors, start, line)
        errors -= weight * line
        first = (errors * start).sum(0) / ((start * start).sum(0) + TINY)
        errors -= first * start
        return np.einsum("tkn,tkn->kn", errors, errors), levels, weight, first

    @staticmethod
    def _weight(errors: Floats, start: Floats, line: Floats) -> Floats:
        """Weight of the line when the first level is free too, held to [0, MAX_WEIGHT]."""
        ss, sl, ll = (start * start).sum(0), (start * line).sum(0), (line * line).sum(0)
        es, el = (errors * start).sum(0), (errors * line).sum(0)
        det = np.maximum(ss * ll - sl * sl, TINY * ss * ll + 1e-300)
        return np.asarray(np.clip((ss * el - sl * es) / det, 0, MAX_WEIGHT))

    def project(self, origins: Ints, horizon: int) -> Floats:
        """Forecasts (horizon, origin, series); each forecast is taken as the next value, as the method asks."""
        lanes = np.arange(origins.shape[1])
        level, t = self.levels[origins, lanes], (origins + 1).astype(np.float64)
        sum_y, sum_ty = self.sum_y[origins, lanes], self.sum_ty[origins, lanes]
        ahead = np.empty((horizon, *origins.shape))
        for h in range(min(horizon, DYNAMIC_STEPS)):
            mean = level + self.weight * _pull(self.alpha, t, *_line(sum_y, sum_ty, t))
            ahead[h] = mean
            level = level + self.alpha * (mean - level)
            t = t + 1
            sum_y, sum_ty = sum_y + mean, sum_ty + t * mean
        if horizon > DYNAMIC_STEPS:
            last, before = ahead[DYNAMIC_STEPS - 1], ahead[DYNAMIC_STEPS - 2]
            ahead[DYNAMIC_STEPS:] = last + np.arange(1, horizon - DYNAMIC_STEPS + 1)[:, None, None] * (last - before)
        return ahead
