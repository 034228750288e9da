"""What the ledger is told of a request (GOVERNANCE 5.2): ids, counts, digests, never content.

Decision: one record for each decision. A model's answer, refusal or failure is recorded by `services.inference`; every
other call under an endpoint with an event word, and every refusal before a model was reached, by the doors. `call`
carries the mark that keeps the two from writing twice. The commitment `in.commit` binds the body exactly as it was
received (unpacked): who keeps what was sent can prove what the model saw.
"""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from models.errors import GateClosedError, PlatformError
from models.values import Labels
from registry.entries import Entry
from registry.ledger import Ledger, Receipt
from services.bodies import DisconnectedError
from services.callers import Caller
from services.endpoints import Call

POLICY_VERSION: Final = "1"
INFERENCE: Final = "inference"


def actor_of(caller: Caller | None) -> dict[str, str]:
    """Who acted, by opaque id: names live in a directory that can be erased."""
    if caller is None:
        return {"type": "unknown"}
    return {"type": caller.subject.kind, "id": caller.subject.id, "role": caller.role, "key": caller.key_id}


def model_facts(entry: Entry) -> dict[str, Any]:
    """Which rules were in force for this model."""
    approval = entry.approval
    return {
        "model": {"name": entry.name, "version": entry.version, "digest": entry.digests.artifact},
        "dossier_digest": entry.digests.card,
        "approval_id": None if approval is None else approval.id,
        "approval_kind": None if approval is None else approval.kind,
        "tier": entry.tier,
    }


def outcome_of(outputs: Sequence[Any]) -> dict[str, Any]:
    """What came out, as counts: succeeded, failed, and the first labels of classifiers."""
    failed = sum(isinstance(output, PlatformError) for output in outputs)
    found: dict[str, Any] = {"succeeded": len(outputs) - failed, "failed": failed}
    labels: dict[str, int] = {}
    for output in outputs:
        if isinstance(output, Labels) and output.labels:
            word = "abstained" if output.abstained else output.labels[0][0]
            labels[word] = labels.get(word, 0) + 1
    return found | {"labels": labels} if labels else found


class Recorder:
    """Writes the records of one process into its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def answer(self, call: Call, task: str, entry: Entry | None, status: int, detail: Mapping[str, Any]) -> Receipt:
        """One decision about a model: answered (`detail.out`), refused or failed (`detail.error_code`)."""
        record = self._frame(call, INFERENCE if status < 400 else "refuse.inference", status)
        record["task"] = task
        record["in"] = {"units": call.units, "bytes": len(call.body)}
        if entry is not None:
            record |= model_facts(entry)
        record |= detail
        call.recorded = True
        return self._ledger.note(record, sha256(call.body).digest() if call.body else None)

    def event(self, call: Call, status: int, error: BaseException | None) -> None:
        """Any other call of an endpoint that is recorded."""
        word = call.endpoint.event if call.endpoint is not None else ""
        if not word or call.recorded:
            return
        record = self._frame(call, word if status < 400 else f"refuse.{word}", status)
        if call.params:
            record["object"] = (
                sha256("/".join(call.params.values()).encode()).hexdigest() if status >= 400 else dict(call.params)
            )
        if error is not None:
            record["error_code"] = error.word if isinstance(error, PlatformError) else "internal-error"
        call.recorded = True
        self._ledger.note(record)

    @staticmethod
    def _frame(call: Call, event: str, status: int) -> dict[str, Any]:
        caller = call.caller
        return {
            "event": event,
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "tenant": None if caller is None else caller.tenant,
            "actor": actor_of(caller),
            "policy_version": POLICY_VERSION,
            "status": status,
            "latency_ms": round((time.perf_counter() - call.started) * 1e3, 2),
        }


def refusal_detail(error: BaseException) -> dict[str, Any]:
    """The code word of an error, and of a closed gate which model and why, for a record."""
    if isinstance(error, CancelledError | DisconnectedError):
        return {"error_code": "client-gone"}
    if not isinstance(error, PlatformError):
        return {"error_code": "internal-error"}
    detail: dict[str, Any] = {"error_code": error.word}
    if isinstance(error, GateClosedError):
        detail["gate"] = {name: error.facts[name] for name in ("model", "state", "missing")}
    return detail
