"""The facts of written Vietnamese that the language models share.

Decision: one compiled expression cuts a text into *atoms* — syllables, numbers, codes, addresses, marks — and white
space, and together they cover the text, so offsets are plain sums of lengths in the text exactly as sent. What is
written without a space and belongs together stays one atom (`TP.HCM`, `142/2026/NĐ-CP`, `1.234,5`, `12/3/2025`,
`a@b.vn`); whether neighbouring syllables form one word is for `models.text.segment` to say. Combining marks and
zero-width characters belong to the character that they follow; `compose` gives a text that is not NFC its composed
form and the way back to the offsets as sent.

Decision: every look ahead is bounded (`{1,64}`) or possessive (`++`), so the time is linear for any input.

Decision: tone marks are normalised to the traditional placement, *hòa, khỏe, thủy*, which official texts use in
81–94 %; *hoà, khoẻ, thuỷ* and slips such as *hòan* are read as the same syllables.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from itertools import accumulate, filterfalse

_LETTER = r"[^\W\d_]"
# What is never alone and never a border: combining marks of any script, zero-width characters, soft hyphen.
INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
MARKS = INVISIBLE + "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M")
_M = f"[{MARKS}]"
_SYLLABLE = f"{_LETTER}(?:{_LETTER}|{_M})*+"
_UPPERS = "".join(c for c in map(chr, (*range(0x41, 0x250), *range(0x1E00, 0x1F00))) if c.isupper())
_UPPER = f"[{_UPPERS}]"
_ABBREVIATIONS = (
    "TP|Tp|tp|TX|Tx|tx|TT|Tt|Q|q|P|p|H|h|X|GS|Gs|PGS|Pgs|TSKH|TS|Ts|ThS|Ths|Th|BS|Bs|BSCK|DS|Ds|KS|Ks|KTS|CN|LS|Ls"
    "|NCS|NSND|NSƯT|Nxb|NXB|nxb|ĐH|ĐT|Đt|đt|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Co|Corp|Ltd|Inc|No|vs|v\\.v|tr|Tr|VD|Vd|vd"
)

ATOM = re.compile(
    rf"""
    \s+
    # The common case: letters with nothing behind them that could make them part of something longer.
    | {_LETTER}++(?![\w{MARKS}.@&'’/:+-])
    # Addresses.
    | (?:https?|ftp)://[^\s<>"“”]{{1,2048}}(?<![.,;:!?)\]}}'’…])
    | www\.[^\s<>"“”]{{1,2048}}(?<![.,;:!?)\]}}'’…])
    | [A-Za-z0-9_.+-]{{1,64}}@[A-Za-z0-9-]{{1,64}}+(?:\.[A-Za-z0-9-]{{1,64}}+){{1,6}}
    | [A-Za-z0-9-]{{1,64}}+(?:\.[A-Za-z0-9-]{{1,64}}){{0,4}}\.(?:vn|com|net|org|gov|edu|info|int|io)(?![\w-])
      (?:/[^\s<>"“”]{{0,2048}}(?<![.,;:!?)\]}}'’…]))?
    # Numbers, dates, times, shares, numbers of documents (142/2026/NĐ-CP, 36/2024/QH15, 01-NQ/TW, 54N-7).
    | \d++(?:[.,:/–-]\d++)*+
      (?:[%‰]|[/-]{_UPPER}[{_UPPERS}\d]*+(?:[/-][{_UPPERS}\d]++)*+|{_LETTER}[\w{MARKS}]*+(?:-\d++)*+)?
    # Abbreviations: TP.HCM, U.S.A., GS.TS., q.1, K. — the last only where a line goes on.
    | {_UPPER}[{_UPPERS}\d]*+(?:\.{_UPPER}[{_UPPERS}\d]*+)++(?![\w{MARKS}])(?:\.(?=[^\S\n]+\S))?
    | (?:{_ABBREVIATIONS})\.(?:[{_UPPERS}\d]++(?!\w)|(?=\S|[^\S\n]+\S))
    | {_UPPER}\.(?=[^\S\n]+\S)
    # Codes: R&D, GD-ĐT, A/H1N1, COVID-19.
    | {_UPPER}++(?:[&/-]{_UPPER}[{_UPPERS}\d]*+)++(?![\w{MARKS}])
    | [A-Za-z]++-\d++(?!\w)
    # Borrowed words: wai-kru, cà-rem, O'Neill; a capital behind the hyphen begins another name (Nội-Huế).
    | {_SYLLABLE}(?:[-'’](?!{_UPPER}[^\W\d_{_UPPERS}]){_SYLLABLE})++(?!\w)
    | {_LETTER}{{1,3}}['’]{_SYLLABLE}
    | \w[\w{MARKS}]*+
    # Marks: runs of one sign, emoji with their joiners, flags, then any other character.
    | \.\.++ | …++ | --++ | ––++ | —++ | !!++ | \?\?++ | ==++ | \*\*++ | ~~++ | __++
    | [\U0001F1E6-\U0001F1FF]{{2}}
    | [^\w\s](?:{_M}|[\U0001F3FB-\U0001F3FF])*+(?:(?<=\u200d)[^\w\s](?:{_M}|[\U0001F3FB-\U0001F3FF])*+)*+
    """,
    re.VERBOSE,
)

_TONES = "\u0300\u0301\u0309\u0303\u0323"


def _moves(vowels: str) -> dict[str, str]:
    """Both cases of two vowels with a tone on the second → with the tone on the first."""
    moves = {}
    for first in (vowels[0], vowels[0].upper()):
        for second in (vowels[1], vowels[1].upper()):
            for tone in _TONES:
                late, early = unicodedata.normalize("NFC", f"{first}{second}{tone} {first}{tone}{second}").split()
                moves[late] = early
    return moves


# oa, oe, uy at the end of a syllable: the mark goes to the first letter; before another letter: to the second.
_OPEN = {**_moves("oa"), **_moves("oe"), **_moves("uy")}
_CLOSED = {v: k for k, v in _OPEN.items()}
_PLACED = {**_OPEN, **_CLOSED}
_AFTER_Q = [early for late, early in _OPEN.items() if late[0] in "uU"]
_MISPLACED = re.compile(
    rf"(?<![qQ])(?:{'|'.join(_OPEN)})(?!{_LETTER})|(?<![qQ])(?:{'|'.join(_CLOSED)})(?={_LETTER})"
    rf"|(?<=[qQ])(?:{'|'.join(_AFTER_Q)})"
)


def atoms(text: str) -> list[str]:
    """Cut a text into atoms and the white space between them; joined they are the text. Linear time."""
    return ATOM.findall(text)


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every atom that is not white space, in code points of the text as sent."""
    pieces = ATOM.findall(text)
    ends = list(accumulate(map(len, pieces)))
    return [(end - len(piece), end) for piece, end in zip(pieces, ends, strict=True) if not piece.isspace()]


def syllables(text: str) -> list[tuple[int, int]]:
    """Start and end of every atom that holds a letter (syllables, foreign words, codes), as sent."""
    return [(start, end) for start, end in spans(text) if any(map(str.isalpha, text[start:end]))]


class Kind(IntEnum):
    """What an atom looks like; fits four bits. WALL stands outside every text: its borders and line ends."""

    LOWER = 0
    TITLE = 1
    UPPER = 2
    MIXED = 3
    NUMBER = 4
    MARK = 5
    STOP = 6
    OPENER = 7
    CLOSER = 8
    SPACE = 9
    BREAK = 10
    WALL = 11


_STOP = re.compile(r"[.!?…。！？]+")


def kind(atom: str) -> Kind:
    """The kind of an atom or of the white space between atoms."""
    first = atom[0]
    if first.isspace():
        return Kind.BREAK if len(atom.splitlines()) > 1 or atom.splitlines()[0] != atom else Kind.SPACE
    if first.isdigit():
        return Kind.NUMBER
    if first.isalpha():
        return _letters_kind(atom)
    if _STOP.fullmatch(atom):
        return Kind.STOP
    category = unicodedata.category(first)
    if category in ("Ps", "Pi"):
        return Kind.OPENER
    return Kind.CLOSER if category in ("Pe", "Pf") or first in "\"'" else Kind.MARK


def _letters_kind(atom: str) -> Kind:
    if atom.islower():
        return Kind.LOWER
    if atom.isupper():
        return Kind.UPPER if len(atom) > 1 else Kind.TITLE
    return Kind.TITLE if atom[0].isupper() and atom[1:].islower() else Kind.MIXED


_ASTRAL_MARKS = "".join(c for c in map(chr, range(0x10000, 0x1F000)) if unicodedata.category(c)[0] == "M")
_MARK = f"[{MARKS}{_ASTRAL_MARKS}]"
_HANGUL = "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
# What composes stays together: a character with its marks, a run of Hangul letters; the rest in runs.
_CHUNK = re.compile(rf"((?:[^{_HANGUL}](?!{_MARK}))+)|[{_HANGUL}]+{_MARK}*|.{_MARK}*", re.DOTALL)


def compose(text: str) -> tuple[str, list[int] | None]:
    """The text in NFC, and for each of its positions (length + 1 of them) the position in `text`.

    The positions are None where they are the same, which is told in one fast pass.
    """
    if unicodedata.is_normalized("NFC", text):
        return text, None
    composed: list[str] = []
    positions: list[int] = []
    for found in _CHUNK.finditer(text):
        at, run = found.start(), found[0]
        whole = unicodedata.normalize("NFC", run)
        for chunk in run if found[1] and len(whole) != len(run) else (run,):
            whole = unicodedata.normalize("NFC", chunk)
            composed.append(whole)
            positions.extend(range(at, at + len(whole)) if len(whole) <= len(chunk) else [at] * len(whole))
            at += len(chunk)
    positions.append(len(text))
    return "".join(composed), positions


def normalise_tone(text: str) -> str:
    """NFC with tone marks in the traditional place: *hoà* → *hòa*, *thuỷ* → *thủy*, *hòan* → *hoàn*, *qúy* → *quý*.

    Of an NFC text the length stays the same.
    """
    if text.isascii():
        return text
    return _MISPLACED.sub(lambda found: _PLACED[found[0]], unicodedata.normalize("NFC", text))


def strip_diacritics(text: str) -> str:
    """The text as typed on a plain keyboard: no tone, no vowel mark, *đ* as *d*; NFC.

    Of an NFC text in Vietnamese letters the length stays the same.
    """
    if text.isascii():
        return text
    bare = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return unicodedata.normalize("NFC", "".join(filterfalse(unicodedata.combining, bare)))


_UNSEEN = re.compile(f"[{INVISIBLE}]+")


def fold(atom: str) -> str:
    """The key under which a syllable is known: NFC, lower case, one tone placement, nothing invisible."""
    if atom.isascii():
        return atom.lower()
    return normalise_tone(_UNSEEN.sub("", atom).lower())


_ONSETS = "b c ch d đ g gi h kh l m n ng nh p ph r s t th tr v x"
ONSETS = tuple(_ONSETS.split())
_SPELT = {"k": "c", "q": "c", "qu": "c", "gh": "g", "ngh": "ng"}
_SYLLABLE_PARTS = re.compile(
    f"({'|'.join(sorted((*ONSETS, *_SPELT), key=len, reverse=True))})?([aăâeêioôơuưy]+(?:ch|ng|nh|[cmnpt])?)"
)
_TONE = re.compile(f"[{_TONES}]")


def parts(syllable: str) -> tuple[str, str, int] | None:
    """Onset (one of ONSETS or ""), rime without its tone, and tone 0–5 (level, huyền, sắc, hỏi, ngã, nặng).

    `syllable` is folded. None for what is not spelt like a Vietnamese syllable: foreign words, codes, numbers.
    """
    bare = unicodedata.normalize("NFD", syllable)
    tones = _TONE.findall(bare)
    found = _SYLLABLE_PARTS.fullmatch(unicodedata.normalize("NFC", _TONE.sub("", bare)))
    if found is None or len(tones) > 1:
        return None
    onset = found[1] or ""
    return _SPELT.get(onset, onset), found[2], 1 + _TONES.index(tones[0]) if tones else 0
