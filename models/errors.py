"""The one error tree of the platform.

    PlatformError
    ├── InvalidInputError      the caller can mend it; carries JSON Pointers
    ├── UnauthenticatedError
    ├── ForbiddenError
    │   └── GateClosedError    no valid approval; says what is missing
    ├── NotFoundError          also for what belongs to another tenant
    ├── ConflictError          an illegal move, or somebody was faster
    ├── QuotaExceededError     retry_after_seconds
    ├── UnavailableError       loading, draining, dependency away; retry_after_seconds
    ├── DeadlineError
    └── IntegrityError         a digest or a chain does not match: never retried, always told

Errors know nothing of HTTP: `services/problems.py` maps them to RFC 9457 by walking an error's ancestors.
The first line of a class's docstring is its title, Vietnamese and English divided by " | ". Messages never
repeat what the caller sent: they name the field, the rule and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for an official: Vietnamese, with English beside it."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input.

    `pointer` is a JSON Pointer (RFC 6901) into the request body, "" for the whole body.
    """

    pointer: str
    vi: str
    en: str


class PlatformError(Exception):
    """Lỗi của nền tảng | Platform error"""

    code: ClassVar[str] = "internal-error"

    def __init__(self, vi: str, en: str, *, code: str | None = None, **facts: Any) -> None:
        """Keep the message in both languages, a stable `code` word, and facts shown as extra members."""
        super().__init__(en)
        self.note = Note(vi, en)
        self.word = code or self.code
        self.facts = facts

    @classmethod
    def title(cls) -> Note:
        """The class's title: the first line of its docstring."""
        vi, _, en = (cls.__doc__ or "").strip().splitlines()[0].partition(" | ")
        return Note(vi, en or vi)


class InvalidInputError(PlatformError):
    """Dữ liệu gửi lên không hợp lệ | The input is not valid"""

    code = "invalid-input"

    def __init__(
        self, vi: str, en: str, faults: Sequence[Fault] = (), *, code: str | None = None, **facts: Any
    ) -> None:
        """Keep the faults, each with its JSON Pointer."""
        super().__init__(vi, en, code=code, **facts)
        self.faults = tuple(faults)

    @classmethod
    def at(cls, pointer: str, vi: str, en: str, *, code: str | None = None) -> InvalidInputError:
        """One fault at one place."""
        return cls(vi, en, (Fault(pointer, vi, en),), code=code)


class UnauthenticatedError(PlatformError):
    """Chưa xác thực | Not authenticated"""

    code = "unauthenticated"


class ForbiddenError(PlatformError):
    """Không có quyền | Not permitted"""

    code = "forbidden"


class GateClosedError(ForbiddenError):
    """Mô hình chưa được phép trả lời | The model may not answer"""

    code = "gate-closed"


class NotFoundError(PlatformError):
    """Không tìm thấy | Not found"""

    code = "not-found"


class ConflictError(PlatformError):
    """Xung đột trạng thái | Conflict"""

    code = "conflict"


class QuotaExceededError(PlatformError):
    """Vượt hạn mức | Quota exceeded"""

    code = "quota-exceeded"

    def __init__(self, vi: str, en: str, retry_after_seconds: int, *, code: str | None = None, **facts: Any) -> None:
        """Keep the whole seconds after which a new try may succeed."""
        super().__init__(vi, en, code=code, **facts)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(PlatformError):
    """Tạm thời chưa phục vụ được | Temporarily unavailable"""

    code = "unavailable"

    def __init__(
        self, vi: str, en: str, retry_after_seconds: int = 1, *, code: str | None = None, **facts: Any
    ) -> None:
        """Keep the whole seconds after which a new try may succeed."""
        super().__init__(vi, en, code=code, **facts)
        self.retry_after_seconds = retry_after_seconds


class DeadlineError(PlatformError):
    """Quá thời hạn | Deadline exceeded"""

    code = "deadline-exceeded"


class IntegrityError(PlatformError):
    """Dữ liệu không còn nguyên vẹn | Integrity check failed"""

    code = "integrity-failed"
