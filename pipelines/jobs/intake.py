"""How a job reads its file: by the reading that was given, by the tenant's pattern, or by the guess that it accepted.

Decision: an open question stops the job (`questions`) unless a reading was given or the guess was accepted; what the
figures then are is `models.tables`' word alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from models.errors import InvalidInputError
from models.tables.cells import read_workbook
from models.tables.grid import Workbook
from models.tables.reading import (
    Reading,
    TableSeries,
    apply_pattern,
    fingerprint,
    read,
    reading_from_dict,
    reading_to_dict,
    series_of,
)
from registry.objects import Objects

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file with the reading in force, or with the questions that stand before it."""

    workbook: Workbook
    reading: Reading
    questions: Sequence[Mapping[str, Any]] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The reading as JSON."""
        return reading_to_dict(self.reading)

    @property
    def fingerprint(self) -> str:
        """The digest of the file's headings."""
        return fingerprint(self.workbook)


def open_file(objects: Objects, facts: Facts) -> Opened:
    """The job's file as it is to be read. Raises InvalidInputError, NotFoundError when the file is gone.

    `facts`: file {object, sha256, filename}, reading?, pattern?, accept_guess.
    """
    file = facts["file"]
    path: Path = objects.check(file["object"], file["sha256"])
    workbook = read_workbook(path, file["filename"])
    if facts.get("reading") is not None:
        return Opened(workbook, reading_from_dict(facts["reading"]))
    reading = read(workbook)
    if facts.get("pattern") is not None:
        reading = apply_pattern(reading_from_dict(facts["pattern"]), reading)
    if reading.questions and not facts.get("accept_guess"):
        return Opened(workbook, reading, [asdict(question) for question in reading.questions])
    return Opened(workbook, reading)


def series_of_file(opened: Opened) -> Iterator[TableSeries]:
    """The series of a file, one at a time. Raises InvalidInputError (`no-series`) when it holds none."""
    found = series_of(opened.reading, opened.workbook)
    first = next(found, None)
    if first is None:
        raise InvalidInputError.at(
            "/input/file_id",
            "Không tìm thấy chuỗi số liệu theo thời gian trong tệp; hãy kiểm tra cách đọc.",
            "The file holds no series over time; look at its reading.",
            code="no-series",
        )
    return chain([first], found)
