"""The inside of the quarantine: one request about one file (`pipelines.quarantine` is the outside)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from models.tables.cells import read_workbook
from models.tables.correcting import apply_pattern, correct
from models.tables.reading import fingerprint, read
from models.tables.wire import reading_from_dict, reading_to_dict
from pipelines.apart import Task, answer_one


def read_file(to: BinaryIO, path: str, file_name: str, pattern: Mapping[str, Any] | None = None) -> None:
    """The reading that a file suggests, with what a pattern settled laid over it."""
    workbook = read_workbook(Path(path), file_name)
    found = read(workbook)
    if pattern is not None:
        found = apply_pattern(reading_from_dict(pattern), found)
    _say(to, {"reading": reading_to_dict(found), "fingerprint": fingerprint(workbook)})


def correct_reading(to: BinaryIO, reading: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """A reading with a person's corrections."""
    _say(to, {"reading": reading_to_dict(correct(reading_from_dict(reading), changes))})


def _say(to: BinaryIO, found: Mapping[str, Any]) -> None:
    to.write(json.dumps(found, ensure_ascii=False, allow_nan=False).encode())


TASKS: Final[Mapping[str, Task]] = {"read": read_file, "apply": read_file, "correct": correct_reading}

if __name__ == "__main__":
    answer_one(TASKS)
