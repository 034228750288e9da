"""The members over many histories at once: fitted in blocks of like length, projected from many origins.

All work is on the seasonally adjusted scale; there the seasonal naive forecast is the adjusted value one season before,
because the index of a phase is the same in every cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.forecast.ces import Complex
from models.forecast.history import History
from models.forecast.innovations import Block, Ints
from models.forecast.naive import drift, seasonal_naive
from models.forecast.smoothing import Smoothing
from models.forecast.theta import Theta
from models.values import Floats

NAMES = ("seasonal_naive", "theta", "damped_ets", "ces")
METHOD = "median(seasonal_naive, theta, damped_ets, ces)"
SHORTEST = 5
"""From here on the smoothing members are fitted; shorter series get the naive and the drift forecast."""

ORIGINS = 60
"""Newest in-sample origins whose errors scale a series' intervals."""

BLOCK_CELLS = 40_000
BLOCK_SERIES = 64


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the members say of one block.

    `members` (member, horizon, series) and `median` (horizon, series) from the last step; `errors` holds the actual
    value and the median forecast of earlier origins, both (horizon', origin, series), NaN where nothing is known.
    """

    members: Floats
    median: Floats
    actual: Floats
    fitted: Floats


def blocks(histories: Sequence[History]) -> Iterator[list[int]]:
    """Positions of histories in groups of like length, so that padding and memory stay small."""
    order = sorted(range(len(histories)), key=lambda i: len(histories[i].adjusted))
    group: list[int] = []
    for i in order:
        steps = len(histories[i].adjusted)
        short = steps < SHORTEST
        full = (len(group) + 1) * steps > BLOCK_CELLS or len(group) >= BLOCK_SERIES
        if group and (full or short != (len(histories[group[0]].adjusted) < SHORTEST)):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def look_ahead(histories: Sequence[History], horizon: int, error_steps: int) -> Ahead:
    """Fit the members to one block and project them from the end and from the newest earlier origins."""
    lengths = np.array([len(h.adjusted) for h in histories])
    values = np.zeros((int(lengths.max()), len(histories)))
    for i, history in enumerate(histories):
        values[: lengths[i], i] = history.adjusted
    block = Block(values, lengths)
    seasons = np.array([h.period if h.period < len(h.adjusted) else 1 for h in histories])
    members = _Members(block, seasons)
    last = (lengths - 1)[None, :]
    found = members.project(last, horizon)[:, :, 0]
    # Origins from the last but one backwards; those before the models have seen three values say nothing.
    origins = np.maximum(lengths - 2 - np.arange(min(ORIGINS, max(1, int(lengths.max()) - 3)))[:, None], 0)
    valid = (lengths - 2 - np.arange(len(origins))[:, None]) >= 2
    median = np.median(members.project(origins, error_steps), axis=0)
    target = origins + np.arange(1, error_steps + 1)[:, None, None]
    inside = valid & (target < lengths)
    actual = values[np.minimum(target, len(values) - 1), np.arange(len(histories))]
    return Ahead(found, np.median(found, axis=0), np.where(inside, actual, np.nan), np.where(inside, median, np.nan))


class _Members:
    """The members fitted to one block; very short blocks know only the naive and the drift forecast."""

    def __init__(self, block: Block, seasons: Ints) -> None:
        self.block, self.seasons = block, seasons
        self.fitted: tuple[Theta, Smoothing, Complex] | None = None
        if int(block.lengths.min()) >= SHORTEST:
            self.fitted = (Theta(block), Smoothing(block), Complex(block))
        self.low, self.high = _bounds(block)

    def project(self, origins: Ints, horizon: int) -> Floats:
        """Forecasts (member, horizon, origin, series), held to what three times the seen range a history allows."""
        naive = seasonal_naive(self.block, self.seasons, origins, horizon)
        if self.fitted is None:
            last = seasonal_naive(self.block, np.ones_like(self.seasons), origins, horizon)
            half = (last + drift(self.block, origins, horizon)) / 2
            found = np.stack([last, half, last, half])
        else:
            found = np.stack([naive, *(member.project(origins, horizon) for member in self.fitted)])
        reach = 1 + np.arange(1, horizon + 1)[:, None, None] / self.block.lengths
        room = 3 * (self.high - self.low) * reach
        return np.clip(found, self.low - room, self.high + room)


def _bounds(block: Block) -> tuple[Floats, Floats]:
    inside = block.mask > 0
    return np.where(inside, block.values, np.inf).min(0), np.where(inside, block.values, -np.inf).max(0)
