"""The console over its ASGI application: who gets in, what a form may do, how heavy a page is, what it never runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest

from services.actors import actor_of
from services.console.rendering import STYLE
from services.console.visits import own_path
from services.console.wording import VIETNAMESE
from tests.services.console.drafts import draft
from tests.services.wire.small import Place, small_house

HEAVIEST = 150_000
NEW = "/console/models/vi-news/1.1.0"
DRAFT = "/console/models/vi-petitions/0.3.0"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Desk:
    """A place, and browsers that are signed in at it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.cookies: dict[str, str] = {}

    def sign_in(self, who: str, **more: str) -> httpx.Response:
        answer = self.send("/console/sign-in", None, key=self.place.keys.get(who, who), **more)
        if answer.status_code == 303:
            self.cookies[who] = answer.headers["set-cookie"].split(";")[0]
        return answer

    def get(self, path: str, who: str | None, *, english: bool = False, **headers: str) -> httpx.Response:
        cookie = "; ".join(filter(None, [self._cookie(who), "aichung_language=en" if english else ""]))
        return self.place.get(path, key=None, headers={"Cookie": cookie, **headers})

    def csrf(self, who: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/console/models", who).text)
        assert found is not None
        return found[1]

    def send(self, path: str, who: str | None, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        sent = {**FORM, "Cookie": self._cookie(who), **(headers or {})}
        return self.place.call("POST", path, key=None, content=urlencode(fields).encode(), headers=sent)

    def act(self, path: str, who: str, **fields: str) -> httpx.Response:
        return self.send(path, who, csrf=self.csrf(who), **fields)

    def _cookie(self, who: str | None) -> str:
        if who is None:
            return ""
        if who not in self.cookies:
            assert self.sign_in(who).status_code == 303
        return self.cookies[who]


def furnished(home: Path) -> Desk:
    """A house with a version in review and a draft that lacks what it must have."""
    place = small_house(home)
    engineer = place.house.identity.authenticate(f"Bearer {place.keys['engineer']}")
    about = {"author": engineer.subject.id, "tenant": engineer.tenant}
    used = {"vi": f"Gợi ý chủ đề. {SCRIPT}", "en": f"Suggests topics. {SCRIPT}"}
    store = place.house.store
    draft(store, home / "drafts", "vi-news", "1.0.0", **about)
    entry = draft(store, home / "drafts", "vi-news", "1.1.0", changes={"purpose.intended_use": used}, **about)
    place.house.reviews.submit(actor_of(engineer), entry)
    draft(store, home / "drafts", "vi-petitions", "0.3.0", changes={"purpose.intended_use": "TBD"}, **about)
    place.house.handles.refresh()
    return Desk(place)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk shared by tests that read."""
    made = furnished(tmp_path_factory.mktemp("desk"))
    yield made
    made.place.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Desk]:
    """A desk of the test's own: it decides, suspends, signs out."""
    made = furnished(tmp_path / "home")
    yield made
    made.place.close()


PAGES = (
    "/console", "/console/models", "/console/models?q=chu+de&stage=serving", NEW, f"{NEW}/card",
    f"{NEW}/card?show=remarkable", f"{NEW}/card/evaluation.metrics", f"{NEW}/evaluation", f"{NEW}/bias",
    f"{NEW}/changes?against=1.0.0", DRAFT,
)  # fmt: skip


# --- coming in ----------------------------------------------------------------------------------------------


def test_a_page_asks_to_sign_in_and_brings_back(desk: Desk):
    answer = desk.get(f"{NEW}/card?show=remarkable", None)
    assert answer.status_code == 303
    following = answer.headers["location"]
    assert following == "/console/sign-in?next=" + quote(f"{NEW}/card?show=remarkable", safe="")
    back = desk.sign_in("reviewer", next=f"{NEW}/card?show=remarkable")
    assert (back.status_code, back.headers["location"]) == (303, f"{NEW}/card?show=remarkable")


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(desk: Desk):
    cookie = desk.sign_in("reviewer").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    key = desk.place.keys["reviewer"]
    secured = desk.send("/console/sign-in", None, {"X-Forwarded-Proto": "https"}, key=key)
    assert secured.headers["set-cookie"].endswith("; Secure")


def test_the_database_keeps_no_cookie(desk: Desk):
    desk.sign_in("reviewer")
    token = desk.cookies["reviewer"].partition("=")[2]
    with desk.place.house.database.read() as connection:
        rows = connection.exec_driver_sql("select * from sessions").all()
    assert rows
    assert token not in str(rows)


@pytest.mark.parametrize(
    ("who", "status"), [("aic_none_of_ours", 401), ("", 401), ("ministry", 403), ("admin", 403)]
)  # fmt: skip
def test_only_persons_who_may_read_the_registry_come_in(desk: Desk, who: str, status: int):
    answer = desk.sign_in(who)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers
    assert desk.place.keys.get(who, "no key") not in answer.text


def test_a_revoked_key_ends_its_session_at_once(own: Desk):
    own.sign_in("reviewer")
    own.place.house.identity.revoke_key(None, own.place.keys["reviewer"].split("_")[1])
    assert own.get(NEW, "reviewer").headers["location"].startswith("/console/sign-in")


def test_who_signed_out_is_out(own: Desk):
    answer = own.act("/console/sign-out", "reviewer")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert own.get(NEW, "reviewer").status_code == 303


@pytest.mark.parametrize(
    "path",
    ["https://evil.vn", "//evil.vn", "/console//evil.vn", "/console/\\evil.vn", "/v1/me", "/consolex", "/console\n"],
)
def test_nobody_is_sent_elsewhere(desk: Desk, path: str):
    assert own_path(path) == "/console"
    assert desk.sign_in("reviewer", next=path).headers["location"] == "/console"
    left = desk.get(f"/console/language?to=en&back={quote(path, safe='')}", None)
    assert left.headers["location"] == "/console"


# --- forms --------------------------------------------------------------------------------------------------


def test_a_form_without_the_sessions_own_word_moves_nothing(own: Desk):
    for word in ("", "another", own.csrf("reviewer")):
        answer = own.send("/console/models/vi-topic/1.0.0/suspend", "operator", csrf=word, reason="Thử nghiệm")
        assert answer.status_code == 403
        assert "csrf" not in answer.headers.get("location", "")
    assert own.place.house.store.entry("vi-topic", "1.0.0").stage == "serving"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.vn"}])
def test_a_form_from_another_site_is_refused(own: Desk, headers: dict[str, str]):
    csrf = own.csrf("operator")
    path = "/console/models/vi-topic/1.0.0/suspend"
    assert own.send(path, "operator", headers, csrf=csrf, reason="Thử nghiệm").status_code == 403
    assert own.send("/console/sign-in", None, headers, key=own.place.keys["operator"]).status_code == 403
    assert own.place.house.store.entry("vi-topic", "1.0.0").stage == "serving"


def test_one_person_suspends_and_the_model_stops_answering(own: Desk):
    answer = own.act("/console/models/vi-topic/1.0.0/suspend", "security_officer", reason="Nghi rò rỉ dữ liệu")
    assert answer.headers["location"] == "/console/models/vi-topic/1.0.0?done=suspended"
    body = {"documents": [{"id": "a", "text": "tin"}]}
    assert own.place.post("/v1/nlp/topics", body).json()["code"] == "gate-closed"
    assert "Nghi rò rỉ dữ liệu" in own.get("/console/models/vi-topic/1.0.0", "reviewer").text


def test_a_review_needs_the_evidence_the_confirmation_and_no_author(own: Desk):
    decided = {"decision": "approve", "answer": "yes"}
    assert "unread" in refusal(own, own.act(f"{NEW}/reviews", "reviewer", **decided))
    own.get(f"{NEW}/card?show=remarkable", "reviewer")
    own.get(f"{NEW}/evaluation", "reviewer")
    assert "unread" in refusal(own, own.act(f"{NEW}/reviews", "reviewer", **decided)), (
        "a part of the card is not the card"
    )
    own.get(f"{NEW}/card", "reviewer")
    assert own.act(f"{NEW}/reviews", "reviewer", decision="approve").status_code == 422
    assert own.act(f"{NEW}/reviews", "reviewer", decision="reject", answer="yes").status_code == 422
    author = own.act(f"{NEW}/reviews", "engineer", **decided)
    assert author.status_code == 403
    assert refusal(own, author) == "author"
    assert own.act(f"{NEW}/reviews", "reviewer", **decided).headers["location"] == f"{NEW}?done=approve"
    for path in ("card", "bias"):
        own.get(f"{NEW}/{path}", "fairness_reviewer")
    own.act(f"{NEW}/reviews", "fairness_reviewer", **decided)
    assert own.place.house.store.entry("vi-news", "1.1.0").stage == "approved"
    assert own.act(f"{NEW}/release", "operator", stage="serving").headers["location"] == f"{NEW}?done=released"
    assert own.place.house.store.entry("vi-news", "1.1.0").stage == "serving"


def refusal(desk: Desk, answer: httpx.Response) -> str:
    """The code word under which the ledger keeps a refused form."""
    assert answer.status_code >= 400
    named = [r for r in desk.place.records() if r.get("request_id") == answer.headers["x-request-id"]]
    return str(named[-1]["error_code"])


def test_an_illegal_step_names_the_legal_ones_in_words(own: Desk):
    answer = own.act(f"{DRAFT}/release", "operator", stage="serving")
    assert answer.status_code == 409
    assert "Máy đang kiểm tra" in answer.text


def test_a_remark_stands_at_its_field(own: Desk):
    text = f"Chưa rõ phạm vi {SCRIPT}"
    answer = own.act(f"{NEW}/comments", "reviewer", pointer="/purpose/intended_use", text=text)
    assert answer.headers["location"] == f"{NEW}/card?done=commented#purpose-intended_use"
    page = own.get(f"{NEW}/card?show=remarkable", "engineer").text
    place = page.index('id="purpose-intended_use"')
    assert "Chưa rõ phạm vi &lt;script&gt;" in page[place : place + 4000]
    assert own.act(f"{NEW}/comments", "appeals_officer", text="abc").status_code == 403


def test_a_draft_that_lacks_something_comes_back_with_every_gap(own: Desk):
    answer = own.act(f"{DRAFT}/submit", "engineer")
    assert answer.status_code == 422
    assert "câu mẫu" in answer.text
    assert own.place.house.store.entry("vi-petitions", "0.3.0").stage == "draft"


# --- what pages show ----------------------------------------------------------------------------------------


def test_the_reviewer_finds_the_review_with_its_due_date(desk: Desk):
    page = desk.get("/console", "reviewer").text
    assert NEW in page
    assert re.search(r"Hạn.*\d\d/\d\d/20\d\d", page, re.S)


def test_the_engineer_finds_what_is_missing_and_who_has_it_since_when(desk: Desk):
    page = desk.get("/console", "engineer").text
    assert re.search(r"vi-petitions@0\.3\.0.*câu mẫu", page, re.S)
    assert re.search(r"vi-news@1\.1\.0.*Người thẩm định kỹ thuật \(đánh giá\).*từ .*hạn", page, re.S)


def test_another_organisations_draft_is_a_page_that_does_not_exist(desk: Desk):
    foreign, none = (desk.get(path, "engineer_b") for path in (DRAFT, "/console/models/none/1.0.0"))
    assert (foreign.status_code, none.status_code) == (404, 404)
    assert NEW not in desk.get("/console/models", "engineer_b").text


class Seen(HTMLParser):
    """Tags and attributes of a page, what is open, and where labels point."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str | None, str]] = []
        self._languages: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("input", "meta", "link", "br", "path"):
            above = self._languages[-1][1] if self._languages else None
            self._languages.append((tag, dict(attrs).get("lang", above)))

    def handle_endtag(self, tag: str) -> None:
        while self._languages and self._languages.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._languages and self._languages[-1][0] not in ("style", "title"):
            self.words.append((self._languages[-1][1], data))


@pytest.mark.parametrize("english", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light_runs_nothing_and_can_be_walked_through(desk: Desk, path: str, english: bool):
    answer = desk.get(path, "reviewer", english=english)
    assert answer.status_code == 200
    assert len(answer.content) <= HEAVIEST
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    page = Seen(answer.text)
    tags = [tag for tag, _ in page.found]
    assert not {"script", "img", "iframe", "object", "embed", "base"} & set(tags)
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on") or name == "style"]
    assert tags.count("h1") == tags.count("main") == 1
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in page.found if tag == "label"}
    for tag, attributes in page.found:
        if tag in ("input", "select", "textarea") and attributes.get("type") not in ("hidden", "radio", "checkbox"):
            assert attributes["id"] in labelled
        if tag == "a" and (attributes["href"] or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids


@pytest.mark.parametrize("path", PAGES)
def test_an_english_page_says_where_it_speaks_vietnamese(desk: Desk, path: str):
    names = ("(đánh giá)", "Đơn vị vận hành", "Tổ thẻ mô hình", "Tiếng Việt")
    for language, words in Seen(desk.get(path, "reviewer", english=True).text).words:
        if VIETNAMESE.search(words) and not any(name in words for name in names):
            assert language == "vi", words


def test_a_script_in_a_card_is_a_text(desk: Desk):
    for path in (f"{NEW}/card", f"{NEW}/card/purpose.intended_use", f"{NEW}/changes?against=1.0.0"):
        page = desk.get(path, "reviewer").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page


def test_a_card_whose_file_was_changed_is_not_shown(own: Desk):
    entry = own.place.house.store.entry("vi-news", "1.1.0")
    card = Path(entry.folder) / "card.json"
    card.write_text(card.read_text(encoding="utf-8").replace("Gợi ý chủ đề", "Quyết định chủ đề"), encoding="utf-8")
    answer = own.get(f"{NEW}/card", "reviewer")
    assert answer.status_code == 503
    assert "khác bản đã đăng ký" in answer.text


@pytest.mark.parametrize("paper", ["card.html", "card.md", "card.json", "card.cdx.json", "evaluation.json"])
def test_papers_come_as_files(desk: Desk, paper: str):
    answer = desk.get(f"{NEW}/papers/{paper}", "reviewer")
    assert answer.status_code == 200
    assert "vi-news" in answer.text
    assert desk.get(f"{NEW}/papers/none.exe", "reviewer").status_code == 404


def test_every_page_is_in_the_ledger_under_the_person_who_read_it(own: Desk):
    answer = own.get(f"{NEW}/card", "reviewer")
    (record,) = [r for r in own.place.records() if r.get("request_id") == answer.headers["x-request-id"]]
    assert record["event"] == "card.read"
    assert record["actor"]["role"] == "tech_reviewer"


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(sign * 2 for sign in colour[1:])
    parts = [int(full[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_has_the_contrast_of_wcag_aa():
    named = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", STYLE))
    grounds = {
        "ink": "paper sheet wait-bg info-bg bad-bg good-bg", "soft": "paper sheet calm-bg wait-bg",
        "red": "paper sheet", "blue": "paper sheet info-bg", "good": "good-bg sheet", "wait": "wait-bg",
        "bad": "bad-bg sheet", "info": "info-bg",
    }  # fmt: skip
    pairs = [(named[ink], named[ground]) for ink, under in grounds.items() for ground in under.split()]
    pairs += [("#ffffff", named["deep"]), ("#ffffff", named["blue"]), ("#5c5a55", "#e4e0d8")]
    for one, other in pairs:
        light, dark = sorted((luminance(one), luminance(other)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (one, other)
