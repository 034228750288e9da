"""From a table's cells to numbers that detectors can compare.

Each column gives one feature as it is, a number or, for a category, how rare it is (-log of its share), and one more
where cells are missing (how rare that is). Neighbours see numbers in robust deviations, held to twenty of them, and
frequent categories each on an axis of its own, so that two different categories lie one deviation apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError
from models.tabular.columns import MISSING
from models.values import Column, Table

Floats = npt.NDArray[np.float64]
CLIPPED = 20.0
AXES = 12
"""Categories with an axis of their own; rarer ones share the origin."""
USUAL = 2.563
"""Normal deviations between the first and the last decile."""


@dataclass(frozen=True, slots=True)
class Lens:
    """How one column is seen; learned from the rows that a detector is fitted on.

    `shares` are the categories' shares; `holes` is the share of missing cells, `count` the rows seen.
    """

    column: Column
    middle: float
    spread: float
    shares: Mapping[str, float]
    holes: float
    count: int

    def plain(self, cells: npt.NDArray[np.generic], words: tuple[str, ...]) -> list[Floats]:
        """The column's features for tails and trees, each (n,)."""
        if self.column.type == "category":
            return [self._rarity(cells, words)]
        values = cells.astype(np.float64)
        empty = np.isnan(values)
        found = [np.where(empty, self.middle, values)]
        if self.has_holes:
            found.append(np.where(empty, self._surprise(self.holes), 0.0))
        return found

    def spaced(self, cells: npt.NDArray[np.generic], words: tuple[str, ...]) -> list[Floats]:
        """The column's axes for distances, each (n,)."""
        if self.column.type == "category":
            codes = cells.astype(np.int64)
            place = {word: at for at, word in enumerate(words)}
            axes = sorted(self.shares, key=lambda word: (-self.shares[word], word))[:AXES]
            return [np.where(codes == place.get(word, MISSING - 1), 0.7071, 0.0) for word in axes]
        values = cells.astype(np.float64)
        empty = np.isnan(values)
        far = np.clip((np.where(empty, self.middle, values) - self.middle) / self.spread, -CLIPPED, CLIPPED)
        return [far, np.where(empty, 1.0, 0.0)] if self.has_holes else [far]

    @property
    def has_holes(self) -> bool:
        """Whether missing cells say anything: some are, not all."""
        return 0.0 < self.holes < 1.0

    def _rarity(self, cells: npt.NDArray[np.generic], words: tuple[str, ...]) -> Floats:
        table = np.array([self._surprise(self.shares.get(word, 0.0)) for word in words] + [self._surprise(self.holes)])
        found: Floats = table[cells.astype(np.int64)]  # MISSING, -1, is the last place
        return found

    def _surprise(self, share: float) -> float:
        return float(-np.log(max(share, 0.5 / max(self.count, 1))))


def lens_of(column: Column, cells: npt.NDArray[np.generic], words: tuple[str, ...]) -> Lens:
    """How a column is seen, from the rows to be fitted on."""
    count = len(cells)
    if column.type == "category":
        codes = cells.astype(np.int64)
        held = np.bincount(codes[codes != MISSING], minlength=len(words)) / max(count, 1)
        shares = {word: float(share) for word, share in zip(words, held, strict=True) if share > 0}
        return Lens(column, 0.0, 1.0, shares, float((codes == MISSING).mean()) if count else 0.0, count)
    values = cells.astype(np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return Lens(column, 0.0, 1.0, {}, 1.0 if count else 0.0, count)
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9))
    spread = (high - low) / USUAL if high > low else float(known.std())
    return Lens(column, float(middle), float(spread) if spread > 0 else 1.0, {}, 1 - len(known) / count, count)


@dataclass(frozen=True, slots=True)
class Lenses:
    """All columns of a table; `owner` names for each plain feature its column, `spaced_owner` for each axis."""

    each: tuple[Lens, ...]
    owner: npt.NDArray[np.int64]
    spaced_owner: npt.NDArray[np.int64]

    def plain(self, table: Table) -> Floats:
        """Features for tails and trees (n, features). Raises InvalidInputError for other columns."""
        self._check(table)
        lines = [one for lens, cells, words in self._sides(table) for one in lens.plain(cells, words)]
        return np.column_stack(lines) if lines else np.zeros((table.count, 0))

    def spaced(self, table: Table) -> Floats:
        """Axes for distances (n, axes). Raises InvalidInputError for other columns."""
        self._check(table)
        lines = [one for lens, cells, words in self._sides(table) for one in lens.spaced(cells, words)]
        return np.column_stack(lines) if lines else np.zeros((table.count, 0))

    def _sides(self, table: Table) -> list[tuple[Lens, npt.NDArray[np.generic], tuple[str, ...]]]:
        return list(zip(self.each, table.cells, table.words, strict=True))

    def _check(self, table: Table) -> None:
        if table.columns != tuple(lens.column for lens in self.each):
            raise InvalidInputError(
                "Các cột khác với bảng đã dùng để học.", "The columns differ from those of the table fitted on."
            )


def lenses_of(table: Table) -> Lenses:
    """The lenses of all columns, from the rows to be fitted on."""
    each = tuple(map(lens_of, table.columns, table.cells, table.words))
    owner, spaced = [], []
    for place, (lens, cells, words) in enumerate(zip(each, table.cells, table.words, strict=True)):
        owner += [place] * len(lens.plain(cells[:1], words))
        spaced += [place] * len(lens.spaced(cells[:1], words))
    return Lenses(each, np.array(owner, np.int64), np.array(spaced, np.int64))
