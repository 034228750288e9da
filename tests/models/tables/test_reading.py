import pytest

from models.tables.reading import Reading, fingerprint, observe, read, series_of
from tests.models.tables.sheets import PROVINCES, book, bulletin, rows, sheet, yearbook


def cells(workbook, *, totals: bool = False):
    reading = read(workbook)
    return {found.cell: found for found in observe(reading, workbook, totals=totals)}


def codes(reading: Reading) -> set[str]:
    return {question.code for question in reading.questions}


def test_a_yearbook_is_read_with_the_year_of_its_file_name():
    reading = read(yearbook())
    (table,) = reading.tables
    assert table.layout == "wide"
    assert (table.period.source, table.period.first, table.period.last) == ("file_name", "2011-01", "2011-12")
    assert table.rows.data == len(PROVINCES)
    assert codes(reading) == {"column_without_heading"}


def test_every_figure_of_a_yearbook_has_its_place_month_and_kind():
    found = cells(yearbook())
    assert len(found) == 24 * len(PROVINCES)
    deaths = found["G4"]
    assert (deaths.place_name, deaths.period, deaths.series, deaths.measure, deaths.value) == (
        "Hải Phòng", "2011-03", "SXH / Chết", "flow", 105.0,
    )  # fmt: skip
    assert "Z3" not in found


def test_a_yearbook_without_a_year_is_asked_about():
    workbook = yearbook("Nien giam.xls")
    reading = read(workbook)
    assert "year_unknown" in codes(reading)
    assert reading.tables[0].columns[1].period == "?-01"
    assert not list(observe(reading, workbook))


def test_two_years_in_a_file_name_are_asked_about():
    assert "year_unknown" in codes(read(yearbook("Nien giam 2011-2013.xls")))


def test_a_monthly_table_tells_flows_from_sums_since_january():
    found = cells(bulletin())
    assert (found["D8"].period, found["D8"].measure, found["D8"].unit) == ("2006-06", "ytd", "triệu USD")
    assert (found["F11"].period, found["F11"].measure) == ("2006-07", "flow")
    assert (found["H11"].period, found["H11"].measure) == ("2006-07", "ytd")
    assert found["E11"].series == "Xuất khẩu / Mặt hàng chủ yếu / Dầu thô / Lượng"
    assert (found["J11"].measure, found["J11"].unit, found["J11"].value) == ("index_same_period", "%", 122.4)


def test_signs_keep_their_meaning():
    found = cells(bulletin())
    assert (found["I12"].value, found["I12"].marker) == (0.0, "-")
    assert (found["J12"].value, found["J12"].marker) == (None, "…")


def test_a_note_below_a_table_is_no_data():
    reading = read(bulletin())
    assert reading.tables[0].rows.note == 1


def test_the_country_is_a_total_and_a_region_a_subtotal_among_provinces():
    text = """
Dân số trung bình năm 2001

 | Năm 2000 (Nghìn người) | Năm 2001 (Nghìn người)
CẢ NƯỚC | 77685 | 78738
Đồng bằng sông Hồng | 17017 | 17180
Hà Nội | 2736 | 2791
Hải Phòng | 1690 | 1708
Vĩnh Phúc | 1103 | 1114
Hưng Yên | 1081 | 1091
"""
    workbook = book(sheet("DS", rows(text)))
    reading = read(workbook)
    counts = reading.tables[0].rows
    assert (counts.data, counts.total, counts.subtotal) == (4, 1, 1)
    assert {found.place_name for found in observe(reading, workbook)} == {
        "Hà Nội",
        "Hải Phòng",
        "Vĩnh Phúc",
        "Hưng Yên",
    }
    assert len(list(observe(reading, workbook, totals=True))) == 12
    assert {found.measure for found in observe(reading, workbook)} == {"stock"}


def test_periods_may_run_down_the_rows_under_their_year():
    text = """
36. Lao động đang làm việc

 | | | Đơn vị tính: Nghìn người
 | Tổng số | Nông nghiệp | Dịch vụ
Năm 2015
Quý I | 52427 | 23592 | 17563
Quý II | 52530 | 23481 | 17440
Năm 2016
Quý I | 53288 | 22549 | 17712
"""
    found = cells(book(sheet("LD", rows(text))))
    assert found["B6"].period == "2015-Q1"
    assert found["C9"].period == "2016-Q1"
    assert found["D9"].series.endswith("Dịch vụ")


