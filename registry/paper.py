"""The card on paper: PDF, A4, Vietnamese first with English beside, page numbers and the card's digest on every page.

Decisions
- The font (DejaVu Sans, free, registry/fonts) lies beside this module and is embedded: it has every Vietnamese letter,
  and what it lacks shows as a box instead of vanishing.
- No clock and no chance go into the file: the same card gives the same bytes.
- Every word of a card is text: nothing in it is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from registry.canonical import digest
from registry.card_fields import BY_PATH, SECTIONS
from registry.card_members import member_name
from registry.card_text import GAP_WORDS, LAW, SOURCE_WORDS, columns_of, fields_in_order, inline
from registry.card_values import GAPS, value_of

FONTS: Final = Path(__file__).parent / "fonts"
PLAIN, BOLD = "DejaVuSans", "DejaVuSans-Bold"
PADDING: Final = 6
"""Points that the typesetter keeps free around the text within the margins."""

WIDTH: Final = A4[0] - 36 * mm - 2 * PADDING
CELL: Final = 7
"""Points that a cell needs beside its text."""

WIDEST: Final = 160.0
"""Points of text by which a column asks for room at most."""

GREY, RED, LINE = "#52525b", colors.HexColor("#8c1d18"), colors.HexColor("#a1a1aa")
_UNSEEN: Final = dict.fromkeys((*range(32), 127))
_GRID: Final = TableStyle(
    (
        ("GRID", (0, 0), (-1, -1), 0.4, LINE), ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f4f4f5")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    )
)  # fmt: skip


def render_pdf(card: Mapping[str, Any]) -> bytes:
    """The whole card as PDF; the same card gives the same bytes."""
    styles = _styles()
    title = _clean(inline(value_of(card, "identity.name_vi") or card["name"]))
    mark = f"{card['name']}@{card['version']} · {digest(card)}"
    target = BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
        title=f"Hồ sơ mô hình: {title}", author=_clean(inline(value_of(card, "identity.provider_org") or "")),
        subject=mark, lang="vi", invariant=1,
    )  # fmt: skip
    head = [
        Paragraph(f"Hồ sơ mô hình: {escape(title)}", styles["title"]),
        Paragraph(escape(mark), styles["small"]), Paragraph(_two(*LAW), styles["small"]), Spacer(0, 3 * mm),
    ]  # fmt: skip
    body = [part for section in SECTIONS for part in _section(section, card.get(section, {}))]
    foot = partial(_foot, mark)
    document.build([*head, *body], onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


@cache
def _styles() -> Mapping[str, ParagraphStyle]:
    """The styles; the fonts are registered with them, once."""
    pdfmetrics.registerFont(TTFont(PLAIN, str(FONTS / "DejaVuSans.ttf")))
    pdfmetrics.registerFont(TTFont(BOLD, str(FONTS / "DejaVuSans-Bold.ttf")))
    body = ParagraphStyle("body", fontName=PLAIN, fontSize=8.5, leading=12, leftIndent=4 * mm, spaceAfter=1 * mm)
    return {
        "title": ParagraphStyle("title", fontName=BOLD, fontSize=15, leading=20, spaceAfter=2 * mm),
        "small": ParagraphStyle("small", fontName=PLAIN, fontSize=7, leading=9.5, spaceAfter=1 * mm),
        "section": ParagraphStyle(
            "section", fontName=BOLD, fontSize=11, leading=15, textColor=RED, spaceBefore=4 * mm, spaceAfter=1.5 * mm,
            keepWithNext=1,
        ),
        "field": ParagraphStyle("field", fontName=BOLD, fontSize=8.5, leading=12, keepWithNext=1),
        "body": body,
        "inner": ParagraphStyle("inner", body, leftIndent=8 * mm, spaceAfter=0.4 * mm),
        "cell": ParagraphStyle("cell", fontName=PLAIN, fontSize=6.5, leading=8.5),
        "number": ParagraphStyle("number", fontName=PLAIN, fontSize=6.5, leading=8.5, alignment=TA_RIGHT),
    }  # fmt: skip


def _section(section: str, fields: Mapping[str, Any]) -> Iterator[Flowable]:
    styles = _styles()
    yield Paragraph(_two(*SECTIONS[section]), styles["section"])
    for name in fields_in_order(section, fields):
        known, field = BY_PATH.get(f"{section}.{name}"), fields[name]
        title = _two(known.vi, known.en) if known else _member(name)
        gap = next((gap for gap in GAPS if gap in field), None)
        if gap is not None:
            yield Paragraph(title, styles["field"])
            yield Paragraph(f"{_two(*GAP_WORDS[gap])}: {_text(field[gap])}", styles["body"])
            continue
        yield Paragraph(
            f"{title} <font name={PLAIN} size=6>({_text(SOURCE_WORDS[field['source']])})</font>", styles["field"]
        )
        yield from _value(field["value"])


def _value(value: Any) -> Iterator[Flowable]:
    """A value at its full size: figures and records as tables, the rest line by line."""
    rows = value if isinstance(value, list) else []
    if rows and all(isinstance(row, Mapping) and set(row) != {"vi", "en"} for row in rows):
        yield _table(rows)
        yield Spacer(0, 2 * mm)
        return
    if isinstance(value, Mapping) and set(value) != {"vi", "en"}:
        lines = list(_parts(value))
    else:
        lines = [("body", f"• {_text(row)}") for row in rows]
    for style, line in lines or [("body", _text(value))]:
        yield Paragraph(line, _styles()[style])


def _parts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The named members of a value, each as a style and a line; records inside stand below their name."""
    for key, inner in value.items():
        if isinstance(inner, Mapping) and set(inner) != {"vi", "en"}:
            below = [f"{_member(word)}: {_text(one)}" for word, one in inner.items()]
        elif isinstance(inner, list) and any(isinstance(one, Mapping) for one in inner):
            below = [_text(one) for one in inner]
        else:
            yield "body", f"• {_member(key)}: {_text(inner)}"
            continue
        yield "body", f"• {_member(key)}:"
        for line in below:
            yield "inner", f"– {line}"


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Figures in the card's own columns, other records in the order of their members."""
    styles = _styles()
    if all("value" in row for row in rows):
        columns = [(key, _text(title)) for key, title in columns_of(rows)]
    else:
        columns = [(key, _member(key)) for key in dict.fromkeys(key for row in rows for key in row)]
    lines = [[Paragraph(title, styles["cell"]) for _, title in columns]]
    lines += [[_cell(row.get(key)) for key, _ in columns] for row in rows]
    return Table(lines, _widths([key for key, _ in columns], rows), repeatRows=1, splitInRow=1, style=_GRID)


