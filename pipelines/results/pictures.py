"""Pictures as inline SVG: a series with the range that was to be expected, and the map of places as tiles.

No colour carries a meaning alone: the event is a shaded stretch with round marks, a tile holds its severity as a digit.
Each picture has a title and a description that a screen reader reads; all texts are escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from pipelines.results.geography import Square
from pipelines.results.neutral import clean

WIDTH: Final = 160.0
HEIGHT: Final = 56.0
_LEFT, _TOP, _FOOT = 1.0, 10.0, 10.0
TILE: Final = 20.0
SHADES: Final = ("#eef0f2", "#fbe3d6", "#f4b89a", "#e58a63", "#c4472b", "#8c1d18")
"""Tiles by severity 0…5."""
_INK: Final = ("#3d4348", "#3d1b10", "#3d1b10", "#2a0d06", "#ffffff", "#ffffff")

_BOLD: Final = ' font-weight="700"'

Numbers = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Curve:
    """What a picture of a series shows: `first` and `last` bound the stretch to mark, a forecast begins at `ahead`."""

    values: Numbers
    middle: Numbers
    lower: Numbers
    upper: Numbers
    first: int
    last: int
    labels: tuple[str, str]
    top: str
    title: str
    text: str
    ahead: int | None = None


def sparkline(curve: Curve, id_: str) -> Markup:
    """The series as a line over its expected band; `id_` is unique on the page."""
    count = max(len(curve.values), 2)
    scale = _Scale(curve, count)
    parts = [_shade(curve, scale)] if curve.ahead is None else []
    parts += [f'<polygon points="{band}" class="band"/>' for band in _bands(curve, scale)]
    parts += [f'<polyline points="{line}" class="usual"/>' for line in _lines(curve.middle, scale)]
    parts += [f'<polyline points="{line}" class="line"/>' for line in _lines(curve.values, scale)]
    if curve.ahead is None:
        parts += [
            f'<circle cx="{scale.x(at)}" cy="{scale.y(value)}" r="1.7" class="mark"/>'
            for at in range(curve.first, curve.last + 1)
            if (value := curve.values[at]) is not None
        ]
    left, right = (escape(text) for text in curve.labels)
    parts.append(
        f'<text x="{_LEFT}" y="{HEIGHT - 2}">{left}</text>'
        f'<text x="{WIDTH - _LEFT}" y="{HEIGHT - 2}" text-anchor="end">{right}</text>'
        f'<text x="{_LEFT}" y="7">{escape(curve.top)}</text>'
        f'<line x1="{_LEFT}" x2="{WIDTH - _LEFT}" y1="{HEIGHT - _FOOT}" y2="{HEIGHT - _FOOT}" class="axis"/>'
    )
    return _picture("spark", id_, curve.title, curve.text, WIDTH, HEIGHT, "".join(parts))


class _Scale:
    """From values to the picture's coordinates."""

    def __init__(self, curve: Curve, count: int) -> None:
        known = [
            value
            for row in (curve.values, curve.lower, curve.upper, curve.middle)
            for value in row
            if value is not None
        ]
        seen = [value for value in (*curve.values, *curve.middle) if value is not None] or known or [0.0]
        low, high = min(known or [0.0]), max(known or [1.0])
        reach = max(seen) - min(0.0, min(seen)) or 1.0
        self.low = max(min(low, 0.0), min(seen) - reach)
        self.high = min(max(high, self.low + 1e-12), max(seen) + reach)
        self.high = self.high if self.high > self.low else self.low + 1.0
        self._step = (WIDTH - 2 * _LEFT - 6) / (count - 1)

    def x(self, at: float) -> str:
        """The place of a point from the left."""
        return f"{_LEFT + 3 + at * self._step:.1f}"

    def y(self, value: float) -> str:
        """The place of a value from the top; what lies outside is drawn at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{HEIGHT - _FOOT - share * (HEIGHT - _FOOT - _TOP):.1f}"


def _shade(curve: Curve, scale: _Scale) -> str:
    left, right = float(scale.x(curve.first - 0.5)), float(scale.x(curve.last + 0.5))
    left, right = max(left, 0.0), min(right, WIDTH)
    height = HEIGHT - _FOOT - _TOP + 4
    return f'<rect x="{left:.1f}" y="{_TOP - 4}" width="{right - left:.1f}" height="{height}" class="when"/>'


def _lines(values: Numbers, scale: _Scale) -> Iterator[str]:
    """Unbroken stretches as points; a lone point becomes a short dash so that it is seen."""
    for start, stretch in _stretches(values):
        points = [f"{scale.x(start + at)},{scale.y(value)}" for at, value in enumerate(stretch)]
        if len(stretch) == 1:
            points.append(f"{scale.x(start + 0.3)},{scale.y(stretch[0])}")
        yield " ".join(points)


def _bands(curve: Curve, scale: _Scale) -> Iterator[str]:
    both = [
        low if low is not None and high is not None else None
        for low, high in zip(curve.lower, curve.upper, strict=True)
    ]  # fmt: skip
    for start, stretch in _stretches(both):
        places = range(start, start + len(stretch))
        over = [f"{scale.x(at)},{scale.y(curve.upper[at] or 0.0)}" for at in places]
        under = [f"{scale.x(at)},{scale.y(curve.lower[at] or 0.0)}" for at in reversed(places)]
        yield " ".join(over + under)


def _stretches(values: Numbers) -> Iterator[tuple[int, list[float]]]:
    found: list[float] = []
    for at, value in enumerate([*values, None]):
        if value is not None:
            found.append(value)
        elif found:
            yield at - len(found), found
            found = []


def tile_map(squares: Sequence[Square], id_: str, title: str, text: str) -> Markup:
    """Places as equal squares, shaded by the severity of their worst event; places without events stay pale."""
    columns = max(square.column for square in squares) + 1
    rows = max(square.row for square in squares) + 1
    return _picture("map", id_, title, text, columns * TILE, rows * TILE, "".join(_square(one) for one in squares))


def _square(square: Square) -> str:
    level = min(max(square.severity, 0), 5)
    x, y = square.column * TILE, square.row * TILE
    middle, ink = f'x="{x + TILE / 2:g}" text-anchor="middle"', f'fill="{_INK[level]}"'
    edge = "#51585e" if square.island else "#b9bfc4"
    lines = square.short.split("\n") if square.island else [square.short, *([str(level)] if level else [])]
    tops = (y + 12.5,) if len(lines) == 1 else (y + 8.5, y + 16.5)
    kind = ' class="isle"' if square.island else ""
    words = "".join(
        f'<text{kind} {middle} y="{top:g}" {ink}{_BOLD if line.isdigit() else ""}>{escape(line)}</text>'
        for top, line in zip(tops, lines, strict=False)
    )
    severity = f": {level}" if level else ""
    return (
        f"<g><title>{escape(square.name)}{severity}</title>"
        f'<rect x="{x + 0.5:g}" y="{y + 0.5:g}" width="{TILE - 1:g}" height="{TILE - 1:g}" rx="2" '
        f'fill="{SHADES[level]}" stroke="{edge}" stroke-width="0.7"/>{words}</g>'
    )


def _picture(kind: str, id_: str, title: str, text: str, width: float, height: float, body: str) -> Markup:
    name = escape(id_)
    return Markup(  # noqa: S704  every text in it is escaped above
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(clean(title))}</title>'
        f'<desc id="{name}-d">{escape(clean(text))}</desc>{clean(body)}</svg>'
    )
