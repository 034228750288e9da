"""The inside of the sandbox: one upload looked into, or one sealed artefact tried (`sandbox` is the outside).

Decision: what comes out of an upload comes out as bytes in the answer, behind a list of names and sizes; this process
cannot write a file. The first eight bytes of an answer say how long that list is.

Decision: an artefact is tried by the very class that will serve it, on the samples that it declares: the time of a
single call (p50, p99), of a batch, and the memory that it took. Both are bounded; what is not over in time, ends.
"""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import yaml

import pipelines
from models.artifact import open_artifact
from models.catalog import model_class, open_model
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from pipelines.apart import Task, answer_one
from pipelines.registration import cage
from pipelines.registration.archive import unpack
from pipelines.registration.assembly import assemble
from pipelines.registration.formats import refused

ROOT: Final = Path(pipelines.__file__).resolve().parents[1]
LENGTH_BYTES: Final = 8
STATED: Final = "artifact"
"""The card's own section on kind and configuration; it does not stay in the card."""

ROUNDS: Final = 200
TRIAL_SECONDS: Final = 3.0
DEEPEST: Final = 32


def look_into(to: BinaryIO, folder: str, upload: str, name: str, card: str | None) -> None:
    """Unpack, judge, convert; the card as JSON beside it. Raises InvalidInputError with the reason."""
    cage.shut([ROOT, Path(folder)])
    written = None if card is None else read_card((Path(folder) / card).read_bytes())
    stated = (written or {}).pop(STATED, {})
    if not isinstance(stated, dict):
        raise _bad_card(f"/{STATED}", "artifact là một đối tượng {kind, …}.", "artifact is an object {kind, …}.")
    found = assemble(unpack(Path(folder) / upload, name), stated)
    index = {
        "files": [{"path": path, "bytes": len(data)} for path, data in sorted(found.files.items())],
        "kind": found.kind, "config": dict(found.config), "manifest": found.manifest, "evaluation": found.evaluation,
        "prior": found.card, "notes": dict(found.notes), "card": written,
    }  # fmt: skip
    head = json.dumps(index, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    to.write(len(head).to_bytes(LENGTH_BYTES, "big"))
    to.write(head)
    for _, data in sorted(found.files.items()):
        to.write(data)


def read_card(data: bytes) -> dict[str, Any]:
    """A card that people wrote, JSON or YAML. Raises InvalidInputError."""
    try:
        found = plain(yaml.load(data.decode("utf-8"), yaml.CSafeLoader), 0)  # the safe loader, in C
    except (ValueError, yaml.YAMLError) as error:
        raise _bad_card("", "Thẻ không phải JSON hay YAML hợp lệ.", "The card is not valid JSON or YAML.") from error
    if not isinstance(found, dict):
        raise _bad_card("", "Thẻ phải là một đối tượng.", "The card is an object.")
    return found


def plain(value: Any, depth: int) -> Any:
    """A document of YAML as JSON can hold it. Raises ValueError for what it cannot."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, dict):
        return {_word(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no finite number")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError("of no type of JSON")


def _word(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("a name is no text")
    return name


def _bad_card(pointer: str, vi: str, en: str) -> InvalidInputError:
    return InvalidInputError.at(f"/card{pointer}", vi, en, code="malformed-card")


# --- the trial ----------------------------------------------------------------------------------------------


def try_out(to: BinaryIO, folder: str) -> None:
    """Open and run a sealed artefact; what was measured. Raises InvalidInputError when it cannot answer."""
    cage.shut([ROOT, Path(folder)])
    before = _memory()
    started = time.perf_counter()
    try:
        artifact = open_artifact(Path(folder))
        model = open_model(artifact)
        items, options = model.samples()
    except IntegrityError as error:
        raise refused(error.word, error.note.vi, f"{error.note.en}") from error
    opened = time.perf_counter() - started
    first = _answered(model, items, options)
    if _told(first) != _told(_answered(model, items, options)):
        vi, en = "Cùng đầu vào nhưng kết quả khác nhau.", "The same input gives different answers."
        raise refused("trial-unsteady", vi, en)
    single, batch = _timed(model, items[:1], options), _timed(model, items, options)
    found = {
        "tasks": list(model_class(artifact.kind).tasks), "inputs": _ports(model, "inputs"),
        "outputs": _ports(model, "outputs"), "samples": len(items), "calls": len(single),
        "open_seconds": round(opened, 4), "p50_ms": _ms(single, 50), "p99_ms": _ms(single, 99),
        "items_per_second": round(len(items) / max(float(np.median(batch)), 1e-9), 1),
        "memory_bytes": max(0, _memory() - before), "steady": model.steady,
    }  # fmt: skip
    to.write(json.dumps(found).encode())


def _answered(model: Model[Any, Any, Any], items: Sequence[Any], options: Any) -> list[Any]:
    try:
        found = model.predict(items, options)
    except PlatformError as error:
        raise _failed(error) from error
    for one in found:
        if isinstance(one, PlatformError):
            raise _failed(one)
    return found


def _failed(error: PlatformError) -> InvalidInputError:
    return refused("trial-failed", f"Chạy thử không được: {error.note.vi}", f"The trial failed: {error.note.en}")


def _told(outputs: Sequence[Any]) -> str:
    """Outputs as text, every number written out."""
    with np.printoptions(threshold=100_000, floatmode="unique"):
        return repr(outputs)


def _timed(model: Model[Any, Any, Any], items: Sequence[Any], options: Any) -> list[float]:
    """Seconds of single calls, as many as fit into the trial's time."""
    seconds: list[float] = []
    until = time.perf_counter() + TRIAL_SECONDS
    while len(seconds) < ROUNDS and (not seconds or time.perf_counter() < until):
        started = time.perf_counter()
        model.predict(items, options)
        seconds.append(time.perf_counter() - started)
    return seconds


def _ms(seconds: Sequence[float], percent: int) -> float:
    return round(1000 * float(np.percentile(seconds, percent)), 3)


def _memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _ports(model: Any, side: str) -> list[dict[str, Any]]:
    """What a model of tensors takes or gives, as it declares."""
    specs = getattr(model, side, ())
    return [{"name": s.name, "datatype": s.datatype, "shape": list(s.shape)} for s in specs if hasattr(s, "datatype")]


TASKS: Final[Mapping[str, Task]] = {"look_into": look_into, "try_out": try_out}

if __name__ == "__main__":
    answer_one(TASKS)
