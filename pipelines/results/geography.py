"""Where: names of places by code, and the tile map that stands in every report.

Decision: a place's code may carry its vintage (`34:15`); a bare code is one of the 34 when its series goes on after
1 July 2025 and the code is in force, and one of the 63 otherwise. A code that is neither is shown as it came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from models.places.gazetteer import Division, Province, province, successor, tiles

MERGED: Final = "2025-07"
"""The first period of the 34 units."""
_LETTERS: Final = 4


@dataclass(frozen=True, slots=True)
class Square:
    """One square of the map: `short` stands in it, `severity` is the worst of its unit's events (0: none)."""

    name: str
    short: str
    column: int
    row: int
    severity: int
    island: bool


def name_of(code: str | None, through: str | None = None) -> str | None:
    """The name of a place whose data reach `through`; the code itself where it is not known."""
    if code is None:
        return None
    found = _unit(code, _division(code, through))
    return found.name if found else code


def division_of(codes: Collection[str], through: str | None) -> Division:
    """The division whose map holds these places."""
    named = {code.partition(":")[0] for code in codes if ":" in code}
    if named:
        return "63" if "63" in named else "34"
    return "34" if (through or "") >= MERGED and all(province(code, "34") for code in codes) else "63"


def known(codes: Collection[str], division: Division) -> bool:
    """Whether any of these places stands on the map."""
    return any(province(_bare(code), division) for code in codes)


def squares(worst: dict[str, int], division: Division) -> Sequence[Square]:
    """The map of a division with the severity of each unit; Hoàng Sa and Trường Sa have squares of their own."""
    found: dict[str, int] = {}
    for code, severity in worst.items():
        at = _bare(code)
        if division == "34" and code.startswith("63:"):
            at = successor(at) or at
        found[at] = max(found.get(at, 0), severity)
    return [
        Square(tile.name, _short(tile.name, tile.island), tile.column, tile.row,
               0 if tile.island else found.get(tile.code, 0), tile.island)
        for tile in tiles(division)
    ]  # fmt: skip


def _division(code: str, through: str | None) -> Division:
    vintage = code.partition(":")[0]
    if vintage in ("34", "63"):
        return "34" if vintage == "34" else "63"
    return "34" if (through or "") >= MERGED and province(code, "34") else "63"


@lru_cache(maxsize=4_096)
def _unit(code: str, division: Division) -> Province | None:
    bare = _bare(code)
    return province(bare, division) or province(bare, "63") or province(bare, "34") or province(bare, "former")


def _bare(code: str) -> str:
    return code.rpartition(":")[2]


def _short(name: str, island: bool) -> str:
    """What fits a square: an island's whole name in two lines, a province's initials."""
    words = name.replace("-", " ").replace("–", " ").split()
    if island:
        return "\n".join(words)
    if "Hồ Chí Minh" in name:
        return "HCM"
    return words[0][:_LETTERS] if len(words) == 1 else "".join(word[0] for word in words)
