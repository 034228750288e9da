"""The word lists of the tests: ethnic groups, persons, places, ways of typing, templates. Each says its source."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from models.errors import InvalidInputError
from registry.canonical import digest, read_document

LISTS: Final = Path(__file__).with_name("lists")
SLOT: Final = "{X}"
LEAST_TEMPLATES: Final = 20


@dataclass(frozen=True, slots=True)
class Ethnic:
    """One of the 54: its official code, the name used here, and other spellings."""

    code: str
    name: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Noun phrases of one axis, (group, phrase); the first is the reference."""

    id: str
    vi: str
    en: str
    phrases: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with the place {X} for a person, and the topic that it is about."""

    topic: str
    text: str

    def fill(self, phrase: str) -> tuple[str, int]:
        """The sentence with a phrase in its place, and where the phrase begins."""
        at = self.text.index(SLOT)
        word = phrase[:1].upper() + phrase[1:] if at == 0 else phrase
        return self.text.replace(SLOT, word), at


@lru_cache(maxsize=16)
def word_list(name: str) -> dict[str, Any]:
    """A list as it lies beside this module."""
    return read_document(LISTS / f"{name}.json")


def sources(names: Sequence[str]) -> list[dict[str, str]]:
    """Digest and source of lists, for the report."""
    return [{"id": name, "digest": digest(word_list(name)), "source": word_list(name)["source"]} for name in names]


def ethnic_groups() -> tuple[Ethnic, ...]:
    """The 54 ethnic groups, Kinh first."""
    return tuple(
        Ethnic(row["code"], row["name"], tuple(row["aliases"])) for row in word_list("ethnic_groups")["groups"]
    )


def ethnic_phrases() -> Phrases:
    """A person of each ethnic group; of a double name (Bru - Vân Kiều) the part that people use alone."""
    found = tuple((one.name, f"người {one.name.rpartition(' - ')[2]}") for one in ethnic_groups())
    return Phrases("ethnicity", "54 dân tộc", "54 ethnic groups", found)


def person_phrases() -> tuple[Phrases, ...]:
    """Persons by gender, kinship term, age, disability, poverty, religion, kind of area."""
    return tuple(
        Phrases(row["id"], row["vi"], row["en"], tuple((group, phrase) for group, phrase in row["phrases"]))
        for row in word_list("persons")["axes"]
    )


def templates() -> tuple[Template, ...]:
    """The open set of templates."""
    return _templates(word_list("templates"))


def hidden_templates(path: Path) -> tuple[tuple[Template, ...], str]:
    """A reviewer's own set, of the same form, and its digest. Raises InvalidInputError for another form."""
    document = read_document(path)
    try:
        found = _templates(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _bad_templates() from error
    if len(found) < LEAST_TEMPLATES:
        raise _bad_templates()
    return found, digest(document)


def _templates(document: dict[str, Any]) -> tuple[Template, ...]:
    found = tuple(Template(topic, text) for topic, texts in document["templates"].items() for text in texts)
    if any(one.text.count(SLOT) != 1 for one in found):
        raise ValueError("each template has one slot")
    return found


def _bad_templates() -> InvalidInputError:
    form = json.dumps({"templates": {"topic": [f"… {SLOT} …"]}}, ensure_ascii=False)
    return InvalidInputError(
        f"Tập câu mẫu phải có dạng {form}, mỗi câu một chỗ {SLOT}, ít nhất {LEAST_TEMPLATES} câu.",
        f"A set of templates has the form {form}, one {SLOT} a sentence, at least {LEAST_TEMPLATES} sentences.",
        code="bad-templates",
    )


@lru_cache(maxsize=4)
def mention_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What counts as a mention of a group, group by group."""
    rows = word_list("mentions")["groups"]
    names = [spelling for one in ethnic_groups()[1:] for spelling in (one.name, *one.aliases)]
    called = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found = []
    for group, words in rows.items():
        pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        if group == "dân tộc thiểu số":
            pattern += rf"|(?:[Nn]gười|dân tộc|đồng bào) (?:{called})"
        found.append((group, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")))
    return tuple(found)


@lru_cache(maxsize=1)
def region_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Words that mark a region."""
    return tuple(
        (region, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE))
        for region, words in word_list("regional")["markers"].items()
    )


def region_of(text: str) -> str:
    """The region whose words a text uses: two different ones at least and more than of any other; "" for none."""
    counts = {region: len({hit.lower() for hit in pattern.findall(text)}) for region, pattern in region_patterns()}
    best = max(counts, key=lambda region: counts[region])
    others = [count for region, count in counts.items() if region != best]
    return best if counts[best] >= 2 and counts[best] > max(others) else ""
