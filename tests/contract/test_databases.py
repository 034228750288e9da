"""Laws of the database and the ledger in it, for both dialects."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, func, insert, select, text, update

from models.errors import ConflictError, IntegrityError, UnavailableError
from registry.chain import new_chain_uid
from registry.checkpoints import Checkpointer
from registry.database import Database
from registry.founding import found, head
from registry.ledger import Ledger
from registry.proofs import check, prove
from registry.signatures import Signer
from registry.tables import SCHEMA, facts, ledger, metadata
from registry.vault import erase, saw
from registry.verify import verify_ledger
from tests.registry.making import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue(request.param)


def written(database: Database, records: int = 5) -> Ledger:
    """A closed ledger with some inference records between its opening and closing ones."""
    book = Ledger(database, new_chain_uid("law"))
    book.start()
    for number in range(records):
        book.note({"event": "inference", "tenant": "ten_1", "request_id": f"req_{number}", "in": {"count": 1}}, b"x")
    assert book.close()
    return book


def test_the_migrations_build_exactly_the_tables_the_code_knows(database: Database):
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert database.schema() == SCHEMA == head()


def test_founding_again_changes_nothing(database: Database):
    before = database.fact("installation")
    again = found(database.url)
    assert again.fact("installation") == before is not None
    again.close()
    attached = Database.open(database.url)
    assert attached.fact("installation") == before
    attached.close()


def test_a_bump_is_seen_by_everybody_once_committed(database: Database):
    other = Database.open(database.url)
    before = other.revision("keys")
    with database.write() as connection:
        database.bump(connection, "keys")
        database.bump(connection, "keys")
    assert other.revision("keys") == before + 2
    other.close()


def test_a_failed_block_leaves_nothing(database: Database):
    def half_done() -> None:
        with database.write() as connection:
            connection.execute(insert(facts).values(name="half", value="done"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert database.fact("half") is None


def test_a_duplicate_key_is_a_conflict(database: Database):
    with pytest.raises(ConflictError), database.write() as connection:
        connection.execute(insert(facts).values(name="installation", value="other"))


@pytest.mark.parametrize("change", [update(ledger).values(event="other"), delete(ledger)])
def test_the_ledger_table_refuses_to_be_changed(database: Database, change):
    written(database)
    with pytest.raises(IntegrityError) as refused, database.write() as connection:
        connection.execute(change)
    assert refused.value.word == "ledger-append-only"


def test_postgresql_refuses_to_truncate_the_ledger(postgresql: Database):
    with pytest.raises(IntegrityError), postgresql.write() as connection:
        connection.execute(text("TRUNCATE ledger"))


def test_what_was_noted_verifies_and_proves_itself(database: Database, tmp_path: Path):
    book = written(database)
    signer = Signer.generate("checkpoint")
    assert Checkpointer(database, tmp_path, signer).write() is not None
    report = verify_ledger(database.url, tmp_path, signer.public)
    assert report.ok
    assert report.covered == report.records
    record = check(prove(database, tmp_path, signer.public, book.chain_uid, 3), signer.public)
    assert (record["event"], record["seq"], record["request_id"]) == ("inference", 3, "req_1")


def test_an_erased_key_unlinks_the_input_and_leaves_the_chain_valid(database: Database, tmp_path: Path):
    book = written(database)
    assert saw(database, book.chain_uid, 2, b"x") is True
    assert saw(database, book.chain_uid, 2, b"y") is False
    assert erase(database, book.chain_uid, 2)
    assert saw(database, book.chain_uid, 2, b"x") is None
    assert not erase(database, book.chain_uid, 2)
    assert verify_ledger(database.url, tmp_path, Signer.generate("checkpoint").public).ok


def test_two_writers_of_one_chain_never_overwrite_each_other(database: Database, tmp_path: Path):
    first, second = (Ledger(database, uid) for uid in [new_chain_uid("twin")] * 2)
    first.start()
    second.start()
    receipts = [book.note({"event": "inference", "n": n}) for n in range(3) for book in (first, second)]
    assert all(receipt.wait(10) for receipt in receipts)
    assert first.close()
    assert second.close()
    assert first.chain_uid != second.chain_uid
    with database.read() as connection:
        chains = (first.chain_uid, second.chain_uid)
        query = select(func.count()).where(ledger.c.chain_uid.in_(chains), ledger.c.event == "inference")
        assert connection.execute(query).scalar_one() == 6
    assert verify_ledger(database.url, tmp_path, Signer.generate("checkpoint").public).ok


def test_a_server_stopped_hard_is_unavailable_then_everything_goes_on(
    postgresql: Database, server: Postgres, tmp_path: Path
):
    book = Ledger(postgresql, new_chain_uid("stop"))
    book.start()
    assert book.note({"event": "before"}).wait(10)
    server.stop(hard=True)
    receipt = book.note({"event": "during"})
    with pytest.raises(UnavailableError) as away:
        postgresql.revisions()
    assert away.value.retry_after_seconds >= 1
    assert not receipt.wait(0.3)
    assert book.fault is not None
    server.start()
    assert receipt.wait(15)
    assert postgresql.revisions() is not None
    assert book.close()
    assert verify_ledger(postgresql.url, tmp_path, Signer.generate("checkpoint").public).ok
