"""Text as pieces and numbers for the restoration of diacritics: what may be replaced, and what surrounds it.

Decision: a sentence ends with a sign of _ENDS before white space, or with a line; REACH borders stand between
sentences, before the first and behind the last, so that a sentence alone looks as it does inside a document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import IntegrityError
from models.text.hashing import Indices
from models.text.script import MARKS, fold, strip_diacritics

MAX_FORMS = 16
REACH = 4
BORDER, NUMBER, UNKNOWN, FIRST_WORD = 0, 1, 2, 3

_PIECE = re.compile(
    rf"""
    [^\W\d_]++(?![\w{MARKS}.@:-])
    | (?:https?|ftp)://\S{{1,2048}} | www\.\S{{1,2048}}
    | [A-Za-z0-9_.+-]{{1,64}}@[A-Za-z0-9-]{{1,64}}+(?:\.[A-Za-z0-9-]{{1,64}}+){{1,6}}
    | [A-Za-z0-9-]{{1,64}}+(?:\.[A-Za-z0-9-]{{1,64}}){{0,4}}\.(?:vn|com|net|org|gov|edu|info)(?![\w-])(?:/\S{{0,2048}})?
    | [^\W\d_]++[\d_]\w*+
    | [^\W\d_](?:[^\W\d_]|[{MARKS}])*+
    | \d++(?:[.,]\d++)*+
    | [^\S\n]++ | \n\s*+ | .
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDS = frozenset(".!?…")


def pieces(text: str) -> list[str]:
    """Cut a text into words, numbers, addresses, signs and white space; joined they are the text. Linear time."""
    return _PIECE.findall(text)


@dataclass(frozen=True, slots=True)
class Known:
    """A word's context number, and the place and number of the forms it may be replaced by (0: never replaced)."""

    context: int
    first: int = 0
    count: int = 0


class Lexicon:
    """Bare words with their written forms, and further words that count as context.

    Context numbers follow the order of `forms`, then of `words`, so the order is part of the weights.
    """

    def __init__(self, forms: Mapping[str, Sequence[str]], words: Sequence[str]) -> None:
        """`forms` maps a bare word to its forms, the most frequent first. Raises IntegrityError for one that is not."""
        self._forms, self._words = {bare: list(written) for bare, written in forms.items()}, list(words)
        self.flat = [form for written in self._forms.values() for form in written]
        self.known: dict[str, Known] = {}
        at = 0
        for number, (bare, written) in enumerate(self._forms.items(), FIRST_WORD):
            if not 1 <= len(written) <= MAX_FORMS or any(not _fits(form, bare) for form in written):
                raise IntegrityError("Từ điển dạng viết không hợp lệ.", "The lexicon of written forms is malformed.")
            for form in written:
                self.known[form] = Known(number)
            self.known[bare] = Known(number, at, 0 if written == [bare] else len(written))
            at += len(written)
        self.contexts = FIRST_WORD + len(self._forms) + len(self._words)
        for number, word in enumerate(self._words, FIRST_WORD + len(self._forms)):
            self.known.setdefault(word, Known(number))

    def ranks(self) -> dict[str, int]:
        """The number of each form among the forms of its bare word."""
        return {form: rank for written in self._forms.values() for rank, form in enumerate(written)}

    def json(self) -> str:
        """The parts as JSON."""
        return json.dumps({"forms": self._forms, "words": self._words}, ensure_ascii=False)


def _fits(form: str, bare: str) -> bool:
    """Whether a form is the bare word letter for letter, in both cases."""
    return (
        bare.isascii() and bare.isalpha() and bare.islower() and len(form) == len(bare) == len(form.upper())
        and strip_diacritics(form) == bare and strip_diacritics(form.upper()) == bare.upper()
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as numbers.

    `context` and `capitals` (0 none in front, 1 first letter, 2 all) have one entry a word, sign or border; `places`
    are those to decide, with `first` form and `count` of forms; `pieces` are their (text, piece) indices.
    """

    context: Indices
    capitals: Indices
    places: Indices
    first: Indices
    count: Indices
    pieces: list[tuple[int, int]]


class Encoder:
    """From pieces of text to numbers, one dictionary look-up a piece."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Keep the words."""
        self._known = lexicon.known

    def encode(self, texts: Iterable[Sequence[str]]) -> Encoded:
        """Encode texts given as pieces."""
        edge = [BORDER] * REACH
        context, capitals = [*edge], [0] * REACH
        places: list[tuple[int, int, int]] = []
        origin: list[tuple[int, int]] = []
        for text, parts in enumerate(texts):
            ended = False
            for index, piece in enumerate(parts):
                if piece.isspace():
                    if ended or "\n" in piece:
                        context += edge
                        capitals += edge
                    continue
                known = self._known.get(piece) or self._look_up(piece)
                if known.count and piece.isascii():
                    places.append((len(context), known.first, known.count))
                    origin.append((text, index))
                ended = piece in _ENDS
                context.append(BORDER if ended else known.context)
                capitals.append(0 if piece.islower() else _capitals(piece))
            context += edge
            capitals += edge
        at, first, count = np.array(places, np.int64).reshape(-1, 3).T
        return Encoded(np.array(context, np.int64), np.array(capitals, np.int64), at, first, count, origin)

    def _look_up(self, piece: str) -> Known:
        found = self._known.get(piece.lower())
        if found is not None:
            return found
        if piece[0].isdigit():
            return Known(NUMBER)
        if piece.isascii():
            return Known(UNKNOWN)
        found = self._known.get(fold(piece)) or self._known.get(strip_diacritics(piece).lower())
        return Known(found.context if found else UNKNOWN)


def _capitals(piece: str) -> int:
    if not piece[0].isupper():
        return 0
    return 2 if len(piece) > 1 and piece.isupper() else 1


def cased(form: str, piece: str) -> str:
    """A form in the case of the piece it replaces, letter by letter."""
    if piece.islower():
        return form
    if piece.isupper():
        return form.upper()
    if piece[1:].islower():
        return form[0].upper() + form[1:]
    return "".join(new.upper() if old.isupper() else new for new, old in zip(form, piece, strict=True))
