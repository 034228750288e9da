"""Text that a spreadsheet program never executes and every file format can hold.

Decision: a text that begins like a formula gets an apostrophe in front, which spreadsheet programs show as text. In
CSV the rule also holds after a separator, a quote or a line break inside a text, because a program that was told
another separator would begin a cell there. In XLSX every text is typed as text and marked with the quote prefix, so
only what has no honest use (`=`, `@`, `-2+3`) gets the apostrophe: "- Trâu" in a list of items stays as it is.
Numbers are never touched.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

TRIGGERS: Final = "=+\\-@\t\r\n＝＋－＠−﹣﹢﹦"
_STARTS = re.compile(rf"\s*[{TRIGGERS}]")
_INSIDE = re.compile(rf"([,;|\t\r\n\"][ ]*)(?=[{TRIGGERS}])")
_ITEM = re.compile(r"[-−－+]\s+[^\W\d_]")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def clean(text: str) -> str:
    """The text without what XML and UTF-8 cannot hold, and without marks that turn the direction of reading."""
    return _OVERRIDES.sub("", _UNFIT.sub("\ufffd", text))


@lru_cache(maxsize=65_536)
def for_csv(text: str) -> str:
    """A text for a CSV cell, not yet quoted."""
    safe = _INSIDE.sub(r"\1'", clean(text))
    return "'" + safe if _STARTS.match(safe) else safe


@lru_cache(maxsize=65_536)
def for_sheet(text: str) -> str:
    """A text for an XLSX cell that is typed as text."""
    safe = clean(text)
    return "'" + safe if _STARTS.match(safe) and not _ITEM.match(safe) else safe
