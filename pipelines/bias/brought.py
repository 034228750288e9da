"""Labelled texts that an engineer brings to have their own classifier tested: one JSON object a line.

    {"text": "…", "label": "…", "source": "…"}

Decision: a report cannot see what a foreign model was trained on, so the caller vouches that these texts were held
back; the report names the file by its digest, and whoever reviews can ask for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import InvalidInputError
from pipelines.bias.subjects import Case
from pipelines.datasets import file_digest

LEAST: Final = 100
MOST: Final = 200_000
LONGEST_LINE: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Brought:
    """The cases of a file, and the file as a row of the report's data sets."""

    cases: Sequence[Case]
    row: Mapping[str, str]


def read_brought(path: Path) -> Brought:
    """Read a file of labelled texts. Raises InvalidInputError naming the first line that is not one."""
    cases = []
    with path.open(encoding="utf-8", errors="strict") as lines:
        for number, line in enumerate(lines, 1):
            if number > MOST:
                raise _bad(number)
            if line.strip():
                cases.append(_case(line, number))
    if len(cases) < LEAST:
        raise InvalidInputError(
            f"Cần ít nhất {LEAST} văn bản có nhãn.",
            f"At least {LEAST} labelled texts are needed.",
            code="too-few-cases",
        )
    row = {
        "id": path.name, "digest": f"sha256:{file_digest(path)}", "title": "do người nộp mô hình cung cấp | brought by "
        "the model's author", "repository": "", "commit": "", "licence": "",
    }  # fmt: skip
    return Brought(cases, row)


def _case(line: str, number: int) -> Case:
    try:
        row = json.loads(line) if len(line) <= LONGEST_LINE else None
    except ValueError as error:
        raise _bad(number) from error
    if not isinstance(row, dict):
        raise _bad(number)
    text, label, source = row.get("text"), row.get("label"), row.get("source", "")
    if not (isinstance(text, str) and text.strip() and isinstance(label, str) and isinstance(source, str)):
        raise _bad(number)
    return Case(text, label, source)


def _bad(number: int) -> InvalidInputError:
    return InvalidInputError(
        f'Dòng {number} phải có dạng {{"text": "…", "label": "…", "source": "…"}}; nhiều nhất {MOST} dòng.',
        f'Line {number} must be {{"text": "…", "label": "…", "source": "…"}}; at most {MOST} lines.',
        code="bad-cases",
    )
