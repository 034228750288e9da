"""Bare tensors as layers: what a framework saved is answered as that framework would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.artifact import seal, write_tensors
from models.catalog import open_model
from models.errors import IntegrityError
from models.tensors import TensorOptions, Tensors

RNG = np.random.default_rng(0)
TENSORS = {
    "fc1.weight": RNG.normal(size=(5, 3)).astype(np.float32), "fc1.bias": RNG.normal(size=5).astype(np.float32),
    "fc2.weight": RNG.normal(size=(2, 5)).astype(np.float32),
}  # fmt: skip
LAYERS = [
    {"weight": "fc1.weight", "bias": "fc1.bias", "activation": "relu"},
    {"weight": "fc2.weight", "activation": "softmax"},
]


def opened(folder: Path, tensors: dict, config: dict):
    folder.mkdir(exist_ok=True)
    write_tensors(folder / "weights.safetensors", tensors)
    return open_model(
        seal(folder, name="tang", version="1.0.0", kind="safetensors.layers/1", licence="Apache-2.0", config=config)
    )


def test_it_computes_what_the_layers_say(tmp_path):
    model = opened(tmp_path / "a", TENSORS, {"layers": LAYERS, "input": "rows", "output": "chances"})
    rows = RNG.normal(size=(4, 3)).astype(np.float32)
    (found,) = model.predict([Tensors({"rows": rows})], TensorOptions())
    hidden = np.maximum(rows @ TENSORS["fc1.weight"].T + TENSORS["fc1.bias"], 0)
    logits = hidden @ TENSORS["fc2.weight"].T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found.arrays["chances"] == pytest.approx(expected, rel=1e-5)
    assert found.arrays["chances"].dtype == np.float32


def test_numbers_beyond_measure_give_an_answer_without_a_warning(tmp_path):
    model = opened(tmp_path / "a", TENSORS, {"layers": [LAYERS[0] | {"activation": "sigmoid"}, LAYERS[1]]})
    rows = np.array([[3e38, -3e38, np.inf]], np.float32)
    (found,) = model.predict([Tensors({"x": rows})], TensorOptions())
    assert found.arrays["y"].shape == (1, 2)


@pytest.mark.parametrize("config", [
    {}, {"layers": []}, {"layers": LAYERS[:1]}, {"layers": [*LAYERS, LAYERS[1]]}, {"layers": LAYERS[::-1]},
    {"layers": [LAYERS[0] | {"activation": "eval"}, LAYERS[1]]}, {"layers": [LAYERS[0] | {"bias": "x"}, LAYERS[1]]},
    {"layers": "fc1"}, {"layers": [3]}, {"layers": [LAYERS[0] | {"bias": "fc2.weight"}, LAYERS[1]]},
])  # fmt: skip
def test_layers_that_do_not_fit_are_refused(tmp_path, config):
    with pytest.raises(IntegrityError):
        opened(tmp_path / "a", TENSORS, config)


@pytest.mark.parametrize("weight", [np.full((5, 3), np.nan, np.float32), np.zeros((5, 3), np.int64), np.zeros((5, 0))])
def test_weights_that_are_no_numbers_are_refused(tmp_path, weight):
    with pytest.raises(IntegrityError):
        opened(tmp_path / "a", {**TENSORS, "fc1.weight": weight}, {"layers": LAYERS})
