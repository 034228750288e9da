"""Marked text as examples for the restorer: what a plain keyboard would have typed, and what was meant.

News (VNTC), law by article and Wikipedia, each normalised to one tone placement, the traditional one, which news and
official texts use in three quarters and more of the cases. Kept aside: the tenth of the news that no model learns from,
and a fortieth of the law, chosen by the decree an article belongs to, so that no decree is on both sides.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice

import numpy as np

from models.text.script import normalise_tone, strip_diacritics
from models.text.spelling import MAX_FORMS, Encoder, Lexicon, pieces
from pipelines.datasets import Datasets
from pipelines.training import news
from pipelines.training.restoring import Examples

LAW_FILE = "text/law_phapdien/articles.jsonl.xz"
LAW_TRAINING, LAW_HELD_BACK = f"{LAW_FILE}#training", f"{LAW_FILE}#held-back-decrees"
WIKI = "text/wiki_vi/docs.jsonl.xz"
HELD_BACK_OF_256 = 6
FORM_SEEN, FORM_SHARE, WORD_SEEN = 3, 3e-5, 10
CHUNK_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts to learn from and texts kept aside."""

    training: list[str]
    news_held_back: list[str]
    law_held_back: list[str]


def read(data: Datasets, *, law_share: int, wiki_share: int, quick: bool) -> Texts:
    """All news, one of `law_share` articles of the law, one of `wiki_share` pages; `quick` takes a part of each."""
    papers = news.articles(data, quick=quick)
    law = list(_law(data, quick))
    wiki = [json.loads(line)["text"] for line in islice(data.lines(WIKI), 0, 40 if quick else None, wiki_share)]
    training = [a.text for a in papers if not a.held_back]
    training += [text for text, held in law if not held][::law_share] + wiki
    if quick:
        training = training[::4]
    return Texts(training, [a.text for a in papers if a.held_back], [text for text, held in law if held])


def _law(data: Datasets, quick: bool) -> Iterator[tuple[str, bool]]:
    for line in islice(data.lines(LAW_FILE), None, None, 40 if quick else 1):
        row = json.loads(line)
        key = row["source"] or row["code"]
        yield f"{row['title']}.\n{row['body']}", hashlib.sha256(key.encode()).digest()[0] < HELD_BACK_OF_256


@cache
def decrees(data: Datasets, *, quick: bool) -> list[str]:
    """The held-back decrees alone."""
    return [text for text, held in _law(data, quick) if held]


def _bare(piece: str) -> str:
    """Without marks; a mark that stands alone is itself."""
    return strip_diacritics(piece) or piece


def lexicon(texts: Iterable[str]) -> Lexicon:
    """Forms and context words that are frequent enough, most frequent first."""
    counts = Counter(chain.from_iterable(pieces(normalise_tone(text).lower()) for text in texts))
    groups: dict[str, list[tuple[int, str]]] = {}
    words: Counter[str] = Counter()
    for piece, count in counts.items():
        bare = _bare(piece)
        if piece.isspace() or piece[0].isdigit():
            continue
        words[bare] += count
        if bare.isascii() and bare.isalpha() and _vietnamese(piece):
            groups.setdefault(bare, []).append((count, piece))
    forms = {}
    for bare, found in groups.items():
        least = max(FORM_SEEN, FORM_SHARE * sum(count for count, _ in found))
        kept = sorted(((c, p) for c, p in found if c >= least), key=lambda pair: (-pair[0], pair[1]))[:MAX_FORMS]
        if kept and [p for _, p in kept] != [bare]:
            forms[bare] = [piece for _, piece in kept]
    others = [word for word, count in words.most_common() if count >= WORD_SEEN and word not in forms]
    return Lexicon(dict(sorted(forms.items())), others)


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzàáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ")


def _vietnamese(piece: str) -> bool:
    return _LETTERS.issuperset(piece)


def examples(texts: Sequence[str], lexicon: Lexicon) -> Examples:
    """Encode texts as if typed without marks, with the form that was meant at every place."""
    encoder, ranks = Encoder(lexicon), lexicon.ranks()
    columns: list[tuple[np.ndarray, ...]] = []
    offset = 0
    for start in range(0, len(texts), CHUNK_TEXTS):
        marked = [pieces(normalise_tone(text)) for text in texts[start : start + CHUNK_TEXTS]]
        encoded = encoder.encode([list(map(_bare, parts)) for parts in marked])
        gold = np.array([ranks.get(marked[text][index].lower(), -1) for text, index in encoded.pieces], np.int64)
        keep = (gold >= 0) & (encoded.count > 1)
        columns.append(
            (
                encoded.context.astype(np.int32),
                encoded.capitals.astype(np.int8),
                (encoded.places[keep] + offset).astype(np.int32),
                encoded.count[keep].astype(np.int8),
                gold[keep].astype(np.int8),
            )
        )
        offset += len(encoded.context)
    return Examples(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def sentences(texts: Sequence[str], seed: int, most: int | None = None) -> list[str]:
    """One sentence of 6 to 60 words of each text, chosen at random, white space squeezed; `most` spread over all.

    The same rule as the acceptance scorer's: a text is cut at ". ", lines count as spaces.
    """
    random, found = np.random.default_rng(seed), []
    for text in texts:
        parts = [part.strip() for part in text.replace("\n", " ").split(". ") if 6 <= len(part.split()) <= 60]
        if parts:
            found.append(" ".join(parts[int(random.integers(len(parts)))].split()))
    return found[:: max(1, -(-len(found) // most))] if most else found
