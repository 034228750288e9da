"""Every table of the platform's database, in one place.

Decisions
- Instants are whole microseconds since 1970 in UTC, in a BIGINT: the same bytes in SQLite and PostgreSQL, sorted
  and compared as numbers, no zone to lose.
- Ids are strings made by the code (never autoincrement), so both dialects and all processes agree.
- The ledger table is append-only: triggers refuse UPDATE and DELETE (and TRUNCATE on PostgreSQL). They are a
  tripwire; the proof is the hash chain and the checkpoints outside the database (registry.ledger).
- This module holds shape only. A change here needs a migration in `registry/migrations/versions`; a test
  compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

SCHEMA = "0001"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 of an aware datetime. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware datetime in UTC of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


class Instant(TypeDecorator[datetime]):
    """An aware datetime kept as whole microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Datetime to microseconds."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Microseconds to datetime in UTC."""
        return None if value is None else from_micros(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- the installation ---------------------------------------------------------------------------------------

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="What the installation knows of itself: its id, when it was created.",
)

revisions = Table(
    "revisions",
    metadata,
    Column("topic", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    comment="A counter per topic (keys, tenants, registry…): every process polls it and reloads when it moved.",
)

# --- identity (services.identity, quota, idempotency) -------------------------------------------------------

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("code", String(64), nullable=False),
    Column("vintage", String(32), nullable=False),
    Column("name", String(256), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("parent", String(64), ForeignKey("tenants.id"), nullable=True),
    Column("created_at", Instant, nullable=False),
    Index(None, "code", "vintage", unique=True),
    Index(None, "parent"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True, comment="the public id inside aic_<public id>_<secret>"),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("subject_name", String(256), nullable=False),
    Column("subject_kind", String(16), nullable=False),
    Column("role", String(32), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("secret_hmac", LargeBinary(32), nullable=False, comment="HMAC-SHA256 of the secret with the pepper"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=True),
    Column("revoked_at", Instant, nullable=True),
    Column("rotated_from", String(64), nullable=True),
    Column("overlap_until", Instant, nullable=True),
    Column("created_by", String(64), nullable=False),
    Index(None, "tenant", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("route", String(256), nullable=False),
    Column("body_digest", LargeBinary(32), nullable=False),
    Column("state", String(16), nullable=False, comment="in_flight | done"),
    Column("status", Integer, nullable=True),
    Column("headers", JSON, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Column("created_at", Instant, nullable=False),
    Index(None, "created_at"),
)

usage = Table(
    "usage",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("window_start", Instant, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Index(None, "tenant", "window_start"),
    Index(None, "window_start"),
)

# --- registry -----------------------------------------------------------------------------------------------

entries = Table(
    "entries",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("tasks", JSON, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("tier", String(2), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("digests", JSON, nullable=False),
    Column("folder", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("created_at", Instant, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("statement", Text, nullable=False, comment="DSSE envelope; every fact of the approval is inside it"),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["entries.name", "entries.version"]),
    Index(None, "name", "version"),
)

defaults = Table(
    "defaults",
    metadata,
    Column("task", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    ForeignKeyConstraint(["name", "version"], ["entries.name", "entries.version"]),
)

# --- ledger -------------------------------------------------------------------------------------------------

ledger = Table(
    "ledger",
    metadata,
    Column("chain_uid", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("ts", BigInteger, nullable=False, comment="microseconds since 1970, as asserted by the writer"),
    Column("event", String(64), nullable=False),
    Column("tenant", String(64), nullable=True),
    Column("request_id", String(128), nullable=True),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("record", Text, nullable=False, comment="the record's exact bytes in UTF-8: what the leaf is the hash of"),
    Index(None, "ts"),
    Index(None, "tenant", "ts"),
    Index(None, "request_id"),
)

vault = Table(
    "vault",
    metadata,
    Column("chain_uid", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary(32), nullable=False, comment="k of commit = HMAC-SHA256(k, input digest)"),
    Column("expires_at", BigInteger, nullable=False, comment="microseconds since 1970; then the key is erased"),
    Index(None, "expires_at"),
    comment="Deletable: erasing a key makes the commitment unlinkable while the chain stays valid.",
)
