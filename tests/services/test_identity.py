from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from models.errors import (
    ConflictError,
    ForbiddenError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from registry.database import Database
from services.callers import Limits
from services.identity import Caller, Identity
from services.keys import PATTERN, open_pepper, split
from services.roles import KEYS_MANAGE, PREDICT, ROLES, granted
from services.tenants import NewTenant

By = Callable[[str], Caller]


def issue(identity: Identity, by: Caller | None, role: str = "service", **more: Any) -> tuple[str, str]:
    """A key's id and text."""
    facts: dict[str, Any] = {"subject_name": "Hệ thống thử", "subject_kind": "system", "role": role} | more
    issued = identity.create_key(by, **facts)
    return issued.key.id, issued.minted.text


class TestAKeyAtTheDoor:
    def test_it_is_known_in_both_headers(self, identity: Identity, evaluation: dict[str, str]) -> None:
        key = evaluation["ministry"]
        assert identity.authenticate(f"Bearer {key}") is identity.authenticate(None, key)
        assert identity.authenticate(f"bearer {key}").organisation.name == "Bộ Y tế"

    def test_two_different_keys_in_one_request_are_refused(
        self, identity: Identity, evaluation: dict[str, str]
    ) -> None:
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(f"Bearer {evaluation['ministry']}", evaluation["province"])
        assert identity.authenticate(f"Bearer {evaluation['ministry']}", evaluation["ministry"])

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer aic_", "Bearer aic__", "Bearer " + "a" * 57, "Bearer é" * 20,
         "Bearer aic_000000000000_" + "A" * 40, "Bearer aic_000000000000_" + "é" * 40, "\x00" * 57, "Bearer " * 500],
    )  # fmt: skip
    def test_a_malformed_or_unknown_one_is_401(self, identity: Identity, header: str) -> None:
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(header)

    def test_none_at_all_is_401(self, identity: Identity) -> None:
        with pytest.raises(UnauthenticatedError) as refused:
            identity.authenticate(None, None)
        assert refused.value.word == "key-missing"

    def test_a_key_with_one_wrong_sign_is_refused_in_the_words_for_an_unknown_one(
        self, identity: Identity, evaluation: dict[str, str]
    ) -> None:
        key = evaluation["ministry"]
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        unknown = "aic_000000000000_" + key[-40:]
        messages = set()
        for text in (wrong, unknown):
            with pytest.raises(UnauthenticatedError) as refused:
                identity.authenticate(f"Bearer {text}")
            messages.add((refused.value.word, refused.value.note))
        assert len(messages) == 1

    def test_it_stops_at_its_expiry(self, identity: Identity, clock: Callable[[], float], caller: By) -> None:
        ends = identity.now() + timedelta(seconds=10)
        _, text = issue(identity, caller("admin"), expires_at=ends)
        assert identity.authenticate(f"Bearer {text}").expires_at == ends
        clock.now += 10  # type: ignore[attr-defined]
        with pytest.raises(UnauthenticatedError) as refused:
            identity.authenticate(f"Bearer {text}")
        assert refused.value.word == "key-expired"

    def test_it_costs_a_few_microseconds(self, identity: Identity, evaluation: dict[str, str]) -> None:
        header = f"Bearer {evaluation['ministry']}"
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(2000):
                identity.authenticate(header)
            best = min(best, (time.perf_counter() - started) / 2000)
        assert best < 20e-6


