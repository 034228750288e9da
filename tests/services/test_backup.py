"""A backup of a busy installation verifies, and a restore leaves no contradiction behind."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import IntegrityError
from registry import backups
from registry.approvals import Trust
from registry.chain import new_chain_uid
from registry.checkpoints import Checkpointer
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.files import File, Files
from registry.ledger import Ledger
from registry.objects import Objects
from registry.signatures import PublicKey, Signer
from registry.sql_store import SqlStore
from registry.storage import Storage
from registry.verify import Report, verify_ledger
from services import cli_backup
from services.cli import main
from tests.registry.making import flip, model_folder


@pytest.fixture
def checkpointer(home: Path, database: Database) -> Checkpointer:
    signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
    return Checkpointer(database, home / "checkpoints", signer)


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    ledger = Ledger(database, new_chain_uid("test"))
    ledger.start()
    yield ledger
    ledger.close()


def write(ledger: Ledger) -> None:
    assert ledger.note({"event": "test.call"}).wait(5)


def verified(home: Path) -> Report:
    key = PublicKey.load(home / "keys" / "checkpoint.key.pub")
    return verify_ledger(home / "aichung.db", home / "checkpoints", key)


def test_a_backup_of_a_busy_installation_verifies(
    home: Path, tmp_path: Path, ledger: Ledger, checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = backups._copy

    def slowly(source: Path, target: Path) -> None:
        """Records and a checkpoint arrive after the database was copied, before whatever is copied next."""
        copy(source, target)
        write(ledger)
        checkpointer.write()

    write(ledger)
    checkpointer.write()
    monkeypatch.setattr(backups, "_copy", slowly)
    cli_backup.backup(tmp_path / "copy", home)
    report = verified(tmp_path / "copy")
    assert report.ok, report.lines()
    assert report.checkpoints == 1
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_backups_while_records_and_checkpoints_stream_in_all_verify(
    home: Path, tmp_path: Path, ledger: Ledger, checkpointer: Checkpointer
) -> None:
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            write(ledger)
            checkpointer.write()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for number in range(8):
            cli_backup.backup(tmp_path / str(number), home)
    finally:
        done.set()
        thread.join()
    reports = [verified(tmp_path / str(number)) for number in range(8)]
    assert [line for report in reports if not report.ok for line in report.lines()] == []
    assert reports[-1].covered > 0


def test_a_restore_over_newer_checkpoints_verifies_and_keeps_them_as_evidence(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer
) -> None:
    writer = Ledger(database, "old-chain")
    writer.start()
    write(writer)
    checkpointer.write()
    cli_backup.backup(tmp_path / "copy", home)
    write(writer)
    checkpointer.write()
    newer = sorted((home / "checkpoints").iterdir())[-1]
    later = newer.with_name("9999-12-31.jsonl")
    later.write_bytes(newer.read_bytes())
    writer.close()
    database.close()

    cli_backup.restore(tmp_path / "copy", home)
    assert not later.exists()
    report = verified(home)
    assert report.ok, report.lines()
    (aside,) = (home / "replaced").iterdir()
    assert aside.stat().st_mode & 0o077 == 0
    assert (aside / "checkpoints" / later.name).exists()
    kept = verify_ledger(aside / "aichung.db", aside / "checkpoints", aside / "keys" / "checkpoint.key.pub")
    assert kept.records > report.records - 3
    with Database.open(f"sqlite:///{home / 'aichung.db'}").read() as connection:
        query = "select record from ledger where event = 'platform.restore'"
        record = json.loads(connection.exec_driver_sql(query).scalar_one())
    assert record["set_aside"] == aside.name
    assert record["replaced_checkpoint"]["number"] == 2
    assert record["actor"]["id"] == "local-operator"


def filed(home: Path, database: Database, content: bytes) -> File:
    """A ready file of some tenant."""
    with database.read() as connection:
        tenant = connection.exec_driver_sql("select id from tenants limit 1").scalar_one()
    objects = Objects(home / "objects")
    files = Files(database, objects, Storage(database), time.time)
    return files.add(tenant, "s", "analysis", "a.csv", objects.keep([content]))


def lies(home: Path, file: File) -> Path:
    assert file.object is not None
    return home / "objects" / file.object[:2] / file.object


def test_the_bytes_of_files_come_back(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointer.write()
    copy, during = backups._copy, []

    def slowly(source: Path, target: Path) -> None:
        """A file arrives between the first copy of the bytes and the copy of the database, another one after it."""
        during.append(filed(home, database, b"giua chung"))
        copy(source, target)
        filed(home, database, b"den sau")

    early = filed(home, database, b"den truoc")
    with monkeypatch.context() as patch:
        patch.setattr(backups, "_copy", slowly)
        cli_backup.backup(tmp_path / "copy", home)
    lies(home, early).write_bytes(b"bi thay")
    lies(home, during[0]).unlink()
    later = filed(home, database, b"sau ban sao")
    database.close()

    cli_backup.restore(tmp_path / "copy", home)
    assert lies(home, early).read_bytes() == b"den truoc"
    assert lies(home, during[0]).read_bytes() == b"giua chung"
    assert (home / "objects").stat().st_mode & 0o077 == 0
    (aside,) = (home / "replaced").iterdir()
    assert lies(aside, later).read_bytes() == b"sau ban sao"


def test_altered_bytes_end_a_restore_before_anything_moves_and_missing_ones_are_told(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpointer.write()
    file = filed(home, database, b"nguyen ven")
    cli_backup.backup(tmp_path / "copy", home)
    database.close()
    lies(tmp_path / "copy", file).write_bytes(b"bi sua roi")
    with pytest.raises(IntegrityError) as refused:
        cli_backup.restore(tmp_path / "copy", home)
    assert refused.value.word == "backup-damaged"
    assert file.id in refused.value.note.en
    assert not (home / "replaced").exists()
    assert lies(home, file).read_bytes() == b"nguyen ven"
    lies(tmp_path / "copy", file).unlink()
    cli_backup.restore(tmp_path / "copy", home)
    assert f"The content of {file.id} is missing" in capsys.readouterr().err


def registered(home: Path, database: Database) -> Entry:
    """A draft that somebody registered here, in a folder of its own below `models`."""
    made = model_folder(home / "made")
    folder = home.resolve() / "models" / "vi-segment" / "1.0.0" / "reg_0"
    folder.parent.mkdir(parents=True)
    made.rename(folder)
    entry = Entry(
        "vi-segment", "1.0.0", "text.segment/1", ("segment",), "platform", False, "T1", Stage.DRAFT,
        Digests(*[""] * 7), str(folder), None, None, datetime.fromtimestamp(0, UTC),
    )  # fmt: skip
    return SqlStore(database, Trust((), ())).register(replace(entry, digests=digests_of(read_evidence(folder), entry)))


def test_registered_models_and_what_was_refused_come_back_wherever_the_home_lies(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointer.write()
    copy = backups._copy

    def slowly(source: Path, target: Path) -> None:
        """A model is registered between the first copy of the files and the copy of the database."""
        registered(home, database)
        copy(source, target)

    for name, mode in (("reg_refused", 0o400), ("reg_arriving", 0o600)):
        (home / "quarantine" / name).mkdir(parents=True)
        (home / "quarantine" / name / "upload").write_bytes(b"x")
        (home / "quarantine" / name / "upload").chmod(mode)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "_copy", slowly)
        cli_backup.backup(tmp_path / "copy", home)
    database.close()

    elsewhere = tmp_path / "elsewhere"
    cli_backup.restore(tmp_path / "copy", elsewhere)
    restored = Database.open(f"sqlite:///{elsewhere / 'aichung.db'}")
    entry = SqlStore(restored, Trust((), ())).entry("vi-segment", "1.0.0")
    restored.close()
    assert Path(entry.folder) == elsewhere.resolve() / "models" / "vi-segment" / "1.0.0" / "reg_0"
    assert entry.reason is None
    assert read_evidence(Path(entry.folder)).artifact.digest == entry.digests.artifact
    assert [path.name for path in (elsewhere / "quarantine").iterdir()] == ["reg_refused"]
    assert (elsewhere / "quarantine" / "reg_refused" / "upload").stat().st_mode & 0o777 == 0o400


def test_an_altered_model_ends_a_restore_before_anything_moves_and_a_missing_one_is_told(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpointer.write()
    entry = registered(home, database)
    cli_backup.backup(tmp_path / "copy", home)
    database.close()
    kept = tmp_path / "copy" / "models" / "vi-segment" / "1.0.0" / "reg_0"
    flip(kept / "artifact" / "weights.json")
    with pytest.raises(IntegrityError):
        cli_backup.restore(tmp_path / "copy", home)
    assert not (home / "replaced").exists()
    shutil.rmtree(kept)
    cli_backup.restore(tmp_path / "copy", home)
    assert "The files of vi-segment@1.0.0 are missing" in capsys.readouterr().err
    (aside,) = (home / "replaced").iterdir()
    assert (aside / "models" / "vi-segment" / "1.0.0" / "reg_0" / "card.json").is_file()
    assert entry.reason is None


def workflows(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        return [name for (name,) in connection.execute("select name from workflows")]


def test_the_workflows_come_back_and_none_of_later_stays(
    home: Path, tmp_path: Path, database: Database, checkpointer: Checkpointer
) -> None:
    checkpointer.write()
    cli_backup.backup(tmp_path / "before", home)
    with closing(sqlite3.connect(home / "jobs.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("create table workflows (name text)")
        connection.execute("insert into workflows values ('job_1.1')")
        connection.commit()
        cli_backup.backup(tmp_path / "copy", home)
        connection.execute("insert into workflows values ('job_2.1')")
        connection.commit()
    database.close()
    assert workflows(tmp_path / "copy") == ["job_1.1"]
    cli_backup.restore(tmp_path / "copy", home)
    assert workflows(home) == ["job_1.1"]
    (aside,) = (home / "replaced").iterdir()
    assert workflows(aside) == ["job_1.1", "job_2.1"]
    shutil.rmtree(home / "replaced")
    (tmp_path / "copy" / "jobs.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(IntegrityError):
        cli_backup.restore(tmp_path / "copy", home)
    assert not (home / "replaced").exists()
    assert workflows(home) == ["job_1.1"]
    cli_backup.restore(tmp_path / "before", home)
    assert not (home / "jobs.db").exists()


def test_a_disk_that_refuses_is_told_without_a_traceback(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("không phải thư mục", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["aichung", "backup", str(tmp_path / "file" / "copy"), "--home", str(home)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("✗ ")
    assert str(tmp_path / "file") in told


def test_a_backup_that_fails_leaves_no_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_copy", full)
    with pytest.raises(OSError, match="No space"):
        cli_backup.backup(tmp_path / "copy", home)
    assert not (tmp_path / "copy").exists()
