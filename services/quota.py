"""Rate limits: token buckets in memory, reconciled with the database.

Decision: the hot path touches no database. Each process keeps one bucket per key and one per organisation, in
requests and in units (documents or points); a bucket holds a minute's allowance and refills steadily. About once a
second a process adds what it admitted to the `usage` table and takes away what the other processes admitted
meanwhile. What it admitted itself is known to the instant, so `Retry-After` holds unless others consume. The
overshoot is at most what arrives in one interval at each process, whatever the number of keys: the organisation's
bucket catches a second key.

Decision: a call larger than a whole bucket is let in when the bucket is full, and leaves a debt; otherwise a legal
call of two million points could never be made under a smaller limit. A debt never exceeds one bucket.

Decision: when the database is away, each process goes on with its own buckets and keeps what it has to report.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import PlatformError, QuotaExceededError
from registry.database import Database
from registry.tables import usage as table
from services.callers import WIDE_LIMITS, Caller, Limits

WINDOW_SECONDS: Final = 60
RECONCILE_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 300.0
KEPT: Final = timedelta(hours=1)

Totals = dict[int, tuple[int, int]]

log = logging.getLogger(__name__)


class QuotaState(Struct, frozen=True):
    """What is left of the tighter request bucket: `limit` a minute, `remaining` now, full in `reset_seconds`."""

    limit: int
    remaining: int
    reset_seconds: int

    @property
    def policy(self) -> str:
        """Value of the RateLimit-Policy header."""
        return _policy(self.limit)

    @property
    def header(self) -> str:
        """Value of the RateLimit header."""
        return f'"minute";r={self.remaining};t={self.reset_seconds}'


class LimitReachedError(QuotaExceededError):
    """Vượt hạn mức | Quota exceeded"""

    def __init__(self, retry_after_seconds: int, state: QuotaState) -> None:
        """Keep the whole seconds until the same call can succeed, and the state for the answer's headers."""
        super().__init__(
            f"Đã dùng hết hạn mức của phút này; thử lại sau {retry_after_seconds} giây.",
            f"The allowance of this minute is used up; try again in {retry_after_seconds} s.",
            retry_after_seconds,
            limit_per_minute=state.limit,
        )
        self.state = state


@lru_cache(maxsize=256)
def _policy(limit: int) -> str:
    return f'"minute";q={limit};w={WINDOW_SECONDS}'


class Bucket:
    """A minute's allowance that refills steadily. Not safe for threads: `Quota` holds its lock around it.

    `level` as of `at` (monotonic seconds); `new` is what was taken since the last reconciliation, `spilled` the refill
    that a full bucket could not hold since then.
    """

    __slots__ = ("at", "capacity", "level", "new", "rate", "seen", "spilled")

    def __init__(self, capacity: int, now: float) -> None:
        """A full bucket."""
        self.capacity = float(capacity)
        self.rate = capacity / WINDOW_SECONDS
        self.level = self.capacity
        self.at = now
        self.new = 0
        self.spilled = 0.0
        self.seen: dict[int, int] = {}

    def lacks(self, amount: int, now: float) -> float:
        """Refill up to `now`; seconds until `amount` can be taken, 0 when it can be taken at once."""
        level = self.level + (now - self.at) * self.rate
        if level > self.capacity:
            self.spilled += level - self.capacity
            level = self.capacity
        self.level = level
        self.at = now
        needed = amount if amount < self.capacity else self.capacity
        return 0.0 if level >= needed else (needed - level) / self.rate

    def take(self, amount: int) -> None:
        """Take what `lacks` found to be there."""
        self.level -= amount
        self.new += amount

    def learn(self, totals: dict[int, int], own: int, first: bool, elapsed: float, now: float) -> None:
        """Take away what other processes admitted, by the shared totals (by window), of which `own` is this one's.

        On a first look the bucket is taken to have been full `elapsed` seconds ago, as the oldest window of `totals`
        began. What this process took is accounted for already, so without others nothing changes, and a caller who was
        told when to come again is not sent away then. Of the others' consumption so much is forgiven as would have
        been refilled meanwhile, had this bucket not been full.
        """
        self.lacks(0, max(now, self.at))
        if first:
            self.seen, self.spilled = {}, self.rate * elapsed
        others = sum(total - self.seen.get(window, 0) for window, total in totals.items()) - own
        self.level = max(self.level - max(0.0, others - self.spilled), -self.capacity)
        self.spilled = 0.0
        self.seen = totals


