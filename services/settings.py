"""Every knob of the platform: type, unit, default, reason.

Decision: the environment is read in one place, `Settings.read`, and only when a door opens (command line, replica);
everything below receives plain values. The table in the README is generated from these fields.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from models.errors import InvalidInputError

PREFIX = "AICHUNG_"
TRUE = frozenset({"1", "true", "yes"})


def _knob(default: Any, reason: str) -> Any:
    return field(default=default, metadata={"reason": reason})


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs. Each is read from `AICHUNG_<NAME>`; units stand in the names."""

    home: Path = _knob(Path("var"), "state of this installation: database, keys, ledger checkpoints, MLflow, logs")
    http_host: str = _knob("127.0.0.1", "loopback, because TLS and the outer firewall belong to the gateway in front")
    http_port: int = _knob(8000, "all other ports of this installation are derived from it")
    profile: Literal["evaluation", "production"] = _knob(
        "evaluation", "evaluation creates tenants, keys and bootstrap approvals; production creates nothing"
    )
    database_url: str = _knob("", "empty: SQLite in the home; production requires postgresql+psycopg://…")
    data_mirror: str = _knob("", "folder with the public files that the data catalogue names; only training reads it")
    inference_threads: int = _knob(
        1, "threads that compute in one replica; beyond one, replicas scale and threads wait"
    )
    inference_queue: int = _knob(64, "requests that may wait for a thread before 503 with Retry-After")
    deadline_seconds: float = _knob(60.0, "a synchronous answer later than this is a 504; larger work is a job")
    memory_models: int = _knob(1_000, "models held open in one process")
    memory_bytes: int = _knob(2_147_483_648, "what the models held open in one process may weigh together, measured")
    memory_idle_seconds: float = _knob(3600.0, "a model that nobody calls is closed after this; default models stay")
    log_bytes: int = _knob(10_000_000, "size of one log file before it is rolled")
    log_files: int = _knob(5, "rolled log files kept for each process")
    metrics_flush_seconds: float = _knob(1.0, "interval at which a process adds its counts to the shared metrics")
    poll_seconds: float = _knob(0.4, "interval at which keys, tenants and approvals are refreshed; revocation ≤ 2 s")
    ledger_commit_seconds: float = _knob(0.04, "group commit interval of the ledger; at most 0.05")
    checkpoint_seconds: float = _knob(60.0, "interval of the signed ledger checkpoints outside the database")
    ready_seconds: float = _knob(120.0, "how long `aichung serve` waits for the first answer before it gives up")
    job_places: int = _knob(2, "chunks of jobs computed at once, each in a process of Ray that lives while jobs run")
    jobs_queued: int = _knob(20_000, "jobs of one tenant that may wait before 429 with Retry-After")
    job_idle_seconds: float = _knob(120.0, "the worker of the jobs ends after this long without a job")
    tracking_idle_seconds: float = _knob(900.0, "the tracking server sleeps after this long without a request")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from the environment. Raises InvalidInputError that names the variable and what is allowed."""
        values = os.environ if environment is None else environment
        known = {PREFIX + knob.name.upper(): knob for knob in fields(cls)}
        given = {}
        for variable, knob in known.items():
            if variable in values:
                given[knob.name] = _parse(variable, values[variable], knob.type)
        settings = cls(**given)
        _check(settings)
        return settings

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'aichung.db'}"

    @property
    def jobs_database(self) -> str:
        """The SQLAlchemy URL of the workflows' own database (DBOS)."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'jobs.db'}"

    @property
    def objects(self) -> Path:
        """Where files, inline data and results lie."""
        return self.home.resolve() / "objects"

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Rows (variable, default, reason) for the documentation."""
        return [(PREFIX + k.name.upper(), str(k.default), k.metadata["reason"]) for k in fields(cls)]


def _parse(variable: str, text: str, kind: Any) -> Any:
    try:
        if kind == "Path":
            return Path(text).expanduser()
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError as error:
        raise _wrong(variable, f"{kind}") from error
    return text


def _wrong(variable: str, allowed: str) -> InvalidInputError:
    return InvalidInputError(
        f"Biến {variable} không hợp lệ; cho phép: {allowed}.", f"{variable} is not valid; allowed: {allowed}."
    )


def _check(settings: Settings) -> None:
    if not 1024 <= settings.http_port <= 60_000:
        raise _wrong("AICHUNG_HTTP_PORT", "1024–60000")
    if settings.profile not in ("evaluation", "production"):
        raise _wrong("AICHUNG_PROFILE", "evaluation, production")
    if settings.profile == "production" and not settings.database_url.startswith("postgresql"):
        raise _wrong("AICHUNG_DATABASE_URL", "postgresql+psycopg://… (production)")
    if not re.fullmatch(r"[0-9A-Za-z.:\-]{1,255}", settings.http_host):
        raise _wrong("AICHUNG_HTTP_HOST", "an address or host name")
    for name in ("inference_threads", "inference_queue", "memory_models", "memory_bytes", "log_bytes", "log_files",
                 "job_places", "jobs_queued"):  # fmt: skip
        if getattr(settings, name) < 1:
            raise _wrong(PREFIX + name.upper(), "≥ 1")
    for name in ("deadline_seconds", "metrics_flush_seconds", "poll_seconds", "ledger_commit_seconds",
                 "checkpoint_seconds", "ready_seconds", "tracking_idle_seconds", "job_idle_seconds",
                 "memory_idle_seconds"):  # fmt: skip
        if not 0 < getattr(settings, name) < 86_400:
            raise _wrong(PREFIX + name.upper(), "0–86400 s")
    if settings.poll_seconds > 1.0:
        raise _wrong("AICHUNG_POLL_SECONDS", "≤ 1 (revocation acts within 2 s)")
