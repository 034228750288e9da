"""Text typed in the fonts of before Unicode, made Unicode: TCVN3 (.VnTime) and VNI.

Such text arrives as ordinary Unicode cells of Latin-1 characters (*Tæng sè* is *Tổng số*), often beside Unicode cells,
sometimes in one cell with them (*Đắk N«ng*). No byte tells them apart; spelling does.

Decision: a word is evidence for a font when it is a Vietnamese syllable in it and none as it stands (*Tæng*), evidence
against when it is the other way round (*không*), and open when it is both (*có*: *có* or *cú*). A cell follows its own
words; open words follow the cell; open cells follow the column around them, then the sheet, where that has more than
a stray word to say (*Tháng* is no *Thỏng* for one *Tæng sè* on its sheet). What is a syllable neither way (*São Tomé*,
*Zürich*, 50 µg) stays as it is. Where nothing is decided nothing is changed.

Decision: the capitals of TCVN3 (.VnTimeH) are small letters in another font; where the plain letters of such a cell
are all capitals (*TæNG Sè*) the whole is raised.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache, lru_cache
from typing import Literal

from models.tables.alphabets import is_syllable, tcvn3, vni
from models.tables.grid import CellValue, Row, Sheet

Conversion = Literal["none", "tcvn3", "vni", "nfc", "mixed"]
Font = Literal["tcvn3", "vni"]
Vote = Literal["plain", "for", "open", "against", "odd"]

_FONTS = {"tcvn3": tcvn3, "vni": vni}
# Letters, and what stands for letters in the fonts: the upper half of Latin-1 without its digits and signs of degree.
_WORD = re.compile(r"(?:[^\W\d_]|[\u00a1-\u00af\u00b5-\u00b8\u00bb-\u00be\u00d7\u00f7\u00b9\u0300-\u0323])+")
_SIGNS = re.compile(r"[\u00a1-\u00af\u00b5-\u00b9\u00bb-\u00be\u00d7\u00f7]")
_SIGN_BETWEEN = re.compile(r"[^\W\d_][\u00a1-\u00af\u00b5-\u00b9\u00bb-\u00be\u00d7\u00f7][^\W\d_]")
_LONE = frozenset("§«¤¶¸µ¬")
"""Signs that stand for a word of one letter, as in *« t«*; never evidence."""
_UNITS = frozenset({"µg", "µm", "µl", "µs", "µmol", "µsv", "µw", "µv"})
_LATIN = re.compile(r"[\u0080-\u00ff]")
_UNICODE = re.compile(r"[ăđơưĩũĂĐƠƯĨŨ\u1ea0-\u1ef9]")
_SURE = 3
"""So many different words are evidence enough for a sheet; a cell of its own needs two, all of them Vietnamese."""
_FEW = 20
"""A font that has less than one word for so many in Unicode is chance, as long as no sign of it stands in the cell."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the words of some cells say: different words for either font, Unicode Vietnamese ones, and foreign ones."""

    tcvn3: int = 0
    vni: int = 0
    unicode: int = 0
    foreign: int = 0

    @property
    def font(self) -> Font:
        """The font with more words for it."""
        return "vni" if self.vni > self.tcvn3 else "tcvn3"

    @property
    def words(self) -> int:
        """Words for that font."""
        return max(self.tcvn3, self.vni)

    @property
    def speaks(self) -> bool:
        """Whether there is enough to trust a word that has no sign of the font."""
        return self.words >= _SURE and self.several

    @property
    def several(self) -> bool:
        """Whether it is more than a stray word, which says nothing of the cells around it.

        One word is enough for VNI: what is open there (*soá*) is no everyday word, as *Tháng* and *có* are in TCVN3.
        """
        least = 1 if self.font == "vni" else 2
        return self.words >= max(least, self.foreign) and self.words * _FEW >= self.unicode


def convert(sheet: Sheet, beside: Evidence | None = None) -> tuple[Sheet, Conversion]:
    """The sheet with its legacy text made Unicode (NFC), and what was done.

    `beside` is what the other sheets of the workbook say; it decides where this one is too short to tell.
    """
    return _converted(sheet, foreign_texts(sheet), beside)


def convert_all(sheets: Sequence[Sheet]) -> list[tuple[Sheet, Conversion]]:
    """Every sheet of a workbook, each with what the others say about it."""
    texts = [foreign_texts(sheet) for sheet in sheets]
    parts = [evidence_of(found) for found in texts]
    whole = Evidence(*(sum(column) for column in zip(*map(astuple, parts), strict=True)))
    return [_converted(sheet, found, whole) for sheet, found in zip(sheets, texts, strict=True)]


def foreign_texts(sheet: Sheet) -> frozenset[str]:
    """The different texts of a sheet that are not plain ASCII: all that a conversion may touch."""
    return frozenset(value for row in sheet.rows for value in row if type(value) is str and not value.isascii())


def evidence_of(texts: Iterable[str]) -> Evidence:
    """What the words of these texts say, each different word once."""
    words = {found for text in texts for found in _WORD.findall(text) if not found.isascii()}
    score: Counter[str] = Counter()
    for word in words:
        votes = {font: vote(word, font) for font in ("tcvn3", "vni")}
        score.update(font for font, said in votes.items() if said == "for")
        score["foreign"] += set(votes.values()) == {"odd"} and not _SIGNS.search(word)
        score["unicode"] += _UNICODE.search(word) is not None and is_syllable(word)
    return Evidence(score["tcvn3"], score["vni"], score["unicode"], score["foreign"])


