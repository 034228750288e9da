"""The inside of the renderer: one result or report (`pipelines.rendering` is the outside)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from pipelines.apart import Task, answer_one
from pipelines.jobs.outcome import open_outcome
from pipelines.results.report import write_report
from pipelines.results.writing import write_result


def render_result(to: BinaryIO, path: str, form: str, locale: str | None) -> None:
    """A job's result in a format."""
    write_result(open_outcome(Path(path)), form, to, locale)


def render_report(to: BinaryIO, path: str, form: str, audience: str, language: str) -> None:
    """A job's report for a reader."""
    to.write(write_report(open_outcome(Path(path)), form, audience, language))


TASKS: Final[Mapping[str, Task]] = {"result": render_result, "report": render_report}

if __name__ == "__main__":
    answer_one(TASKS)
