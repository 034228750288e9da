"""The list of models: what a person sees of the registry, by name and stage, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from models.errors import Note
from models.text.script import strip_diacritics
from registry.entries import Entry, Stage
from registry.gate import may_serve
from services.console.titles import Titles
from services.console.wording import KINDS, STAGES, Mark, gate_note, stage_mark

ROWS: Final = 50
LONGEST_SEARCH: Final = 64
MODELS: Final = "/console/models"


@dataclass(frozen=True, slots=True)
class Row:
    """One version in a list; `closed` says why it may not answer although it is serving."""

    entry: Entry
    title: Note
    mark: Mark
    closed: Note | None
    kind: Note | None
    until: datetime | None

    @property
    def path(self) -> str:
        """Its page."""
        return version_path(self.entry)


def version_path(entry: Entry) -> str:
    """The page of a version."""
    return f"{MODELS}/{quote(entry.name, safe='')}/{quote(entry.version, safe='')}"


def listing(entries: Sequence[Entry], titles: Titles, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The facts of one page of the list: `q` is a part of a name, with or without marks; `stage` a stage."""
    asked = " ".join(query.get("q", "")[:LONGEST_SEARCH].split())
    chosen = query.get("stage", "")
    found = [entry for entry in entries if not asked or _matches(entry, titles, _plain(asked))]
    counts = Counter(entry.stage for entry in found)
    if chosen in set(Stage):
        found = [entry for entry in found if entry.stage == chosen]
    pages = max(1, -(-len(found) // ROWS))
    page = min(max(1, _number(query.get("page"))), pages)
    kept = {name: value for name, value in (("q", asked), ("stage", chosen)) if value}
    return {
        "q": asked, "chosen": chosen, "total": len(found), "pages": pages, "number_of_page": page,
        "stages": [(stage.value, mark, counts[stage]) for stage, mark in STAGES.items() if counts[stage]],
        "rows": [row_of(entry, titles, now) for entry in found[(page - 1) * ROWS : page * ROWS]],
        "before": _address(kept, page - 1) if page > 1 else None,
        "after": _address(kept, page + 1) if page < pages else None,
    }  # fmt: skip


def row_of(entry: Entry, titles: Titles, now: datetime) -> Row:
    """A version as it stands in a list."""
    verdict = may_serve(entry, now.timestamp())
    closed = gate_note(verdict.state) if entry.stage is Stage.SERVING and not verdict.allowed else None
    approval = entry.approval
    good = approval is not None and approval.verified
    return Row(
        entry, titles.of(entry), stage_mark(entry.stage) if closed is None else Mark(STAGES[entry.stage].word, "bad"),
        closed, KINDS.get(approval.kind) if approval and good else None,
        approval.valid_until if approval and good else None,
    )  # fmt: skip


def _matches(entry: Entry, titles: Titles, asked: str) -> bool:
    if asked in _plain(entry.reference):
        return True
    title = titles.of(entry)
    return asked in _plain(title.vi) or asked in _plain(title.en)


def _plain(text: str) -> str:
    return strip_diacritics(text).casefold()


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 6 else 1


def _address(kept: Mapping[str, str], page: int) -> str:
    return f"{MODELS}?{urlencode({**kept, 'page': page}, quote_via=quote)}"
