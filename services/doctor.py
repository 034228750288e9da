"""What may be wrong with a machine or an installation, looked for before anybody has to guess.

Decision: every check is a function from settings to findings and touches nothing; each says what it saw and, when
something is wrong, what to do about it, in both languages. A check that itself fails is a finding, never a
traceback.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

import psutil

from models.artifact import open_artifact
from models.errors import ConflictError, PlatformError
from registry.bundle import BUNDLED_FOLDER
from registry.database import Database
from registry.signatures import PublicKey
from registry.verify import verify_ledger
from services.evaluation import FILE, POSTS, read_keys
from services.identity import Identity
from services.keys import open_pepper
from services.ports import claim, plan
from services.processes import installation_mark, marked_processes
from services.settings import Settings

Level = Literal["ok", "warning", "fault"]
FREE_BYTES: Final = 2 << 30
MEMORY_BYTES: Final = 3 << 30
EARLIEST: Final = 1_767_225_600  # 1 January 2026: no clock of a machine that runs this code is earlier
LIBRARIES: Final = ("ray", "mlflow", "numpy", "sqlalchemy", "msgspec", "cryptography")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    check: str
    level: Level
    vi: str
    en: str


Check = Callable[[Settings], Iterator[Finding]]


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, check by check."""
    for name, check in CHECKS.items():
        try:
            yield from check(settings)
        except PlatformError as error:
            yield Finding(name, "fault", error.note.vi, error.note.en)
        except (OSError, ValueError) as error:
            yield Finding(name, "fault", f"Không kiểm tra được: {error}", f"Could not be checked: {error}")


def _python(settings: Settings) -> Iterator[Finding]:
    found = platform.python_version()
    level: Level = "ok" if sys.version_info[:2] == (3, 11) else "fault"
    yield Finding("python", level, f"Python {found} (cần 3.11)", f"Python {found} (3.11 is needed)")
    for name in LIBRARIES:
        try:
            yield Finding("python", "ok", f"{name} {version(name)}", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("python", "fault", f"Thiếu {name}: chạy lại make serve", f"{name} is missing: run make serve")


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    level: Level = "ok" if memory.available >= MEMORY_BYTES else "warning"
    free = f"{memory.available / 2**30:.1f} GiB"
    yield Finding("machine", level, f"Bộ nhớ trống {free} (nên ≥ 3)", f"Memory available {free} (≥ 3 advised)")
    cores = psutil.cpu_count() or 1
    yield Finding(
        "machine", "ok" if cores >= 2 else "warning", f"{cores} lõi CPU (nên ≥ 2)", f"{cores} cores (≥ 2 advised)"
    )


def _clock(settings: Settings) -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    level: Level = "ok" if time.time() >= EARLIEST else "fault"
    yield Finding("clock", level, f"Đồng hồ: {now}", f"Clock: {now}")


def _disk(settings: Settings) -> Iterator[Finding]:
    home = settings.home.resolve()
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    level: Level = "ok" if free >= FREE_BYTES else "fault"
    size = f"{free / 2**30:.1f} GiB"
    yield Finding("disk", level, f"Ổ đĩa của {home} còn {size} (cần ≥ 2)", f"{size} free for {home} (≥ 2 are needed)")


def _ports(settings: Settings) -> Iterator[Finding]:
    running = marked_processes(installation_mark(settings.home))
    if running:
        count = len(running)
        yield Finding(
            "ports", "ok", f"Nền tảng đang chạy ({count} tiến trình)", f"The platform runs ({count} processes)"
        )
        return
    ports = plan(settings.http_port)
    for port in (ports.http, ports.stats, ports.metrics, ports.fallback, ports.tracking):
        try:
            claim(settings.http_host, port)
        except ConflictError as error:
            yield Finding("ports", "fault", error.note.vi, error.note.en)
            return
    yield Finding(
        "ports", "ok", f"Cổng {ports.http} và các cổng kèm còn trống", f"Port {ports.http} and its window are free"
    )


def _database(settings: Settings) -> Iterator[Finding]:
    if not settings.home.exists():
        yield Finding("database", "ok", "Chưa cài đặt lần nào", "Not installed yet")
        return
    database = Database.open(settings.database)
    try:
        yield Finding("database", "ok", f"Đọc được {database.where}", f"{database.where} can be read")
        pepper = open_pepper(settings.home / "keys" / "pepper", create=False)
        identity = Identity(database, pepper)
        for note in identity.clock_findings():
            yield Finding("clock", "fault", note.vi, note.en)
        active = [key for key in identity.list_keys(None, None, 1000) if key.state(identity.now()) == "active"]
        yield Finding(
            "keys", "ok" if active else "warning", f"{len(active)} khóa đang dùng", f"{len(active)} active keys"
        )
        founded = database.fact("evaluation") is not None
    finally:
        database.close()
    if founded:
        yield from _evaluation_keys(settings)


def _evaluation_keys(settings: Settings) -> Iterator[Finding]:
    path = settings.home / FILE
    if set(read_keys(settings.home)) != set(POSTS):
        yield Finding(
            "keys", "warning", f"{path} bị mất hoặc hỏng: chạy aichung keys reissue",
            f"{path} is missing or damaged: run aichung keys reissue",
        )  # fmt: skip
    elif path.stat().st_mode & 0o077:
        yield Finding("keys", "fault", f"{path} ai cũng đọc được: chmod 600", f"Others can read {path}: chmod 600")
    else:
        yield Finding("keys", "ok", f"{path} đầy đủ, riêng tư", f"{path} is complete and private")


def _ledger(settings: Settings) -> Iterator[Finding]:
    key = settings.home / "keys" / "checkpoint.key.pub"
    if not key.exists():
        return
    report = verify_ledger(settings.database, settings.home / "checkpoints", PublicKey.load(key))
    for chain in report.chains:
        if chain.bad is not None:
            yield Finding("ledger", "fault", chain.bad.vi, chain.bad.en)
    for vi, en in report.checkpoint_problems:
        yield Finding("ledger", "fault", vi, en)
    if report.ok:
        yield Finding(
            "ledger", "ok", f"Nhật ký nguyên vẹn: {report.records} bản ghi, {report.covered} có điểm kiểm đã ký",
            f"Ledger intact: {report.records} records, {report.covered} under signed checkpoints",
        )  # fmt: skip


def _artefacts(settings: Settings) -> Iterator[Finding]:
    folders = sorted(BUNDLED_FOLDER.glob("*/*/artifact"))
    if not folders:
        yield Finding(
            "artefacts",
            "fault",
            f"Không có mô hình nào trong {BUNDLED_FOLDER}",
            f"There are no models in {BUNDLED_FOLDER}",
        )
    for folder in folders:
        try:
            artifact = open_artifact(folder)
        except PlatformError as error:
            yield Finding("artefacts", "fault", error.note.vi, error.note.en)
            continue
        name = f"{artifact.name}@{artifact.version}"
        card = folder.parent / "card.json"
        if not card.exists() or not isinstance(json.loads(card.read_text(encoding="utf-8")), dict):
            yield Finding("artefacts", "fault", f"{name} thiếu thẻ mô hình", f"{name} has no card")
            continue
        yield Finding("artefacts", "ok", f"{name} đúng mã băm", f"{name} matches its digests")


CHECKS: Final[dict[str, Check]] = {
    "python": _python,
    "machine": _machine,
    "clock": _clock,
    "disk": _disk,
    "ports": _ports,
    "database": _database,
    "ledger": _ledger,
    "artefacts": _artefacts,
}
