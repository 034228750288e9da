"""What the platform tells about itself: structured logs, the access log, Prometheus metrics.

Decisions
- Logs carry ids, sizes, statuses and digests; never a query string, a text, a key or a person's name. The message of a
  foreign exception may repeat input, so of an error only its class and the places in the code are written. Anything
  that looks like a key is blotted out before it is written.
- Nothing is written on the way of a request: a tuple is appended to a bounded buffer and counters are increased in
  memory; a thread writes both once a second. What the buffer could not hold is counted.
- Metrics go to one small file for each process (`<home>/metrics`), and whoever is asked for `/metrics` adds the files
  up. This is prometheus_client's multiprocess idea without its environment variable read at import and without a
  memory-mapped write for every increment. Labels are route templates, methods, statuses and model names: all bounded.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from services.keys import PATTERN
from services.logs import LogFile
from services.metrics import Metrics

BUFFERED_LINES: Final = 50_000
FRAMES_SHOWN: Final = 12

AccessLine = tuple[float, str, str, int, float, str, str, str, str]


class Telemetry:
    """Logs and metrics of one process. `start` begins the flushing thread, `close` writes what is left."""

    def __init__(
        self,
        home: Path,
        process: str,
        *,
        log_bytes: int = 10_000_000,
        log_files: int = 5,
        flush_seconds: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`process` names the process (`nlp`, `platform`); files lie in `home/logs` and `home/metrics`."""
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._lines: deque[AccessLine] = deque(maxlen=BUFFERED_LINES)
        self._lost = 0
        self._file = LogFile(home / "logs", process, log_bytes, log_files)
        self.metrics = Metrics(home / "metrics", process)
        self.log = structlog.wrap_logger(
            self._file,
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _blot,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            process=process,
            pid=os.getpid(),
        )
        self._watched: list[tuple[str, Mapping[str, str], Callable[[], float]]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- on the way of a request ----------------------------------------------------------------------------

    def request(
        self, route: str, method: str, status: int, seconds: float, tenant: str, request_id: str, trace_id: str,
        model: str,
    ) -> None:  # fmt: skip
        """One answered request: a line for the access log and a count."""
        if len(self._lines) == BUFFERED_LINES:
            self._lost += 1
        self._lines.append((self._clock(), route, method, status, seconds, tenant, request_id, trace_id, model))
        self.metrics.request(route, method, status, seconds)

    def predicted(self, model: str, task: str, outcome: str, seconds: float, units: int) -> None:
        """One call of a model: `outcome` is ok, refused or failed."""
        self.metrics.prediction(model, task, outcome, seconds, units)

    def failure(self, error: BaseException, request_id: str, route: str) -> None:
        """An error that is ours: its class and places, without its message."""
        chain: list[dict[str, Any]] = []
        seen: BaseException | None = error
        while seen is not None and len(chain) < 5:
            frames = traceback.extract_tb(seen.__traceback__)[-FRAMES_SHOWN:]
            places = [f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in frames]
            chain.append({"error": type(seen).__name__, "at": places})
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        self.metrics.count("aichung_internal_errors_total", {"route": route})
        self.log.error("internal-error", request_id=request_id, route=route, chain=chain)

    # --- beside it ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to write once every `flush_seconds`."""
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is left and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self.flush()
        self._file.close()

    def watch(self, name: str, labels: Mapping[str, str], read: Callable[[], float]) -> None:
        """A gauge that is read at every flush; `name` is one of `metrics.HELP`."""
        self._watched.append((name, labels, read))

    def flush(self) -> None:
        """Write buffered lines and the metrics file. A full disk loses lines, which are counted, and nothing else."""
        for name, labels, read in self._watched:
            self.metrics.set(name, labels, read())
        lines = []
        while self._lines:
            at, route, method, status, seconds, tenant, request_id, trace_id, model = self._lines.popleft()
            lines.append(_json({
                "event": "access", "ts": round(at, 6), "route": route, "method": method, "status": status,
                "ms": round(seconds * 1e3, 3), "tenant": tenant, "request_id": request_id, "trace_id": trace_id,
                "model": model,
            }))  # fmt: skip
        if lines and not self._file.write("\n".join(lines)):
            self._lost += len(lines)
        self.metrics.set("aichung_log_lines_lost", {}, self._lost)
        self.metrics.write()

    def _run(self) -> None:
        while not self._stop.wait(self._flush_seconds):
            try:
                self.flush()
            except Exception as error:  # the thread must outlive every fault
                self._file.write(_json({"event": "telemetry.flush_failed", "error": type(error).__name__}))


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _blot(_: Any, __: str, event: Any) -> Mapping[str, Any]:
    """Blot out whatever looks like a key, wherever it stands."""
    return {name: _without_keys(value) for name, value in event.items()}


def _without_keys(value: Any) -> Any:
    if isinstance(value, str):
        return PATTERN.sub("aic_***", value)
    if isinstance(value, dict):
        return {_without_keys(name): _without_keys(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_keys(inner) for inner in value]
    return value
