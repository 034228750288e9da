"""Complex exponential smoothing (Svetunkov, Kourentzes & Ord 2022), non-seasonal form on seasonally adjusted series.

F = [[1, a1 - 1], [1, 1 - a0]], w = (1, 0), g = (a0 - a1, a0 + a1). For a1 = 1 one root of F is one; a1 above one
lets the level grow exponentially, so it is held where ten seasons of growth stay harmless.
"""

from __future__ import annotations

import numpy as np

from models.forecast.innovations import Block, Fit, Form, Ints, project, search
from models.values import Floats

BOUNDS = np.array([[0.55, 1.98], [0.93, 1.03]])


def ces_form(params: Floats) -> Form:
    """Coefficients of (a0, a1)."""
    a0, a1 = params
    one = np.ones_like(a0)
    d11, d12, d22 = 1 - a0 + a1, a1 - 1, 1 - a0
    d21 = 1 - a0 - a1
    return Form(2 - a0, 2 - a0 - a1, d11 + d22, d11 * d22 - d12 * d21, ((one, 0 * one), (d11, d12)))


def _stable(grid: Floats) -> Floats:
    """Candidates whose errors die out: both roots of D inside the circle."""
    form = ces_form(grid)
    keep = (np.abs(form.det_d) < 0.995) & (np.abs(form.trace_d) < 1 + form.det_d - 1e-3)
    return grid[:, keep]


class Complex:
    """Complex smoothing fitted to a block."""

    def __init__(self, block: Block) -> None:
        grid = np.array(np.meshgrid(np.linspace(0.6, 1.95, 12), np.linspace(0.95, 1.02, 8), indexing="ij"))
        self.block = block
        self.fit: Fit = search(block, ces_form, _stable(grid.reshape(2, -1)), np.array([0.06, 0.006]), BOUNDS)

    def project(self, origins: Ints, horizon: int) -> Floats:
        """Forecasts (horizon, origin, series)."""
        return project(self.block, self.fit, origins, horizon)
