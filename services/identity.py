"""Who is calling: keys and tenants in memory, kept fresh, checked on every request.

Decision: authentication never touches the database. Each process holds all live keys in a dictionary that is
replaced whole when the `identity` revision moves; a thread polls that counter (one tiny query), so a created or
revoked key acts everywhere within a poll. When the counter could not be read for `STALE_SECONDS`, nobody is let in:
a process that no longer hears of revocations must not go on trusting old keys.

Decision: every token costs one HMAC and one constant-time comparison, known or not, about 2 µs. There is no cache
of accepted tokens: it would save a microsecond and keep secrets in memory.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, or_, select

from models.errors import (
    ForbiddenError,
    InvalidInputError,
    Note,
    PlatformError,
    UnauthenticatedError,
    UnavailableError,
)
from registry.database import Database
from registry.tables import keys as keys_table
from registry.tables import ledger as ledger_table
from services import keyring
from services.callers import DEFAULT_LIMITS, Caller, Limits, Subject
from services.keyring import Issued, Key, NewKey
from services.keys import PUBLIC_SIGNS, digest_of, split
from services.roles import granted
from services.tenants import NewTenant, Tenant, Tree, insert_tenant, load_tenants

__all__ = ["Caller", "Identity", "Limits", "Subject"]

TOPIC: Final = "identity"
POLL_SECONDS: Final = 0.4
STALE_SECONDS: Final = 10.0
ROWS_A_QUERY: Final = 500
EXPIRED_KEPT: Final = timedelta(days=30)
CLOCK_SLACK: Final = timedelta(minutes=1)
BEARER: Final = "Bearer "
LOCAL_OPERATOR: Final = "local-operator"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """A key in memory: its digest, when it ends (seconds since 1970), and who it stands for."""

    digest: bytes
    expires_at: float
    caller: Caller


class Identity:
    """Authentication from memory, and the administration of keys and tenants. Safe for threads."""

    def __init__(
        self,
        database: Database,
        pepper: bytes,
        clock: Callable[[], float] = time.time,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Load all live keys. `pepper` is what `services.keys.open_pepper` gives; `clock` tells seconds since 1970."""
        self._database = database
        self._pepper = pepper
        self._mac = hmac.new(pepper, digestmod="sha256")
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._decoy = digest_of(pepper, "")
        self._decoy_id = "-" * PUBLIC_SIGNS
        self._held: dict[str, _Held] = {}
        self._revision = -1
        self._fresh_until = float("inf")
        self._reloading = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.tree = Tree(())
        self.refresh()

    # --- the hot path ---------------------------------------------------------------------------------------

    def authenticate(self, authorization: str | None, api_key: str | None = None) -> Caller:
        """The caller behind an `Authorization` or `X-API-Key` header.

        Raises UnauthenticatedError (missing, malformed, unknown, revoked, expired; two different keys at once) and
        UnavailableError while this process cannot hear of revocations.
        """
        self._check_fresh()
        parts = split(_token(authorization, api_key))
        public_id, secret = parts if parts is not None else (self._decoy_id, "")
        held = self._held.get(public_id)
        expected = self._decoy if held is None else held.digest
        right = hmac.compare_digest(self._digest(secret), expected)
        if held is None or not right:
            raise _refused()
        return self._living(held)

    def holder(self, key_id: str) -> Caller:
        """The caller behind a key that was shown before, by its public id: a session of the console names it.

        Raises UnauthenticatedError (revoked, expired) and UnavailableError as `authenticate` does.
        """
        self._check_fresh()
        held = self._held.get(key_id)
        if held is None:
            raise _refused()
        return self._living(held)

    def _living(self, held: _Held) -> Caller:
        if held.expires_at <= self._clock():
            raise UnauthenticatedError("Khóa đã hết hạn.", "The key has expired.", code="key-expired")
        return held.caller

    def _check_fresh(self) -> None:
        """Raise UnavailableError while this process cannot hear of revocations."""
        if time.monotonic() > self._fresh_until:
            raise UnavailableError(
                "Chưa xác minh được khóa: không đọc được cơ sở dữ liệu.",
                "Keys cannot be verified: the database cannot be read.",
                1,
                code="identity-stale",
            )

    # --- keeping fresh --------------------------------------------------------------------------------------

    def _digest(self, secret: str) -> bytes:
        """The secret's keyed digest.

        Copying a prepared state keeps the interpreter lock; `hmac.digest` gives it away at every call, and beside a
        busy thread the caller then waits for it.
        """
        state = self._mac.copy()
        state.update(secret.encode())
        return state.digest()

    def start(self) -> None:
        """Begin polling; from now on, authentication is refused when polling fails for `STALE_SECONDS`."""
        self._fresh_until = time.monotonic() + STALE_SECONDS
        self._thread = threading.Thread(target=self._poll, name="identity", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the polling thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def refresh(self) -> None:
        """Reload keys and tenants when their revision moved. Raises what the database raises."""
        with self._reloading:
            revision = self._database.revision(TOPIC)
            if revision == self._revision:
                return
            with self._database.read() as connection:
                tree = Tree(load_tenants(connection))
                held = self._load(connection, tree)
            self.tree, self._held, self._revision = tree, held, revision

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
            except PlatformError as error:
                log.warning("identity.poll_failed", extra={"code": error.word})
            except Exception:
                log.exception("identity.poll_failed")
            else:
                self._fresh_until = time.monotonic() + STALE_SECONDS

    def _load(self, connection: Connection, tree: Tree) -> dict[str, _Held]:
        """All keys that are not revoked; those long expired stay out of memory.

        Of a key only its end ever changes, so keys already held are taken over: a reload among many thousand keys costs
        one lean query and the few full rows that are new.
        """
        living = keys_table.c.revoked_at.is_(None) & or_(
            keys_table.c.expires_at.is_(None), keys_table.c.expires_at > self.now() - EXPIRED_KEPT
        )
        ends = {
            row[0]: row[1] for row in connection.execute(select(keys_table.c.id, keys_table.c.expires_at).where(living))
        }
        known = self._held if tree.by_id == self.tree.by_id else {}
        held = {
            key_id: known[key_id]
            for key_id, end in ends.items()
            if key_id in known and known[key_id].caller.expires_at == end
        }
        missing = [key_id for key_id in ends if key_id not in held]
        for start in range(0, len(missing), ROWS_A_QUERY):
            wanted = keys_table.c.id.in_(missing[start : start + ROWS_A_QUERY])
            for row in connection.execute(select(keys_table).where(wanted)).mappings():
                key = keyring.key_from(row)
                end = float("inf") if key.expires_at is None else key.expires_at.timestamp()
                held[key.id] = _Held(row["secret_hmac"], end, _caller(key, tree))
        return held

    # --- administration -------------------------------------------------------------------------------------

    def create_key(
        self,
        caller: Caller | None,
        *,
        subject_name: str,
        subject_kind: str,
        role: str,
        scopes: Sequence[str] | None = None,
        limits: Limits | None = None,
        expires_at: datetime | None = None,
        tenant: str | None = None,
    ) -> Issued:
        """Issue a key. `caller` None is the operator at the machine's own command line, who may act for any tenant.

        Raises InvalidInputError (unknown tenant, role, scope; past expiry) and ForbiddenError when an administrator
        would issue a key to the own person: who hands out roles does not take one.
        """
        owner = tenant or (caller.tenant if caller else None)
        if owner is None or owner not in self.tree.by_id or (caller and not caller.administers(owner)):
            raise InvalidInputError.at("/tenant", "Không có đơn vị này.", "There is no such tenant.")
        platform = self.tree.by_id[owner].kind == "platform"
        given = granted(role, scopes, platform=platform, kind=subject_kind)
        new = NewKey(owner, subject_name, subject_kind, role, given, limits or DEFAULT_LIMITS, expires_at)
        with self._database.write() as connection:
            issued = keyring.issue(connection, self._pepper, new, by=_actor(caller), at=self.now())
            if caller is not None and issued.key.subject.id == caller.subject.id:
                raise ForbiddenError(
                    "Người quản trị không tự cấp khóa cho chính mình.",
                    "An administrator does not issue keys to the own person.",
                    code="own-key",
                )
            self._database.bump(connection, TOPIC)
        self.refresh()
        return issued

    def rotate_key(self, caller: Caller | None, key_id: str, overlap: timedelta) -> Issued:
        """Issue a key's successor. Raises NotFoundError (unknown or foreign alike), ConflictError (not active)."""
        with self._database.write() as connection:
            self._reach(connection, caller, key_id)
            issued = keyring.rotate(connection, self._pepper, key_id, overlap, by=_actor(caller), at=self.now())
            self._database.bump(connection, TOPIC)
        self.refresh()
        return issued

    def revoke_key(self, caller: Caller | None, key_id: str) -> Key:
        """End a key; at once here, within a poll everywhere. Raises NotFoundError (unknown or foreign alike)."""
        with self._database.write() as connection:
            self._reach(connection, caller, key_id)
            key = keyring.revoke(connection, key_id, self.now())
            self._database.bump(connection, TOPIC)
        self.refresh()
        return key

    def list_keys(self, caller: Caller | None, after: str | None = None, limit: int = 100) -> list[Key]:
        """Up to `limit` keys of the tenants that the caller administers, oldest first."""
        tenants = None if caller is None or caller.platform else [caller.tenant]
        with self._database.read() as connection:
            return keyring.listed(connection, tenants, after, limit)

    def create_tenant(self, caller: Caller | None, new: NewTenant) -> Tenant:
        """Enter an organisation. Outside the platform, only below the own one. Raises as `insert_tenant` does."""
        if caller is not None and not caller.platform and (new.parent is None or not caller.sees_tenant(new.parent)):
            raise InvalidInputError.at("/parent", "Không có đơn vị cấp trên này.", "There is no such parent.")
        with self._database.write() as connection:
            tenant = insert_tenant(connection, new, self.now())
            self._database.bump(connection, TOPIC)
        self.refresh()
        return tenant

    def list_tenants(self, caller: Caller | None, after: str | None = None, limit: int = 100) -> list[Tenant]:
        """Up to `limit` tenants that the caller sees, oldest first. Raises InvalidInputError for a bad cursor."""
        seen = [t for t in self.tree.by_id.values() if caller is None or caller.platform or caller.sees_tenant(t.id)]
        if after is not None:
            places = [place for place, tenant in enumerate(seen) if tenant.id == after]
            if not places:
                raise keyring.bad_cursor()
            seen = seen[places[0] + 1 :]
        return seen[:limit]

    def _reach(self, connection: Connection, caller: Caller | None, key_id: str) -> None:
        """Raise NotFoundError unless the caller may touch this key: an administrator, or the key itself."""
        key = keyring.find(connection, key_id)
        if key is None or (caller is not None and not caller.administers(key.tenant) and key_id != caller.key_id):
            raise keyring.no_such_key()

    # --- the clock ------------------------------------------------------------------------------------------

    def clock_findings(self) -> list[Note]:
        """What is wrong with this machine's clock: it lies before the newest key or record (empty when nothing is).

        A clock set back would revive expired keys and approvals; the start reports it and goes on, as the database
        may as well hold a record written under a clock that was ahead.
        """
        with self._database.read() as connection:
            newest_key = connection.execute(select(func.max(keys_table.c.created_at))).scalar_one()
            newest_record = connection.execute(select(func.max(ledger_table.c.ts))).scalar_one()
        moments = [newest_key] if newest_key is not None else []
        if newest_record is not None:
            moments.append(datetime.fromtimestamp(newest_record / 1e6, UTC))
        now = self.now()
        own = now.isoformat(timespec="seconds")
        if not moments or max(moments) <= now + CLOCK_SLACK:
            return []
        seen = max(moments).isoformat(timespec="seconds")
        return [
            Note(
                f"Đồng hồ máy ({own}) sớm hơn bản ghi mới nhất ({seen}): hãy chỉnh giờ (NTP).",
                f"This machine's clock ({own}) lies before the newest record ({seen}): set the time (NTP).",
            )
        ]

    def now(self) -> datetime:
        """The present moment by this installation's clock, in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)


def _token(authorization: str | None, api_key: str | None) -> str:
    """The one token of the two headers. Raises UnauthenticatedError when there is none, or two that differ."""
    if authorization is None:
        if api_key is None:
            raise UnauthenticatedError(
                "Thiếu khóa: gửi Authorization: Bearer <khóa> hoặc X-API-Key.",
                "No key: send Authorization: Bearer <key> or X-API-Key.",
                code="key-missing",
            )
        return api_key
    if not authorization.startswith(BEARER) and authorization[: len(BEARER)].lower() != "bearer ":
        raise UnauthenticatedError(
            "Authorization phải có dạng Bearer <khóa>.", "Authorization must be Bearer <key>.", code="scheme-unknown"
        )
    token = authorization[len(BEARER) :].strip()
    if api_key is not None and api_key != token:
        raise UnauthenticatedError("Hai khóa khác nhau trong một yêu cầu.", "Two different keys in one request.")
    return token


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("Khóa không hợp lệ hoặc đã bị thu hồi.", "The key is not valid or has been revoked.")


def _actor(caller: Caller | None) -> str:
    return LOCAL_OPERATOR if caller is None else caller.subject.id


def _caller(key: Key, tree: Tree) -> Caller:
    return Caller(
        key.id, key.subject, key.tenant, tree.by_id[key.tenant], tree.ancestors(key.tenant),
        tree.descendants(key.tenant), key.role, frozenset(key.scopes), key.limits, key.expires_at,
    )  # fmt: skip
