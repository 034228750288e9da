"""The processes of one installation: who they are, how leftovers are ended.

Decision: every process that a start brings up inherits an environment variable with the installation's mark
(a digest of its home), so that a later start finds what a killed one left behind, HAProxy and Ray's daemons
included, without a list that a kill -9 could leave stale. Process id and start time are held against each other by
psutil before a signal is sent, so that a reused id is never hit; other installations have other marks.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from models.errors import ConflictError

MARK = "AICHUNG_INSTALLATION"
PR_SET_PDEATHSIG = 1


def installation_mark(home: Path) -> str:
    """The mark of this user's installation that lives in `home`."""
    return hashlib.sha256(f"{os.getuid()}:{home.resolve()}".encode()).hexdigest()[:10]


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the home's lock. Raises ConflictError when another start holds it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "serve.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                f"Thư mục {home} đang được một bản cài đặt khác sử dụng.",
                f"Another start already uses the home {home}.",
                code="home-in-use",
            ) from error
        os.set_inheritable(file.fileno(), False)
        yield


def marked_processes(mark: str) -> list[psutil.Process]:
    """Processes of the installation, without this one and its ancestors."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def end_leftovers(mark: str, grace_seconds: float = 3.0) -> int:
    """End every marked process, politely first; return how many there were."""
    started = time.monotonic()
    ended: set[int] = set()
    while processes := marked_processes(mark):
        late = time.monotonic() - started > grace_seconds
        for process in processes:
            ended.add(process.pid)
            try:
                process.send_signal(signal.SIGKILL if late else signal.SIGTERM)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=0.5)
    return len(ended)


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies (prctl(2), Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
