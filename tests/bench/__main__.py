"""`make bench`: every benchmark in a process of its own, one after the other, with the machine's facts.

    python -m tests.bench                 all
    python -m tests.bench serving wire    some, by name

Data sets come from AICHUNG_DATA_MIRROR; a benchmark that needs them says so when they are missing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.machine import facts

HERE = Path(__file__).parent


def main() -> int:
    """Run the asked benchmarks; the exit status counts those that failed."""
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    asked = sys.argv[1:] or known
    if unknown := set(asked) - set(known):
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"# {facts()}", flush=True)
    failed = 0
    for name in asked:
        print(f"\n## {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
