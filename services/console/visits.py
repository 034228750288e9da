"""A visit: who reads or sends which page, in which language; and the door that makes one of a request.

Decisions
- A page is for a person who may read the registry; systems have the HTTP interface.
- A form is taken only with the session's own word in it and only from the console's own pages; the cookie alone, which
  a browser sends by itself, moves nothing.
- What goes wrong is told on a page, in the reader's language, and recorded like any other refusal.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from models.errors import ForbiddenError, InvalidInputError, Note, PlatformError
from services.callers import Caller
from services.console.forms import CSRF, check_origin, read_form
from services.console.rendering import render, sent_to, shown
from services.console.sessions import LIFE, Session, Sessions
from services.console.wording import Mark
from services.endpoints import Call, Handler, Reply
from services.identity import Identity
from services.problems import Language, headers_of, status_of
from services.quota import Quota
from services.roles import MODELS_READ
from services.telemetry import Telemetry

SESSION: Final = "aichung_session"
LANGUAGE: Final = "aichung_language"
YEAR_SECONDS: Final = 31_536_000
HOME: Final = "/console"
SIGN_IN: Final = "/console/sign-in"
OWN_PATH: Final = re.compile(r"/console(?:/[A-Za-z0-9._~%-]+)*(?:\?[A-Za-z0-9._~%=&+-]*)?(?:#[A-Za-z0-9._~-]*)?")
INTERNAL: Final = Note("Lỗi bên trong nền tảng; đã được ghi lại.", "An internal error; it was recorded.")
DONE: Final[Mapping[str, Mark]] = {
    "commented": Mark(Note("Đã ghi góp ý.", "The remark was kept."), "good"),
    "approve": Mark(Note("Đã ký phê duyệt.", "You signed the approval."), "good"),
    "reject": Mark(Note("Đã từ chối.", "You refused it."), "good"),
    "request_changes": Mark(Note("Đã trả lại để sửa.", "It went back for changes."), "good"),
    "submitted": Mark(Note("Đã gửi thẩm định.", "It was submitted for review."), "good"),
    "suspended": Mark(
        Note("Đã đình chỉ; hiệu lực ở mọi nơi trong 2 giây.", "Suspended; effective everywhere within 2 seconds."),
        "good",
    ),
    "awaiting-second": Mark(
        Note("Đã ghi lời đề nghị của bạn; cần thêm một người nữa.", "Your word was kept; a second person is needed."),
        "wait",
    ),
    "resumed": Mark(Note("Mô hình phục vụ trở lại.", "The model serves again."), "good"),
    "released": Mark(Note("Đã phát hành.", "It was released."), "good"),
    "rolled-back": Mark(Note("Bản trước đã phục vụ trở lại.", "The version before serves again."), "good"),
    "announced": Mark(Note("Đã công bố ngày kết thúc.", "The end was announced."), "good"),
    "waived": Mark(Note("Đã ghi miễn trừ.", "The waiver was kept."), "good"),
    "signed-out": Mark(Note("Đã đăng xuất.", "You are signed out."), "good"),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of the console; `session` is None on the sign-in page only, `form` is what a form carried."""

    call: Call
    language: Language
    session: Session | None
    now: datetime
    form: Mapping[str, str]

    @property
    def caller(self) -> Caller:
        """The signed-in person."""
        if self.session is None:
            raise AssertionError("a page before the sign-in asked for its reader")
        return self.session.caller

    def page(self, template: str, place: str = "", status: int = 200, **facts: Any) -> Reply:
        """A page with the frame around it."""
        call = self.call
        query = call.query_string.decode("ascii", "replace")
        here = own_path(call.path + (f"?{query}" if query else "")) if call.method == "GET" else HOME
        other = "en" if self.language == "vi" else "vi"
        frame = {
            "session": self.session, "place": place, "flash": DONE.get(_asked(query, "done")),
            "tongue": f"/console/language?to={other}&back={quote(here, safe='')}",
        }  # fmt: skip
        return shown(render(template, self.language, self.now, {**frame, **facts}), status)


Page = Callable[[Visit], Awaitable[Reply]]


