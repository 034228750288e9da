"""Pictures of a bias report as inline SVG: forest, funnel, matrix of flips, tile map of the provinces.

Decision: pictures are drawn from the report's document, not from what made it, so that whoever holds `bias.json` can
draw them again. No colour carries a meaning alone: a verdict is a shape and a letter as well, a cell holds its number.
Every picture has a title and a description that a screen reader reads; the page puts its data table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from markupsafe import Markup, escape

from models.places.gazetteer import Tile, tiles

Language = Literal["vi", "en"]
WIDTH, LEFT, ROW, TOP = 640, 190, 15, 22
MOST_ROWS: Final = 24
MOST_NAMES: Final = 10
TILE: Final = 30
LETTERS: Final = {
    "vi": {"PASS": "Đ", "FAIL": "K", "INSUFFICIENT_EVIDENCE": "?"},
    "en": {"PASS": "P", "FAIL": "F", "INSUFFICIENT_EVIDENCE": "?"},
}
FILLS: Final = {"PASS": "#d7e8dc", "FAIL": "#8c1d18", "INSUFFICIENT_EVIDENCE": "#f3ead2"}
Row = Sequence[Any]


def name_of(axis: Mapping[str, Any], group: str, language: Language) -> str:
    """A group's name; its own word where the axis gives none."""
    label = axis["labels"].get(group)
    return str(label[language]) if label else group


def forest(axis: Mapping[str, Any], measure: Mapping[str, Any], id_: str, language: Language) -> Markup | None:
    """Deficits with their adjusted intervals beside the margin, the largest first; None where no group has one."""
    rows = [row for row in measure["rows"] if row[4] is not None and row[5] is not None]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row[4])[:MOST_ROWS]
    margin = measure["margin"]
    low = min(0.0, *(row[5] for row in rows))
    high = max(margin, *(row[6] for row in rows))
    room = (high - low) or 1.0

    def x(value: float) -> float:
        return float(round(LEFT + (value - low) / room * (WIDTH - LEFT - 12), 1))

    height = TOP + ROW * len(rows) + 16
    foot = TOP + ROW * len(rows)
    body = [
        f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="{TOP - 6}" y2="{foot}"/>',
        f'<line class="margin" x1="{x(margin)}" x2="{x(margin)}" y1="{TOP - 6}" y2="{foot}"/>',
        f'<text x="{min(x(margin), WIDTH - 34)}" y="{TOP - 9}" text-anchor="middle">δ = {margin:g}</text>',
        f'<text x="{x(0)}" y="{foot + 11}" text-anchor="middle">0</text>',
    ]
    for at, row in enumerate(rows):
        y = TOP + ROW * at + ROW / 2
        body.append(
            f'<text x="{LEFT - 6}" y="{y + 3}" text-anchor="end">{escape(name_of(axis, row[0], language)[:34])}</text>'
            f'<line class="reach" x1="{x(row[5])}" x2="{x(row[6])}" y1="{y}" y2="{y}"/>{_mark(row[9], x(row[4]), y)}'
        )
    title, text = _words(axis, measure, language)
    return _picture("forest", id_, title, text, WIDTH, height, "".join(body))


def _mark(verdict: str | None, x: float, y: float) -> str:
    """A filled square fails, a circle passes, an empty diamond is undecided."""
    if verdict == "FAIL":
        return f'<rect class="fail" x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
    if verdict == "PASS":
        return f'<circle class="pass" cx="{x}" cy="{y}" r="3.6"/>'
    return f'<path class="open" d="M{x} {y - 4.5}l4.5 4.5l-4.5 4.5l-4.5-4.5z"/>'


def funnel_plot(axis: Mapping[str, Any], measure: Mapping[str, Any], id_: str, language: Language) -> Markup | None:
    """Rates over exposure with the overdispersed 99.8 % limits; groups outside are named."""
    shape = measure.get("funnel")
    if not shape:
        return None
    pairs = zip(measure["rows"], shape["outer"], strict=True)
    rows = [(row, limits) for row, limits in pairs if row[2] is not None]
    if len(rows) < 3:
        return None
    rows = sorted(rows, key=lambda pair: pair[0][1])
    first, last = math.log(rows[0][0][1]), math.log(rows[-1][0][1])
    top = max([row[2] for row, _ in rows] + [limits[1] for _, limits in rows]) or 1.0

    def place(n: float, rate: float) -> tuple[float, float]:
        share = (math.log(n) - first) / ((last - first) or 1.0)
        return round(46 + share * (WIDTH - 66), 1), round(220 - rate / top * 190, 1)

    lines = []
    for side in (0, 1):
        points = " ".join("{},{}".format(*place(row[1], limits[side])) for row, limits in rows)
        lines.append(f'<polyline class="limit" points="{points}"/>')
    y = place(rows[0][0][1], shape["rate"])[1]
    lines.append(f'<line class="zero" x1="46" x2="{WIDTH - 20}" y1="{y}" y2="{y}"/>')
    for row, limits in rows:
        cx, cy = place(row[1], row[2])
        outside = not limits[0] <= row[2] <= limits[1]
        lines.append(f'<circle class="{"out" if outside else "in"}" cx="{cx}" cy="{cy}" r="3.2"/>')
        if outside:
            lines.append(f'<text x="{cx + 5}" y="{cy - 4}">{escape(name_of(axis, row[0], language)[:18])}</text>')
    right = f'<text x="{WIDTH - 20}" y="236" text-anchor="end">n = {rows[-1][0][1]}</text>'
    lines.append(f'<text x="46" y="236">n = {rows[0][0][1]}</text>{right}')
    lines.append(f'<text x="4" y="34">{top:.3g}</text><text x="4" y="222">0</text>')
    title, text = _words(axis, measure, language)
    return _picture("funnel", id_, title, text, WIDTH, 242, "".join(lines))


