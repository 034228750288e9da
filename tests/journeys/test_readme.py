"""The README, followed word for word: every command works and says what the README shows; its tables are fresh."""

from __future__ import annotations

import re

import pytest

from tests.journeys.conftest import ROOT, Platform
from tests.journeys.readme import README, Block, Outcome, blocks, run, stable, tables

TEXT = README.read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
VIETNAMESE = re.compile("[ạảấầẩậắặẻẽếềểệỉịọỏốồộớờởợụủứừửựđ]")
NAMES = [f"{place:02d} {block.command.strip().splitlines()[0][:50]}" for place, block in enumerate(BLOCKS)]


@pytest.fixture(scope="module")
def outcomes(platform: Platform) -> list[Outcome]:
    """All blocks, run once, in order, in one shell."""
    return run(TEXT, platform)


@pytest.mark.journey
@pytest.mark.parametrize("place", range(len(BLOCKS)), ids=NAMES)
def test_a_command_of_the_readme_works_and_says_what_stands_there(outcomes: list[Outcome], place: int):
    block, outcome = BLOCKS[place], outcomes[place]
    assert not outcome.failed, outcome.output
    if block.output is not None:
        assert stable(outcome.output) == stable(block.output), outcome.output


def test_the_tables_are_fresh():
    for name, stands, fresh in tables(TEXT):
        assert stands == fresh, f"the table of {name} is stale; run: python -m tests.journeys.readme"


def test_the_two_commands_come_first():
    first = re.search(r"^```sh\n(.*?)^```", TEXT, re.M | re.S)
    assert first is not None
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == ["make serve", "make test"]


def test_both_languages_are_whole():
    for section in re.split(r"^## ", TEXT, flags=re.M)[1:]:
        title, _, body = section.partition("\n")
        assert " · " in title, title
        prose = re.sub(r"^```.*?^```|^\|.*?$|<!--.*?-->", "", body, flags=re.M | re.S)
        paragraphs = [paragraph for paragraph in prose.split("\n\n") if len(paragraph.split()) > 5]
        vietnamese = [
            paragraph for paragraph in paragraphs if re.search("[ạảấầẩậắặẻẽếềểệỉịọỏốồộớờởợụủứừửựđ]", paragraph)
        ]
        assert vietnamese, f"{title} has no Vietnamese"
        assert len(vietnamese) < len(paragraphs) or not paragraphs, f"{title} has no English"


def test_every_sample_file_that_the_readme_names_exists_and_every_one_is_used():
    named = set(re.findall(r"notebooks/samples/([\w.]+)", TEXT))
    there = {path.name for path in (ROOT / "notebooks" / "samples").iterdir() if path.is_file()}
    assert named <= there
    assert there - named <= {"documents.json"}, "a sample without its journey"


def test_a_changed_output_is_noticed():
    block = Block("", '{"code":"gate-closed","request_id":"aa00b3fc-3a7f-493d-89ab-83b4da801ecb","n":1.5}', 0, 0)
    same = '{"code":"gate-closed","request_id":"bb00b3fc-3a7f-493d-89ab-83b4da801ecb","n":-27}'
    assert stable(same) == stable(block.output or "")
    assert stable(same.replace("gate-closed", "forbidden")) != stable(block.output or "")
    assert stable(same.replace('"n"', '"m"')) != stable(block.output or "")
