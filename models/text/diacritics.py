"""Diacritics restored by a log-linear choice among the written forms of each bare syllable.

Method: each form of a bare syllable gets the sum of the weights of its contexts, and the highest sum wins. Contexts are
runs and pairs of *bare* words up to four places away, known as a whole before anything is decided, so that all
syllables are decided at once, without a search. Short contexts have a weight for every form (*dense*, hashed as in
Weinberger et al. 2009); long ones, which are many and nearly always followed by one form, cast a *vote* for the form
that training saw most in them. All weights are trained together on the log loss (Duchi et al. 2011). A sentence takes
some 300 µs, a long text 5 µs a syllable.

Decision: what the sender already marked stays as sent, and only runs of plain ASCII letters are ever replaced;
numbers, addresses, words with digits, other scripts and all white space go through untouched. A form has the letters
of the original underneath, one for one, so the case of each letter is kept.

Decision: a vote is two bytes in a hashed place: eight bits prove the context (an unknown one that lands there counts
nothing in 255 of 256 cases), four name the form, four a strength. The whole model stays below 16 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact, write_tensors
from models.contract import Model
from models.errors import IntegrityError, PlatformError
from models.text.hashing import Hashes, Indices, mix
from models.text.spelling import MAX_FORMS, REACH, Encoded, Encoder, Lexicon, cased, pieces
from models.values import Document, Restoration, TextOptions

WEIGHTS, WORDS = "weights.safetensors", "words.json"
CHUNK_PLACES = 4096
CAPITAL_REACH = 1
STRENGTHS = 16

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Signed = npt.NDArray[np.int8]
Template = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """The trained numbers.

    `dense[place + form] · step[0]` weighs a form in a short context; `proof`, `vote` (form in the upper, strength in
    the lower four bits) hold the long contexts, `strengths` what the sixteen strengths mean.
    """

    dense: Signed
    step: Singles
    proof: Bytes
    vote: Bytes
    strengths: Singles


class Contexts:
    """Hashes of the contexts of places: one row a template.

    A template names its parts: `w-1` is the word one place to the left, `c0` the capitals of the syllable itself.
    """

    def __init__(self, templates: Sequence[Template]) -> None:
        """Raises IntegrityError for a part that is out of reach."""
        rows = [f"w{o}" for o in range(-REACH, REACH + 1)] + [f"c{o}" for o in range(-CAPITAL_REACH, CAPITAL_REACH + 1)]
        nothing = len(rows)
        width = max((len(template) for template in templates), default=0)
        try:
            parts = [[rows.index(part) for part in template] for template in templates]
        except ValueError as error:
            raise _malformed("a template reaches too far") from error
        self._parts = np.array([p + [nothing] * (width - len(p)) for p in parts], np.int64)
        self._salt = mix(np.arange(len(parts)) + 7)[:, None]
        self._factors = mix(np.arange(len(rows)) + 1009)[:, None] | np.uint64(1)

    def hashes(self, words: Hashes, capitals: Hashes, places: Indices, only: slice = slice(None)) -> Hashes:
        """Shape (templates, places); `words` are hashes of words, `capitals` 0 to 2, both for every place.

        `only` picks templates.
        """
        parts = self._parts[only]
        near = np.arange(-REACH, REACH + 1)[:, None] + places
        close = np.arange(-CAPITAL_REACH, CAPITAL_REACH + 1)[:, None] + places
        rows = np.concatenate((words[near], capitals[close])) * self._factors
        rows = np.concatenate((rows, np.zeros((1, len(places)), np.uint64)))
        summed = rows[parts[:, 0]] + self._salt[only]
        for column in range(1, parts.shape[1]):
            summed += rows[parts[:, column]]
        return mix(summed)


def place_of(hashes: Hashes, size: int) -> Indices:
    """Place in a table of that size: the upper 32 bits, scaled."""
    return ((hashes >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def proof_of(hashes: Hashes) -> Bytes:
    """Eight bits that the place does not depend on."""
    return (hashes >> np.uint64(8)).astype(np.uint8)


def spread(counts: Indices) -> tuple[Indices, Indices, Indices]:
    """For stretches of these lengths laid end to end: start of each, stretch of each element, number within it."""
    starts = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(counts)), counts)
    return starts, owner, np.arange(len(owner)) - starts[owner]


@dataclass(frozen=True, slots=True)
class _Prepared:
    pieces: list[list[str]]
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class _Chosen:
    pieces: list[list[str]]
    encoded: Encoded
    forms: list[int]


class Restorer(Model[Document, TextOptions, Restoration]):
    """Restores the diacritics of Vietnamese text typed without them."""

    tasks: ClassVar[tuple[str, ...]] = ("diacritics",)

    def __init__(self, config: dict[str, Any], lexicon: Lexicon, tables: Tables) -> None:
        """`config` holds the templates, `dense` and `votes`, and sample texts. Raises IntegrityError on bad shapes."""
        self._config, self._lexicon, self._tables = config, lexicon, tables
        dense = [tuple(t) for t in config["dense"]]
        self._dense = len(dense)
        self._contexts = Contexts([*dense, *(tuple(t) for t in config["votes"])])
        self._encoder = Encoder(lexicon)
        self._words = mix(np.arange(lexicon.contexts))
        if len(tables.proof) != len(tables.vote) or len(tables.dense) <= MAX_FORMS or not len(tables.proof):
            raise _malformed("shapes do not agree")
        if tables.strengths.shape != (STRENGTHS,) or tables.step.shape != (1,):
            raise _malformed("shapes do not agree")

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        try:
            words = artifact.document(WORDS)
            return cls(
                dict(artifact.config), Lexicon(words["forms"], words["words"]), Tables(**artifact.tensors(WEIGHTS))
            )
        except (TypeError, KeyError, ValueError) as error:
            raise _malformed("a part is missing") from error

    def save(self, folder: Path) -> dict[str, Any]:
        """Write tables and words into `folder`; return the configuration for the manifest."""
        write_tensors(
            folder / WEIGHTS, {f.name: np.ascontiguousarray(getattr(self._tables, f.name)) for f in fields(Tables)}
        )
        (folder / WORDS).write_text(self._lexicon.json(), encoding="utf-8")
        return self._config

    def samples(self) -> tuple[Sequence[Document], TextOptions]:
        """The configuration's sample sentences."""
        return [Document(str(i), text) for i, text in enumerate(self._config["samples"])], TextOptions()

    def prepare(self, items: Sequence[Document], options: TextOptions) -> _Prepared:
        """Cut into pieces and look each one up."""
        cut = [pieces(item.text) for item in items]
        return _Prepared(cut, self._encoder.encode(cut))

    def compute(self, prepared: _Prepared) -> _Chosen:
        """Choose a form for every place, chunk by chunk so that arrays stay small."""
        encoded = prepared.encoded
        words, capitals = self._words[encoded.context], encoded.capitals.astype(np.uint64)
        forms: list[int] = []
        for start in range(0, len(encoded.places), CHUNK_PLACES):
            chunk = slice(start, start + CHUNK_PLACES)
            hashes = self._contexts.hashes(words, capitals, encoded.places[chunk])
            forms += (encoded.first[chunk] + self._best(hashes, encoded.count[chunk])).tolist()
        return _Chosen(prepared.pieces, encoded, forms)

    def finish(self, computed: _Chosen) -> list[Restoration | PlatformError]:
        """Put the forms in place of the bare syllables, letter case as sent."""
        texts = [list(parts) for parts in computed.pieces]
        flat = self._lexicon.flat
        for (text, index), form in zip(computed.encoded.pieces, computed.forms, strict=True):
            texts[text][index] = cased(flat[form], texts[text][index])
        return [Restoration("".join(parts)) for parts in texts]

    def _best(self, hashes: Hashes, counts: Indices) -> Indices:
        """The best form of each place; the more frequent one among equals."""
        starts, owner, form = spread(counts)
        scores = self._scores(hashes, counts, starts, owner, form)
        best = np.flatnonzero(scores == np.maximum.reduceat(scores, starts)[owner])
        _, first = np.unique(owner[best], return_index=True)
        return form[best[first]]

    def _scores(self, hashes: Hashes, counts: Indices, starts: Indices, owner: Indices, form: Indices) -> Singles:
        tables = self._tables
        dense = place_of(hashes[: self._dense], len(tables.dense) - MAX_FORMS)
        scores = tables.dense[dense[:, owner] + form].sum(axis=0, dtype=np.int32) * tables.step[0]
        votes = hashes[self._dense :]
        at = place_of(votes, len(tables.proof))
        template, place = np.nonzero(tables.proof[at] == proof_of(votes))
        vote = tables.vote[at[template, place]]
        voted = (vote >> np.uint8(4)).astype(np.int64)
        valid = voted < counts[place]
        target = starts[place[valid]] + voted[valid]
        strength = tables.strengths[vote[valid] & np.uint8(STRENGTHS - 1)]
        return np.asarray(scores + np.bincount(target, strength, minlength=len(scores)), np.float32)


def _malformed(why: str) -> PlatformError:
    return IntegrityError(
        "Trọng số của bộ khôi phục dấu không hợp lệ.", f"The restorer's weights are malformed: {why}."
    )
