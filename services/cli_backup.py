"""`aichung backup` and `aichung restore`: databases, files and results, keys, checkpoints of one installation.

Decisions
- A backup is one folder that can be copied anywhere. The database gets its name last, so a folder without one is no
  backup. It is copied after the checkpoints and so holds every record that they speak of: a backup of a running
  platform verifies. The other way round the ledger would look truncated.
- The workflows' own database (DBOS) is copied first: what it does not know yet of the jobs' rows is found and started
  anew, and a workflow of a row that the copy lacks finds no job to claim. Without it in a backup it starts empty.
- The bytes of files, jobs and results are copied before the database and again after it: sealed objects never change,
  so what a row of the copied database owns is there, unless it was deleted meanwhile. What arrived later is swept at
  the next start. Uploads under way are not copied; the sender sends them again.
- A restore holds every ready file against its digest before it replaces anything. Bytes that are missing are told and
  the restore goes on (a file may be deleted while a backup runs); bytes that were altered end it.
- Checkpoints newer than the backup are never mixed with its own: they prove records that the restored database lacks.
  Everything that a restore replaces is moved to `<home>/replaced/<time>`, database and checkpoints together, where
  it can still be verified; the restored ledger records the restore and the last checkpoint that was set aside.
- Models that come with the program are verified by digest and not copied. Registered ones and what was refused are
  copied as objects are, before the database and after it; a restore holds every registered model against its digests
  before it replaces anything, and tells the ones that are missing. What still arrives in quarantine is not copied.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError
from registry.backups import back_up, copy, kept_models, ready_files, settle_models
from registry.backups import restore as put_back
from registry.canonical import digest
from registry.checkpoints import read_history
from registry.database import Database, sqlite_path
from registry.evidence import read_evidence
from registry.objects import digest_of
from registry.signatures import PublicKey
from services.cli_home import Home, installation, settings_for
from services.processes import hold
from services.settings import Settings

DATABASE = "aichung.db"
WORKFLOWS = "jobs.db"
CHECKPOINTS = "checkpoints"
OBJECTS = "objects"
MODELS = "models"
QUARANTINE = "quarantine"
BESIDE = (CHECKPOINTS, "keys", "keys.json", "database.marker")
STAMP = "%Y%m%dT%H%M%SZ"
backup_app = typer.Typer()
restore_app = typer.Typer()


@backup_app.command()
def backup(
    target: Annotated[Path | None, typer.Argument(help="Thư mục mới | A new folder")] = None, home: Home = None
) -> None:
    """Sao lưu khi nền tảng đang chạy | Back up while the platform runs."""
    settings = settings_for(home)
    _embedded(settings)
    folder = target or settings.home / "backups" / datetime.now(UTC).strftime(STAMP)
    if folder.exists():
        raise ConflictError(f"{folder} đã tồn tại.", f"{folder} exists already.", code="backup-exists")
    database = Database.open(settings.database)
    try:
        folder.mkdir(parents=True, mode=0o700)
        for name in BESIDE:
            _copy(settings.home / name, folder / name)
        if (settings.home / WORKFLOWS).is_file():
            copy(settings.home / WORKFLOWS, folder / WORKFLOWS)
        _copy_bytes(settings, folder)
        draft = back_up(database, folder / f"{DATABASE}.draft")
        _copy_bytes(settings, folder)
        os.replace(draft, folder / DATABASE)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        database.close()
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
    aside = settings.home / "replaced" / datetime.now(UTC).strftime(STAMP)
    missing, lost = _check_objects(source), _check_models(source)
    with hold(settings.home):
        workflows = _draft_of(source / WORKFLOWS, settings.home)
        put_back(source / DATABASE, path, aside)
        for name in BESIDE:
            if (source / name).exists():
                _put_aside(settings.home / name, aside / name)
                _copy(source / name, settings.home / name)
        for suffix in ("-wal", "-shm", ""):
            _put_aside(settings.home / (WORKFLOWS + suffix), aside / (WORKFLOWS + suffix))
        if workflows is not None:
            os.replace(workflows, settings.home / WORKFLOWS)
        if (source / OBJECTS).is_dir():
            _put_aside(settings.objects, aside / OBJECTS)
            _copy_objects(source / OBJECTS, settings.objects)
        _put_models(source, settings, path, aside)
        _record(home, aside)
    for file_id in missing:
        print(f"Thiếu nội dung của tệp {file_id} | The content of {file_id} is missing", file=sys.stderr)
    for model in lost:
        print(f"Thiếu tệp của mô hình {model} | The files of {model} are missing", file=sys.stderr)
    print(f"Đã phục hồi; bản cũ ở {aside} | Restored; what stood there is in {aside}", file=sys.stderr)


def _draft_of(backup: Path, home: Path) -> Path | None:
    """A checked copy of the workflows' database beside its place. Raises IntegrityError when the backup is damaged."""
    draft = home / (WORKFLOWS + ".restoring")
    draft.unlink(missing_ok=True)
    return copy(backup, draft) if backup.is_file() else None


