"""What a file is, judged by its content and never by its name.

Decision: an allow-list. Four forms hold numbers and nothing else: ONNX, safetensors, .npy without objects, JSON; .skops
is opened only to be converted. Everything else is refused, with the name of what it looks like where that helps whoever
sent it: a pickle stays a pickle under any name, and a file whose name says one thing and whose content another is a
trap for somebody, so it is refused too.
"""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from typing import Any, Final, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.lib import format as npy

from models.errors import InvalidInputError

Form = Literal["onnx", "safetensors", "npy", "json", "skops"]

SUFFIXES: Final = {"onnx": ".onnx", "safetensors": ".safetensors", "npy": ".npy", "json": ".json", "skops": ".skops"}
HEADER_BYTES: Final = 25_000_000
JSON_BYTES: Final = 64 << 20
ZIP: Final = b"PK\x03\x04"
GZIP: Final = b"\x1f\x8b"
SCHEMA: Final = "schema.json"

_PICKLE = ("pickle", "pickle (có thể chạy mã khi mở)", "a pickle, which can run code when it is opened")
KNOWN: Final = (
    (b"\x80\x02", *_PICKLE),
    (b"\x80\x03", *_PICKLE),
    (b"\x80\x04", *_PICKLE),
    (b"\x80\x05", *_PICKLE),
    (b"\x89HDF", "hdf5", "HDF5 (Keras)", "HDF5 (Keras)"),
    (b"GGUF", "gguf", "GGUF", "GGUF"),
    (b"\x7fELF", "program", "chương trình máy", "a machine program"),
    (b"MZ", "program", "chương trình máy", "a machine program"),
    (b"#!", "program", "chương trình", "a script"),
    (b"BZh", "bzip2", "tệp nén bzip2", "a bzip2 archive"),
    (b"\xfd7zXZ", "xz", "tệp nén xz", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "zstd", "tệp nén zstd", "a zstd archive"),
    (b"Rar!", "rar", "tệp nén RAR", "a RAR archive"),
    (b"7z\xbc\xaf", "7z", "tệp nén 7z", "a 7z archive"),
    (GZIP, "gzip", "tệp nén gzip lồng bên trong", "a gzip archive inside"),
)
"""Beginnings of what is not taken, with a word and a name in both languages."""

TEXT_PICKLE: Final = (
    b"(d",
    b"(l",
    b"(c",
    b"c__builtin__",
    b"cos\n",
    b"cposix\n",
    b"cbuiltins",
    b"]q",
    b"}q",
    b"ccopy_reg",
)


def form_of(data: bytes, name: str) -> Form:
    """The form of a file's content. Raises InvalidInputError for what is not on the list or bears another's name."""
    found = _form(data, name)
    suffix = "." + name.rpartition(".")[2].lower()
    if suffix in SUFFIXES.values() and suffix != SUFFIXES[found]:
        vi = f"Tên tệp {shown(name)} là {suffix} nhưng nội dung là {found}."
        raise refused("disguised-file", vi, f"The name of {shown(name)} says {suffix}, its content is {found}.")
    return found


def _form(data: bytes, name: str) -> Form:
    for start, word, vi, en in KNOWN:
        if data.startswith(start):
            raise unsafe(name, word, vi, en)
    if data.startswith(ZIP):
        return _zipped(data, name)
    if data.startswith(npy.MAGIC_PREFIX):
        return _array(data, name)
    if _is_safetensors(data):
        return "safetensors"
    if data[:1] in b"{[" and parsed_json(data) is not None:
        return "json"
    if data.startswith(TEXT_PICKLE):
        raise unsafe(name, *_PICKLE)
    if _is_onnx(data):
        return "onnx"
    raise unsafe(name, "unknown", "định dạng không nhận ra được", "of no form that is known")


def parsed_json(data: bytes) -> Any | None:
    """The JSON document that `data` is, or None. Raises InvalidInputError for one that is too deep."""
    if len(data) > JSON_BYTES:
        return None
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except ValueError:
        return None


def _no_constant(text: str) -> float:
    raise ValueError(text)


def _is_safetensors(data: bytes) -> bool:
    length = int.from_bytes(data[:8], "little")
    return len(data) > 9 and 2 <= length <= min(len(data) - 8, HEADER_BYTES) and data[8:9] == b"{"


def _is_onnx(data: bytes) -> bool:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError):
        return False
    return model.ir_version > 0 and len(model.graph.node) > 0


def _zipped(data: bytes, name: str) -> Form:
    """A .skops file; any other archive inside an upload is refused."""
    try:
        names = zipfile.ZipFile(BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise unsafe(name, "damaged", "tệp nén bị hỏng", "a damaged archive") from error
    if any(one.endswith("data.pkl") for one in names):
        raise unsafe(name, "torch", "tệp PyTorch (bên trong là pickle)", "a PyTorch file, which holds a pickle")
    if SCHEMA not in names:
        raise unsafe(name, "nested-archive", "tệp nén lồng bên trong", "an archive inside")
    return "skops"


def _array(data: bytes, name: str) -> Form:
    """A .npy file of plain numbers: its header is read, its content only when it holds no objects."""
    stream = BytesIO(data)
    try:
        version = npy.read_magic(stream)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, kind = reader(stream)
    except (ValueError, TypeError, SyntaxError) as error:
        raise unsafe(name, "damaged", "tệp .npy bị hỏng", "a damaged .npy file") from error
    if kind.hasobject:
        vi, en = "tệp .npy chứa đối tượng (pickle)", "a .npy file of objects, which is a pickle"
        raise unsafe(name, "object-array", vi, en)
    if int(np.prod(shape, dtype=np.float64)) * kind.itemsize != len(data) - stream.tell():
        raise unsafe(name, "damaged", "tệp .npy bị hỏng", "a damaged .npy file")
    return "npy"


def shown(name: str) -> str:
    """A file's name as it may stand in a message: its last part, short, printable."""
    last = "".join(sign for sign in name.replace("\\", "/").rpartition("/")[2] if sign.isprintable())
    return f"«{last[:60]}»"


def unsafe(name: str, word: str, vi: str, en: str) -> InvalidInputError:
    """The refusal of a form that is not on the list."""
    return refused(
        "unsafe-format",
        f"Tệp {shown(name)} là {vi}; chỉ nhận ONNX, safetensors, .npy không chứa đối tượng, JSON và .skops.",
        f"{shown(name)} is {en}; taken are ONNX, safetensors, .npy without objects, JSON and .skops.",
        found=word,
    )


def refused(code: str, vi: str, en: str, **facts: str) -> InvalidInputError:
    """A refusal of what was sent as the artefact."""
    found = InvalidInputError.at("/artifact", vi, en, code=code)
    found.facts.update(facts)
    return found
