"""The verifier against everything that somebody with full access to the database can do."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import ConflictError, IntegrityError, NotFoundError
from registry import checkpoints
from registry.backups import back_up
from registry.chain import Item, Tail, encode, link
from registry.checkpoints import Checkpointer, read_history
from registry.database import Database
from registry.founding import found
from registry.ledger import Ledger
from registry.proofs import check, prove
from registry.signatures import Signer
from registry.verify import Report, verify_ledger
from tests.registry.making import HandClock

SIGNER = Signer.generate("checkpoint")
LAST_COVERED, LAST = 41, 46  # log.open + 20 + 20 records under two checkpoints, then five more


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of one chain and its checkpoints."""
    folder = tmp_path_factory.mktemp("evidence")
    database = found(f"sqlite:///{folder / 'live.sqlite'}")
    clock = HandClock()
    book = Ledger(database, "chain", clock=clock)
    checkpoints = Checkpointer(database, folder / "checkpoints", SIGNER, clock=clock)
    book.start()
    for count in (20, 20, 5):
        receipts = [
            book.note({"event": "inference", "tenant": "ten_a", "request_id": f"req_{n}", "n": n}) for n in range(count)
        ]
        assert receipts[-1].wait(5)
        clock.now += 60
        if count == 20:
            checkpoints.write()
    back_up(database, folder / "db.sqlite")
    book.close()
    database.close()
    return folder


@pytest.fixture
def scene(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "scene"))


def verified(scene: Path, signer: Signer = SIGNER) -> Report:
    return verify_ledger(scene / "db.sqlite", scene / "checkpoints", signer.public)


def attack(scene: Path, *statements: str | tuple[str, tuple[object, ...]]) -> None:
    """Do it as somebody who owns the file: without the tripwires."""
    connection = sqlite3.connect(scene / "db.sqlite")
    with connection:
        connection.execute("DROP TRIGGER ledger_refuses_UPDATE")
        connection.execute("DROP TRIGGER ledger_refuses_DELETE")
        for statement in statements:
            connection.execute(*([statement] if isinstance(statement, str) else statement))
    connection.close()


