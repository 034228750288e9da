"""The news corpus VNTC: its documents, and the tenth of them that no model is trained or chosen on.

Decision: the held-back part is fixed by the SHA-256 of a document's words (punctuation, case and white space aside),
so copies of a text fall on one side, the split needs no file of its own, and every model of the house that learns
from this corpus keeps the same part aside.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import islice

from models.text.script import strip_diacritics
from pipelines.datasets import Datasets

FILE = "nlp/vntc_10topics/train.jsonl.xz"
TRAINING, HELD_BACK = f"{FILE}#nine-tenths", f"{FILE}#held-back-tenth"
QUICK_DOCUMENTS = 4000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Article:
    """One article; `paper` is the newspaper's code in its id ("" where the id names none)."""

    label: str
    paper: str
    text: str
    held_back: bool


def is_held_back(text: str) -> bool:
    """Whether a text belongs to the held-back tenth."""
    words = " ".join(_WORD.findall(strip_diacritics(text).lower()))
    return int(hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest(), 16) % 10 == 0


def articles(data: Datasets, *, quick: bool = False) -> list[Article]:
    """All articles in the order of the file; `quick` takes a few thousand spread over the labels."""
    rows = [json.loads(line) for line in islice(data.lines(FILE), None, None, 8 if quick else 1)]
    if quick:
        rows = rows[:: max(1, len(rows) // QUICK_DOCUMENTS)]
    return [Article(row["label"], _paper(row["id"]), row["text"], is_held_back(row["text"])) for row in rows]


def _paper(id_: str) -> str:
    found = re.match(r"[A-Z]+_\s?([A-Z]+)", id_)
    return found[1] if found else ""
