from datetime import date, datetime

import pytest

from models.tables.cells import Workbook
from models.tables.reading import correct, observe, read, series_of
from tests.models.tables.sheets import book, sheet


def csv(text: str) -> Workbook:
    """All cells are text, as a CSV file holds them."""
    lines = [[part.strip() or None for part in line.split(";")] for line in text.strip().splitlines()]
    return book(sheet("so lieu", lines), file_name="so lieu.csv")


LONG = """
Tỉnh;Kỳ báo cáo;Chỉ tiêu;Giá trị
Hà Nội;T1/2024;Sởi;1.234
Hà Nội;T2/2024;Sởi;999
TP.HCM;T1/2024;Sởi;70,5
TP.HCM;T2/2024;Sởi;…
Cả nước;T1/2024;Sởi;9
"""


def test_a_list_has_one_role_for_each_column():
    (table,) = read(csv(LONG)).tables
    assert table.layout == "long"
    assert [column.role for column in table.columns] == ["place", "time", "group", "value"]
    assert table.columns[3].number_format == "1.234,5"
    assert (table.rows.data, table.rows.total) == (4, 1)


def test_a_list_is_read_record_by_record():
    workbook = csv(LONG)
    found = list(observe(read(workbook), workbook))
    assert [(f.place_name, f.period, f.series, f.value) for f in found[:2]] == [
        ("Hà Nội", "2024-01", "Sởi", 1234.0),
        ("Hà Nội", "2024-02", "Sởi", 999.0),
    ]
    assert (found[3].value, found[3].marker) == (None, "…")


def test_a_lone_thousand_is_asked_about_and_answered():
    workbook = csv("Tháng;Doanh thu\nT1/2024;1.234\nT2/2024;2.345")
    reading = read(workbook)
    (question,) = reading.questions
    assert question.code == "number_format"
    settled = correct(reading, {"answers": {question.id: "1,234.5"}})
    assert not settled.questions
    assert [found.value for found in observe(settled, workbook)] == [1.234, 2.345]


def test_the_order_of_a_date_is_decided_by_the_whole_column():
    workbook = csv("Ngày;Số ca\n03/02/2024;5\n13/02/2024;6")
    reading = read(workbook)
    assert reading.tables[0].columns[0].date_order == "dmy"
    assert not reading.questions
    assert [found.period for found in observe(reading, workbook)] == ["2024-02-03", "2024-02-13"]


def test_an_open_order_of_dates_is_asked_about():
    workbook = csv("Ngày;Số ca\n01/02/2024;5\n02/02/2024;6")
    reading = read(workbook)
    (question,) = reading.questions
    assert (question.code, question.guess) == ("date_order", "dmy")
    settled = correct(reading, {"answers": {question.id: "mdy"}})
    assert [found.period for found in observe(settled, workbook)] == ["2024-01-02", "2024-02-02"]


def test_year_and_month_in_two_columns_make_one_period():
    workbook = csv("nam;thang;tinh;so_ca\n2011;1;An Giang;5\n2011;2;An Giang;6")
    assert [found.period for found in observe(read(workbook), workbook)] == ["2011-01", "2011-02"]


def test_identifiers_stay_text():
    workbook = csv("Ngày;Mã đơn vị;Số ca\n2024-01-01;001;5\n2024-01-02;002;6")
    assert [column.type for column in read(workbook).tables[0].columns] == ["date", "identifier", "number"]


@pytest.mark.parametrize("order", ["native", "serial"])
def test_dates_of_spreadsheets_are_understood(order):
    day = datetime(2024, 1, 1) if order == "native" else 45_292
    cells = [["Ngày", "Số ca"], [day, 5.0], [day if order == "native" else 45_293, 6.0]]
    workbook = book(sheet("A", cells))
    assert next(observe(read(workbook), workbook)).period == "2024-01-01"


def test_times_of_day_make_a_series_of_half_hours():
    cells = [["timestamp", "Phụ tải"]] + [
        [datetime(2024, 1, 1, 1 + at // 2, 30 * (at % 2)), 1.0 * at] for at in range(6)
    ]
    workbook = book(sheet("A", cells))
    (series,) = series_of(read(workbook), workbook)
    assert series.series.axis.frequency.code == "30min"
    assert list(series.series.values) == [0, 1, 2, 3, 4, 5]


def test_days_that_stand_for_months_make_a_monthly_series():
    cells = [["Ngày", "Số ca"], [date(2024, 1, 31), 1.0], [date(2024, 2, 29), 2.0], [date(2024, 4, 30), 4.0]]
    workbook = book(sheet("A", cells))
    (series,) = series_of(read(workbook), workbook)
    assert series.series.axis.frequency.unit == "M"
    assert series.cells == ("A!B2", "A!B3", None, "A!B4")


def test_a_wide_csv_of_years_is_a_table_and_no_list():
    workbook = csv("Tỉnh;2019;2020\nHà Nội;1;2\nHải Phòng;4;5\nCần Thơ;7;-\nTổng cộng;12;7")
    (table,) = read(workbook).tables
    assert table.layout == "wide"
    assert (table.rows.data, table.rows.total) == (3, 1)
    assert [column.period for column in table.columns] == [None, "2019", "2020"]
