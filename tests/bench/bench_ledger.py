"""CPU per ledger record and per gate question, measured over the whole process (all threads).

python tests/bench/bench_ledger.py [records]
"""

from __future__ import annotations

import sys
import tempfile
import time
import timeit
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from registry.chain import new_chain_uid
from registry.entries import Approval, Digests, Entry, Stage
from registry.founding import found
from registry.gate import may_serve
from registry.ledger import Ledger

CONTENT = b"\x07" * 32
TICK_SECONDS = 0.04
RATES = (500, 2_000)  # records a second: the latency budget's rate, and about what one process can serve


def record(number: int) -> dict[str, Any]:
    """An inference record with every field of GOVERNANCE 5.2 that the language doors fill."""
    return {
        "event": "inference", "request_id": f"req_{number:026d}", "tenant": "ten_boyte", "src_net": "10.0.0.0/24",
        "actor": {"type": "system", "pseudonym": "act_5f0c9a7be1d24c55", "role": "service"},
        "purpose_id": None, "use_declaration_id": None,
        "model": {"name": "vi-topic", "version": "1.0.0", "digest": "sha256:" + "a" * 64},
        "dossier_digest": "sha256:" + "b" * 64, "approval_id": "apr_0123456789abcdef", "policy_version": "policy/1",
        "tier": "T1", "in": {"count": 1, "bytes": 1834, "schema_ok": True, "pii_counts": {}},
        "out": {"label": "Kinh doanh", "score": 0.93, "abstain": False}, "explain": None,
        "oversight": {"required": False, "recorded": "none", "by": None}, "latency_ms": 1.21, "status": 200,
        "error_code": None, "sampled_payload": False, "task": "topics",
    }  # fmt: skip


def ledger_figures(records: int) -> dict[str, float]:
    """Microseconds of CPU per record: at the two rates, and as fast as it goes. The commit's own cost is shared."""
    with tempfile.TemporaryDirectory() as folder:
        database = found(f"sqlite:///{folder}/bench.sqlite")
        ledger = Ledger(database, new_chain_uid("bench"), queue_records=10 * records)
        ledger.start()
        ledger.note(record(0), CONTENT).wait(5)
        made = timeit.timeit(lambda: record(7), number=2000) / 2000
        figures = {f"at_{rate}_us": _steady(ledger, rate, records // 4) - made for rate in RATES}
        started, begun = time.process_time(), time.thread_time()
        for number in range(records):
            ledger.note(record(number), CONTENT)
        figures["caller_us"] = (time.thread_time() - begun) / records - made
        ledger.close(60)
        figures["burst_us"] = (time.process_time() - started) / records - made
        written = ledger.counts().written
        database.close()
        size = Path(folder, "bench.sqlite").stat().st_size
    return {name: value * 1e6 for name, value in figures.items()} | {"bytes": size / written}


def _steady(ledger: Ledger, rate: int, records: int) -> float:
    """Seconds of CPU per record at a steady rate."""
    tick = round(rate * TICK_SECONDS)
    started = time.process_time()
    for _ in range(records // tick):
        for number in range(tick):
            ledger.note(record(number), CONTENT)
        time.sleep(TICK_SECONDS)
    ledger.note(record(1), CONTENT).wait(5)
    return (time.process_time() - started) / (records // tick * tick)


def gate_nanoseconds() -> float:
    """Nanoseconds for one question to an open gate."""
    digests = Digests(*(f"sha256:{letter * 64}" for letter in "abcdef0"))
    now = datetime.now(UTC)
    approval = Approval(
        "apr_1", "bootstrap", "{}", digests, ("T0", "T1"), now, now + timedelta(days=90), "bootstrap", True
    )  # fmt: skip
    entry = Entry(
        "vi-topic", "1.0.0", "text.classify/1", ("topics",), "platform", True, "T1", Stage.SERVING,
        replace(digests), "/x", approval, None, now,
    )  # fmt: skip
    at = now.timestamp() + 60
    if not may_serve(entry, at).allowed:
        raise SystemExit("the gate should be open")
    return timeit.timeit(lambda: may_serve(entry, at), number=200_000) / 200_000 * 1e9


def main() -> None:
    """Print the figures."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for name, value in ledger_figures(records).items():
        print(f"ledger {name:10s} {value:8.1f}")
    print(f"gate   nanoseconds {gate_nanoseconds():7.0f}")


if __name__ == "__main__":
    main()
