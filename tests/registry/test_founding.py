"""The database at start: created once, never again over something damaged; faults told apart."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from models.errors import ConflictError, IntegrityError, UnavailableError
from registry.backups import back_up, restore
from registry.database import Database
from registry.founding import found
from registry.tables import facts


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose database was founded, used and closed."""
    database = found(url_of(tmp_path / "aichung.sqlite"))
    with database.write() as connection:
        connection.execute(insert(facts).values(name="kept", value="yes"))
    database.close()
    return tmp_path


def names_restore(error: IntegrityError, path: Path) -> bool:
    return str(path) in error.note.vi and "aichung restore" in error.note.vi and "aichung restore" in error.note.en


def test_a_first_start_creates_a_durable_database(tmp_path: Path):
    path = tmp_path / "var" / "aichung.sqlite"
    database = found(url_of(path))
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
    database.close()
    assert not list(path.parent.glob("*.new*"))


def test_a_second_start_keeps_everything(home: Path):
    database = found(url_of(home / "aichung.sqlite"))
    assert database.fact("kept") == "yes"
    database.close()


@pytest.mark.parametrize("trace", ["aichung.sqlite.marker", "aichung.sqlite-wal", "checkpoints/2026-11-24.jsonl"])
def test_no_empty_database_appears_where_one_has_been(tmp_path: Path, trace: str):
    (tmp_path / trace).parent.mkdir(exist_ok=True)
    (tmp_path / trace).write_text("{}", "utf-8")
    path = tmp_path / "aichung.sqlite"
    with pytest.raises(IntegrityError) as refused:
        found(url_of(path))
    assert names_restore(refused.value, path)
    assert not path.exists()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 17])


def overwrite_header(path: Path) -> None:
    path.write_bytes(b"not a database".ljust(4096, b".") + path.read_bytes()[4096:])


def overwrite_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


@pytest.mark.parametrize("damage", [empty, truncate, overwrite_header, overwrite_pages])
def test_a_damaged_database_stops_the_start_and_stays_as_it_is(home: Path, damage):
    path = home / "aichung.sqlite"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(IntegrityError) as refused:
        found(url_of(path))
    assert names_restore(refused.value, path)
    assert path.read_bytes() == before


def test_a_foreign_database_in_its_place_is_refused(home: Path, tmp_path: Path):
    other = tmp_path / "other"
    found(url_of(other / "aichung.sqlite")).close()
    (other / "aichung.sqlite").replace(home / "aichung.sqlite")
    with pytest.raises(IntegrityError):
        found(url_of(home / "aichung.sqlite"))


def test_another_program_s_database_is_refused(tmp_path: Path):
    path = tmp_path / "aichung.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")
    with pytest.raises(IntegrityError):
        found(url_of(path))


def test_a_database_of_a_newer_platform_is_refused(home: Path):
    with sqlite3.connect(home / "aichung.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(IntegrityError) as refused:
        found(url_of(home / "aichung.sqlite"))
    assert refused.value.word == "schema-too-new"


def test_a_replica_creates_nothing(tmp_path: Path):
    with pytest.raises(IntegrityError):
        Database.open(url_of(tmp_path / "aichung.sqlite"))
    assert not list(tmp_path.iterdir())


def test_a_backup_comes_back_whole_and_keeps_what_it_replaces(home: Path):
    path = home / "aichung.sqlite"
    database = found(url_of(path))
    copy = back_up(database, home / "backups" / "one.sqlite")
    with database.write() as connection:
        connection.execute(insert(facts).values(name="later", value="lost"))
    database.close()
    overwrite_pages(path)
    restore(copy, path, home / "replaced")
    database = found(url_of(path))
    assert (database.fact("kept"), database.fact("later")) == ("yes", None)
    database.close()
    assert (home / "replaced" / "aichung.sqlite").exists()


def test_a_damaged_backup_is_not_restored(home: Path):
    database = found(url_of(home / "aichung.sqlite"))
    copy = back_up(database, home / "backups" / "one.sqlite")
    database.close()
    overwrite_pages(copy)
    before = (home / "aichung.sqlite").read_bytes()
    with pytest.raises(IntegrityError):
        restore(copy, home / "aichung.sqlite", home / "replaced")
    assert (home / "aichung.sqlite").read_bytes() == before
    assert not (home / "replaced").exists()


def test_a_locked_database_is_unavailable_for_now(home: Path):
    database = Database.open(url_of(home / "aichung.sqlite"), busy_seconds=0.1)
    holder = sqlite3.connect(home / "aichung.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError) as busy, database.write():
        pass
    assert busy.value.retry_after_seconds >= 1
    assert database.fact("kept") == "yes"
    holder.execute("ROLLBACK")
    holder.close()
    with database.write() as connection:
        connection.execute(insert(facts).values(name="after", value="fine"))
    database.close()


def test_a_full_disk_is_unavailable_and_loses_nothing(home: Path):
    database = found(url_of(home / "aichung.sqlite"))
    with database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(UnavailableError) as full, database.write() as connection:
        connection.execute(insert(facts).values(name="big", value="x" * 200_000))
    assert full.value.word == "storage-full"
    assert database.fact("kept") == "yes"
    database.close()


def test_damage_that_shows_while_running_is_told_with_the_restore_command(home: Path):
    database = Database.open(url_of(home / "aichung.sqlite"))
    database.close()
    overwrite_pages(home / "aichung.sqlite")
    with pytest.raises(IntegrityError) as refused:
        database.fact("kept")
    assert names_restore(refused.value, home / "aichung.sqlite")
    database.close()


def test_writers_wait_for_each_other(home: Path):
    database = Database.open(url_of(home / "aichung.sqlite"))

    def count() -> None:
        for _ in range(20):
            with database.write() as connection:
                database.bump(connection, "race")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.revision("race") == 80
    database.close()


def test_a_duplicate_is_a_conflict_not_a_crash(home: Path):
    database = Database.open(url_of(home / "aichung.sqlite"))
    with pytest.raises(ConflictError), database.write() as connection:
        connection.execute(insert(facts).values(name="kept", value="again"))
    database.close()