def _record(home: Path | None, aside: Path) -> None:
    """Enter the restore in the restored ledger, with the last checkpoint that no longer stands beside it."""
    try:
        with installation(home) as here:
            key = PublicKey.load(here.settings.home / "keys" / "checkpoint.key.pub")
            last = read_history(aside / CHECKPOINTS, {key.key_id: key}).checkpoints[-1:]
            replaced = {"number": last[0].number, "digest": f"sha256:{last[0].digest}"} if last else None
            here.note("platform.restore", {"set_aside": aside.name, "replaced_checkpoint": replaced})
    except UnavailableError as error:  # a database of an older schema takes no record before the next start migrates it
        print(f"Chưa ghi nhật ký: {error.note.vi} | Not recorded: {error.note.en}", file=sys.stderr)


def _copy_bytes(settings: Settings, folder: Path) -> None:
    """Copy what never changes once it lies there: objects, registered models, what was refused."""
    _copy_objects(settings.objects, folder / OBJECTS)
    _copy_files(settings.home / MODELS, folder / MODELS)
    _copy_files(settings.home / QUARANTINE, folder / QUARANTINE, refused=True)


def _put_models(source: Path, settings: Settings, path: Path, aside: Path) -> None:
    """Put registered models and quarantine in their places, and their places into the restored database."""
    for name in (MODELS, QUARANTINE):
        if (source / name).is_dir():
            _put_aside(settings.home / name, aside / name)
            _copy_files(source / name, settings.home / name)
    settle_models(path, settings.home.resolve() / MODELS)


def _copy_files(source: Path, target: Path, *, refused: bool = False) -> None:
    """Copy the files that are not there yet; of those in quarantine the refused ones, which nobody may write."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        try:
            if not path.is_file() or copy.exists() or (refused and path.stat().st_mode & 0o200):
                continue
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(path, copy)
        except FileNotFoundError:  # a draft that was sent again, or was swept, meanwhile
            copy.unlink(missing_ok=True)


def _copy_objects(source: Path, target: Path) -> None:
    """Copy the sealed objects that are not there yet; one that is deleted meanwhile is left out."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in source.glob("[0-9a-f][0-9a-f]/*"):
        copy = target / path.parent.name / path.name
        if copy.exists():
            continue
        copy.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            shutil.copy2(path, copy)
        except FileNotFoundError:
            copy.unlink(missing_ok=True)


def _check_objects(source: Path) -> list[str]:
    """Hold the bytes of ready files against their digests; the files whose bytes a backup lacks.

    Raises IntegrityError when bytes were altered.
    """
    missing: list[str] = []
    if not (source / OBJECTS).is_dir():  # a backup of an older version
        return missing
    for file_id, name, wanted in ready_files(source / DATABASE):
        path = source / OBJECTS / name[:2] / name
        if not path.is_file():
            missing.append(file_id)
        elif digest_of(path) != wanted:
            raise IntegrityError(
                f"Nội dung của tệp {file_id} trong bản sao lưu đã bị thay đổi.",
                f"The content of {file_id} in the backup was altered.",
                code="backup-damaged",
            )
    return missing


def _check_models(source: Path) -> list[str]:
    """Hold registered models against their digests; those that a backup lacks.

    Raises IntegrityError when a file was altered.
    """
    missing: list[str] = []
    if not (source / MODELS).is_dir():  # a backup of an older version
        return missing
    for one in kept_models(source / DATABASE):
        folder = source / MODELS / one.place
        if not folder.is_dir():
            missing.append(f"{one.name}@{one.version}")
            continue
        found = read_evidence(folder)
        actual = {"artifact": found.artifact.digest, "card": digest(found.card), "evaluation": digest(found.evaluation)}
        if found.bias is not None:
            actual["bias_report"] = digest(found.bias)
        if any(one.digests[name] != value for name, value in actual.items()):
            raise IntegrityError(
                f"Tệp của mô hình {one.name}@{one.version} trong bản sao lưu đã bị thay đổi.",
                f"The files of {one.name}@{one.version} in the backup were altered.",
                code="backup-damaged",
            )
    return missing


def _embedded(settings: Settings) -> Path:
    path = sqlite_path(settings.database)
    if path is None:
        raise ConflictError(
            "PostgreSQL được sao lưu bằng công cụ riêng (pg_dump).",
            "PostgreSQL is backed up by its own tools (pg_dump).",
        )
    return path


def _put_aside(standing: Path, aside: Path) -> None:
    if standing.exists():
        aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.replace(standing, aside)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy2(source, target)
