"""Sentences of a treebank, for training, evaluation and bias reports."""

from __future__ import annotations

from collections.abc import Iterable


def treebank(lines: Iterable[str]) -> list[list[str]]:
    """Sentences of a CoNLL-U file as lists of word forms; ranges and empty nodes are left out."""
    sentences: list[list[str]] = []
    words: list[str] = []
    for line in lines:
        columns = line.split("\t")
        if len(columns) == 10 and columns[0].isdigit():
            words.append(columns[1])
        elif not line and words:
            sentences.append(words)
            words = []
    return [*sentences, words] if words else sentences
