"""Offsets in the unit a caller counts in: code points, UTF-16 code units (JavaScript, Java) or UTF-8 bytes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

OffsetUnit = Literal["codepoint", "utf16", "byte"]


def positions(text: str, unit: OffsetUnit) -> npt.NDArray[np.int64] | None:
    """For each code point offset 0…len(text) the offset in `unit`; None when they are the same."""
    if unit == "codepoint" or text.isascii():
        return None
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    widths = np.ones(len(points), np.int64)
    for bound in (0x7F, 0x7FF, 0xFFFF) if unit == "byte" else (0xFFFF,):
        widths += points > bound
    return np.concatenate(([0], np.cumsum(widths)))


def converted(spans: list[tuple[int, int]], text: str, unit: OffsetUnit) -> list[tuple[int, int]]:
    """Spans in code points as spans in `unit`."""
    table = positions(text, unit)
    if table is None or not spans:
        return spans
    pairs: list[tuple[int, int]] = list(map(tuple, table[np.asarray(spans)].tolist()))
    return pairs
