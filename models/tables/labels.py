"""The labels in front of the figures: which rows belong under which, and what a row is of.

    Khu vực ngoài Nhà nước        a row
      Trung ương                  further in: under it
    Phân theo ngành vận tải       no figures: a section, the rows below belong to it
    A. Hành khách (Nghìn HK)      a section with the unit of its rows

Decision: depth is the column of the label, then its numbering (A, I before 1 before none before a dash), then its
indentation. Rows that are still named alike are told apart by the last row above that is named like no other: offices
centre such heads instead of moving their rows in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from models.tables.blocks import is_title, kind_of
from models.tables.grid import Row
from models.tables.periods import Period, cell_period
from models.tables.phrases import plain, tidy
from models.tables.units import bracketed_unit, is_unit, without_unit

_NUMBERING = re.compile(
    r"(?:(?P<letter>[A-HJ-Z]|[IVX]{1,4}|[a-h](?=[.)]))(?:\s*[.)/]\s*|\s*-\s+)|(?P<digit>\d{1,2}(?:\.\d{1,2})*)\s*[.)]\s*)(?=\S)"
)
_DASH = re.compile(r"[-+–•*]\s*")
_OF_WHICH = re.compile(r"^(?:trong do|td|chia ra|gom|bao gom|of which)\s*:?\s*")
_NOTE = re.compile(
    r"\s*(?:\(?\*+\)?|\(\d\)|ghi chu|nguon|chu thich|note|source|nguoi lap|thu truong|ky ten|ngay\s+\d+)"
)
_BY = ("phan theo", "chia theo")
"""A section that divides the row above it."""
_DITTO = frozenset({'"', "''", "”", "“", "nt", "-nt-", "n.t", "″", "“”", "-"})


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one row. `figures` tells whether the row has any; `path` names it from the outside in."""

    row: int
    path: tuple[str, ...]
    figures: bool
    note: bool = False
    unit: str | None = None
    column_units: tuple[tuple[int, str], ...] = ()
    period: Period | None = None
    depth: tuple[int, int, int] = (0, 0, 0)

    @property
    def text(self) -> str:
        """The innermost name."""
        return self.path[-1] if self.path else ""


@dataclass(slots=True)
class _Level:
    depth: tuple[int, int, int]
    text: str
    section: bool
    unit: str | None


@dataclass(slots=True)
class _Walk:
    """What is carried from row to row."""

    levels: list[_Level] = field(default_factory=list)
    units: dict[int, str] = field(default_factory=dict)
    ditto: str | None = None
    head: tuple[int, str] | None = None
    """A line of text without figures just above, which may be the first line of the next label."""


def read_labels(
    rows: Sequence[Row], first: int, last: int, labels: Sequence[int], unit: int | None, values: Sequence[int]
) -> list[Label]:
    """The labels of the rows `first` to `last` - 1; `labels` are their columns, `values` those of the figures."""
    walk = _Walk()
    figures = [any(kind_of(rows[row][c]) in ("number", "marker") for c in values) for row in range(first, last)]
    end = max((at for at, has in enumerate(figures) if has), default=-1)
    found: list[Label] = []
    for at, row in enumerate(range(first, last)):
        cells = [(column, rows[row][column]) for column in labels if rows[row][column] is not None]
        if not cells and not figures[at]:
            _across(walk, rows[row], values)
            continue
        found.append(_read(walk, rows[row], row, cells, figures[at], unit, values, past_end=at > end))
    return _told_apart(found)


def _read(walk: _Walk, cells: Row, row: int, labels: Sequence[tuple[int, object]], figures: bool, unit: int | None,
          values: Sequence[int], *, past_end: bool) -> Label:  # fmt: skip
    texts = [(column, _written(value)) for column, value in labels]
    joined = tidy(" ".join(text for _, text in texts))
    if not figures and (past_end or _is_note(joined)):
        return Label(row, (joined,), figures=False, note=True)
    named = _own_units(cells, values) if not figures else ()
    if named:
        walk.units = dict(named)
    rated = _unit_of_row(walk, cells, unit)
    if not texts:
        head = walk.head[1] if walk.head and walk.head[0] == row - 1 else ""
        return Label(row, (*_outer(walk), head) if head else (), figures=True, unit=rated or _inherited(walk),
                     column_units=tuple(walk.units.items()))  # fmt: skip
    return _place(walk, row, texts, figures, rated)


def _across(walk: _Walk, cells: Row, values: Sequence[int]) -> None:
    """A line over the figures in mid-table, `Cơ cấu - %`: a section of all rows below it."""
    texts = [tidy(str(cells[column])) for column in values if kind_of(cells[column]) == "text"]
    if len(texts) == 1:
        unit = "%" if "%" in texts[0] else texts[0] if is_unit(texts[0]) else bracketed_unit(texts[0])
        walk.levels[:] = [_Level((-2, 0, 0), without_unit(texts[0]) or texts[0], True, unit)]


