"""A graph is data: what reaches beyond its own bytes is refused before any runtime sees it."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from models.errors import IntegrityError
from models.onnx.graph import read_graph
from tests.models.onnx.graphs import affine, encoded, endless, value
from tests.models.onnx.trained import complaints, outliers


def outside(name: str = "w") -> TensorProto:
    """A tensor that lies in another file."""
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [3], [0.0, 0.0, 0.0])
    del tensor.float_data[:]
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def as_initializer() -> onnx.ModelProto:
    model = onnx.load_from_string(affine())
    model.graph.initializer.append(outside())
    return model


def as_attribute() -> onnx.ModelProto:
    model = onnx.load_from_string(affine())
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside()))
    return model


def in_a_loop() -> onnx.ModelProto:
    model = onnx.load_from_string(endless())
    model.graph.node[0].attribute[0].g.initializer.append(outside())
    return model


def in_a_function() -> onnx.ModelProto:
    model = onnx.load_from_string(affine())
    node = helper.make_node("Constant", [], ["y"], value=outside())
    model.functions.append(helper.make_function("mine", "F", [], ["y"], [node], [helper.make_opsetid("", 21)]))
    return model


def as_sparse() -> onnx.ModelProto:
    model = onnx.load_from_string(affine())
    indices = helper.make_tensor("i", TensorProto.INT64, [3], [0, 1, 2])
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=outside(), indices=indices, dims=[3]))
    return model


def in_training() -> onnx.ModelProto:
    model = onnx.load_from_string(affine())
    model.training_info.add().initialization.initializer.append(outside())
    return model


@pytest.mark.parametrize("make", [as_initializer, as_attribute, in_a_loop, in_a_function, as_sparse, in_training])
def test_a_tensor_in_another_file_is_refused_wherever_it_hides(make):
    with pytest.raises(IntegrityError, match="another file"):
        read_graph(make().SerializeToString())


@pytest.mark.parametrize("domain", ["ai.onnx.contrib", "com.example", "ai.onnx.training"])
def test_an_operator_that_would_need_foreign_code_is_refused(domain: str):
    node = helper.make_node("Anything", ["x"], ["y"], domain=domain)
    graph = helper.make_graph([node], "g", [value("x", 1, [1])], [value("y", 1, [1])])
    with pytest.raises(IntegrityError, match="foreign domain"):
        read_graph(encoded(graph))


def test_a_context_of_another_device_is_refused():
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="../secret")
    graph = helper.make_graph([node], "g", [value("x", 1, [1])], [value("y", 1, [1])])
    with pytest.raises(IntegrityError):
        read_graph(encoded(graph))


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"\xff" * 4000, b'{"a": 1}', affine()[:-9]])
def test_what_is_no_graph_is_refused(data: bytes):
    with pytest.raises(IntegrityError):
        read_graph(data)


def test_bodies_nested_without_end_are_refused():
    deep = onnx.load_from_string(endless()).graph
    for _ in range(20):
        node = helper.make_node("If", ["yes"], ["y"], then_branch=deep)
        deep = helper.make_graph([node], "g", [value("times", 7, [])], [value("y", 1, [])])
    with pytest.raises(IntegrityError):
        read_graph(encoded(deep))


def test_a_graph_tells_its_classes_and_whether_it_loops():
    assert read_graph(complaints(zipmap=True)).labels == ("chê", "khen")
    assert read_graph(complaints(zipmap=False)).labels == ("chê", "khen")
    assert not read_graph(outliers()).loops
    assert read_graph(endless()).loops
    assert read_graph(affine()).parameters == 4


def test_letters_are_lowered_without_a_language_of_the_machine():
    nodes = onnx.load_from_string(read_graph(complaints(zipmap=False)).data).graph.node
    named = [a.s for node in nodes if node.op_type == "StringNormalizer" for a in node.attribute if a.name == "locale"]
    assert named == [b"C.UTF-8"]
