"""Text classes by a linear model over syllables and pairs of syllables, with calibrated probabilities.

Method: a document is the set of its syllables and neighbouring pairs, each weighing (1 + ln count) · factor, brought to
unit length; one linear score a class, trained by squared hinge against the rest (Fan et al. 2008), then scaled and
shifted to probabilities (vector scaling, Guo et al. 2017). Linear on purpose: an answer is explained exactly, each
feature's part of the logit, and costs less than 100 µs.

Decision: what stands at the beginning of a text, where a title and a first sentence say what it is about, counts once
more as features of its own: the syllables of each opening that the configuration names, and the pairs of the first of
them. An explanation adds the parts of one stretch of text together.

Decision: features are 32 bits of a hash (`models.text.hashing`): the upper 21 find a slot, the lower 11 prove that
it is the feature that was trained and not another that fell into the slot, so unknown pairs count nothing.

Decision: the model abstains below a probability that the training pipeline derives from cross-validation and writes
with its reason into the configuration; the probabilities are given all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from models.artifact import Artifact, write_tensors
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from models.text.hashing import MAX_UNITS, Syllables, hash_syllables, mix, origins, units_in
from models.values import Contribution, Document, Explanation, Labels, TextOptions

KEY_BITS, PROOF_BITS, ROW_BITS = 32, 11, 20
MAX_ROWS = (1 << ROW_BITS) - 1
CHUNK_UNITS, CHUNK_DOCUMENTS = 1 << 16, 1 << 10
MAX_OPENINGS = 7
OPENING_MARKS, SPREAD = mix(np.arange(MAX_OPENINGS + 1)), np.uint64(0xD6E8FEB86659FD93)
MAX_DOCUMENT_UNITS = 200_000
SHOWN_CONTRIBUTIONS = 20
WEIGHTS = "weights.safetensors"

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Weights:
    """The trained table: row r weighs the feature with key `keys[r]` (ascending).

    `weights[r, k] · steps[r]` is its weight for class k; `idf[r]` its factor, chosen in training; `bias[k]`; a class's
    logit is `scale[k] · score + shift[k]`.
    """

    keys: Keys
    idf: npt.NDArray[np.float16]
    weights: npt.NDArray[np.int8]
    steps: npt.NDArray[np.float16]
    bias: Singles
    scale: Singles
    shift: Singles


@dataclass(frozen=True, slots=True)
class Features:
    """Features of n texts: the syllables of each, then the pairs of each, then the openings of each, 3n stretches.

    `values[borders[i] : borders[i + 1]]` weigh the table's `rows` in stretch i; `lengths` (n) is the Euclidean length
    of a text's values, 1 where nothing is known.
    """

    rows: npt.NDArray[np.int32]
    values: Singles
    borders: npt.NDArray[np.int32]
    lengths: Singles

    def matrix(self, columns: int) -> csr_matrix:
        """The stretches as sparse rows, not yet of unit length."""
        return csr_matrix((self.values, self.rows, self.borders), shape=(len(self.borders) - 1, columns))


class Occurrences(NamedTuple):
    """Features where they stand, syllables before pairs: key and document of each.

    `at` holds for syllables, pairs, syllables of openings and pairs of an opening the first syllable of each.
    """

    keys: Keys
    document: npt.NDArray[np.uint32]
    at: tuple[npt.NDArray[np.int64], ...]


def feature_keys(syllables: Syllables, openings: Sequence[int] = ()) -> Occurrences:
    """All features: syllables, joined pairs, then those of the first `openings` syllables of each text."""
    pairs, first = syllables.pairs()
    hashes, at = [syllables.hashes, pairs], [np.arange(len(syllables.hashes)), first]
    document = syllables.document.astype(np.uint32)
    if openings:
        places, before = syllables.opening(max(openings))
        inside = [places[before < size] if size < max(openings) else places for size in openings]
        pairs, first = syllables.pairs(inside[0])
        hashes += [
            (syllables.hashes.take(i) ^ mark) * SPREAD for i, mark in zip(inside, OPENING_MARKS[1:], strict=False)
        ]
        hashes.append((pairs ^ OPENING_MARKS[0]) * SPREAD)
        at += [np.concatenate(inside), first]
    documents = np.concatenate([document, *(document.take(places) for places in at[1:])])
    return Occurrences((np.concatenate(hashes) >> np.uint64(64 - KEY_BITS)).astype(np.uint32), documents, tuple(at))


@dataclass(frozen=True, slots=True)
class _Batch:
    texts: list[str]
    failed: dict[int, PlatformError]
    explain: bool


@dataclass(frozen=True, slots=True)
class _Scored:
    probabilities: Floats
    explanations: list[Explanation | None]
    failed: dict[int, PlatformError]


class FeatureTable:
    """From keys to rows in two gathers."""

    def __init__(self, keys: Keys, idf: Singles, openings: Sequence[int] = ()) -> None:
        """`keys` ascending, no two in one slot. Raises IntegrityError when they are not."""
        slots = keys >> np.uint32(PROOF_BITS)
        if len(keys) > MAX_ROWS or (len(keys) and not (slots[1:] > slots[:-1]).all()):
            raise _malformed("feature keys are not ascending by slot")
        if len(openings) > MAX_OPENINGS or any(size < 1 for size in openings):
            raise _malformed("openings are not as many whole numbers above nought as can be told apart")
        self.openings = tuple(openings)
        self.idf = np.append(idf, np.float32(0))
        self._slots = np.full(1 << (KEY_BITS - PROOF_BITS), len(keys) << PROOF_BITS, np.uint32)
        rows = np.arange(len(keys), dtype=np.uint32)
        self._slots[slots] = rows << np.uint32(PROOF_BITS) | keys & np.uint32((1 << PROOF_BITS) - 1)

    def find(self, keys: Keys) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """Row of each key and whether it is known; the row past the last weighs nothing."""
        slot = self._slots[keys >> np.uint32(PROOF_BITS)]
        return slot >> np.uint32(PROOF_BITS), (slot ^ keys) & np.uint32((1 << PROOF_BITS) - 1) == 0

    def features(self, texts: Sequence[str]) -> Features:
        """Features of at most CHUNK_DOCUMENTS texts.

        Counting is sorting; stretches are sorted one by one, because a sort that stays in the first cache takes a tenth
        of the time of one that does not; the openings, being short, all together. Their borders are found before: any
        code of an earlier stretch is smaller than any of a later one.
        """
        stretches = 3 * len(texts)
        found = feature_keys(hash_syllables(texts), self.openings)
        stretch = found.document
        paired, opened = len(found.at[0]), len(found.at[0]) + len(found.at[1])
        stretch[paired:opened] += np.uint32(len(texts))
        stretch[opened:] += np.uint32(2 * len(texts))
        rows, known = self.find(found.keys)
        codes = (stretch << np.uint32(ROW_BITS) | rows)[known]
        codes[np.count_nonzero(known[:opened]) :].sort()
        marks = np.arange(stretches + 1, dtype=np.uint32) << np.uint32(ROW_BITS)
        for start, end in pairwise(np.searchsorted(codes, marks[: 2 * len(texts) + 1]).tolist()):
            codes[start:end].sort()
        fresh = np.ones(len(codes), np.bool_)
        np.not_equal(codes[1:], codes[:-1], out=fresh[1:])
        first = np.flatnonzero(fresh)
        counts = np.diff(first, append=len(codes))
        codes = codes.take(first)
        places = (codes & np.uint32(MAX_ROWS)).astype(np.int32)
        borders = np.searchsorted(codes, marks)
        values = (1 + np.log(counts.astype(np.float32))) * self.idf.take(places)
        squares = np.concatenate(([0], np.cumsum(values * values, dtype=np.float64)))[borders]
        lengths = np.sqrt(np.diff(squares).reshape(3, -1).sum(axis=0)).astype(np.float32)
        return Features(places, values, borders.astype(np.int32), np.where(lengths > 0, lengths, np.float32(1)))


class Classifier(Model[Document, TextOptions, Labels]):
    """A linear text classifier; its labels are the training data's own strings."""

    tasks: ClassVar[tuple[str, ...]] = ("topics", "classify")

    def __init__(self, config: dict[str, Any], weights: Weights) -> None:
        """`config` holds `labels`, `labels_vi`, `abstain_below`, its reason and sample texts; see `save`.

        `openings`, where it stands, names the openings that count once more. Raises IntegrityError when shapes do not
        agree.
        """
        self._config, self._stored = config, weights
        self.labels: list[str] = list(config["labels"])
        self._abstain_below = float(config["abstain_below"])
        rows, classes = len(weights.keys), len(self.labels)
        shapes = {"idf": (rows,), "weights": (rows, classes), "steps": (rows,), "bias": (classes,)}
        if any(getattr(weights, name).shape != shape for name, shape in shapes.items()) or not classes:
            raise _malformed("shapes do not agree")
        self._table = FeatureTable(weights.keys, weights.idf.astype(np.float32), config.get("openings", ()))
        dense = weights.weights.astype(np.float32) * weights.steps.astype(np.float32)[:, None] * weights.scale
        self._dense = np.vstack([dense, np.zeros((1, classes), np.float32)])
        self._base = (weights.bias.astype(np.float64) * weights.scale + weights.shift).astype(np.float64)

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        try:
            weights = Weights(**artifact.tensors(WEIGHTS))
            return cls(dict(artifact.config), weights)
        except (TypeError, KeyError, ValueError) as error:
            raise _malformed("a part is missing") from error

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the weights into `folder`; return the configuration for the manifest."""
        names = ("keys", "idf", "weights", "steps", "bias", "scale", "shift")
        write_tensors(folder / WEIGHTS, {name: np.ascontiguousarray(getattr(self._stored, name)) for name in names})
        return self._config

    def samples(self) -> tuple[Sequence[Document], TextOptions]:
        """The configuration's sample texts."""
        return [Document(str(i), text) for i, text in enumerate(self._config["samples"])], TextOptions()

    def prepare(self, items: Sequence[Document], options: TextOptions) -> _Batch:
        """Sort out what is too long; an item that cannot be used is carried along as its error."""
        failed: dict[int, PlatformError] = {
            i: _too_long()
            for i, item in enumerate(items)
            if len(item.text) > MAX_DOCUMENT_UNITS // 2 and units_in(item.text) > MAX_DOCUMENT_UNITS
        }
        return _Batch(["" if i in failed else item.text for i, item in enumerate(items)], failed, options.explain)

    def compute(self, prepared: _Batch) -> _Scored:
        """Logits, probabilities and explanations, chunk by chunk so that arrays stay in the cache."""
        logits = np.empty((len(prepared.texts), len(self.labels)))
        for start, end in _chunks(prepared.texts):
            logits[start:end] = self._logits(prepared.texts[start:end])
        odds = np.exp(logits - logits.max(axis=1, initial=-np.inf, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        explanations: list[Explanation | None] = [None] * len(prepared.texts)
        if prepared.explain:
            explanations = [
                self._explain(t, int(p.argmax())) for t, p in zip(prepared.texts, probabilities, strict=True)
            ]
        return _Scored(probabilities, explanations, prepared.failed)

    def finish(self, computed: _Scored) -> list[Labels | PlatformError]:
        """All classes by falling probability; equal ones in the order of the labels."""
        order = np.argsort(-computed.probabilities, axis=1, kind="stable")
        ranked = np.take_along_axis(computed.probabilities, order, axis=1)
        outputs: list[Labels | PlatformError] = []
        for i, (places, values) in enumerate(zip(order.tolist(), ranked.tolist(), strict=True)):
            if i in computed.failed:
                outputs.append(computed.failed[i])
                continue
            labels = list(zip([self.labels[k] for k in places], values, strict=True))
            outputs.append(Labels(labels, values[0] < self._abstain_below, computed.explanations[i]))
        return outputs

    def _logits(self, texts: Sequence[str]) -> Floats:
        found = self._table.features(texts)
        scores = found.matrix(len(self._dense)) @ self._dense
        scores = scores.reshape(3, len(texts), -1).sum(axis=0) / found.lengths[:, None]
        return np.asarray(scores + self._base, np.float64)

    def _explain(self, text: str, target: int) -> Explanation:
        """Exact parts of the target's logit, those of the heaviest stretches one by one, each at its first place."""
        syllables = hash_syllables([text])
        keys, _, at = feature_keys(syllables, self._table.openings)
        rows, known = self._table.find(keys)
        places = np.concatenate([2 * where + kind % 2 for kind, where in enumerate(at)])[known]
        unique, first = np.unique(rows[known], return_index=True)
        found = self._table.features([text])
        parts = found.values.astype(np.float64) * self._dense[found.rows, target] / float(found.lengths[0])
        told, of = np.unique(places[first[np.searchsorted(unique, found.rows)]], return_inverse=True)
        sums = np.bincount(of, parts, len(told))
        heavy = np.argsort(-np.abs(sums), kind="stable")[:SHOWN_CONTRIBUTIONS]
        origin, contributions = origins(text), []
        for i in heavy[sums[heavy] != 0].tolist():
            begin, more = divmod(int(told[i]), 2)
            span = origin[syllables.starts[begin]], origin[syllables.ends[begin + more]]
            contributions.append(Contribution(text[span[0] : span[1]], span, float(sums[i])))
        base, shown = float(self._base[target]), sum(c.value for c in contributions)
        total = float(parts.sum())
        return Explanation(self.labels[target], base, contributions, total - shown, base + total)


def _chunks(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of documents of about CHUNK_UNITS units, never more than the hash can take."""
    chunks, start, units = [], 0, 0
    for i, text in enumerate(texts):
        size = 2 * len(text) + 1
        if i > start and (units + size > min(2 * CHUNK_UNITS, MAX_UNITS) or i - start == CHUNK_DOCUMENTS):
            chunks.append((start, i))
            start, units = i, 0
        units += size
    return [*chunks, (start, len(texts))] if texts else []


def _too_long() -> PlatformError:
    return InvalidInputError(
        "Văn bản quá dài để phân loại; hãy chia nhỏ.",
        "The text is too long to classify; divide it.",
        code="text-too-long",
    )


def _malformed(why: str) -> PlatformError:
    return IntegrityError("Trọng số của bộ phân loại không hợp lệ.", f"The classifier's weights are malformed: {why}.")
