"""A card's fields as the console shows them: value in the page's language, provenance, gap, what the machine found.

Decision: a page stays light. A long table shows its first rows on the card, and all of them, a hundred at a time, on
the field's own page; digests and run ids, which nobody reads in a table, stand on the field's own page only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from models.errors import Note
from registry.card_fields import BY_PATH, SECTIONS
from registry.card_lint import Finding
from registry.card_members import member_name
from registry.card_text import COLUMNS, GAP_WORDS, fields_in_order
from registry.card_values import GAPS
from services.console.wording import foreign, number, pick
from services.problems import Language

ROWS_ON_CARD: Final = 8
ROWS_A_PAGE: Final = 100
LONGEST_CELL: Final = 600
UNREAD: Final = ("dataset_digest", "digest", "commit", "run_id", "ci95_not_evaluated", "may_bundle", "repository")
SOURCES: Final[Mapping[str, Note]] = {
    "auto": Note("máy ghi", "by machine"), "human": Note("người khai", "stated by people"),
    "inherited": Note("kế thừa từ bản trước", "inherited from the version before"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """Words; `foreign` when they are Vietnamese on an English page, `number` when they are a figure."""

    shape: ClassVar[str] = "text"
    words: str
    foreign: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Several texts."""

    shape: ClassVar[str] = "list"
    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Named texts."""

    shape: ClassVar[str] = "parts"
    items: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; `total` rows stand behind those that are shown."""

    shape: ClassVar[str] = "grid"
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    total: int


Value = Text | Listing | Parts | Grid


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `gap` says why there is no value; `hidden` counts the rows that the page leaves out."""

    path: str
    number: str
    title: str
    required: bool
    value: Value | None
    gap: Text | None
    gap_kind: str
    source: str
    by: str
    at: str
    evidence: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Any, ...] = ()
    hidden: int = 0

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the field in the card, as comments carry it."""
        return "/" + self.path.replace(".", "/", 1)

    @property
    def anchor(self) -> str:
        """The field's id in a page."""
        return self.path.replace(".", "-", 1)

    @property
    def remarkable(self) -> bool:
        """Whether a reviewer who asks for failures only wants to see it."""
        return bool(self.gap or self.findings or self.remarks)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the card."""

    word: str
    title: str
    fields: tuple[Field, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reading:
    """How a card is read: in which language, at which tier, with which findings and remarks by pointer."""

    language: Language
    tier: str
    findings: Sequence[Finding] = ()
    remarks: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def sections_of(card: Mapping[str, Any], reading: Reading, *, remarkable: bool = False) -> list[Section]:
    """The card's parts in their order; with `remarkable`, only gaps, findings and what somebody remarked on."""
    found = []
    for word, titles in SECTIONS.items():
        fields = [field_of(card, f"{word}.{name}", reading) for name in _names(card, word, reading)]
        kept = tuple(one for one in fields if one.remarkable or not remarkable)
        if kept:
            found.append(Section(word, pick(Note(*titles), reading.language), kept))
    return found


def field_of(
    card: Mapping[str, Any], path: str, reading: Reading, *, first: int = 0, most: int = ROWS_ON_CARD,
    whole: bool = False,
) -> Field:  # fmt: skip
    """One field of a card, with `most` rows of a table from `first` on; `whole` shows every member of a row."""
    section, _, name = path.partition(".")
    raw = card.get(section, {}).get(name)
    raw = raw if isinstance(raw, Mapping) else {}
    known = BY_PATH.get(path)
    gap = next((word for word in GAPS if word in raw), None)
    value = value_of(raw["value"], reading.language, first, most, whole) if "value" in raw else None
    shown = len(value.rows) if isinstance(value, Grid) else 0
    pointer = "/" + path.replace(".", "/", 1)
    return Field(
        path=path,
        number=known.number if known else "",
        title=pick(Note(known.vi, known.en) if known else member_name(name), reading.language),
        required=known is not None and known.required(reading.tier),
        value=value,
        gap=None if gap is None else text_of(raw[gap], reading.language),
        gap_kind="" if gap is None else pick(Note(*GAP_WORDS[gap]), reading.language),
        source=pick(SOURCES[raw["source"]], reading.language) if raw.get("source") in SOURCES else "",
        by=str(raw.get("by", "")),
        at=str(raw.get("at", ""))[:10],
        evidence=tuple(str(item) for item in raw.get("evidence", ())),
        findings=tuple(one for one in reading.findings if one.field == path),
        remarks=tuple(reading.remarks.get(pointer, ())),
        hidden=value.total - shown if isinstance(value, Grid) else 0,
    )  # fmt: skip


