"""Secrecy marks: a document headed MẬT, TỐI MẬT or TUYỆT MẬT is refused, not processed (GOVERNANCE 5.5).

Decision: a mark counts where offices put it, alone on its line, in a column of its own (two spaces or a tab away) or
after "Độ mật:". The word inside a sentence, or honey in lower case, does not. Marks are found with and without
diacritics and in decomposed Unicode. Each find looks at a window of fixed width, so time grows linearly.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

WINDOW: Final = 60
WORDS: Final = ("MAT", "mat", "Mat")
SIGNS: Final = ("Ậ", "ậ")  # one sign is found much faster than a word
DECOMPOSED: Final = ("\u0323", "\u0302")  # dot below, circumflex: one of them stands in every other spelling of Ậ
MARK: Final = re.compile(r"(?<!\w)(?:(?:TUYỆT|TUYET|TỐI|TOI)[ \t]{1,3}(?:MẬT|MAT)|MẬT)(?!\w)")
LABEL: Final = re.compile(r"(?i)(?:độ mật|do mat|mức độ mật)[ \t]*[:：]?[ \t]*\W{0,3}$")
LABELLED: Final = re.compile(
    r"(?i)(?:độ mật|do mat)[ \t]{0,3}[:：][ \t]{0,3}\W{0,3}(?:(?:tuyệt|tuyet|tối|toi)[ \t]{1,3})?(?:mật|mat)(?!\w)"
)


def is_marked(text: str) -> bool:
    """Whether a secrecy mark stands in the text as a heading."""
    if DECOMPOSED[0] in text or DECOMPOSED[1] in text:
        text = unicodedata.normalize("NFC", text)
    if not (SIGNS[0] in text or SIGNS[1] in text or any(word in text for word in WORDS)):
        return False
    if "MẬT" in text or "MAT" in text:
        for found in MARK.finditer(text):
            left = text[max(0, found.start() - WINDOW) : found.start()].rpartition("\n")[2]
            right = text[found.end() : found.end() + WINDOW].partition("\n")[0]
            if _ends(left) and _begins(right):
                return True
    return LABELLED.search(text) is not None


def _ends(left: str) -> bool:
    plain = left.rstrip()
    return _gap(left[len(plain) :]) or plain.endswith("|") or not _word(plain) or LABEL.search(left) is not None


def _begins(right: str) -> bool:
    plain = right.lstrip()
    return _gap(right[: len(right) - len(plain)]) or plain.startswith("|") or not _word(plain)


def _gap(space: str) -> bool:
    return len(space) > 1 or "\t" in space


def _word(text: str) -> bool:
    return any(sign.isalnum() for sign in text)
