"""The model versions that a caller may see, and the one that an address names."""

from __future__ import annotations

from models.errors import NotFoundError
from registry.entries import Entry
from services.actors import oversees
from services.callers import Caller
from services.endpoints import Call
from services.handles import Handles


def seen(handles: Handles, caller: Caller) -> list[Entry]:
    """Every version that the caller may see, or watches over."""
    return [entry for entry in handles.index.all() if caller.sees(entry) or oversees(caller)]


def named(handles: Handles, call: Call) -> Entry:
    """The version that an address names. Raises NotFoundError, the same for a foreign one."""
    return pick(handles, call.who, call.params["name"], call.params["version"])


def pick(handles: Handles, caller: Caller, name: str, version: str) -> Entry:
    """One version of one model. Raises NotFoundError, the same for a foreign one."""
    for entry in seen(handles, caller):
        if (entry.name, entry.version) == (name, version):
            return entry
    raise no_model()


def no_model() -> NotFoundError:
    """What a caller is told of a model that does not exist or that is not his to see."""
    return NotFoundError("Không tìm thấy mô hình này.", "There is no such model.", code="unknown-model")
