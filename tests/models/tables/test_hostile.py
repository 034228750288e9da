"""Files that mean harm, or that somebody damaged: each is refused in words, in time, and leaves nothing behind."""

import contextlib
import io
import json
import resource
import struct
import tempfile
import zipfile
import zlib

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import InvalidInputError
from models.tables.cells import read_workbook

SECONDS = 2.0


def xlsx(rows=((1, "a"), (2, "b"))) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("Hai").append(["x"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xls() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Một")
    for row in range(200):
        sheet.write(row, 0, f"Tỉnh {row}")
        sheet.write(row, 1, row * 1.5)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_part(data: bytes, name: str, change) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            content = old.read(part)
            new.writestr(part, change(content) if name in part else content)
    return out.getvalue()


def with_cell(name: str) -> bytes:
    row = "".join(filter(str.isdigit, name))
    cell = f'<row r="{row}"><c r="{name}"><v>1</v></c></row></sheetData>'.encode()
    return with_part(xlsx(), "sheet1.xml", lambda part: part.replace(b"</sheetData>", cell))


def lying(data: bytes) -> bytes:
    """An archive whose directory says that every part is small."""
    out = bytearray(data)
    at = out.find(b"PK\x01\x02")
    while at >= 0:
        out[at + 24 : at + 28] = struct.pack("<I", 100)
        at = out.find(b"PK\x01\x02", at + 4)
    return bytes(out)


def huge_part(mib: int) -> bytes:
    row = b'<row><c t="inlineStr"><is><t>' + b"a" * 1000 + b"</t></is></c></row>"
    body = row * (mib * (1 << 20) // len(row))
    return with_part(xlsx(), "sheet1.xml", lambda part: part.replace(b"</sheetData>", body + b"</sheetData>"))


def many_parts(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
        for number in range(count):
            archive.writestr(f"xl/{number}", "")
    return out.getvalue()


def protected_xls() -> bytes:
    data = bytearray(xls())
    first = data.find(b"\x09\x08\x10\x00") + 20
    data[first : first + 2] = b"\x2f\x00"
    return bytes(data)


def protected_xlsx() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1024 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 2048


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), out)
    return out.getvalue()


def absurd_parquet() -> bytes:
    """A column of the same value, more rows than any sheet has; a few hundred bytes."""
    out = io.BytesIO()
    with pq.ParquetWriter(out, pa.schema([("a", pa.int8()), ("b", pa.int8())])) as writer:
        column = pa.array([0], pa.int8()).take(pa.array([0] * 1_000_000))
        for _ in range(10):
            writer.write_table(pa.table({"a": column, "b": column}))
    return out.getvalue()


def declaring_parquet() -> bytes:
    """A footer whose length is absurd."""
    data = parquet()
    return data[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"


def png() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(range(256)) * 50)


MIB = 1 << 20
WHOLE = [xlsx(), xls(), parquet()]
CASES = {
    "empty": (b"", "file-empty"),
    "blank": (b"\xef\xbb\xbf \r\n\r\n", "file-empty"),
    "zeros": (b"\0" * 100_000, "file-empty"),
    "picture": (png(), "file-not-table"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 10, "file-not-table"),
    "pdf": (b"%PDF-1.7\n1 0 obj", "file-not-table"),
    "program": (b"MZ\x90\0\x03\0\0\0" + b"\0" * 500, "file-not-table"),
    "noise": (bytes((i * 7919 + i // 256) % 256 for i in range(50_000)), "file-not-table"),
    "page": (b"<html><body><table><tr><td>1</td></tr></table></body></html>", "file-web-page"),
    "protected xls": (protected_xls(), "file-encrypted"),
    "protected xlsx": (protected_xlsx(), "file-encrypted"),
    "half an xlsx": (xlsx()[:3000], "file-damaged"),
    "half an xls": (xls()[:9000], "file-damaged"),
    "a container only": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x01" * 5000, "file-damaged"),
    "broken xml": (with_part(xlsx(), "sheet1.xml", lambda part: part[:-40]), "file-damaged"),
    "no sheet": (with_part(xlsx(), "workbook.xml", lambda _: b"<workbook/>"), None),
    "far cell": (with_cell("XFD1048576"), "file-too-complex"),
    "beyond the sheet": (with_cell("A99999999999"), None),
    "bomb": (huge_part(300), "file-bomb"),
    "lying bomb": (lying(huge_part(300)), None),
    "many parts": (many_parts(5000), "file-bomb"),
    "long cell": (xlsx(((1, "a" * 32_000),)), "ok"),
    "million columns": (b"a," * 1_000_000 + b"\n1\n", "too-many-columns"),
    "a line of 100 MB": (b"a" * (100 * MIB), "line-too-long"),
    "a cell of 100 MB": (b'a,b\n1,"' + b"xxxx\n" * (20 * MIB) + b'"\n', "unbalanced-quotes"),
    "open quote": (b'a,b\n1,2\n3,"4\n5,6\n' + b"7,8\n" * 100_000, "unbalanced-quotes"),
    "open quote at the end": (b'a,b\n1,2\n3,"4', "unbalanced-quotes"),
    "stray quote": (b'a,b,c\n1,"x,3\n4,5,6\n7,8,9\n1,y",3\n', "unbalanced-quotes"),
    "json array line": (b'{"a": 1}\n[1]\n', "json-line-bad"),
    "json depth": (b'{"a": ' + b"[" * 100_000 + b"\n", "json-line-bad"),
    "json infinity": (b'{"a": 1e999}\n', "json-line-bad"),
    "json nan": (b'{"a": NaN}\n', "json-line-bad"),
    "json digits": (b'{"a": ' + b"9" * 10_000 + b"}\n", "json-line-bad"),
    "json columns": (json.dumps(dict.fromkeys(map(str, range(20_000)), 1)).encode(), "too-many-columns"),
    "json names": (b"".join(b'{"c%d": 1}\n' % i for i in range(20_000)), "too-many-cells"),
    "rows of parquet": (absurd_parquet(), "too-many-cells"),
    "footer of parquet": (declaring_parquet(), "file-damaged"),
    "half a parquet": (parquet()[:-20], "file-damaged"),
    "parquet in name only": (b"PAR1" + b"\xff" * 100 + b"PAR1", "file-damaged"),
    "encrypted parquet": (b"PAR1" + b"\xff" * 100 + b"PARE", "file-encrypted"),
}  # fmt: skip


def spent() -> float:
    """Processor time of this process and of those that it started."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_words_and_in_time(name, tmp_path, monkeypatch):
    data, code = CASES[name]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "object"
    path.write_bytes(data)
    began = spent()
    if code == "ok":
        assert read_workbook(path, "tep.xlsx").sheets
    else:
        with pytest.raises(InvalidInputError) as caught:
            read_workbook(path, "tep.xls")
        assert code in (None, caught.value.word), caught.value.word
        assert caught.value.note.vi
        assert caught.value.note.en
        assert "{" not in caught.value.note.vi + caught.value.note.en
    assert spent() - began < SECONDS
    assert not list(temporary.iterdir())
    assert {entry.name for entry in tmp_path.iterdir()} == {"temporary", "object"}


def refusal(tmp_path, data: bytes) -> InvalidInputError:
    path = tmp_path / "object"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError) as caught:
        read_workbook(path, "tep")
    return caught.value


def second_sheet_with(row: bytes) -> bytes:
    return with_part(xlsx(), "sheet2.xml", lambda part: part.replace(b"</sheetData>", row + b"</sheetData>"))


def test_a_refusal_names_the_sheet_and_the_row(tmp_path):
    far = refusal(tmp_path, second_sheet_with(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    assert far.faults[0].pointer == "/sheets/1"
    assert "trang tính thứ 2" in far.note.vi
    quote = refusal(tmp_path, b'a,b\n1,2\n3,"4')
    assert quote.faults[0].pointer == "/rows/2"
    assert "hàng 3" in quote.note.vi
    assert refusal(tmp_path, b'{"a": 1}\n\n{"a"\n').faults[0].pointer == "/rows/2"
    cell = b'<c r="A9" t="inlineStr"><is><t>' + b"a" * 200_000 + b"</t></is></c>"
    long = refusal(tmp_path, second_sheet_with(b'<row r="9">' + cell + b"</row>"))
    assert (long.word, long.faults[0].pointer) == ("cell-too-long", "/sheets/1/rows/8")


def test_a_sheet_that_only_declares_to_be_full_is_read(tmp_path):
    data = with_part(xlsx(), "sheet1.xml", lambda part: part.replace(b"A1:B2", b"A1:XFD1048576"))
    path = tmp_path / "object"
    path.write_bytes(data)
    assert read_workbook(path, "a.xlsx").sheets[0].rows == ((1.0, "a"), (2.0, "b"))


def test_a_cell_far_down_costs_nothing(tmp_path):
    path = tmp_path / "object"
    path.write_bytes(with_cell("B1048576"))
    sheet = read_workbook(path, "a.xlsx").sheets[0]
    assert (sheet.height, sheet.width) == (1_048_576, 2)
    assert sheet.rows[1_048_575] == (None, 1.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_is_read_or_refused(tmp_path, data):
    broken = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "object"
    path.write_bytes(bytes(broken))
    with contextlib.suppress(InvalidInputError):
        assert read_workbook(path, "a").sheets is not None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000) | st.text(max_size=500).map(str.encode) | st.lists(st.sampled_from(
    ['"', ",", ";", "\n", "\r", "a", "1,5", "Tổng số", "\xe9", "\0", "'", "{", '{"a":', "}"]), max_size=60).map(
        lambda parts: "".join(parts).encode("utf-8")))  # fmt: skip
def test_any_bytes_are_read_or_refused(tmp_path, data):
    path = tmp_path / "object"
    path.write_bytes(data)
    try:
        book = read_workbook(path, "a.csv")
    except InvalidInputError:
        return
    json.dumps([sheet.rows for sheet in book.sheets], default=str)
    assert all(len(row) == sheet.width for sheet in book.sheets for row in sheet.rows)


def test_nothing_of_a_refused_file_is_repeated(tmp_path):
    secret = "So-CCCD-012345678901"
    error = refusal(tmp_path, f'a,b\n{secret},"x'.encode())
    assert secret not in str(error) + error.note.vi + error.note.en
