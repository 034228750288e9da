"""Why a row is strange: which columns, how much each, and a sentence for each that an official understands.

A column contributes three times: by how rare its value is, by how far it lies from the rows that are most like this
one, and by how little it goes with the other columns. Each part is shared out over the columns and the three are
averaged. Sentences never repeat text of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from models.anomaly.reasons import number
from models.errors import Note
from models.tabular.columns import MISSING, part
from models.tabular.directions import Directions
from models.tabular.features import Lens, Lenses
from models.tabular.neighbours import Neighbours
from models.tabular.tails import Tails
from models.values import Reason, Table

Floats = npt.NDArray[np.float64]
LEAST = 0.05
"""A column with less than this share of the score is not named."""
RARE = 0.02
FIRST_DAY, LAST_DAY = -719_162, 2_932_896


@dataclass(frozen=True, slots=True)
class Views:
    """What reasons are read from."""

    lenses: Lenses
    tails: Tails
    near: Neighbours
    directions: Directions


def contributions(table: Table, views: Views) -> Floats:
    """Each column's share of the strangeness of each row (n, columns); rows sum to 1, or 0 where nothing is strange."""
    lenses, width = views.lenses, len(views.lenses.each)
    rare = _by_owner(views.tails.by_column(lenses.plain(table)), lenses.owner, width)
    spaced = lenses.spaced(table)
    usual = views.near.rows[views.near.nearest(spaced)]
    apart = _by_owner(np.square(spaced - np.median(usual, axis=1)), lenses.spaced_owner, width)
    across = np.maximum(_by_owner(views.directions.by_axis(spaced), lenses.spaced_owner, width), 0.0)
    return _shares(_shares(rare) + _shares(apart) + _shares(across))


def _by_owner(parts: Floats, owner: npt.NDArray[np.int64], width: int) -> Floats:
    found = np.zeros((len(parts), width))
    for at, place in enumerate(owner.tolist()):
        found[:, place] += parts[:, at]
    return found


def _shares(parts: Floats) -> Floats:
    whole = parts.sum(axis=1, keepdims=True)
    found: Floats = np.divide(parts, whole, out=np.zeros_like(parts), where=whole > 0)
    return found


def reasons_of(table: Table, rows: npt.NDArray[np.int64], most: int, views: Views) -> list[tuple[Reason, ...]]:
    """At most `most` reasons for each of some rows, the weightiest first."""
    asked = part(table, rows)
    lenses = views.lenses
    shares = contributions(asked, views)
    below, above = _ranks(asked, lenses, views.tails)
    found = []
    for at in range(len(rows)):
        order = np.argsort(-shares[at], kind="stable")[:most]
        named = [place for place in order.tolist() if shares[at, place] >= LEAST] or order[:1].tolist()
        found.append(
            tuple(
                Reason(
                    lenses.each[place].column.name,
                    round(float(shares[at, place]), 4),
                    _sentence(lenses.each[place], asked, place, at, below[at, place], above[at, place]),
                )
                for place in named
            )
        )
    return found


def _ranks(table: Table, lenses: Lenses, tails: Tails) -> tuple[Floats, Floats]:
    """Shares of rows with a value at most, and at least, as large, by column."""
    left, right = tails.both(lenses.plain(table))
    first = np.searchsorted(lenses.owner, np.arange(len(lenses.each)))
    return np.exp(-left[:, first]), np.exp(-right[:, first])


def _sentence(lens: Lens, table: Table, place: int, at: int, below: float, above: float) -> Note:
    cell = table.cells[place][at]
    if lens.column.type == "category":
        return _category(lens, "" if cell == MISSING else table.words[place][int(cell)], missing=bool(cell == MISSING))
    if np.isnan(cell):
        vi, en = _share(1 - lens.holes)
        return Note(f"Để trống, trong khi {vi} số dòng có giá trị.", f"Empty, while {en} of the rows have a value.")
    value, usual = _written(lens, float(cell)), _written(lens, lens.middle)
    if above < RARE and above <= below:
        vi, en = _share(1 - above)
        return Note(
            f"{value[0]}, cao hơn {vi} số dòng (thường khoảng {usual[0]}).",
            f"{value[1]}, higher than {en} of the rows (usually about {usual[1]}).",
        )
    if below < RARE:
        vi, en = _share(1 - below)
        return Note(
            f"{value[0]}, thấp hơn {vi} số dòng (thường khoảng {usual[0]}).",
            f"{value[1]}, lower than {en} of the rows (usually about {usual[1]}).",
        )
    return Note(
        f"{value[0]}, không đi cùng các cột khác như ở những dòng giống nó nhất.",
        f"{value[1]}, does not go with the other columns as in the rows most like it.",
    )


def _category(lens: Lens, word: str, *, missing: bool) -> Note:
    share = lens.holes if missing else lens.shares.get(word, 0.0)
    if missing:
        vi, en = _share(1 - share)
        return Note(f"Để trống, trong khi {vi} số dòng có giá trị.", f"Empty, while {en} of the rows have a value.")
    if share < RARE:
        vi, en = _share(share)
        return Note(f"Giá trị hiếm gặp, chỉ {vi} số dòng.", f"A rare value, only {en} of the rows.")
    return Note(
        "Giá trị không đi cùng các cột khác như ở những dòng giống nó nhất.",
        "The value does not go with the other columns as in the rows most like it.",
    )


def _written(lens: Lens, value: float) -> tuple[str, str]:
    if lens.column.type == "boolean":
        return ("có", "yes") if value >= 0.5 else ("không", "no")
    if lens.column.type == "date" and FIRST_DAY <= value <= LAST_DAY:
        day = date(1970, 1, 1) + timedelta(days=int(value))
        return f"{day.day}/{day.month}/{day.year}", day.isoformat()
    return number(value)


def _share(share: float) -> tuple[str, str]:
    """A share as a percentage that is never rounded to all or nothing."""
    percent = 100 * share
    if percent > 99.9:
        return "ít nhất 99,9 %", "at least 99.9 %"
    if percent < 0.1:
        return "chưa tới 0,1 %", "less than 0.1 %"
    return f"{percent:.1f}".replace(".", ",") + " %", f"{percent:.1f} %"
