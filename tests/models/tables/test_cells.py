import csv
import io
import json
import unicodedata
from datetime import date, datetime, timedelta

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.tables.cells import cell_name, column_name, read_workbook
from models.tables.columns import is_long, read_columns

CELLS = st.text("abĐắ12 \"'", min_size=1, max_size=6)


def opened(tmp_path, data: bytes, name="tep"):
    path = tmp_path / "object"
    path.write_bytes(data)
    return read_workbook(path, name)


def test_a_cell_is_named_as_a_spreadsheet_names_it():
    assert [cell_name(6, 1), cell_name(0, 26), cell_name(0, 27), cell_name(9, 16_383)] == ["B7", "AA1", "AB1", "XFD10"]


@given(st.integers(0, 20_000))
def test_columns_count_in_letters(index):
    value = 0
    for letter in column_name(index):
        value = value * 26 + ord(letter) - 64
    assert value == index + 1


def test_cells_stand_at_their_own_place(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Một"
    sheet["C3"], sheet["E5"] = "Tổng số", 7
    sheet["D4"], sheet["D5"] = datetime(2020, 1, 2), timedelta(hours=30)
    sheet["E3"] = True
    sheet.merge_cells("C3:D3")
    book.create_sheet("Ẩn").sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    found = opened(tmp_path, out.getvalue(), "so lieu.xlsx")
    assert (found.file_name, found.format) == ("so lieu.xlsx", "xlsx")
    first, second = found.sheets
    assert (first.name, first.visible, first.merged) == ("Một", True, ((2, 2, 2, 3),))
    assert (second.name, second.visible, second.rows) == ("Ẩn", False, ())
    assert first.rows[2] == (None, None, "Tổng số", None, True)
    assert first.rows[3][3] in (datetime(2020, 1, 2), date(2020, 1, 2))
    assert first.rows[4][3:] == (timedelta(hours=30), 7.0)


def test_an_old_workbook_is_read_whatever_its_name_says(tmp_path):
    book = xlwt.Workbook()
    book.add_sheet("q").write(4, 2, "x")
    out = io.BytesIO()
    book.save(out)
    found = opened(tmp_path, out.getvalue(), "a.csv")
    assert found.format == "xls"
    assert found.sheets[0].rows[4] == (None, None, "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1258"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path, encoding, sign):
    rows = [["Tỉnh", "Tháng", "Ca mắc"], ["Hà Nội", "2020-01", "12"], ["Đắk Lắk", "2020-02", "7"]]
    text = "\r\n".join(sign.join(row) for row in rows) + "\r\n"
    if encoding == "cp1258":
        text = "".join(c if ord(c) < 128 else _for_windows(c) for c in text)
    found = opened(tmp_path, text.encode(encoding), "a.csv")
    assert found.format == "csv"
    assert [list(row) for row in found.sheets[0].rows] == rows


def _for_windows(letter: str) -> str:
    """A letter as Windows-1258 holds it: the vowel with its mark, the tone behind it."""
    try:
        letter.encode("cp1258")
    except UnicodeEncodeError:
        tones = "\u0300\u0301\u0303\u0309\u0323"
        for tone in tones:
            for base in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY":
                if unicodedata.normalize("NFC", base + tone) == letter:
                    return base + tone
    return letter


def test_decimal_commas_do_not_hide_the_delimiter(tmp_path):
    data = "Tỉnh;Giá trị;Tỷ lệ\nHà Nội;1.234,5;2,5\nHuế;12,5;3,1\n".encode()
    assert opened(tmp_path, data).sheets[0].rows[1] == ("Hà Nội", "1.234,5", "2,5")
    assert opened(tmp_path, b"sep=;\na;b\n1;2\n").sheets[0].rows == (("a", "b"), ("1", "2"))


def test_rows_keep_their_numbers_over_blank_lines_and_breaks_in_cells(tmp_path):
    rows = opened(tmp_path, b'Bao cao\n\na,b\n"1\n2",3\n4,5\n').sheets[0].rows
    assert rows == (("Bao cao", None), (None, None), ("a", "b"), ("1\n2", "3"), ("4", "5"))


def test_mixed_encodings_are_read_and_told(tmp_path):
    data = "Tỉnh,Số\nHà Nội,1\nHuế,2\n".encode() + "Cà Mau,3\n".encode("cp1258") + "Bến Tre,4\n".encode()
    found = opened(tmp_path, data)
    assert found.sheets[0].rows[3] == ("Cà Mau", "3")
    assert "hàng 4" in found.notes[0].vi


def test_parquet_and_json_lines_have_their_names_in_the_first_row(tmp_path):
    out = io.BytesIO()
    pq.write_table(pa.table({"tỉnh": ["Huế", None], "ngày": [date(2020, 1, 1), None], "số": [[1], None]}), out)
    found = opened(tmp_path, out.getvalue(), "a.parquet")
    assert (found.format, found.sheets[0].name) == ("parquet", "a")
    assert found.sheets[0].rows == (("tỉnh", "ngày", "số"), ("Huế", date(2020, 1, 1), "[1]"))
    lines = b'{"a": 1, "b": "x"}\n\n{"b": {"c": 2}, "d": true}\n'
    found = opened(tmp_path, lines)
    assert found.format == "jsonl"
    assert found.sheets[0].rows == (("a", "b", "d"), (1, "x", None), (None, '{"c": 2}', True))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=3, max_size=30))
def test_what_a_csv_writer_writes_comes_back(tmp_path, rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    found = opened(tmp_path, out.getvalue().encode())
    assert [list(row) for row in found.sheets[0].rows[1:]] == rows


def test_long_files_come_in_batches_that_agree_with_the_sheet(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("Tỉnh;Số\n" + "".join(f"Tỉnh {i};{i},5\n" for i in range(1000)) + "cuối\n", encoding="utf-8")
    rows = read_workbook(path, "long.csv").sheets[0].rows
    seen = 0
    for first, batch in read_columns(path, header_rows=1, batch_rows=300):
        for index, row in enumerate(batch.to_pylist()):
            assert (row["A"], row["B"]) == rows[first + index]
            seen += 1
    assert seen == 1001
    assert is_long(path)


def test_long_parquet_and_json_lines_come_in_batches(tmp_path):
    table = pa.table({"a": list(range(10)), "b": [str(i) for i in range(10)]})
    pq.write_table(table, tmp_path / "a.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    (tmp_path / "a.jsonl").write_text(lines)
    for name in ("a.parquet", "a.jsonl"):
        batches = list(read_columns(tmp_path / name, batch_rows=4))
        assert [first for first, _ in batches] == [1, 5, 9]
        assert batches[-1][1].to_pydict() == {"A": [8, 9], "B": ["8", "9"]}
