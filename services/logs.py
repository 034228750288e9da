"""Log files of one process, capped in size and number.

Decision: every process writes its own files (`<process>-<pid>.log`), because rolling a file that several processes
write loses lines. When a process starts, files of earlier processes of the same name beyond the cap are removed, so
restarts do not fill the disk.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path


class LogFile:
    """The rolled log file of this process; also a logger in structlog's sense."""

    def __init__(self, folder: Path, process: str, max_bytes: int, files: int) -> None:
        """Make the folder, sweep, open lazily: the file appears with its first line."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(folder, process, files)
        path = folder / f"{process}-{os.getpid()}.log"
        self._handler = RotatingFileHandler(
            path, maxBytes=max_bytes, backupCount=files - 1, delay=True, encoding="utf-8"
        )
        self._handler.handleError = self._failed  # type: ignore[method-assign]
        self._ok = True

    def _failed(self, record: logging.LogRecord) -> None:
        self._ok = False

    def write(self, text: str) -> bool:
        """Append lines; False when the disk would not take them."""
        self._ok = True
        self._handler.handle(logging.LogRecord("aichung", logging.INFO, "", 0, text, None, None))
        return self._ok

    def msg(self, message: str) -> None:
        """Append one line (structlog)."""
        self.write(message)

    debug = info = warning = error = critical = msg

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def _written_at(path: Path) -> float:
    """When a file was last written; long ago for one that another process rolled away meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _sweep(folder: Path, process: str, files: int) -> None:
    """Keep the newest `files` of this process name's earlier files; living processes keep theirs."""
    earlier = sorted(folder.glob(f"{process}-*.log*"), key=_written_at, reverse=True)
    for path in earlier[files:]:
        pid = path.name[len(process) + 1 :].partition(".")[0]
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            with suppress(OSError):
                path.unlink()
