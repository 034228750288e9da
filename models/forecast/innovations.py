"""Linear exponential smoothing with two states, many series and many parameter candidates at once.

Every such model (damped trend, simple and complex smoothing) is y[t] = w'x[t-1] + e[t], x[t] = F x[t-1] + g e[t].
Decisions:
- The recursion runs on the errors alone. With D = F - g w', Cayley-Hamilton turns the model into
  e[t] - tr(D) e[t-1] + det(D) e[t-2] = y[t] - tr(F) y[t-1] + det(F) y[t-2], four array operations a step in place of
  fourteen, and forecasts from every origin follow from the same two coefficients.
- The start x[0] enters linearly (its response is w'D^t), so it is solved by least squares, never searched.
- Arrays are (time, candidate, series). Sums run over time one step after another, so a series' answer does not depend
  on its neighbours, and padding after a series' end adds zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.values import Floats

Ints = npt.NDArray[np.int64]
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Form:
    """Coefficients of candidates; every array broadcasts to (candidate, series).

    `starts` holds w and w D, each with two columns: the first two responses to the start.
    """

    trace_f: Floats
    det_f: Floats
    trace_d: Floats
    det_d: Floats
    starts: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]


Forms = Callable[[Floats], Form]
"""Parameters (parameter, candidate, series) to coefficients."""


@dataclass(frozen=True, slots=True)
class Block:
    """Series side by side: `values` (time, series), zeros after each end; `lengths` (series,)."""

    values: Floats
    lengths: Ints

    @property
    def mask(self) -> Floats:
        """1 where a series has a value, 0 after its end."""
        inside: Floats = (np.arange(len(self.values))[:, None] < self.lengths).astype(np.float64)
        return inside


@dataclass(frozen=True, slots=True)
class Fit:
    """One chosen candidate a series: `params` (parameter, series), `sse` (series,), `errors` (time, series)."""

    params: Floats
    form: Form
    sse: Floats
    errors: Floats


def _recur(inputs: Floats, trace: Floats, det: Floats) -> Floats:
    """Run e[t] = u[t] + trace e[t-1] - det e[t-2] over the first axis, in place."""
    scratch = np.empty_like(inputs[0])
    if len(inputs) > 1:
        np.multiply(trace, inputs[0], out=scratch)
        inputs[1] += scratch
    minus = -det
    for t in range(2, len(inputs)):
        row = inputs[t]
        np.multiply(trace, inputs[t - 1], out=scratch)
        row += scratch
        np.multiply(minus, inputs[t - 2], out=scratch)
        row += scratch
    return inputs


def _lanes(block: Block, form: Form) -> tuple[Floats, Floats, Floats]:
    """Errors from a start at zero (time, candidate, series) and the responses w'D^t to the two start values.

    One recursion runs all three. Candidates shared by all series have one response each, (time, candidate, 1); those
    of a series' own have theirs, (time, candidate, series).
    """
    y, steps = block.values[:, None, :], len(block.values)
    candidates, own = form.trace_d.shape
    width = y.shape[2]
    if own == 1:
        lanes = np.zeros((steps, candidates, width + 2))
        errors, responses = lanes[:, :, :width], (lanes[:, :, width : width + 1], lanes[:, :, width + 1 :])
    else:
        lanes = np.zeros((steps, 3, candidates, width))
        errors, responses = lanes[:, 0], (lanes[:, 1], lanes[:, 2])
    errors[:] = y
    errors[1:] -= form.trace_f * y[:-1]
    errors[2:] += form.det_f * y[:-2]
    for column in (0, 1):
        first, second = form.starts[0][column], form.starts[1][column]
        responses[column][0] = first
        responses[column][1:2] = second - form.trace_d * first
    _recur(lanes, form.trace_d, form.det_d)
    return errors, *responses


def _solve(block: Block, form: Form) -> tuple[Floats, Floats]:
    """Least-squares start of every candidate: sum of squares (candidate, series) and the errors."""
    errors, one, two = _lanes(block, form)
    mask = block.mask[:, None, :]
    errors = errors * mask
    if one.shape[2] == errors.shape[2]:
        one, two = one * mask, two * mask
    g11, g12, g22 = (_tails(a, b, block) for a, b in ((one, one), (one, two), (two, two)))
    b1, b2 = (errors * one).sum(0), (errors * two).sum(0)
    ridge = TINY * (g11 + g22) + 1e-300
    g11, g22 = g11 + ridge, g22 + ridge
    det = np.maximum(g11 * g22 - g12 * g12, TINY * g11 * g22)
    x1, x2 = (g22 * b1 - g12 * b2) / det, (g11 * b2 - g12 * b1) / det
    errors -= x1 * one
    errors -= x2 * two
    errors *= mask
    return np.einsum("tkn,tkn->kn", errors, errors), errors


def _tails(a: Floats, b: Floats, block: Block) -> Floats:
    """Sums over time of a·b up to each series' end; shared responses are summed once and picked at the ends."""
    product = a * b
    if product.shape[-1] == len(block.lengths) and product.shape[-1] != 1:
        return np.asarray(product.sum(0))
    return np.asarray(product.cumsum(0)[block.lengths - 1, :, 0].T)