def value_of(value: Any, language: Language, first: int = 0, most: int = ROWS_ON_CARD, whole: bool = False) -> Value:
    """A field's value in the shape that suits it."""
    if isinstance(value, Mapping) and set(value) != {"vi", "en"}:
        return Parts(tuple((_named(name, language), text_of(inner, language)) for name, inner in value.items()))
    if isinstance(value, list | tuple) and value:
        if all(isinstance(row, Mapping) and set(row) != {"vi", "en"} for row in value):
            return _grid(value, language, first, most, whole)
        return Listing(tuple(text_of(item, language) for item in value))
    return text_of(value, language)


def text_of(value: Any, language: Language) -> Text:
    """A value in one run of words."""
    if isinstance(value, bool):
        return Text(pick(Note("có", "yes") if value else Note("không", "no"), language))
    if isinstance(value, int | float):
        return Text(number(value, language), number=True)
    if value is None:
        return Text("–")
    if isinstance(value, list | tuple):
        if not value:
            return Text(pick(Note("không có", "none"), language))
        figures = all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
        joined = " – ".join if figures and len(value) == 2 else ", ".join
        return _words(joined(text_of(item, language).words for item in value), language, figures)
    if isinstance(value, Mapping) and set(value) != {"vi", "en"}:
        inner = "; ".join(f"{_named(name, language)}: {text_of(one, language).words}" for name, one in value.items())
        return _words(inner, language)
    return _words(" ".join(pick(value, language).split()), language)


def _named(member: Any, language: Language) -> str:
    return pick(member_name(str(member)), language)


def _words(words: str, language: Language, figure: bool = False) -> Text:
    return Text(words, foreign(words, language), figure)


def _grid(rows: Sequence[Mapping[str, Any]], language: Language, first: int, most: int, whole: bool) -> Grid:
    """Figures in the card's own columns, other records in the order of their members."""
    members = list(dict.fromkeys(key for row in rows for key in row if any(r.get(key) is not None for r in rows)))
    if all("value" in row for row in rows) and not whole:
        titles: dict[str, str | Note] = {key: title for key, title in COLUMNS if key in members}
    else:
        kept = members if whole else [key for key in members if key not in UNREAD]
        titles = {key: dict(COLUMNS).get(key) or member_name(key) for key in kept}
    cells = [tuple(_cell(row.get(key), language) for key in titles) for row in rows[first : first + most]]
    figures = [all(row[at].number or row[at].words in ("–", "") for row in cells) for at in range(len(titles))]
    columns = [Text(pick(title, language), number=n) for title, n in zip(titles.values(), figures, strict=True)]
    return Grid(tuple(columns), tuple(cells), len(rows))


def _cell(value: Any, language: Language) -> Text:
    text = text_of(value, language)
    if len(text.words) <= LONGEST_CELL:
        return text
    return Text(text.words[: LONGEST_CELL - 1] + "…", text.foreign)


def _names(card: Mapping[str, Any], section: str, reading: Reading) -> Iterable[str]:
    """The section's fields that are there, and those that a rule found missing."""
    fields = card.get(section)
    present = fields_in_order(section, fields) if isinstance(fields, Mapping) else []
    found = (finding.field.partition(".") for finding in reading.findings)
    missing = [name for word, _, name in found if word == section and name and name not in present]
    return [*present, *dict.fromkeys(missing)]
