"""The ledger: nothing blocks, nothing is lost silently, nothing is overwritten."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from models.errors import IntegrityError
from registry.chain import new_chain_uid, read_tail
from registry.database import Database
from registry.ledger import Ledger
from registry.signatures import Signer
from registry.tables import ledger, vault
from registry.verify import verify_ledger
from tests.registry.making import ROOT, HandClock

KEY = Signer.generate("checkpoint").public


def records(database: Database, uid: str) -> list[dict]:
    with database.read() as connection:
        query = select(ledger.c.record).where(ledger.c.chain_uid == uid).order_by(ledger.c.seq)
        return [json.loads(text) for text in connection.execute(query).scalars()]


def test_a_record_is_durable_when_its_receipt_says_so(database: Database):
    book = Ledger(database, new_chain_uid("t"))
    book.start()
    assert book.note({"event": "inference", "tenant": "ten_1", "request_id": "req_1"}).wait(5)
    assert [record["event"] for record in records(database, book.chain_uid)] == ["log.open", "inference"]
    assert book.close()
    assert records(database, book.chain_uid)[-1]["event"] == "log.close"


def test_a_record_nobody_waits_for_is_written_within_a_moment(database: Database):
    book = Ledger(database, new_chain_uid("t"))
    book.start()
    book.note({"event": "inference"})
    deadline = time.monotonic() + 5
    while book.counts().written < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert book.counts().waiting == 0
    book.close()


def test_a_record_has_the_published_form(database: Database, clock: HandClock):
    book = Ledger(database, "fixed", clock=clock)
    book.start()
    book.note({"event": "inference", "zeta": "Đồng Nai", "alpha": 1})
    book.close()
    with database.read() as connection:
        rows = connection.execute(select(ledger).order_by(ledger.c.seq)).all()
    expected = (
        '{"v":1,"chain_uid":"fixed","seq":2,"ts":"2026-11-18T11:06:40.000000Z","prev":"' + rows[0].leaf.hex() + '",'
        '"alpha":1,"event":"inference","zeta":"Đồng Nai"}'
    )
    assert rows[1].record == expected
    assert f'"prev":"{"0" * 64}"' in rows[0].record


def test_the_input_stands_as_a_commitment_and_its_key_has_an_end(database: Database, clock: HandClock):
    book = Ledger(database, "fixed", clock=clock, vault_days=90)
    book.start()
    for _ in range(2):
        book.note({"event": "inference", "in": {"count": 1}}, b"the same input")
    book.close()
    commits = [record["in"]["commit"] for record in records(database, "fixed") if "in" in record]
    assert len(set(commits)) == 2
    with database.read() as connection:
        keys = connection.execute(select(vault)).all()
    assert {key.expires_at for key in keys} == {int((clock.now + 90 * 86400) * 1e6)}


def test_note_does_not_wait_for_a_locked_database(database: Database):
    book = Ledger(Database.open(database.url, busy_seconds=0.05), new_chain_uid("t"))
    book.start()
    assert book.note({"event": "a"}).wait(5)
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    receipt = book.note({"event": "b"})  # this thread holds the lock: waiting for it would never end
    assert receipt.accepted
    assert not receipt.wait(0.3)
    assert book.fault is not None
    holder.execute("ROLLBACK")
    holder.close()
    assert receipt.wait(10)
    assert book.fault is None
    assert book.close()
    assert [record["event"] for record in records(database, book.chain_uid)] == ["log.open", "a", "b", "log.close"]


def test_drops_are_counted_refused_and_told(database: Database):
    book = Ledger(Database.open(database.url, busy_seconds=0.05), new_chain_uid("t"), queue_records=5)
    book.start()
    assert book.note({"event": "first"}).wait(5)
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    receipts = [book.note({"event": "inference"}) for _ in range(12)]
    assert [receipt.accepted for receipt in receipts] == [True] * 5 + [False] * 7
    assert not receipts[-1].wait(5)
    assert book.counts().dropped == 7
    holder.execute("ROLLBACK")
    holder.close()
    assert receipts[4].wait(10)
    assert book.note({"event": "after"}).wait(5)
    book.close()
    told = [record["records"] for record in records(database, book.chain_uid) if record["event"] == "log.drop"]
    assert sum(told) == 7
    assert verify_ledger(database.path, database.path.parent / "none", KEY).ok


def test_a_clock_that_goes_back_is_noted_and_the_order_stays(database: Database, clock: HandClock):
    book = Ledger(database, "fixed", clock=clock)
    book.start()
    book.note({"event": "a"})
    clock.now -= 3600
    book.note({"event": "b"})
    clock.now += 7200
    book.note({"event": "c"})
    book.close()
    events = [record["event"] for record in records(database, "fixed")]
    assert events == ["log.open", "a", "log.clock", "b", "c", "log.close"]
    assert records(database, "fixed")[2]["back_microseconds"] == 3_600_000_000


def test_a_chain_goes_on_from_its_verified_tail(database: Database, tmp_path: Path):
    for _ in range(2):
        book = Ledger(database, "fixed")
        book.start()
        book.note({"event": "a"})
        book.close()
    found = records(database, "fixed")
    assert [record["seq"] for record in found] == list(range(1, 7))
    assert found[3]["continues_after"] == 3
    assert verify_ledger(database.path, tmp_path, KEY).ok


def test_a_chain_is_not_continued_from_an_edited_tail(database: Database):
    book = Ledger(database, "fixed")
    book.start()
    book.close()
    with sqlite3.connect(database.path) as intruder:
        intruder.execute("DROP TRIGGER ledger_refuses_UPDATE")
        intruder.execute("UPDATE ledger SET record = replace(record, 'log.close', 'log.chose') WHERE seq = 2")
    with pytest.raises(IntegrityError):
        Ledger(database, "fixed").start()


def test_many_threads_leave_one_unbroken_chain(database: Database, tmp_path: Path):
    book = Ledger(database, new_chain_uid("t"))
    book.start()

    def work(who: int) -> None:
        for number in range(100):
            book.note({"event": "inference", "who": who, "number": number})

    threads = [threading.Thread(target=work, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert book.close()
    found = [(r["who"], r["number"]) for r in records(database, book.chain_uid) if r["event"] == "inference"]
    assert sorted(found) == [(who, number) for who in range(6) for number in range(100)]
    assert verify_ledger(database.path, tmp_path, KEY).records == 602


def test_what_is_not_json_is_the_caller_s_mistake(database: Database):
    book = Ledger(database, new_chain_uid("t"))
    with pytest.raises(TypeError):
        book.note({"event": "a", "odd": object()})
    with pytest.raises(KeyError):
        book.note({"tenant": "a"})


KILLED = """
import sys
from registry.chain import new_chain_uid
from registry.database import Database
from registry.ledger import Ledger
book = Ledger(Database.open(sys.argv[1]), "victim", linger_seconds=0.001)
book.start()
number = 0
while True:
    number += 1
    if book.note({"event": "inference", "number": number}).wait(5):
        print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_acknowledged(database: Database, tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, database.url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    numbers = [record.get("number") for record in records(database, "victim") if record["event"] == "inference"]
    assert numbers[: acknowledged[-1]] == list(range(1, acknowledged[-1] + 1))
    book = Ledger(database, "victim")
    book.start()
    assert book.close()
    with database.read() as connection:
        assert read_tail(connection, "victim").seq == len(numbers) + 3
    assert verify_ledger(database.path, tmp_path / "none", KEY).ok
