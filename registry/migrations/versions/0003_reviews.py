"""The life of a model version: registration, authors, reviews, statements, waivers, releases; console sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a release needs to the registry's entries, and the tables of review."""
    op.add_column(
        "entries",
        sa.Column(
            "percent", sa.Integer(), nullable=False, server_default="0", comment="share of shadow or canary traffic"
        ),
    )
    op.add_column(
        "entries", sa.Column("deprecated_at", sa.BigInteger(), nullable=True, comment="when its end was announced")
    )
    op.add_column("entries", sa.Column("sunset", sa.BigInteger(), nullable=True, comment="when it ends"))
    _intake()
    _life()
    _reviews()
    _signatures()
    _duties()
    _releases()
    _beside()


def _intake() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=True, comment="null until it is known"),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="received | quarantined | trying | registered | refused",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was refused: a word"),
        sa.Column("facts", sa.JSON(), nullable=False, comment="what was found and measured on the way"),
        sa.Column("object", sa.String(length=64), nullable=True, comment="name in the object store"),
        sa.Column("folder", sa.Text(), nullable=True, comment="where it lies: quarantine, later the registry"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_registrations_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        comment="Every attempt to bring a model in, also those that were refused.",
    )
    op.create_index(op.f("ix_registrations_name_version"), "registrations", ["name", "version"], unique=False)
    op.create_index(op.f("ix_registrations_state_updated_at"), "registrations", ["state", "updated_at"], unique=False)
    op.create_index(op.f("ix_registrations_tenant_id"), "registrations", ["tenant", "id"], unique=False)


def _life() -> None:
    op.create_table(
        "authors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("capacity", sa.String(length=16), nullable=False, comment="registrant | run | card | data | owner"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_authors_name_version")
        ),
        sa.PrimaryKeyConstraint("name", "version", "subject", "capacity", name=op.f("pk_authors")),
        comment="Who made it, in which capacity. None of them may review or release it (GOVERNANCE R1).",
    )
    op.create_index(op.f("ix_authors_subject"), "authors", ["subject"], unique=False)
    op.create_table(
        "moves",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("from_stage", sa.String(length=16), nullable=True, comment="null: it was registered"),
        sa.Column("to_stage", sa.String(length=16), nullable=False),
        sa.Column(
            "subject",
            sa.String(length=64),
            nullable=False,
            comment="a person, or the part of the platform that moved it",
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_moves_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
        comment="The life of a version, move by move: who has it since when.",
    )
    op.create_index(op.f("ix_moves_name_version_id"), "moves", ["name", "version", "id"], unique=False)


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False, comment="counts the submissions"),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False, comment="approve | reject | request_changes"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_reviews_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        comment="One decision of one person in each round.",
    )
    op.create_index(
        op.f("ix_reviews_name_version_round_subject"), "reviews", ["name", "version", "round", "subject"], unique=True
    )
    op.create_index(op.f("ix_reviews_subject"), "reviews", ["subject"], unique=False)
    op.create_table(
        "comments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "review",
            sa.String(length=64),
            nullable=True,
            comment="the decision it came with; null for a remark by itself",
        ),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column(
            "pointer",
            sa.String(length=256),
            nullable=False,
            comment="JSON Pointer into the card, the bias report or evaluation",
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_comments_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(op.f("ix_comments_name_version_id"), "comments", ["name", "version", "id"], unique=False)


def _signatures() -> None:
    op.create_table(
        "statements",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("review", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column(
            "sha256", sa.String(length=71), nullable=False, comment="of the statement's text; the approval lists it"
        ),
        sa.Column("key_id", sa.String(length=71), nullable=False),
        sa.Column(
            "custody", sa.String(length=16), nullable=False, comment="person | platform: who holds the private key"
        ),
        sa.Column(
            "public_key", sa.Text(), nullable=False, comment="PEM of the key or certificate that it verifies with"
        ),
        sa.Column("statement", sa.Text(), nullable=False, comment="DSSE envelope"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name=op.f("fk_statements_review")),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_statements_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
        comment="What each person signed. Verified again whenever the version is loaded.",
    )
    op.create_index(op.f("ix_statements_name_version_id"), "statements", ["name", "version", "id"], unique=False)
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=71), nullable=False, comment="key id: one key belongs to one person for ever"),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column(
            "public_key", sa.Text(), nullable=False, comment="PEM of the key or certificate chain as it was given"
        ),
        sa.Column("custody", sa.String(length=16), nullable=False, comment="person | platform"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_index(op.f("ix_signing_keys_subject"), "signing_keys", ["subject"], unique=False)


def _duties() -> None:
    op.create_table(
        "assignments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "ended_at", sa.BigInteger(), nullable=True, comment="null while it is open: neither decided nor drawn anew"
        ),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_assignments_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        comment="Whom the platform drew as reviewer, and until when (GOVERNANCE R2).",
    )
    op.create_index(
        op.f("ix_assignments_name_version_round_role"),
        "assignments",
        ["name", "version", "round", "role"],
        unique=False,
    )
    op.create_index(
        op.f("ix_assignments_subject_ended_at_due_at"), "assignments", ["subject", "ended_at", "due_at"], unique=False
    )
    op.create_table(
        "waivers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("gap", sa.String(length=256), nullable=False, comment="the rule or field that is waived"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False, comment="what is done instead"),
        sa.Column("subject", sa.String(length=64), nullable=False, comment="who granted it"),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_waivers_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waivers")),
        comment="A gap that somebody of higher rank answers for, for a time (GOVERNANCE R7).",
    )
    op.create_index(op.f("ix_waivers_expires_at"), "waivers", ["expires_at"], unique=False)
    op.create_index(op.f("ix_waivers_name_version_id"), "waivers", ["name", "version", "id"], unique=False)


def _releases() -> None:
    op.create_table(
        "releases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False, comment="shadow | canary | serving"),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("calls", sa.BigInteger(), nullable=False, comment="calls it computed in this stage"),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column(
            "dropped", sa.BigInteger(), nullable=False, comment="mirrored calls that were let go because it was busy"
        ),
        sa.Column(
            "differing",
            sa.BigInteger(),
            nullable=False,
            comment="mirrored calls with another outcome than the answer given",
        ),
        sa.Column("seconds", sa.JSON(), nullable=False, comment="computing time of both, summed: {own, serving}"),
        sa.Column("facts", sa.JSON(), nullable=False, comment="drill record, predecessor, what the guards found"),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_releases_name_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        comment="Each step of a release with what was measured in it.",
    )
    op.create_index(op.f("ix_releases_ended_at"), "releases", ["ended_at"], unique=False)
    op.create_index(op.f("ix_releases_name_version_id"), "releases", ["name", "version", "id"], unique=False)


def _beside() -> None:
    op.create_table(
        "views",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("evidence", sa.String(length=32), nullable=False, comment="card | evaluation | bias_report | diff"),
        sa.Column("digest", sa.String(length=71), nullable=False, comment="of what was shown"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["entries.name", "entries.version"], name=op.f("fk_views_name_version")
        ),
        sa.PrimaryKeyConstraint("name", "version", "subject", "evidence", "digest", name=op.f("pk_views")),
        comment="Who opened which evidence: a review without it is refused (GOVERNANCE R10).",
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_sessions_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        comment="Signed-in browsers of the console.",
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