def _widths(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The page's width: to every column its longest word, the rest to those whose texts lack room."""
    texts = [[member_name(key).vi, member_name(key).en, *(_shown(row.get(key)) for row in rows)] for key in keys]
    words = [max(_points(word) for text in column for word in text.split() or [""]) for column in texts]
    least = [min(word, WIDTH / len(keys) - CELL) + CELL for word in words]
    wanted = [min(WIDEST, max(map(_points, column))) + CELL for column in texts]
    lacking = [max(1.0, full - floor) for full, floor in zip(wanted, least, strict=True)]
    spare = (WIDTH - sum(least)) / sum(lacking)
    return [floor + spare * more for floor, more in zip(least, lacking, strict=True)]


def _points(text: str) -> float:
    return float(pdfmetrics.stringWidth(text, PLAIN, _styles()["cell"].fontSize))


def _shown(value: Any) -> str:
    """What a cell shows, without markup."""
    if isinstance(value, list):
        return " … ".join(inline(item) for item in value)
    return "" if value is None else inline(value)


def _cell(value: Any) -> Paragraph:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Paragraph(str(value), _styles()["number"])
    if isinstance(value, list):
        return Paragraph(" … ".join(_text(item) for item in value), _styles()["cell"])
    return Paragraph("" if value is None else _text(value), _styles()["cell"])


def _text(value: Any) -> str:
    """A value as one paragraph's markup; a pair of languages is told apart wherever it stands."""
    if isinstance(value, Mapping) and set(value) == {"vi", "en"}:
        return _two(inline(value["vi"]), inline(value["en"]))
    if isinstance(value, Mapping):
        return "; ".join(f"{_member(key)}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple) and value:
        joined = "; " if any(isinstance(item, Mapping) for item in value) else ", "
        return joined.join(_text(item) for item in value)
    text = inline(value)
    vi, bar, en = text.partition(" | ")
    return _two(vi, en) if bar and " | " not in en else escape(_clean(text))


def _member(word: str) -> str:
    note = member_name(str(word))
    return escape(_clean(note.vi)) if note.vi == note.en else _two(note.vi, note.en)


def _two(vi: str, en: str) -> str:
    return f'{escape(_clean(vi))} <font color="{GREY}">{escape(_clean(en))}</font>'


def _clean(text: str) -> str:
    return text.translate(_UNSEEN)


def _foot(mark: str, canvas: Canvas, document: SimpleDocTemplate) -> None:
    """The digest and the page's number."""
    canvas.setFont(PLAIN, 6)
    canvas.setFillColor(colors.HexColor(GREY))
    canvas.drawString(18 * mm + PADDING, 9 * mm, mark)
    canvas.drawRightString(A4[0] - 18 * mm - PADDING, 9 * mm, f"Trang | Page {document.page}")
