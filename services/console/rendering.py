"""From facts to a page: templates, the style sheet, and the headers every page leaves with.

Decisions
- Every text is escaped by the template engine; only our own style sheet and pictures made here pass as they are.
- A page runs nothing and loads nothing: its policy allows the digest of its one style sheet, forms to itself, no
  frames. A script in a card stays a text.
- Both languages of a sentence stand side by side in the template (`say`), so that nobody mends one without the other.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.console.wording import day, foreign, moment, number, pick, role_title, span, stage_mark
from services.endpoints import Headers, Reply
from services.problems import Language

TEMPLATES: Final = Path(__file__).parent / "templates"
STYLE: Final = (TEMPLATES / "console.css").read_text(encoding="utf-8").strip()
HTML: Final = b"text/html; charset=utf-8"
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFE: Final[Headers] = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"vary", b"cookie"),
)
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def render(template: str, language: Language, now: datetime, facts: Mapping[str, Any]) -> bytes:
    """A page in UTF-8. `now` is what spans of time are counted from."""
    page = _ENVIRONMENT.get_template(template).render(
        **facts, **_words(language, now), language=language, style=Markup(STYLE), stage_mark=stage_mark,  # noqa: S704
    )  # fmt: skip
    return page.encode("utf-8", "replace")


def shown(page: bytes, status: int = 200, headers: Headers = ()) -> Reply:
    """A page as an answer."""
    return Reply(page, status, (*SAFE, *headers), HTML)


def sent_to(path: str, *headers: tuple[bytes, bytes]) -> Reply:
    """See Other: after a form, the browser reads the next page, so that going back sends nothing twice."""
    return Reply(None, 303, ((b"location", path.encode("ascii")), *SAFE, *headers))


def _words(language: Language, now: datetime) -> dict[str, Any]:
    """What templates say with: in the page's language, by the clock of Vietnam."""
    return {
        "say": lambda vi, en: vi if language == "vi" else en,
        "pick": partial(_marked, language=language),
        "plain": lambda value: pick(value, language),
        "role": lambda name: _capital(pick(role_title(name), language)),
        "number": lambda value: number(value, language),
        "day": lambda at: _time(at, day(at, language)),
        "moment": lambda at: _time(at, moment(at, language)),
        "since": lambda at: span(now - at, language),
        "until": lambda at: span(at - now, language),
        "now": now,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _marked(value: Any, language: Language) -> Markup:
    """A text in the page's language; what is only there in Vietnamese says so on an English page."""
    text = pick(value, language)
    return Markup('<span lang="vi">{}</span>').format(text) if foreign(text, language) else Markup.escape(text)


def _time(at: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), text)
