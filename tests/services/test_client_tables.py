"""Tables through the client and the command line, against a whole house over a real socket."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.errors import InvalidInputError
from services.cli import main
from services.cli_rows import read_table
from services.client import Client
from services.client_tables import table_of, type_of
from tests.services.wire.small import Place

ROWS: list[dict[str, Any]] = [{"so_ca": 12 + at % 4, "tuyen": "xã"} for at in range(30)] + [{"so_ca": 900}]


@pytest.fixture
def ai(place: Place, address: str) -> Iterator[Client]:
    with Client(address, place.keys["ministry"], progress=False) as client:
        yield client


def test_rows_a_frame_and_the_apis_own_form_give_the_same_answer(ai: Client):
    answers = [
        ai.strange_rows(table, model=None) for table in (ROWS, pd.DataFrame(ROWS), table_of(ROWS, {}))
    ]  # fmt: skip
    assert answers[0].scores == answers[1].scores == answers[2].scores
    assert len(answers[0].scores) == len(answers[0].reasons) == len(ROWS)
    assert answers[0].usage == {"rows": 31, "cells": 62}
    framed = answers[0].frame()
    assert list(framed.columns) == ["so_ca", "tuyen", "score", "is_anomaly"]
    assert answers[0].flagged == sorted(answers[0].flagged, key=lambda row: -answers[0].scores[row])


def test_the_platform_judges_the_cells(ai: Client):
    with pytest.raises(InvalidInputError) as refused:
        ai.strange_rows(ROWS, types={"tuyen": "number"})
    assert refused.value.faults[0].pointer == "/rows/0/1"
    with pytest.raises(InvalidInputError):
        ai.strange_rows(ROWS, bi_mat=1)


@pytest.mark.parametrize(("values", "kind"), [
    ([1, 2.5, None], "number"), ([True, None], "boolean"), ([date(2024, 1, 1), None], "date"), (["a", 1], "category"),
    ([None], "category"), ([float("nan"), 1], "number"), ([pd.NaT, pd.Timestamp("2024-01-01")], "date"),
    ([pd.NA, 3], "number"), ([True, 1], "category"),
])  # fmt: skip
def test_a_columns_type_is_read_from_its_values(values: list[Any], kind: str):
    assert type_of(values) == kind


@pytest.mark.parametrize("table", [[], ["a"], [1, 2], [{"a": 1}, "b"]], ids=str)
def test_what_is_no_table_is_told(table: Any):
    with pytest.raises(InvalidInputError):
        table_of(table, {})


def test_a_file_is_read_as_numbers_dates_and_words(tmp_path: Path):
    file = tmp_path / "bang.csv"
    file.write_text("ngay;so_ca;ma\n2024-01-01;1.234,5;01\n;;x\n", encoding="utf-8-sig")
    assert read_table(file) == [
        {"ngay": date(2024, 1, 1), "so_ca": 1234.5, "ma": "01"}, {"ngay": None, "so_ca": None, "ma": "x"},
    ]  # fmt: skip
    for content in ("", "a,b\n", "a,a\n1,2\n", "a,b\n1\n"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(InvalidInputError):
            read_table(file)


def test_the_command_tells_lines_and_reasons(
    place: Place, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "bang.csv"
    file.write_text("so_ca,tuyen\n" + "".join(f"{r['so_ca']},{r.get('tuyen', '')}\n" for r in ROWS), encoding="utf-8")
    arguments = ["rows", str(file), "--url", address, "--key", place.keys["ministry"]]
    monkeypatch.setattr(sys, "argv", ["aichung", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 0, told.err
    assert "score" in told.out
    assert "AI" in told.err
