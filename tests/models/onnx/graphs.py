"""Small graphs for the tests: written by hand, or trained in a second and converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from models.artifact import Artifact, seal

OPSET = [helper.make_opsetid("", 21)]
POSITIVE = ["đường làng đã sửa xong, bà con phấn khởi", "cán bộ hướng dẫn tận tình", "thủ tục nhanh gọn, rất hài lòng"]
NEGATIVE = ["chờ ba tuần chưa có kết quả", "đường hỏng nặng, không ai sửa", "thái độ cán bộ chưa tốt"]


def encoded(graph: onnx.GraphProto, **more: Any) -> bytes:
    return helper.make_model(graph, opset_imports=OPSET, ir_version=10, **more).SerializeToString()


def value(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def affine(width: int = 3, scale: float = 2.0, seed: int = 0) -> bytes:
    """y = scale · x + noise-free shift, rows free."""
    shift = np.random.default_rng(seed).normal(size=width).astype(np.float32)
    nodes = [helper.make_node("Mul", ["x", "scale"], ["z"]), helper.make_node("Add", ["z", "shift"], ["y"])]
    stored = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [scale]),
        helper.make_tensor("shift", TensorProto.FLOAT, [width], shift),
    ]
    inputs, outputs = [value("x", 1, ["n", width])], [value("y", 1, ["n", width])]
    return encoded(helper.make_graph(nodes, "affine", inputs, outputs, stored))


def endless() -> bytes:
    """Adds one as often as its input says: the data decides how long it runs."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Constant", [], ["one"], value=helper.make_tensor("one", 1, [], [1.0])),
            helper.make_node("Add", ["sum", "one"], ["more"]),
        ],
        "body",
        [value("i", 7, []), value("go", 9, []), value("sum", 1, [])],
        [value("still", 9, []), value("more", 1, [])],
    )
    node = helper.make_node("Loop", ["times", "yes", "start"], ["y"], body=body)
    stored = [helper.make_tensor("yes", TensorProto.BOOL, [], [True]), helper.make_tensor("start", 1, [], [0.0])]
    return encoded(helper.make_graph([node], "endless", [value("times", 7, [])], [value("y", 1, [])], stored))


def every_type() -> bytes:
    """One identity for each element type that the protocol knows."""
    kinds = {
        "bool": 9, "u8": 2, "u16": 4, "u32": 12, "u64": 13, "i8": 3, "i16": 5, "i32": 6, "i64": 7, "f16": 10, "f32": 1,
        "f64": 11, "text": 8,
    }  # fmt: skip
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    inputs = [value(name, kind, ["n"]) for name, kind in kinds.items()]
    outputs = [value(f"{name}_out", kind, ["n"]) for name, kind in kinds.items()]
    return encoded(helper.make_graph(nodes, "types", inputs, outputs))


def sealed(
    folder: Path,
    kind: str,
    data: bytes | None,
    config: dict[str, Any],
    name: str = "thu-nghiem",
    version: str = "1.0.0",
) -> Artifact:
    """An artefact of a graph."""
    folder.mkdir(parents=True, exist_ok=True)
    if data is not None:
        (folder / "model.onnx").write_bytes(data)
    return seal(folder, name=name, version=version, kind=kind, licence="Apache-2.0", config=config)
