"""What a series does over a stretch: windows of its own period, and how unlike the others each is.

Methods: Sub-PCA in its whitened form, a Mahalanobis distance between windows (Aggarwal 2017), KMeansAD (Yairi et al.
2001). Windows longer than 32 steps are thinned by averaging, so the work per step is bounded whatever the period;
statistics are learned on at most 20,000 windows and applied in pieces, so memory is bounded too. Products are summed
by einsum, not by BLAS: the matrices are small, and threads would fight each other and round differently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.anomaly.rows import Floats

THINNED = 32
LEARNED = 20_000
PIECE = 1 << 14
CLUSTERS = 20
CLUSTER_SAMPLE = 2_000
ROUNDS = 10
RIDGE = 3e-4
"""Added to the correlation of windows, as a share of its trace: directions without variance do not decide."""
LONGEST_LAG, SHORTEST_LAG = 300, 4
WEAKEST_PEAK = 0.1
LEAST_WINDOW = 32
NO_PERIOD = 125
ACF_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one series as a view (count, width) on its thinned values; a window begins each `stride` steps."""

    view: Floats
    stride: int
    reach: int
    length: int

    def spread_out(self, scores: Floats) -> Floats:
        """Scores of windows laid on the steps at their middles, linear between, held at the ends; shape (n,)."""
        middles = np.arange(len(scores)) * self.stride + (self.reach - 1) / 2
        found: Floats = np.interp(np.arange(self.length), middles, scores)
        return found


def period(line: Floats) -> int:
    """Width of the windows: the lag of the highest peak of the autocorrelation, 125 without one (as TSB-AD does).

    A short lag is taken so many times that the window holds a shape, at least 32 steps; at most a quarter of the
    series.
    """
    part = line[:ACF_POINTS] - line[:ACF_POINTS].mean()
    size = len(part)
    lags = min(LONGEST_LAG + 2, size)
    spectrum = np.fft.rfft(part, 2 * size)
    curve = np.fft.irfft(np.square(np.abs(spectrum)))[:lags] / np.arange(size, size - lags, -1)
    inner = curve[1:-1]
    peaks = 1 + np.flatnonzero((inner > curve[:-2]) & (inner > curve[2:]))
    peaks = peaks[peaks >= SHORTEST_LAG]
    best = int(peaks[np.argmax(curve[peaks])]) if len(peaks) else NO_PERIOD
    found = best if len(peaks) and curve[best] > WEAKEST_PEAK * curve[0] else NO_PERIOD
    return max(SHORTEST_LAG, min(found * -(-LEAST_WINDOW // found), size // 4))


def cut(line: Floats, width: int) -> Windows:
    """All windows of about `width` steps."""
    stride = -(-width // THINNED)
    thin = ndimage.uniform_filter1d(line, stride, mode="nearest")[::stride]
    size = max(SHORTEST_LAG, width // stride)
    return Windows(np.lib.stride_tricks.sliding_window_view(thin, size), stride, size * stride, len(line))


def distances(windows: Windows) -> tuple[Floats, Floats]:
    """For each step the Mahalanobis distance of its window, and the distance to the nearest of twenty usual windows."""
    view = windows.view
    sample = np.ascontiguousarray(view[:: max(1, len(view) // LEARNED)])
    centre = sample.mean(axis=0)
    width = sample.std(axis=0)
    width = np.where(width > 0, width, 1.0)
    unit = (sample - centre) / width
    spread = np.einsum("ni,nj->ij", unit, unit) / len(unit) + RIDGE * unit.shape[1] * np.eye(unit.shape[1])
    whiten = whitener(np.linalg.cholesky(spread))
    centres = usual_windows(sample[:: max(1, len(sample) // CLUSTER_SAMPLE)])
    far, alien = np.empty(len(view)), np.empty(len(view))
    for at in range(0, len(view), PIECE):
        piece = view[at : at + PIECE]
        far[at : at + PIECE] = np.sqrt(np.square(np.einsum("ni,ij->nj", (piece - centre) / width, whiten)).sum(axis=1))
        alien[at : at + PIECE] = np.sqrt(np.maximum(_squared(piece, centres).min(axis=1), 0.0))
    return windows.spread_out(far), windows.spread_out(alien)


def whitener(lower: Floats) -> Floats:
    """The transposed inverse of a small lower triangle by forward substitution (LAPACK's would start threads)."""
    size = len(lower)
    inverse = np.zeros_like(lower)
    for row in range(size):
        inverse[row, row] = 1.0
        inverse[row] -= np.einsum("k,kj->j", lower[row, :row], inverse[:row])
        inverse[row] /= lower[row, row]
    return np.ascontiguousarray(inverse.T)


def usual_windows(sample: Floats) -> Floats:
    """Centres of k-means from evenly spaced first guesses (no chance, so the same answer every time)."""
    count = min(CLUSTERS, len(sample))
    centres = sample[np.linspace(0, len(sample) - 1, count).astype(np.int64)].copy()
    for _ in range(ROUNDS):
        nearest = _squared(sample, centres).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        centres[sizes > 0] = sums[sizes > 0] / sizes[sizes > 0, None]
    return centres


def _squared(points: Floats, centres: Floats) -> Floats:
    """Squared distances (points, centres)."""
    product = np.einsum("ni,ki->nk", points, centres)
    found: Floats = np.square(points).sum(axis=1)[:, None] - 2 * product + np.square(centres).sum(axis=1)
    return found