def search(block: Block, forms: Forms, grid: Floats, widths: Floats, bounds: Floats, rounds: int = 2) -> Fit:
    """Least squares over a grid (parameter, candidate), then around each series' best with shrinking steps.

    `widths` (parameter,) are the first steps, `bounds` (parameter, 2) the limits.
    """
    best = _on_grid(block, forms, grid)
    steps = widths.copy()
    for _ in range(rounds):
        offsets = _star(len(grid)) * steps[:, None]
        near = np.clip(best[:, None, :] + offsets[:, :, None], bounds[:, :1, None], bounds[:, 1:, None])
        losses, errors = _solve(block, forms(near))
        pick = losses.argmin(0)
        best = np.take_along_axis(near, pick[None, None, :], 1)[:, 0]
        steps = steps / 2
    lanes = np.arange(len(pick))
    return Fit(best, forms(best[:, None, :]), losses[pick, lanes], errors[:, pick, lanes])


def _on_grid(block: Block, forms: Forms, grid: Floats) -> Floats:
    """Each series' best candidate of a shared grid (parameter, candidate), in chunks of bounded memory."""
    cells = 4_000_000 // max(1, block.values.size) or 1
    best, best_sse = np.empty((len(grid), len(block.lengths))), np.full(len(block.lengths), np.inf)
    for first in range(0, grid.shape[1], cells):
        part = grid[:, first : first + cells]
        losses, _ = _solve(block, forms(part[:, :, None]))
        pick = losses.argmin(0)
        loss = losses[pick, np.arange(len(pick))]
        better = loss < best_sse
        best[:, better], best_sse[better] = part[:, pick[better]], loss[better]
    return best


def _star(dimensions: int) -> Floats:
    """Offsets of a pattern search (parameter, candidate): the centre, both ways along each axis and the diagonals."""
    corners = np.array(np.meshgrid(*[[-1.0, 0.0, 1.0]] * dimensions, indexing="ij")).reshape(dimensions, -1)
    return corners[:, np.abs(corners).sum(0) <= 2]


def project(block: Block, fit: Fit, origins: Ints, horizon: int) -> Floats:
    """Forecasts from origins (origin, series), indices of the last known step: shape (horizon, origin, series)."""
    lanes = np.arange(origins.shape[1])
    trace_f, det_f, trace_d, det_d = (
        np.broadcast_to(c, (1, origins.shape[1]))
        for c in (fit.form.trace_f, fit.form.det_f, fit.form.trace_d, fit.form.det_d)
    )
    before = np.maximum(origins - 1, 0)
    y0, y1 = block.values[origins, lanes], block.values[before, lanes]
    e0, e1 = fit.errors[origins, lanes], fit.errors[before, lanes]
    ahead = np.empty((horizon, *origins.shape))
    ahead[0] = trace_f * y0 - det_f * y1 - trace_d * e0 + det_d * e1
    if horizon > 1:
        ahead[1] = trace_f * ahead[0] - det_f * y0 + det_d * e0
    for h in range(2, horizon):
        ahead[h] = trace_f * ahead[h - 1] - det_f * ahead[h - 2]
    return ahead
