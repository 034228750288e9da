"""What stands in an ONNX graph, read before any runtime sees it.

Decision: a graph is data as long as all its tensors lie inside the file and all its operators are the runtime's own. A
tensor that points to another file would let a graph read any file of the machine; an operator of a foreign domain would
need code that we do not load. Both are refused here, at every opening, whatever was looked at when it was registered.

Decision: letters are lower-cased by Unicode's own table, whatever language of the machine the graph names (or implies:
`en_US`): a server has none installed, and one that had would answer otherwise than its neighbour.

Decision: what is walked is everything a graph can hide tensors in: initialisers, attributes, bodies of loops and
branches, functions, training information.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto
from onnx.helper import make_attribute

from models.errors import IntegrityError

DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Domains whose operators the runtime brings itself."""

FORBIDDEN: Final = frozenset({"EPContext", "PythonOp"})
"""Operators of those domains that load code or files."""

UNBOUNDED: Final = frozenset({"Loop", "Scan"})
"""Operators whose number of steps the data decides."""

Part = GraphProto | FunctionProto
CLASS_LABELS: Final = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
MAX_DEPTH: Final = 16
NORMALIZER: Final = "StringNormalizer"
LOCALE: Final = "C.UTF-8"


@dataclass(frozen=True, slots=True)
class Graph:
    """Facts of a graph.

    `domains` are those it imports with their versions, `operators` the names of all operators, `loops` whether the data
    decides how long it runs, `labels` the classes that a classifier's operator names, as text, `parameters` how many
    numbers its tensors hold.
    """

    domains: dict[str, int]
    operators: frozenset[str]
    loops: bool
    labels: tuple[str, ...]
    parameters: int
    data: bytes
    """The graph as it is run."""


def read_graph(data: bytes) -> Graph:
    """Parse and audit a graph. Raises IntegrityError for what is no graph, or reaches beyond its own bytes."""
    try:
        model = onnx.load_from_string(data)
    except Exception as error:
        raise refused("Tệp không phải đồ thị ONNX hợp lệ.", "The file is not a valid ONNX graph.") from error
    if not model.graph.node:
        raise refused("Đồ thị ONNX không có phép toán nào.", "The ONNX graph has no operator.")
    parts = list(_parts(model))
    tensors = [tensor for part in parts for tensor in _tensors(part)]
    if any(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        vi = "Đồ thị ONNX trỏ đến tệp bên ngoài; mọi trọng số phải nằm trong tệp .onnx."
        raise refused(vi, "The ONNX graph points to another file; all weights must lie inside the .onnx file.")
    nodes = [node for part in parts for node in part.node]
    own = {(function.domain, function.name) for function in model.functions}
    if any(n.op_type in FORBIDDEN or (n.domain not in DOMAINS and (n.domain, n.op_type) not in own) for n in nodes):
        vi, en = "Đồ thị ONNX dùng phép toán ngoài bộ chuẩn.", "The ONNX graph uses operators of a foreign domain."
        raise refused(vi, en)
    operators = frozenset(node.op_type for node in nodes)
    domains = {one.domain: one.version for one in model.opset_import}
    if _neutral(nodes):
        data = model.SerializeToString()
    return Graph(domains, operators, bool(operators & UNBOUNDED), _labels(nodes), sum(map(_count, tensors)), data)


def refused(vi: str, en: str) -> IntegrityError:
    """The refusal of a graph, with its reason."""
    return IntegrityError(vi, en, code="unsafe-graph")


def _count(tensor: TensorProto) -> int:
    found = 1
    for length in tensor.dims:
        found *= max(0, length)
    return found


def _neutral(nodes: list[NodeProto]) -> bool:
    """Name one locale in every operator that has any; whether there was such an operator."""
    found = [node for node in nodes if node.op_type == NORMALIZER]
    for node in found:
        kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
        del node.attribute[:]
        node.attribute.extend([*kept, make_attribute("locale", LOCALE)])
    return bool(found)


def _labels(nodes: list[NodeProto]) -> tuple[str, ...]:
    """The classes named by the last operator that names any."""
    for node in reversed(nodes):
        for attribute in node.attribute:
            if attribute.name in CLASS_LABELS:
                found = [text.decode("utf-8", "replace") for text in attribute.strings]
                found = found or [str(number) for number in attribute.ints]
                if found:
                    return tuple(found)
    return ()


def _parts(model: ModelProto) -> Iterator[Part]:
    """Everything that holds operators: the graph, functions, training graphs, and the bodies inside them."""
    yield from _within(model.graph, 0)
    for function in model.functions:
        yield from _within(function, 0)
    for training in model.training_info:
        yield from _within(training.initialization, 0)
        yield from _within(training.algorithm, 0)


def _within(part: Part, depth: int) -> Iterator[Part]:
    """A part and the bodies inside it. Raises IntegrityError when they are nested too deeply."""
    if depth > MAX_DEPTH:
        raise refused("Đồ thị ONNX lồng nhau quá sâu.", "The ONNX graph is nested too deeply.")
    yield part
    for attribute in _attributes(part):
        if attribute.HasField("g"):
            yield from _within(attribute.g, depth + 1)
        for body in attribute.graphs:
            yield from _within(body, depth + 1)


def _attributes(part: Part) -> Iterator[AttributeProto]:
    for node in part.node:
        yield from node.attribute
    if isinstance(part, FunctionProto):
        yield from part.attribute_proto


def _tensors(part: Part) -> Iterator[TensorProto]:
    """Every tensor of a part, without those of the bodies inside it."""
    sparse: list[SparseTensorProto] = []
    if isinstance(part, GraphProto):
        yield from part.initializer
        sparse += part.sparse_initializer
    for attribute in _attributes(part):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
        sparse += attribute.sparse_tensors
    for one in sparse:
        yield one.values
        yield one.indices
