"""A version's papers at the console: the printed card, the evidence bundle, words that people can read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest

from registry import standalone
from tests.services.console.test_console import NEW, Desk, furnished


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk shared by tests that read."""
    made = furnished(tmp_path_factory.mktemp("desk"))
    yield made
    made.place.close()


def test_the_card_comes_as_pdf_and_the_evidence_as_a_bundle_that_verifies(desk: Desk):
    page = desk.get(NEW, "reviewer").text
    for link in (f"{NEW}/papers/card.pdf", f"{NEW}/evidence"):
        assert f'href="{link}"' in page
    printed = desk.get(f"{NEW}/papers/card.pdf", "reviewer")
    assert (printed.headers["content-type"], printed.content[:5]) == ("application/pdf", b"%PDF-")
    assert "vi-news-1.1.0-card.pdf" in printed.headers["content-disposition"]
    answer = desk.get(f"{NEW}/evidence", "reviewer")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        found = standalone.check_bundle({name: archive.read(name) for name in archive.namelist()})
    assert found[0] == "vi-news@1.1.0"
    asked = answer.headers["x-request-id"]
    assert [one["event"] for one in desk.place.records() if one.get("request_id") == asked] == ["export.evidence"]


def test_an_evidence_bundle_is_for_those_who_may_read_records(desk: Desk):
    caller = desk.place.house.identity.authenticate(f"Bearer {desk.place.keys['reviewer']}")
    person = {"name": "Người chỉ đọc thẻ", "kind": "person"}
    asked = {"tenant": caller.tenant, "subject": person, "role": "tech_reviewer", "scopes": ["models:read"]}
    key = desk.place.post("/v1/keys", asked, key="admin").json()["key"]
    desk.place.house.identity.refresh()
    assert f"{NEW}/papers/card.pdf" in desk.get(NEW, key).text
    assert f"{NEW}/evidence" not in desk.get(NEW, key).text
    assert desk.get(f"{NEW}/evidence", key).status_code == 403


def test_members_of_a_card_s_values_have_names_in_both_languages(desk: Desk):
    path = f"{NEW}/card"
    vi, en = desk.get(path, "reviewer").text, desk.get(path, "reviewer", english=True).text
    assert "Căn cứ trực tiếp của quyết định" in vi
    assert "Direct basis of a decision" in en
    assert "<dt>direct_basis</dt>" not in vi + en
