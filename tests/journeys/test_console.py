"""The console in real Chromium, by keyboard alone: in, to a card, in English, a model stopped and started again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.browser import CHROMIUM, Browser
from tests.journeys.conftest import Platform, within

pytestmark = [pytest.mark.journey, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

MODEL = "/console/models/vi-segment/1.0.0"
SEGMENT = {"documents": [{"id": "a", "text": "xin chào"}]}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as made:
        yield made


def sign_in(browser: Browser, platform: Platform, who: str, page: str = "/console") -> None:
    """As a stranger to the page: it asks for the key and brings back."""
    browser.tell("Network.clearBrowserCookies")
    browser.go(platform.url + page)
    assert browser.ask("document.activeElement.id") == "key"
    browser.type(platform.keys[who])
    browser.enter()
    assert browser.ask("location.pathname") == page


def test_a_reviewer_walks_from_the_key_to_the_card_and_reads_it_in_english(browser: Browser, platform: Platform):
    sign_in(browser, platform, "reviewer", "/console/models")
    assert browser.ask("document.documentElement.lang") == "vi"
    browser.press("Tab")
    assert "Đến nội dung chính" in browser.ask("document.activeElement.innerText")
    browser.tab_to("Tách từ và tách câu tiếng Việt")
    browser.enter()
    assert browser.ask("location.pathname") == MODEL
    assert browser.nameless() == []
    browser.tab_to("Thẻ mô hình")
    browser.enter()
    assert browser.ask("location.pathname") == f"{MODEL}/card"
    assert browser.nameless() == []
    browser.tab_to("English")
    browser.enter()
    assert browser.ask("document.documentElement.lang + location.pathname") == f"en{MODEL}/card"
    assert browser.ask("document.querySelector('h2').innerText") == "Model card"
    for width in (390, 1280):
        browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.cookie") == ""
    assert browser.ask("getComputedStyle(document.querySelector('.top')).backgroundColor") == "rgb(107, 21, 17)"
    assert browser.complaints == []


def test_one_person_stops_a_model_and_two_start_it_again(browser: Browser, platform: Platform):
    client = platform.client("ministry")
    sign_in(browser, platform, "security_officer", MODEL)
    act(browser, "Đình chỉ", "reason-suspend", "Diễn tập ngắt khẩn cấp")
    assert "Đã đình chỉ" in browser.ask("document.querySelector('[role=status]').innerText")
    assert within(20, lambda: client.post("/v1/nlp/segment", json=SEGMENT).status_code == 403)
    sign_in(browser, platform, "reviewer", MODEL)
    act(browser, "Cho chạy lại", "reason-resume", "Diễn tập xong")
    assert "thêm một người nữa" in browser.ask("document.querySelector('[role=status]').innerText")
    assert client.post("/v1/nlp/segment", json=SEGMENT).status_code == 403
    sign_in(browser, platform, "operator", MODEL)
    act(browser, "Cho chạy lại", "reason-resume", "Đã kiểm tra nhật ký")
    assert "phục vụ trở lại" in browser.ask("document.querySelector('[role=status]').innerText")
    assert within(20, lambda: client.post("/v1/nlp/segment", json=SEGMENT).status_code == 200)


def act(browser: Browser, label: str, field: str, reason: str) -> None:
    """Open a form with the keyboard, give the reason, send it."""
    browser.tab_to(label)
    browser.press("Enter")
    browser.tab_to(field)
    browser.type(reason)
    browser.tab_to(label)
    browser.enter()