class TestWhatIsStored:
    def test_no_secret_is_in_the_database_or_in_any_file_but_the_one_for_the_operator(
        self, database: Database, identity: Identity, evaluation: dict[str, str], caller: By, tmp_path: Path
    ) -> None:
        _, text = issue(identity, caller("admin"))
        database.close()
        secrets = [split(key)[1].encode() for key in [text, *evaluation.values()]]  # type: ignore[index]
        for path in tmp_path.rglob("*"):
            if path.is_file() and path.name != "keys.json":
                content = path.read_bytes()
                assert not any(secret in content for secret in secrets), path

    def test_a_digest_made_without_the_pepper_does_not_match(
        self, database: Database, identity: Identity, evaluation: dict[str, str]
    ) -> None:
        other = Identity(database, b"\x01" * 32)
        with pytest.raises(UnauthenticatedError):
            other.authenticate(f"Bearer {evaluation['ministry']}")

    def test_the_pepper_is_private_and_its_loss_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "k" / "pepper"
        pepper = open_pepper(path, create=True)
        assert open_pepper(path, create=True) == pepper
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_bytes(b"short")
        with pytest.raises(IntegrityError) as damaged:
            open_pepper(path, create=True)
        assert damaged.value.word == "pepper-damaged"
        path.unlink()
        with pytest.raises(IntegrityError) as missing:
            open_pepper(path, create=False)
        assert missing.value.word == "pepper-missing"

    def test_a_minted_key_does_not_show_its_secret_in_a_log(self, identity: Identity, caller: By) -> None:
        issued = identity.create_key(caller("admin"), subject_name="x", subject_kind="system", role="service")
        assert PATTERN.fullmatch(issued.minted.text)
        assert not PATTERN.search(repr(issued))


class TestOtherProcesses:
    @pytest.fixture
    def far(self, database: Database, pepper: bytes) -> Iterator[Identity]:
        """Another process on the same database: its own connections, its own memory."""
        other = Identity(Database.open(database.url), pepper)
        other.start()
        yield other
        other.close()

    def wait_until(self, holds: Callable[[], bool]) -> float:
        started = time.monotonic()
        while not holds() and time.monotonic() - started < 5:
            time.sleep(0.01)
        return time.monotonic() - started

    def test_a_new_key_answers_and_a_revoked_one_stops_within_two_seconds(
        self, identity: Identity, far: Identity, caller: By
    ) -> None:
        key_id, text = issue(identity, caller("admin"))

        def known() -> bool:
            try:
                return bool(far.authenticate(f"Bearer {text}"))
            except UnauthenticatedError:
                return False

        assert self.wait_until(known) < 2
        identity.revoke_key(caller("admin"), key_id)
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(f"Bearer {text}")
        assert self.wait_until(lambda: not known()) < 2

    def test_nobody_is_let_in_when_revocations_can_no_longer_be_heard(
        self, far: Identity, evaluation: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        header = f"Bearer {evaluation['ministry']}"
        far.authenticate(header)
        monkeypatch.setattr(far, "_fresh_until", time.monotonic() - 1)
        with pytest.raises(UnavailableError) as refused:
            far.authenticate(header)
        assert refused.value.word == "identity-stale"


class TestIssuing:
    def test_an_administrator_has_neither_content_nor_approval(self, caller: By) -> None:
        admin = caller("admin")
        assert sorted(admin.scopes) == ["keys:manage", "tenants:manage"]
        with pytest.raises(ForbiddenError):
            admin.require(PREDICT)

    def test_an_administrator_does_not_take_a_role(self, identity: Identity, caller: By) -> None:
        admin = caller("admin")
        with pytest.raises(ForbiddenError) as refused:
            identity.create_key(
                admin, subject_name=admin.subject.name.upper(), subject_kind="person", role="agency_head"
            )
        assert refused.value.word == "own-key"

    def test_two_keys_of_one_name_are_one_person(self, identity: Identity, caller: By) -> None:
        admin = caller("admin")
        one = identity.create_key(admin, subject_name="Nguyễn Văn A", subject_kind="person", role="tech_reviewer")
        two = identity.create_key(admin, subject_name="  nguyễn  văn a ", subject_kind="person", role="dpo")
        system = identity.create_key(admin, subject_name="Nguyễn Văn A", subject_kind="system", role="service")
        assert one.key.subject.id == two.key.subject.id != system.key.subject.id

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"role": "emperor"}, "/role"),
            ({"role": "tech_reviewer"}, "/subject/kind"),
            ({"scopes": ["predict", "keys:manage"]}, "/scopes/1"),
            ({"tenant": "t_nowhere"}, "/tenant"),
            ({"subject_name": " \n "}, "/subject/name"),
            ({"subject_name": "a\x00b"}, "/subject/name"),
            ({"expires_at": datetime(2000, 1, 1, tzinfo=UTC)}, "/expires_at"),
        ],
    )
    def test_a_bad_wish_is_refused_at_its_place(
        self, identity: Identity, caller: By, more: dict[str, Any], pointer: str
    ) -> None:
        with pytest.raises(InvalidInputError) as refused:
            issue(identity, caller("admin"), **more)
        assert refused.value.faults[0].pointer == pointer

    def test_a_key_can_be_narrower_than_its_role(self, identity: Identity, caller: By) -> None:
        _, text = issue(identity, caller("admin"), scopes=["predict"], limits=Limits(5, 10))
        narrow = identity.authenticate(None, text)
        assert narrow.scopes == {"predict"}
        assert narrow.limits == Limits(5, 10)

    def test_scopes_over_the_whole_platform_are_void_elsewhere(self, identity: Identity, caller: By) -> None:
        ministry = caller("ministry").tenant
        issued = identity.create_key(
            caller("admin"), subject_name="Thanh tra Bộ", subject_kind="person", role="inspector", tenant=ministry
        )
        assert not {"audit:all", "metrics:read", "models:suspend"} & set(issued.key.scopes)
        assert "audit:all" in caller("inspector").scopes

    def test_every_role_of_the_governance_page_is_there(self) -> None:
        assert set(ROLES) == {
            "ml_engineer", "data_steward", "model_owner", "tech_reviewer", "fairness_reviewer", "dpo",
            "security_officer", "agency_head", "release_operator", "appeals_officer", "inspector", "platform_admin",
            "service",
        }  # fmt: skip
        managers = [name for name in ROLES if KEYS_MANAGE in granted(name, None, platform=True, kind="person")]
        assert managers == ["platform_admin"]