def _written(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _place(walk: _Walk, row: int, texts: list[tuple[int, str]], figures: bool, rated: str | None) -> Label:
    """Put the row's label among the levels above it."""
    period = cell_period(texts[-1][1])
    own: str | None = None
    depth = (0, 0, 0)
    for at, (column, text) in enumerate(texts):
        final = at == len(texts) - 1
        depth, name = _depth(column, text)
        name = _continued(walk, row, name) if final else name
        own = _section_unit(name) or bracketed_unit(text)
        name = without_unit(name) or tidy(text)
        section = not figures or not final
        if not name or plain(name).rstrip(": ") in ("trong do", "td", "chia ra", "of which"):
            continue
        _drop(walk, depth, name, section=section)
        walk.levels.append(_Level(depth, name, section, own))
    walk.head = (row, tidy(texts[-1][1])) if not figures else None
    path = tuple(level.text for level in walk.levels)
    return Label(row, path, figures, unit=rated or _inherited(walk), column_units=tuple(walk.units.items()),
                 period=period, depth=depth)  # fmt: skip


def _is_note(text: str) -> bool:
    flat = plain(text)
    return bool(_NOTE.match(flat)) or ("(tiep theo)" in flat and is_title(text))


def _depth(column: int, text: str) -> tuple[tuple[int, int, int], str]:
    """How far in a label stands, and the label without its numbering, dash and `Trong đó:`."""
    bare = text.replace("\xa0", " ")
    indent = len(bare) - len(bare.lstrip())
    name = tidy(bare)
    rank = 0
    if numbered := _NUMBERING.match(name):
        letter = numbered["letter"]
        rank = -1
        name = name[numbered.end() :]
        if letter:  # A before I before all that is not numbered so, wherever it stands
            return (-1, 1 if letter[0] in "IVX" else 2 if letter.islower() else 0, 0), name.rstrip(" :")
    elif dashed := _DASH.match(name):
        rank = 1
        name = name[dashed.end() :]
    if within := _OF_WHICH.match(plain(name)):
        rest = name[within.end() :].strip()
        rank, name = (2, rest) if rest else (rank, name)
    return (column, rank, indent), name.rstrip(" :")


def _drop(walk: _Walk, depth: tuple[int, int, int], name: str, *, section: bool) -> None:
    """Leave the levels that do not hold the next one; `Phân theo …` stays under the row that it divides."""
    divides = section and plain(name).startswith(_BY)
    while walk.levels:
        last = walk.levels[-1]
        same = last.depth == depth and (last.section if divides else section or not last.section)
        if last.depth > depth or same:
            walk.levels.pop()
        else:
            return


def _continued(walk: _Walk, row: int, name: str) -> str:
    """A label broken over two rows: the second begins with a small letter."""
    letters = name.lstrip("( ")
    if walk.head and walk.head[0] == row - 1 and letters[:1].islower() and walk.levels:
        before = walk.levels[-1]
        if before.section and not plain(before.text).startswith(_BY):
            walk.levels.pop()
            return f"{before.text} {name}"
    return name


def _section_unit(name: str) -> str | None:
    """`NGHÌN HÀNH KHÁCH` alone on a line is the unit of what follows."""
    scaled = plain(name).startswith(("nghin", "ngan", "trieu", "ty ", "1000", "ngh"))
    return tidy(name).capitalize() if scaled and is_unit(name) else None


def _own_units(cells: Row, values: Sequence[int]) -> tuple[tuple[int, str], ...]:
    """The units that a row gives for the columns below it: `A. Hành khách | Nghìn HK | Triệu HK.km`."""
    found = [(column, tidy(str(cells[column]))) for column in values if kind_of(cells[column]) == "text"]
    return tuple(found) if found and all(is_unit(text.strip("()")) for _, text in found) else ()


def _unit_of_row(walk: _Walk, cells: Row, column: int | None) -> str | None:
    """The cell of the unit column; a ditto mark repeats the one above."""
    value = cells[column] if column is not None else None
    if not isinstance(value, str):
        return None
    text = tidy(value)
    if text in _DITTO:
        return walk.ditto
    walk.ditto = text
    return text


def _inherited(walk: _Walk) -> str | None:
    return next((level.unit for level in reversed(walk.levels) if level.unit), None)


def _outer(walk: _Walk) -> tuple[str, ...]:
    return tuple(level.text for level in walk.levels[:-1])


def _told_apart(found: list[Label]) -> list[Label]:
    """Name rows that are named alike by the head above them."""
    counts = Counter(label.path for label in found if label.figures)
    if all(count == 1 for count in counts.values()):
        return found
    names = Counter(label.text for label in found if label.figures)
    told: list[Label] = []
    head: tuple[str, ...] = ()
    for label in found:
        if not label.figures or label.note:
            told.append(label)
            continue
        if names[label.text] == 1:
            head = label.path
        alike = counts[label.path] > 1 and head and label.period is None
        told.append(replace(label, path=(*head, label.text)) if alike else label)
    return told
