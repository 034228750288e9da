"""The inside of the sandbox for a sealed artefact: opened and run as the serving process would.

Decision: it is tried by the very class that will serve it, on the samples that it declares: the time of a single call
(p50, p99), of a batch, and the memory that it took. Both are bounded; what is not over in time, ends. The same input
twice must give the same answer, because nobody can hold a model to an answer that it would not give again.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

import pipelines
from models.artifact import open_artifact
from models.catalog import model_class, open_model
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from pipelines.apart import Task, answer_one
from pipelines.registration import cage

ROOT: Final = Path(pipelines.__file__).resolve().parents[1]
ROUNDS: Final = 200
TRIAL_SECONDS: Final = 3.0


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
        raise _refused(error.word, error.note.vi, error.note.en) from error
    opened = time.perf_counter() - started
    first = _answered(model, items, options)
    if _told(first) != _told(_answered(model, items, options)):
        vi, en = "Cùng đầu vào nhưng kết quả khác nhau.", "The same input gives different answers."
        raise _refused("trial-unsteady", vi, en)
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
    return _refused("trial-failed", f"Chạy thử không được: {error.note.vi}", f"The trial failed: {error.note.en}")


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


def _refused(code: str, vi: str, en: str) -> InvalidInputError:
    return InvalidInputError.at("/artifact", vi, en, code=code)


TASKS: Final[Mapping[str, Task]] = {"try_out": try_out}

if __name__ == "__main__":
    answer_one(TASKS)
