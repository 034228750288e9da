"""Merkle trees over ledger records, in the shape of RFC 6962 (Certificate Transparency), section 2.

    leaf hash  = SHA-256(0x00 || record bytes)
    node hash  = SHA-256(0x01 || left || right)
    root of n leaves: split at the largest power of two below n; the root of none is SHA-256("")

A `Frontier` is the compact range [0, n): the roots of the perfect subtrees that n is made of, largest first. It
takes one leaf in amortised constant time and gives the root in O(log n).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """The 32-byte leaf of a record's exact bytes."""
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The compact range of a growing tree. Not safe for threads."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Start empty, or from the peaks of a tree of `size` leaves. Raises ValueError when they cannot fit."""
        if size < 0 or size.bit_count() != len(peaks) or any(len(peak) != 32 for peak in peaks):
            raise ValueError("peaks do not fit the size")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, largest (oldest) first."""
        return tuple(self._peaks)

    def add(self, leaf: bytes) -> None:
        """Take the next leaf."""
        node, height = leaf, self.size
        while height & 1:
            node = sha256(b"\x01" + self._peaks.pop() + node).digest()
            height >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def copy(self) -> Self:
        """An independent copy."""
        return type(self)(self.size, self._peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over all leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` (0-based), nearest sibling first (RFC 6962, 2.1.1).

    Raises IndexError when there is no such leaf.
    """
    return inclusion_paths(leaves, (index,))[0]


def inclusion_paths(leaves: Sequence[bytes], indexes: Sequence[int]) -> list[list[bytes]]:
    """The audit paths of some leaves of one tree, which is hashed once. Raises IndexError for one that is not there."""
    if not all(0 <= index < len(leaves) for index in indexes):
        raise IndexError("no such leaf")
    paths: list[list[bytes]] = [[] for _ in indexes]
    level, positions = list(leaves), list(indexes)
    while len(level) > 1:
        for path, position in zip(paths, positions, strict=True):
            if (position ^ 1) < len(level):
                path.append(level[position ^ 1])
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) & 1:
            above.append(level[-1])
        level, positions = above, [position >> 1 for position in positions]
    return paths


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the path leads to (RFC 9162, 2.1.3.2). Raises ValueError when the path has the wrong length."""
    if not 0 <= index < size:
        raise ValueError("index outside the tree")
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("path too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ValueError("path too short")
    return node