class Meter:
    """What one key or one organisation may still consume. `last` is monotonic, `looked` the wall clock's seconds."""

    __slots__ = ("last", "limits", "looked", "requests", "units")

    def __init__(self, limits: Limits, now: float) -> None:
        """Full buckets."""
        self.limits = limits
        self.requests = Bucket(limits.requests_per_minute, now)
        self.units = Bucket(limits.units_per_minute, now)
        self.last = now
        self.looked: float | None = None

    def resized(self, limits: Limits, now: float) -> Meter:
        """This meter under changed limits: no refill beyond what was left, nothing unreported lost."""
        if limits == self.limits:
            return self
        meter = Meter(limits, now)
        for old, new in ((self.requests, meter.requests), (self.units, meter.units)):
            new.level = min(old.level, new.capacity)
            new.new, new.seen, new.spilled = old.new, old.seen, old.spilled
        meter.looked = self.looked
        return meter

    def learn(self, totals: Totals, own: tuple[int, int], wall: float, now: float) -> None:
        """Reconcile both buckets with the totals (requests, units) by window (seconds since 1970)."""
        oldest = min(totals, default=int(wall))
        first = self.looked is None or not 0 <= wall - self.looked <= WINDOW_SECONDS
        elapsed = max(wall - oldest, 0.0)
        self.requests.learn({window: t[0] for window, t in totals.items()}, own[0], first, elapsed, now)
        self.units.learn({window: t[1] for window, t in totals.items()}, own[1], first, elapsed, now)
        self.looked = wall


