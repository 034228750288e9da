"""Where files of strangers are read: a process of their own, fenced in memory and time, that ends with the file.

Decision: a workbook comes from anybody, and its readers are large native libraries. A thread would share memory with
every other caller and cannot be stopped; so each reading is a fresh interpreter (a third of a second) that holds no
key, no connection and nothing of another organisation, is ended when it takes too long, and answers in JSON of bounded
size. What happens in there (out of memory, a crash, an endless loop) is a refusal of that one file.

Decision: everything that needs `models.tables` happens in there, also corrections, so the serving process never loads
the readers. This module imports nothing heavy; `pipelines.quarantined` is the inside.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pipelines
from models.errors import Fault, InvalidInputError, PlatformError

INSIDE: Final = "pipelines.quarantined"
ANSWER_BYTES: Final = 32 << 20
SECONDS: Final = 30.0
MEMORY_BYTES: Final = 1_500_000_000
THREADS: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


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
        self._environment = {
            "PYTHONPATH": str(Path(pipelines.__file__).resolve().parents[1]),
            "LC_ALL": "C.UTF-8",
            **THREADS,
            **(environment or {}),
        }
        self._seconds = seconds
        self._memory_bytes = memory_bytes

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
        limits = {"memory_bytes": self._memory_bytes, "seconds": int(self._seconds) + 1, "answer_bytes": ANSWER_BYTES}
        request = json.dumps({"task": task, "limits": limits, "facts": facts}).encode()
        with tempfile.TemporaryFile() as answer:
            status = self._run(request, answer)
            if status:
                raise _refuse_death(status)
            answer.seek(0)
            found: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES))
        if "refused" in found:
            raise _refusal(found["refused"])
        if "failed" in found:
            raise BrokenReaderError(found["failed"])
        return found

    def _run(self, request: bytes, answer: BinaryIO) -> int:
        """Run the inside to its end; its exit status, negative for a signal."""
        with subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-P", "-s", "-m", INSIDE],
            stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.DEVNULL, env=self._environment, cwd="/",
        ) as process:  # fmt: skip
            try:
                process.communicate(request, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                return -signal.SIGXCPU
            return process.returncode


class BrokenReaderError(PlatformError):
    """Bộ đọc tệp gặp lỗi | The reader of files failed"""

    code = "reader-failed"

    def __init__(self, places: list[str]) -> None:
        """Keep the places in our code; what the file holds is not repeated."""
        super().__init__("Bộ đọc tệp gặp lỗi; đã được ghi lại.", "The reader of files failed; it was recorded.")
        self.places = places


def _refusal(told: Mapping[str, Any]) -> InvalidInputError:
    faults = [Fault(fault["pointer"], fault["vi"], fault["en"]) for fault in told["faults"]]
    return InvalidInputError(told["vi"], told["en"], faults, code=told["code"])


def _refuse_death(status: int) -> InvalidInputError:
    """The file that ended its reader."""
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        vi, en = "Đọc tệp quá lâu; tệp quá phức tạp hoặc bị hỏng.", "Reading took too long: the file is too complex."
        return InvalidInputError.at("", vi, en, code="reading-too-slow")
    vi, en = "Tệp bị hỏng hoặc quá phức tạp, không đọc được.", "The file is damaged or too complex to be read."
    return InvalidInputError.at("", vi, en, code="file-unreadable")
