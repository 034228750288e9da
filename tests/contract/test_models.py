"""Every law of `models.contract`, held over every bundled model as it lies in the release."""

import copy
import dataclasses
import math
import shutil

import numpy as np
import pytest

from models.artifact import MANIFEST, open_artifact, seal
from models.catalog import KINDS, open_model
from models.contract import Model
from models.errors import IntegrityError, PlatformError
from pipelines.recipes import RECIPES
from registry.bundle import BUNDLED_FOLDER

FOLDERS = sorted(BUNDLED_FOLDER.glob("*/*/artifact"))
MAX_BYTES = 60_000_000

each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: "@".join(path.parts[-3:-1]))


@pytest.fixture(scope="module")
def opened():
    """Models by folder, opened once."""
    models = {}

    def get(folder):
        if folder not in models:
            models[folder] = open_model(open_artifact(folder))
        return models[folder]

    return get


def plain(value):
    """A value as nested plain data, so that answers with arrays can be compared; NaN equals NaN."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, PlatformError):
        return [value.word, value.note.vi, value.note.en]
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def agree(left, right):
    """Whether two plain answers agree: everything exactly, floats to nine digits (sums differ in order by batch)."""
    if isinstance(left, float) and isinstance(right, float):
        return left == pytest.approx(right, rel=1e-9, abs=1e-12)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(agree(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(agree, left, right))
    return left == right


def test_the_release_holds_a_model_for_every_recipe():
    assert {path.parent.parent.name for path in FOLDERS} == set(RECIPES)


def test_all_weights_together_stay_small():
    assert sum(path.stat().st_size for path in BUNDLED_FOLDER.rglob("*") if path.is_file()) <= MAX_BYTES


@each
def test_it_opens_from_its_seal_as_a_model_with_tasks(folder, opened):
    model = opened(folder)
    assert isinstance(model, Model)
    assert model.tasks
    assert open_artifact(folder).kind in KINDS


@each
def test_the_same_input_gives_the_same_answer(folder, opened):
    items, options = opened(folder).samples()
    first, second = opened(folder).predict(items, options), opened(folder).predict(items, options)
    assert len(first) == len(items)
    assert plain(first) == plain(second)
    assert not any(isinstance(answer, PlatformError) for answer in first)


@each
def test_alone_or_in_a_batch_in_any_order_the_answer_is_the_same(folder, opened):
    model = opened(folder)
    items, options = model.samples()
    together = plain(model.predict(items, options))
    assert agree([plain(model.predict([item], options))[0] for item in items], together)
    assert agree(plain(model.predict(list(reversed(items)), options)), together[::-1])


@each
def test_it_never_changes_what_it_was_given(folder, opened):
    items, options = opened(folder).samples()
    before = plain(copy.deepcopy(list(items))), plain(copy.deepcopy(options))
    opened(folder).predict(items, options)
    assert (plain(list(items)), plain(options)) == before


@each
def test_an_empty_batch_gives_an_empty_answer(folder, opened):
    _, options = opened(folder).samples()
    assert opened(folder).predict([], options) == []


@each
def test_saved_sealed_and_opened_again_it_answers_the_same(folder, opened, tmp_path):
    model, artifact = opened(folder), open_artifact(folder)
    config = model.save(tmp_path)
    again = seal(
        tmp_path, name=artifact.name, version=artifact.version, kind=artifact.kind, licence=artifact.licence,
        config=config,
    )  # fmt: skip
    items, options = model.samples()
    assert plain(open_model(again).predict(items, options)) == plain(model.predict(items, options))
    assert again.digest == artifact.digest


@each
def test_one_flipped_bit_anywhere_and_it_does_not_open(folder, tmp_path):
    artifact = open_artifact(folder)
    for path in artifact.files:
        copied = tmp_path / path.replace("/", "_")
        shutil.copytree(folder, copied)
        data = bytearray((copied / path).read_bytes())
        data[len(data) // 2] ^= 1
        (copied / path).write_bytes(bytes(data))
        with pytest.raises(IntegrityError):
            open_artifact(copied)


@each
def test_another_manifest_is_another_artefact(folder, tmp_path):
    artifact = open_artifact(folder)
    copied = shutil.copytree(folder, tmp_path / "copy")
    manifest = copied / MANIFEST
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(artifact.version, "9.9.9", 1), encoding="utf-8")
    assert open_artifact(copied).digest != artifact.digest


@each
def test_weights_of_the_wrong_shape_are_refused_at_opening(folder, tmp_path):
    artifact = open_artifact(folder)
    copied = shutil.copytree(folder, tmp_path / "copy")
    for path in artifact.files:
        (copied / path).write_bytes(b"{}" if path.endswith(".json") else b"")
    forged = seal(
        copied, name=artifact.name, version=artifact.version, kind=artifact.kind, licence=artifact.licence,
        config=artifact.config if artifact.files else {"unexpected": 1},
    )  # fmt: skip
    with pytest.raises(IntegrityError):
        open_model(forged)


@each
def test_warming_measures_speed(folder, opened):
    measured = opened(folder).warm(rounds=1)
    assert 0 < measured.single_seconds < 60
    assert measured.items_per_second > 0
