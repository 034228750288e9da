"""Strange rows: found, explained, the same every time, whatever a table holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.artifact import seal
from models.catalog import open_model
from models.errors import InvalidInputError
from models.scores.anomaly import auc_roc
from models.tabular.columns import part, table_of
from models.tabular.detector import Calibration, TableDetector, fit
from models.values import Column, RowFindings, Table, TabularOptions

DETECTOR = TableDetector(Calibration())


def numbers(values, labels=None):
    values = np.asarray(values, float)
    columns = tuple(Column(f"c{at}", "number") for at in range(values.shape[1]))
    return Table(columns, tuple(values.T.copy()), ((),) * len(columns), len(values), labels)


def judged(table, **options):
    found = DETECTOR.predict([table], TabularOptions(**options))[0]
    assert isinstance(found, RowFindings)
    return found


def crowd(rows=300, width=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_a_row_far_from_all_others_is_flagged_and_its_column_named():
    values = crowd()
    values[17, 2] = 60.0
    found = judged(numbers(values))
    assert int(found.score.argmax()) == 17
    assert found.is_anomaly[17]
    first = found.reasons[17][0]
    assert first.column == "c2"
    assert first.contribution > 0.5
    assert "cao hơn" in first.text.vi
    assert "higher than" in first.text.en


def test_a_combination_that_no_other_row_has_is_strange_though_each_value_is_usual():
    rng = np.random.default_rng(1)
    line = rng.normal(size=500)
    values = np.column_stack([line, line + rng.normal(0, 0.05, 500)])
    values[9] = (1.0, -1.0)
    assert int(judged(numbers(values)).score.argmax()) == 9


def test_a_rare_category_and_an_empty_cell_are_reasons():
    rng = np.random.default_rng(2)
    rows = [[float(x), "xã" if x < 0.9 else "phường"] for x in rng.random(200)]
    rows[3] = [None, "đặc khu"]
    found = judged(table_of([Column("số ca", "number"), Column("cấp", "category")], rows))
    assert int(found.score.argmax()) == 3
    assert {reason.column for reason in found.reasons[3]} == {"số ca", "cấp"}
    assert any("Để trống" in reason.text.vi for reason in found.reasons[3])
    assert any("hiếm" in reason.text.vi for reason in found.reasons[3])


def test_about_one_row_in_a_hundred_of_a_clean_table_is_flagged():
    shares = [judged(numbers(crowd(2000, 5, seed))).is_anomaly.mean() for seed in range(5)]
    assert 0.003 < np.mean(shares) < 0.02


def test_the_asked_share_is_flagged_by_score():
    found = judged(numbers(crowd()), expected_share=0.05)
    assert int(found.is_anomaly.sum()) == 15
    assert found.score[found.is_anomaly].min() >= found.score[~found.is_anomaly].max()


def test_contributions_of_all_columns_sum_to_one():
    found = judged(numbers(crowd(80, 3)), reasons=20, explain="all")
    sums = [sum(reason.contribution for reason in row) for row in found.reasons]
    assert all(0.85 <= total <= 1.001 for total in sums)
    assert all(row for row in found.reasons)


def test_labels_turn_the_search_to_what_they_mark():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(600, 3))
    marked = rng.random(600) < 0.1
    values[marked, 1] += 2.5
    labels = np.where(rng.random(600) < 0.5, marked, -1).astype(np.int8)
    hidden = labels < 0
    with_labels, without = judged(numbers(values, labels)), judged(numbers(values))
    assert auc_roc(marked[hidden], with_labels.score[hidden]) > auc_roc(marked[hidden], without.score[hidden]) + 0.05


def test_few_labels_are_not_used_and_said_so():
    labels = np.full(100, -1, np.int8)
    labels[:4] = 1
    found = judged(numbers(crowd(100), labels))
    assert [warning.code for warning in found.warnings] == ["labels_unused"]
    assert np.array_equal(found.score, judged(numbers(crowd(100))).score)


def test_pieces_of_a_file_are_judged_as_the_whole_is():
    table = numbers(crowd(3000, 5))
    fitted = fit(table, Calibration())
    options = TabularOptions()
    pieces = [fitted.judge(part(table, slice(at, at + 700)), options) for at in range(0, 3000, 700)]
    whole = judged(table)
    assert np.allclose(np.concatenate([piece.score for piece in pieces]), whole.score, rtol=1e-6)


def test_a_category_not_seen_when_fitted_is_rare():
    columns = [Column("a", "category"), Column("b", "number")]
    known = table_of(columns, [["x" if at % 3 else "y", float(at % 7)] for at in range(300)])
    later = table_of(columns, [["x", 1.0], ["z", 1.0]])
    score, _ = fit(known, Calibration()).scores(later)
    assert score[1] > score[0]


def test_other_columns_than_those_fitted_on_are_refused():
    with pytest.raises(InvalidInputError):
        fit(numbers(crowd(50, 2)), Calibration()).judge(numbers(crowd(50, 3)), TabularOptions())


cells = st.one_of(
    st.none(), st.floats(-1e30, 1e30, allow_nan=False), st.integers(-3, 3), st.just(0.0), st.integers(-(10**29), 10**29)
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40).flatmap(
        lambda count: st.lists(
            st.tuples(cells, st.sampled_from(["a", "b", "cc", None]), st.sampled_from([True, False, None])),
            min_size=count, max_size=count,
        )
    ),
    explain=st.sampled_from(["anomalies", "all"]),
)  # fmt: skip
def test_any_table_is_answered_in_full_length_with_finite_scores(rows, explain):
    table = table_of([Column("n", "number"), Column("c", "category"), Column("b", "boolean")], rows)
    found = judged(table, explain=explain)
    assert found.score.shape == found.is_anomaly.shape == (len(rows),)
    assert len(found.reasons) == len(rows)
    assert np.isfinite(found.score).all()
    assert (found.score >= 0).all()
    assert all(np.isfinite(reason.contribution) for row in found.reasons for reason in row)


def test_tables_without_variety_are_nothing_strange():
    for values in (np.zeros((50, 3)), np.full((50, 1), np.nan), np.ones((1, 2))):
        found = judged(numbers(values))
        assert not found.is_anomaly.any()


def test_a_broken_table_stands_as_its_error_beside_the_good_ones():
    broken = Table((Column("a", "number"),), (np.array([1.0, np.inf]),), ((),), 2)
    good = numbers(crowd(50))
    found = DETECTOR.predict([broken, good], TabularOptions())
    assert isinstance(found[0], InvalidInputError)
    assert isinstance(found[1], RowFindings)


def test_it_opens_again_from_its_seal(tmp_path):
    config = TableDetector(Calibration(limit=4.5)).save(tmp_path)
    artifact = seal(tmp_path, name="t", version="1.0.0", kind="tabular.anomaly/1", licence="Apache-2.0", config=config)
    assert open_model(artifact).calibration == Calibration(limit=4.5)


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("number", "3", "type-mismatch"), ("number", True, "type-mismatch"), ("boolean", 1, "type-mismatch"),
        ("date", 3, "type-mismatch"), ("date", "hôm qua", "bad-timestamp"), ("number", 1e31, "number-out-of-range"),
        ("number", 10**400, "number-out-of-range"),
    ],
)  # fmt: skip
def test_a_cell_of_another_type_is_refused_with_its_place(column, cell, code):
    with pytest.raises(InvalidInputError) as refused:
        table_of([Column("a", "number"), Column("b", column)], [[1.0, None], [1.0, cell]])
    assert refused.value.faults[0].pointer == "/rows/1/1"
    assert refused.value.word == code


def test_ragged_rows_and_repeated_names_are_refused():
    with pytest.raises(InvalidInputError) as ragged:
        table_of([Column("a", "number"), Column("b", "number")], [[1.0, 2.0], [1.0]])
    assert ragged.value.faults[0].pointer == "/rows/1"
    with pytest.raises(InvalidInputError):
        table_of([Column("a", "number"), Column("a", "number")], [[1.0, 2.0]])


def test_dates_are_days_and_written_as_officials_write_them():
    rows = [[f"2024-0{1 + at % 9}-1{at % 9}"] for at in range(60)]
    rows[5] = ["1924-01-15"]
    found = judged(table_of([Column("ngày", "date")], rows))
    assert found.is_anomaly[5]
    assert "15/1/1924" in found.reasons[5][0].text.vi
