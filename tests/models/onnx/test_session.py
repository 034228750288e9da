"""Running a graph: what it declares, how long it may run, what a failure means."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from models.errors import DeadlineError, IntegrityError, InvalidInputError
from models.onnx.graph import read_graph
from models.onnx.session import Session, Watch
from models.tensors import DATATYPES, samples_for
from tests.models.onnx.graphs import affine, encoded, endless, every_type, value
from tests.models.onnx.trained import complaints


def session(data: bytes, **more) -> Session:
    return Session(read_graph(data), **more)


def test_every_element_type_of_the_protocol_goes_in_and_comes_out_unchanged():
    graph = session(every_type())
    assert {spec.datatype for spec in graph.inputs} == set(DATATYPES)
    given = samples_for(graph.inputs, 3).arrays
    found = graph.run(given, [spec.name for spec in graph.outputs])
    for name, array in given.items():
        assert found[f"{name}_out"].dtype == array.dtype
        assert found[f"{name}_out"].tolist() == array.tolist()


def test_a_graph_that_loops_for_ever_is_stopped_and_the_session_goes_on():
    graph = session(endless(), seconds=0.5)
    found = graph.run({"times": np.array(1 << 62)}, ["y"])
    assert isinstance(found, DeadlineError)
    assert graph.run({"times": np.array(5)}, ["y"])["y"] == 5.0


def test_runs_that_end_in_time_are_forgotten_and_a_later_one_is_still_stopped():
    watch = Watch()
    graph = session(endless(), seconds=0.5, watch=watch)
    for _ in range(50):
        assert graph.run({"times": np.array(1)}, ["y"])["y"] == 1.0
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(graph.run({"times": np.array(1 << 62)}, ["y"])))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(found) for found in results] == [DeadlineError] * 3
    assert not watch._running


def test_an_index_out_of_range_is_the_inputs_fault():
    node = helper.make_node("Gather", ["x", "at"], ["y"])
    inputs = [value("x", 1, ["n"]), value("at", 7, [1])]
    graph = session(encoded(helper.make_graph([node], "g", inputs, [value("y", 1, [1])])))
    found = graph.run({"x": np.ones(2, np.float32), "at": np.array([9])}, ["y"])
    assert isinstance(found, InvalidInputError)
    assert found.word == "model-refused"
    assert "9" not in found.note.en


def test_more_memory_than_is_set_aside_is_refused_not_fatal():
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    graph = session(encoded(helper.make_graph([node], "g", [value("shape", 7, [1])], [value("y", 1, ["n"])])))
    for length in (1 << 28, 1 << 40, 1 << 55):
        found = graph.run({"shape": np.array([length])}, ["y"])
        assert isinstance(found, InvalidInputError)
        assert found.word == "too-large"
    assert len(graph.run({"shape": np.array([3])}, ["y"])["y"]) == 3


def test_probabilities_by_class_become_a_table_in_the_order_of_the_classes():
    texts = {"text": np.array([["chờ ba tuần"], ["rất hài lòng"]], np.object_)}
    by_class = session(complaints(zipmap=True)).run(texts, ["output_probability"])["output_probability"]
    as_table = session(complaints(zipmap=False)).run(texts, ["probabilities"])["probabilities"]
    assert by_class.dtype == np.float32
    assert by_class == pytest.approx(as_table)


def test_a_graph_that_the_runtime_cannot_build_is_refused():
    node = helper.make_node("MatMul", ["x", "x"], ["y"])
    model = helper.make_graph([node], "g", [value("x", 1, [2, 3])], [value("y", 1, [2, 3])])
    with pytest.raises(IntegrityError, match="cannot be built"):
        session(encoded(model))
    future = onnx.load_from_string(affine())
    future.opset_import[0].version = 9_999
    with pytest.raises(IntegrityError):
        session(future.SerializeToString())


def test_no_session_brings_threads_of_its_own():
    session(affine()).run({"x": np.ones((1, 3), np.float32)}, ["y"])
    before = len(list(Path("/proc/self/task").iterdir()))
    many = [session(affine(seed=seed)) for seed in range(20)]
    assert all(one.run({"x": np.ones((1, 3), np.float32)}, ["y"])["y"].shape == (1, 3) for one in many)
    assert len(list(Path("/proc/self/task").iterdir())) == before


def test_runs_from_many_threads_do_not_meet():
    graph = session(affine(seed=3))
    expected = graph.run({"x": np.zeros((1, 3), np.float32)}, ["y"])["y"]
    wrong = []

    def work(number: int) -> None:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            found = graph.run({"x": np.full((1, 3), number, np.float32)}, ["y"])["y"]
            if not np.allclose(found, expected + 2 * number):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
