"""Results and reports of jobs as files, rendered in a process of their own (`pipelines.apart`).

Decision: a workbook of a million rows keeps a processor busy for a minute and brings large libraries; neither belongs
into the process that answers governance calls. `pipelines.rendered` is the inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from models.errors import UnavailableError
from pipelines.apart import Apart, EndedError

INSIDE: Final = "pipelines.rendered"
SECONDS: Final = 300.0
MEMORY_BYTES: Final = 2_000_000_000
ANSWER_BYTES: Final = 4 << 30


class Renderer:
    """Renders results. Blocks: call it in a thread. Safe for threads."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """What is rendered lies namelessly in `folder` until it is closed."""
        self._apart = Apart(
            INSIDE, seconds=SECONDS, memory_bytes=MEMORY_BYTES, answer_bytes=ANSWER_BYTES, folder=folder,
            environment=environment,
        )  # fmt: skip

    def result(self, path: Path, form: str, locale: str | None) -> IO[bytes]:
        """The result of a job in a format; the caller closes it. Raises InvalidInputError, UnavailableError."""
        return self._ask("result", path=str(path), form=form, locale=locale)

    def report(self, path: Path, form: str, audience: str, language: str) -> IO[bytes]:
        """The report of a job for a reader; the caller closes it. Raises InvalidInputError, UnavailableError."""
        return self._ask("report", path=str(path), form=form, audience=audience, language=language)

    def _ask(self, task: str, **facts: Any) -> IO[bytes]:
        try:
            return self._apart.ask(task, facts)
        except EndedError as error:
            raise UnavailableError(
                "Kết quả quá lớn để xuất lúc này; hãy thử định dạng csv hoặc parquet.",
                "The result is too large to be rendered now; try csv or parquet.", 60, code="rendering-ended",
            ) from error  # fmt: skip
