"""Texts as numbers of a vocabulary, for graphs that cannot read text themselves.

    vocabulary.json     ["[PAD]", "[UNK]", "đường", …]: a word's number is its place
    config["tokens"]    {"form": "words" | "wordpiece", "lowercase", "unknown", "pad", "begin"?, "end"?, "most",
                         "ids", "mask"?, "types"?}

Decision: two forms, both small enough to be read whole: words as they stand between signs, and WordPiece, which cuts an
unknown word into the longest known pieces (Schuster & Nakajima 2012; `##` marks a piece that goes on). A graph that was
trained with another tokeniser brings it as operators of its own.

Decision: texts of different lengths never share a run, unless the graph's own length is fixed: padding would let one
text of a batch change the answer of another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np

from models.tensors import FREE, Array

Form = Literal["words", "wordpiece"]
WORD: Final = re.compile(r"\w+|[^\w\s]")
LONGEST_WORD: Final = 100
MOST_TOKENS: Final = 4096
GOES_ON: Final = "##"


class Tokens:
    """A vocabulary with the way from a text to its numbers. Raises KeyError, TypeError, ValueError when malformed."""

    def __init__(self, config: Mapping[str, Any], vocabulary: Sequence[str]) -> None:
        """`config` as above; `vocabulary` holds every word once."""
        self._numbers = {word: number for number, word in enumerate(vocabulary)}
        if len(self._numbers) != len(vocabulary) or not all(isinstance(word, str) for word in vocabulary):
            raise ValueError("a word stands twice in the vocabulary, or is no text")
        if config["form"] not in get_args(Form) or not 2 <= int(config["most"]) <= MOST_TOKENS:
            raise ValueError("the form or the length of texts is unknown")
        self._form: Form = config["form"]
        self._lowercase = bool(config["lowercase"])
        self._unknown, self._pad = self._numbers[config["unknown"]], self._numbers[config["pad"]]
        self._begin = [self._numbers[config["begin"]]] if config.get("begin") else []
        self._end = [self._numbers[config["end"]]] if config.get("end") else []
        self._most = int(config["most"])
        self.ids = str(config["ids"])
        self.mask: str | None = config.get("mask")
        self.types: str | None = config.get("types")

    def encode(self, text: str) -> list[int]:
        """The numbers of one text; what is over the length of the model is cut off at its end."""
        plain = unicodedata.normalize("NFC", text)
        room = self._most - len(self._begin) - len(self._end)
        found: list[int] = []
        for match in WORD.finditer(plain.lower() if self._lowercase else plain):
            found += self._pieces(match[0])
            if len(found) >= room:
                break
        return self._begin + found[:room] + self._end

    def groups(self, rows: Sequence[list[int]], length: int) -> list[list[int]]:
        """Places of texts that may share a run: those of one length, or all when the graph's `length` is fixed."""
        if length != FREE:
            return [list(range(len(rows)))]
        by_length: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(place)
        return list(by_length.values())

    def arrays(self, rows: Sequence[list[int]], length: int, kind: np.dtype[Any]) -> dict[str, Array]:
        """The graph's inputs for texts of one group."""
        width = max(1, *map(len, rows)) if length == FREE else length
        cut = [row[:width] for row in rows]
        ids = np.array([row + [self._pad] * (width - len(row)) for row in cut], kind)
        found = {self.ids: ids}
        if self.mask is not None:
            found[self.mask] = np.array([[1] * len(row) + [0] * (width - len(row)) for row in cut], kind)
        if self.types is not None:
            found[self.types] = np.zeros_like(ids)
        return found

    def _pieces(self, word: str) -> list[int]:
        known = self._numbers.get(word)
        if known is not None:
            return [known]
        if self._form == "words" or len(word) > LONGEST_WORD:
            return [self._unknown]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            lead = GOES_ON if start else ""
            end = next((e for e in range(len(word), start, -1) if lead + word[start:e] in self._numbers), None)
            if end is None:
                return [self._unknown]
            pieces.append(self._numbers[lead + word[start:end]])
            start = end
        return pieces
