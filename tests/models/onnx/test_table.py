"""A graph as detector of strange rows, with reasons that ask the graph itself."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from models.catalog import open_model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from models.tabular.columns import table_of
from models.values import Column, RowFindings, TabularOptions
from tests.models.onnx.graphs import affine, encoded, sealed, value
from tests.models.onnx.trained import ROWS, outliers

COLUMNS = [{"name": name, "type": "number"} for name in ("tuoi", "so_tien", "so_ngay")]
CONFIG = {
    "columns": COLUMNS, "stranger": "low", "limit": 0.0, "output": "scores", "samples": ROWS[:4].astype(float).tolist(),
}  # fmt: skip


def by_column() -> bytes:
    """|amount − 10|, plus 5 for a kind of its own: one input a column, one of them text."""
    nodes = [
        helper.make_node("Sub", ["amount", "ten"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["far"]),
        helper.make_node("Equal", ["kind", "odd"], ["is_odd"]),
        helper.make_node("Cast", ["is_odd"], ["odd_number"], to=1),
        helper.make_node("Mul", ["odd_number", "five"], ["extra"]),
        helper.make_node("Add", ["far", "extra"], ["score"]),
    ]
    stored = [
        numpy_helper.from_array(np.array([10], np.float32), "ten"),
        numpy_helper.from_array(np.array([5], np.float32), "five"),
        helper.make_tensor("odd", 8, [1], [b"khac"]),
    ]
    inputs = [value("amount", 1, [None, 1]), value("kind", 8, [None, 1])]
    return encoded(helper.make_graph(nodes, "g", inputs, [value("score", 1, [None, 1])], stored), functions=[])


MIXED = {
    "columns": [{"name": "kind", "type": "category"}, {"name": "amount", "type": "number"}], "stranger": "high",
    "limit": 4.5, "samples": [["xã", 10.0], ["huyện", 11.0]],
}  # fmt: skip


@pytest.fixture
def forest(tmp_path):
    return open_model(sealed(tmp_path / "forest", "onnx.tabular/1", outliers(), CONFIG))


@pytest.fixture
def mixed(tmp_path):
    return open_model(sealed(tmp_path / "mixed", "onnx.tabular/1", by_column(), MIXED))


def table(rows, names=("tuoi", "so_tien", "so_ngay")):
    return table_of([Column(name, "number") for name in names], rows)


def found(model, one, **options) -> RowFindings:
    (answer,) = model.predict([one], TabularOptions(**options))
    assert not isinstance(answer, PlatformError), answer.note
    return answer


def test_a_converted_isolation_forest_finds_the_strange_row_and_says_why(forest):
    rows = [*ROWS[:50].astype(float).tolist(), [0.0, 40.0, 0.1]]
    answer = found(forest, table(rows))
    assert answer.is_anomaly[-1]
    assert answer.reasons[50][0].column == "so_tien"
    assert answer.reasons[50][0].contribution > 0.9
    assert len(answer.score) == len(answer.is_anomaly) == len(answer.reasons) == 51
    assert all(bool(reasons) == bool(flag) for reasons, flag in zip(answer.reasons, answer.is_anomaly, strict=True))


def test_columns_are_matched_by_name_in_any_order(forest):
    rows = ROWS[:20].astype(float)
    straight = found(forest, table(rows.tolist()))
    turned = found(forest, table(rows[:, [2, 0, 1]].tolist(), ("so_ngay", "tuoi", "so_tien")))
    assert straight.score.tolist() == turned.score.tolist()


def test_a_share_flags_that_share(forest):
    answer = found(forest, table(ROWS[:100].astype(float).tolist()), expected_share=0.1)
    assert 5 <= answer.is_anomaly.sum() <= 20


@pytest.mark.parametrize(("columns", "pointer"), [
    ([("tuoi", "number")], "/columns"),
    ([("tuoi", "number"), ("so_tien", "number"), ("khac", "number")], "/columns"),
    ([("tuoi", "number"), ("so_tien", "boolean"), ("so_ngay", "number")], "/columns/1/type"),
    ([("tuoi", "number"), ("so_tien", "number"), ("so_ngay", "number"), ("khac", "number")], "/columns"),
])  # fmt: skip
def test_other_columns_are_refused(forest, columns, pointer):
    one = table_of([Column(*column) for column in columns], [[None] * len(columns)])
    (answer,) = forest.predict([one], TabularOptions())
    assert isinstance(answer, InvalidInputError)
    assert answer.faults[0].pointer == pointer


def test_an_empty_table_and_one_beside_a_broken_one_are_answered(forest):
    empty, broken, good = forest.predict(
        [table([]), table([[1.0]], ("tuoi",)), table([[0.0, 0.0, 0.0]])], TabularOptions()
    )
    assert empty.score.shape == (0,)
    assert isinstance(broken, InvalidInputError)
    assert good.score.shape == (1,)


def test_text_columns_go_in_as_text_and_share_the_reasons(mixed):
    columns = [Column("amount", "number"), Column("kind", "category")]
    rows = [[10.0, "xã"], [10.5, "xã"], [30.0, "xã"], [10.0, "khac"], [20.0, "khac"], [11.0, None], [9.0, "xã"]]
    answer = found(mixed, table_of(columns, rows))
    assert answer.is_anomaly.tolist() == [False, False, True, True, True, False, False]
    assert [reason.column for reason in answer.reasons[2]] == ["amount"]
    assert [reason.column for reason in answer.reasons[3]] == ["kind"]
    assert {reason.column for reason in answer.reasons[4]} == {"amount", "kind"}
    assert sum(reason.contribution for reason in answer.reasons[4]) == pytest.approx(1, abs=1e-3)


def test_a_reference_decides_what_is_usual(tmp_path):
    config = MIXED | {"reference": ["xã", 10.0]}
    model = open_model(sealed(tmp_path / "a", "onnx.tabular/1", by_column(), config))
    columns = [Column("kind", "category"), Column("amount", "number")]
    (answer,) = model.predict([table_of(columns, [["khac", 30.0]])], TabularOptions())
    assert [(r.column, r.contribution) for r in answer.reasons[0]] == [("amount", 0.8), ("kind", 0.2)]


def test_a_row_without_a_score_is_refused_not_guessed(mixed):
    columns = [Column("kind", "category"), Column("amount", "number")]
    (answer,) = mixed.predict([table_of(columns, [["xã", None], ["xã", 1.0]])], TabularOptions())
    assert isinstance(answer, InvalidInputError)
    assert answer.word == "model-refused"


@pytest.mark.parametrize("changes", [
    {"stranger": "both"}, {"limit": "x"}, {"limit": float("1e400")}, {"columns": COLUMNS[:2]}, {"samples": []},
    {"samples": [[1.0]]}, {"samples": [["a", 1.0, 1.0]]}, {"output": "label"}, {"columns": [{"name": "a"}]},
    {"columns": [*COLUMNS[:2], {"name": "c", "type": "category"}]}, {"columns": [*COLUMNS[:2], COLUMNS[0]]},
    {"columns": [*COLUMNS[:2], {"name": "c", "type": "money"}]}, {"reference": [1.0]}, {"columns": None},
])  # fmt: skip
def test_a_configuration_that_is_none_is_refused(tmp_path, changes):
    changed = {name: value for name, value in (CONFIG | changes).items() if value != float("inf")}
    with pytest.raises(IntegrityError):
        open_model(sealed(tmp_path / "a", "onnx.tabular/1", outliers(), changed))


def test_a_graph_that_gives_no_score_a_row_is_refused(tmp_path):
    with pytest.raises(IntegrityError):
        open_model(sealed(tmp_path / "a", "onnx.tabular/1", affine(), {**CONFIG, "output": "y"}))
