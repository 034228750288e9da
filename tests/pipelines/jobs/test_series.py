"""The series of a file as a model gets them: the indicator as group, cases as counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.calendar import Axis
from models.tables.reading import TableSeries
from models.values import Measure, Series
from pipelines.jobs.series import _from_tables, _item, _line

MONTHS = Axis.parse("M", "2024-01")


def read(name: str, unit: str | None, measure: Measure | None = "flow", *values: float) -> TableSeries:
    line = Series(name, np.array(values or (3.0, np.nan, 40.0)), MONTHS, measure=measure, unit=unit, place="75")
    return TableSeries(name, "75", line, (None,) * len(line.values), measure, unit)


def taken(one: TableSeries) -> Series:
    (sent,) = _from_tables([one])
    return _item(_line(sent)).series


@pytest.mark.parametrize(
    "one",
    [
        read("Sởi", "ca"),
        read("Sởi", "Ca mắc", "ytd"),
        read("Sởi", "ca", None),
        read("Số ca mắc sốt xuất huyết", None),
        read("Số người mắc tay chân miệng", "Người"),
        read("Số mắc cúm", "trường hợp"),
        read("Dại / Mắc", "ca", "flow", 8, 12, 21, 17, 17, 15, 14, -57, 13, 26, 10, 13),
    ],
    ids=lambda one: f"{one.name} {one.unit} {one.measure}",
)
def test_cases_of_an_illness_are_counts(one: TableSeries):
    assert taken(one).kind == "count"


@pytest.mark.parametrize(
    "one",
    [
        read("Dân số", "người", "stock"),
        read("Khách quốc tế", "Lượt người"),
        read("Khách quốc tế", "Người"),
        read("Số người mắc sởi", "người/100.000 dân", "rate"),
        read("Số ca mắc", "ca", "rate"),
        read("Số ca mắc", "ca", "flow", 1.5, 2.0),
        read("Số ca mắc", "ca", "flow", -1.0, 2.0),
        read("Sản lượng lúa", "tấn"),
        read("Hàng may mặc", None),
    ],
    ids=lambda one: f"{one.name} {one.unit} {one.measure}",
)
def test_what_is_not_a_number_of_cases_is_left_to_its_figures(one: TableSeries):
    assert taken(one).kind is None


def test_the_indicator_is_the_group_and_the_place_is_told():
    series = taken(read("Sởi", "ca"))
    assert (series.group, series.place, series.unit, series.measure) == ("Sởi", "75", "ca", "flow")
    assert taken(replace(read("", "ca"), name="")).group is None
