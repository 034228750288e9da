"""`aichung backup` and `aichung restore`: the database, the keys and the ledger's checkpoints of one installation.

Decision: a backup is one folder that can be copied anywhere; the database in it was checked before it counts. Models
come with the program and are verified by digest, so they are not copied.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.errors import ConflictError, NotFoundError
from registry.backups import back_up
from registry.backups import restore as put_back
from registry.database import Database, sqlite_path
from services.cli_home import Home, settings_for
from services.processes import hold
from services.settings import Settings

DATABASE = "aichung.db"
BESIDE = ("keys", "checkpoints", "keys.json", "database.marker")
backup_app = typer.Typer()
restore_app = typer.Typer()


@backup_app.command()
def backup(
    target: Annotated[Path | None, typer.Argument(help="Thư mục mới | A new folder")] = None, home: Home = None
) -> None:
    """Sao lưu khi nền tảng đang chạy | Back up while the platform runs."""
    settings = settings_for(home)
    _embedded(settings)
    folder = target or settings.home / "backups" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if folder.exists():
        raise ConflictError(f"{folder} đã tồn tại.", f"{folder} exists already.", code="backup-exists")
    database = Database.open(settings.database)
    try:
        back_up(database, folder / DATABASE)
    finally:
        database.close()
    for name in BESIDE:
        _copy(settings.home / name, folder / name)
    print(folder)


@restore_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="Thư mục bản sao lưu | The backup's folder")], home: Home = None
) -> None:
    """Phục hồi khi nền tảng đã dừng | Restore while the platform is stopped."""
    settings = settings_for(home)
    path = _embedded(settings)
    if not (source / DATABASE).is_file():
        raise NotFoundError(f"Không có bản sao lưu trong {source}.", f"There is no backup in {source}.")
    with hold(settings.home):
        put_back(source / DATABASE, path)
        for name in BESIDE:
            if (source / name).exists():
                _copy(source / name, settings.home / name)
    print(f"Đã phục hồi; bản cũ ở {path}.replaced | Restored; what stood there is {path}.replaced", file=sys.stderr)


def _embedded(settings: Settings) -> Path:
    path = sqlite_path(settings.database)
    if path is None:
        raise ConflictError(
            "PostgreSQL được sao lưu bằng công cụ riêng (pg_dump).",
            "PostgreSQL is backed up by its own tools (pg_dump).",
        )
    return path


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)
