"""What a repeated job must equal, and the webhook secret that still signs beside its successor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "jobs",
        sa.Column("request_sha256", sa.String(length=64), nullable=True, comment="of the request under that key"),
    )
    op.add_column(
        "webhooks",
        sa.Column("previous", sa.LargeBinary(), nullable=True, comment="the secret before, sealed"),
    )
    op.add_column(
        "webhooks", sa.Column("previous_until", sa.BigInteger(), nullable=True, comment="until when it signs too")
    )
