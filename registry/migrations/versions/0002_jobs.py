"""Files, readings and jobs: what an office uploads, how it was understood, and the long work done on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of files, of jobs and of webhooks."""
    _files()
    _readings()
    _jobs()
    _job_indexes()
    _parts()
    _webhooks()


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=512), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False, comment="uploading | ready"),
        sa.Column(
            "bytes", sa.BigInteger(), nullable=False, comment="as declared while uploading, as stored once ready"
        ),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "object", sa.String(length=64), nullable=True, comment="name in the object store; null while uploading"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_files_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        comment="Deleting a file deletes its row and its bytes; the ledger keeps the record of both.",
    )
    op.create_index(op.f("ix_files_expires_at"), "files", ["expires_at"], unique=False)
    op.create_index(op.f("ix_files_tenant_id"), "files", ["tenant", "id"], unique=False)
    op.create_table(
        "storage",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True, comment="null: the installation's default"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_storage_tenant")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_storage")),
        comment="What a tenant keeps in the object store: files, inline data and results of jobs.",
    )


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=128),
            nullable=True,
            comment="a named reading is applied to files with its fingerprint",
        ),
        sa.Column(
            "fingerprint",
            sa.String(length=128),
            nullable=False,
            comment="of the headers (models.tables.reading.fingerprint)",
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="counts corrections; the ETag"),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("open_questions", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_readings_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
    )
    op.create_index(op.f("ix_readings_tenant_file_id"), "readings", ["tenant", "file_id"], unique=False)
    op.create_index(
        op.f("ix_readings_tenant_fingerprint_name"), "readings", ["tenant", "fingerprint", "name"], unique=False
    )
    op.create_index(op.f("ix_readings_tenant_id"), "readings", ["tenant", "id"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False, comment="who asked: subject, kind, role, key; opaque ids only"),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("idempotency", sa.String(length=64), nullable=True, comment="digest of the caller's Idempotency-Key"),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=True),
        sa.Column("reading_id", sa.String(length=64), nullable=True),
        sa.Column("accept_guess", sa.Boolean(), nullable=False),
        sa.Column("data_object", sa.String(length=64), nullable=True, comment="inline data, kept in the object store"),
        sa.Column("input_sha256", sa.String(length=64), nullable=False, comment="of the file, or of the inline data"),
        sa.Column(
            "reading", sa.JSON(), nullable=True, comment="the reading in force, as it was when the job was planned"
        ),
        sa.Column("reading_sha256", sa.String(length=64), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("parameters_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "model",
            sa.JSON(),
            nullable=False,
            comment="the entry that the gate let pass: name, version, card, artifact",
        ),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=False),
        sa.Column("progress_unit", sa.String(length=16), nullable=False),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column(
            "attempts", sa.Integer(), nullable=False, comment="times a worker took it up since it was queued by hand"
        ),
        sa.Column("strikes", sa.Integer(), nullable=False, comment="attempts that were lost without a chunk committed"),
        sa.Column("runs", sa.Integer(), nullable=False, comment="workflows started for it; part of the workflow's id"),
        sa.Column("dispatched", sa.Boolean(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False, comment="every claim and every end counts it up"),
        sa.Column("executor", sa.String(length=64), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("questions", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True, comment="object, json, sha256, bytes, rows"),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.Column("held_back", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False, comment="the last event's number"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_jobs_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )


def _job_indexes() -> None:
    op.create_index(op.f("ix_jobs_expires_at"), "jobs", ["expires_at"], unique=False)
    op.create_index(
        op.f("ix_jobs_state_dispatched_tenant_id"), "jobs", ["state", "dispatched", "tenant", "id"], unique=False
    )
    op.create_index(op.f("ix_jobs_tenant_id"), "jobs", ["tenant", "id"], unique=False)
    op.create_index(op.f("ix_jobs_tenant_idempotency"), "jobs", ["tenant", "idempotency"], unique=True)


def _parts() -> None:
    op.create_table(
        "job_chunks",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="pending | done"),
        sa.Column("items", sa.BigInteger(), nullable=False, comment="how far the job's progress moves with it"),
        sa.Column("input_object", sa.String(length=64), nullable=False),
        sa.Column("input_sha256", sa.String(length=64), nullable=False),
        sa.Column("output_object", sa.String(length=64), nullable=True),
        sa.Column("output_sha256", sa.String(length=64), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=True, comment="counts and what the end needs of every chunk"),
        sa.Column("strikes", sa.Integer(), nullable=False, comment="times its computation was lost"),
        sa.Column(
            "commits", sa.Integer(), nullable=False, comment="0 or 1; more would be the fault that the fence forbids"
        ),
        sa.Column("fence", sa.BigInteger(), nullable=True, comment="under which it was committed"),
        sa.Column("committed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_chunks_job_id")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_chunks")),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="the id of the SSE event"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="status | progress"),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_events")),
    )
    op.create_table(
        "executors",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executors")),
        comment="One row for each worker; one without a heartbeat for three intervals is dead.",
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column(
            "secret",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="signs deliveries (Standard Webhooks, HMAC-SHA256)",
        ),
        sa.Column("allowed", sa.JSON(), nullable=False, comment="private hosts and networks that the operator allowed"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_webhooks_tenant")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=64), nullable=False, comment="webhook-id, the same for every try"),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False, comment="job.succeeded, job.failed, …"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="pending | delivered | dead"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True, comment="null once delivered or dead"),
        sa.Column(
            "fault", sa.String(length=64), nullable=True, comment="why the last try failed: a word or an HTTP status"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_deliveries_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_due_at"), "deliveries", ["due_at"], unique=False)
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"], unique=False)
    op.create_index(op.f("ix_deliveries_tenant_id"), "deliveries", ["tenant", "id"], unique=False)
