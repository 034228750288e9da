"""The yearbooks and monthly workbooks themselves; they lie outside the project (AICHUNG_DATA_MIRROR)."""

import os
from pathlib import Path

import pytest

from tests.bench.reading import gso, moh, sample

ROOT = Path(os.environ.get("AICHUNG_DATA_MIRROR", "/nowhere"))
pytestmark = pytest.mark.skipif(not (ROOT / "bulletins").is_dir(), reason="AICHUNG_DATA_MIRROR is not set")


def test_the_yearbooks_are_read_right():
    score = moh(ROOT)
    total = score.right + score.wrong + score.missed
    assert total > 50_000
    assert score.right >= 0.995 * total
    assert score.wrong <= 0.001 * total


def test_every_figure_of_the_monthly_workbooks_is_placed_or_asked_about():
    whole = gso(ROOT)
    assert whole.total > 100_000
    assert not whole.lost
    assert whole.placed >= 0.97 * whole.total


def test_the_monthly_workbooks_are_read_as_written_from_the_sheets():
    score = sample(ROOT)
    total = score.right + score.wrong + score.missed
    assert total >= 2_000
    assert score.right >= 0.99 * total, score.examples[:10]
