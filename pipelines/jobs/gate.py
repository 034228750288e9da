"""The gate before every chunk: may this model still answer?

Decision: approvals are read again when the registry's revision has moved, so a suspension stops a job at its next
chunk; between two chunks time alone may close the gate, which is judged anew each time. When the registry cannot be
read the gate cannot decide, and the job waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models.errors import GateClosedError
from registry.entries import Entry
from registry.gate import may_serve
from registry.store import Store

REVIEW_URL = "/v1/registry/models/{name}/versions/{version}"


class Gate:
    """The models that jobs were accepted for. Safe for threads."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._store = store
        self._clock = clock
        self._seen: tuple[int, Mapping[tuple[str, str], Entry]] = (-1, {})

    def permit(self, model: Mapping[str, Any]) -> Entry:
        """The entry of a job's model. Raises GateClosedError with its state, UnavailableError when nobody can tell."""
        revision = self._store.revision()
        if revision != self._seen[0]:
            self._seen = (revision, {(entry.name, entry.version): entry for entry in self._store.entries()})
        entry = self._seen[1].get((str(model["name"]), str(model["version"])))
        if entry is None:
            raise _closed(model, "missing", ("missing",))
        if entry.digests.artifact != model["artifact"]:
            raise _closed(model, "altered", ("altered",))
        verdict = may_serve(entry, self._clock())
        if not verdict.allowed:
            raise _closed(model, verdict.state, verdict.missing)
        return entry


def _closed(model: Mapping[str, Any], state: str, missing: tuple[str, ...]) -> GateClosedError:
    reference = f"{model['name']}@{model['version']}"
    return GateClosedError(
        f"Mô hình {reference} không còn được phép trả lời ({state}).",
        f"Model {reference} may not answer any more ({state}).",
        model=reference,
        state=state,
        missing=list(missing),
        review_url=REVIEW_URL.format(name=model["name"], version=model["version"]),
    )
