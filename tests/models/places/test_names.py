import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.places.gazetteer import FORMER, REGIONS, TOTAL_NAMES, provinces
from models.places.names import find_place, fold, vintage_of

UNITS = [*provinces("63"), *provinces("34")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hòa Bình", "Hòa Bình"),
        ("Hoà Bình", "Hòa Bình"),
        ("HOÀ BÌNH", "Hòa Bình"),
        ("  Tỉnh Hoà Bình (*)", "Hòa Bình"),
        ("Hoa Binh", "Hòa Bình"),
        ("1. Hà Nội", "Hà Nội"),
        ("01 Hà Nội", "Hà Nội"),
        ("Hà Nội¹", "Hà Nội"),
        ("Hà Nội mới (*)", "Hà Nội"),
        ("- Đắk Lắk", "Đắk Lắk"),
        ("Đắc Lắc", "Đắk Lắk"),
        ("Dack Lak", "Đắk Lắk"),
        ("Ðăk Nông", "Đắk Nông"),
        ("TP. H.C.M", "Thành phố Hồ Chí Minh"),
        ("TP.HCM", "Thành phố Hồ Chí Minh"),
        ("Tp Hồ Chí Minh", "Thành phố Hồ Chí Minh"),
        ("HO CHI MINH CITY", "Thành phố Hồ Chí Minh"),
        ("BR-VT", "Bà Rịa - Vũng Tàu"),
        ("Bà Rịa -V.Tàu", "Bà Rịa - Vũng Tàu"),
        ("TT - Huế", "Thừa Thiên Huế"),
        ("Thừa Thiên - Huế", "Thừa Thiên Huế"),
        ("TP Đồng Nai", "Đồng Nai"),
        ("Cà  Mau", "Cà Mau"),
        ("Hà Tây", "Hà Tây"),
        ("Minh Hải", "Minh Hải"),
        ("Quảng Nam Đà Nẵng", "Quảng Nam - Đà Nẵng"),
    ],
)
def test_a_province_is_found_however_an_office_writes_it(text, name):
    match = find_place(text)
    assert match is not None
    assert (match.kind, match.name) == ("province", name)


@pytest.mark.parametrize("text", ["CẢ NƯỚC", "Toàn quốc", "TỔNG SỐ", "Tổng cộng", "WHOLE COUNTRY", "Cộng:"])
def test_a_total_is_no_province(text):
    match = find_place(text)
    assert match is not None
    assert (match.kind, match.code) == ("total", None)


@pytest.mark.parametrize("text", ["Đồng bằng sông Hồng", "I. MIỀN BẮC", "Vùng Đông Nam Bộ", "ĐBSCL", "Tây Nguyên"])
def test_a_region_is_no_province(text):
    match = find_place(text)
    assert match is not None
    assert match.kind == "region"


@pytest.mark.parametrize(
    "text",
    ["", " ", "1", "79", "Thái Bình Dương", "Thái Lan", "Hà Lan", "Trung ương", "Địa phương", "Tỉnh", "Thành phố",
     "Tỉnh/T.phố", "Bộ Y tế", "Nam", "Tỉnh Hòa Bình tăng 5% so với cùng kỳ", "x" * 10_000],
)  # fmt: skip
def test_what_only_looks_like_a_place_is_none(text):
    assert find_place(text) is None


def test_other_diacritics_are_found_but_not_exact():
    assert find_place("Hà Năm").exact is False
    assert find_place("Hà Nam").exact is True
    assert find_place("Thanh Hoá").exact is True


def test_a_name_that_grew_in_2025_has_a_code_in_either_vintage():
    assert find_place("Bắc Ninh", "63").code == "27"
    assert find_place("Bắc Ninh", "34").code == "24"
    assert find_place("Bắc Ninh").ambiguous
    assert not find_place("Hà Tĩnh").ambiguous
    assert not find_place("Hà Giang").ambiguous


def test_an_abolished_unit_is_found_even_where_the_new_division_was_asked_for():
    match = find_place("Hà Giang", "34")
    assert (match.code, match.vintage) == ("02", "63")


def test_one_abolished_unit_tells_the_vintage_of_a_column():
    assert vintage_of(["Hà Nội", "Bắc Ninh", "Hà Giang"]) == "63"
    assert vintage_of(["Hà Nội", "Bắc Ninh"]) is None
    assert vintage_of(["Hà Tây", "Hà Nội"]) == "63"
    assert vintage_of(unit.name for unit in provinces("34")) == "34"
    assert vintage_of(unit.name for unit in provinces("63")) == "63"


def test_keys_of_different_places_never_meet():
    for units in (provinces("63"), provinces("34"), FORMER):
        keys = [fold(name) for unit in units for name in {unit.name, *unit.aliases}]
        owners = {fold(name): unit.code for unit in units for name in (unit.name, unit.en, *unit.aliases)}
        assert all(owners[fold(name)] == unit.code for unit in units for name in (unit.name, unit.en, *unit.aliases))
        assert keys
    places = {fold(n) for unit in (*UNITS, *FORMER) for n in (unit.name, *unit.aliases)}
    assert not places & {fold(n) for r in REGIONS for n in (r.name, *r.aliases)}
    assert not places & {fold(n) for n in TOTAL_NAMES}


@given(
    unit=st.sampled_from(UNITS),
    prefix=st.sampled_from(["", "Tỉnh ", "TP. ", "Thành phố ", "T.Phố ", "TP ", "- ", "12. ", "+ "]),
    suffix=st.sampled_from(["", " ", "(*)", " (1)", "*", "²", " :"]),
    form=st.sampled_from(["NFC", "NFD", "NFKD"]),
    case=st.sampled_from([str.upper, str.lower, str.title, str]),
    spaces=st.sampled_from([" ", "  ", "\u00a0", "\n"]),
)
def test_any_dress_of_a_name_is_the_same_place(unit, prefix, suffix, form, case, spaces):
    text = unicodedata.normalize(form, case(prefix + unit.name + suffix)).replace(" ", spaces)
    match = find_place(text, unit.vintage)
    assert match is not None
    assert (match.code, match.vintage) == (unit.code, unit.vintage)


@given(st.text(max_size=200))
def test_no_text_breaks_the_search(text):
    find_place(text)
    find_place(text, "34")
