"""The heading of each column, read from the header's rows from the top down.

Decision: a merged cell heads every column under it. Where nothing is merged an empty cell belongs to the heading at
its left, as long as its own column has text further down: that is how headings are centred over several columns.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.tables.blocks import kind_of
from models.tables.grid import CellValue, Sheet
from models.tables.phrases import tidy


def header_paths(sheet: Sheet, header: Sequence[int], first: int) -> dict[int, tuple[str, ...]]:
    """The texts above each column that has any; columns before `first` take only their own."""
    owners = _owners(sheet, header)
    own: dict[int, dict[int, tuple[int, int]]] = {}
    for column in range(sheet.width):
        cells = own.setdefault(column, {})
        for row in header:
            anchor = owners.get((row, column), (row, column))
            if _text(sheet.rows[anchor[0]][anchor[1]]):
                cells[row] = anchor
    for column in range(first + 1, sheet.width):
        _inherit(own, owners, header, column, first)
    return {column: path for column, cells in own.items() if (path := _path(sheet, header, cells))}


def _owners(sheet: Sheet, header: Sequence[int]) -> dict[tuple[int, int], tuple[int, int]]:
    """For each merged cell of the header the cell that holds its text."""
    rows = set(header)
    owners: dict[tuple[int, int], tuple[int, int]] = {}
    for top, left, bottom, right in sheet.merged:
        if right - left > 200 or not rows.intersection(range(top, min(bottom, top + 40) + 1)):
            continue
        if top >= len(sheet.rows):
            continue
        for row in range(top, min(bottom + 1, len(sheet.rows))):
            for column in range(left, min(right + 1, sheet.width)):
                owners[row, column] = (top, left)
    return owners


def _inherit(
    own: dict[int, dict[int, tuple[int, int]]], owners: dict[tuple[int, int], tuple[int, int]],
    header: Sequence[int], column: int, first: int,
) -> None:  # fmt: skip
    """Give a column the headings at its left that are centred over it."""
    if not own[column]:
        return
    top = min(own[column])
    for row in header:
        if row >= top:
            return
        left = next((c for c in range(column - 1, first - 1, -1) if own[c]), None)
        if left is None or row not in own[left]:
            continue
        anchor = own[left][row]
        merged = (row, left) in owners
        if not merged and max(own[left]) > row:
            own[column][row] = anchor


def _path(sheet: Sheet, header: Sequence[int], cells: dict[int, tuple[int, int]]) -> tuple[str, ...]:
    anchors: list[tuple[int, int]] = []
    for row in header:
        anchor = cells.get(row)
        if anchor is not None and anchor not in anchors:
            anchors.append(anchor)
    return tuple(_text(sheet.rows[row][column]) for row, column in anchors)


def _text(value: CellValue) -> str:
    if value is None or kind_of(value) == "":
        return ""
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else ""  # a stray result, no heading
    return tidy(str(value))
