"""`/console`: the desk of those who review, release and answer for models, as pages.

Decision: the console is one more dialect over the same parts as `/v1/registry`: what a page shows and what a form does
goes through the registry's own rules, and a page that shows evidence notes who opened it (GOVERNANCE R10).
"""

from __future__ import annotations

from typing import Any, Final

from models.errors import Note
from registry.packets import Packets
from services.console.acts import Acts
from services.console.forms import FORM_BYTES
from services.console.pages import Pages
from services.console.sessions import Sessions
from services.console.titles import Titles
from services.console.visits import SIGN_IN, Entrance, Page
from services.endpoints import Endpoint, Parameter
from services.house import House, trust

VERSION: Final = "/console/models/{name}/{version}"


def open_console(house: House) -> ConsoleRoutes:
    """The console of an installation; in production its cookies travel over TLS only."""
    entrance = Entrance(
        Sessions(house.database, house.identity, house.clock), house.identity, house.quota, house.telemetry,
        house.clock, secure=house.settings.profile == "production",
    )  # fmt: skip
    packets = Packets(house.database, house.settings.home, trust(house.settings))
    pages = Pages(house.handles, Titles(), house.reviews, house.releases, house.persons, packets)
    return ConsoleRoutes(entrance, pages, Acts(house.handles, house.reviews, house.releases))


class ConsoleRoutes:
    """The endpoints and the parts they need. To the doors every page is public: the entrance asks for the session."""

    def __init__(self, entrance: Entrance, pages: Pages, acts: Acts) -> None:
        """Keep the parts."""
        self._entrance = entrance
        self._pages = pages
        self._acts = acts

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [*self._session(), *self._reading(), *self._acting()]

    def _session(self) -> list[Endpoint]:
        """Coming, going, and the language."""
        enter, pages = self._entrance, self._pages
        return [
            self._get(SIGN_IN, enter.open(pages.sign_in), "", Note("Đăng nhập", "Sign in"), "next", "done"),
            self._post(SIGN_IN, enter.sign_in, "auth.sign_in", Note("Đăng nhập", "Sign in")),
            self._post("/console/sign-out", enter.form(enter.sign_out), "auth.sign_out", Note("Đăng xuất", "Sign out")),
            self._get("/console/language", enter.open(enter.change_language), "", Note("Ngôn ngữ", "Language"),
                      "to", "back"),
        ]  # fmt: skip

    def _reading(self) -> list[Endpoint]:
        """The pages."""
        pages, field = self._pages, Note("Một mục của thẻ", "A field of the card")
        statement = Note("Bản cần ký", "The statement to sign")
        return [
            self._page("/console", pages.work, "registry.list", Note("Việc của tôi", "My work"), "page", "done"),
            self._page("/console/models", pages.models, "registry.list", Note("Mô hình", "Models"),
                       "q", "stage", "page"),
            self._page(VERSION, pages.version, "registry.read", Note("Một phiên bản", "A version"), "done"),
            self._page(VERSION + "/card", pages.card, "card.read", Note("Thẻ mô hình", "Model card"), "show", "done"),
            self._page(VERSION + "/card/{field}", pages.field, "card.read", field, "page"),
            self._page(VERSION + "/evaluation", pages.evaluation, "card.read", Note("Đánh giá", "Evaluation")),
            self._page(VERSION + "/bias", pages.bias, "card.read", Note("Thiên lệch", "Bias report")),
            self._page(VERSION + "/changes", pages.changes, "card.read", Note("Thay đổi", "Changes"), "against"),
            self._page(VERSION + "/papers/{paper}", pages.paper, "card.read", Note("Một hồ sơ", "A paper")),
            self._page(VERSION + "/evidence", pages.evidence, "export.evidence", Note("Gói chứng cứ", "Evidence")),
            self._page(VERSION + "/statement", pages.statement, "review.statement", statement, "decision"),
            self._page("/console/{rest...}", pages.nothing, "", Note("Trang không có", "No such page")),
        ]  # fmt: skip

    def _acting(self) -> list[Endpoint]:
        """The forms of a version's pages: end of the address, step, event, name, fields."""
        acts = self._acts
        rows: tuple[tuple[str, Page, str, Note, tuple[str, ...]], ...] = (
            ("comments", acts.comment, "review.comment", Note("Góp ý", "Remark"), ("pointer", "text")),
            ("reviews", acts.review, "review.decide", Note("Quyết định", "Decide"),
             ("decision", "note", "statement", "answer")),
            ("submit", acts.submit, "review.submit", Note("Gửi thẩm định", "Submit"), ()),
            ("suspend", acts.suspend, "deploy.suspend", Note("Đình chỉ", "Suspend"), ("reason",)),
            ("resume", acts.resume, "deploy.resume", Note("Cho chạy lại", "Resume"), ("reason",)),
            ("release", acts.release, "deploy.release", Note("Phát hành", "Release"), ("stage", "percent")),
            ("rollback", acts.roll_back, "deploy.rollback", Note("Quay lui", "Roll back"), ("reason",)),
            ("retire", acts.retire, "deploy.retire", Note("Ngừng", "Retire"), ("sunset",)),
            ("waivers", acts.waive, "review.waive", Note("Miễn trừ", "Waive"), ("gap", "reason", "control", "expires")),
        )  # fmt: skip
        return [
            self._post(f"{VERSION}/{end}", self._entrance.form(make, *fields), event, summary)
            for end, make, event, summary, fields in rows
        ]

    def _page(self, path: str, make: Page, event: str, summary: Note, *query: str) -> Endpoint:
        return self._get(path, self._entrance.page(make), event, summary, *query)

    def _get(self, path: str, handler: Any, event: str, summary: Note, *query: str) -> Endpoint:
        parameters = tuple(Parameter(name, Note(name, name)) for name in query)
        return Endpoint(
            method="GET", path=path, handler=handler, summary=summary, tag="console", event=event, public=True,
            hidden=True, query=parameters, media_types=("text/html",),
        )  # fmt: skip

    def _post(self, path: str, handler: Any, event: str, summary: Note) -> Endpoint:
        return Endpoint(
            method="POST", path=path, handler=handler, summary=summary, tag="console", event=event, public=True,
            hidden=True, verbatim=True, body_limit=FORM_BYTES, media_types=("text/html",),
        )  # fmt: skip
