"""Roles and scopes: who may do what, as data.

Decision: permission = role × organisation × scope. A role is a row of the table below (GOVERNANCE §4.1), not a
branch in the code, so the API, the tests and the inspector read the same thing. A key carries a subset of its
role's scopes: it can be narrowed when it is created, never widened.

Decision: the administrator manages keys and tenants and nothing else, no content and no approval; whoever could
both hand out keys and use a model would be his own controller.

Decision: a few scopes look over the whole platform (every tenant's records, all metrics, stopping a shared model).
They work only for keys of the platform's own tenant: an organisation that administers its own keys must not be able
to make itself an inspector of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.errors import Fault, InvalidInputError, Note

PREDICT: Final = "predict"
FILES_READ: Final = "files:read"
FILES_WRITE: Final = "files:write"
JOBS_READ: Final = "jobs:read"
JOBS_WRITE: Final = "jobs:write"
WEBHOOKS_MANAGE: Final = "webhooks:manage"
MODELS_READ: Final = "models:read"
MODELS_REGISTER: Final = "models:register"
MODELS_REVIEW: Final = "models:review"
MODELS_RELEASE: Final = "models:release"
MODELS_SUSPEND: Final = "models:suspend"
KEYS_MANAGE: Final = "keys:manage"
TENANTS_MANAGE: Final = "tenants:manage"
AUDIT_READ: Final = "audit:read"
AUDIT_ALL: Final = "audit:all"
USAGE_READ: Final = "usage:read"
KPIS_READ: Final = "kpis:read"
METRICS_READ: Final = "metrics:read"
TRACKING_USE: Final = "tracking:use"

PLATFORM_ONLY: Final = frozenset({AUDIT_ALL, METRICS_READ, MODELS_SUSPEND, WEBHOOKS_MANAGE})
"""Scopes that reach beyond the own organisation: void outside the platform's tenant."""

_READER: Final = (MODELS_READ, AUDIT_READ, USAGE_READ)
_WORKER: Final = (PREDICT, FILES_READ, FILES_WRITE, JOBS_READ, JOBS_WRITE)


@dataclass(frozen=True, slots=True)
class Role:
    """One role: its wire name, what officials call it, its scopes, and whether only persons may hold it."""

    name: str
    title: Note
    scopes: tuple[str, ...]
    persons_only: bool = True


def _role(name: str, vi: str, en: str, *scopes: str, persons_only: bool = True) -> tuple[str, Role]:
    return name, Role(name, Note(vi, en), scopes, persons_only)


ROLES: Final[dict[str, Role]] = dict(
    (
        _role("service", "bên gọi", "caller", *_WORKER, *_READER, persons_only=False),
        _role(
            "ml_engineer", "kỹ sư học máy (tác giả)", "ML engineer (author)",
            *_WORKER, TRACKING_USE, MODELS_REGISTER, *_READER, persons_only=False,
        ),
        _role("data_steward", "người quản lý dữ liệu", "data steward", *_WORKER, *_READER),
        _role(
            "model_owner", "chủ mô hình", "model owner",
            PREDICT, MODELS_REGISTER, MODELS_RELEASE, KPIS_READ, *_READER,
        ),
        _role("tech_reviewer", "người thẩm định kỹ thuật", "technical reviewer", PREDICT, MODELS_REVIEW, *_READER),
        _role("fairness_reviewer", "người thẩm định công bằng", "fairness reviewer", PREDICT, MODELS_REVIEW, *_READER),
        _role(
            "dpo", "nhân sự bảo vệ dữ liệu cá nhân", "data protection officer",
            MODELS_REVIEW, MODELS_SUSPEND, KPIS_READ, *_READER,
        ),
        _role(
            "security_officer", "cán bộ an ninh mạng", "security officer",
            MODELS_REVIEW, MODELS_SUSPEND, KPIS_READ, *_READER,
        ),
        _role(
            "agency_head", "người đứng đầu cơ quan", "head of the agency",
            MODELS_REVIEW, MODELS_SUSPEND, KPIS_READ, *_READER,
        ),
        _role(
            "release_operator", "người vận hành phát hành", "release operator",
            PREDICT, MODELS_RELEASE, MODELS_SUSPEND, METRICS_READ, KPIS_READ, WEBHOOKS_MANAGE, *_READER,
        ),
        _role("appeals_officer", "người giải quyết khiếu nại", "appeals officer", *_READER),
        _role(
            "inspector", "thanh tra (chỉ đọc)", "inspector (reads only)",
            MODELS_SUSPEND, AUDIT_ALL, KPIS_READ, METRICS_READ, *_READER,
        ),
        _role(
            "platform_admin", "quản trị khóa và tổ chức", "administrator of keys and tenants",
            KEYS_MANAGE, TENANTS_MANAGE, persons_only=False,
        ),
    )
)  # fmt: skip


def granted(role: str, scopes: Sequence[str] | None, *, platform: bool, kind: str) -> tuple[str, ...]:
    """The scopes of a new key: the role's own when none are asked for, else exactly those asked for.

    `platform` says whether the key belongs to the platform's own tenant; elsewhere the platform-wide scopes fall away.
    Raises InvalidInputError for an unknown role, a scope the role does not have, or a system in a person's role.
    """
    found = ROLES.get(role)
    if found is None:
        names = ", ".join(ROLES)
        raise InvalidInputError.at("/role", f"Vai trò phải là một trong: {names}.", f"role must be one of: {names}.")
    if found.persons_only and kind != "person":
        raise InvalidInputError.at(
            "/subject/kind", "Vai trò này chỉ giao cho người.", "This role can be held by a person only."
        )
    allowed = tuple(s for s in found.scopes if platform or s not in PLATFORM_ONLY)
    if not scopes:
        return allowed
    listed = ", ".join(allowed)
    faults = tuple(
        Fault(f"/scopes/{i}", f"Vai trò này chỉ có các quyền: {listed}.", f"This role has only the scopes: {listed}.")
        for i, scope in enumerate(scopes)
        if scope not in allowed
    )
    if faults:
        raise InvalidInputError("Quyền vượt quá vai trò.", "The scopes exceed the role.", faults)
    return tuple(dict.fromkeys(scopes))
