"""`/console`: the desk of those who review, release and answer for models, as pages.

Decision: the console is one more dialect over the same parts as `/v1/registry`: what a page shows and what a form does
goes through the registry's own rules, and a page that shows evidence notes who opened it (GOVERNANCE R10).
"""

from __future__ import annotations

from typing import Any, Final

from models.errors import Note
from services.console.forms import FORM_BYTES
from services.console.pages import Pages
from services.console.sessions import Sessions
from services.console.titles import Titles
from services.console.visits import SIGN_IN, Entrance, Page
from services.endpoints import Endpoint, Parameter
from services.house import House

VERSION: Final = "/console/models/{name}/{version}"


def open_console(house: House) -> ConsoleRoutes:
    """The console of an installation; in production its cookies travel over TLS only."""
    entrance = Entrance(
        Sessions(house.database, house.identity, house.clock), house.identity, house.quota, house.telemetry,
        house.clock, secure=house.settings.profile == "production",
    )  # fmt: skip
    return ConsoleRoutes(entrance, Pages(house.handles, Titles()))


class ConsoleRoutes:
    """The endpoints and the parts they need. To the doors every page is public: the entrance asks for the session."""

    def __init__(self, entrance: Entrance, pages: Pages) -> None:
        """Keep the parts."""
        self._entrance = entrance
        self._pages = pages

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        enter, pages = self._entrance, self._pages
        return [
            self._get(SIGN_IN, enter.open(pages.sign_in), "", Note("Đăng nhập", "Sign in"), "next", "done"),
            self._post(SIGN_IN, enter.sign_in, "auth.sign_in", Note("Đăng nhập", "Sign in")),
            self._post("/console/sign-out", enter.form(enter.sign_out), "auth.sign_out", Note("Đăng xuất", "Sign out")),
            self._get("/console/language", enter.open(enter.change_language), "", Note("Ngôn ngữ", "Language"),
                      "to", "back"),
            self._page("/console/models", pages.models, "registry.list", Note("Mô hình", "Models"),
                       "q", "stage", "page"),
            self._page(VERSION + "/card", pages.card, "card.read", Note("Thẻ mô hình", "Model card"), "show"),
            self._page(VERSION + "/card/{field}", pages.field, "card.read", Note("Một mục của thẻ", "A field"), "page"),
            self._page("/console/{rest...}", pages.nothing, "", Note("Trang không có", "No such page")),
        ]  # fmt: skip

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
