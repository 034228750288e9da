"""Hundreds of graphs in one process: each answers, none costs memory that was not given to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from models.tensors import TensorOptions, Tensors
from registry.entries import Digests, Entry, Stage
from services.handles import Handles
from services.house import weigh
from services.memory import resident_bytes
from tests.models.onnx.graphs import affine, encoded, sealed, value

MEGABYTE = 1 << 20


class Shown:
    """A store that shows what it was given."""

    def __init__(self, entries: list[Entry]) -> None:
        self.shown = entries

    def revision(self) -> int:
        return len(self.shown)

    def entries(self) -> list[Entry]:
        return self.shown


def entry_of(folder: Path, name: str, data: bytes) -> Entry:
    artifact = sealed(folder / name / "artifact", "onnx.tensor/1", data, {}, name)
    digests = Digests(artifact.digest, "", "", "", "", "", "")
    return Entry(
        name, "1.0.0", "onnx.tensor/1", (), "t", False, "T1", Stage.SERVING, digests, str(folder / name), None, None,
        datetime(2026, 11, 24, tzinfo=UTC),
    )  # fmt: skip


def heavy(seed: int) -> bytes:
    """Four megabytes of weights."""
    weights = np.random.default_rng(seed).normal(size=(1000, 1048)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    stored = [numpy_helper.from_array(weights, "w")]
    return encoded(helper.make_graph([node], "g", [value("x", 1, ["n", 1000])], [value("y", 1, ["n", 1048])], stored))


def ask(handles: Handles, entry: Entry, rows: Any) -> Any:
    handle = handles.ready(entry) or handles.open(entry)
    (found,) = handle.model.predict([Tensors({"x": rows})], TensorOptions())
    return found.arrays["y"]


def test_five_hundred_small_models_answer_each_for_itself(tmp_path):
    entries = [entry_of(tmp_path, f"m{place}", affine(seed=place)) for place in range(500)]
    handles = Handles(Shown(entries), weigh)  # type: ignore[arg-type]
    rows = np.zeros((1, 3), np.float32)
    ask(handles, entries[0], rows)
    before = resident_bytes()
    for _ in range(2):
        for place, entry in enumerate(entries):
            shift = np.random.default_rng(place).normal(size=3).astype(np.float32)
            assert ask(handles, entry, rows)[0].tolist() == shift.tolist()
    assert handles.loaded == 500
    assert resident_bytes() - before < 150 * MEGABYTE


@pytest.mark.parametrize("bound", [20 * MEGABYTE, 48 * MEGABYTE])
def test_models_heavier_than_the_bound_take_turns_within_it(tmp_path, bound):
    entries = [entry_of(tmp_path, f"m{place}", heavy(place)) for place in range(20)]
    handles = Handles(Shown(entries), weigh, memory_bytes=bound)  # type: ignore[arg-type]
    rows = np.ones((1, 1000), np.float32)
    ask(handles, entries[0], rows)
    before, most = resident_bytes(), 0
    for _ in range(2):
        for entry in entries:
            assert ask(handles, entry, rows).shape == (1, 1048)
            assert handles.bytes_held <= bound
            most = max(most, resident_bytes())
    assert 1 < handles.loaded < 20
    assert most - before < bound + 40 * MEGABYTE  # beside the models, the file that is being read


def test_a_version_that_ends_leaves_memory_while_the_others_stay(tmp_path):
    entries = [entry_of(tmp_path, f"m{place}", affine(seed=place)) for place in range(3)]
    store = Shown(entries[:2])
    handles = Handles(store, weigh)  # type: ignore[arg-type]
    for entry in entries[:2]:
        handles.open(entry)
    store.shown = [entries[1], entries[2], entries[2]]
    handles.refresh()
    assert handles.loaded == 1
    assert handles.ready(entries[0]) is None
    assert handles.ready(entries[1]) is not None
