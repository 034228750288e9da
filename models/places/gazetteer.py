"""What is known of the provinces: `units.json`, read once.

Decision: a province is its code and its *vintage*, the division of the country that the code belongs to: "63" (until
30 June 2025), "34" (from 1 July 2025) or "former" (abolished before 2008-08: Hà Tây, Bắc Thái, Minh Hải…). A code
alone says too little: 15 was Yên Bái and is Lào Cai now; 52 was Bình Định and is Gia Lai now.

Decision: the default picture is a tile map, one square a unit; Hoàng Sa (of Đà Nẵng) and Trường Sa (of Khánh Hòa) have
their own squares in every vintage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

Vintage = Literal["63", "34", "former"]
Division = Literal["63", "34"]


@dataclass(frozen=True, slots=True)
class Province:
    """One unit: `kind` is province or city; `successors` are codes of "34" (for former units, of "63")."""

    code: str
    vintage: Vintage
    name: str
    en: str
    kind: str
    successors: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the country above the provinces: `members` are province codes by vintage."""

    code: str
    name: str
    en: str
    members: Mapping[Division, tuple[str, ...]]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of the tile map: `code` is the unit that it belongs to; `island` tells Hoàng Sa and Trường Sa."""

    name: str
    code: str
    column: int
    row: int
    island: bool = False


def _load() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((files(__package__) / "units.json").read_text(encoding="utf-8"))
    return data


def _divisions(data: Mapping[str, Any]) -> dict[Division, tuple[Province, ...]]:
    def unit(row: Mapping[str, Any], vintage: Division) -> Province:
        after = (row["successor"],) if vintage == "63" else (row["code"],)
        return Province(row["code"], vintage, row["name"], row["en"], row["kind"], after, tuple(row.get("aliases", ())))

    old, new = data["units"]["63"], data["units"]["34"]
    return {"63": tuple(unit(row, "63") for row in old), "34": tuple(unit(row, "34") for row in new)}


_DATA = _load()
_DIVISIONS = _divisions(_DATA)
FORMER = tuple(
    Province(r["code"], "former", r["name"], r["name"], "province", tuple(r["successors"]), tuple(r["aliases"]))
    for r in _DATA["former"]
)
"""Provinces that no division of 63 or 34 knows; `successors` are codes of "63" (or of a younger former unit)."""

REGIONS = tuple(
    Region(r["code"], r["vi"], r["en"], {k: tuple(v) for k, v in r["members"].items()}, tuple(r["aliases"]))
    for r in _DATA["regions"]
)
TOTAL_NAMES: tuple[str, ...] = tuple(_DATA["totals"])
_BY_CODE = {(p.vintage, p.code): p for p in (*_DIVISIONS["63"], *_DIVISIONS["34"], *FORMER)}


def provinces(vintage: Division) -> tuple[Province, ...]:
    """All units of a division, by code."""
    return _DIVISIONS[vintage]


def province(code: str, vintage: Vintage) -> Province | None:
    """The unit with this code in this vintage."""
    return _BY_CODE.get((vintage, code))


def successor(code: str) -> str | None:
    """The code among 34 of what became of a unit of the 63."""
    found = _BY_CODE.get(("63", code))
    return found.successors[0] if found else None


def parts(code: str) -> tuple[str, ...]:
    """The codes among 63 of the units that were merged into one of the 34."""
    return tuple(unit.code for unit in _DIVISIONS["63"] if unit.successors[0] == code)


def regions_of(code: str, vintage: Division) -> tuple[Region, ...]:
    """The regions that hold this unit."""
    return tuple(region for region in REGIONS if code in region.members.get(vintage, ()))


def tiles(vintage: Division) -> tuple[Tile, ...]:
    """The tile map of a division: every unit once, with Hoàng Sa and Trường Sa."""
    units = [Tile(row["name"], row["code"], row["tile"][0], row["tile"][1]) for row in _DATA["units"][vintage]]
    islands = [
        Tile(row["name"], row["unit"], row["tile"][vintage][0], row["tile"][vintage][1], island=True)
        for row in _DATA["islands"]
    ]
    return (*units, *islands)
