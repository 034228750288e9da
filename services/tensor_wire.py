"""Named tensors on the wire: the JSON form of the Open Inference Protocol v2, and its binary extension.

Decisions
- In JSON a tensor's elements stand in row-major order, flat or nested as its shape says, each of exactly its datatype:
  `"3"`, `true` for a number, 3.5 for a whole one or a number beyond its type are refused with their place.
- In binary the elements follow the JSON part one tensor after the other (little-endian; text as its length in four
  bytes and its UTF-8). Their bytes must be exactly what shape and datatype say. Not-a-number passes only there.
- JSON has no infinity: elements of an answer that are not finite are null.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta

from models.errors import InvalidInputError
from models.tensors import BYTES, DATATYPES, WORDS, Array, Tensors

MAX_TENSORS: Final = 5_000
MAX_RANK: Final = 16
MAX_ELEMENTS: Final = 8_000_000
SIZE: Final = "binary_data_size"
BINARY: Final = "binary_data"
BINARY_ALL: Final = "binary_data_output"
LENGTH: Final = struct.Struct("<I")

Parameters = dict[str, str | int | float | bool]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class WireTensor(msgspec.Struct, forbid_unknown_fields=True):
    """One input: its elements in `data`, or behind the JSON part with `parameters.binary_data_size`."""

    name: Name
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=1 << 31)]], Meta(max_length=MAX_RANK)]
    datatype: Annotated[str, Meta(max_length=8, description="BOOL, INT8…UINT64, FP16, FP32, FP64, BYTES")]
    parameters: Parameters | None = None
    data: list[Any] | None = None


class WireWanted(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is asked for; `parameters.binary_data` for its elements behind the JSON part."""

    name: Name
    parameters: Parameters | None = None


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A call of the protocol. Without `outputs` all are given."""

    inputs: Annotated[list[WireTensor], Meta(min_length=1, extra_json_schema={"maxItems": MAX_TENSORS})]
    id: Annotated[str, Meta(max_length=256)] | None = None
    parameters: Parameters | None = None
    outputs: list[WireWanted] | None = None


class WireAnswer(msgspec.Struct, omit_defaults=True):
    """One output."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, int] = {}


def tensors_of(inputs: Sequence[WireTensor], tail: memoryview) -> Tensors:
    """The arrays of a call; `tail` is what follows the JSON part. Raises InvalidInputError with the place."""
    if len(inputs) > MAX_TENSORS:
        raise _bad("/inputs", f"Tối đa {MAX_TENSORS} đầu vào.", f"At most {MAX_TENSORS} inputs.", "too-large")
    arrays: dict[str, Array] = {}
    at = 0
    for place, wire in enumerate(inputs):
        pointer = f"/inputs/{place}"
        if wire.name in arrays:
            raise _bad(
                f"{pointer}/name", "Tên đầu vào phải khác nhau.", "Names of inputs must differ.", "duplicate-name"
            )
        if wire.datatype not in DATATYPES:
            known = ", ".join(DATATYPES)
            raise _bad(f"{pointer}/datatype", f"Cho phép: {known}.", f"Allowed: {known}.", "unknown-datatype")
        count = math.prod(wire.shape)
        if count > MAX_ELEMENTS:
            vi, en = f"Tối đa {MAX_ELEMENTS} phần tử.", f"At most {MAX_ELEMENTS} elements."
            raise _bad(f"{pointer}/shape", vi, en, "too-large")
        size = _binary_size(wire, pointer)
        if size is None:
            arrays[wire.name] = _listed(wire, count, pointer)
        else:
            arrays[wire.name] = _packed(wire, count, tail[at : at + size], size, pointer)
            at += size
    if at != len(tail):
        raise _bad(
            "", "Phần nhị phân dài hơn các đầu vào.", "The binary part is longer than the inputs.", "wrong-tensor"
        )
    return Tensors(arrays)


def _binary_size(wire: WireTensor, pointer: str) -> int | None:
    """The bytes that hold an input behind the JSON part, None when its elements stand in `data`."""
    given = dict(wire.parameters or {})
    size = given.pop(SIZE, None)
    if given:
        raise _bad(f"{pointer}/parameters", f"Chỉ cho phép {SIZE}.", f"Only {SIZE} is allowed.", "unsupported-option")
    if (size is None) == (wire.data is None):
        vi, en = f"Cần đúng một trong data, {SIZE}.", f"Give one of data and {SIZE}."
        raise _bad(pointer, vi, en, "wrong-tensor")
    if size is not None and (type(size) is not int or size < 0):
        raise _bad(
            f"{pointer}/parameters/{SIZE}", "Phải là số nguyên ≥ 0.", "Must be a whole number ≥ 0.", "wrong-tensor"
        )
    return None if size is None else int(size)


