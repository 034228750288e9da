"""From what stands in a cell to a province, a region or a total: `find_place`.

    find_place("  Tỉnh Hoà Bình (*)")  → Match("province", "Hòa Bình", code="17", vintage="63", …)
    find_place("CẢ NƯỚC")              → Match("total", "Cả nước", …)

Decision: names are compared without diacritics, spaces and marks (*Hoà/Hòa*, *Ha Noi*, *BR-VT*), because no two units
share such a key; `exact` says whether the diacritics agreed as well. The whole cell must be the name: prose that only
mentions a province is not a place.

Decision: eleven units carried their name and land through 1 July 2025, others kept the name and grew (`Bắc Ninh` was 27
and is 24). Without a vintage, such a name is read as one of the 63 and marked `ambiguous`; the vintage of a column is
told by `vintage_of` from all its names, because one abolished unit settles it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from models.places.gazetteer import FORMER, REGIONS, TOTAL_NAMES, Division, Vintage, provinces

_LONGEST = 80
_HEAD = re.compile(r"^[\s\-–—+*•·.:_]*(?:\(?(?:\d{1,3}|[ivxIVX]{1,5}|[a-zA-ZđĐ])\s*[.)\]/:]+\s*)?[\s\-–—+*•·]*")
_NUMBERED = re.compile(r"^\d{1,3}\s+")
_TAIL = re.compile(r"(?:\s|[*†‡#.:,;¹²³⁴⁵⁶⁷⁸⁹⁰]|\(\s*[\d*]{1,3}\s*\)|\[\s*[\d*]{1,3}\s*\]|\d{1,2}\))+$")
_ASIDE = re.compile(r"\s*\([^()]{0,40}\)\s*$")
_PREFIXES = (
    re.compile(r"^(?:cac)?(?:tinhthanhpho|tinh|thanhpho|tp|vung|khuvuc|province|city(?:of)?)(?=[a-z]{3})"),
    re.compile(r"^tpho(?=[a-z]{3})"),
)
"""*T.Phố* comes second: in *TP. Hòa Bình* the letters `tpho` end in the name itself."""
_SUFFIX = re.compile(r"(?<=[a-z]{3})(?:province|city|region|area)$")


@dataclass(frozen=True, slots=True)
class Match:
    """What a cell names: `code` is a province's (of `vintage`) or a region's; None for a total."""

    kind: Literal["province", "region", "total"]
    name: str
    code: str | None = None
    vintage: Vintage | None = None
    exact: bool = True
    ambiguous: bool = False


def find_place(text: str, vintage: Division | None = None) -> Match | None:
    """The province, region or total that the text names, sought first in the vintage asked for."""
    if not text or len(text) > _LONGEST:
        return None
    return _find(text, vintage)


def vintage_of(texts: Iterable[str]) -> Division | None:
    """Which division a column of names follows; None when the names do not tell."""
    seen: set[str] = set()
    for text in texts:
        found = find_place(text)
        if found is None or found.kind != "province":
            continue
        if found.vintage == "former" or (found.vintage == "63" and not found.ambiguous and found.code not in _KEPT):
            return "63"
        if found.vintage == "34":
            return "34"
        seen.add(found.name)
    return "34" if len(seen) >= _ENOUGH else None


def fold(text: str) -> str:
    """The comparison key: lower case, without diacritics, spaces and marks."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d").replace("ð", "d"))
    return "".join(c for c in plain if c.isascii() and c.isalnum())


def _spelling(text: str, head: int = 0, tail: int = 0) -> str:
    """A key that keeps the diacritics but not where the tone mark stands, without so many letters at either end."""
    letters: list[str] = []
    for character in unicodedata.normalize("NFD", text.casefold().replace("ð", "đ")):
        if unicodedata.combining(character):
            letters[-1:] = [letters[-1] + character] if letters else []
        elif fold(character):
            letters.append(character)
    kept = "".join(letters[head : len(letters) - tail])
    return "".join(sorted(kept))


def _entries() -> dict[Division | None, dict[str, tuple[Match, frozenset[str]]]]:
    """For either vintage and for none: key → match and the spellings whose diacritics are right."""
    books: dict[Division | None, dict[str, tuple[Match, frozenset[str]]]] = {"63": {}, "34": {}, None: {}}
    aliases = {unit.name: unit.aliases for unit in provinces("63")} | {"Huế": ("Thừa Thiên Huế", "TT Huế", "TT. Huế")}
    for asked, book in books.items():
        first, second = (provinces("34"), provinces("63")) if asked == "34" else (provinces("63"), provinces("34"))
        for place in (*first, *second, *FORMER):
            match = Match("province", place.name, place.code, place.vintage)
            names = (place.name, place.en, *place.aliases, *aliases.get(place.name, ()))
            _enter(book, match, names)
        for region in REGIONS:
            _enter(book, Match("region", region.name, region.code), (region.name, region.en, *region.aliases))
        for name in TOTAL_NAMES:
            _enter(book, Match("total", TOTAL_NAMES[0]), (name,))
    return books


def _enter(book: dict[str, tuple[Match, frozenset[str]]], match: Match, names: Iterable[str]) -> None:
    for name in names:
        key = fold(name)
        known, spellings = book.get(key, (match, frozenset()))
        book[key] = (known, spellings | {_spelling(name)})


_BOOKS = _entries()
_KEPT = frozenset({"01", "04", "11", "12", "14", "20", "22", "38", "40", "42", "46"})
"""Codes of the units that 1 July 2025 left as they were."""
_BOTH = frozenset(fold(unit.name) for unit in provinces("34"))
_ENOUGH = 30
"""So many different names, all of them of the 34 and none abolished, tell the vintage: 63 would have shown one."""


@lru_cache(maxsize=65_536)
def _find(text: str, vintage: Division | None) -> Match | None:
    book = _BOOKS[vintage]
    for candidate in _candidates(text):
        key = fold(candidate)
        bare = [(form, len(key) - len(form), 0) for form in (prefix.sub("", key) for prefix in _PREFIXES)]
        short = _SUFFIX.sub("", key)
        for form, head, tail in ((key, 0, 0), *bare, (short, 0, len(key) - len(short))):
            if form in book:
                match, spellings = book[form]
                return _marked(match, _spelling(candidate, head, tail) in spellings, vintage)
    return None


def _candidates(text: str) -> Iterable[str]:
    """The text as it is, then without list marks, footnote marks, numbers and an aside in brackets."""
    text = unicodedata.normalize("NFC", text)
    yield text
    for start in (text, _HEAD.sub("", text)):
        stripped = _TAIL.sub("", start)
        yield from (stripped, _NUMBERED.sub("", stripped), stripped.rstrip("0123456789"))
        yield _TAIL.sub("", _ASIDE.sub("", start))


def _marked(match: Match, exact: bool, vintage: Division | None) -> Match:
    grown = vintage is None and match.vintage == "63" and match.code not in _KEPT and fold(match.name) in _BOTH
    return replace(match, exact=exact, ambiguous=grown)
