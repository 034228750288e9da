"""Words and sentences: which gaps between syllables lie inside a word.

Method: logistic regression over the hashed features of `models.text.gaps`, one decision a gap, as in point-wise word
segmentation (Neubig, Nakata and Mori 2011). Only a gap that is plain white space can lie inside a word; everything
written without a space is kept or cut by `models.text.script`. Weights are eight-bit integers, summed exactly, so
the answer is the same on every machine and in every batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact, write_tensors
from models.contract import Model
from models.errors import IntegrityError, PlatformError
from models.text.gaps import BLOCK, FEATURES, LEFT, MAX_LENGTH, RIGHT, Bools, Codes, Ints, Lexicon, Rows, rows, slots
from models.text.script import Kind, compose
from models.text.sentences import sentence_ends
from models.values import Document, Segmentation, TextOptions

WEIGHTS = "weights.safetensors"
FORMS = "forms.json"
_SAMPLES = (
    "Bộ Y tế đề nghị các địa phương tăng cường phòng, chống dịch sốt xuất huyết.",
    "Theo Nghị định số 142/2026/NĐ-CP, TP.HCM đã chi 1.234,5 tỉ đồng cho chuyển đổi số trong quý I/2026. "
    "Ông Nguyễn Văn Luyến cho biết kết quả rất khả quan!",
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as rows of atoms; `positions[k]` leads back to text k as sent where that was not NFC."""

    row: Rows
    positions: list[list[int] | None]


@dataclass(frozen=True, slots=True)
class Decided:
    """An encoded batch with the gaps that lie inside words, shape (n,), and the last atoms of sentences, shape (n,)."""

    encoded: Encoded
    joined: Bools
    ends: Bools


class Segmenter(Model[Document, TextOptions, Segmentation]):
    """Splits texts into words and sentences with exact offsets; it fails on no text."""

    tasks = ("segment",)

    def __init__(self, weights: npt.NDArray[np.int8], threshold: int, words: Sequence[npt.NDArray[np.uint32]],
                 lexicon_bits: int, forms: Sequence[str]) -> None:  # fmt: skip
        """Weights of shape (2**bits,); a gap is joined when its sum exceeds `threshold`.

        `words` are the lexicon's hashes for 2, 3 and 4 syllables; `forms` the surface forms looked up at once.
        """
        self.weights = weights
        self.threshold = threshold
        self.words = tuple(words)
        self.lexicon_bits = lexicon_bits
        self.forms = tuple(forms)
        self.bits = len(weights).bit_length() - 1
        self.lexicon = Lexicon.of(self.words, lexicon_bits)
        self.codes = Codes(self.forms)

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        tensors, forms, config = artifact.tensors(WEIGHTS), artifact.document(FORMS), artifact.config
        words = [tensors.get(f"words_{n}", np.zeros(0)) for n in range(2, MAX_LENGTH + 1)]
        weights = tensors.get("weights", np.zeros(0))
        threshold, bits = config.get("threshold"), config.get("lexicon_bits")
        sound = (
            config.get("features") == FEATURES and isinstance(threshold, int) and isinstance(bits, int)
            and 8 <= bits <= 24 and weights.dtype == np.int8 and weights.ndim == 1 and len(weights).bit_count() == 1
            and all(part.dtype == np.uint32 and part.ndim == 1 for part in words)
            and isinstance(forms, list) and all(isinstance(form, str) and form for form in forms)
        )  # fmt: skip
        if not sound:
            raise IntegrityError(
                f"Trọng số của mô hình {artifact.name} không đúng dạng.", f"Weights of {artifact.name} are malformed."
            )
        return cls(weights, int(threshold or 0), words, int(bits or 0), forms)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the weights, the lexicon's hashes and the known forms; return the configuration."""
        tensors: dict[str, npt.NDArray[Any]] = {
            "weights": self.weights,
            **{f"words_{n}": part for n, part in enumerate(self.words, 2)},
        }
        write_tensors(folder / WEIGHTS, tensors)
        (folder / FORMS).write_text(json.dumps(self.forms, ensure_ascii=False), encoding="utf-8")
        return {"features": FEATURES, "threshold": self.threshold, "lexicon_bits": self.lexicon_bits}

    def prepare(self, items: Sequence[Document], options: TextOptions) -> Encoded:
        """Compose, cut into atoms and look up."""
        composed = [compose(item.text) for item in items]
        return Encoded(rows([text for text, _ in composed], self.codes), [positions for _, positions in composed])

    def compute(self, prepared: Encoded) -> Decided:
        """Sum the weights of every gap, block by block."""
        row = prepared.row
        ends = sentence_ends(row)
        return Decided(prepared, (self.scores(row) > self.threshold) & row.spaced & ~ends, ends)

    def scores(self, row: Rows) -> npt.NDArray[np.int32]:
        """Sum of weights for the gap behind every atom; shape (n,), 0 where there is no gap."""
        n = len(row.hashes)
        sums = np.zeros(n, np.int32)
        for begin in range(LEFT, n - RIGHT, BLOCK):
            end = min(begin + BLOCK, n - RIGHT)
            places = slots(row, self.lexicon, begin, end, self.bits)
            np.sum(self.weights[places], axis=0, dtype=np.int32, out=sums[begin:end])
        return sums

    def finish(self, computed: Decided) -> list[Segmentation | PlatformError]:
        """Read words and sentences off the decisions, each text's offsets as it was sent."""
        row, joined = computed.encoded.row, computed.joined
        real = np.flatnonzero(row.kinds != Kind.WALL)
        closes = ~joined[real]
        begins = np.concatenate((np.ones(1, np.bool_), closes[:-1]))[: len(real)]
        ends = computed.ends[real]
        opens = np.concatenate((np.ones(1, np.bool_), ends[:-1]))[: len(real)]
        words = _Spans.between(row, real[begins], real[closes])
        sentences = _Spans.between(row, real[opens], real[ends])
        return [
            Segmentation(words.of(text, positions), sentences.of(text, positions))
            for text, positions in enumerate(computed.encoded.positions)
        ]

    def samples(self) -> tuple[Sequence[Document], TextOptions]:
        """Two texts of the State's kind."""
        return [Document(str(number), text) for number, text in enumerate(_SAMPLES)], TextOptions()


@dataclass(frozen=True, slots=True)
class _Spans:
    """Spans of all texts in a row; those of text k from `borders[k]` to `borders[k + 1]`."""

    spans: list[tuple[int, int]]
    borders: list[int]

    @classmethod
    def between(cls, row: Rows, first: Ints, last: Ints) -> _Spans:
        """Spans from each first atom to the last one beside it."""
        spans = list(zip(row.starts[first].tolist(), row.ends[last].tolist(), strict=True))
        return cls(spans, np.searchsorted(first, row.borders).tolist())

    def of(self, text: int, positions: list[int] | None) -> list[tuple[int, int]]:
        """Spans of one text; through `positions` where the text was composed, without any that vanish there."""
        spans = self.spans[self.borders[text] : self.borders[text + 1]]
        if positions is None:
            return spans
        return [(positions[a], positions[b]) for a, b in spans if positions[a] < positions[b]]