def test_two_tables_on_one_sheet_are_two_tables():
    text = """
9. Kết quả sản xuất lâm nghiệp

 | Năm 2015 | Năm 2016
Gỗ khai thác (Nghìn m3) | 8671 | 9568
Củi (Triệu ste) | 27.2 | 27.1

10. Sản lượng thuỷ sản

 | Năm 2015 | Năm 2016
Cá (Nghìn tấn) | 4725 | 4843
"""
    reading = read(book(sheet("8LN", rows(text))))
    assert [table.range for table in reading.tables] == ["A3:C5", "A9:C10"]
    assert reading.tables[1].title.startswith("10. Sản lượng")


def test_units_in_a_section_hold_for_the_rows_below_it():
    text = """
6. Vận tải 11 tháng năm 2003

 | | Ước tính 11 tháng năm 2003 |
 | | Khối lượng vận chuyển | Khối lượng luân chuyển
A. Hành khách | | Nghìn HK | Triệu HK.km
 | Tổng số | 797388 | 36118
 | Đường sắt | 8000 | 2500
B. Hàng hoá | | Nghìn tấn | Triệu tấn.km
 | Tổng số | 196970 | 50053
"""
    found = cells(book(sheet("VT", rows(text))))
    assert found["D6"].unit == "Triệu HK.km"
    assert found["C9"].unit == "Nghìn tấn"
    assert found["C6"].series != found["C9"].series


def test_figures_without_a_heading_or_a_label_are_asked_about_and_left_out():
    text = """
Bảng 1. Sản lượng năm 2016

 | Năm 2015 | Năm 2016
Lúa (Nghìn tấn) | 1 | 2 | 77
Ngô (Nghìn tấn) | 3 | 4
"""
    workbook = book(sheet("A", rows(text)))
    assert codes(read(workbook)) == {"column_without_heading"}
    assert "D4" not in cells(workbook)


def test_a_cover_is_told_and_a_strange_sheet_of_figures_asked_about():
    cover = sheet("Bia", [["TỔNG CỤC THỐNG KÊ"], ["Hà Nội, 2011"]])
    strange = sheet("La", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    reading = read(book(cover, strange))
    assert [caution.code for caution in reading.warnings] == ["no_table", "no_table"]
    assert codes(reading) == {"sheet_not_understood"}


def test_a_column_of_sums_is_set_apart():
    text = """
Tỉnh | T1/2024 | T2/2024 | Cả năm
Hà Nội | 1 | 2 | 3
Hải Phòng | 4 | 5 | 9
Cần Thơ | 7 | 8 | 15
"""
    reading = read(book(sheet("Số ca mắc", rows(text))))
    assert reading.tables[0].columns[3].role == "ignore"
    assert not reading.questions


def test_a_measure_that_nothing_tells_is_asked_about():
    text = """
Tỉnh | T1/2024 | T2/2024
Hà Nội | 1 | 2
Hải Phòng | 4 | 5
Cần Thơ | 7 | 8
"""
    assert codes(read(book(sheet("Sheet1", rows(text))))) == {"measure_unknown"}


def test_day_and_month_swapped_in_a_heading_are_put_right_and_told():
    text = """
4. Chỉ số tồn kho

 | Chỉ số tiêu thụ tháng 7/2013 so với tháng trước | Chỉ số tồn kho 2013-01-08 so với tháng trước
Dệt (%) | 101 | 104
May (%) | 102 | 105
"""
    reading = read(book(sheet("CS", rows(text))))
    assert reading.tables[0].columns[2].period == "2013-08-01"
    assert "date_swapped" in {caution.code for caution in reading.warnings}


def test_figures_become_series_beside_their_cells():
    workbook = yearbook()
    found = list(series_of(read(workbook), workbook))
    assert len(found) == 2 * len(PROVINCES)
    first = found[0]
    assert (first.name, first.place, first.series.axis.start[:7]) == ("SXH / Mắc", "01", "2011-01")
    assert first.cells[:2] == ("SXH!B3", "SXH!D3")
    assert first.series.measure == "flow"


def test_the_fingerprint_knows_the_next_file_of_its_kind():
    assert fingerprint(yearbook()) == fingerprint(yearbook("Nien giam 2012.xls"))
    assert fingerprint(yearbook()) != fingerprint(bulletin())


@pytest.mark.parametrize("content", [[[None]], [["x"]], [[1.0]]])
def test_next_to_nothing_is_read_without_fault(content):
    assert read(book(sheet("Sheet1", content))).tables == ()