class Entrance:
    """Turns pages into handlers of the table of endpoints."""

    def __init__(
        self, sessions: Sessions, identity: Identity, quota: Quota, telemetry: Telemetry,
        clock: Callable[[], float] = time.time, *, secure: bool = False,
    ) -> None:  # fmt: skip
        """`secure`: cookies travel over TLS only, whatever the request says of itself."""
        self._sessions = sessions
        self._identity = identity
        self._quota = quota
        self._telemetry = telemetry
        self._clock = clock
        self._secure = secure

    def page(self, make: Page) -> Handler:
        """A page for whoever is signed in; others are asked to sign in and brought back."""
        return self._handler(make, ())

    def form(self, make: Page, *fields: str) -> Handler:
        """A form with these fields, from a page of the same session."""
        return self._handler(make, fields)

    def open(self, make: Page) -> Handler:
        """A page that needs no session."""

        async def handler(call: Call, body: None) -> Reply:
            visit = Visit(call, language_of(call), None, self._now(), {})
            try:
                session = await asyncio.to_thread(self._sessions.find, cookies(call).get(SESSION))
                return await make(Visit(call, visit.language, session, visit.now, {}))
            except Exception as error:
                return self._trouble(visit, error)

        return handler

    async def sign_in(self, call: Call, body: None) -> Reply:
        """A key for a session. A key that may not enter gets the same page with the reason."""
        visit = Visit(call, language_of(call), None, self._now(), {})
        try:
            check_origin(call)
            form = read_form(call, "key", "next")
            following = own_path(form.get("next", HOME))
        except PlatformError as error:
            return self._trouble(visit, error)
        try:
            caller = self._identity.authenticate(f"Bearer {form.get('key', '')}")
            call.caller = caller
            call.quota = self._quota.admit(caller)
            _check_person(caller)
            await asyncio.to_thread(self._sessions.close, cookies(call).get(SESSION))
            token, _ = await asyncio.to_thread(self._sessions.open, caller)
        except PlatformError as error:
            call.error = error
            return visit.page("sign_in.html", status=status_of(error), trouble=error.note, following=following)
        life = int(LIFE.total_seconds())
        return sent_to(following, self._cookie(call, SESSION, token, life, "Strict"))

    async def sign_out(self, visit: Visit) -> Reply:
        """End the session here and in the database."""
        await asyncio.to_thread(self._sessions.close, cookies(visit.call).get(SESSION))
        return sent_to(f"{SIGN_IN}?done=signed-out", self._cookie(visit.call, SESSION, "", 0, "Strict"))

    async def change_language(self, visit: Visit) -> Reply:
        """Keep the language for a year and go back to the page."""
        query = visit.call.query("to", "back")
        wanted = "en" if query.get("to") == "en" else "vi"
        back = own_path(query.get("back", HOME))
        return sent_to(back, self._cookie(visit.call, LANGUAGE, wanted, YEAR_SECONDS, "Lax"))

    # --- parts ----------------------------------------------------------------------------------------------

    def _handler(self, make: Page, fields: tuple[str, ...]) -> Handler:
        async def handler(call: Call, body: None) -> Reply:
            visit = Visit(call, language_of(call), None, self._now(), {})
            try:
                session = await asyncio.to_thread(self._sessions.find, cookies(call).get(SESSION))
                if session is None:
                    return _ask_to_sign_in(call)
                visit = Visit(call, visit.language, session, visit.now, {})
                call.caller = session.caller
                call.quota = self._quota.admit(session.caller)
                if call.method == "POST":
                    check_origin(call)
                    form = read_form(call, *fields)
                    session.check(form.pop(CSRF, ""))
                    visit = Visit(call, visit.language, session, visit.now, form)
                return await make(visit)
            except Exception as error:
                return self._trouble(visit, error)

        return handler

    def _trouble(self, visit: Visit, error: Exception) -> Reply:
        """The page that tells what went wrong, with the status and headers of any other refusal."""
        call = visit.call
        call.error = error
        known = isinstance(error, PlatformError)
        if not known:
            self._telemetry.failure(error, call.request_id, call.template)
        facts = {
            "heading": type(error).title() if isinstance(error, PlatformError) else PlatformError.title(),
            "note": error.note if isinstance(error, PlatformError) else INTERNAL,
            "faults": [Note(f.vi, f.en) for f in error.faults] if isinstance(error, InvalidInputError) else [],
            "legal": error.facts.get("legal", []) if isinstance(error, PlatformError) else [],
            "request_id": call.request_id, "back": _back(call),
        }  # fmt: skip
        reply = visit.page("trouble.html", status=status_of(error), **facts)
        return Reply(reply.body, reply.status, (*reply.headers, *headers_of(error)), reply.media_type)

    def _cookie(self, call: Call, name: str, value: str, seconds: int, site: str) -> tuple[bytes, bytes]:
        """A cookie that scripts cannot read; over TLS it never travels in the clear."""
        secure = self._secure or call.header("x-forwarded-proto") == "https"
        text = f"{name}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite={site}"
        return b"set-cookie", (text + ("; Secure" if secure else "")).encode("ascii")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def cookies(call: Call) -> dict[str, str]:
    """The cookies of a request; of two with one name, the first."""
    found: dict[str, str] = {}
    for part in (call.header("cookie") or "")[:8192].split(";"):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found


def language_of(call: Call) -> Language:
    """The language that was chosen; Vietnamese first."""
    return "en" if cookies(call).get(LANGUAGE) == "en" else "vi"


def own_path(path: str) -> str:
    """A path of the console, or its first page for anything else: nobody is sent to another site."""
    return path if len(path) <= 600 and OWN_PATH.fullmatch(path) else HOME


def _ask_to_sign_in(call: Call) -> Reply:
    query = call.query_string.decode("ascii", "replace")
    here = own_path(call.path + (f"?{query}" if query else "")) if call.method in ("GET", "HEAD") else HOME
    return sent_to(SIGN_IN if here == HOME else f"{SIGN_IN}?next={quote(here, safe='')}")


def _check_person(caller: Caller) -> None:
    """Raise ForbiddenError for a system, or a person without the right to read the registry."""
    if caller.subject.kind != "person":
        raise ForbiddenError(
            "Khóa này của một hệ thống; bàn thẩm định chỉ dành cho người.",
            "This key belongs to a system; the desk is for persons.",
            code="person-required",
        )
    caller.require(MODELS_READ)


def _back(call: Call) -> str:
    """Where a refused page or form belongs, as far as its path tells."""
    parts = call.path.split("/")
    return own_path("/".join(parts[:5])) if len(parts) > 5 else HOME


def _asked(query: str, name: str) -> str:
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""
