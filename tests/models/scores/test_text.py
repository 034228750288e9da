import numpy as np
import pytest

from models.scores.text import (
    accuracy,
    bootstrap,
    f1,
    f1_by_class,
    macro_f1,
    ratio,
    span_counts,
    syllable_accuracy,
    syllable_counts,
    word_spans,
)


def test_word_f1_counts_only_spans_with_both_ends_right():
    gold = [word_spans(["Bộ Y tế", "đề nghị", "."])]
    said = [word_spans(["Bộ", "Y tế", "đề nghị", "."])]
    counts = span_counts(gold, said)
    assert counts.tolist() == [[2, 3, 4]]
    assert float(f1(counts.sum(0))) == pytest.approx(4 / 7)


def test_underscores_and_spaces_take_no_room_in_spans():
    assert word_spans(["Hà_Nội", "đẹp"]) == word_spans(["Hà Nội", "đẹp"]) == {(0, 5), (5, 8)}


def test_nothing_to_find_and_nothing_said_is_right():
    assert float(f1(np.zeros(3))) == 1.0


def test_macro_f1_weighs_rare_classes_like_frequent_ones():
    gold, said = ["a"] * 98 + ["b"] * 2, ["a"] * 100
    assert accuracy(gold, said) == pytest.approx(0.98)
    assert f1_by_class(gold, said) == {"a": pytest.approx(2 * 98 / 198), "b": 0.0}
    assert macro_f1(gold, said) == pytest.approx(98 / 198)


def test_a_lost_syllable_makes_the_whole_text_wrong():
    assert syllable_accuracy(["hòa bình", "xin chào"], ["hòa binh", "xin"]) == 0.25
    assert syllable_counts(["hòa bình"], ["hòa bình"]).tolist() == [[2, 2]]


def test_the_interval_holds_the_figure_and_is_the_same_every_time():
    counts = np.random.default_rng(1).binomial(1, 0.9, 800)[:, None] * [[1.0, 0]] + [[0.0, 1]]
    low, high = bootstrap(counts, ratio)
    assert low < float(ratio(counts.sum(0))) < high
    assert 0.03 < high - low < 0.06
    assert bootstrap(counts, ratio) == (low, high)