def _converted(sheet: Sheet, texts: frozenset[str], beside: Evidence | None) -> tuple[Sheet, Conversion]:
    found = evidence_of(texts)
    trusted = found.several or (beside is not None and beside.several and beside.font == found.font)
    if beside is not None and not found.words:
        found, trusted = replace(beside, unicode=found.unicode), beside.several
    composed = _composed(sheet.rows, texts)
    rows = _rewritten(composed, found, trusted=trusted) if found.words and texts else composed
    if rows != composed:
        return replace(sheet, rows=rows), "mixed" if found.unicode else found.font
    return (sheet, "none") if composed is sheet.rows else (replace(sheet, rows=composed), "nfc")


@lru_cache(maxsize=65_536)
def vote(word: str, font: Font) -> Vote:
    """What one word says for a font."""
    read = _FONTS[font](word)
    if read == word or word.casefold().replace("μ", "µ") in _UNITS or (len(word) == 1 and _SIGNS.match(word)):
        return "odd" if word in _LONE else "plain"
    after, before = is_syllable(read), is_syllable(word)
    if after:
        return "for" if not before else "against" if _UNICODE.search(word) else "open"
    return "against" if before else "odd"


def _composed(rows: tuple[Row, ...], texts: Iterable[str]) -> tuple[Row, ...]:
    """The rows with their texts in NFC: the same object where all are."""
    loose = {text: unicodedata.normalize("NFC", text) for text in texts if not unicodedata.is_normalized("NFC", text)}
    if not loose:
        return rows
    return tuple(tuple(loose.get(value, value) if type(value) is str else value for value in row) for row in rows)


def _rewritten(rows: tuple[Row, ...], found: Evidence, *, trusted: bool) -> tuple[Row, ...]:
    """The rows with every cell read that its words give to the font, or where that is trusted its column or sheet."""
    font = found.font
    whole = trusted and (found.unicode == 0 or found.words > found.unicode)
    leaning: dict[int, bool] = {}
    says = cache(lambda text: _says(text, font, found))
    read = cache(lambda text, inside: _read(text, font, inside))
    done: list[Row] = []
    for row in rows:
        cells: list[CellValue] | None = None
        for column, value in enumerate(row):
            if type(value) is not str or value.isascii():
                continue
            if _LATIN.search(value):
                said = says(value)
                if said is False or (said and trusted):
                    leaning[column] = said
                if said is not False:
                    cells = list(row) if cells is None else cells
                    cells[column] = read(value, said or leaning.get(column, whole))
            elif _UNICODE.search(value):
                leaning[column] = False
        done.append(row if cells is None else tuple(cells))
    return tuple(done)


def _says(text: str, font: Font, found: Evidence) -> bool | None:
    """Whether the cell is in the font, is not, or does not say."""
    votes = Counter(vote(word, font) for word in _WORD.findall(text) if not word.isascii())
    if not votes["for"]:
        return False if votes["against"] or _UNICODE.search(text) else None
    if found.speaks or _SIGNS.search(text):
        return True
    words = _WORD.findall(_read(text, font, True))
    return len(words) > 1 and all(is_syllable(word) for word in words)


def _read(text: str, font: Font, inside: bool) -> str:
    """The cell's text; `inside` says whether words that may be either are in the font."""
    words = list(_WORD.finditer(text))
    votes = [vote(found[0], font) for found in words]
    if not inside and "for" not in votes and not _SIGN_BETWEEN.search(text):
        return text
    pieces: list[str] = []
    at = 0
    taken = inside or next((said for said in votes if said in ("for", "against")), None) == "for"
    for found, said in zip(words, votes, strict=True):
        word = found[0]
        take = taken if said == "open" else said == "for" or (said == "odd" and _is_odd_but_ours(word, inside))
        if said in ("for", "against") or _UNICODE.search(word):
            taken = said == "for"
        pieces += [text[at : found.start()], _FONTS[font](word) if take else word]
        at = found.end()
    read = "".join([*pieces, text[at:]])
    return _raised(text, read) if font == "tcvn3" else read


def _is_odd_but_ours(word: str, inside: bool) -> bool:
    """Whether what is no syllable is in the font all the same: abbreviations and foreign names (*§BSCL, Brun©y*)."""
    if word in _LONE:
        return inside
    if len(word) > 1 and _SIGNS.search(word):
        return inside or _SIGN_BETWEEN.search(word) is not None
    return False


def _raised(text: str, read: str) -> str:
    """Capitals of .VnTimeH: where the plain letters of the converted words are all capitals, so are the others."""
    pairs = list(zip(_WORD.findall(text), _WORD.findall(read), strict=False))
    changed = [before for before, after in pairs if before != after]
    capitals = max((sum(c.isascii() and c.isupper() for c in word) for word in changed), default=0)
    plain = [c for c in text if c.isascii() and c.isalpha()]
    return read.upper() if capitals > 1 and all(c.isupper() for c in plain) else read
