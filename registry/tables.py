"""Every table of the platform's database; those of a model's review stand in `registry.review_tables`.

Decisions
- Ids are strings made by the code (never autoincrement), so both dialects and all processes agree.
- The ledger table is append-only: triggers refuse UPDATE and DELETE (and TRUNCATE on PostgreSQL). They are a
  tripwire; the proof is the hash chain and the checkpoints outside the database (registry.ledger).
- This module holds shape only. A change here needs a migration in `registry/migrations/versions`; a test
  compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from registry.columns import EPOCH, MICROSECOND, Instant, from_micros, metadata, to_micros
from registry.review_tables import (
    assignments,
    authors,
    comments,
    moves,
    registrations,
    releases,
    reviews,
    sessions,
    signing_keys,
    statements,
    views,
    waivers,
)

__all__ = [
    "EPOCH", "MICROSECOND", "Instant", "assignments", "authors", "comments", "from_micros", "metadata",
    "moves", "registrations", "releases", "reviews", "sessions", "signing_keys", "statements", "to_micros", "views",
    "waivers",
]  # fmt: skip

SCHEMA = "0004"

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
    Column("percent", Integer, nullable=False, server_default="0", comment="share of shadow or canary traffic"),
    Column("deprecated_at", Instant, nullable=True, comment="when its end was announced"),
    Column("sunset", Instant, nullable=True, comment="when it ends"),
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

# --- files and readings (registry.files, registry.readings) ---------------------------------------------------

files = Table(
    "files",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("filename", String(512), nullable=False),
    Column("status", String(16), nullable=False, comment="uploading | ready"),
    Column("bytes", BigInteger, nullable=False, comment="as declared while uploading, as stored once ready"),
    Column("sha256", String(64), nullable=False),
    Column("object", String(64), nullable=True, comment="name in the object store; null while uploading"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "tenant", "id"),
    Index(None, "expires_at"),
    comment="Deleting a file deletes its row and its bytes; the ledger keeps the record of both.",
)

storage = Table(
    "storage",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("quota_bytes", BigInteger, nullable=True, comment="null: the installation's default"),
    comment="What a tenant keeps in the object store: files, inline data and results of jobs.",
)

readings = Table(
    "readings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("subject_id", String(64), nullable=False),
    Column("file_id", String(64), nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("name", String(128), nullable=True, comment="a named reading is applied to files with its fingerprint"),
    Column("fingerprint", String(128), nullable=False, comment="of the headers (models.tables.reading.fingerprint)"),
    Column("version", Integer, nullable=False, comment="counts corrections; the ETag"),
    Column("document", JSON, nullable=False),
    Column("open_questions", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "tenant", "id"),
    Index(None, "tenant", "file_id"),
    Index(None, "tenant", "fingerprint", "name"),
)

# --- jobs (registry.jobs, registry.claims, registry.deliveries) -----------------------------------------------

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("actor", JSON, nullable=False, comment="who asked: subject, kind, role, key; opaque ids only"),
    Column("request_id", String(128), nullable=False),
    Column("idempotency", String(64), nullable=True, comment="digest of the caller's Idempotency-Key"),
    Column("request_sha256", String(64), nullable=True, comment="of the request under that key"),
    Column("type", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("file_id", String(64), nullable=True),
    Column("reading_id", String(64), nullable=True),
    Column("accept_guess", Boolean, nullable=False),
    Column("data_object", String(64), nullable=True, comment="inline data, kept in the object store"),
    Column("input_sha256", String(64), nullable=False, comment="of the file, or of the inline data"),
    Column(
        "reading",
        JSON(none_as_null=True),
        nullable=True,
        comment="the reading in force, as it was when the job was planned",
    ),
    Column("reading_sha256", String(64), nullable=True),
    Column("parameters", JSON, nullable=False),
    Column("parameters_sha256", String(64), nullable=False),
    Column("model", JSON, nullable=False, comment="the entry that the gate let pass: name, version, card, artifact"),
    Column("webhook_url", Text, nullable=True),
    Column("progress_done", BigInteger, nullable=False),
    Column("progress_total", BigInteger, nullable=False),
    Column("progress_unit", String(16), nullable=False),
    Column("planned", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, comment="times a worker took it up since it was queued by hand"),
    Column("strikes", Integer, nullable=False, comment="attempts that were lost without a chunk committed"),
    Column("runs", Integer, nullable=False, comment="workflows started for it; part of the workflow's id"),
    Column("dispatched", Boolean, nullable=False),
    Column("fence", BigInteger, nullable=False, comment="every claim and every end counts it up"),
    Column("executor", String(64), nullable=True),
    Column("heartbeat_at", Instant, nullable=True),
    Column("questions", JSON(none_as_null=True), nullable=True),
    Column("error", JSON(none_as_null=True), nullable=True),
    Column("result", JSON(none_as_null=True), nullable=True, comment="object, json, sha256, bytes, rows"),
    Column("counts", JSON(none_as_null=True), nullable=True),
    Column("held_back", Integer, nullable=False),
    Column("events", Integer, nullable=False, comment="the last event's number"),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant, nullable=True),
    Column("finished_at", Instant, nullable=True),
    Column("expires_at", Instant, nullable=False),
    Index(None, "tenant", "id"),
    Index(None, "tenant", "idempotency", unique=True),
    Index(None, "state", "dispatched", "tenant", "id"),
    Index(None, "expires_at"),
)

job_chunks = Table(
    "job_chunks",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False, comment="pending | done"),
    Column("items", BigInteger, nullable=False, comment="how far the job's progress moves with it"),
    Column("input_object", String(64), nullable=False),
    Column("input_sha256", String(64), nullable=False),
    Column("output_object", String(64), nullable=True),
    Column("output_sha256", String(64), nullable=True),
    Column("summary", JSON(none_as_null=True), nullable=True, comment="counts and what the end needs of every chunk"),
    Column("strikes", Integer, nullable=False, comment="times its computation was lost"),
    Column("commits", Integer, nullable=False, comment="0 or 1; more would be the fault that the fence forbids"),
    Column("fence", BigInteger, nullable=True, comment="under which it was committed"),
    Column("committed_at", Instant, nullable=True),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="the id of the SSE event"),
    Column("kind", String(16), nullable=False, comment="status | progress"),
    Column("body", JSON, nullable=False),
    Column("at", Instant, nullable=False),
)

executors = Table(
    "executors",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    comment="One row for each worker; one without a heartbeat for three intervals is dead.",
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("secret", LargeBinary(32), nullable=False, comment="signs deliveries (Standard Webhooks, HMAC-SHA256)"),
    Column("previous", LargeBinary, nullable=True, comment="the secret before, sealed"),
    Column("previous_until", Instant, nullable=True, comment="until when it signs too"),
    Column("allowed", JSON, nullable=False, comment="private hosts and networks that the operator allowed"),
    Column("updated_at", Instant, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True, comment="webhook-id, the same for every try"),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("event", String(32), nullable=False, comment="job.succeeded, job.failed, …"),
    Column("url", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", String(16), nullable=False, comment="pending | delivered | dead"),
    Column("tries", Integer, nullable=False),
    Column("due_at", Instant, nullable=True, comment="null once delivered or dead"),
    Column("fault", String(64), nullable=True, comment="why the last try failed: a word or an HTTP status"),
    Column("created_at", Instant, nullable=False),
    Column("delivered_at", Instant, nullable=True),
    Index(None, "due_at"),
    Index(None, "tenant", "id"),
    Index(None, "job_id"),
)
