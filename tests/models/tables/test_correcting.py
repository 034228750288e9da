import json

import pytest

from models.errors import InvalidInputError
from models.tables.reading import apply_pattern, correct, observe, read, reading_from_dict, reading_to_dict
from tests.models.tables.sheets import bulletin, yearbook


def test_a_reading_goes_over_the_wire_and_back():
    for workbook in (yearbook(), bulletin()):
        reading = read(workbook)
        data = json.loads(json.dumps(reading_to_dict(reading), ensure_ascii=False))
        assert data["tables"][0]["period"]["from"] in ("file_name", "header")
        assert reading_from_dict(data) == reading


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("confidence",), "high", "/confidence"),
        (("tables", 0, "layout"), "tall", "/tables/0/layout"),
        (("tables", 0, "range"), "A1", "/tables/0/range"),
        (("tables", 0, "colour"), "red", "/tables/0/colour"),
        (("tables", 0, "columns", 1, "index"), 0, "/tables/0/columns/1/index"),
        (("tables", 0, "columns", 1, "role"), "values", "/tables/0/columns/1/role"),
        (("tables", 0, "period", "from"), "moon", "/tables/0/period/from"),
        (("tables",), 7, "/tables"),
    ],
)
def test_a_fault_on_the_wire_is_told_with_its_place(path, value, pointer):
    data = reading_to_dict(read(yearbook()))
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(InvalidInputError) as caught:
        reading_from_dict(data)
    assert caught.value.faults[0].pointer == pointer


def test_the_year_is_answered():
    workbook = yearbook("Nien giam.xls")
    settled = correct(read(workbook), {"answers": {"year": "2013", "unnamed": "ignore"}})
    assert not settled.questions
    assert settled.confidence == 1.0
    assert settled.tables[0].period.first == "2013-01"
    assert next(observe(settled, workbook)).period == "2013-01"


@pytest.mark.parametrize("answers", [{"year": "13"}, {"month": "1"}, {"year": 2013}, ["year"]])
def test_an_answer_that_fits_nothing_is_refused(answers):
    with pytest.raises(InvalidInputError):
        correct(read(yearbook("Nien giam.xls")), {"answers": answers})


def test_a_column_is_corrected_by_its_index():
    workbook = yearbook()
    changes = {"tables": [{"index": 0, "columns": [{"index": 2, "role": "ignore"}, {"index": 1, "measure": "stock"}]}]}
    settled = correct(read(workbook), changes)
    first = next(observe(settled, workbook))
    assert (first.cell, first.measure) == ("B3", "stock")
    assert not any(found.cell.startswith("C") for found in observe(settled, workbook))


@pytest.mark.parametrize(
    "changes",
    [
        {"tables": [{"index": 5}]},
        {"tables": {}},
        {"tables": [{"index": 0, "columns": [{"index": 99, "role": "ignore"}]}]},
        {"tables": [{"index": 0, "layout": "tall"}]},
        {"colour": "red"},
        {"name": 5},
    ],
)
def test_a_change_that_fits_nothing_is_refused(changes):
    with pytest.raises(InvalidInputError):
        correct(read(yearbook()), changes)


def test_a_kept_reading_settles_the_next_file_but_for_its_periods():
    kept = correct(read(yearbook()), {"name": "Niên giám", "answers": {"unnamed": "ignore"}})
    workbook = yearbook("Nien giam 2012.xls")
    again = apply_pattern(kept, read(workbook))
    assert again.name == "Niên giám"
    assert not again.questions
    assert next(observe(again, workbook)).period == "2012-01"


def test_a_column_without_heading_may_be_made_data():
    workbook = yearbook()
    settled = correct(read(workbook), {"answers": {"unnamed": "value"}})
    assert any(found.cell == "Z3" for found in observe(settled, workbook))
