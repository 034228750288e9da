"""What is computed for a job, by its type: the inside of a computing process.

Decision: each type is three steps, *plan* (input → chunks), *chunk* (one chunk → its output) and *finish* (all outputs
→ the outcome). Each reads and writes objects and answers in plain values; none knows the database, so a computing
process holds no key and no connection. Models are opened by the digest that the gate let pass, from their own folder.
"""

from __future__ import annotations

import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from models.artifact import Artifact, open_artifact
from models.catalog import open_model
from models.contract import Model
from models.errors import (
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    UnavailableError,
)
from pipelines.jobs.compute import Answer
from registry.objects import Objects, Stored

MOST_MODELS: Final = 4
FRAMES: Final = 6
Facts = Mapping[str, Any]


class Bench:
    """What a computing process keeps: the object store, and the models it has opened. Used by one thread."""

    def __init__(self, objects: Objects, opener: Callable[[Artifact], Model[Any, Any, Any]] = open_model) -> None:
        """`opener` makes a model of a verified artefact."""
        self.objects = objects
        self._opener = opener
        self._models: OrderedDict[str, Model[Any, Any, Any]] = OrderedDict()
        self.kept: OrderedDict[str, Any] = OrderedDict()
        """What a type keeps between the chunks of one job, by name; the oldest goes first."""

    def model(self, facts: Facts) -> Model[Any, Any, Any]:
        """The model `{name, artifact, folder}`. Raises IntegrityError when its bytes are not the approved ones."""
        digest = str(facts["artifact"])
        found = self._models.get(digest)
        if found is None:
            artifact = open_artifact(Path(facts["folder"]) / "artifact")
            if artifact.digest != digest or artifact.name != facts["name"]:
                raise IntegrityError("Mô hình khác bản đã duyệt.", "The model differs from what was approved.")
            found = self._models[digest] = self._opener(artifact)
            if len(self._models) > MOST_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(digest)
        return found

    def keep(self, name: str, value: Any) -> None:
        """Keep something for the job's next chunk."""
        self.kept[name] = value
        while len(self.kept) > 2:
            self.kept.popitem(last=False)


class Work(Protocol):
    """One type of job."""

    task: str
    """The task whose model does it."""

    unit: str
    """What its progress counts."""

    def plan(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """Input → `{chunks: [{items, object, sha256, bytes}], unit, reading?}` or `{questions, reading}`."""

    def chunk(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """One chunk → `{output: {object, sha256, bytes}, summary: {succeeded, failed, …}}`."""

    def finish(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """All outputs → `{result: {object, json, sha256, bytes, rows}, counts, held_back}`."""


def perform(bench: Bench, works: Mapping[str, Work], kind: str, facts: Facts) -> Answer:
    """Do one task; the answer is `{done}`, `{refused, again}` or `{broken}`, never an exception.

    A message of a fault in the code may repeat what a stranger sent, so only its kind and its places are told.
    """
    try:
        work = works[str(facts["type"])]
        steps = {"plan": work.plan, "chunk": work.chunk, "finish": work.finish}
        return {"done": steps[kind](bench, facts)}
    except PlatformError as error:
        return {"refused": told(error), "again": isinstance(error, UnavailableError)}
    except MemoryError:
        vi, en = "Dữ liệu quá lớn cho bộ nhớ.", "The data do not fit into memory."
        return {"refused": told(InvalidInputError(vi, en, code="out-of-memory")), "again": False}
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        places = [f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in frames]
        return {"broken": [type(error).__name__, *places]}


def told(error: PlatformError) -> dict[str, Any]:
    """An error as a job keeps it: code, both languages, faults, and the facts that it carries."""
    found: dict[str, Any] = {"code": error.word, "vi": error.note.vi, "en": error.note.en}
    if isinstance(error, InvalidInputError) and error.faults:
        found["errors"] = [{"pointer": f.pointer, "vi": f.vi, "en": f.en} for f in error.faults]
    return found | {name: value for name, value in error.facts.items() if name not in found}


def of_item(error: PlatformError) -> dict[str, Any]:
    """The problem of one series or row that failed while the others were done."""
    return {"code": error.word, "title": error.title().vi, "detail": error.note.vi, "detail_en": error.note.en}


def source_gone(error: NotFoundError) -> InvalidInputError:
    """The input that was deleted before the job came to it."""
    return InvalidInputError("Tệp đầu vào đã bị xóa.", "The input was deleted.", code="input-gone", reason=error.word)


def as_facts(stored: Stored) -> dict[str, Any]:
    """An object as plain values."""
    return {"object": stored.name, "sha256": stored.sha256, "bytes": stored.bytes}