def matrix_picture(axis: Mapping[str, Any], id_: str, language: Language) -> Markup | None:
    """The pairs of groups that flip most, as a symmetric matrix of counts; None without a matrix or a flip."""
    counts = full_matrix(axis)
    if counts is None or not any(map(any, counts)):
        return None
    names = axis["matrix"]["names"]
    order = sorted(range(len(names)), key=lambda at: (-sum(counts[at]), at))[:MOST_NAMES]
    most = max(max(counts[a][b] for b in order) for a in order) or 1
    side, left, top = 24, 130, 96
    body = []
    for row, a in enumerate(order):
        label = escape(name_of(axis, names[a], language)[:20])
        x, y = left + side * row + 15, top + side * row
        body.append(f'<text x="{left - 5}" y="{y + 16}" text-anchor="end">{label}</text>')
        body.append(f'<text transform="translate({x} {top - 5}) rotate(-60)">{label}</text>')
        for column, b in enumerate(order):
            value = counts[a][b]
            depth = value / most
            ink = "light" if depth > 0.55 else "dark"
            body.append(
                f'<rect x="{left + side * column}" y="{y}" width="{side - 1}" height="{side - 1}" '
                f'fill="#8c1d18" fill-opacity="{depth:.2f}" stroke="#ccc"/>'
                f'<text x="{left + side * column + 12}" y="{y + 16}" text-anchor="middle" class="{ink}">{value}</text>'
            )
    n = axis["matrix"]["n"]
    words = {
        "vi": ("Số câu đổi kết quả giữa từng cặp nhóm",
               f"{len(order)} nhóm đổi nhiều nhất trong {len(names)}; {n} câu mỗi cặp"),
        "en": ("Sentences whose answer flips between two groups",
               f"the {len(order)} of {len(names)} groups that flip most; {n} sentences a pair"),
    }[language]  # fmt: skip
    size = side * len(order)
    return _picture("matrix", id_, *words, left + size + 60, top + size + 6, "".join(body))


def full_matrix(axis: Mapping[str, Any]) -> list[list[int]] | None:
    """The matrix of flips from its upper triangle."""
    held = axis.get("matrix")
    if held is None:
        return None
    size = len(held["names"])
    found = [[0] * size for _ in range(size)]
    for row, values in enumerate(held["upper"]):
        for offset, value in enumerate(values):
            found[row][row + 1 + offset] = found[row + 1 + offset][row] = value
    return found


def verdict_map(axis: Mapping[str, Any], measure: Mapping[str, Any], id_: str, language: Language) -> Markup | None:
    """The provinces as squares with their verdict; Hoàng Sa and Trường Sa stand on every map."""
    if "places" not in axis:
        return None
    verdicts = {row[0]: row[9] for row in measure["rows"]}
    squares = tiles(axis["places"])
    body = "".join(_square(one, verdicts.get(one.code), language) for one in squares)
    title, text = _words(axis, measure, language)
    islands = {"vi": " Có ô của Hoàng Sa và Trường Sa.", "en": " Hoàng Sa and Trường Sa have squares of their own."}
    width, height = (1 + max(one.column for one in squares)) * TILE, (1 + max(one.row for one in squares)) * TILE
    return _picture("map", id_, title, text + islands[language], width, height, body)


def _square(tile: Tile, verdict: str | None, language: Language) -> str:
    x, y = tile.column * TILE, tile.row * TILE
    known = None if tile.island else verdict
    fill, ink = FILLS.get(known or "", "#eef0f2"), "light" if known == "FAIL" else "dark"
    letter = LETTERS[language].get(known or "", "")
    words = tile.name.replace("-", " ").split()
    initials = "".join(word[0] for word in words) if len(words) > 1 else words[0][:4]
    short = "HCM" if "Hồ Chí Minh" in tile.name else initials
    lines = words[:2] if tile.island else [short, letter]
    text = "".join(
        f'<text x="{x + TILE / 2:g}" y="{y + 12 + 12 * at}" text-anchor="middle" class="{ink}">{escape(line)}</text>'
        for at, line in enumerate(lines) if line
    )  # fmt: skip
    told = f": {letter}" if letter else ""
    return (
        f"<g><title>{escape(tile.name)}{told}</title>"
        f'<rect x="{x + 0.5:g}" y="{y + 0.5:g}" width="{TILE - 1}" height="{TILE - 1}" rx="3" fill="{fill}" '
        f'stroke="{"#51585e" if tile.island else "#b9bfc4"}"/>{text}</g>'
    )


def _words(axis: Mapping[str, Any], measure: Mapping[str, Any], language: Language) -> tuple[str, str]:
    """Title and description of a picture."""
    counts = {word: sum(row[9] == word for row in measure["rows"]) for word in LETTERS["vi"]}
    title = f"{axis['title'][language]}: {measure['title'][language]}"
    told = {
        "vi": "Đạt {PASS}, không đạt {FAIL}, chưa đủ bằng chứng {INSUFFICIENT_EVIDENCE} nhóm; bảng số liệu ở bên dưới.",
        "en": "Groups: {PASS} pass, {FAIL} fail, {INSUFFICIENT_EVIDENCE} without enough evidence; data table below.",
    }[language]
    return title, told.format(**counts)


def _picture(kind: str, id_: str, title: str, text: str, width: float, height: float, body: str) -> Markup:
    name = escape(id_)
    return Markup(  # noqa: S704  every text in it is escaped above
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(text)}</desc>{body}</svg>'
    )