def rechained(scene: Path, start: int, change: Callable[[list[dict]], list[dict]]) -> None:
    """Rewrite the chain from `start` on with valid hashes everywhere: what only a checkpoint can see."""
    connection = sqlite3.connect(scene / "db.sqlite")
    rows = connection.execute("SELECT seq, ts, leaf, record FROM ledger ORDER BY seq").fetchall()
    events = [json.loads(row[3]) for row in rows if row[0] >= start]
    own = [{k: v for k, v in event.items() if k not in {"v", "chain_uid", "seq", "ts", "prev"}} for event in events]
    times = [row[1] for row in rows if row[0] >= start]
    times += times[-1:] * 5
    items = [
        Item(at, encode(event), event["event"], event.get("tenant"), event.get("request_id"))
        for at, event in zip(times, change(own), strict=False)
    ]
    before = rows[start - 2] if start > 1 else None
    tail = Tail("chain") if before is None else Tail("chain", before[0], before[2], before[1])
    linked = link(tail, items).rows
    attack(
        scene,
        f"DELETE FROM ledger WHERE seq >= {start}",
        *(("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row) for row in linked),
    )
    connection.close()


def first_bad(report: Report) -> tuple[int, str]:
    (bad,) = [chain.bad for chain in report.chains if chain.bad is not None]
    assert bad.upto == bad.seq
    assert not report.ok
    assert bad.chain_uid == "chain"
    return bad.seq, bad.kind


def test_an_untouched_ledger_is_intact_and_says_what_it_covers(scene: Path):
    report = verified(scene)
    assert report.ok
    assert (report.records, report.covered, report.checkpoints) == (LAST, LAST_COVERED, 2)
    assert report.covered_until == "2026-11-18T11:08:40Z"
    assert report.document()["not_covered"] == 5
    assert any("5 sau điểm kiểm cuối" in line for line in report.lines())


@pytest.mark.parametrize("seq", [1, 18, LAST_COVERED, LAST])
def test_an_edited_record_is_named(scene: Path, seq: int):
    attack(scene, f"UPDATE ledger SET record = replace(record, '\"event\"', '\"evant\"') WHERE seq = {seq}")
    assert first_bad(verified(scene)) == (seq, "edited")


@pytest.mark.parametrize("seq", [2, 18, LAST_COVERED, LAST - 1])
def test_an_edited_record_with_a_new_leaf_is_named(scene: Path, seq: int):
    rows = sqlite3.connect(scene / "db.sqlite")
    (prev, ts) = rows.execute(f"SELECT leaf, ts FROM ledger WHERE seq = {seq - 1}").fetchone()
    (at,) = rows.execute(f"SELECT ts FROM ledger WHERE seq = {seq}").fetchone()
    rows.close()
    forged = link(Tail("chain", seq - 1, prev, ts), [Item(at, encode({"event": "forged"}), "forged")]).rows[0]
    attack(scene, (
        f"UPDATE ledger SET record = ?, leaf = ?, event = 'forged', tenant = NULL, request_id = NULL WHERE seq = {seq}",
        (forged[-1], forged[-2]),
    ))  # fmt: skip
    assert first_bad(verified(scene)) == (seq, "checkpoint" if seq <= LAST_COVERED else "edited")


@pytest.mark.parametrize("seq", [1, 18, LAST_COVERED, LAST - 1])
def test_a_deleted_record_is_named(scene: Path, seq: int):
    attack(scene, f"DELETE FROM ledger WHERE seq = {seq}")
    assert first_bad(verified(scene)) == (seq, "missing")


@pytest.mark.parametrize("seq", [5, 43])
def test_two_swapped_records_are_named(scene: Path, seq: int):
    attack(
        scene, f"UPDATE ledger SET seq = -1 WHERE seq = {seq}", f"UPDATE ledger SET seq = {seq} WHERE seq = {seq + 1}",
        f"UPDATE ledger SET seq = {seq + 1} WHERE seq = -1",
    )  # fmt: skip
    assert first_bad(verified(scene)) == (seq, "relinked")


def test_an_inserted_record_is_named_though_everything_after_it_was_rechained(scene: Path):
    rechained(scene, 18, lambda events: [{"event": "inference", "n": 99}, *events])
    assert first_bad(verified(scene)) == (18, "checkpoint")


def test_a_rechained_tail_is_named(scene: Path):
    rechained(scene, 30, lambda events: [event | {"n": -1} for event in events])
    assert first_bad(verified(scene)) == (30, "checkpoint")


def test_a_full_rewrite_is_named_at_the_first_record_that_differs(scene: Path):
    rechained(scene, 1, lambda events: [event if n < 7 else event | {"n": -1} for n, event in enumerate(events)])
    assert first_bad(verified(scene)) == (8, "checkpoint")


@pytest.mark.parametrize("kept", [0, 1, 20, LAST_COVERED - 1])
def test_a_cut_before_the_last_checkpoint_is_named(scene: Path, kept: int):
    attack(scene, f"DELETE FROM ledger WHERE seq > {kept}")
    assert first_bad(verified(scene)) == (kept + 1, "truncated")


def test_a_cut_after_the_last_checkpoint_cannot_be_seen_and_the_report_has_said_so(scene: Path):
    assert verified(scene).document()["not_covered"] == 5
    attack(scene, f"DELETE FROM ledger WHERE seq > {LAST_COVERED}")
    report = verified(scene)
    assert report.ok
    assert report.document()["not_covered"] == 0


@pytest.mark.parametrize("column", ["tenant", "request_id", "event", "ts"])
def test_a_record_hidden_from_a_search_is_named(scene: Path, column: str):
    attack(scene, f"UPDATE ledger SET {column} = 1 WHERE seq = 18")
    assert first_bad(verified(scene)) == (18, "columns")


def lines_of(scene: Path) -> tuple[Path, list[str]]:
    (path,) = (scene / "checkpoints").glob("*.jsonl")
    return path, path.read_text("utf-8").splitlines()


def test_an_altered_checkpoint_is_found(scene: Path):
    path, lines = lines_of(scene)
    document = json.loads(lines[0])
    document["payload"] = base64.b64encode(
        base64.b64decode(document["payload"]).replace(b'"size":21', b'"size":20')
    ).decode()
    path.write_text("\n".join([json.dumps(document, separators=(",", ":")), *lines[1:]]) + "\n", "utf-8")
    report = verified(scene)
    assert not report.ok
    assert "2026-11-18.jsonl:1" in report.checkpoint_problems[0][0]


def test_a_checkpoint_cut_out_of_the_middle_is_found(scene: Path):
    path, lines = lines_of(scene)
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    Checkpointer(database, scene / "checkpoints", SIGNER, clock=HandClock()).write()
    database.close()
    _, lines = lines_of(scene)
    assert len(lines) == 3
    path.write_text("\n".join([lines[0], lines[2]]) + "\n", "utf-8")
    assert "1 … 3" in verified(scene).checkpoint_problems[0][0]


def test_another_key_verifies_nothing(scene: Path):
    report = verified(scene, Signer.generate("checkpoint"))
    assert not report.ok
    assert (report.checkpoints, report.covered) == (0, 0)


def test_verifying_changes_nothing(scene: Path):
    before = (scene / "db.sqlite").read_bytes()
    verified(scene)
    assert (scene / "db.sqlite").read_bytes() == before


def test_a_missing_database_is_told(tmp_path: Path):
    with pytest.raises(IntegrityError):
        verify_ledger(tmp_path / "none.sqlite", tmp_path, SIGNER.public)


# --- checkpoints --------------------------------------------------------------------------------------------


def test_nothing_new_makes_no_checkpoint(scene: Path):
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    checkpoints = Checkpointer(database, scene / "checkpoints", SIGNER, clock=HandClock())
    assert checkpoints.write().points[0].size == LAST
    assert checkpoints.write() is None
    database.close()
    assert verified(scene).covered == LAST


def test_a_new_day_s_file_lists_all_chains(scene: Path):
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    clock = HandClock(HandClock().now + 86_400)
    other = Ledger(database, "other", clock=clock)
    other.start()
    other.close()
    written = Checkpointer(database, scene / "checkpoints", SIGNER, clock=clock).write()
    assert written.full
    assert [point.uid for point in written.points] == ["chain", "other"]
    again = Checkpointer(database, scene / "checkpoints", SIGNER, clock=clock)
    assert again.write() is None
    database.close()
    assert verified(scene).ok


def test_a_line_torn_by_a_crash_is_left_out_and_the_next_one_is_whole(scene: Path):
    path, lines = lines_of(scene)
    path.write_text(lines[0] + "\n" + lines[1][:300], "utf-8")
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    checkpoints = Checkpointer(database, scene / "checkpoints", SIGNER, clock=HandClock())
    assert checkpoints.fault is None
    assert checkpoints.write().number == 2
    database.close()
    report = verified(scene)
    assert report.ok
    assert report.covered == LAST


@pytest.mark.parametrize(
    "crime", ["DELETE FROM ledger WHERE seq > 30", "UPDATE ledger SET leaf = x'00' WHERE seq = 44"]
)
def test_what_was_changed_is_not_signed_and_is_told(scene: Path, crime: str):
    attack(scene, crime)
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    checkpoints = Checkpointer(database, scene / "checkpoints", SIGNER, clock=HandClock())
    with pytest.raises(IntegrityError):
        checkpoints.write()
    assert checkpoints.fault.word == "ledger-altered"
    sizes = read_history(scene / "checkpoints", {SIGNER.public.key_id: SIGNER.public}).latest()
    assert sizes["chain"].size == (LAST_COVERED if "DELETE" in crime else 43)
    database.close()


def test_the_last_checkpoint_is_written_at_the_end(scene: Path):
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    checkpoints = Checkpointer(database, scene / "checkpoints", SIGNER, clock=HandClock(), interval_seconds=3600)
    checkpoints.start()
    checkpoints.close()
    database.close()
    assert verified(scene).covered == LAST


# --- proofs -------------------------------------------------------------------------------------------------


def test_a_proof_stands_alone_and_no_byte_of_it_can_be_changed(scene: Path):
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    bundle = json.loads(json.dumps(prove(database, scene / "checkpoints", SIGNER.public, "chain", 18)))
    database.close()
    assert check(bundle, SIGNER.public)["n"] == 16
    for member in ("record", "seq", "size", "path", "checkpoint", "chain_uid"):
        value = bundle[member]
        changed = value + 1 if isinstance(value, int) else value[1:] if isinstance(value, list) else value[:-2] + "00"
        with pytest.raises(IntegrityError):
            check(bundle | {member: changed}, SIGNER.public)
    with pytest.raises(IntegrityError):
        check(bundle, Signer.generate("checkpoint").public)


def test_a_proof_does_not_read_the_checkpoints_of_years_before(scene: Path, monkeypatch: pytest.MonkeyPatch):
    (newest,) = (scene / "checkpoints").glob("*.jsonl")
    (scene / "checkpoints" / "2001-01-01.jsonl").write_bytes(newest.read_bytes())
    asked: list[str] = []
    lines = checkpoints._lines
    monkeypatch.setattr(checkpoints, "_lines", lambda path: (asked.append(path.name), lines(path))[1])
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    prove(database, scene / "checkpoints", SIGNER.public, "chain", 18)
    assert asked == [newest.name]
    newest.rename(newest.with_name("2001-01-02.jsonl"))  # the writers' clock was ahead
    prove(database, scene / "checkpoints", SIGNER.public, "chain", 18)
    database.close()


def test_what_no_checkpoint_covers_has_no_proof_yet(scene: Path):
    database = Database.open(f"sqlite:///{scene / 'db.sqlite'}")
    with pytest.raises(ConflictError) as waiting:
        prove(database, scene / "checkpoints", SIGNER.public, "chain", LAST)
    assert waiting.value.word == "not-covered-yet"
    with pytest.raises(NotFoundError):
        prove(database, scene / "checkpoints", SIGNER.public, "chain", 1000)
    database.close()
