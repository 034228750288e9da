"""What the console does: one method a form, each a step that the registry's own rules allow or refuse.

Decision: a form says no more than its HTTP twin under `/v1/registry`; who may take the step, in which order and after
which evidence is judged below this floor, so that neither door is the easier one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar, cast

from models.errors import Fault, InvalidInputError
from registry.entries import Entry, Stage
from registry.releases import Releases
from registry.reviews import Decision, Remark, Reviews
from services import versions
from services.actors import actor_of
from services.console.listing import version_path
from services.console.rendering import sent_to
from services.console.visits import Visit
from services.console.wording import PLACE
from services.endpoints import Reply
from services.handles import Handles

DECIDED: Final = ("approve", "reject", "request_changes")
RELEASED: Final = {"shadow": Stage.SHADOW, "canary": Stage.CANARY, "serving": Stage.SERVING}
T = TypeVar("T")
LONGEST: Final = 4_000
SHORTEST: Final = 3


class Acts:
    """The forms of a version's pages and the parts they need."""

    def __init__(self, handles: Handles, reviews: Reviews, releases: Releases) -> None:
        """Keep the parts."""
        self._handles = handles
        self._reviews = reviews
        self._releases = releases

    async def comment(self, visit: Visit) -> Reply:
        """A remark on a field of the card, or on the whole."""
        entry, pointer = self._entry(visit), visit.form.get("pointer", "")
        remark = Remark(pointer, _words(visit, "text", "Hãy viết góp ý.", "Write the remark."))
        await self._do(lambda: self._reviews.comment(actor_of(visit.caller), entry, remark))
        if pointer.count("/") == 2:
            return _back(entry, "commented", "/card", "#" + pointer.strip("/").replace("/", "-"))
        return _back(entry, "commented")

    async def review(self, visit: Visit) -> Reply:
        """A decision, signed."""
        entry, form, actor = self._entry(visit), visit.form, actor_of(visit.caller)
        decision = form.get("decision")
        if decision not in DECIDED:
            raise _asked("/decision", "Hãy chọn một quyết định.", "Choose a decision.")
        if form.get("answer") != "yes":
            raise _asked(
                "/answer", "Hãy xác nhận rằng bạn đã đọc bằng chứng và tự chịu trách nhiệm.",
                "Confirm that you read the evidence and answer for the decision.",
            )  # fmt: skip
        note = form.get("note", "")[:LONGEST]
        remarks = (Remark("", note),) if note else ()
        if decision != "approve" and not remarks:
            raise _asked("/note", "Hãy nêu lý do.", "Give the reason.")
        await self._do(
            lambda: self._reviews.review(
                actor, entry, cast(Decision, decision), actor.role, remarks, form.get("statement")
            )
        )
        return _back(entry, decision)

    async def submit(self, visit: Visit) -> Reply:
        """Bring a draft to review."""
        entry = self._entry(visit)
        await self._do(lambda: self._reviews.submit(actor_of(visit.caller), entry))
        return _back(entry, "submitted")

    async def suspend(self, visit: Visit) -> Reply:
        """Stop a version, alone and at once."""
        entry, reason = self._entry(visit), _reason(visit)
        await self._do(lambda: self._releases.suspend(actor_of(visit.caller), entry, reason))
        return _back(entry, "suspended")

    async def resume(self, visit: Visit) -> Reply:
        """One of the two words that let a suspended version go on."""
        entry, reason = self._entry(visit), _reason(visit)
        moved = await self._do(lambda: self._releases.resume(actor_of(visit.caller), entry, reason))
        return _back(entry, "awaiting-second" if moved is None else "resumed")

    async def release(self, visit: Visit) -> Reply:
        """The next step towards serving."""
        entry, form = self._entry(visit), visit.form
        stage = RELEASED.get(form.get("stage", ""))
        if stage is None:
            raise _asked("/stage", "Hãy chọn bước phát hành.", "Choose the step.")
        asked = form.get("percent", "")
        if asked and not (asked.isascii() and asked.isdigit() and len(asked) <= 3):
            raise _asked("/percent", "Tỷ lệ là số nguyên từ 1 đến 100.", "The share is a whole number, 1 to 100.")
        percent = int(asked) if asked and stage is not Stage.SERVING else None
        moved = await self._do(lambda: self._releases.release(actor_of(visit.caller), entry, stage, percent))
        return _back(entry, "awaiting-second" if moved is None else "released")

    async def roll_back(self, visit: Visit) -> Reply:
        """Let the version before serve again."""
        entry, reason = self._entry(visit), _reason(visit)
        await self._do(lambda: self._releases.rollback(actor_of(visit.caller), entry, reason))
        return _back(entry, "rolled-back")

    async def retire(self, visit: Visit) -> Reply:
        """Announce the day on which a version ends: at its close, in Vietnam."""
        entry = self._entry(visit)
        day = _day(visit, "sunset")
        await self._do(lambda: self._releases.retire(actor_of(visit.caller), entry, day))
        return _back(entry, "announced")

    async def waive(self, visit: Visit) -> Reply:
        """Answer for a gap until a day."""
        entry, actor = self._entry(visit), actor_of(visit.caller)
        gap = _words(visit, "gap", "Hãy nêu mục được miễn trừ.", "Name the gap.")
        reason = _reason(visit)
        control = _words(visit, "control", "Hãy nêu biện pháp thay thế.", "Say what is done instead.")
        end = _day(visit, "expires")
        await self._do(lambda: self._reviews.waive(actor, entry, gap, reason, control, end))
        return _back(entry, "waived")

    # --- parts ----------------------------------------------------------------------------------------------

    def _entry(self, visit: Visit) -> Entry:
        params = visit.call.params
        return versions.pick(self._handles, visit.caller, params["name"], params["version"])

    async def _do(self, act: Callable[[], T]) -> T:
        """Take a step off the event loop; this process sees it before the next page is read, done or refused."""
        try:
            return await asyncio.to_thread(act)
        finally:
            await asyncio.to_thread(self._handles.refresh)


def _back(entry: Entry, done: str, page: str = "", anchor: str = "") -> Reply:
    return sent_to(f"{version_path(entry)}{page}?done={done}{anchor}")


def _reason(visit: Visit) -> str:
    return _words(visit, "reason", "Hãy nêu lý do (ít nhất 3 ký tự).", "Give the reason (3 characters or more).")


def _words(visit: Visit, name: str, vi: str, en: str) -> str:
    text = visit.form.get(name, "")
    if not SHORTEST <= len(text) <= LONGEST:
        raise _asked(f"/{name}", vi, en)
    return text


def _day(visit: Visit, name: str) -> datetime:
    """The end of a day in Vietnam. Raises InvalidInputError."""
    try:
        return datetime.strptime(visit.form.get(name, ""), "%Y-%m-%d").replace(tzinfo=PLACE) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise _asked(f"/{name}", "Hãy chọn ngày.", "Choose a day.") from error


def _asked(pointer: str, vi: str, en: str) -> InvalidInputError:
    return InvalidInputError(vi, en, (Fault(pointer, vi, en),))
