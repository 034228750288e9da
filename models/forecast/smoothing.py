"""Damped-trend and simple exponential smoothing, mixed by Akaike weights.

Gardner & McKenzie (1985), Hyndman, Koehler, Snyder & Grose (2002).

The series are seasonally adjusted before (`seasonal`), so that the seasonal forms are these with fixed indices.
"""

from __future__ import annotations

import numpy as np

from models.forecast.innovations import Block, Fit, Form, Ints, project, search
from models.values import Floats

DAMPED_PARAMETERS, SIMPLE_PARAMETERS = 6, 3
"""Counted for AICc: smoothing parameters, start values and the variance."""

_ALPHAS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_RATIOS = (0.02, 0.1, 0.3, 0.6)
_DAMPINGS = (0.82, 0.9, 0.97)


def damped_form(params: Floats) -> Form:
    """ETS(A,Ad,N) of (alpha, beta / alpha, phi): F = [[1, phi], [0, phi]], w = (1, phi), g = (alpha, beta)."""
    alpha, ratio, phi = params
    beta = alpha * ratio
    one = np.ones_like(alpha)
    d11, d12, d21, d22 = 1 - alpha, phi * (1 - alpha), -beta, phi * (1 - beta)
    starts = ((one, phi), (d11 + phi * d21, d12 + phi * d22))
    return Form(1 + phi, phi, d11 + d22, phi * (1 - alpha), starts)


def simple_form(params: Floats) -> Form:
    """ETS(A,N,N) of (alpha,)."""
    (alpha,) = params
    zero = np.zeros_like(alpha)
    return Form(zero + 1, zero, 1 - alpha, zero, ((zero + 1, zero), (1 - alpha, zero)))


def fit_damped(block: Block) -> Fit:
    """Least-squares damped trend of every series."""
    grid = np.array(np.meshgrid(_ALPHAS, _RATIOS, _DAMPINGS, indexing="ij")).reshape(3, -1)
    bounds = np.array([[0.01, 0.99], [0.0, 0.95], [0.8, 0.98]])
    return search(block, damped_form, grid, np.array([0.08, 0.1, 0.04]), bounds)


def fit_simple(block: Block) -> Fit:
    """Least-squares simple smoothing of every series."""
    grid = np.linspace(0.02, 0.98, 17)[None, :]
    return search(block, simple_form, grid, np.array([0.03]), np.array([[0.01, 0.99]]))


def akaike(sse: Floats, lengths: Ints, parameters: int) -> Floats:
    """Corrected Akaike criterion of Gaussian errors; infinite where the series is too short for the parameters."""
    n = lengths.astype(np.float64)
    room = n - parameters - 1
    loss = n * np.log(np.maximum(sse, 1e-280) / n) + 2 * parameters
    return np.where(room > 0, loss + 2 * parameters * (parameters + 1) / np.maximum(room, 1), np.inf)


class Smoothing:
    """Both forms fitted to a block; forecasts are their Akaike-weighted mean."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.damped, self.simple = fit_damped(block), fit_simple(block)
        damped = akaike(self.damped.sse, block.lengths, DAMPED_PARAMETERS)
        simple = akaike(self.simple.sse, block.lengths, SIMPLE_PARAMETERS)
        gap = np.where(np.isfinite(damped) & np.isfinite(simple), damped - np.where(np.isfinite(simple), simple, 0), 60)
        self.weight = 1 / (1 + np.exp(np.clip(gap / 2, -60, 60)))

    def project(self, origins: Ints, horizon: int) -> Floats:
        """Forecasts (horizon, origin, series)."""
        damped = project(self.block, self.damped, origins, horizon)
        return damped * self.weight + project(self.block, self.simple, origins, horizon) * (1 - self.weight)
