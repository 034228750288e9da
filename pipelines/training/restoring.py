"""Training of the restorer's tables: which long contexts vote, and what every weight is worth.

Three steps. *Votes*: sort the hashes of every long template over all places; a context seen often enough votes for the
form that followed it most. *Fit*: AdaGrad on the log loss over dense weights and strengths together, places in shuffled
blocks; places already sure cost a look-up and no update. *Shrink*: add up by how much each vote lowered the loss, keep
the best that fit into the small table, and fit once more on the table as it will be served, so that weights make up for
what was dropped. All of it is numpy on one thread and repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.text.diacritics import STRENGTHS, Bytes, Contexts, Singles, Tables, place_of, proof_of, spread
from models.text.hashing import Hashes, Indices, mix
from models.text.spelling import MAX_FORMS

BATCH_PLACES, BLOCK_PLACES, SORT_PLACES = 8192, 512, 2_000_000
SURE = 0.02
MAJORITY = 0.5
DENSE_CLIP = 5.0
NO_FORM = 255
Ids = npt.NDArray[np.int32]
Ranks = npt.NDArray[np.int8]
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examples:
    """All places to learn from.

    `context` numbers and `capitals` of the running text, and for each of `places` the number of forms and the number
    of the one that was written.
    """

    context: Ids
    capitals: Ranks
    places: Ids
    counts: Ranks
    gold: Ranks


class Restoring:
    """One training run; `templates` are the dense ones, then the voting ones."""

    def __init__(
        self, examples: Examples, templates: Sequence[tuple[str, ...]], dense: int, words: int, dense_size: int
    ) -> None:
        """`dense` templates come first; `words` is the number of context numbers."""
        self._examples, self._contexts = examples, Contexts(templates)
        self._templates, self._dense = len(templates), dense
        self._hash = mix(np.arange(words))
        self.weights = np.zeros(dense_size + MAX_FORMS, np.float32)
        self._weights_seen = np.full(len(self.weights), 0.01, np.float32)
        self.proof: Bytes = np.zeros(0, np.uint8)
        self.form: Bytes = np.zeros(0, np.uint8)
        self.strength: Singles = np.zeros(0, np.float32)
        self._strength_seen: Singles = np.zeros(0, np.float32)

    def _hashes(self, chosen: Indices, only: slice = slice(None)) -> Hashes:
        """Contexts of a sample of places; the running text is narrowed to them first where they are neighbours."""
        examples = self._examples
        places = examples.places[chosen].astype(np.int64)
        near = np.arange(-4, 5)[:, None] + places
        words = self._hash[examples.context[near]]
        capitals = examples.capitals[near].astype(np.uint64)
        flat = np.arange(len(places), dtype=np.int64) * 9 + 4
        return self._contexts.hashes(
            np.ascontiguousarray(words.T).ravel(), np.ascontiguousarray(capitals.T).ravel(), flat, only
        )

    def collect_votes(self, size: int, least: int, log: Log) -> None:
        """Find the voting contexts, each seen at least `least` times; of two in one place the more frequent stays."""
        examples, seen = self._examples, np.zeros(size, np.int32)
        self.proof, self.form = np.zeros(size, np.uint8), np.full(size, NO_FORM, np.uint8)
        everything = np.arange(len(examples.places))
        for template in range(self._dense, self._templates):
            cuts = range(0, len(everything), SORT_PLACES)
            only = slice(template, template + 1)
            hashes = np.concatenate([self._hashes(everything[cut : cut + SORT_PLACES], only)[0] for cut in cuts])
            contexts, total, form = _majorities(hashes, examples.gold, least)
            at = place_of(contexts, size)
            order = _most_frequent(at, total)
            order = order[total[order] > seen[at[order]]]
            seen[at[order]], self.form[at[order]] = total[order], form[order]
            self.proof[at[order]] = proof_of(contexts[order])
        log(f"{np.count_nonzero(seen)} contexts vote, in {size} places")
        self._start_strengths(size)

    def _start_strengths(self, size: int) -> None:
        self.strength, self._strength_seen = np.zeros(size, np.float32), np.ones(size, np.float32)

    def fit(self, rate: float, seed: int, log: Log, *, weigh: bool = False) -> Singles:
        """One pass over all places; returns by how much each vote lowered the loss, if asked to `weigh` them."""
        count = len(self._examples.places)
        blocks = np.array_split(np.arange(count), max(1, count // BLOCK_PLACES))
        order = np.random.default_rng(seed).permutation(len(blocks))
        gains = np.zeros(len(self.strength) if weigh else 0, np.float32)
        loss, done, step = 0.0, 0, BATCH_PLACES // BLOCK_PLACES
        for start in range(0, len(order), step):
            chosen = np.concatenate([blocks[i] for i in order[start : start + step]])
            loss += self._update(chosen, rate, gains)
            done += len(chosen)
            if start // step % 800 == 799:
                log(f"{done / count:.0%}: log loss {loss / done:.4f} a syllable")
        log(f"pass done: log loss {loss / max(1, done):.4f} a syllable")
        return gains

    def _update(self, chosen: Indices, rate: float, gains: Singles) -> float:
        """One step on a batch; returns its summed log loss."""
        counts = self._examples.counts[chosen].astype(np.int64)
        starts, owner, form = spread(counts)
        hashes = self._hashes(chosen)
        dense = place_of(hashes[: self._dense], len(self.weights) - MAX_FORMS)[:, owner] + form
        voting = hashes[self._dense :]
        at = place_of(voting, len(self.proof))
        template, place = np.nonzero(self.proof[at] == proof_of(voting))
        slot = at[template, place]
        valid = self.form[slot] < counts[place]
        slot, target = slot[valid], starts[place[valid]] + self.form[slot[valid]]
        strength = self.strength[slot]
        scores = self.weights.take(dense).sum(axis=0) + np.bincount(target, strength, minlength=len(owner))
        scores -= np.maximum.reduceat(scores, starts)[owner]
        chance = np.exp(scores)
        chance /= np.add.reduceat(chance, starts)[owner]
        right = starts + self._examples.gold[chosen]
        loss = -np.log(np.maximum(chance[right], 1e-9)).sum()
        gold = np.zeros(len(owner), np.bool_)
        gold[right] = True
        if len(gains):
            without = np.log1p(chance[target] * np.expm1(-strength))
            np.add.at(gains, slot, np.where(gold[target], strength + without, without).astype(np.float32))
        error = (chance - gold).astype(np.float32)
        moved = np.flatnonzero(np.abs(error) > SURE)
        _adagrad(self.weights, self._weights_seen, dense[:, moved].ravel(), np.tile(error[moved], len(dense)), rate)
        pull = error[target]
        moved = np.flatnonzero(np.abs(pull) > SURE)
        _adagrad(self.strength, self._strength_seen, slot[moved], pull[moved], 1.5 * rate)
        return float(loss)

    def shrink(self, gains: Singles, size: int, log: Log) -> None:
        """Keep in each place of the smaller table the vote that gained most; sizes are powers of two."""
        each = len(self.proof) // size
        best = gains.reshape(size, each).argmax(axis=1) + np.arange(size) * each
        kept = gains[best] > 0
        log(f"{np.count_nonzero(kept)} votes kept, {gains[best][kept].sum() / gains[gains > 0].sum():.1%} of the gain")
        self.proof, self.form = self.proof[best], self.form[best]
        self.strength = np.where(kept, self.strength[best], 0).astype(np.float32)
        self._strength_seen = np.where(kept, self._strength_seen[best], np.inf).astype(np.float32)

    def tables(self) -> Tables:
        """The numbers as served: dense weights as bytes, strengths as the nearest of sixteen levels."""
        step = np.float32(min(DENSE_CLIP, float(np.abs(self.weights).max()) or 1.0) / 127)
        dense = np.clip(np.rint(self.weights / step), -127, 127).astype(np.int8)
        levels = _levels(self.strength)
        middle = (levels[1:] + levels[:-1]) / 2
        code = np.searchsorted(middle, self.strength).astype(np.uint8)
        return Tables(dense, np.array([step]), self.proof, self.form << np.uint8(4) | code, levels)


def _majorities(hashes: Hashes, gold: Ranks, least: int) -> tuple[Hashes, Indices, Bytes]:
    """Contexts seen `least` times or more with one form in the majority: hash, times seen, form.

    The lowest four bits of the hashes carry the form through the sort; neither place nor proof uses them.
    """
    keys = hashes & ~np.uint64(15) | gold.astype(np.uint64)
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    times = np.diff(first, append=len(keys))
    keys = keys[first]
    contexts = keys >> np.uint64(4)
    first = np.flatnonzero(np.diff(contexts, prepend=~contexts[:1]))
    total = np.add.reduceat(times, first)
    best = np.maximum.reduceat(times * 16 + 15 - (keys & np.uint64(15)).astype(np.int64), first)
    keep = (total >= least) & (best // 16 > MAJORITY * total)
    return keys[first][keep] & ~np.uint64(15), total[keep], (15 - best[keep] % 16).astype(np.uint8)


def _most_frequent(at: Indices, total: Indices) -> Indices:
    """For each distinct place (ascending), the index of the context seen most often there."""
    first = np.flatnonzero(np.diff(at, prepend=-1))
    if not len(first):
        return first
    best = np.maximum.reduceat(total * (len(at) + 1) + np.arange(len(at)), first)
    return best % (len(at) + 1)


def _adagrad(weights: Singles, seen: Singles, at: Indices, slope: Singles, rate: float) -> None:
    """One AdaGrad step on the listed weights; the same weight may be listed more than once."""
    np.add.at(seen, at, slope * slope)
    np.add.at(weights, at, -rate * slope / np.sqrt(seen[at]))


def _levels(values: Singles) -> Singles:
    """Sixteen levels, one of them 0, by Lloyd's iteration over a sample of the values that are not 0."""
    sample = np.sort(values[values != 0])[:: max(1, np.count_nonzero(values) // 200_000)]
    levels = np.zeros(STRENGTHS, np.float32)
    if not len(sample):
        return levels
    found = np.quantile(sample, (np.arange(STRENGTHS - 1) + 0.5) / (STRENGTHS - 1))
    for _ in range(25):
        owner = np.searchsorted((found[1:] + found[:-1]) / 2, sample)
        sums, counts = np.bincount(owner, sample, STRENGTHS - 1), np.bincount(owner, minlength=STRENGTHS - 1)
        found = np.sort(np.where(counts > 0, sums / np.maximum(counts, 1), found))
    levels[1:] = found
    return np.sort(levels)
