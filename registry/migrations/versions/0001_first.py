"""The first schema: installation, identity, registry, ledger; the ledger refuses UPDATE and DELETE."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_TRIGGER = """
CREATE TRIGGER ledger_refuses_{word} BEFORE {word} ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER ledger_refuses_{word} BEFORE {word} ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
"""


def upgrade() -> None:
    """Create every table, then the tripwires."""
    _installation()
    _identity()
    _traffic()
    _registry()
    _ledger()
    if op.get_context().dialect.name == "sqlite":
        for word in ("UPDATE", "DELETE"):
            op.execute(_SQLITE_TRIGGER.format(word=word))
        return
    op.execute(_POSTGRES_FUNCTION)
    for word in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(_POSTGRES_TRIGGER.format(word=word))


def _installation() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
        comment="What the installation knows of itself: its id, when it was created.",
    )
    op.create_table(
        "revisions",
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_revisions")),
        comment="A counter per topic (keys, tenants, registry…): every process polls it and reloads when it moved.",
    )


def _identity() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("vintage", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["tenants.id"], name=op.f("fk_tenants_parent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_index(op.f("ix_tenants_code_vintage"), "tenants", ["code", "vintage"], unique=True)
    op.create_index(op.f("ix_tenants_parent"), "tenants", ["parent"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=64), nullable=False, comment="the public id inside aic_<public id>_<secret>"),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("subject_name", sa.String(length=256), nullable=False),
        sa.Column("subject_kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column(
            "secret_hmac",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA256 of the secret with the pepper",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("rotated_from", sa.String(length=64), nullable=True),
        sa.Column("overlap_until", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_keys_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.create_index(op.f("ix_keys_tenant_id"), "keys", ["tenant", "id"], unique=False)


def _traffic() -> None:
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("route", sa.String(length=256), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="in_flight | done"),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "usage",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("window_start", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "window_start", name=op.f("pk_usage")),
    )
    op.create_index(op.f("ix_usage_tenant_window_start"), "usage", ["tenant", "window_start"], unique=False)
    op.create_index(op.f("ix_usage_window_start"), "usage", ["window_start"], unique=False)


def _registry() -> None:
    op.create_table(
        "entries",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("tier", sa.String(length=2), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_entries")),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column(
            "statement", sa.Text(), nullable=False, comment="DSSE envelope; every fact of the approval is inside it"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_approvals_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_name_version"), "approvals", ["name", "version"], unique=False)
    op.create_table(
        "defaults",
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_defaults_name_version")
        ),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_defaults")),
    )


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("chain_uid", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False, comment="microseconds since 1970, as asserted by the writer"),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "record",
            sa.Text(),
            nullable=False,
            comment="the record's exact bytes in UTF-8: what the leaf is the hash of",
        ),
        sa.PrimaryKeyConstraint("chain_uid", "seq", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_request_id"), "ledger", ["request_id"], unique=False)
    op.create_index(op.f("ix_ledger_tenant_ts"), "ledger", ["tenant", "ts"], unique=False)
    op.create_index(op.f("ix_ledger_ts"), "ledger", ["ts"], unique=False)
    op.create_table(
        "vault",
        sa.Column("chain_uid", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "key", sa.LargeBinary(length=32), nullable=False, comment="k of commit = HMAC-SHA256(k, input digest)"
        ),
        sa.Column(
            "expires_at", sa.BigInteger(), nullable=False, comment="microseconds since 1970; then the key is erased"
        ),
        sa.PrimaryKeyConstraint("chain_uid", "seq", name=op.f("pk_vault")),
        comment="Deletable: erasing a key makes the commitment unlinkable while the chain stays valid.",
    )
    op.create_index(op.f("ix_vault_expires_at"), "vault", ["expires_at"], unique=False)
