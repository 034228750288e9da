"""Where files of strangers are read: in a process of their own (`pipelines.apart`).

Decision: a workbook comes from anybody, and its readers are large native libraries. Whatever happens in there (out of
memory, a crash, an endless loop) is a refusal of that one file.

Decision: everything that needs `models.tables` happens in there, also corrections, so the serving process never loads
the readers. This module imports nothing heavy; `pipelines.quarantined` is the inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.errors import InvalidInputError
from pipelines.apart import Apart, EndedError

INSIDE: Final = "pipelines.quarantined"
ANSWER_BYTES: Final = 32 << 20
SECONDS: Final = 30.0
MEMORY_BYTES: Final = 1_500_000_000


@dataclass(frozen=True, slots=True)
class Understood:
    """How a file was understood: the reading as JSON would say it, and the fingerprint of the file's headers."""

    reading: dict[str, Any]
    fingerprint: str


class Quarantine:
    """Reads files in processes of their own. Blocks: call it in a thread. Safe for threads."""

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`environment` is all that a process is told besides where the code lies."""
        self._apart = Apart(
            INSIDE, seconds=seconds, memory_bytes=memory_bytes, answer_bytes=ANSWER_BYTES, environment=environment
        )

    def read(self, path: Path, file_name: str) -> Understood:
        """The reading that the file suggests. Raises InvalidInputError for a file that cannot be read."""
        return self._understood("read", path=str(path), file_name=file_name)

    def apply(self, path: Path, file_name: str, pattern: Mapping[str, Any]) -> Understood:
        """The reading of a file by a pattern (an earlier reading of a file with the same headers)."""
        return self._understood("apply", path=str(path), file_name=file_name, pattern=dict(pattern))

    def correct(self, reading: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """A reading with corrections. Raises InvalidInputError with pointers into the changes."""
        found: dict[str, Any] = self._ask("correct", reading=dict(reading), changes=dict(changes))["reading"]
        return found

    def _understood(self, task: str, **facts: Any) -> Understood:
        found = self._ask(task, **facts)
        return Understood(found["reading"], found["fingerprint"])

    def _ask(self, task: str, **facts: Any) -> dict[str, Any]:
        try:
            with self._apart.ask(task, facts) as answer:
                found: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES))
                return found
        except EndedError as error:
            raise _refuse_death(error.late) from error


def _refuse_death(late: bool) -> InvalidInputError:
    """The file that ended its reader."""
    if late:
        vi, en = "Đọc tệp quá lâu; tệp quá phức tạp hoặc bị hỏng.", "Reading took too long: the file is too complex."
        return InvalidInputError.at("", vi, en, code="reading-too-slow")
    vi, en = "Tệp bị hỏng hoặc quá phức tạp, không đọc được.", "The file is damaged or too complex to be read."
    return InvalidInputError.at("", vi, en, code="file-unreadable")
