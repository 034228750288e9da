from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from models.errors import ConflictError, IntegrityError, InvalidInputError, UnavailableError
from registry.database import Database
from registry.tables import idempotency as table
from services.endpoints import Call, Handler, Reply
from services.idempotency import LEASE_SECONDS, Claim, Idempotency, Kept
from services.identity import Caller
from services.repeats import once

ROUTE = "POST /v1/keys"
BODY = b'{"name":"x"}'


@pytest.fixture
def claims(database: Database, pepper: bytes, clock: Callable[[], float]) -> Idempotency:
    return Idempotency(database, pepper, clock)


def begin(claims: Idempotency, key: str = "k-1", body: bytes = BODY, tenant: str = "t_a") -> Claim:
    begun = claims.begin(tenant, key, ROUTE, body)
    assert isinstance(begun, Claim)
    return begun


def run(handler: Handler, call: Call) -> Reply:
    async def answer() -> Reply:
        return await handler(call, None)

    return asyncio.run(answer())


class TestAKey:
    def test_the_same_request_gets_the_same_answer(self, claims: Idempotency) -> None:
        claims.settle(begin(claims), 201, [(b"location", b"/x")], b'{"key":"secret"}')
        assert claims.begin("t_a", '"k-1"', ROUTE, BODY) == Kept(201, ((b"location", b"/x"),), b'{"key":"secret"}')

    def test_another_body_or_route_is_refused(self, claims: Idempotency) -> None:
        claims.settle(begin(claims), 201, [], b"")
        for route, body in ((ROUTE, b"{}"), ("POST /v1/tenants", BODY)):
            with pytest.raises(InvalidInputError) as refused:
                claims.begin("t_a", "k-1", route, body)
            assert refused.value.word == "idempotency-key-reused"

    def test_it_conflicts_while_in_flight(self, claims: Idempotency) -> None:
        begin(claims)
        with pytest.raises(ConflictError) as refused:
            claims.begin("t_a", "k-1", ROUTE, BODY)
        assert refused.value.word == "idempotency-in-flight"

    def test_keys_of_tenants_never_meet(self, claims: Idempotency) -> None:
        claims.settle(begin(claims), 201, [], b"a")
        claims.settle(begin(claims, tenant="t_b", body=b"other"), 201, [], b"b")
        kept = claims.begin("t_a", "k-1", ROUTE, BODY)
        assert isinstance(kept, Kept)
        assert kept.body == b"a"

    def test_it_is_forgotten_after_a_day(self, claims: Idempotency, clock: Callable[[], float]) -> None:
        claims.settle(begin(claims), 201, [], b"")
        clock.now += 24 * 3600 - 1  # type: ignore[attr-defined]
        assert isinstance(claims.begin("t_a", "k-1", ROUTE, BODY), Kept)
        clock.now += 2  # type: ignore[attr-defined]
        begin(claims, body=b"other")

    def test_old_rows_are_removed(self, claims: Idempotency, clock: Callable[[], float], database: Database) -> None:
        for number in range(5):
            begin(claims, f"k-{number}")
        clock.now += 25 * 3600  # type: ignore[attr-defined]
        begin(claims, "new")
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 1

    def test_a_crash_in_between_frees_it_after_the_lease(self, claims: Idempotency, clock: Callable[[], float]) -> None:
        dead = begin(claims)
        clock.now += LEASE_SECONDS + 1  # type: ignore[attr-defined]
        alive = begin(claims)
        claims.settle(dead, 201, [], b"late")  # whoever was slow cannot settle what another has taken over
        claims.abandon(dead)
        claims.settle(alive, 201, [], b"right")
        kept = claims.begin("t_a", "k-1", ROUTE, BODY)
        assert isinstance(kept, Kept)
        assert kept.body == b"right"

    def test_a_refused_request_gives_it_back(self, claims: Idempotency) -> None:
        claims.abandon(begin(claims))
        begin(claims, body=b"mended")

    @pytest.mark.parametrize("header", ["", '""', "a" * 256, "a b", "khóa", "a\x00b", '"a', 'a"b'])
    def test_a_malformed_one_is_refused(self, claims: Idempotency, header: str) -> None:
        with pytest.raises(InvalidInputError):
            claims.begin("t_a", header, ROUTE, BODY)

    def test_one_of_many_simultaneous_requests_acts(self, claims: Idempotency) -> None:
        begun: list[object] = []

        def attempt() -> None:
            try:
                begun.append(claims.begin("t_a", "k-1", ROUTE, BODY))
            except ConflictError as error:
                begun.append(error)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(one, Claim) for one in begun) == 1
        assert len(begun) == 8


class TestWhatIsKept:
    def test_neither_key_nor_answer_lies_open_in_the_database(self, claims: Idempotency, database: Database) -> None:
        claims.settle(begin(claims, "my-visible-key"), 201, [(b"x-a", b"hidden-header")], b"hidden-body")
        with database.read() as connection:
            row = str(connection.execute(select(table)).one())
        assert not any(word in row for word in ("my-visible-key", "hidden-header", "hidden-body"))

    def test_an_altered_answer_is_not_given(self, claims: Idempotency, database: Database) -> None:
        claims.settle(begin(claims), 201, [], b"abc")
        with database.write() as connection:
            sealed = bytearray(connection.execute(select(table.c.body)).scalar_one())
            sealed[-1] ^= 1
            connection.execute(update(table).values(body=bytes(sealed)))
        with pytest.raises(IntegrityError):
            claims.begin("t_a", "k-1", ROUTE, BODY)


class TestAroundAHandler:
    @pytest.fixture
    def call(self, caller: Callable[[str], Caller]) -> Call:
        call = Call("POST", "/v1/keys", {b"idempotency-key": b"abc"}, b"")
        call.caller, call.body = caller("admin"), BODY
        return call

    def test_it_acts_once_and_then_repeats_itself(self, claims: Idempotency, call: Call) -> None:
        acted = []

        async def handler(call: Call, body: object) -> Reply:
            acted.append(1)
            return Reply({"n": len(acted)}, 201, ((b"location", b"/v1/x"),))

        handle = once(claims, handler)
        first, second = (run(handle, call) for _ in range(2))
        assert acted == [1]
        assert (first.status, first.body) == (second.status, second.body) == (201, b'{"n":1}')
        assert (b"location", b"/v1/x") in second.headers
        assert (b"idempotency-replayed", b"true") in second.headers

    def test_a_refusal_is_not_kept(self, claims: Idempotency, call: Call) -> None:
        tries = iter([UnavailableError("bận", "busy"), None])

        async def handler(call: Call, body: object) -> Reply:
            error = next(tries)
            if error is not None:
                raise error
            return Reply(None, 201)

        handle = once(claims, handler)
        with pytest.raises(UnavailableError):
            run(handle, call)
        assert run(handle, call).status == 201

    def test_a_colleagues_answer_is_not_given(
        self, claims: Idempotency, call: Call, caller: Callable[[str], Caller]
    ) -> None:
        async def handler(call: Call, body: object) -> Reply:
            return Reply({"secret": call.who.subject.name}, 201)

        handle = once(claims, handler)
        first = run(handle, call)
        call.caller = caller("inspector")
        assert call.caller.tenant == caller("admin").tenant
        assert run(handle, call).body != first.body

    def test_without_the_header_nothing_is_kept(self, claims: Idempotency, call: Call, database: Database) -> None:
        async def handler(call: Call, body: object) -> Reply:
            return Reply(None, 201)

        call.headers.clear()
        run(once(claims, handler), call)
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
