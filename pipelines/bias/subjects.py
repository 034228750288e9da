"""Language models under test, seen alike: cases with a known answer, what is right in them, and sentences with a place.

Decision: whatever a model does, its answer to a case is two numbers, what is right and out of how much (1 of 1 for a
label, syllables for marks, twice the hits over gold and said for words), so that one set of tests serves all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.contract import Model
from models.errors import Note, PlatformError
from models.scores.anomaly import Bools
from models.scores.text import span_counts, syllable_counts, word_spans
from models.text.script import normalise_tone, strip_diacritics
from models.values import Document, Floats, Labels, Restoration, Segmentation, TextOptions
from pipelines.bias.lists import Template

Change = Callable[[str], str]


def unchanged(text: str) -> str:
    """No disturbance."""
    return text


@dataclass(frozen=True, slots=True)
class Case:
    """A text with its answer: a label, or words; `source` is where it comes from (newspaper, law)."""

    text: str
    gold: Any
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model makes of templates filled with one phrase.

    `answers` are compared between phrases: the label, or everything outside the place. `kept` tells where the phrase
    itself came back whole; `sure` is the probability of each label, shape (templates, labels).
    """

    answers: list[Hashable]
    kept: Bools | None = None
    sure: Floats | None = None
    abstained: Bools | None = None


class Subject(Protocol):
    """A language model with its cases.

    `whole` tells that a case is right or wrong as one, `labels` what it may answer (empty for other than classes).
    """

    metric: str
    title: Note
    whole: bool
    cases: Sequence[Case]
    labels: Sequence[str]

    def counts(self, cases: Sequence[Case], typed: Change = unchanged) -> Floats:
        """Right and out of how much, for each case as typed; shape (cases, 2)."""

    def read(self, templates: Sequence[Template], phrase: str) -> Reading:
        """The answers to templates with that phrase in their place."""


def answers_of(model: Model[Any, Any, Any], texts: Sequence[str]) -> list[Any]:
    """Outputs in order. Raises the error of the first text that failed."""
    outputs = model.predict([Document(str(at), text) for at, text in enumerate(texts)], TextOptions())
    for output in outputs:
        if isinstance(output, PlatformError):
            raise output
    return outputs


class Topics:
    """A classifier of whole texts."""

    metric, whole = "accuracy", True
    title = Note("độ chính xác", "accuracy")

    def __init__(self, model: Model[Any, Any, Any], cases: Sequence[Case]) -> None:
        """Keep the model and its cases; a case's gold is its label."""
        self._model = model
        self.cases = cases
        first: Labels = answers_of(model, ["."])[0]
        self.labels: Sequence[str] = sorted(label for label, _ in first.labels)

    def answers(self, texts: Sequence[str]) -> list[Labels]:
        """All labels of each text."""
        return answers_of(self._model, texts)

    def sure(self, answers: Sequence[Labels]) -> Floats:
        """Probabilities in the order of `labels`; shape (texts, labels)."""
        tables = [dict(one.labels) for one in answers]
        return np.array([[table.get(label, 0.0) for label in self.labels] for table in tables]).reshape(
            -1, len(self.labels)
        )

    def counts(self, cases: Sequence[Case], typed: Change = unchanged) -> Floats:
        """1 of 1 for the right label first."""
        said = self.answers([typed(case.text) for case in cases])
        right = [one.labels[0][0] == case.gold for one, case in zip(said, cases, strict=True)]
        return np.column_stack([np.array(right, np.float64), np.ones(len(cases))])

    def read(self, templates: Sequence[Template], phrase: str) -> Reading:
        """The first label of each sentence."""
        said = self.answers([one.fill(phrase)[0] for one in templates])
        abstained = np.array([one.abstained for one in said])
        return Reading([one.labels[0][0] for one in said], sure=self.sure(said), abstained=abstained)


class Segments:
    """A segmenter: words of treebank sentences."""

    metric, whole = "word_f1", False
    labels: Sequence[str] = ()
    title = Note("F1 tách từ", "word F1")

    def __init__(self, model: Model[Any, Any, Any], cases: Sequence[Case]) -> None:
        """Keep the model and its cases; a case's gold is its words."""
        self._model = model
        self.cases = cases

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text."""
        said: list[Segmentation] = answers_of(self._model, texts)
        return [[text[a:b] for a, b in one.tokens] for text, one in zip(texts, said, strict=True)]

    def counts(self, cases: Sequence[Case], typed: Change = unchanged) -> Floats:
        """Twice the words found over gold and said words."""
        gold = [[typed(word) for word in case.gold] for case in cases]
        said = self.words([" ".join(words) for words in gold])
        found = span_counts([word_spans(words) for words in gold], [word_spans(words) for words in said])
        return np.column_stack([2 * found[:, 0], found[:, 1] + found[:, 2]])

    def read(self, templates: Sequence[Template], phrase: str) -> Reading:
        """The borders of words outside the place; of a name (capitals after *người*) whether it is one word."""
        filled = [one.fill(phrase) for one in templates]
        said: list[Segmentation] = answers_of(self._model, [text for text, _ in filled])
        name = phrase.removeprefix("người ")
        outside, kept = [], []
        for one, (_, at) in zip(said, filled, strict=True):
            end = at + len(phrase)
            borders = {border for token in one.tokens for border in token}
            outside.append(tuple(b if b < at else b - len(phrase) for b in sorted(borders) if b < at or b > end))
            kept.append((end - len(name), end) in one.tokens)
        return Reading(list(outside), np.array(kept) if name[:1].isupper() else None)


class Restorations:
    """A restorer of diacritics: every case is typed without marks."""

    metric, whole = "syllable_accuracy", False
    labels: Sequence[str] = ()
    title = Note("âm tiết phục hồi đúng", "syllables restored")

    def __init__(self, model: Model[Any, Any, Any], cases: Sequence[Case]) -> None:
        """Keep the model and its cases; a case's gold is its text."""
        self._model = model
        self.cases = cases

    def restored(self, texts: Sequence[str]) -> list[str]:
        """Texts with their marks, tone placement as in the gold."""
        said: list[Restoration] = answers_of(self._model, texts)
        return [normalise_tone(one.text) for one in said]

    def counts(self, cases: Sequence[Case], typed: Change = unchanged) -> Floats:
        """Syllables restored; marks that the disturbance leaves are typed, else all are stripped."""
        gold = [normalise_tone(typed(case.text)) for case in cases]
        return syllable_counts(gold, self.restored([strip_diacritics(text) for text in gold]))

    def read(self, templates: Sequence[Template], phrase: str) -> Reading:
        """What is restored outside the place, and whether the phrase came back as it was."""
        filled = [one.fill(phrase) for one in templates]
        said = self.restored([strip_diacritics(text) for text, _ in filled])
        outside, kept = [], []
        for text, (gold, at) in zip(said, filled, strict=True):
            whole = unicodedata.normalize("NFC", gold)
            end = at + len(unicodedata.normalize("NFC", phrase))
            outside.append((text[:at], text[end:]) if len(text) == len(whole) else (text, ""))
            kept.append(len(text) == len(whole) and text[at:end] == normalise_tone(whole[at:end]))
        return Reading(list(outside), np.array(kept))
