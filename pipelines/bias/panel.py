"""The Ministry of Health's panel: monthly cases by province and disease, 2004–2015, and what is known of a province.

Decision: the panel evaluates and never trains. Its provinces are those of the 63; each is also counted under the unit
among the 34 that it became part of, and under its region. A part of the provinces and diseases is absent in the copy.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.calendar import Axis
from models.errors import Note
from models.places.gazetteer import provinces, regions_of, successor
from models.places.names import find_place
from models.values import Floats, Series
from pipelines.bias.lists import word_list
from pipelines.datasets import Datasets
from pipelines.training.labelled import MINISTRY

FIRST, YEARS = "2004-01", 12
LEAST_CASES, LEAST_MONTHS = 60, 30
REGIONS = ("dbsh", "tdmnpb", "btb-dhmt", "tay-nguyen", "dnb", "dbscl")


@dataclass(frozen=True, slots=True)
class Line:
    """One disease in one province; `code` is the province among the 63."""

    series: Series
    code: str
    disease: str

    @property
    def size(self) -> float:
        """Mean cases a month."""
        return float(np.nanmean(self.series.values))

    @property
    def zeros(self) -> float:
        """Share of months without a case."""
        return float(np.nanmean(self.series.values == 0))

    @property
    def gaps(self) -> float:
        """Share of months without a report."""
        return float(np.isnan(self.series.values).mean())


def panel(data: Datasets) -> list[Line]:
    """Lines with enough cases to forecast or to search, by province and disease."""
    axis = Axis.parse("M", FIRST)
    months = {name: at for at, name in enumerate(axis.periods(0, 12 * YEARS))}
    lines: dict[tuple[str, str], Floats] = defaultdict(lambda: np.full(12 * YEARS, np.nan))
    for row in csv.DictReader(data.lines(MINISTRY)):
        if row["period"] in months and row["incidence"]:
            place = find_place(row["province"], "63")
            if place is not None and place.vintage == "63" and place.code is not None:
                lines[place.code, row["disease"]][months[row["period"]]] = float(row["incidence"])
    found = []
    for (code, disease), values in sorted(lines.items()):
        if np.nansum(values) >= LEAST_CASES and np.nansum(values > 0) >= LEAST_MONTHS:
            found.append(Line(Series(f"{code}/{disease}", values, axis, kind="count", place=code), code, disease))
    return found


Grouping = Callable[[Line], str]


@dataclass(frozen=True, slots=True)
class Division:
    """A way to divide the lines into groups."""

    id: str
    title: Note
    groups: tuple[str, ...]
    of: tuple[str, ...]
    labels: dict[str, Note]
    places: bool = False


def divisions(lines: Sequence[Line]) -> list[Division]:
    """Provinces, regions, hard areas, size, zeros and completeness."""
    known = word_list("places")
    units = {unit.code: Note(unit.name, unit.en) for unit in provinces("34")}
    named = {region.code: Note(region.name, region.en) for line in lines for region in regions_of(line.code, "63")}

    def region(line: Line) -> str:
        return next((one.code for one in regions_of(line.code, "63") if one.code in REGIONS), "")

    sizes = np.quantile([line.size for line in lines], (0.2, 0.4, 0.6, 0.8))
    fifths = {str(at): Note(f"phần năm thứ {at} (1: ít ca nhất)", f"fifth {at} (1: fewest)") for at in range(1, 6)}
    thirds = {
        "0": Note("dưới 10 % số tháng", "below 10 %"),
        "1": Note("10–50 %", "10–50 %"),
        "2": Note("trên 50 %", "above 50 %"),
    }
    parts = {code: named[code] for code in REGIONS if code in named}
    border = {"1": Note("có biên giới đất liền", "land border"), "0": Note("không", "none")}
    minority = {
        "1": Note("đa số dân là dân tộc thiểu số (2019)", "majority of ethnic minorities (2019)"),
        "0": Note("không", "no"),
    }
    whole = {"0": Note("đủ mọi tháng", "no month missing"), "1": Note("thiếu tháng báo cáo", "months missing")}
    rows: list[tuple[str, Note, dict[str, Note], Grouping, bool]] = [
        ("province", Note("34 tỉnh, thành phố (quy đổi từ 63)", "34 provinces (from 63)"), units,
         lambda line: successor(line.code) or "", True),
        ("region", Note("6 vùng kinh tế – xã hội", "6 regions"), parts, region, False),
        ("border", Note("Tỉnh biên giới", "Border provinces"), border,
         lambda line: str(int(line.code in known["border"])), False),
        ("minority-area", Note("Vùng đồng bào dân tộc thiểu số", "Ethnic-minority areas"), minority,
         lambda line: str(int(line.code in known["minority_majority"])), False),
        ("size", Note("Quy mô (số ca trung bình)", "Size (mean cases)"), fifths,
         lambda line: str(1 + int(np.searchsorted(sizes, line.size))), False),
        ("zeros", Note("Tỷ lệ tháng không có ca", "Share of months without a case"), thirds,
         lambda line: str(int(line.zeros >= 0.1) + int(line.zeros > 0.5)), False),
        ("completeness", Note("Độ đầy đủ của báo cáo", "Completeness of reports"), whole,
         lambda line: str(int(line.gaps > 0)), False),
    ]  # fmt: skip
    found = []
    for id_, title, labels, of, places in rows:
        belongs = tuple(of(line) for line in lines)
        groups = tuple(name for name in labels if name in belongs)
        if len(groups) > 1:
            found.append(Division(id_, title, groups, belongs, labels, places))
    return found
