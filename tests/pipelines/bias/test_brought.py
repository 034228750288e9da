"""A classifier that somebody brings is tested on labelled texts that they bring with it."""

import json

import pytest

from models.errors import InvalidInputError
from models.scores.groups import Verdict
from pipelines.bias import text
from pipelines.bias.brought import read_brought
from pipelines.bias.lists import templates
from tests.pipelines.bias.test_language import Judge, cases


def written(folder, rows):
    path = folder / "held-back.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_a_foreign_classifier_gets_every_test_and_its_file_is_named(tmp_path):
    rows = [{"text": one.text, "label": one.gold, "source": one.source} for one in cases()]
    brought = read_brought(written(tmp_path, rows))
    found = text.assess_brought(Judge("người Tày"), brought, templates(), "T1", lambda line: None)
    axes = {axis.id: axis for axis in found.axes}
    assert {"typing", "length", "source", "regional", "mentions", "ethnicity", "ethnicity-natural", "origin"} <= set(
        axes
    )
    flips = {one.group: one.verdict for one in axes["ethnicity"].measures[0].comparisons}
    assert flips.pop("Tày") is Verdict.FAIL
    assert set(flips.values()) == {Verdict.PASS}
    assert "accuracy_lost" not in {one.metric for one in axes["ethnicity"].measures}
    assert found.brought[0]["digest"].startswith("sha256:")


@pytest.mark.parametrize("row", [{"text": "a"}, {"text": "", "label": "x"}, {"text": 1, "label": "x"}, ["a"]])
def test_a_line_that_is_no_labelled_text_is_named(tmp_path, row):
    good = [{"text": "a", "label": "b"}] * 120
    with pytest.raises(InvalidInputError) as refused:
        read_brought(written(tmp_path, [*good, row]))
    assert "121" in refused.value.note.en


def test_too_few_texts_are_refused(tmp_path):
    with pytest.raises(InvalidInputError):
        read_brought(written(tmp_path, [{"text": "a", "label": "b"}] * 99))
