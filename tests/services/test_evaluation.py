from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from models.errors import ConflictError, UnauthenticatedError
from registry.database import Database
from registry.founding import found
from registry.tables import keys
from services.callers import WIDE_LIMITS
from services.evaluation import found_evaluation, read_keys, reissue
from services.identity import Caller, Identity

NAMES = [
    "ministry", "province", "province_b", "commune", "engineer", "engineer_b", "reviewer", "fairness_reviewer",
    "owner", "operator", "dpo", "security_officer", "agency_head", "appeals_officer", "data_steward", "inspector",
    "admin",
]  # fmt: skip


def test_each_named_key_belongs_to_a_different_person_or_system_with_wide_limits(
    evaluation: dict[str, str], caller: Callable[[str], Caller]
) -> None:
    callers = [caller(name) for name in NAMES]
    assert list(evaluation) == NAMES
    assert len({one.subject.id for one in callers}) == len({one.subject.name for one in callers}) == len(NAMES)
    assert {one.limits for one in callers} == {WIDE_LIMITS}
    assert WIDE_LIMITS.requests_per_minute == 600_000


def test_the_tenants_are_those_of_the_contract(identity: Identity) -> None:
    names = {tenant.name: tenant for tenant in identity.tree.by_id.values()}
    assert {"Bộ Y tế", "Thành phố Đồng Nai", "Tỉnh Khánh Hòa", "Xã Trảng Bom"} < set(names)
    assert len(names) == 5
    assert names["Xã Trảng Bom"].parent == names["Thành phố Đồng Nai"].id


def test_the_file_is_private_and_a_second_start_changes_nothing(
    home: Path, database: Database, pepper: bytes, identity: Identity
) -> None:
    before = (home / "keys.json").read_bytes()
    assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o600
    assert found_evaluation(database, pepper, home, identity.now()) == []
    assert (home / "keys.json").read_bytes() == before
    assert len(identity.list_keys(None, None, 1000)) == len(NAMES)


def test_a_lost_file_is_told_and_mended_by_reissuing(
    home: Path, database: Database, pepper: bytes, identity: Identity, evaluation: dict[str, str]
) -> None:
    (home / "keys.json").unlink()
    (finding,) = found_evaluation(database, pepper, home, identity.now())
    assert "aichung keys reissue" in finding.vi
    old = identity.authenticate(None, evaluation["ministry"])
    assert reissue(database, pepper, home, identity.now()) == home / "keys.json"
    identity.refresh()
    new = identity.authenticate(None, read_keys(home)["ministry"])
    assert (new.subject, new.tenant) == (old.subject, old.tenant)
    for key in evaluation.values():
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(None, key)
    assert found_evaluation(database, pepper, home, identity.now()) == []


def test_a_start_killed_between_writing_and_naming_the_file_is_finished_by_the_next(
    home: Path, database: Database, pepper: bytes, identity: Identity, evaluation: dict[str, str]
) -> None:
    (home / "keys.json").rename(home / "keys.json.new")
    assert found_evaluation(database, pepper, home, identity.now()) == []
    assert read_keys(home) == evaluation
    stray = dict.fromkeys(NAMES, "aic_000000000000_" + "A" * 40)
    (home / "keys.json.new").write_text(json.dumps(stray))  # its transaction never committed
    assert found_evaluation(database, pepper, home, identity.now()) == []
    assert read_keys(home) == evaluation


def test_a_file_of_another_installation_is_told(
    home: Path, database: Database, pepper: bytes, identity: Identity
) -> None:
    (home / "keys.json").write_text(json.dumps({"ministry": "aic_000000000000_" + "A" * 40}))
    assert len(found_evaluation(database, pepper, home, identity.now())) == 1
    (home / "keys.json").write_text("[]")
    assert read_keys(home) == {}


def test_open_permissions_are_closed_and_told(
    home: Path, database: Database, pepper: bytes, identity: Identity
) -> None:
    (home / "keys.json").chmod(0o644)
    assert len(found_evaluation(database, pepper, home, identity.now())) == 1
    assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o600


def test_only_an_evaluation_installation_reissues(tmp_path: Path, pepper: bytes, identity: Identity) -> None:
    database = found(f"sqlite:///{tmp_path / 'production.db'}")
    with pytest.raises(ConflictError):
        reissue(database, pepper, tmp_path, identity.now())
    assert not (tmp_path / "keys.json").exists()
    database.close()


def test_keys_of_an_older_installation_get_what_their_roles_may_by_now(
    database: Database, pepper: bytes, home: Path, identity: Identity, clock: Callable[[], float],
    caller: Callable[[str], Caller],
) -> None:  # fmt: skip
    with database.write() as connection:
        connection.execute(update(keys).where(keys.c.id == caller("province").key_id).values(scopes=["predict"]))
        database.bump(connection, "identity")
    identity.refresh()
    assert found_evaluation(database, pepper, home, datetime.fromtimestamp(clock(), UTC)) == []
    fresh = Identity(database, pepper, clock)
    key = read_keys(home)["province"]
    assert {"files:write", "jobs:write", "models:read"} <= fresh.authenticate(f"Bearer {key}").scopes
    revision = database.revision("identity")
    assert found_evaluation(database, pepper, home, datetime.fromtimestamp(clock(), UTC)) == []
    assert database.revision("identity") == revision
