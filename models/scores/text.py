"""Measures of the language models: word F1, accuracy, F1 by class, syllable accuracy, and their intervals.

Every function is pure and takes what was right beside what was said. Intervals are percentile bootstraps over the
independent units (sentences, documents), not over words, because words of one sentence err together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Span = tuple[int, ...]


def word_spans(words: Iterable[str]) -> set[tuple[int, int]]:
    """Spans of words counted over their characters that are neither white space nor underscore."""
    spans, at = set(), 0
    for word in words:
        end = at + sum(1 for char in word if char != "_" and not char.isspace())
        spans.add((at, end))
        at = end
    return spans


def span_counts(gold: Sequence[AbstractSet[Span]], predicted: Sequence[AbstractSet[Span]]) -> Floats:
    """Hits, gold spans and predicted spans of each sentence; shape (sentences, 3)."""
    pairs = zip(gold, predicted, strict=True)
    return np.array([(len(right & said), len(right), len(said)) for right, said in pairs], np.float64).reshape(-1, 3)


def f1(counts: Floats) -> Floats:
    """Micro F1 from summed hits, gold and predicted in the last axis; 1 where there is nothing to find or say."""
    hits, total = counts[..., 0], counts[..., 1] + counts[..., 2]
    return np.asarray(np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0), np.float64)


def ratio(counts: Floats) -> Floats:
    """First over second of the last axis: accuracy from (right, all)."""
    return np.asarray(counts[..., 0] / np.maximum(counts[..., 1], 1), np.float64)


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of equal labels."""
    return float(np.mean([right == said for right, said in zip(gold, predicted, strict=True)]))


def class_counts(gold: Sequence[str], predicted: Sequence[str]) -> tuple[list[str], Floats]:
    """The classes of `gold`, sorted, and hits, gold and predicted a document: shape (documents, classes, 3)."""
    classes = sorted(set(gold))
    right = np.array(gold)[:, None] == np.array(classes)
    said = np.array(predicted)[:, None] == np.array(classes)
    return classes, np.stack([right & said, right, said], axis=-1).astype(np.float64)


def f1_by_class(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """F1 of each class that occurs in `gold`."""
    classes, counts = class_counts(gold, predicted)
    return dict(zip(classes, f1(counts.sum(0)).tolist(), strict=True))


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 over the classes of `gold`, each counted alike."""
    return float(np.mean(list(f1_by_class(gold, predicted).values())))


def syllable_counts(gold: Sequence[str], predicted: Sequence[str]) -> Floats:
    """Syllables restored exactly (NFC), and all; shape (texts, 2). A changed number of syllables is all wrong."""
    counts = []
    for right, said in zip(gold, predicted, strict=True):
        want = unicodedata.normalize("NFC", right).split()
        have = unicodedata.normalize("NFC", said).split()
        same = sum(a == b for a, b in zip(want, have, strict=True)) if len(want) == len(have) else 0
        counts.append((same, len(want)))
    return np.array(counts, np.float64).reshape(-1, 2)


def syllable_accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of syllables restored exactly."""
    return float(ratio(syllable_counts(gold, predicted).sum(0)))


def bootstrap(
    counts: Floats, statistic: Callable[[Floats], Floats], *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of summed counts, units (first axis) drawn with replacement.

    `statistic` maps sums of shape (draws, …) to shape (draws,): `f1`, `ratio`, or a mean over classes of `f1`.
    """
    random, n = np.random.default_rng(seed), len(counts)
    flat = counts.reshape(n, -1)
    sums = np.empty((draws, flat.shape[1]))
    for start in range(0, draws, 50):
        size = min(50, draws - start)
        weights = random.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        sums[start : start + size] = weights @ flat
    low, high = np.quantile(statistic(sums.reshape(draws, *counts.shape[1:])), (0.025, 0.975))
    return float(low), float(high)