class TestAnAdministratorOfOneOrganisation:
    @pytest.fixture
    def local_admin(self, identity: Identity, caller: By) -> Caller:
        text = issue(
            identity, caller("admin"), "platform_admin", subject_name="Quản trị", tenant=caller("province").tenant
        )[1]
        return identity.authenticate(None, text)

    def test_it_rules_its_own_keys_and_sees_not_even_its_childrens(
        self, identity: Identity, caller: By, local_admin: Caller
    ) -> None:
        assert {key.tenant for key in identity.list_keys(local_admin)} == {local_admin.tenant}
        for owner in ("commune", "province_b", "admin"):
            with pytest.raises(NotFoundError) as foreign:
                identity.revoke_key(local_admin, caller(owner).key_id)
            with pytest.raises(NotFoundError) as random:
                identity.revoke_key(local_admin, "000000000000")
            assert foreign.value.note == random.value.note
        assert identity.authenticate(None, issue(identity, local_admin)[1]).tenant == local_admin.tenant

    def test_a_foreign_tenant_is_refused_like_one_that_does_not_exist(
        self, identity: Identity, caller: By, local_admin: Caller
    ) -> None:
        messages = set()
        for tenant in (caller("ministry").tenant, "t_000000000000"):
            with pytest.raises(InvalidInputError) as refused:
                issue(identity, local_admin, tenant=tenant)
            messages.add(refused.value.note)
        assert len(messages) == 1

    def test_it_enters_organisations_below_its_own_only(
        self, identity: Identity, caller: By, local_admin: Caller
    ) -> None:
        made = identity.create_tenant(
            local_admin, NewTenant("26041", "2025-07-01", "Phường Trấn Biên", "state", "commune", local_admin.tenant)
        )
        again = identity.tree.descendants(local_admin.tenant)
        assert again == {made.id, caller("commune").tenant}
        for parent in (None, caller("ministry").tenant, "t_000000000000"):
            with pytest.raises(InvalidInputError):
                identity.create_tenant(local_admin, NewTenant("1", "2025", "X", "state", "commune", parent))


