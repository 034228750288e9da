"""Small counts of persons are protected on pages that travel: 1 to 4 is told as "fewer than 5" and never drawn exactly.

Decision: whether a series counts persons is told by its unit; without a unit every series of small whole numbers is
treated so. Zero is told, because "no case" names nobody. Tables for those who sent the file are not changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.errors import Note
from pipelines.results.values import SeriesResult
from pipelines.results.wording import Language, figure, pick

LEAST: Final = 5
_DRAWN: Final = 2.5
_PERSONS: Final = (
    "ca", "người", "trường hợp", "bệnh nhân", "nạn nhân", "tử vong", "trẻ", "cháu", "hộ", "học sinh", "lao động",
    "bị can", "bị cáo", "đối tượng", "case", "person", "patient", "death", "household", "people",
)  # fmt: skip
_LARGE: Final = ("nghìn", "ngàn", "triệu", "tỷ", "%", "thousand", "million", "/")


def guarded(series: SeriesResult) -> bool:
    """Whether the series counts persons, or may."""
    if series.unit is not None:
        unit = series.unit.casefold()
        return unit.startswith(_PERSONS) and not any(word in unit for word in _LARGE)
    known = [value for value in series.values if value is not None]
    return all(value >= 0 and value == int(value) for value in known)


def small(value: float | None) -> bool:
    """Whether a number would point at few persons."""
    return value is not None and 0 < abs(value) < LEAST


def told(value: float | None, protected: bool, language: Language) -> str:
    """The number in words, or that it is small."""
    if protected and small(value):
        return pick(Note(f"dưới {LEAST}", f"fewer than {LEAST}"), language)
    return figure(value, language)


def blurred(values: Sequence[float | None], protected: bool) -> list[float | None]:
    """Values as they may be drawn."""
    return [_DRAWN if protected and small(value) else value for value in values]
