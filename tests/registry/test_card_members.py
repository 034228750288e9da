"""Members of a card's values are named for people, wherever a card is shown."""

from __future__ import annotations

import json
import re
from copy import deepcopy

from registry.bundle import BUNDLED_FOLDER
from registry.card_members import MEMBERS, member_name
from registry.card_page import render_page
from registry.paper import render_pdf

CARD = json.loads(next((BUNDLED_FOLDER / "vi-topic").rglob("card.json")).read_text("utf-8"))


def test_every_member_that_people_state_has_a_name_in_two_languages():
    stated = {"direct_basis", "uses", "run_id", "harm", "mitigation", "retention_months", "verdict_by_axis"}
    assert stated <= set(MEMBERS)
    assert all(note.vi and note.en for note in MEMBERS.values())
    assert member_name("bare_share").vi == "bare_share"


def test_the_page_shows_names_and_leaves_the_code_s_own_words():
    page = render_page(CARD).decode()
    assert "Căn cứ trực tiếp của quyết định" in page
    assert not re.search(r"<dt>(direct_basis|verdict_by_axis|run_id)\b", page)
    assert "<dt>bare_share</dt>" in page


def test_a_member_s_name_is_text_also_when_somebody_made_it_up():
    card = deepcopy(CARD)
    card["training"]["hyperparameters"]["value"] = {"<script>alert(1)</script>": {"<b>": [{"</para>": 1}]}}
    assert b"<script" not in render_page(card)
    assert render_pdf(card).startswith(b"%PDF-")
