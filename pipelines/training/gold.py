"""Treebank sentences as texts with the truth of their gaps, and the sentences of running text beside a teacher's.

A gap is the place between two neighbouring atoms of a text; its target is the probability that it lies inside a word.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pyvi.ViTokenizer import ViTokenizer

from models.text.script import ATOM, fold

Floats = npt.NDArray[np.float32]
# Texts with fewer gaps teach nothing that longer ones do not.
SHORTEST_TAUGHT = 3


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the targets of the gaps between its atoms, in order; shape (atoms - 1,)."""

    text: str
    targets: Floats


def atoms_of(text: str) -> list[str]:
    """Atoms without the white space between."""
    return [piece for piece in ATOM.findall(text) if not piece.isspace()]


def labelled(words: Sequence[str]) -> Labelled:
    """A treebank sentence, words divided by spaces, as evaluation sends it."""
    ends, at = set(), 0
    for word in words:
        at += len("".join(word.split()))
        ends.add(at)
    text, targets, at = " ".join(words), [], 0
    for atom in atoms_of(text)[:-1]:
        at += len(atom)
        targets.append(0.0 if at in ends else 1.0)
    return Labelled(text, np.array(targets, np.float32))


def words_of(item: Labelled) -> list[str]:
    """Words of a text as its targets cut it, white space inside words as one space."""
    atoms = atoms_of(item.text)
    words = atoms[:1]
    for atom, target in zip(atoms[1:], item.targets.tolist(), strict=True):
        if target > 0.5:
            words[-1] += f" {atom}"
        else:
            words.append(atom)
    return words


def taught(texts: Iterable[str]) -> Iterator[Labelled]:
    """Texts with the teacher's probabilities: pyvi's conditional random field (MIT) over our atoms.

    The teacher's own rules stand: no word crosses a mark or number, or goes from a small letter to a capital.
    """
    model = ViTokenizer.model
    for text in texts:
        atoms = atoms_of(text)
        if len(atoms) <= SHORTEST_TAUGHT:
            continue
        inside = model.predict_marginals_single(ViTokenizer.sent2features(atoms, False))
        targets = [
            0.0 if _barred(left, right) else inside[i].get("I_W", 0.0)
            for i, (left, right) in enumerate(pairwise(atoms), 1)
        ]
        yield Labelled(text, np.array(targets, np.float32))


def _barred(left: str, right: str) -> bool:
    return (
        left in string.punctuation or right in string.punctuation or left[0].isdigit() or right[0].isdigit()
        or (right[0].istitle() and not left[0].istitle())
    )  # fmt: skip


def recased(items: Sequence[Labelled], seed: int, small: float, capital: float) -> list[Labelled]:
    """Copies of a share of the items in small letters, and of another share in capitals, where the cut stays."""
    drawn, copies = random.Random(seed), []  # noqa: S311
    for item in items:
        draw = drawn.random()
        if draw < small + capital:
            text = item.text.lower() if draw < small else item.text.upper()
            if len(atoms_of(text)) == len(item.targets) + 1:
                copies.append(Labelled(text, item.targets))
    return copies


def frequent_words(items: Iterable[Labelled], least: int) -> set[str]:
    """Folded words of two to four syllables that the targets join at least so often."""
    counts: Counter[str] = Counter()
    for item in items:
        joined = item.targets > 0.5
        if not joined.any():
            continue
        atoms = atoms_of(item.text)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], joined, [False])).astype(np.int8)))
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if last - first <= 3:
                counts[" ".join(map(fold, atoms[first : last + 1]))] += 1
    return {word for word, count in counts.items() if count >= least}


def frequent_forms(items: Iterable[Labelled], most: int) -> list[str]:
    """The surface forms met most often, most frequent first."""
    counts: Counter[str] = Counter()
    for item in items:
        counts.update(atoms_of(item.text))
    return [form for form, _ in counts.most_common(most)]
