"""The inside of the sandbox for an upload: unpacked, judged, converted (`sandbox` is the outside).

Decision: what comes out of an upload comes out as bytes in the answer, behind a list of names and sizes; this process
cannot write a file. The first eight bytes of an answer say how long that list is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

import pipelines
from pipelines.apart import Task, answer_one
from pipelines.registration import cage
from pipelines.registration.archive import unpack
from pipelines.registration.assembly import assemble
from pipelines.registration.written import bad_card, read_card

ROOT: Final = Path(pipelines.__file__).resolve().parents[1]
LENGTH_BYTES: Final = 8
STATED: Final = "artifact"
"""The card's own section on kind and configuration; it does not stay in the card."""


def look_into(to: BinaryIO, folder: str, upload: str, name: str, card: str | None) -> None:
    """Unpack, judge, convert; the card as JSON beside it. Raises InvalidInputError with the reason."""
    cage.shut([ROOT, Path(folder)])
    written = None if card is None else read_card((Path(folder) / card).read_bytes())
    stated = (written or {}).pop(STATED, {})
    if not isinstance(stated, dict):
        raise bad_card(f"/{STATED}", "artifact là một đối tượng {kind, …}.", "artifact is an object {kind, …}.")
    found = assemble(unpack(Path(folder) / upload, name), stated)
    index = {
        "files": [{"path": path, "bytes": len(data)} for path, data in sorted(found.files.items())],
        "kind": found.kind, "config": dict(found.config), "manifest": found.manifest, "evaluation": found.evaluation,
        "prior": found.card, "notes": dict(found.notes), "card": written,
    }  # fmt: skip
    head = json.dumps(index, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    to.write(len(head).to_bytes(LENGTH_BYTES, "big"))
    to.write(head)
    for _, data in sorted(found.files.items()):
        to.write(data)


TASKS: Final[Mapping[str, Task]] = {"look_into": look_into}

if __name__ == "__main__":
    answer_one(TASKS)
