"""Results as files: golden tables, formulas that never run, every value beside its cell, one walk in bounded memory."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import python_calamine
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInputError
from pipelines.results import delimited
from pipelines.results.spreadsheet import Book
from pipelines.results.values import JobResult, SeriesResult
from pipelines.results.writing import MEDIA_TYPES, write_result
from tests.pipelines.results import making

HOSTILE = (
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    " =1+1",
    '="a";=2',
    "x;=1",
    "a,@b",
)


def written(result: JobResult, form: str, locale: str | None = None) -> bytes:
    to = io.BytesIO()
    write_result(result, form, to, locale)
    return to.getvalue()


def book(result: JobResult, locale: str | None = None) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(written(result, "xlsx", locale)))


def two_points() -> SeriesResult:
    """A tiny series whose files can be written down by hand."""
    points = {
        "score": [0.0, 2.5], "p_value": [1.0, 1e-05], "expected": [-1.25, 1234.567891], "lower": [None, 1000.0],
        "upper": [None, 1500.0], "is_anomaly": [False, True],
    }  # fmt: skip
    periods = ("2014-01", "2014-02")
    return SeriesResult(
        name='Thu "A"; B', place="75", unit=None, measure="flow", periods=periods, values=(-1.5, 99000.0),
        cells=("S!B7", None), output={"points": points, "events": [making.event(periods, 1, 99000.0, 1234.5)]},
    )  # fmt: skip


def test_a_csv_for_machines_is_what_stands_here():
    assert written(making.job([two_points()]), "csv").decode() == (
        '"series","place","place_name","measure","unit","period","value","expected","lower","upper","score","p_value",'
        '"is_anomaly","event","kind","likely","error","source"\r\n'
        '"Thu ""A""; B","75","Đồng Nai","flow",,"2014-01",-1.5,-1.25,,,0,1,false,,,,,"S!B7"\r\n'
        '"Thu ""A""; B","75","Đồng Nai","flow",,"2014-02",99000,1234.567891,1000,1500,2.5,1e-05,true,"ev-1","spike",'
        '"world",,\r\n'
    )


def test_a_vietnamese_csv_has_semicolons_decimal_commas_and_a_byte_order_mark():
    assert written(making.job([two_points()]), "csv", "vi").decode() == (
        '\ufeff"Chuỗi số liệu";"Mã đơn vị";"Đơn vị";"Loại số liệu";"Đơn vị tính";"Kỳ";"Giá trị";"Mức thường thấy";'
        '"Cận dưới";"Cận trên";"Điểm lạ";"Trị số p";"Bất thường";"Mã sự kiện";"Loại sự kiện";"Nghiêng về";"Lỗi";'
        '"Ô nguồn"\r\n'
        '"Thu ""A""; B";"75";"Đồng Nai";"phát sinh trong kỳ";;"2014-01";-1,5;-1,25;;;0;1;;;;;;"S!B7"\r\n'
        '"Thu ""A""; B";"75";"Đồng Nai";"phát sinh trong kỳ";;"2014-02";99000;1234,57;1000;1500;2,5;1e-05;"có";"ev-1";'
        '"tăng vọt";"chuyện có thật";;\r\n'
    )


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("locale", [None, "vi"])
def test_no_cell_of_a_csv_begins_a_formula_whatever_the_separator(hostile: str, locale: str | None):
    text = written(making.job([making.series(name=hostile, unit=hostile)]), "csv", locale).decode("utf-8-sig")
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                bare = cell.strip().strip('"').strip()
                assert not bare.startswith(("=", "+", "@", "＝")), cell
                assert not bare.startswith("-") or bare.replace(",", ".").lstrip("-").replace(".", "", 1).isdigit(), (
                    cell
                )


@pytest.mark.parametrize("hostile", [*HOSTILE, "- Trâu", "-"])
def test_no_cell_of_a_workbook_is_a_formula_and_text_is_typed_as_text(hostile: str):
    found = book(making.job([making.series(name=hostile, unit=hostile)]))
    for sheet in found:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type in {"s", "inlineStr", "n", "b"}
                if isinstance(cell.value, str):
                    assert not cell.value.strip().startswith(("=", "@", "+")), cell.value
                    assert cell.quotePrefix or sheet.title == "Tóm tắt" or cell.row <= 2


def test_an_item_of_a_list_stays_as_it_is_and_a_negative_number_stays_a_number():
    found = book(making.job([replace(two_points(), name="- Trâu")]))
    data = list(found["Dữ liệu"].iter_rows(values_only=True))
    assert data[1][0] == "- Trâu"
    assert data[1][6] == -1.5
    assert isinstance(data[1][6], float)


def test_a_workbook_has_its_four_sheets_and_every_value_its_cell():
    result = making.job([making.series("75"), making.series("01", "Dại")])
    found = book(result)
    assert found.sheetnames == ["Tóm tắt", "Sự kiện", "Dữ liệu", "Nguồn"]
    head, *rows = found["Dữ liệu"].iter_rows(values_only=True)
    assert head[-1] == "Ô nguồn"
    assert len(rows) == 144
    assert all(row[-1] for row in rows)
    assert rows[64][6:8] == (240, 24)
    assert rows[64][-1] == "Sởi!F12"
    events = list(found["Sự kiện"].iter_rows(values_only=True))
    assert len(events) == 5
    assert events[1][-1] == "Sởi!F12"
    assert "tháng" in str(list(found["Tóm tắt"].iter_rows(values_only=True))).lower()
    sources = str(list(found["Nguồn"].iter_rows(values_only=True)))
    for fact in ("Nien giam 2014.xls", "a" * 64, "anomaly-series@1.0.0", "apr_1", "TCVN3", "tên tệp", "Sởi!B7"):
        assert fact in sources


def test_another_reader_sees_the_same_workbook():
    content = written(making.job(making.yearbook()), "xlsx")
    first = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    second = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert first.sheetnames == second.sheet_names
    for name in first.sheetnames:
        ours = [trimmed(row) for row in first[name].iter_rows(values_only=True)]
        theirs = [trimmed(row) for row in second.get_sheet_by_name(name).to_python()]
        assert [row for row in ours if row] == [row for row in theirs if row]


def trimmed(row: Iterable[Any]) -> list[Any]:
    """A row without its empty end; what is empty inside is None."""
    values = [None if value == "" else value for value in row]
    while values and values[-1] is None:
        values.pop()
    return values


def test_a_workbook_in_english():
    assert book(making.job([making.series()]), "en").sheetnames == ["Summary", "Events", "Data", "Sources"]


def test_a_table_beyond_the_format_goes_on_in_a_next_sheet():
    to = io.BytesIO()
    made = Book(to, ["A", "Dữ liệu", "Z"])
    made.stream("Dữ liệu", [10], ["n"], ((at,) for at in range(25)), most=11)
    page = made.page("Z", [10])
    page.add(["end"])
    page.close()
    made.close()
    found = openpyxl.load_workbook(to)
    assert found.sheetnames == ["Dữ liệu", "Dữ liệu (2)", "Dữ liệu (3)", "Z"]
    values = [row[0] for name in found.sheetnames[:3] for row in found[name].iter_rows(min_row=2, values_only=True)]
    assert values == list(range(25))


def test_json_carries_what_was_sent_and_where_each_event_stands():
    found = json.loads(
        written(making.job([making.series(), making.series(None, "B", error={"detail": "hỏng"})]), "json")
    )
    first, second = found["outputs"]
    assert first["cells"][64] == "Sởi!F12"
    assert first["events"][0]["cells"] == ["Sởi!F12"]
    assert (first["status"], second["status"]) == ("succeeded", "failed")
    assert second["error"] == {"detail": "hỏng"}
    assert found["data_through"] == "2014-12"
    assert found["job"]["id"] == "job_0123456789abcdef"
    assert found["held_back"] == 3


def test_parquet_holds_typed_columns_and_the_provenance():
    table = pq.read_table(io.BytesIO(written(making.job(making.yearbook()), "parquet")))
    assert table.num_rows == 48 * 72
    assert str(table.schema.field("value").type) == "double"
    assert str(table.schema.field("is_anomaly").type) == "bool"
    about = json.loads(table.schema.metadata[b"aichung"])
    assert about["model"]["name"] == "anomaly-series"
    assert table.column("source")[64].as_py() == "Sởi!F12"


def test_a_forecast_tells_what_was_and_what_comes():
    result = making.job([making.forecast()], type="forecast", parameters={"horizon": 6, "quantiles": [0.1, 0.9]})
    rows = list(csv.DictReader(io.StringIO(written(result, "csv").decode(), newline="")))
    assert len(rows) == 48 + 6
    assert (rows[0]["value"], rows[0]["forecast"], rows[0]["source"]) == ("100", "", "Sheet1!B2")
    assert (rows[48]["period"], rows[48]["value"], rows[48]["forecast"]) == ("2013-01", "", "130.5")
    assert (rows[48]["q0.1"], rows[48]["q0.9"], rows[48]["source"]) == ("110", "150", "model")
    assert "q0.5" not in rows[0]
    assert len(book(result)["Dữ liệu"]["A"]) == 55


def test_rows_of_a_table_carry_their_reasons():
    result = making.job([making.rows()], type="anomaly.tabular", reading=None)
    rows = list(csv.DictReader(io.StringIO(written(result, "csv").decode(), newline="")))
    assert [row["source"] for row in rows if row["is_anomaly"] == "true"] == [f"Hồ sơ!A{at}" for at in (5, 15, 25, 35)]
    assert rows[3]["reasons"] == "số tiền (70 %)"
    assert len(book(result)["Sự kiện"]["A"]) == 5


def test_all_formats_have_one_fingerprint_and_a_moved_cell_another():
    prints = {write_result(making.job(making.yearbook()), form, io.BytesIO()).fingerprint for form in MEDIA_TYPES}
    assert len(prints) == 1
    moved = [replace(making.series(), cells=tuple(f"X!A{at}" for at in range(72)))]
    other = [making.series()]
    both = [write_result(making.job(one), "csv", io.BytesIO()).fingerprint for one in (moved, other)]
    assert both[0] != both[1]


def test_what_is_not_offered_is_refused_as_not_acceptable():
    for result, form in ((making.job(), "pdf"), (making.job(type="nlp.topics"), "csv")):
        with pytest.raises(InvalidInputError) as refused:
            write_result(result, form, io.BytesIO())
        assert refused.value.word == "not-acceptable"


def test_a_job_without_series_still_makes_whole_files():
    for form in MEDIA_TYPES:
        assert written(making.job(), form)
    assert json.loads(written(making.job(), "json"))["outputs"] == []


class Sink(io.RawIOBase):
    """Counts what is written and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.bytes += len(data)
        return len(data)


@pytest.mark.parametrize("form", ["csv", "json", "xlsx"])
def test_a_large_job_is_written_without_being_kept(form: str):
    tracemalloc.start()
    try:
        to = Sink()
        write_result(making.job(making.many(400, 120)), form, to)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert to.bytes > 200_000
    assert peak < 40_000_000


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_makes_a_readable_file(name: str, unit: str):
    one = making.series("75", name, count=24, unit=unit)
    result = making.job([one], organisation=name, parameters={"x": unit})
    rows = list(csv.reader(io.StringIO(written(result, "csv", "vi").decode("utf-8-sig"), newline=""), delimiter=";"))
    assert {len(row) for row in rows} == {18}
    openpyxl.load_workbook(io.BytesIO(written(result, "xlsx")), read_only=True)
    json.loads(written(result, "json"))


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_told_exactly_or_left_out(value: float):
    text = delimited._plain(value)
    assert (text == "") if value != value or abs(value) == float("inf") else float(text) == value
