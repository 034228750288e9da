"""Laws of keys, limits, idempotency keys and ledger readings, for both dialects."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import ConflictError, InvalidInputError, UnauthenticatedError
from registry import tallies
from registry.chain import new_chain_uid
from registry.database import Database
from registry.ledger import Ledger
from registry.trail import Filter, Place, one, pages
from services.callers import Limits
from services.evaluation import found_evaluation, read_keys, reissue
from services.idempotency import Claim, Idempotency, Kept
from services.identity import Caller, Identity
from services.quota import Quota
from services.tenants import NewTenant

PEPPER = bytes(range(32))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def identity(database: Database) -> Identity:
    return Identity(database, PEPPER)


@pytest.fixture
def tenant(identity: Identity) -> str:
    """An organisation of the test's own."""
    return identity.create_tenant(None, NewTenant(uuid4().hex, "2025", "Thử", "state", "central")).id


@pytest.fixture
def caller(identity: Identity, tenant: str) -> Caller:
    issued = identity.create_key(None, subject_name="A", subject_kind="system", role="service", tenant=tenant)
    return identity.authenticate(None, issued.minted.text)


def test_keys_are_issued_paged_rotated_and_revoked(identity: Identity, tenant: str, database: Database) -> None:
    other = Identity(database, PEPPER)
    made = [
        identity.create_key(None, subject_name=f"K{n}", subject_kind="system", role="service", tenant=tenant)
        for n in range(5)
    ]
    walked: list[str] = []
    while page := identity.list_keys(None, walked[-1] if walked else None, 2):
        walked += [key.id for key in page]
    assert [key_id for key_id in walked if key_id in {one.key.id for one in made}] == [one.key.id for one in made]
    successor = identity.rotate_key(None, made[0].key.id, timedelta(seconds=60))
    identity.revoke_key(None, made[1].key.id)
    other.refresh()
    assert other.authenticate(None, successor.minted.text).subject == made[0].key.subject
    with pytest.raises(UnauthenticatedError):
        other.authenticate(None, made[1].minted.text)
    with pytest.raises(ConflictError):
        identity.rotate_key(None, made[0].key.id, timedelta(0))


def test_an_evaluation_installation_is_founded_and_its_keys_reissued(
    database: Database, identity: Identity, tmp_path: Path
) -> None:
    assert found_evaluation(database, PEPPER, tmp_path, identity.now()) == []
    assert found_evaluation(database, PEPPER, tmp_path, identity.now()) == []
    before = read_keys(tmp_path)
    reissue(database, PEPPER, tmp_path, identity.now())
    identity.refresh()
    assert identity.authenticate(None, read_keys(tmp_path)["ministry"]).organisation.name == "Bộ Y tế"
    with pytest.raises(UnauthenticatedError):
        identity.authenticate(None, before["ministry"])


def test_processes_share_a_limit(database: Database, caller: Caller) -> None:
    limited = replace(caller, limits=Limits(600_000, 1_000))
    one_process, other = Quota(database), Quota(database)
    for _ in range(3):
        one_process.admit(limited, 10, 200)
        one_process.reconcile()
    other.admit(limited)
    other.reconcile()
    other.admit(limited, 1, 0)
    one_process.admit(limited, 0, 390)
    one_process.reconcile()
    other.reconcile()
    assert other.left(limited)["units"]["remaining"] < 700


def test_an_idempotency_key_acts_once(database: Database, tenant: str) -> None:
    claims, others = Idempotency(database, PEPPER), Idempotency(database, PEPPER)
    claim = claims.begin(tenant, "key", "POST /x", b"{}")
    assert isinstance(claim, Claim)
    with pytest.raises(ConflictError):
        others.begin(tenant, "key", "POST /x", b"{}")
    claims.settle(claim, 201, [(b"a", b"b")], b"body")
    assert others.begin(tenant, "key", "POST /x", b"{}") == Kept(201, ((b"a", b"b"),), b"body")
    with pytest.raises(InvalidInputError):
        others.begin(tenant, "key", "POST /x", b"[]")


def test_the_ledger_is_read_and_summed_by_organisation(database: Database, tenant: str) -> None:
    ledger = Ledger(database, new_chain_uid("law"))
    ledger.start()
    for number in range(6):
        good = number < 4
        ledger.note(
            {
                "event": "inference" if good else "refuse.inference", "tenant": tenant, "request_id": f"r{number}",
                "task": "topics", "model": {"name": "vi-topic"}, "in": {"units": 10, "bytes": 100},
                "latency_ms": float(number), "approval_kind": "bootstrap" if good else None,
                "error_code": None if good else "gate-closed",
            }
        )  # fmt: skip
    assert ledger.close()
    own = Filter(tenant)
    with database.read() as connection:
        whole = pages(connection, own, None, 100, newest_first=True)
        first = pages(connection, own, None, 4, newest_first=True)
        second = pages(connection, own, first[-1].place, 4, newest_first=True)
        assert [*first, *second] == whole
        assert pages(connection, own, None, 100, newest_first=False) == whole[::-1]
        assert len(pages(connection, Filter(tenant, event="refuse."), None, 100, newest_first=True)) == 2
        assert len(pages(connection, Filter(tenant, request_id="r1"), None, 100, newest_first=True)) == 1
        assert one(connection, whole[0].place, tenant) == whole[0]
        assert one(connection, whole[0].place, "t_other") is None
        (used,) = tallies.consumption(connection, own)
        assert (used.task, used.model, used.answered, used.refused) == ("topics", "vi-topic", 4, 2)
        assert (used.units, used.bytes) == (60, 600)
        assert tallies.answers_by_approval(connection, own) == {"bootstrap": 4}
        assert tallies.refusals_by_code(connection, own) == {"gate-closed": 2}
        assert tallies.latencies(connection, own, (0.0, 0.5, 0.99)) == [0.0, 2.0, 3.0]
        assert tallies.events(connection, own) == {"inference": 4, "refuse.inference": 2}
        assert tallies.dropped(connection, own) == 0
        assert tallies.latencies(connection, Filter("t_none"), (0.5,)) is None


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:x", "a:-1", "a:٣", "a:" + "9" * 30])
def test_a_place_is_a_chain_and_a_number(text: str) -> None:
    assert Place.parse(text) is None
    assert Place.parse("nlp-1-a:12") == Place("nlp-1-a", 12)
