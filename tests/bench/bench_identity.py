"""Authentication, admission and refreshing, in microseconds and milliseconds on one core.

python -m tests.bench.bench_identity
"""

from __future__ import annotations

import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from registry.founding import found
from services.callers import Limits
from services.identity import Caller, Identity
from services.keys import open_pepper
from services.quota import Quota
from services.tenants import NewTenant

KEYS = 1_000
ROUNDS = 7
AIM_AUTHENTICATE_US = 5.0
AIM_ADMIT_US = 3.0


def microseconds(work: Callable[[], object], number: int = 20_000) -> float:
    """CPU of this thread for one call, the best of some rounds: other work on the machine does not count."""
    return min(timeit.repeat(work, number=number, repeat=ROUNDS, timer=time.thread_time)) / number * 1e6


def refuse(identity: Identity, token: str) -> None:
    try:
        identity.authenticate(token)
    except Exception:
        return


def _report(quota: Quota, caller: Caller) -> None:
    quota.admit(caller)
    quota.reconcile()


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        database = found(f"sqlite:///{folder}/bench.db")
        pepper = open_pepper(Path(folder) / "pepper", create=True)
        identity = Identity(database, pepper)
        tenant = identity.create_tenant(None, NewTenant("1", "2025", "Đo", "state", "central"))
        wide = Limits(1_000_000_000, 1_000_000_000_000)
        started = time.perf_counter()
        for number in range(KEYS):
            issued = identity.create_key(
                None, subject_name=f"Hệ thống {number % 50}", subject_kind="system", role="service", limits=wide,
                tenant=tenant.id,
            )  # fmt: skip
        created = (time.perf_counter() - started) / KEYS
        header = f"Bearer {issued.minted.text}"
        unknown = "Bearer aic_000000000000_" + "A" * 40
        caller = identity.authenticate(header)
        quota = Quota(database, wide)

        identity._revision, identity._held = -1, {}
        started = time.perf_counter()
        identity.refresh()
        reload_ms = (time.perf_counter() - started) * 1e3
        authenticate = microseconds(lambda: identity.authenticate(header))
        admit = microseconds(lambda: quota.admit(caller))
        print(f"authenticate, known key      {authenticate:8.2f} µs   aim ≤ {AIM_AUTHENTICATE_US}")
        print(f"authenticate, unknown key    {microseconds(lambda: refuse(identity, unknown)):8.2f} µs")
        print(f"admit one request            {admit:8.2f} µs   aim ≤ {AIM_ADMIT_US}")
        print(f"admit one request, 50 units  {microseconds(lambda: quota.admit(caller, 1, 50)):8.2f} µs")
        print(f"poll, nothing changed        {microseconds(identity.refresh, 200) / 1e3:8.3f} ms")
        print(f"reload {KEYS:,} keys            {reload_ms:8.1f} ms")
        identity._revision = -1
        started = time.perf_counter()
        identity.refresh()
        print(f"reload with one change       {(time.perf_counter() - started) * 1e3:8.1f} ms")
        print(f"issue a key                  {created * 1e3:8.2f} ms")
        print(f"reconcile one active caller  {microseconds(lambda: _report(quota, caller), 50) / 1e3:8.2f} ms")
        database.close()


if __name__ == "__main__":
    main()
