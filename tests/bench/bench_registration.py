"""From an ONNX file to a callable draft: seconds of every step, by the size of the file.

python -m tests.bench.bench_registration [megabytes…]

Every step is the platform's own: looked into behind the fence, sealed, tried, described, held against the rules. The
aim is 60 s for 50 MB, which includes whatever else the machine does.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.datasets import load_catalogue
from pipelines.registration.examining import Asked, examine
from pipelines.registration.sandbox import Inspected, Sandbox
from tests.pipelines.registration.samples import graph

AIM_SECONDS = 60.0
SIZES = (1, 50)
WIDTH = 1_000


class Timed(Sandbox):
    """A sandbox that keeps the seconds of its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def look_into(self, *arguments: Any) -> Inspected:
        return self._timed("look into", super().look_into, *arguments)

    def try_out(self, *arguments: Any) -> dict[str, Any]:
        return self._timed("try out", super().try_out, *arguments)

    def _timed(self, word: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        found = work(*arguments)
        self.seconds[word] = time.perf_counter() - started
        return found


def register(megabytes: int) -> tuple[float, dict[str, float], dict[str, Any]]:
    """Seconds of the whole, of each step, and what the trial measured."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "upload").write_bytes(graph(WIDTH, megabytes * 1_000_000 // 4 // WIDTH))
        (folder / "card").write_text(json.dumps({"identity": {"licence": "MIT"}}), "utf-8")
        sandbox, started = Timed(), time.perf_counter()
        asked = Asked("bench", "sub_bench", "2026-11-24T00:00:00Z", "Bench", sources=load_catalogue())
        found = examine(sandbox, folder, "upload", "model.onnx", "card", asked)
        return time.perf_counter() - started, sandbox.seconds, dict(found.report["trial"])
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Print a line for each size; 1 when 50 MB take longer than the aim."""
    late = 0
    for megabytes in [int(word) for word in sys.argv[1:]] or SIZES:
        seconds, steps, trial = register(megabytes)
        told = ", ".join(f"{word} {value:.1f} s" for word, value in steps.items())
        print(f"{megabytes:>4} MB: {seconds:5.1f} s ({told}); p50 {trial['p50_ms']} ms, p99 {trial['p99_ms']} ms")
        late += megabytes <= 50 and seconds > AIM_SECONDS
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
