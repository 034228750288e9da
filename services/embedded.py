"""The embedded platform: everything on one machine, in the foreground (`make serve`).

`aichung serve` replaces itself by this module (see `services.launch`).

Decision: replicas, proxy and worker are healed by Serve and by the worker's keeper while everything goes on. When Ray's
own daemons die (raylet, GCS) the replicas may go on answering, but nothing can be healed and no job computed any more;
then this process ends what is left, replaces itself by a fresh start and keeps its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from models.errors import Note, PlatformError, UnavailableError
from services import deployment
from services.house import prepare
from services.launch import become, temporary_folder
from services.ports import Ports, claim, plan
from services.processes import MARK, end_leftovers, hold
from services.settings import Settings
from services.supervision import EXECUTOR, worker_command
from services.supervision import Keeper as JobKeeper

WATCH_SECONDS = 5.0
LOOK_SECONDS = 0.5
SILENCE_SECONDS = 60.0
LASTED_SECONDS = 20.0
GRACE_SECONDS = 3.0
DAEMONS = frozenset({"raylet", "gcs_server"})
EVERYWHERE = "0.0.0.0"  # noqa: S104 - where HAProxy opens doors of its own; they must be free there


class RayLostError(Exception):
    """Ray's daemons died under a platform that had been serving."""


def run(settings: Settings) -> int:
    """Serve until a signal comes; return the exit status. Raises RayLostError, with everything ended."""
    mark = os.environ[MARK]
    with hold(settings.home):
        end_leftovers(mark)
        _claim(settings, plan(settings.http_port))
        keeper = prepare(settings)
        jobs: JobKeeper | None = None
        lost = False
        try:
            keeper.start()
            _listen()
            _start(settings, temporary_folder(mark))
            command = worker_command(deployment.address())
            jobs = JobKeeper(keeper.database, EXECUTOR, command, settings.home / "logs" / "worker.out")
            jobs.start()
            _announce(settings)
            return _watch(settings)
        except KeyboardInterrupt:
            return 0
        except RayLostError:
            lost = True
            raise
        finally:
            _ignore_signals()
            if jobs is not None:
                jobs.close()
            _stop(mark, lost)
            keeper.close()


def _listen() -> None:
    """Turn the three ending signals into one KeyboardInterrupt; Ray replaces handlers, so this is called twice."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _claim(settings: Settings, ports: Ports) -> None:
    claim(settings.http_host, ports.http)
    for port in (ports.stats, ports.metrics, ports.fallback, ports.replicas_first):
        claim(EVERYWHERE, port)


def _start(settings: Settings, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / "p").mkdir()
    deployment.start(settings, folder / "r")
    _listen()
    deadline = time.monotonic() + settings.ready_seconds
    while not _answers(settings):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Nền tảng chưa sẵn sàng sau {settings.ready_seconds:.0f} giây; xem {settings.home}/logs.",
                f"The platform was not ready after {settings.ready_seconds:.0f} s; see {settings.home}/logs.",
            )
        time.sleep(0.1)


def _announce(settings: Settings) -> None:
    print(f"AI Chung ready: http://{settings.http_host}:{settings.http_port}", flush=True)


def _watch(settings: Settings) -> int:
    """Wait for a signal; give up when nothing has answered for a minute, so that a service manager restarts us."""
    silent_since = None
    started = asked = time.monotonic()
    daemons = _daemons()
    while True:
        time.sleep(LOOK_SECONDS)
        if _daemons() != daemons:
            print("AI Chung: Ray đã dừng, khởi động lại | Ray died, starting again", file=sys.stderr, flush=True)
            if time.monotonic() - started < LASTED_SECONDS:
                return 1
            raise RayLostError
        if time.monotonic() - asked < WATCH_SECONDS:
            continue
        asked = time.monotonic()
        if _answers(settings, "/healthz"):
            silent_since = None
            continue
        silent_since = silent_since or time.monotonic()
        if time.monotonic() - silent_since > SILENCE_SECONDS:
            print("AI Chung: không trả lời quá một phút, dừng | silent for over a minute, stopping", file=sys.stderr)
            return 1


def _daemons() -> frozenset[int]:
    """The process ids of Ray's daemons, our own children, that are alive."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name() in DAEMONS and child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return frozenset(found)


def _answers(settings: Settings, path: str = "/readyz") -> bool:
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.http_port}{path}", timeout=5) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(mark: str, lost: bool) -> None:
    """End everything; a Ray that died has nobody left to ask."""
    _ignore_signals()
    with _silence():
        if not lost:
            deployment.stop()
        end_leftovers(mark, 0.0 if lost else GRACE_SECONDS)
    shutil.rmtree(temporary_folder(mark), ignore_errors=True)


@contextmanager
def _silence() -> Iterator[None]:
    """Hide what Ray's daemons say of each other's end; what we say ourselves afterwards is heard again."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main() -> int:
    """Run the embedded platform and tell what went wrong in one line, in both languages."""
    settings = None
    try:
        settings = Settings.read()
        try:
            return run(settings)
        except RayLostError:
            become(settings)
    except (PlatformError, OSError) as error:
        if settings is not None and (error.__cause__ is not None or isinstance(error, OSError)):
            _keep_trace(settings, error)
        told = error.note if isinstance(error, PlatformError) else _disk_fault(error)
        print(f"AI Chung: {told.vi}\n          {told.en}", file=sys.stderr)
    return 1


def _disk_fault(error: OSError) -> Note:
    """What the operator should know of a folder or file that cannot be used."""
    where = f"{error.filename or '—'} ({error.strerror})"
    return Note(
        f"Không đọc hoặc ghi được {where}; kiểm tra AICHUNG_HOME, quyền và dung lượng ổ đĩa.",
        f"Cannot read or write {where}; look at AICHUNG_HOME, its permissions and the free space of the disk.",
    )


def _keep_trace(settings: Settings, error: Exception) -> None:
    """Leave the whole story of a failed start in the logs, where it fits; the operator sees one sentence."""
    folder = settings.home / "logs"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "start.log").write_text("".join(traceback.format_exception(error))[-100_000:], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
