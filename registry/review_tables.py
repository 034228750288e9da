"""The tables of a model version's life: how it came in, who made it, who said what about it, how it was released.

Decisions
- Nothing here opens the gate. A row is a note of what happened; what may serve is decided by signed statements and the
  digests of the files (registry.gate), so that a changed row cannot approve anything.
- Decisions are only added, never changed (GOVERNANCE R8): a new round of review is new rows.
- `subject` is a person or system (`keys.subject_id`), never a key: four eyes compares persons.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Table, Text

from registry.columns import Instant, metadata


def _entry() -> ForeignKeyConstraint:
    """The model version a row is about."""
    return ForeignKeyConstraint(["name", "version"], ["entries.name", "entries.version"])


registrations = Table(
    "registrations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=True, comment="null until it is known"),
    Column("state", String(16), nullable=False, comment="received | quarantined | trying | registered | refused"),
    Column("reason", Text, nullable=True, comment="why it was refused: a word"),
    Column("facts", JSON, nullable=False, comment="what was found and measured on the way"),
    Column("object", String(64), nullable=True, comment="name in the object store"),
    Column("folder", Text, nullable=True, comment="where it lies: quarantine, later the registry"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "tenant", "id"),
    Index(None, "name", "version"),
    Index(None, "state", "updated_at"),
    comment="Every attempt to bring a model in, also those that were refused.",
)

authors = Table(
    "authors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("capacity", String(16), primary_key=True, comment="registrant | run | card | data | owner"),
    Column("at", Instant, nullable=False),
    _entry(),
    Index(None, "subject"),
    comment="Who made it, in which capacity. None of them may review or release it (GOVERNANCE R1).",
)

moves = Table(
    "moves",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("from_stage", String(16), nullable=True, comment="null: it was registered"),
    Column("to_stage", String(16), nullable=False),
    Column("subject", String(64), nullable=False, comment="a person, or the part of the platform that moved it"),
    Column("reason", Text, nullable=True),
    Column("at", Instant, nullable=False),
    _entry(),
    Index(None, "name", "version", "id"),
    comment="The life of a version, move by move: who has it since when.",
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("round", Integer, nullable=False, comment="counts the submissions"),
    Column("subject", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("decision", String(16), nullable=False, comment="approve | reject | request_changes"),
    Column("at", Instant, nullable=False),
    _entry(),
    Index(None, "name", "version", "round", "subject", unique=True),
    Index(None, "subject"),
    comment="One decision of one person in each round.",
)

comments = Table(
    "comments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("review", String(64), nullable=True, comment="the decision it came with; null for a remark by itself"),
    Column("subject", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("pointer", String(256), nullable=False, comment="JSON Pointer into the card, the bias report or evaluation"),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
    _entry(),
    Index(None, "name", "version", "id"),
)

statements = Table(
    "statements",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("review", String(64), ForeignKey("reviews.id"), nullable=True),
    Column("subject", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("sha256", String(71), nullable=False, comment="of the statement's text; the approval lists it"),
    Column("key_id", String(71), nullable=False),
    Column("custody", String(16), nullable=False, comment="person | platform: who holds the private key"),
    Column("public_key", Text, nullable=False, comment="PEM of the key or certificate that it verifies with"),
    Column("statement", Text, nullable=False, comment="DSSE envelope"),
    Column("at", Instant, nullable=False),
    _entry(),
    Index(None, "name", "version", "id"),
    comment="What each person signed. Verified again whenever the version is loaded.",
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("role", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=True, comment="null while it is open: neither decided nor drawn anew"),
    _entry(),
    Index(None, "name", "version", "round", "role"),
    Index(None, "subject", "ended_at", "due_at"),
    comment="Whom the platform drew as reviewer, and until when (GOVERNANCE R2).",
)

waivers = Table(
    "waivers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("gap", String(256), nullable=False, comment="the rule or field that is waived"),
    Column("reason", Text, nullable=False),
    Column("control", Text, nullable=False, comment="what is done instead"),
    Column("subject", String(64), nullable=False, comment="who granted it"),
    Column("role", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    _entry(),
    Index(None, "name", "version", "id"),
    Index(None, "expires_at"),
    comment="A gap that somebody of higher rank answers for, for a time (GOVERNANCE R7).",
)

releases = Table(
    "releases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("stage", String(16), nullable=False, comment="shadow | canary | serving"),
    Column("percent", Integer, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=True),
    Column("calls", BigInteger, nullable=False, comment="calls it computed in this stage"),
    Column("failures", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False, comment="mirrored calls that were let go because it was busy"),
    Column(
        "differing", BigInteger, nullable=False, comment="mirrored calls with another outcome than the answer given"
    ),
    Column("seconds", JSON, nullable=False, comment="computing time of both, summed: {own, serving}"),
    Column("facts", JSON, nullable=False, comment="drill record, predecessor, what the guards found"),
    _entry(),
    Index(None, "name", "version", "id"),
    Index(None, "ended_at"),
    comment="Each step of a release with what was measured in it.",
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(71), primary_key=True, comment="key id: one key belongs to one person for ever"),
    Column("subject", String(64), nullable=False),
    Column("algorithm", String(32), nullable=False),
    Column("public_key", Text, nullable=False, comment="PEM of the key or certificate chain as it was given"),
    Column("custody", String(16), nullable=False, comment="person | platform"),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant, nullable=True),
    Index(None, "subject"),
)

views = Table(
    "views",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("evidence", String(32), primary_key=True, comment="card | evaluation | bias_report | diff"),
    Column("digest", String(71), primary_key=True, comment="of what was shown"),
    Column("at", Instant, nullable=False),
    _entry(),
    comment="Who opened which evidence: a review without it is refused (GOVERNANCE R10).",
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("key_id", String(64), ForeignKey("keys.id"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "expires_at"),
    comment="Signed-in browsers of the console.",
)
