"""The evaluation installation: example organisations and one key for each role, made at the first start.

Decision: every key belongs to a different person or system, so that whoever tries the platform meets four eyes as
they are. `engineer_b` stands in another organisation than `engineer`, so that the border between organisations can
be tried too.

Decision: keys.json is written before the transaction that makes its keys valid commits and takes its name
afterwards: a crash in between leaves either nothing or everything, never keys that nobody knows. A lost file is
mended by `reissue`, never by the start: whoever lost it must know that other keys are in force from then on.

The production profile never calls this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, select, update

from models.errors import ConflictError, Note
from registry.database import Database
from registry.tables import facts
from registry.tables import keys as keys_table
from services import keyring
from services.callers import WIDE_LIMITS
from services.identity import TOPIC
from services.keyring import NewKey
from services.keys import PATTERN, digest_of, split, write_private
from services.roles import granted
from services.tenants import NewTenant, insert_tenant, load_tenants

FILE: Final = "keys.json"
FACT: Final = "evaluation"
FOUNDER: Final = "evaluation"
VINTAGE: Final = "2025-07-01"

PLATFORM, MINISTRY, PROVINCE, PROVINCE_B, COMMUNE = "AICHUNG", "BYT", "75", "56", "26248"

TENANTS: Final = (
    NewTenant(PLATFORM, VINTAGE, "Đơn vị vận hành nền tảng AI Chung", "platform", "central"),
    NewTenant(MINISTRY, VINTAGE, "Bộ Y tế", "state", "central"),
    NewTenant(PROVINCE, VINTAGE, "Thành phố Đồng Nai", "state", "province"),
    NewTenant(PROVINCE_B, VINTAGE, "Tỉnh Khánh Hòa", "state", "province"),
    NewTenant(COMMUNE, VINTAGE, "Xã Trảng Bom", "state", "commune", parent=PROVINCE),
)
"""Codes: the statistical list of administrative units in force since `VINTAGE`; here `parent` is a code."""


@dataclass(frozen=True, slots=True)
class Post:
    """One named key of the evaluation installation."""

    tenant: str
    role: str
    kind: str
    name: str


POSTS: Final[Mapping[str, Post]] = {
    "ministry": Post(MINISTRY, "service", "system", "Hệ thống của Bộ Y tế (đánh giá)"),
    "province": Post(PROVINCE, "service", "system", "Hệ thống của thành phố Đồng Nai (đánh giá)"),
    "province_b": Post(PROVINCE_B, "service", "system", "Hệ thống của tỉnh Khánh Hòa (đánh giá)"),
    "commune": Post(COMMUNE, "service", "system", "Hệ thống của xã Trảng Bom (đánh giá)"),
    "engineer": Post(PLATFORM, "ml_engineer", "person", "Kỹ sư học máy (đánh giá)"),
    "engineer_b": Post(MINISTRY, "ml_engineer", "person", "Kỹ sư học máy của Bộ Y tế (đánh giá)"),
    "reviewer": Post(PLATFORM, "tech_reviewer", "person", "Người thẩm định kỹ thuật (đánh giá)"),
    "fairness_reviewer": Post(PLATFORM, "fairness_reviewer", "person", "Người thẩm định công bằng (đánh giá)"),
    "owner": Post(PLATFORM, "model_owner", "person", "Chủ mô hình (đánh giá)"),
    "operator": Post(PLATFORM, "release_operator", "person", "Người vận hành phát hành (đánh giá)"),
    "dpo": Post(PLATFORM, "dpo", "person", "Nhân sự bảo vệ dữ liệu cá nhân (đánh giá)"),
    "security_officer": Post(PLATFORM, "security_officer", "person", "Cán bộ an ninh mạng (đánh giá)"),
    "agency_head": Post(PLATFORM, "agency_head", "person", "Người đứng đầu cơ quan (đánh giá)"),
    "appeals_officer": Post(PLATFORM, "appeals_officer", "person", "Người giải quyết khiếu nại (đánh giá)"),
    "data_steward": Post(PLATFORM, "data_steward", "person", "Người quản lý dữ liệu (đánh giá)"),
    "inspector": Post(PLATFORM, "inspector", "person", "Thanh tra (đánh giá)"),
    "admin": Post(PLATFORM, "platform_admin", "person", "Quản trị khóa và tổ chức (đánh giá)"),
}


def found_evaluation(database: Database, pepper: bytes, home: Path, at: datetime) -> list[Note]:
    """Create the tenants and keys on the first start; afterwards only look whether the file of keys is right.

    Returns what the operator should know (empty when all is well). Raises what the database and the disk raise.
    """
    file, draft = home / FILE, home / f"{FILE}.new"
    with database.write() as connection:
        if not _founded(connection):
            codes: dict[str, str] = {}
            for new in TENANTS:
                parent = codes[new.parent] if new.parent else None
                made = NewTenant(new.code, new.vintage, new.name, new.kind, new.level, parent)
                codes[new.code] = insert_tenant(connection, made, at).id
            _write(draft, _issue_all(connection, pepper, codes, at))
            connection.execute(insert(facts).values(name=FACT, value=at.isoformat()))
            database.bump(connection, TOPIC)
        elif _widen(connection):
            database.bump(connection, TOPIC)
    if draft.exists() and _valid(database, pepper, draft):
        draft.replace(file)
    draft.unlink(missing_ok=True)
    return _findings(database, pepper, file)


def reissue(database: Database, pepper: bytes, home: Path, at: datetime) -> Path:
    """Revoke the evaluation keys and issue new ones for the same persons and systems; the file they stand in.

    Raises ConflictError when this installation is not an evaluation installation.
    """
    file, draft = home / FILE, home / f"{FILE}.new"
    with database.write() as connection:
        if not _founded(connection):
            raise ConflictError(
                "Bản cài đặt này không phải bản đánh giá.",
                "This is not an evaluation installation.",
                code="not-evaluation",
            )
        subjects = select(keys_table.c.subject_id).where(keys_table.c.created_by == FOUNDER).scalar_subquery()
        old = keys_table.c.subject_id.in_(subjects) & keys_table.c.revoked_at.is_(None)
        connection.execute(update(keys_table).where(old).values(revoked_at=at))
        codes = {tenant.code: tenant.id for tenant in load_tenants(connection) if tenant.vintage == VINTAGE}
        _write(draft, _issue_all(connection, pepper, codes, at))
        database.bump(connection, TOPIC)
    draft.replace(file)
    return file


def _founded(connection: Connection) -> bool:
    return connection.execute(select(facts.c.value).where(facts.c.name == FACT)).scalar_one_or_none() is not None


def _issue_all(connection: Connection, pepper: bytes, codes: Mapping[str, str], at: datetime) -> dict[str, str]:
    texts = {}
    for name, post in POSTS.items():
        scopes = granted(post.role, None, platform=post.tenant == PLATFORM, kind=post.kind)
        new = NewKey(codes[post.tenant], post.name, post.kind, post.role, scopes, WIDE_LIMITS)
        texts[name] = keyring.issue(connection, pepper, new, by=FOUNDER, at=at).minted.text
    return texts


def _widen(connection: Connection) -> bool:
    """Give the evaluation keys what their roles may by now; whether any lacked something.

    An older installation's keys were issued before files and jobs existed. Keys that people issued stay as they are.
    """
    kinds = {tenant.id: tenant.kind for tenant in load_tenants(connection)}
    living = select(keys_table).where(keys_table.c.created_by == FOUNDER, keys_table.c.revoked_at.is_(None))
    widened = False
    for row in connection.execute(living).all():
        own = granted(row.role, None, platform=kinds[row.tenant] == "platform", kind=row.subject_kind)
        if not set(own) <= set(row.scopes):
            values = {"scopes": list(dict.fromkeys([*row.scopes, *own]))}
            connection.execute(update(keys_table).where(keys_table.c.id == row.id).values(values))
            widened = True
    return widened


def _write(path: Path, texts: Mapping[str, str]) -> None:
    write_private(path, json.dumps(texts, indent=1).encode() + b"\n")


def read_keys(home: Path) -> dict[str, str]:
    """The keys of the evaluation installation by name; empty when the file is missing or not readable as such."""
    try:
        texts = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(texts, dict):
        return {}
    return {name: text for name, text in texts.items() if isinstance(text, str) and PATTERN.fullmatch(text)}


def _valid(database: Database, pepper: bytes, path: Path) -> bool:
    """Whether every key in the file stands in the database: the transaction that made them did commit."""
    try:
        tokens = [split(text) for text in json.loads(path.read_text(encoding="utf-8")).values()]
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    with database.read() as connection:
        rows = connection.execute(select(keys_table.c.id, keys_table.c.secret_hmac))
        known = {row.id: row.secret_hmac for row in rows}
    return all(token is not None and known.get(token[0]) == digest_of(pepper, token[1]) for token in tokens)


def _findings(database: Database, pepper: bytes, file: Path) -> list[Note]:
    if file.exists() and _valid(database, pepper, file):
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
            return [Note(f"Đã đặt lại quyền 0600 cho {file}.", f"Permissions of {file} were set back to 0600.")]
        return []
    return [
        Note(
            f"{file} bị mất hoặc không khớp với cơ sở dữ liệu; cấp lại bằng: aichung keys reissue",
            f"{file} is missing or does not match the database; issue new keys with: aichung keys reissue",
        )
    ]
