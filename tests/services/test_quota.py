from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from models.errors import QuotaExceededError, UnavailableError
from registry.database import Database
from registry.tables import usage
from services.callers import Limits
from services.identity import Caller
from services.quota import LimitReachedError, Quota, QuotaState

By = Callable[[str], Caller]
WALL = 1_789_999_990.0  # ten seconds into a minute


class Time:
    """Both clocks of a process, moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        return WALL + self.passed

    def monotonic(self) -> float:
        return 50.0 + self.passed


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(database: Database, time: Time) -> Callable[..., Quota]:
    """One process's quota on the shared database."""

    def quota(tenant: Limits = Limits(10_000, 10_000)) -> Quota:
        return Quota(database, tenant, time.wall, time.monotonic)

    return quota


def limited(caller: Caller, requests: int, units: int = 1000) -> Caller:
    return replace(caller, limits=Limits(requests, units))


def admitted(quota: Quota, caller: Caller, tries: int, units: int = 0) -> int:
    """How many of the tries were let in."""
    count = 0
    for _ in range(tries):
        try:
            quota.admit(caller, 1, units)
        except QuotaExceededError:
            continue
        count += 1
    return count


class TestOneProcess:
    def test_a_minutes_allowance_then_whole_seconds_to_wait(
        self, make: Callable[..., Quota], caller: By, time: Time
    ) -> None:
        quota, who = make(), limited(caller("ministry"), 60)
        assert admitted(quota, who, 70) == 60
        with pytest.raises(LimitReachedError) as refused:
            quota.admit(who)
        assert refused.value.retry_after_seconds == 1
        assert refused.value.state == QuotaState(60, 0, 60)
        time.passed += 1
        assert quota.admit(who).remaining == 0

    def test_the_headers_have_the_agreed_form(self, make: Callable[..., Quota], caller: By, time: Time) -> None:
        quota, who = make(), limited(caller("ministry"), 600)
        for _ in range(299):
            quota.admit(who)
        state = quota.admit(who)
        assert state.policy == '"minute";q=600;w=60'
        assert state.header == '"minute";r=300;t=30'

    def test_units_are_counted_apart_and_all_or_nothing(self, make: Callable[..., Quota], caller: By) -> None:
        quota, who = make(), limited(caller("ministry"), 100, units=50)
        quota.admit(who, 0, 40)
        with pytest.raises(QuotaExceededError):
            quota.admit(who, 1, 20)
        left = quota.left(who)
        assert left["requests"]["remaining"] == 100
        assert left["units"] == {"limit_per_minute": 50, "remaining": 10, "reset_seconds": 48}

    def test_a_call_larger_than_the_allowance_is_let_in_once_and_leaves_a_debt(
        self, make: Callable[..., Quota], caller: By, time: Time
    ) -> None:
        quota, who = make(), limited(caller("ministry"), 1000, units=60)
        quota.admit(who, 1, 120)
        with pytest.raises(QuotaExceededError) as refused:
            quota.admit(who, 1, 1)
        assert refused.value.retry_after_seconds == 61
        time.passed += 61
        quota.admit(who, 1, 1)

    def test_a_second_key_does_not_widen_the_organisations_limit(self, make: Callable[..., Quota], caller: By) -> None:
        quota, one = make(Limits(30, 1000)), limited(caller("ministry"), 20)
        two = replace(one, key_id="another")
        assert admitted(quota, one, 25) + admitted(quota, two, 25) == 30
        assert admitted(quota, limited(caller("province"), 20), 25) == 20

    def test_lowered_limits_act_at_once_and_give_no_new_minute(self, make: Callable[..., Quota], caller: By) -> None:
        quota, who = make(), limited(caller("ministry"), 100)
        assert admitted(quota, who, 90) == 90
        assert admitted(quota, limited(who, 50), 100) == 10
        assert admitted(quota, limited(who, 500), 100) == 0

    def test_threads_together_get_no_more_than_the_allowance(self, make: Callable[..., Quota], caller: By) -> None:
        quota, who, counts = make(), limited(caller("ministry"), 5000), []
        threads = [threading.Thread(target=lambda: counts.append(admitted(quota, who, 2000))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts) == 5000


class TestManyProcesses:
    def test_what_others_took_is_gone_after_a_reconciliation(
        self, make: Callable[..., Quota], caller: By, time: Time
    ) -> None:
        one, two, who = make(), make(), limited(caller("ministry"), 60)
        assert admitted(one, who, 40) == 40
        one.reconcile()
        two.admit(who)
        two.reconcile()  # a late process learns of the 40 of this minute, less what ten seconds gave back
        assert two.peek(who).remaining == pytest.approx(60 - 1 - 40 + 10, abs=1)

    def test_overshoot_is_bounded_by_one_interval_at_each_process(
        self, make: Callable[..., Quota], caller: By, time: Time
    ) -> None:
        processes, who = [make() for _ in range(4)], limited(caller("ministry"), 600)
        total = 0
        for _ in range(180):  # three minutes, each process offered 25 requests a second
            total += sum(admitted(quota, who, 25) for quota in processes)
            time.passed += 1
            for quota in processes:
                quota.reconcile()
        allowed = 600 + 180 * 10  # the bucket and its refill
        assert allowed - 60 <= total <= allowed + 4 * 25 * 2

    def test_steady_traffic_below_the_limit_is_never_refused(
        self, make: Callable[..., Quota], caller: By, time: Time
    ) -> None:
        one, two, who = make(), make(), limited(caller("ministry"), 600)
        for second in range(200):
            assert admitted(one, who, 6) == 6
            if second % 30 == 0:  # the second process is idle most of the time
                assert admitted(two, who, 3) == 3
            time.passed += 1
            one.reconcile()
            two.reconcile()

    @pytest.mark.parametrize("quiet", [0.0, 0.7, 5.0, 70.0, 400.0])
    def test_who_comes_again_after_retry_after_is_let_in(
        self, make: Callable[..., Quota], caller: By, time: Time, quiet: float
    ) -> None:
        """Wherever the reconciliations fall, also the first one, also with a bucket that was full before."""
        one, two = make(), make()
        who = limited(caller("ministry"), 30)
        for step in range(40):
            if quiet and step % 8 == 0:
                time.passed += quiet
            admitted(one, who, 40)
            time.passed += 0.13
            with pytest.raises(LimitReachedError) as refused:
                one.admit(who)
            waits = refused.value.retry_after_seconds
            one.reconcile()
            two.reconcile()
            time.passed += waits
            one.admit(who)

    def test_an_idle_caller_costs_no_memory_and_no_query(
        self, make: Callable[..., Quota], caller: By, time: Time, database: Database
    ) -> None:
        quota = make()
        for number in range(100):
            quota.admit(replace(caller("ministry"), key_id=f"k{number}"))
        quota.reconcile()
        time.passed += 301
        quota.reconcile()
        assert not quota._keys
        assert not quota._tenants
        database.close()
        quota.reconcile()

    def test_counters_of_long_past_minutes_are_dropped(
        self, make: Callable[..., Quota], caller: By, time: Time, database: Database
    ) -> None:
        quota = make()
        for _ in range(3):
            quota.admit(caller("ministry"))
            quota.reconcile()
            time.passed += 3700
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(usage)).scalar_one() == 1

    def test_nothing_is_lost_while_the_database_is_away(
        self, make: Callable[..., Quota], caller: By, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quota, who = make(), caller("ministry")

        def away() -> None:
            raise UnavailableError("bận", "busy")

        with monkeypatch.context() as patch:
            patch.setattr(database, "write", away)
            assert admitted(quota, who, 7, units=3) == 7
            with pytest.raises(UnavailableError):
                quota.reconcile()
            quota._try()
            assert quota.failures == 1
        quota.reconcile()
        with database.read() as connection:
            row = connection.execute(select(usage.c.requests, usage.c.units, usage.c.tenant)).one()
        assert tuple(row) == (7, 21, who.tenant)

    def test_a_clock_set_back_does_not_lock_anybody_out(
        self, make: Callable[..., Quota], caller: By, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quota, who = make(), limited(caller("ministry"), 600)
        admitted(quota, who, 30)
        quota.reconcile()
        monkeypatch.setattr(quota, "_clock", lambda: WALL - 86_400)
        admitted(quota, who, 30)
        quota.reconcile()
        assert quota.peek(who).remaining > 400
