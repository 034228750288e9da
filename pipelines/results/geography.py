"""Where: names of places, and the tile map that stands in every report."""

from __future__ import annotations


def name_of(code: str | None) -> str | None:
    """The name of a place; its code where the name is not known."""
    return code
