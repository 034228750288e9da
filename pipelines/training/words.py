"""The longest-match baseline of word segmentation: no weights, a word list alone."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from models.text.script import fold
from pipelines.training.gold import atoms_of

LONGEST = 4


def longest_match(text: str, words: AbstractSet[str]) -> list[str]:
    """Words of a text: from left to right, the longest run of atoms that the list of folded words holds."""
    atoms = atoms_of(text)
    folded = [fold(atom) for atom in atoms]
    found, at = [], 0
    while at < len(atoms):
        size = next((n for n in range(LONGEST, 1, -1) if " ".join(folded[at : at + n]) in words), 1)
        found.append(" ".join(atoms[at : at + size]))
        at += size
    return found
