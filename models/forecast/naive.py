"""Seasonal naive and drift: the floor that every other forecast is measured against."""

from __future__ import annotations

import numpy as np

from models.forecast.innovations import Block, Ints
from models.values import Floats


def seasonal_naive(block: Block, seasons: Ints, origins: Ints, horizon: int) -> Floats:
    """The value one season before, repeated; the last value where no whole season is known.

    `seasons` (series,), `origins` (origin, series); returns (horizon, origin, series).
    """
    steps = np.arange(1, horizon + 1)[:, None, None]
    back = np.where(origins + 1 >= seasons, seasons, 1)
    source = origins + steps - back * ((steps + back - 1) // back)
    found: Floats = block.values[source, np.arange(len(seasons))]
    return found


def drift(block: Block, origins: Ints, horizon: int) -> Floats:
    """The last value carried on along the line from the first; returns (horizon, origin, series)."""
    lanes = np.arange(origins.shape[1])
    last = block.values[origins, lanes]
    slope = (last - block.values[0]) / np.maximum(origins, 1)
    return np.asarray(last + np.arange(1, horizon + 1)[:, None, None] * slope)
