"""The console's words for what the registry keeps: stages, verdicts, decisions, moments, spans of time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from models.errors import Note
from registry.entries import Stage
from services.problems import Language
from services.roles import ROLES

PLACE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
VIETNAMESE: Final = re.compile("[ăâđêôơưĂÂĐÊÔƠƯàáạảãằắặẳẵầấậẩẫèéẹẻẽềếệểễìíịỉĩòóọỏõồốộổỗờớợởỡùúụủũừứựửữỳýỵỷỹ]")


class Mark(NamedTuple):
    """A word and the tone in which it is shown: good, wait, bad, calm or info; the sign tells it without colour."""

    word: Note
    tone: str

    @property
    def sign(self) -> str:
        """What stands before the word."""
        return {"good": "✓", "wait": "…", "bad": "✕", "info": "◐"}.get(self.tone, "○")


STAGES: Final[Mapping[Stage, Mark]] = {
    Stage.DRAFT: Mark(Note("Bản nháp", "Draft"), "calm"),
    Stage.CHECKING: Mark(Note("Máy đang kiểm tra", "Being checked"), "wait"),
    Stage.IN_REVIEW: Mark(Note("Đang thẩm định", "In review"), "wait"),
    Stage.APPROVED: Mark(Note("Đã phê duyệt", "Approved"), "info"),
    Stage.SHADOW: Mark(Note("Chạy ngầm", "Shadow"), "info"),
    Stage.CANARY: Mark(Note("Chạy thử một phần", "Canary"), "info"),
    Stage.SERVING: Mark(Note("Đang phục vụ", "Serving"), "good"),
    Stage.SUSPENDED: Mark(Note("Đình chỉ", "Suspended"), "bad"),
    Stage.EXPIRED: Mark(Note("Hết hiệu lực", "Expired"), "bad"),
    Stage.REJECTED: Mark(Note("Bị từ chối", "Rejected"), "bad"),
    Stage.REVOKED: Mark(Note("Bị thu hồi", "Revoked"), "bad"),
    Stage.RETIRED: Mark(Note("Đã ngừng", "Retired"), "calm"),
}
GATE: Final[Mapping[str, Note]] = {
    "open": Note("Được phép trả lời", "May answer"),
    "missing": Note("Chưa có phê duyệt", "There is no approval"),
    "altered": Note("Tệp hoặc chữ ký khác bản đã phê duyệt", "Files or signature are not what was approved"),
    "not-yet-valid": Note("Phê duyệt chưa đến ngày hiệu lực", "The approval is not valid yet"),
    "expired": Note("Phê duyệt đã hết hiệu lực", "The approval has expired"),
    "approved": Note("Đã phê duyệt nhưng chưa phát hành", "Approved but not released yet"),
    "shadow": Note("Đang chạy ngầm: kết quả không tới người gọi", "In shadow: callers get no answers of it"),
    "canary": Note("Mới trả lời một phần người gọi", "It answers a share of the callers only"),
    "tier": Note("Phê duyệt không dành cho mức kiểm soát này", "The approval does not cover this control tier"),
}
DECISIONS: Final[Mapping[str, Mark]] = {
    "approve": Mark(Note("Phê duyệt", "Approved"), "good"),
    "reject": Mark(Note("Từ chối", "Rejected"), "bad"),
    "request_changes": Mark(Note("Yêu cầu sửa", "Changes requested"), "wait"),
}
VERDICTS: Final[Mapping[str, Mark]] = {
    "PASS": Mark(Note("Đạt", "Pass"), "good"),
    "FAIL": Mark(Note("Không đạt", "Fail"), "bad"),
    "INSUFFICIENT_EVIDENCE": Mark(Note("Chưa đủ bằng chứng", "Insufficient evidence"), "wait"),
}
TIERS: Final[Mapping[str, Note]] = {
    "T0": Note("T0 · thử nghiệm, chỉ tác giả gọi", "T0 · sandbox, the author's calls only"),
    "T1": Note("T1 · thống kê, vận hành nội bộ", "T1 · internal statistics and operation"),
    "T2": Note("T2 · tư vấn hoặc có dữ liệu cá nhân", "T2 · advisory, or personal data"),
    "T3": Note("T3 · căn cứ trực tiếp hoặc rủi ro cao", "T3 · direct basis of decisions, or high risk"),
}
KINDS: Final[Mapping[str, Note]] = {
    "bootstrap": Note("phê duyệt khởi động, không phải thẩm định", "bootstrap approval, not a review"),
    "review": Note("phê duyệt sau thẩm định", "approval after review"),
}


def stage_mark(stage: str) -> Mark:
    """The word and tone of a stage."""
    return STAGES[Stage(stage)]


def gate_note(state: str) -> Note:
    """The gate's word as a sentence; a stage stands for itself."""
    known = GATE.get(state)
    return known if known is not None else stage_mark(state).word


def role_title(role: str) -> Note:
    """What officials call a role; an unknown one keeps its name."""
    found = ROLES.get(role)
    return Note(role, role) if found is None else found.title


def moment(at: datetime, language: Language) -> str:
    """A date with its time in Vietnam: `24/11/2026 21:09`, `24 Nov 2026 21:09`."""
    local = at.astimezone(PLACE)
    return f"{day(at, language)} {local:%H:%M}"


def day(at: datetime, language: Language) -> str:
    """A date in Vietnam: `24/11/2026`, `24 Nov 2026`."""
    local = at.astimezone(PLACE)
    return f"{local:%d/%m/%Y}" if language == "vi" else f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def span(length: timedelta, language: Language) -> str:
    """A length of time in its largest whole unit: `3 ngày`, `2 hours`."""
    seconds = max(0, int(abs(length).total_seconds()))
    for size, vi, en in ((86_400, "ngày", "day"), (3_600, "giờ", "hour"), (60, "phút", "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {vi}" if language == "vi" else f"{count} {en}{'' if count == 1 else 's'}"
    return "vừa xong" if language == "vi" else "just now"


def number(value: float, language: Language) -> str:
    """A figure with up to six significant digits; Vietnamese writes a comma."""
    whole = isinstance(value, int)
    text = f"{value:,}" if whole and abs(value) >= 10_000 else str(value) if whole else f"{value:.6g}"
    return text.translate(str.maketrans(",.", ".,")) if language == "vi" else text


def pick(value: Any, language: Language) -> str:
    """The side of a pair of languages ({vi, en}, a Note, or `vi | en`) for a page; other text as it is."""
    if isinstance(value, Note):
        return value.vi if language == "vi" else value.en
    if isinstance(value, Mapping):
        return str(value.get(language) or value.get("vi") or value.get("en") or "")
    vi, bar, en = str(value).partition(" | ")
    if bar and " | " not in en:
        return (vi if language == "vi" else en).strip()
    return str(value)


def foreign(text: str, language: Language) -> bool:
    """Whether a text on an English page is Vietnamese, so that it can be read aloud as such."""
    return language == "en" and VIETNAMESE.search(text) is not None
