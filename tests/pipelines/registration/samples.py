"""Models for the tests of registration: good ones, and the eleven kinds that nobody should take."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
import yaml
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save as dump_tensors
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[3]
SECRET = "canary-of-the-registration-tests"


class Evil:
    """A pickle that writes a file when it is opened."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.canary)!r}, 'w').write('run')",))


def graph(width: int = 3, out: int = 2, node: Any = None) -> bytes:
    """y = x · w, or another operator."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(size=(width, out)).astype(np.float32), "w")
    nodes = [node or helper.make_node("MatMul", ["x", "w"], ["y"])]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, out]),
    ]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def outside(place: str) -> bytes:
    """A graph whose weights lie in another file."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=place)
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2]),
    ]
    made = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def endless() -> bytes:
    """A graph that loops for as long as an integer can count."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["state"], ["next"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("next", TensorProto.FLOAT, [None, 3])],
    )  # fmt: skip
    held = [numpy_helper.from_array(np.array(2**62), "most"), numpy_helper.from_array(np.array(True), "go")]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in ("x", "y")]
    node = helper.make_node("Loop", ["most", "go", "x"], ["y"], body=body)
    made = helper.make_graph([node], "g", ends[:1], ends[1:], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def scikit() -> bytes:
    """A fitted scikit-learn model as .skops."""
    rows = np.random.default_rng(1).normal(size=(60, 4))
    return bytes(skops.io.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 0)))


def layers() -> bytes:
    """A linear layer as safetensors."""
    weight = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
    return dump_tensors({"weight": weight, "bias": np.zeros(2, np.float32)})


def zipped(files: Mapping[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> bytes:
    """A zip of files."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            change(info)
            archive.writestr(info, data)
    return to.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], packed: bool = True) -> bytes:
    """A tar of members, compressed or not."""
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(to.getvalue()) if packed else to.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def gadget() -> bytes:
    """A .skops file whose schema calls os.system by way of a function node."""
    with zipfile.ZipFile(io.BytesIO(scikit())) as archive:
        schema = json.loads(archive.read("schema.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    schema["content"]["__evil__"] = {
        "__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode",
        "attrs": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []},
    }  # fmt: skip
    return zipped({"schema.json": json.dumps(schema).encode(), **rest})


def foreign_type() -> bytes:
    """A .skops file of a type that nobody vouches for."""
    with zipfile.ZipFile(io.BytesIO(scikit())) as archive:
        schema = json.loads(archive.read("schema.json"))
        rest = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    schema["__class__"], schema["__module__"] = "Popen", "subprocess"
    return zipped({"schema.json": json.dumps(schema).encode(), **rest})


def bad_crc() -> bytes:
    data = bytearray(zipped({"model.onnx": graph()}))
    at = data.rfind(b"PK\x01\x02") + 16
    struct.pack_into("<L", data, at, 0xDEADBEEF)
    struct.pack_into("<L", data, 14, 0xDEADBEEF)
    return bytes(data)


def many_in_a_zip(count: int = 70_000) -> bytes:
    """What the end of a zip says of many entries; more than the short form can count."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w") as archive:
        for number in range(count):
            archive.writestr(zipfile.ZipInfo(f"{number}.json"), b"")
    return to.getvalue()


def link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def device(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFCHR | 0o666) << 16


def mlmodel(loader: str, code: str | None = None) -> bytes:
    flavors = {"python_function": {"loader_module": loader, "code": code}, "onnx": {"data": "model.onnx"}}
    return yaml.safe_dump({"flavors": flavors}).encode()


def malicious(canary: Path) -> dict[str, tuple[str, bytes, str]]:
    """Kind → (name it is sent under, bytes, word of the refusal)."""
    evil = pickle.dumps(Evil(canary))
    objects = io.BytesIO()
    np.save(objects, np.array([Evil(canary)], object), allow_pickle=True)
    found = {
        f"a pickle named {name}": (name, evil, "unsafe-format")
        for name in ("model.onnx", "model.safetensors", "weights.json", "model.skops", "weights.npy", "data.bin")
    }
    return found | {
        "an old pickle": ("model.onnx", pickle.dumps(Evil(canary), 0), "unsafe-format"),
        "a pickle in an archive": ("a.zip", zipped({"model.onnx": graph(), "config.json": evil}), "unsafe-format"),
        "a torch file": ("m.zip", zipped({"archive/data.pkl": evil, "archive/version": b"3"}), "unsafe-format"),
        "a gadget chain": ("model.skops", gadget(), "untrusted-type"),
        "a foreign type": ("model.skops", foreign_type(), "untrusted-type"),
        "a loader module": ("m.zip", zipped({"MLmodel": mlmodel("evil"), "model.onnx": graph()}), "model-code"),
        "code beside": (
            "m.zip", zipped({"MLmodel": mlmodel("mlflow.onnx", "code"), "model.onnx": graph()}), "model-code"),
        "a path upwards": ("a.zip", zipped({"../../model.onnx": graph()}), "archive-path"),
        "a path upwards in a tar": ("a.tar.gz", tarred((member("a/../../model.onnx"), graph())), "archive-path"),
        "an absolute path": ("a.tar", tarred((member(f"//{canary}"), graph()), packed=False), "archive-path"),
        "a path of Windows": ("a.zip", zipped({"..\\model.onnx": graph()}), "archive-path"),
        "external data": ("model.onnx", outside("/etc/passwd"), "unsafe-graph"),
        "external data beside": ("a.zip", zipped({"model.onnx": outside("w.json"), "config.json": b"{}"}),
                                 "unsafe-graph"),
        "a link": ("a.tar.gz", tarred((member("model.onnx", tarfile.SYMTYPE, "/etc/passwd"), b"")), "archive-link"),
        "a hard link": ("a.tar.gz", tarred((member("model.onnx", tarfile.LNKTYPE, "/etc/passwd"), b"")),
                        "archive-link"),
        "a link in a zip": ("a.zip", zipped({"model.onnx": b"/etc/passwd"}, link), "archive-link"),
        "a device": ("a.tar.gz", tarred((member("model.onnx", tarfile.CHRTYPE), b"")), "archive-device"),
        "a pipe": ("a.tar", tarred((member("model.onnx", tarfile.FIFOTYPE), b""), packed=False), "archive-device"),
        "a device in a zip": ("a.zip", zipped({"model.onnx": b""}, device), "archive-device"),
        "a bad checksum": ("a.zip", bad_crc(), "archive-damaged"),
        "a gzip cut short": ("a.tar.gz", tarred((member("model.onnx"), graph()))[:-6], "archive-damaged"),
        "too many entries": ("a.zip", many_in_a_zip(), "archive-too-many"),
        "too many in a tar": (
            "a.tar", tarred(*((member(f"{n}.json"), b"") for n in range(1_200)), packed=False), "archive-too-many"),
        "objects in an array": ("a.zip", zipped({"model.onnx": graph(), "w.npy": objects.getvalue()}), "unsafe-format"),
        "a bomb": ("a.zip", zipped({"model.onnx": bytes(64 << 20)}), "archive-too-large"),
        "a foreign operator": ("model.onnx", graph(node=helper.make_node("Shell", ["x"], ["y"], domain="evil")),
                               "unsafe-graph"),
        "an archive inside": ("a.zip", zipped({"model.onnx": zipped({"a": b"b"})}), "unsafe-format"),
        "two forms at once": ("a.zip", zipped({"model.json": graph()}), "disguised-file"),
        "a script": ("model.onnx", b"#!/bin/sh\nid\n", "unsafe-format"),
        "nothing": ("model.onnx", b"", "unsafe-format"),
    }  # fmt: skip