class TestTheTree:
    def test_a_parent_sees_its_child_and_nobody_sees_a_sister(self, caller: By) -> None:
        province, commune, sister, ministry = map(caller, ("province", "commune", "province_b", "ministry"))
        assert province.sees_tenant(commune.tenant)
        assert commune.ancestors == (province.tenant,)
        assert not commune.sees_tenant(province.tenant)
        assert not sister.sees_tenant(commune.tenant)
        assert not ministry.sees_tenant(province.tenant)
        assert not caller("admin").sees_tenant(ministry.tenant)

    def test_a_code_is_entered_once_for_each_vintage(self, identity: Identity) -> None:
        with pytest.raises(ConflictError):
            identity.create_tenant(None, NewTenant("75", "2025-07-01", "Đồng Nai", "state", "province"))
        identity.create_tenant(None, NewTenant("75", "2004-01-01", "Tỉnh Đồng Nai", "state", "province"))

    def test_there_is_one_platform_and_no_child_above_its_parent(self, identity: Identity, caller: By) -> None:
        with pytest.raises(ConflictError):
            identity.create_tenant(None, NewTenant("P2", "2025", "Khác", "platform", "central"))
        with pytest.raises(InvalidInputError):
            identity.create_tenant(None, NewTenant("X", "2025", "Bộ", "state", "central", caller("commune").tenant))

    def test_lists_come_in_pages_without_gaps(self, identity: Identity, caller: By) -> None:
        admin = caller("admin")
        for listing in (identity.list_keys, identity.list_tenants):
            whole = [item.id for item in listing(admin, None, 1000)]
            walked: list[str] = []
            while page := listing(admin, walked[-1] if walked else None, 2):
                walked += [item.id for item in page]
            assert walked == whole
            with pytest.raises(InvalidInputError):
                listing(admin, "000000000000", 2)


class TestRotation:
    def test_both_keys_answer_during_the_overlap_and_then_only_the_new_one(
        self, identity: Identity, clock: Callable[[], float], caller: By
    ) -> None:
        old_id, old = issue(identity, caller("admin"), limits=Limits(7, 8))
        issued = identity.rotate_key(caller("admin"), old_id, timedelta(seconds=60))
        first, second = identity.authenticate(None, old), identity.authenticate(None, issued.minted.text)
        assert (first.subject, first.limits, first.scopes) == (second.subject, second.limits, second.scopes)
        assert issued.key.replaces == old_id
        clock.now += 61  # type: ignore[attr-defined]
        assert identity.authenticate(None, issued.minted.text)
        with pytest.raises(UnauthenticatedError):
            identity.authenticate(None, old)

    def test_a_key_rotates_itself_but_no_other(self, identity: Identity, caller: By) -> None:
        ministry = caller("ministry")
        assert identity.rotate_key(ministry, ministry.key_id, timedelta(0)).key.subject == ministry.subject
        with pytest.raises(NotFoundError):
            identity.rotate_key(ministry, caller("province").key_id, timedelta(0))

    def test_a_revoked_or_replaced_key_is_not_rotated(self, identity: Identity, caller: By) -> None:
        admin = caller("admin")
        key_id, _ = issue(identity, admin)
        identity.rotate_key(admin, key_id, timedelta(seconds=60))
        with pytest.raises(ConflictError):
            identity.rotate_key(admin, key_id, timedelta(seconds=60))
        identity.revoke_key(admin, key_id)
        identity.revoke_key(admin, key_id)  # a second time changes nothing
        with pytest.raises(ConflictError):
            identity.rotate_key(admin, key_id, timedelta(seconds=60))


class TestTheClock:
    def test_one_before_the_newest_record_is_reported(self, identity: Identity, clock: Callable[[], float]) -> None:
        assert identity.clock_findings() == []
        clock.now -= 3600  # type: ignore[attr-defined]
        (finding,) = identity.clock_findings()
        assert "NTP" in finding.vi


def test_a_damaged_database_leaves_the_keys_in_memory_alone(
    database: Database, identity: Identity, evaluation: dict[str, str]
) -> None:
    database.close()
    assert isinstance(database.path, Path)
    with sqlite3.connect(database.path) as connection:
        connection.execute("DROP TABLE revisions")
    connection.close()
    with pytest.raises(OperationalError):
        identity.refresh()
    assert identity.authenticate(f"Bearer {evaluation['ministry']}")
