"""Letters of Vietnamese text made plain for comparison: lower case, no diacritics, the same length as before.

Decision: words are recognised without diacritics. A sheet that was converted from a legacy font may keep a wrong
tone mark, and nothing that is looked for here depends on one; the length is kept so that a place found in the plain
text can be cut out of the original.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from models.tables.grid import CellValue

_SPECIAL = {"đ": "d", "Đ": "d", "ð": "d", "Ð": "d", "–": "-", "—": "-", "−": "-", "\xa0": " ", "\xad": "-"}
_SPACE = re.compile(r"\s+")


@lru_cache(maxsize=8192)
def _plain(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char.isspace():
        return " "
    first = unicodedata.normalize("NFD", char)[0].lower()
    return first if len(first) == 1 else char


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """The text in lower case without diacritics, character for character."""
    return text.lower() if text.isascii() and text.isprintable() else "".join(_plain(char) for char in text)


def tidy(text: str) -> str:
    """The text with white space made single and trimmed."""
    return _SPACE.sub(" ", text).strip()


def words(value: CellValue) -> str | None:
    """The cell as tidy text, None for an empty one and for numbers and times."""
    return (tidy(value) or None) if isinstance(value, str) else None


def is_number(value: CellValue) -> bool:
    """Whether the cell is a number (a truth value is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)
