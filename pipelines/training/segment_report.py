"""Measure vi-segment: words, sentences and speed, beside what needs no training and beside its teacher."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from statistics import median
from typing import Any

import numpy as np
from pyvi.ViTokenizer import ViTokenizer

from models.contract import Model
from models.scores.text import bootstrap, f1, span_counts, word_spans
from models.values import Document, Segmentation, TextOptions
from pipelines.recipes import Metric
from pipelines.training.words import longest_match

SENTENCES_A_TEXT = 10
ROUNDS = 5
COPIES = 4
Splitter = Callable[[Sequence[str]], list[list[str]]]


def report(
    model: Model[Any, Any, Any], sentences: Sequence[Sequence[str]], known: AbstractSet[str], dataset: str
) -> list[Metric]:
    """Rows of the evaluation. `sentences` are lists of gold words; `known` is the word list of longest matching."""
    texts = [" ".join(words) for words in sentences]
    splitters: list[tuple[str | None, Splitter]] = [
        (None, lambda batch: segment(model, batch)),
        ("every syllable a word", lambda batch: [text.split() for text in batch]),
        ("longest matching", lambda batch: [longest_match(text, known) for text in batch]),
        ("pyvi 0.1", lambda batch: [ViTokenizer.tokenize(text).split() for text in batch]),
    ]
    rows = []
    for name, splitter in splitters:
        rows += _words(sentences, splitter(texts), dataset, name)
    rows.append(_speed(lambda batch: _predict(model, batch), texts, dataset, None))
    rows.append(_speed(splitters[-1][1], texts, dataset, splitters[-1][0]))
    return [*rows, _sentences(model, texts, dataset), _single(model, texts, dataset)]


def segment(model: Model[Any, Any, Any], texts: Sequence[str]) -> list[list[str]]:
    """The words of each text."""
    answers = _predict(model, texts)
    return [[text[a:b] for a, b in answer.tokens] for text, answer in zip(texts, answers, strict=True)]


def _predict(model: Model[Any, Any, Any], texts: Sequence[str]) -> list[Segmentation]:
    answers = model.predict([Document("", text) for text in texts], TextOptions())
    found = [answer for answer in answers if isinstance(answer, Segmentation)]
    if len(found) != len(texts):
        raise TypeError("a segmenter answers every text")
    return found


def _words(
    gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]], dataset: str, name: str | None
) -> list[Metric]:
    counts = span_counts([word_spans(words) for words in gold], [word_spans(words) for words in said])
    hits, right, found = counts.sum(0).tolist()
    return [
        Metric("word_f1", float(f1(counts.sum(0))), int(right), dataset, ci95=bootstrap(counts, f1), baseline=name),
        Metric("word_precision", hits / found, int(found), dataset, baseline=name),
        Metric("word_recall", hits / right, int(right), dataset, baseline=name),
    ]


def _speed(answer: Callable[[Sequence[str]], Any], texts: Sequence[str], dataset: str, name: str | None) -> Metric:
    """Syllables (stretches between white space) a second of this process's CPU time: the middle of some rounds.

    CPU time, so that what else runs on the machine does not show; all work is in one thread.
    """
    batch = list(texts) * (COPIES if name is None else 1)
    syllables = sum(len(text.split()) for text in batch)
    seconds = []
    for _ in range(ROUNDS if name is None else 1):
        started = time.process_time()
        answer(batch)
        seconds.append(time.process_time() - started)
    return Metric("syllables_per_second", syllables / median(seconds), syllables, dataset, baseline=name)


def _single(model: Model[Any, Any, Any], texts: Sequence[str], dataset: str) -> Metric:
    """Milliseconds for one sentence alone: the middle over the test sentences."""
    seconds = []
    for text in texts:
        started = time.perf_counter()
        _predict(model, [text])
        seconds.append(time.perf_counter() - started)
    return Metric("milliseconds_per_sentence", 1000 * median(seconds), len(texts), dataset)


def _sentences(model: Model[Any, Any, Any], texts: Sequence[str], dataset: str) -> Metric:
    """F1 of sentence spans where SENTENCES_A_TEXT test sentences are written behind each other in one line."""
    gold, joined = [], []
    for start in range(0, len(texts), SENTENCES_A_TEXT):
        part = texts[start : start + SENTENCES_A_TEXT]
        ends = np.cumsum([len(text) + 1 for text in part]) - 1
        gold.append({(end - len(text), end) for end, text in zip(ends.tolist(), part, strict=True)})
        joined.append(" ".join(part))
    counts = span_counts(gold, [set(answer.sentences) for answer in _predict(model, joined)])
    return Metric("sentence_f1", float(f1(counts.sum(0))), len(texts), dataset, ci95=bootstrap(counts, f1))
