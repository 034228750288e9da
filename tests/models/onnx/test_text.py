"""A graph as text classifier: reading text itself, or numbers of a vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from models.catalog import open_model
from models.errors import IntegrityError, InvalidInputError
from models.onnx.tokens import Tokens
from models.values import Document, Labels, TextOptions
from tests.models.onnx.graphs import NEGATIVE, POSITIVE, encoded, sealed, value
from tests.models.onnx.trained import complaints

CONFIG = {"scores": "probabilities", "abstain_below": 0.55, "samples": [POSITIVE[0], NEGATIVE[0]]}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "tốt", "chậm", "đường", "##làng", "làng", "quá", "tr", "##ễ"]
TOKENS = {"form": "words", "lowercase": True, "unknown": "[UNK]", "pad": "[PAD]", "most": 8, "ids": "ids"}


def bag(length: object = "l", mask: bool = False, rows: object = "n") -> bytes:
    """A bag of words: the weight of 'tốt' against that of 'chậm', over all words of the text; gives logits."""
    table = np.zeros((len(WORDS), 2), np.float32)
    table[4, 1], table[5, 0] = 3.0, 3.0
    nodes = [helper.make_node("Gather", ["table", "ids"], ["each"])]
    inputs = [value("ids", 7, [rows, length])]
    if mask:
        inputs.append(value("mask", 7, [rows, length]))
        nodes += [
            helper.make_node("Cast", ["mask"], ["real"], to=1),
            helper.make_node("Unsqueeze", ["real", "last"], ["wide"]),
            helper.make_node("Mul", ["each", "wide"], ["kept"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["each"], ["kept"]))
    nodes.append(helper.make_node("ReduceMean", ["kept", "axis"], ["scores"], keepdims=0))
    stored = [
        numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.array([-1]), "last"),
    ]  # fmt: skip
    return encoded(helper.make_graph(nodes, "bag", inputs, [value("scores", 1, [rows, 2])], stored))


def classifier(folder: Path, data: bytes, config: dict, words: list[str] | None = None):
    folder.mkdir(parents=True, exist_ok=True)
    if words is not None:
        (folder / "vocabulary.json").write_text(json.dumps(words), encoding="utf-8")
    return open_model(sealed(folder, "onnx.text-classify/1", data, config))


def ask(model, *texts: str) -> list:
    return model.predict([Document(str(i), text) for i, text in enumerate(texts)], TextOptions())


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_converted_scikit_learn_classifier_answers_with_the_labels_it_was_trained_on(tmp_path, zipmap):
    model = classifier(tmp_path / "a", complaints(zipmap), CONFIG)
    good, bad, empty = ask(model, POSITIVE[2], NEGATIVE[1], "")
    assert [good.labels[0][0], bad.labels[0][0]] == ["khen", "chê"]
    for one in (good, bad, empty):
        assert sum(score for _, score in one.labels) == pytest.approx(1, abs=1e-6)
        assert [score for _, score in one.labels] == sorted((score for _, score in one.labels), reverse=True)
    assert empty.abstained
    assert not good.abstained


def test_an_explanation_is_refused_not_invented(tmp_path):
    model = classifier(tmp_path / "a", complaints(False), CONFIG)
    with pytest.raises(InvalidInputError) as refusal:
        model.predict([Document("a", "b")], TextOptions(explain=True))
    assert refusal.value.word == "unsupported-option"


def test_a_text_too_long_fails_alone(tmp_path):
    model = classifier(tmp_path / "a", complaints(False), CONFIG)
    first, second = ask(model, "a" * 200_001, POSITIVE[0])
    assert isinstance(first, InvalidInputError)
    assert isinstance(second, Labels)


@pytest.mark.parametrize(("length", "mask", "rows"), [("l", False, "n"), ("l", True, 1), (8, True, "n")])
def test_numbers_of_a_vocabulary_alone_or_in_a_batch(tmp_path, length, mask, rows):
    tokens = TOKENS | ({"mask": "mask"} if mask else {})
    config = {**CONFIG, "scores": "logits", "labels": ["chê", "khen"], "tokens": tokens}
    model = classifier(tmp_path / "a", bag(length, mask, rows), config, WORDS)
    texts = ["Đường làng tốt quá", "chậm", "tốt chậm", "", "tốt " * 50, "x y z tốt"]
    together = ask(model, *texts)
    assert [one.labels[0][0] for one in together[:2]] == ["khen", "chê"]
    assert together == [ask(model, text)[0] for text in texts]


def test_a_graph_whose_probabilities_are_none_is_refused_text_by_text(tmp_path):
    config = {**CONFIG, "labels": ["chê", "khen"], "tokens": TOKENS}
    model = classifier(tmp_path / "a", bag(), config, WORDS)
    for found in ask(model, "tốt", "đường"):
        assert isinstance(found, InvalidInputError)
        assert found.word == "model-refused"


def test_one_column_is_the_chance_of_the_second_label(tmp_path):
    model = onnx.load_from_string(bag())
    model.graph.output[0].name = "chance"
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    model.graph.initializer.append(numpy_helper.from_array(np.array([[0.0], [1.0]], np.float32), "second"))
    model.graph.node.append(helper.make_node("MatMul", ["scores", "second"], ["logit"]))
    model.graph.node.append(helper.make_node("Sigmoid", ["logit"], ["chance"]))
    config = {**CONFIG, "labels": ["chê", "khen"], "tokens": TOKENS}
    (found,) = ask(classifier(tmp_path / "a", model.SerializeToString(), config, WORDS), "tốt")
    assert found.labels[0] == ("khen", pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6))


@pytest.mark.parametrize("changes", [
    {"scores": "votes"}, {"samples": []}, {"abstain_below": "x"}, {"labels": ["a"]}, {"labels": ["a", "a"]},
    {"labels": ["a", "b", "c"]}, {"output": "label"}, {"samples": 3},
])  # fmt: skip
def test_a_configuration_that_is_none_is_refused(tmp_path, changes):
    with pytest.raises(IntegrityError):
        classifier(tmp_path / "a", complaints(False), CONFIG | changes)


@pytest.mark.parametrize("changes", [
    {"form": "bpe"}, {"most": 1}, {"unknown": "?"}, {"ids": "other"}, {"mask": "mask"}, {"most": 10**9},
])  # fmt: skip
def test_tokens_that_are_none_are_refused(tmp_path, changes):
    config = {**CONFIG, "scores": "logits", "labels": ["chê", "khen"], "tokens": TOKENS | changes}
    with pytest.raises(IntegrityError):
        classifier(tmp_path / "a", bag(), config, WORDS)


def test_a_vocabulary_without_a_graph_for_it_and_the_reverse_are_refused(tmp_path):
    with pytest.raises(IntegrityError):
        classifier(tmp_path / "a", complaints(False), CONFIG | {"tokens": TOKENS}, WORDS)
    with pytest.raises(IntegrityError):
        classifier(tmp_path / "b", bag(), CONFIG | {"labels": ["chê", "khen"]})


@pytest.mark.parametrize(("text", "numbers"), [
    ("tốt", [2, 4, 3]), ("TỐT!", [2, 4, 1, 3]), ("đườnglàng", [2, 6, 7, 3]), ("trễ", [2, 10, 11, 3]),
    ("to\u0302\u0301t", [2, 4, 3]), ("", [2, 3]), ("trăm", [2, 1, 3]),
    ("tốt " * 20, [2, 4, 4, 4, 4, 4, 4, 3]), ("x" * 500, [2, 1, 3]),
])  # fmt: skip
def test_word_pieces_are_the_longest_known_ones(text, numbers):
    config = TOKENS | {"form": "wordpiece", "begin": "[CLS]", "end": "[SEP]"}
    assert Tokens(config, WORDS).encode(text) == numbers
