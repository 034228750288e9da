"""Any graph as a model of named tensors: its declarations are the contract."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.catalog import open_model
from models.errors import IntegrityError, InvalidInputError
from models.tensors import TensorOptions, Tensors
from tests.models.onnx.graphs import affine, endless, sealed

GOOD = {"x": np.ones((2, 3), np.float32)}


@pytest.fixture
def model(tmp_path):
    return open_model(sealed(tmp_path / "a", "onnx.tensor/1", affine(), {}))


def test_it_answers_named_arrays(model):
    (found,) = model.predict([Tensors(GOOD)], TensorOptions())
    assert found.arrays["y"].shape == (2, 3)
    assert found.arrays["y"].dtype == np.float32
    assert model.steady


@pytest.mark.parametrize(("arrays", "pointer", "code"), [
    ({}, "/inputs", "missing-input"),
    ({"z": GOOD["x"]}, "/inputs/0/name", "unknown-input"),
    ({**GOOD, "z": GOOD["x"]}, "/inputs/1/name", "unknown-input"),
    ({"x": np.ones((2, 3))}, "/inputs/0", "wrong-tensor"),
    ({"x": np.ones((2, 3), np.int64)}, "/inputs/0", "wrong-tensor"),
    ({"x": np.ones((2, 4), np.float32)}, "/inputs/0", "wrong-tensor"),
    ({"x": np.ones(3, np.float32)}, "/inputs/0", "wrong-tensor"),
    ({"x": np.ones((1, 2, 3), np.float32)}, "/inputs/0", "wrong-tensor"),
])  # fmt: skip
def test_what_the_graph_does_not_declare_is_refused_with_its_place(model, arrays, pointer, code):
    bad, good = model.predict([Tensors(arrays), Tensors(GOOD)], TensorOptions())
    assert isinstance(bad, InvalidInputError)
    assert (bad.faults[0].pointer, bad.word) == (pointer, code)
    assert good.arrays["y"].shape == (2, 3)


def test_outputs_can_be_chosen_and_unknown_ones_are_refused(model):
    assert list(model.predict([Tensors(GOOD)], TensorOptions(("y",)))[0].arrays) == ["y"]
    with pytest.raises(InvalidInputError) as refusal:
        model.predict([Tensors(GOOD)], TensorOptions(("label",)))
    assert refusal.value.word == "unknown-output"


def test_no_row_at_all_is_answered_with_no_row(model):
    (found,) = model.predict([Tensors({"x": np.ones((0, 3), np.float32)})], TensorOptions())
    assert found.arrays["y"].shape == (0, 3)


def test_samples_that_were_registered_are_those_of_warm_up(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "samples.json").write_text(json.dumps({"x": [[1, 2, 3], [4, 5, 6]]}))
    model = open_model(sealed(folder, "onnx.tensor/1", affine(), {}))
    (item,), _ = model.samples()
    assert item.arrays["x"].tolist() == [[1, 2, 3], [4, 5, 6]]
    again = tmp_path / "b"
    again.mkdir()
    model.save(again)
    assert json.loads((again / "samples.json").read_text()) == {"x": [[1, 2, 3], [4, 5, 6]]}


@pytest.mark.parametrize("samples", [
    {"x": [[1, 2]]}, {"x": [[1, 2, 3], [4]]}, {}, [], {"x": "a"}, {"x": [[1, 2, 3]], "z": [1]}, {"x": {"a": 1}},
])  # fmt: skip
def test_samples_that_do_not_fit_are_refused(tmp_path, samples):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "samples.json").write_text(json.dumps(samples))
    with pytest.raises(IntegrityError):
        open_model(sealed(folder, "onnx.tensor/1", affine(), {}))


def test_a_graph_that_loops_is_not_steady(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "samples.json").write_text('{"times": 3}')
    model = open_model(sealed(folder, "onnx.tensor/1", endless(), {}))
    assert not model.steady
    assert model.warm(1).items_per_second > 0
