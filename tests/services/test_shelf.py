"""Open models within a bound of memory: what goes, what stays."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.memory import give_back, resident_bytes
from services.shelf import Shelf


@dataclass(frozen=True)
class Book:
    bytes_held: int


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def trims() -> list[int]:
    return []


@pytest.fixture
def shelf(trims) -> Shelf[Book]:
    return Shelf(count=4, bytes_held=100, idle_seconds=50, clock=Hand(), trim=lambda: trims.append(1))


def names(shelf: Shelf[Book]) -> set[str]:
    return {digest for digest, _ in shelf.items()}


def test_the_one_used_longest_ago_goes_when_weight_is_over(shelf, trims):
    for name in "abc":
        shelf.put(name, Book(30))
    assert shelf.get("a") == Book(30)
    shelf.put("d", Book(30))
    assert names(shelf) == {"a", "c", "d"}
    assert shelf.bytes_held == 90
    assert trims == [1]


def test_their_number_is_bounded_too(shelf):
    for name in "abcdef":
        shelf.put(name, Book(1))
    assert names(shelf) == set("cdef")


def test_room_is_made_before_a_large_one_is_opened_and_it_stays_although_it_is_over(shelf):
    for name in "abc":
        shelf.put(name, Book(30))
    shelf.make_room(65)
    assert names(shelf) == {"c"}
    shelf.put("large", Book(500))
    assert names(shelf) == {"large"}
    assert shelf.get("large") == Book(500)
    shelf.put("next", Book(10))
    assert names(shelf) == {"next"}


def test_idle_ones_go_and_kept_ones_stay(shelf):
    for name in "abc":
        shelf.put(name, Book(1))
    shelf._clock.now += 60
    shelf.get("b")
    shelf.close_idle({"c"})
    assert names(shelf) == {"b", "c"}


def test_news_of_a_closed_one_do_not_open_it_again(shelf):
    shelf.put("a", Book(1))
    shelf.close(["a", "unknown"])
    shelf.replace("a", Book(2))
    assert len(shelf) == 0
    assert shelf.get("a") is None


def test_memory_given_back_is_seen():
    blocks = [bytearray(1 << 16) for _ in range(3_000)]
    held = resident_bytes()
    del blocks
    give_back()
    assert resident_bytes() < held - 100_000_000
