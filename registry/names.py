"""Ids of what a tenant makes: they sort by time, and nobody can guess one."""

from __future__ import annotations

import secrets
from datetime import datetime

from registry.tables import to_micros


def new_id(prefix: str, at: datetime) -> str:
    """`prefix_` + the millisecond in eleven hexadecimal digits + 96 random bits: newer ids are greater."""
    return f"{prefix}_{to_micros(at) // 1000:011x}{secrets.token_hex(12)}"
