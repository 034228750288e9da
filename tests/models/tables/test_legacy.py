import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tables.alphabets import _TCVN3, _VNI, is_syllable, tcvn3, vni
from models.tables.cells import Sheet, read_workbook
from models.tables.legacy import convert, convert_all

TEXT = """
tổng số ca mắc và tử vong theo tỉnh thành phố năm tháng quý người nghìn triệu đồng sản lượng lúa đông xuân
chỉ số giá tiêu dùng hàng hoá xuất khẩu nhập khẩu dịch vụ khách du lịch diện tích gieo trồng cây ước tính
"""
WORDS = TEXT.split()
FROM_TCVN3 = {letter: code for code, letter in _TCVN3.items() if code != "\u03bc"}
FROM_VNI = {
    letter: code for code, letter in _VNI.items() if code.islower() == letter.islower() or code.isupper()
}  # fmt: skip


def typed(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


def one(text: str) -> tuple[str, str]:
    sheet, done = convert(Sheet("s", ((text,),)))
    return sheet.rows[0][0], done


@pytest.mark.parametrize(
    ("text", "read", "done"),
    [
        ("Tæng sè", "Tổng số", "tcvn3"),
        ("TæNG Sè", "TỔNG SỐ", "tcvn3"),
        ("C¶ N¦íC", "CẢ NƯỚC", "tcvn3"),
        ("H\u00adng Yªn", "Hưng Yên", "tcvn3"),
        ("H\u00ad\u00adng Yªn", "Hưng Yên", "tcvn3"),
        ("Đắk N«ng", "Đắk Nông", "mixed"),
        ("Điện Biªn", "Điện Biên", "mixed"),
        ("Ch\u00ada bao gåm số liệu của huyÖn Mª Linh", "Chưa bao gồm số liệu của huyện Mê Linh", "mixed"),
        ("Toång soá", "Tổng số", "vni"),
        ("THAØNH PHOÁ HOÀ CHÍ MINH", "THÀNH PHỐ HỒ CHÍ MINH", "vni"),
        (unicodedata.normalize("NFD", "Tổng số"), "Tổng số", "nfc"),
        ("Tổng số", "Tổng số", "none"),
    ],
)
def test_legacy_text_becomes_unicode(text, read, done):
    assert one(text) == (read, done)


@pytest.mark.parametrize(
    "text",
    ["São Tomé", "Zürich", "Côte d'Ivoire", "Curaçao", "México", "crème brûlée", "naïve café", "på", "für", "Ørsted",
     "50 µg", "µm", "§ 5", "© 2020", "Excel®", "«trích dẫn»", "10 × 20", "±5 °C", "co\u00adoperate", "Ý kiến", "có",
     "không có", "Cá", "số", "Đã có", "TÍNH THEO GIÁ", "HÈ THU", "£5", "¥100", "½", "1ª", "El Niño", "Bộ VHTT&DL"],
)  # fmt: skip
def test_ordinary_text_is_never_damaged(text):
    assert one(text) == (text, "none")


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=8))
def test_what_was_typed_in_tcvn3_comes_back(words):
    text = " ".join(words)
    block = Sheet("s", ((typed("diện tích gieo trồng", FROM_TCVN3),), (typed(text, FROM_TCVN3),)))
    assert convert(block)[0].rows[1][0] == text


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=8))
def test_what_was_typed_in_vni_comes_back(words):
    text = " ".join(words)
    block = Sheet("s", ((typed("diện tích gieo trồng", FROM_VNI),), (typed(text, FROM_VNI),)))
    assert convert(block)[0].rows[1][0] == text


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=10))
def test_unicode_sheets_are_left_alone(lines):
    sheet = Sheet("s", tuple((line, 1.5, None) for line in lines))
    assert convert(sheet) == (sheet, "none")


@given(st.lists(st.text(max_size=40), max_size=10))
def test_no_text_breaks_it_and_twice_is_once(lines):
    sheet = Sheet("s", tuple((line or None,) for line in lines))
    once, _ = convert(sheet)
    assert len(once.rows) == len(sheet.rows)
    for line, row in zip(lines, once.rows, strict=True):
        if line.isascii():
            assert row == (line or None,)


def test_a_sheet_with_open_words_only_follows_its_workbook():
    told = Sheet("a", (("Tæng sè",), ("DiÖn tÝch",), ("S¶n l\u00adîng",)))
    silent = Sheet("b", (("sè",),))
    assert [sheet.rows[0][0] for sheet, _ in convert_all([told, silent])] == ["Tổng số", "số"]
    assert convert(silent)[0] is silent


@pytest.mark.parametrize("stray", ["Tæng sè", "Tæng"])
def test_a_stray_word_does_not_turn_the_cells_around_it(stray):
    rows = (("Tháng", "có"), (stray, 5.0), ("Tháng", "cá"), ("tháng sáu", "giá"))
    sheet, _ = convert(Sheet("s", rows))
    assert [row for row in sheet.rows if row[1] != 5.0] == [row for row in rows if row[1] != 5.0]


def test_the_alphabets_are_whole():
    letters = "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
    assert set(letters) - set("ý") <= set(_TCVN3.values())
    assert set(letters + letters.upper()) - set("íìÍÌ") <= set(_VNI.values())
    assert tcvn3(typed(letters, FROM_TCVN3)) == letters
    assert vni("ñöôøng phoá") == "đường phố"


def test_a_syllable_is_known_by_its_spelling():
    assert all(map(is_syllable, ["nghiêng", "quốc", "gì", "khuya", "Huế", "Ý", "hoá", "hòa", "Kạn", "ước"]))
    assert not any(map(is_syllable, ["cêm", "ngê", "kả", "tàp", "qả", "Zürich", "tổngg", "", "å"]))


@pytest.mark.skipif("AICHUNG_DATA_MIRROR" not in os.environ, reason="the mirror of data is not here")
def test_every_workbook_of_the_statistics_office_becomes_unicode():
    left = 0
    seen = 0
    for path in sorted((Path(os.environ["AICHUNG_DATA_MIRROR"]) / "bulletins").glob("*/*.xls*")):
        for sheet, _ in convert_all(read_workbook(path, path.name).sheets):
            for row in sheet.rows:
                for value in row:
                    if isinstance(value, str):
                        seen += 1
                        left += any(sign in value for sign in "¸µ¶·¹©ª«¬®§\u00ad")
    assert seen > 50_000
    assert left == 0