class Quota:
    """Admission by key and organisation. Safe for threads; the lock is held for about a microsecond."""

    def __init__(
        self,
        database: Database,
        tenant_limits: Limits = WIDE_LIMITS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tenant_limits` is what an organisation may consume with all its keys together."""
        self._database = database
        self._tenant_limits = tenant_limits
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[Caller, Meter, Meter]] = {}
        self._tenants: dict[str, Meter] = {}
        self._pruned = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures = 0

    def admit(self, caller: Caller, requests: int = 1, units: int = 0) -> QuotaState:
        """Take `requests` and `units`, all or nothing; what is left.

        Raises LimitReachedError (a QuotaExceededError) with whole seconds until the same call can succeed.
        """
        now = self._monotonic()
        with self._lock:
            found = self._keys.get(caller.key_id)
            _, key, tenant = found if found is not None and found[0] is caller else self._open(caller, now)
            tight, wide = key.requests, tenant.requests
            wait = max(tight.lacks(requests, now), wide.lacks(requests, now))
            if units:
                wait = max(wait, key.units.lacks(units, now), tenant.units.lacks(units, now))
            if wait > 0.0:
                raise LimitReachedError(max(1, ceil(wait)), self._state(tight, wide))
            tight.take(requests)
            wide.take(requests)
            key.last = tenant.last = now
            if units:
                key.units.take(units)
                tenant.units.take(units)
            return self._state(tight, wide)

    def peek(self, caller: Caller) -> QuotaState:
        """What is left, without taking anything: for the headers of a refusal."""
        now = self._monotonic()
        with self._lock:
            found = self._keys.get(caller.key_id)
            _, key, tenant = found if found is not None and found[0] is caller else self._open(caller, now)
            key.requests.lacks(0, now)
            tenant.requests.lacks(0, now)
            return self._state(key.requests, tenant.requests)

    def left(self, caller: Caller) -> dict[str, dict[str, int]]:
        """What the caller may still consume now, for GET /v1/me: requests and units, each limit, remaining, reset."""
        now = self._monotonic()
        with self._lock:
            found = self._keys.get(caller.key_id)
            _, key, tenant = found if found is not None and found[0] is caller else self._open(caller, now)
            states = {}
            for name, one, other in (
                ("requests", key.requests, tenant.requests), ("units", key.units, tenant.units),
            ):  # fmt: skip
                one.lacks(0, now)
                other.lacks(0, now)
                state = self._state(one, other)
                states[name] = {
                    "limit_per_minute": state.limit, "remaining": state.remaining, "reset_seconds": state.reset_seconds,
                }  # fmt: skip
            return states

    @staticmethod
    def _state(one: Bucket, other: Bucket) -> QuotaState:
        tight = one if one.level <= other.level else other
        missing = tight.capacity - tight.level
        return QuotaState(int(tight.capacity), int(tight.level) if tight.level > 0 else 0, ceil(missing / tight.rate))

    def _open(self, caller: Caller, now: float) -> tuple[Caller, Meter, Meter]:
        """The meters of a caller seen for the first time, or whose facts were reloaded. The lock is held."""
        known = self._keys.get(caller.key_id)
        meter = known[1].resized(caller.limits, now) if known else Meter(caller.limits, now)
        tenant = self._tenants.setdefault(caller.tenant, Meter(self._tenant_limits, now))
        self._keys[caller.key_id] = found = (caller, meter, tenant)
        return found

    # --- reconciliation -------------------------------------------------------------------------------------

    def start(self, seconds: float = RECONCILE_SECONDS) -> None:
        """Reconcile every `seconds` in a thread of its own."""
        self._thread = threading.Thread(target=self._run, args=(seconds,), name="quota", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Report what is left and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self._try()

    def _run(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._try()

    def _try(self) -> None:
        try:
            self.reconcile()
        except PlatformError as error:
            self.failures += 1
            log.warning("quota.reconcile_failed", extra={"code": error.word})
        except Exception:
            self.failures += 1
            log.exception("quota.reconcile_failed")

    def reconcile(self) -> None:
        """Add what this process admitted, learn what the others admitted, forget who has been idle.

        Raises what the database raises; what was to be reported is then kept for the next time.
        """
        wall, now = self._clock(), self._monotonic()
        window = int(wall) // WINDOW_SECONDS * WINDOW_SECONDS
        with self._lock:
            active = {key_id: row for key_id, row in self._keys.items() if row[1].requests.new or row[1].units.new}
            meters = {key_id: row[1] for key_id, row in active.items()}
            meters |= {row[0].tenant: row[2] for row in active.values()}
            own = {owner: _take_new(meter) for owner, meter in meters.items()}
        if active:
            try:
                with self._database.write() as connection:
                    self._report(connection, window, {key: (row[0].tenant, *own[key]) for key, row in active.items()})
                    totals = _totals(connection, table.c.key, set(active), window)
                    totals |= _totals(connection, table.c.tenant, {row[0].tenant for row in active.values()}, window)
                    self._prune(connection, wall)
            except BaseException:
                with self._lock:
                    for owner, meter in meters.items():
                        meter.requests.new += own[owner][0]
                        meter.units.new += own[owner][1]
                raise
            with self._lock:
                for owner, meter in meters.items():
                    meter.learn(totals.get(owner, {}), own[owner], wall, now)  # as of before the transaction
        self._forget()

    def _report(self, connection: Connection, window: int, consumed: dict[str, tuple[str, int, int]]) -> None:
        """Add to the shared counters of this minute."""
        start = datetime.fromtimestamp(window, UTC)
        dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        rows = [
            {"key": key, "window_start": start, "tenant": tenant, "requests": requests, "units": units}
            for key, (tenant, requests, units) in sorted(consumed.items())
        ]
        query = dialect.insert(table)
        connection.execute(
            query.on_conflict_do_update(
                index_elements=[table.c.key, table.c.window_start],
                set_={
                    "requests": table.c.requests + query.excluded.requests,
                    "units": table.c.units + query.excluded.units,
                },
            ),
            rows,
        )

    def _prune(self, connection: Connection, wall: float) -> None:
        """Drop counters of minutes long past: what was used in the long run is read from the ledger."""
        if wall - self._pruned >= WINDOW_SECONDS:
            oldest = datetime.fromtimestamp(wall, UTC) - KEPT
            connection.execute(delete(table).where(table.c.window_start < oldest))
            self._pruned = wall

    def _forget(self) -> None:
        """Drop the meters of callers who have been idle: their buckets are full again."""
        now = self._monotonic()
        with self._lock:
            for key_id in [k for k, row in self._keys.items() if now - row[1].last > IDLE_SECONDS]:
                del self._keys[key_id]
            used = {row[0].tenant for row in self._keys.values()}
            for tenant in [t for t in self._tenants if t not in used]:
                del self._tenants[tenant]


def _take_new(meter: Meter) -> tuple[int, int]:
    """What was admitted since the last time; counting starts anew."""
    taken = meter.requests.new, meter.units.new
    meter.requests.new = meter.units.new = 0
    return taken


def _totals(connection: Connection, column: Any, ids: set[str], window: int) -> dict[str, Totals]:
    """Consumption of this window and the one before, by id and window (seconds since 1970)."""
    query = (
        select(column, table.c.window_start, func.sum(table.c.requests), func.sum(table.c.units))
        .where(column.in_(ids), table.c.window_start >= datetime.fromtimestamp(window - WINDOW_SECONDS, UTC))
        .group_by(column, table.c.window_start)
    )
    found: dict[str, Totals] = defaultdict(dict)
    for owner, start, requests, units in connection.execute(query):
        found[owner][int(start.timestamp())] = (int(requests), int(units))
    return found
