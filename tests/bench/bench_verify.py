"""Records of the ledger verified in a second, on one core: `aichung audit verify` over a database and its checkpoints.

python tests/bench/bench_verify.py [records]

The records are inference records with every field of GOVERNANCE 5.2, in four chains under a checkpoint for every
10,000 records; the file is read from a warm page cache, as after a copy. The aim is 50,000 records a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from registry.chain import Item, Tail, encode, link
from registry.checkpoints import Checkpointer
from registry.founding import found
from registry.signatures import Signer
from registry.tables import ledger
from registry.verify import verify_ledger
from tests.bench.bench_ledger import record

CHAINS = 4
EVERY = 10_000
START = 1_795_000_000_000_000
AIM = 50_000


def fill(folder: Path, signer: Signer, records: int) -> None:
    """A database of `records` records under checkpoints."""
    database = found(f"sqlite:///{folder}/bench.sqlite")
    checkpoints = Checkpointer(database, folder / "checkpoints", signer, clock=lambda: START / 1e6)
    names = [column.name for column in ledger.columns]
    tails = [Tail(f"nlp-{number}") for number in range(CHAINS)]
    for start in range(0, records, EVERY):
        chain = start // EVERY % CHAINS
        items = []
        for number in range(start, start + EVERY):
            event = record(number) | {"in": {"count": 1, "bytes": 1834, "commit": "c" * 64}}
            items.append(Item(START + number * 997, encode(event), "inference", "ten_boyte", f"req_{number:026d}"))
        linked = link(tails[chain], items)
        tails[chain] = linked.tail
        with database.write() as connection:
            connection.execute(ledger.insert(), [dict(zip(names, row, strict=True)) for row in linked.rows])
        checkpoints.write()
    database.close()


def main() -> int:
    """Print the figures; the exit status is 1 below the aim."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    signer = Signer.generate("checkpoint")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, signer, records)
        size = (folder / "bench.sqlite").stat().st_size
        rates = []
        for _ in range(3):
            started, begun = time.perf_counter(), time.process_time()
            report = verify_ledger(folder / "bench.sqlite", folder / "checkpoints", signer.public)
            if not report.ok or report.covered < records:
                raise SystemExit("the ledger should be intact and covered")
            wall, cpu = time.perf_counter() - started, time.process_time() - begun
            rates.append(report.records / cpu)
            print(
                f"verify {report.records} records of {size / report.records:.0f} bytes: wall {wall:.2f} s, "
                f"CPU {cpu:.2f} s, {report.records / wall:,.0f} records/s ({report.records / cpu:,.0f} per CPU second)"
            )
    return int(max(rates) < AIM)


if __name__ == "__main__":
    sys.exit(main())
