import pytest

from models.tables.filenames import file_date


@pytest.mark.parametrize(
    ("name", "period"),
    [
        ("2006-07-31-Bieu0706.xls", "2006-07"),
        ("BC T6.2024.xlsx", "2024-06"),
        ("Bao cao thang 3 nam 2020.xls", "2020-03"),
        ("bieu_10_2012.xls", "2012-10"),
        ("BC quy I 2023.xlsx", "2023-Q1"),
    ],
)
def test_a_file_name_tells_its_month(name, period):
    assert file_date(name).period.name == period


def test_a_file_name_may_tell_the_year_alone():
    found = file_date("Nien giam 2011r.xls")
    assert (found.years, found.period) == ((2011,), None)
    assert found.year.name == "2011"


def test_two_years_are_none():
    assert file_date("Nien giam 2011-2013.xls").year is None
    assert file_date("so lieu.xls").years == ()
