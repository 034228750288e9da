"""One record for each decision, chained, provable, and without a word of what was said."""

from __future__ import annotations

import hmac
import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Platform, within
from tests.journeys.test_refusals import check, plain
from tests.services.refusals import ANALYZE, FORECAST, SEGMENT, docs, forecast, one

pytestmark = pytest.mark.journey

CANARY = "CHIMHOANGYEN"
"""No log, table, metric or file may hold this word."""


def records_of(platform: Platform, request_id: str) -> list[dict[str, Any]]:
    rows = platform.query("SELECT record FROM ledger WHERE request_id = ?", request_id)
    return [json.loads(row[0]) for row in rows]


def test_two_hundred_random_calls_leave_one_record_each(platform: Platform):
    chance = random.Random(20261124)
    nlp: list[tuple[str, str, str, Any]] = [
        ("ministry", "POST", SEGMENT, docs("Xin chào.")), ("province", "POST", "/v1/nlp/topics", docs("Giá vàng.")),
        ("commune", "POST", "/v1/nlp/diacritics", docs("xin chao")), ("ministry", "POST", SEGMENT, {"documents": 3}),
        ("ministry", "POST", SEGMENT, docs("a", model="khong-co")), ("admin", "POST", SEGMENT, docs("a")),
        ("nobody", "POST", SEGMENT, docs("a")), ("ministry", "POST", SEGMENT, docs("TUYỆT MẬT\nabc")),
        ("province_b", "POST", FORECAST, forecast()), ("province", "POST", FORECAST, forecast(horizon=0)),
        ("province", "POST", FORECAST, forecast(one(series=[None] * 6))), ("nobody", "POST", FORECAST, forecast()),
        ("ministry", "GET", "/v1/me", None), ("ministry", "GET", "/v1/keys", None), ("admin", "GET", "/v1/keys", None),
        ("admin", "GET", "/v1/tenants", None), ("ministry", "GET", "/v1/registry/models", None),
        ("ministry", "GET", "/v1/registry/models/vi-segment/versions/9.9.9/card", None),
        ("inspector", "GET", "/v1/audit/records?limit=1", None), ("ministry", "GET", "/v1/usage", None),
        ("dpo", "POST", "/v1/registry/models/vi-topic/versions/7.7.7/suspend", {"reason": "thử xem"}),
    ]  # fmt: skip
    clients = {name: platform.client(name) for name in platform.keys}
    clients["nobody"] = platform.client(None)
    expected, mark = {}, f"so-{time.time_ns():x}"
    for number in range(200):
        key, method, path, body = chance.choice(nlp)
        sent = {} if body is None else {"json": body}
        request_id = f"{mark}-{number}"
        answer = clients[key].request(method, path, headers={"X-Request-Id": request_id}, **sent)
        assert answer.status_code < 500, answer.text
        expected[request_id] = (answer.status_code, key)

    def written() -> bool:
        ((count,),) = platform.query("SELECT count(*) FROM ledger WHERE request_id LIKE ?", mark + "-%")
        return bool(count >= 200)

    assert within(3, written)
    for request_id, (status, key) in expected.items():
        (record,) = records_of(platform, request_id)
        assert record["status"] == status
        assert record["event"].startswith("refuse.") == (status >= 400)
        assert (record["tenant"] is None) == (key == "nobody")
        assert record["latency_ms"] >= 0
        if record["event"] == "inference":
            assert record["model"]["digest"].startswith("sha256:")
            assert record["approval_kind"] == "bootstrap"
            assert len(record["in"]["commit"]) == 64
    done = platform.aichung("audit", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True


def test_an_analysis_leaves_one_record_a_task(platform: Platform):
    tasks = [{"task": "segment"}, {"task": "topics"}, {"task": "diacritics"}]
    answer = platform.client().post(ANALYZE, json=docs("Xin chào.", tasks=tasks))
    assert answer.status_code == 200
    records = within(2, lambda: len(found := records_of(platform, answer.json()["request_id"])) == 3 and found)
    assert Counter(record["task"] for record in records) == {"segment": 1, "topics": 1, "diacritics": 1}


def test_a_commitment_proves_what_the_model_saw_until_its_key_is_erased(platform: Platform):
    body = json.dumps(docs("Nội dung để đối chiếu.")).encode()
    answer = platform.client().post(SEGMENT, content=body, headers={"Content-Type": "application/json"})
    (record,) = within(2, lambda: records_of(platform, answer.json()["request_id"]))
    ((key,),) = platform.query(
        "SELECT key FROM vault WHERE chain_uid = ? AND seq = ?", record["chain_uid"], record["seq"]
    )
    assert hmac.digest(key, sha256(body).digest(), "sha256").hex() == record["in"]["commit"]


# --- who sees what ------------------------------------------------------------------------------------------


def test_an_organisation_reads_its_own_records_only(platform: Platform):
    ours = platform.client("ministry").post(SEGMENT, json=docs("a")).json()["request_id"]
    province, inspector = platform.client("province"), platform.client("inspector")
    (record,) = within(2, lambda: inspector.get("/v1/audit/records", params={"request_id": ours}).json()["data"])
    assert province.get("/v1/audit/records", params={"request_id": ours}).json()["data"] == []
    own = province.get("/v1/audit/records", params={"limit": 1000}).json()["data"]
    tenant = province.get("/v1/me").json()["tenant"]["id"]
    assert {entry["record"]["tenant"] for entry in own} == {tenant}
    foreign = province.get("/v1/audit/records", params={"tenant": record["record"]["tenant"]})
    nobody = province.get("/v1/audit/records", params={"tenant": "khong-co"})
    assert plain(foreign) == plain(nobody)
    denied = province.get(f"/v1/audit/records/{record['seq']}/proof")
    nothing = province.get("/v1/audit/records/nlp-khong-co:1/proof")
    check(denied, 404)
    assert plain(denied) == plain(nothing)


def test_reading_the_ledger_is_itself_recorded(platform: Platform):
    read = platform.client("inspector").get("/v1/audit/records?limit=1").json()["request_id"]
    (record,) = within(2, lambda: records_of(platform, read))
    assert (record["event"], record["actor"]["role"]) == ("audit.read", "inspector")


def test_one_records_proof_verifies_offline_and_an_altered_one_does_not(platform: Platform, tmp_path: Path):
    made = platform.client().post(SEGMENT, json=docs("a")).json()["request_id"]
    client = platform.client()
    (record,) = within(2, lambda: client.get("/v1/audit/records", params={"request_id": made}).json()["data"])
    proof = within(10, lambda: (a := client.get(f"/v1/audit/records/{record['seq']}/proof")).status_code == 200 and a)
    assert proof, "no checkpoint covered the record"
    bundle, key = tmp_path / "proof.json", tmp_path / "checkpoint.pub"
    bundle.write_bytes(proof.content)
    shutil.copy(platform.home / "keys" / "checkpoint.key.pub", key)
    place = ("--home", str(tmp_path / "nowhere"), "--public-key", str(key), "--bundle", str(bundle))
    offline = ("audit", "verify", *place)
    done = platform.aichung(*offline)
    assert done.returncode == 0, done.stderr
    assert "INTACT" in done.stdout
    document = proof.json()
    for altered in (
        {"record": document["record"].replace('"status":200', '"status":201')}, {"seq": document["seq"] + 1},
        {"root": "00" + document["root"][2:]}, {"path": document["path"][1:]}, {"size": document["size"] + 1},
        {"checkpoint": document["checkpoint"].replace("a", "b", 1)}, {"chain_uid": "nlp-khac"}, {"format": "x"},
    ):  # fmt: skip
        assert document | altered != document
        bundle.write_text(json.dumps(document | altered), encoding="utf-8")
        refused = platform.aichung(*offline)
        assert refused.returncode != 0, altered
        assert "Traceback" not in refused.stderr


# --- tampering ----------------------------------------------------------------------------------------------


def copy_of(platform: Platform, folder: Path) -> tuple[Path, Path]:
    """The database and its checkpoints as an intruder with the disk would have them."""
    time.sleep(3)  # a checkpoint covers what stands in the database now
    checkpoints = folder / "checkpoints"
    shutil.copytree(platform.home / "checkpoints", checkpoints)
    target = folder / "copy.db"
    with closing(sqlite3.connect(platform.home / "aichung.db")) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        for word in ("update", "delete"):
            copy.execute(f"DROP TRIGGER IF EXISTS ledger_refuses_{word}")
        copy.commit()
    return target, checkpoints


def edit(db: sqlite3.Connection, chain: str, at: int) -> None:
    db.execute("UPDATE ledger SET record = replace(record, '\"status\":200', '\"status\":201') "
               "WHERE chain_uid = ? AND seq = ?", (chain, at))  # fmt: skip


def rehash(db: sqlite3.Connection, chain: str, at: int) -> None:
    """Edit a record and give it the right leaf for its new bytes."""
    edit(db, chain, at)
    ((text,),) = db.execute("SELECT record FROM ledger WHERE chain_uid = ? AND seq = ?", (chain, at)).fetchall()
    leaf = sha256(b"\0" + text.encode()).digest()
    db.execute("UPDATE ledger SET leaf = ? WHERE chain_uid = ? AND seq = ?", (leaf, chain, at))


def delete(db: sqlite3.Connection, chain: str, at: int) -> None:
    db.execute("DELETE FROM ledger WHERE chain_uid = ? AND seq = ?", (chain, at))


def swap(db: sqlite3.Connection, chain: str, at: int) -> None:
    for before, after in ((at, -1), (at + 1, at), (-1, at + 1)):
        db.execute("UPDATE ledger SET seq = ? WHERE chain_uid = ? AND seq = ?", (after, chain, before))


def truncate(db: sqlite3.Connection, chain: str, at: int) -> None:
    db.execute("DELETE FROM ledger WHERE chain_uid = ? AND seq >= ?", (chain, at))


def columns(db: sqlite3.Connection, chain: str, at: int) -> None:
    db.execute("UPDATE ledger SET tenant = 'khac' WHERE chain_uid = ? AND seq = ?", (chain, at))


@pytest.mark.parametrize("change", [edit, rehash, delete, swap, truncate, columns], ids=lambda f: f.__name__)
def test_whoever_changes_the_ledger_is_found_and_the_record_is_named(
    platform: Platform, tampered: tuple[Path, Path, str, int], change: Callable[[sqlite3.Connection, str, int], None],
    tmp_path: Path,
):  # fmt: skip
    whole, checkpoints, chain, at = tampered
    database = tmp_path / "changed.db"
    shutil.copy(whole, database)
    ask = ("audit", "verify", "--json", "--database", str(database), "--checkpoints", str(checkpoints))
    if change is edit:
        assert platform.aichung(*ask).returncode == 0
    with closing(sqlite3.connect(database)) as db, db:
        change(db, chain, at)
    done = platform.aichung(*ask)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert chain in done.stdout
    assert str(at) in done.stdout


@pytest.fixture(scope="module")
def tampered(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str, int]:
    """A copy, and the place of one answered call in it."""
    client = platform.client()
    made = [client.post(SEGMENT, json=docs("a")).json()["request_id"] for _ in range(12)][5]
    (record,) = within(2, lambda: records_of(platform, made))
    database, checkpoints = copy_of(platform, tmp_path_factory.mktemp("copy"))
    return database, checkpoints, record["chain_uid"], record["seq"]


def test_the_running_database_refuses_edits_of_the_ledger(platform: Platform):
    for statement in ("UPDATE ledger SET event = 'x'", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError):
            platform.tamper(statement)


# --- privacy ------------------------------------------------------------------------------------------------


def test_nothing_that_was_said_stands_anywhere(platform: Platform):
    client = platform.client()
    text = f"Ông {CANARY}, CCCD 079203001234, ở số 5 Hàng Bài, điện thoại 0912345678."
    for path in (SEGMENT, "/v1/nlp/topics", "/v1/nlp/diacritics"):
        assert client.post(path, json=docs(text)).status_code == 200
    client.post(SEGMENT, json={"documents": [{"id": CANARY, "text": text}]})
    client.post(ANALYZE, json=docs(text, tasks=[{"task": "segment"}, {"task": "topics", "options": {"explain": True}}]))
    named = one(name=CANARY, unit=CANARY, place=CANARY, group=CANARY, parent=CANARY)
    assert client.post(FORECAST, json=forecast(named)).status_code == 200
    for body in ({CANARY: 1}, {"documents": CANARY}, docs(text, model=CANARY), docs(text, options={CANARY: CANARY})):
        client.post(SEGMENT, json=body)
    client.post(SEGMENT, content=b'{"' + CANARY.encode(), headers={"Content-Type": "application/json"})
    client.post(SEGMENT, json=docs(text), headers={"Idempotency-Key": CANARY, "User-Agent": CANARY, "Referer": CANARY,
                                                    "Cookie": CANARY, "X-Forwarded-For": CANARY,
                                                    "Accept-Language": CANARY, "traceparent": CANARY})  # fmt: skip
    for path in (f"/{CANARY}", f"/v1/nlp/{CANARY}", f"/v1/registry/models/{CANARY}", f"/v1/me?{CANARY}={CANARY}",
                 f"/v1/audit/records?event={CANARY}", f"/v1/keys/{CANARY}"):  # fmt: skip
        client.get(path)
    client.request("DELETE", f"/v1/keys/{CANARY}")
    client.request(CANARY[:9], "/v1/me")
    platform.client(None, Authorization=f"Bearer {CANARY}").get("/v1/me")
    platform.client(None, Authorization=f"Bearer aic_{CANARY.lower()}_{CANARY}").get("/v1/me")
    metrics = platform.client("operator").get("/metrics").text
    time.sleep(2)
    for word in (CANARY, "079203001234", "0912345678", "Hàng Bài"):
        assert word not in metrics
        for path, content in platform.files():
            assert word.encode() not in content, path


def test_the_logs_are_lines_of_json_with_ids_and_no_query(platform: Platform):
    sent = platform.client().get("/v1/audit/records?limit=1&event=khong-co").json()["request_id"]

    def lines() -> list[dict[str, Any]]:
        files = (platform.home / "logs").glob("platform*.log")
        read = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return [line for line in read if line.get("request_id") == sent]

    (line,) = within(3, lines)
    assert (line["route"], line["status"], line["method"]) == ("/v1/audit/records", 200, "GET")
    assert "khong-co" not in json.dumps(line)