def _listed(wire: WireTensor, count: int, pointer: str) -> Array:
    """Elements from `data`, flat or nested."""
    flat: list[Any] = wire.data or []
    for length in wire.shape[1:]:
        if not flat or not isinstance(flat[0], list):
            break
        if not all(isinstance(one, list) and len(one) == length for one in flat):
            raise _bad(
                f"{pointer}/data", "Các hàng không dài bằng nhau.", "Rows are not of one length.", "wrong-tensor"
            )
        flat = list(chain.from_iterable(flat))
    if len(flat) != count:
        vi, en = f"Cần {count} phần tử theo shape.", f"The shape asks for {count} elements."
        raise _bad(f"{pointer}/data", vi, en, "wrong-tensor")
    held = DATATYPES[wire.datatype]
    kind: Any = {"b": bool, "i": int, "u": int, "f": float, "O": str}[held.kind]
    try:
        checked = msgspec.convert(flat, list[kind], strict=True)
        with np.errstate(over="ignore"):
            array = np.array(checked, held)
    except (msgspec.ValidationError, OverflowError) as error:
        raise _wrong_type(wire, pointer) from error
    if held.kind == "f" and not np.isfinite(array).all():
        raise _wrong_type(wire, pointer)
    return array.reshape(wire.shape)


def _packed(wire: WireTensor, count: int, data: memoryview, size: int, pointer: str) -> Array:
    """Elements from behind the JSON part."""
    if len(data) != size:
        raise _bad(pointer, "Phần nhị phân bị thiếu.", "The binary part is cut short.", "wrong-tensor")
    if wire.datatype == BYTES:
        array = np.empty(count, np.object_)
        array[:] = list(_texts(data, count, pointer))
        return array.reshape(wire.shape)
    held = DATATYPES[wire.datatype]
    if size != count * held.itemsize:
        vi, en = f"Cần {count * held.itemsize} byte theo shape.", f"The shape asks for {count * held.itemsize} bytes."
        raise _bad(f"{pointer}/parameters/{SIZE}", vi, en, "wrong-tensor")
    if held.kind == "b":
        raw = np.frombuffer(data, np.uint8)
        if (raw > 1).any():
            raise _wrong_type(wire, pointer)
        return raw.astype(held).reshape(wire.shape)
    return np.frombuffer(data, held.newbyteorder("<")).astype(held).reshape(wire.shape)


def _texts(data: memoryview, count: int, pointer: str) -> Iterator[str]:
    at = 0
    for _ in range(count):
        if at + LENGTH.size > len(data):
            raise _bad(pointer, "Phần nhị phân bị thiếu.", "The binary part is cut short.", "wrong-tensor")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if at + length > len(data):
            raise _bad(pointer, "Phần nhị phân bị thiếu.", "The binary part is cut short.", "wrong-tensor")
        try:
            text = str(data[at : at + length], "utf-8")
        except UnicodeDecodeError as error:
            raise _bad(pointer, "BYTES phải là văn bản UTF-8.", "BYTES must be text in UTF-8.", "not-text") from error
        if "\0" in text:
            raise _bad(pointer, "Văn bản chứa ký tự NUL.", "The text contains NUL.", "nul-character")
        yield text
        at += length
    if at != len(data):
        raise _bad(pointer, "Phần nhị phân dài hơn shape.", "The binary part is longer than the shape.", "wrong-tensor")


def answer_of(arrays: Mapping[str, Array], binary: Sequence[str]) -> tuple[list[WireAnswer], list[bytes]]:
    """The outputs on the wire, and the bytes of those that are sent in `binary`."""
    answers: list[WireAnswer] = []
    tails: list[bytes] = []
    for name, array in arrays.items():
        answer = WireAnswer(name, list(array.shape), WORDS[array.dtype])
        if name in binary:
            tails.append(_bytes_of(array))
            answer.parameters = {SIZE: len(tails[-1])}
        else:
            answer.data = _list_of(array)
        answers.append(answer)
    return answers, tails


def _bytes_of(array: Array) -> bytes:
    if array.dtype.kind != "O":
        return bytes(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    parts = []
    for text in array.ravel().tolist():
        encoded = str(text).encode()
        parts += [LENGTH.pack(len(encoded)), encoded]
    return b"".join(parts)


def _list_of(array: Array) -> list[Any]:
    flat: list[Any] = array.ravel().tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [value if math.isfinite(value) else None for value in flat]
    return flat


def _wrong_type(wire: WireTensor, pointer: str) -> InvalidInputError:
    vi, en = f"Mọi phần tử phải thuộc kiểu {wire.datatype}.", f"Every element must be of type {wire.datatype}."
    return _bad(f"{pointer}/data", vi, en, "wrong-tensor")


def _bad(pointer: str, vi: str, en: str, code: str) -> InvalidInputError:
    return InvalidInputError.at(pointer, vi, en, code=code)
