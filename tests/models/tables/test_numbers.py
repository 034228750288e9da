import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tables.numbers import COMMA_GROUPS, POINT_GROUPS, Tally, decide, parse


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["1.234,5", "7"], POINT_GROUPS),
        (["1,234.5", "7"], COMMA_GROUPS),
        (["1.234.567"], POINT_GROUPS),
        (["1,234,567"], COMMA_GROUPS),
        (["12,5"], POINT_GROUPS),
        (["12.5"], COMMA_GROUPS),
        (["0,125", "1,234"], POINT_GROUPS),
        (["1234,567"], POINT_GROUPS),
        (["1 234,567"], POINT_GROUPS),
        (["5", "999", "27", "1.234", "12.345", "1.000"], POINT_GROUPS),
        (["1234", "1.234"], COMMA_GROUPS),
        (["(1.234,50)", "-3", "…"], POINT_GROUPS),
    ],
)
def test_the_whole_column_decides_its_form(cells, form):
    column = decide(cells)
    assert (column.kind, column.form, column.ambiguous) == ("number", form, False)


@pytest.mark.parametrize("cells", [["1.234"], ["1,234", "-", "5"], ["1.234", "1,234"], ["1,5", "1.5"]])
def test_what_can_be_read_two_ways_is_a_question(cells):
    assert decide(cells).ambiguous


@pytest.mark.parametrize(
    "cells",
    [["001", "002", "010"], ["0912345678", "0987654321"],
     ["079123456789"] * 4,
     ["3500123456", "3700987654", "3701234567"],
    ],
)  # fmt: skip
def test_codes_stay_text(cells):
    assert decide(cells).kind == "identifier"


def test_numbers_of_the_spreadsheet_need_no_form():
    column = decide([1.5, 2, None, "-", "x"])
    assert (column.kind, column.form, column.ambiguous) == ("number", None, False)
    assert decide(["Hà Nội", "Huế", "12"]).kind == "text"
    assert decide([None, "", "…"]).kind == "empty"
    assert decide([True, False]).kind == "text"


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("1.234,5", POINT_GROUPS, 1234.5),
        ("1,234.5", COMMA_GROUPS, 1234.5),
        ("1 234,5", POINT_GROUPS, 1234.5),
        ("−12,5 %", POINT_GROUPS, -12.5),
        ("(3)", None, -3.0),
        ("1.234", POINT_GROUPS, 1234.0),
        ("1.234", COMMA_GROUPS, 1.234),
        ("12*", None, 12.0),
        (",5", POINT_GROUPS, 0.5),
        ("1.23", POINT_GROUPS, None),
        ("1,2,3", POINT_GROUPS, None),
        ("5,", POINT_GROUPS, None),
        ("(3", None, None),
        ("1e308", None, None),
        ("٣", None, None),
        ("²", None, None),
        ("-", None, None),
        ("", None, None),
        ("9" * 400, None, None),
    ],
)
def test_a_number_is_read_in_its_form_or_not_at_all(text, form, value):
    assert parse(text, form) == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 99), st.sampled_from([POINT_GROUPS, COMMA_GROUPS]))
def test_what_is_written_in_a_form_comes_back(whole, cents, form):
    english = f"{whole:,}.{cents:02d}"
    text = english if form == COMMA_GROUPS else english.translate(str.maketrans(".,", ",."))
    assert decide([text]).form == form
    value = parse(text, form)
    assert value == pytest.approx(float(f"{whole}.{cents:02d}"))


@given(st.lists(st.text("0123456789.,-% ()x…", max_size=12) | st.floats() | st.none() | st.integers(), max_size=20))
def test_no_cells_break_the_decision_and_batches_change_nothing(cells):
    whole = decide(cells)
    half = len(cells) // 2
    assert Tally().add(cells[:half]).add(cells[half:]).decide() == whole
    for cell in cells:
        if isinstance(cell, str):
            parse(cell, whole.form)
