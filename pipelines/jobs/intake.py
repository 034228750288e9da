"""How a job reads its file: by the reading that was given, or by the guess that the file suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import InvalidInputError
from pipelines.jobs.work import Facts
from registry.objects import Objects


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """The series of a file, or the questions that stand before them."""

    series: Sequence[Any]
    reading: Mapping[str, Any]
    fingerprint: str
    questions: Sequence[Mapping[str, Any]] = ()


class Intake:
    """Reads files through models.tables."""

    def series(self, objects: Objects, facts: Facts) -> SeriesRead:
        """The series of the job's file. Raises InvalidInputError, NotFoundError when the file is gone."""
        raise InvalidInputError("Chưa đọc được tệp.", "Files cannot be read yet.", code="unsupported-option")
