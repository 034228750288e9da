"""Fit the weights of gaps: logistic regression over hashed features, by AdaGrad on small batches.

AdaGrad (Duchi, Hazan and Singer 2011) gives rare features long steps and frequent ones short steps. Targets may be
probabilities. Only gaps that are plain white space take part, as in serving. Deterministic for a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.text.gaps import FEATURES, LEFT, RIGHT, Codes, Lexicon, rows, slots
from models.text.script import Kind
from pipelines.training.gold import Floats, Labelled

LINES = 20_000


@dataclass(frozen=True, slots=True)
class Gaps:
    """Where the weights of each gap lie, shape (gaps, FEATURES), and its target, shape (gaps,)."""

    places: npt.NDArray[np.int32]
    targets: Floats


class Remembered(Codes):
    """Codes that keep every form they meet: for training, where the texts are finite."""

    def __missing__(self, atom: str) -> int:
        """Compute and keep."""
        found = super().__missing__(atom)
        self[atom] = found
        return found


def gaps_of(items: Sequence[Labelled], lexicon: Lexicon, codes: Codes, bits: int) -> Gaps:
    """The gaps of some texts in order, those that are not plain white space left out."""
    row = rows([item.text for item in items], codes)
    real = row.kinds != Kind.WALL
    every = np.flatnonzero(real[:-1] & real[1:])
    targets = np.concatenate([item.targets for item in items])
    places = slots(row, lexicon, LEFT, len(row.hashes) - RIGHT, bits).astype(np.int32)
    spaced = row.spaced[every]
    return Gaps(np.ascontiguousarray(places[:, every[spaced] - LEFT].T), targets[spaced])


class Fit:
    """Weights and their AdaGrad sums, both of shape (2**bits,)."""

    def __init__(self, bits: int, weights: npt.NDArray[np.float32] | None = None) -> None:
        """Start at zero, or at a copy of given weights with the steps' memory cleared."""
        start = np.zeros(1 << bits, np.float32) if weights is None else weights.copy()
        self.weights = torch.from_numpy(start)
        self._squares = torch.ones(1 << bits)

    def learn(self, gaps: Gaps, *, rate: float, batch: int, seed: int) -> None:
        """One pass over the gaps in random order."""
        places, targets = torch.from_numpy(gaps.places), torch.from_numpy(gaps.targets)
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
        for chosen in torch.split(order, batch):
            self._step(places[chosen].long(), targets[chosen], rate)

    def _step(self, places: torch.Tensor, targets: torch.Tensor, rate: float) -> None:
        errors = torch.sigmoid(self.weights[places].sum(1)) - targets
        touched, where = torch.unique(places, return_inverse=True)
        slope = torch.zeros(len(touched)).index_add_(0, where.reshape(-1), errors.repeat_interleave(FEATURES))
        squares = self._squares[touched] + slope * slope
        self._squares[touched] = squares
        self.weights[touched] -= rate * slope / squares.sqrt()

    def array(self) -> npt.NDArray[np.float32]:
        """The weights as they are now."""
        return np.asarray(self.weights.numpy().copy(), np.float32)


def blocks(items: Sequence[Labelled], seed: int) -> Iterator[list[Labelled]]:
    """The items in random order, some thousands at a time."""
    order = np.random.default_rng(seed).permutation(len(items)).tolist()
    for start in range(0, len(order), LINES):
        yield [items[i] for i in order[start : start + LINES]]
