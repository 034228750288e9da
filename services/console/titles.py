"""What people call a model: the card's name in both languages, remembered by the card's digest.

Decision: a list of a thousand models must not hash a thousand cards. The name is only shown here; the card's own page
holds every byte against the digest that was registered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models.errors import Note, PlatformError
from registry.canonical import read_document
from registry.card_values import value_of
from registry.entries import Entry
from registry.evidence import CARD

MOST: Final = 4096
LONGEST: Final = 160


class Titles:
    """Names by card, the latest few thousand. Safe for threads: the worst race reads a card twice."""

    def __init__(self) -> None:
        """Start with none known."""
        self._known: OrderedDict[str, Note] = OrderedDict()

    def of(self, entry: Entry) -> Note:
        """The name of a version; the technical one where its card has none."""
        found = self._known.get(entry.digests.card)
        if found is None:
            found = self._known[entry.digests.card] = _read(entry)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return found

    def warm(self, entries: Iterable[Entry]) -> None:
        """Read what is not known yet, so that the first search does not have to."""
        for entry in entries:
            self.of(entry)


def _read(entry: Entry) -> Note:
    try:
        card = read_document(Path(entry.folder) / CARD)
    except PlatformError:
        return Note(entry.name, entry.name)
    vi = value_of(card, "identity.name_vi")
    en = value_of(card, "identity.name_en")
    vi = vi if isinstance(vi, str) and vi.strip() else entry.name
    return Note(vi[:LONGEST], (en if isinstance(en, str) and en.strip() else vi)[:LONGEST])
