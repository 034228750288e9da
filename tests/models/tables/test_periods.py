from datetime import date

import pytest

from models.tables.periods import Period, cell_period, find_periods


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Thực hiện 6 tháng năm 2006", ["2006-06"]),
        ("Tháng 7/2006 so với tháng 6/2006", ["2006-07", "2006-06"]),
        ("Quý IV/2001", ["2001-Q4"]),
        ("quí I năm 2008", ["2008-Q1"]),
        ("T1/2025", ["2025-01"]),
        ("từ 01/01- 30/11/2024", ["2024-11"]),
        ("đến ngày 15 tháng Bảy năm 2011", ["2011-07-15"]),
        ("đến ngày 15/1/2000", ["2000-01-15"]),
        ("năm học 1999-2000", ["1999"]),
        ("Tuần 12 năm 2024", ["2024-W12"]),
        ("2nd quarter of 2020", ["2020-Q2"]),
        ("Sept. 2020 versus Aug. 2020", ["2020-09", "2020-08"]),
        ("10 tháng 2007", ["2007-10"]),
        ("tháng Năm và năm tháng năm 2011", [None, "2011-05"]),
        ("thu nhập bình quân 1 người 1 tháng", []),
        ("Máy móc, may mặc, market", []),
        ("Nam, Nữ", []),
    ],
)
def test_the_periods_of_a_phrase_are_found(text, names):
    assert [period.name for _, _, period in find_periods(text)] == names


def test_months_from_january_are_told_from_a_month():
    (span,) = [period for _, _, period in find_periods("7 tháng đầu năm 2006")]
    (month,) = [period for _, _, period in find_periods("tháng 7 năm 2006")]
    assert span.cumulative
    assert not month.cumulative


def test_a_wrong_tone_mark_does_not_hide_a_month():
    assert [period.name for _, _, period in find_periods("Thỏng 11 năm 2006")] == ["2006-11"]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (2013, "2013"),
        (2013.0, "2013"),
        ("Ước tính năm 2016", "2016"),
        ("2011-Q2", "2011-Q2"),
        (date(2024, 3, 1), "2024-03-01"),
    ],
)
def test_a_cell_that_is_nothing_but_a_period(cell, name):
    assert cell_period(cell).name == name


@pytest.mark.parametrize("cell", [None, True, 45_000, 1.5, "Tháng 1/2025 tăng mạnh", "31/31/2024", "x"])
def test_a_cell_that_is_no_period(cell):
    assert cell_period(cell) is None


def test_a_month_takes_the_year_of_its_surroundings():
    assert Period("M", None, 3).within(Period("Y", 2011)).name == "2011-03"
    assert Period("M", 2010, 3).within(Period("Y", 2011)).name == "2010-03"
    assert Period("M", None, 3).name is None


def test_the_period_before_crosses_the_year():
    assert Period("M", 2006, 1).before().name == "2005-12"
    assert Period("Q", 2006, 1).before().name == "2005-Q4"
    assert Period("Y", 2006).before().name == "2005"
