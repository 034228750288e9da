"""The outside of the sandbox: what a stranger sent goes in as a path, and comes out as files that we name.

Decision: whatever ends the inside (memory, time, a crash of a native library) is a refusal of that one model, with a
word that says which. An answer is believed only as far as it can be checked here: names that stay in the folder, the
formats of artefacts, sizes that add up; everything else about it is held against digests afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from models.artifact import SAFE_SUFFIXES
from models.errors import IntegrityError, InvalidInputError
from pipelines.apart import Apart, BrokenProcessError, EndedError

INSIDE: Final = "pipelines.registration.inside"
TRYING: Final = "pipelines.registration.trying"
LOOK_SECONDS: Final = 90.0
TRIAL_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 6 << 30
ANSWER_BYTES: Final = (1 << 30) + (64 << 20)
LENGTH_BYTES: Final = 8
INDEX_BYTES: Final = 32 << 20
COPY_BYTES: Final = 1 << 20
PLACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What an upload turned out to be; its files lie in `folder`.

    `manifest` is set for an artefact that came sealed; `evaluation` and `prior` (a card) were claimed beside it; `card`
    is what people wrote.
    """

    folder: Path
    kind: str
    config: Mapping[str, Any]
    manifest: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    prior: Mapping[str, Any] | None
    card: Mapping[str, Any]
    notes: Mapping[str, Any]


class Sandbox:
    """Looks into uploads and tries artefacts, each in a process of its own. Blocks. Safe for threads."""

    def __init__(
        self, *, look_seconds: float = LOOK_SECONDS, trial_seconds: float = TRIAL_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:  # fmt: skip
        """The limits of each process."""
        most = ANSWER_BYTES
        self._look = Apart(INSIDE, seconds=look_seconds, memory_bytes=memory_bytes, answer_bytes=most)
        self._trial = Apart(TRYING, seconds=trial_seconds, memory_bytes=memory_bytes, answer_bytes=most)

    def look_into(self, folder: Path, upload: str, name: str, card: str | None, into: Path) -> Inspected:
        """Unpack and judge `folder/upload`, sent under `name`, with the card `folder/card`; its files go to `into`.

        Raises InvalidInputError with the reason for a refusal.
        """
        facts = {"folder": str(folder), "upload": upload, "name": name, "card": card}
        with self._asked(self._look, "look_into", facts) as answer:
            index = json.loads(answer.read(_length(answer)))
            into.mkdir(parents=True)
            for row in index["files"]:
                _copy(answer, into, str(row["path"]), int(row["bytes"]))
            return Inspected(
                into, index["kind"], index["config"], index["manifest"], index["evaluation"], index["prior"],
                index["card"] or {}, index["notes"],
            )  # fmt: skip

    def try_out(self, artifact: Path) -> dict[str, Any]:
        """What a sealed artefact can do and costs. Raises InvalidInputError when it cannot answer."""
        with self._asked(self._trial, "try_out", {"folder": str(artifact)}) as answer:
            found: dict[str, Any] = json.loads(answer.read(INDEX_BYTES))
            return found

    def _asked(self, apart: Apart, task: str, facts: Mapping[str, Any]) -> IO[bytes]:
        try:
            return apart.ask(task, facts)
        except EndedError as error:
            raise _ended(error.late) from error
        except BrokenProcessError as error:
            if any("cage.py" in place for place in error.places):
                raise
            vi, en = "Không đọc được mô hình này.", "This model cannot be read."
            raise InvalidInputError.at("/artifact", vi, en, code="model-unreadable") from error


def _length(answer: IO[bytes]) -> int:
    length = int.from_bytes(answer.read(LENGTH_BYTES), "big")
    if not 2 <= length <= INDEX_BYTES:
        raise _untrue()
    return length


def _copy(answer: IO[bytes], into: Path, name: str, size: int) -> None:
    """Write one file of the answer under a name that stays in the folder."""
    if not PLACE.fullmatch(name) or "." + name.rpartition(".")[2] not in SAFE_SUFFIXES:
        raise _untrue()
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while size:
            part = answer.read(min(size, COPY_BYTES))
            if not part:
                raise _untrue()
            file.write(part)
            size -= len(part)


def _untrue() -> IntegrityError:
    return IntegrityError("Hộp cát trả lời sai dạng.", "The sandbox gave a malformed answer.", code="sandbox-untrue")


def _ended(late: bool) -> InvalidInputError:
    if late:
        vi, en = "Mô hình chạy thử quá lâu nên bị dừng.", "The model took too long in its trial and was stopped."
        return InvalidInputError.at("/artifact", vi, en, code="trial-too-slow")
    vi, en = (
        "Mô hình làm hỏng tiến trình chạy thử hoặc quá bộ nhớ.",
        "The model broke its trial or took too much memory.",
    )
    return InvalidInputError.at("/artifact", vi, en, code="trial-broken")
