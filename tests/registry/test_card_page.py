"""The card as a page: whole, escaped, in order for a screen reader, small."""

from __future__ import annotations

import json
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from registry import cards
from registry.bundle import BUNDLED_FOLDER
from registry.card_fields import SECTIONS

CARDS = sorted(BUNDLED_FOLDER.glob("*/*/card.json"))
VOID = ("meta", "br")


class Reader(HTMLParser):
    """Reads a page strictly: every tag is closed by its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: bytes) -> Reader:
    reader = Reader()
    reader.feed(page.decode())
    reader.close()
    assert reader.open == []
    return reader


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.parent.name)
def test_every_bundled_card_is_a_page_with_all_sections_in_bounds(path: Path):
    card = load(path)
    page = cards.render_page(card)
    assert len(page) <= 150_000
    assert page == cards.render_page(deepcopy(card))
    reader = read(page)
    said = " ".join(" ".join(reader.words).split())
    assert [attributes["id"] for tag, attributes in reader.tags if tag == "h2"] == list(SECTIONS)
    for vi, en in SECTIONS.values():
        assert vi in said
        assert en in said
    for field in (field for section in SECTIONS for field in card[section].values()):
        for row in field["value"] if isinstance(field.get("value"), list) else ():
            if isinstance(row, dict) and "digest" in row:
                assert row["digest"] in said
    assert cards.digest(card) in said
    assert not {tag for tag, _ in reader.tags} & {"script", "img", "link", "iframe", "object", "form"}


def test_english_carries_its_language_and_tables_their_headers():
    reader = read(cards.render_page(load(CARDS[0])))
    assert reader.tags[0] == ("html", {"lang": "vi"})
    assert any(tag == "span" and attributes.get("lang") == "en" for tag, attributes in reader.tags)
    heads = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert heads
    assert all(head.get("scope") == "col" for head in heads)


def test_what_people_wrote_is_text_never_markup():
    card = load(CARDS[0])
    attack = '<script>alert("1")</script> & <img src=x onerror=y> | <b>en</b>'
    for field in card["purpose"].values():
        if "value" in field:
            field["value"] = attack
    card["purpose"][attack] = {"not_evaluated": attack}
    card["risk"]["limitations"] = {"value": [{attack: attack}], "source": "human", "by": "x", "at": "x", "evidence": []}
    card["identity"]["name_vi"]["value"] = attack
    reader = read(cards.render_page(card))
    assert not {tag for tag, _ in reader.tags} & {"script", "img", "b"}
    assert attack.partition(" | ")[0] in "".join(reader.words)
