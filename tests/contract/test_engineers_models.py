"""The laws of `models.contract`, held over one model of every kind that an engineer may register."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.artifact import seal, write_tensors
from models.catalog import KINDS, open_model
from models.errors import IntegrityError, PlatformError
from tests.contract.test_models import plain
from tests.models.onnx import test_table, test_text
from tests.models.onnx.graphs import affine, sealed
from tests.models.onnx.trained import complaints, outliers
from tests.models.tabular import test_layers

MAKERS = {
    "tensor": ("onnx.tensor/1", affine, {}),
    "text": ("onnx.text-classify/1", lambda: complaints(False), test_text.CONFIG),
    "words": (
        "onnx.text-classify/1", test_text.bag,
        {**test_text.CONFIG, "scores": "logits", "labels": ["chê", "khen"], "tokens": test_text.TOKENS},
    ),
    "table": ("onnx.tabular/1", outliers, test_table.CONFIG),
    "columns": ("onnx.tabular/1", test_table.by_column, test_table.MIXED),
    "layers": ("safetensors.layers/1", None, {"layers": test_layers.LAYERS}),
}  # fmt: skip

each = pytest.mark.parametrize("name", MAKERS)


def made(name: str, folder: Path):
    """(artefact, model) of one maker."""
    kind, data, config = MAKERS[name]
    folder.mkdir(parents=True)
    if name == "words":
        (folder / "vocabulary.json").write_text(json.dumps(test_text.WORDS), encoding="utf-8")
    if data is None:
        write_tensors(folder / "weights.safetensors", test_layers.TENSORS)
    artifact = sealed(folder, kind, None if data is None else data(), json.loads(json.dumps(config)))
    return artifact, open_model(artifact)


def agree(left: Any, right: Any) -> bool:
    """Whether two plain answers agree: a graph computes in 32-bit floats, whose sums differ in order by batch."""
    if isinstance(left, float) and isinstance(right, float):
        return left == pytest.approx(right, rel=1e-5, abs=1e-6)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(agree(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(agree, left, right))
    return left == right


def answers(model: Any, items: Any, options: Any) -> list[Any]:
    found = model.predict(items, options)
    assert not any(isinstance(answer, PlatformError) for answer in found)
    return [plain(answer) for answer in found]


def test_every_kind_that_may_be_registered_has_a_maker():
    registered = {kind for kind in KINDS if kind.startswith(("onnx.", "safetensors."))}
    assert registered == {kind for kind, _, _ in MAKERS.values()}


@each
def test_alone_or_in_a_batch_in_any_order_twice_the_answer_is_the_same(name, tmp_path):
    _, model = made(name, tmp_path / "a")
    items, options = model.samples()
    together = answers(model, items, options)
    assert together == answers(model, items, options)
    assert agree([answers(model, [item], options)[0] for item in items], together)
    assert agree(answers(model, list(reversed(items)), options), together[::-1])
    assert model.predict([], options) == []


@each
def test_it_never_changes_what_it_was_given(name, tmp_path):
    _, model = made(name, tmp_path / "a")
    items, options = model.samples()
    before = plain(list(items)), plain(options)
    model.predict(items, options)
    assert (plain(list(items)), plain(options)) == before


@each
def test_saved_sealed_and_opened_again_it_is_the_same_artefact(name, tmp_path):
    artifact, model = made(name, tmp_path / "a")
    again = tmp_path / "b"
    again.mkdir()
    config = model.save(again)
    saved = seal(
        again, name=artifact.name, version=artifact.version, kind=artifact.kind, licence=artifact.licence, config=config
    )
    items, options = model.samples()
    assert answers(open_model(saved), items, options) == answers(model, items, options)
    assert saved.config == artifact.config


@each
def test_weights_that_are_none_are_refused_at_opening(name, tmp_path):
    artifact, _ = made(name, tmp_path / "a")
    for path in artifact.files:
        (artifact.folder / path).write_bytes(b"{}" if path.endswith(".json") else b"")
    forged = seal(
        artifact.folder, name=artifact.name, version=artifact.version, kind=artifact.kind, licence=artifact.licence,
        config=artifact.config,
    )  # fmt: skip
    with pytest.raises(IntegrityError):
        open_model(forged)


@each
def test_warming_measures_speed(name, tmp_path):
    _, model = made(name, tmp_path / "a")
    measured = model.warm(rounds=1)
    assert 0 < measured.single_seconds < 60
    assert measured.items_per_second > 0
