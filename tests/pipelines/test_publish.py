import json
import re
import shutil

import pytest
import yaml

from models.artifact import open_artifact, seal
from models.errors import IntegrityError, NotFoundError
from pipelines.publish import CARDS, human_part, rewrite_card
from pipelines.recipes import RECIPES
from registry.bundle import BUNDLED_FOLDER
from registry.cards import assemble, control_tier, lint, render_markdown, value_of

DIGEST = "sha256:" + "0" * 64
FAMILY = {"vi": "text.x/1", "forecast": "forecast.x/1", "anomaly": "anomaly.x/1"}
PROSE = ("purpose.intended_use", "risk.limitations", "fairness.harms", "explanation.plain_explanation")


def card(name, folder):
    """The card of a model as the pipeline makes it, over an empty artefact of the right family."""
    human = human_part(name)
    licence = human["identity"]["licence"]
    folder.mkdir(exist_ok=True)
    artifact = seal(folder, name=name, version="1.0.0", kind=FAMILY[name.partition("-")[0]], licence=licence, config={})
    row = {"name": "accuracy", "value": 0.9, "n": 10, "dataset": "d", "slice": "all", "dataset_digest": DIGEST,
           "ci95": [0.8, 0.95], "baseline": None}  # fmt: skip
    run = {"run_id": "r", "by": "test", "at": "2026-01-01", "code_commit": "unknown", "environment_digest": DIGEST,
           "hardware": "h", "seconds": 1.0, "seed": 1, "parameters": {"a": 1}, "notes": {"n": "m"}}  # fmt: skip
    evaluation = {
        "metrics": [row],
        "baselines": [{**row, "baseline": "majority"}],
        "overlap_removed": {"d": {"near": 0}},
    }
    return assemble(human, run, evaluation, [{"id": "d", "role": "evaluation", "digest": DIGEST}], artifact)


@pytest.mark.parametrize("name", RECIPES)
def test_what_people_wrote_passes_the_lint_of_its_tier_without_a_remark(name, tmp_path):
    whole = card(name, tmp_path / name)
    others = [card(other, tmp_path / other) for other in RECIPES if other != name]
    assert control_tier(whole) == "T1"
    assert lint(whole, "T1", others=others) == []


@pytest.mark.parametrize("name", RECIPES)
def test_every_sentence_of_judgement_stands_in_vietnamese_and_english(name):
    human = human_part(name)
    for path in PROSE:
        section, _, field = path.partition(".")
        text = yaml.safe_dump(human[section][field], allow_unicode=True)
        vietnamese, english = len(re.findall(r"\bvi:", text)), len(re.findall(r"\ben:", text))
        assert vietnamese == english > 0, path


def test_no_two_cards_share_their_judgement(tmp_path):
    cards = [card(name, tmp_path / name) for name in RECIPES]
    for path in (*PROSE, "purpose.prohibited", "operation.monitoring", "risk.misuse", "identity.complaint_contact"):
        values = [yaml.safe_dump(value_of(one, path), allow_unicode=True) for one in cards]
        assert len(set(values)) == len(values), path


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_says_that_bias_is_not_evaluated_yet_and_why(name, tmp_path):
    whole = card(name, tmp_path / name)
    assert set(whole["fairness"]["bias_report"]) == {"not_evaluated"}
    shown = render_markdown(whole)
    assert whole["fairness"]["bias_report"]["not_evaluated"] in shown
    assert "bootstrap" in shown
    assert "không phải là rà soát" in shown


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_states_the_licence_of_the_bundled_weights(name):
    for folder in BUNDLED_FOLDER.glob(f"{name}/*/artifact"):
        assert human_part(name)["identity"]["licence"] == open_artifact(folder).licence


def test_every_recipe_has_a_card_and_every_card_a_recipe():
    assert {path.parent.name for path in CARDS.glob("*/card.yaml")} == set(RECIPES)


@pytest.fixture
def shelf(tmp_path):
    """The released models, in a folder of the test's own."""
    return shutil.copytree(BUNDLED_FOLDER, tmp_path / "shelf")


def test_every_released_card_says_what_its_human_part_says_now(shelf):
    """Rewritten from the same words, each card is the same to the byte."""
    for path in sorted(shelf.glob("*/*/card.json")):
        before = path.read_bytes()
        rewrite_card(path.parent.parent.name, shelf)
        assert path.read_bytes() == before, path.parent.parent.name


def test_a_judgement_is_put_right_without_touching_what_was_measured(shelf, tmp_path):
    cards = shutil.copytree(CARDS, tmp_path / "cards")
    human = cards / "vi-topic" / "card.yaml"
    human.write_text(human.read_text("utf-8").replace("citation:", "citation: x # ", 1), encoding="utf-8")
    folder = shelf / "vi-topic" / "1.0.0"
    standing = json.loads((folder / "card.json").read_text("utf-8"))
    others = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "card.json"}
    rewritten = rewrite_card("vi-topic", shelf, cards).document
    changed = [
        (section, field) for section, fields in rewritten.items() if isinstance(fields, dict)
        for field in fields if fields[field] != standing[section].get(field)
    ]  # fmt: skip
    assert changed == [("identity", "citation")]
    assert {path: path.read_bytes() for path in others} == others
    assert json.loads((folder / "card.json").read_text("utf-8")) == rewritten
    assert [path.name for path in folder.parent.iterdir()] == ["1.0.0"]


def test_a_card_is_not_rewritten_over_altered_evidence_or_for_nothing(shelf):
    evaluation = shelf / "vi-topic" / "1.0.0" / "evaluation.json"
    evaluation.write_text(
        evaluation.read_text("utf-8").replace('"artifact_digest": "sha256:', '"artifact_digest": "', 1)
    )
    with pytest.raises(IntegrityError):
        rewrite_card("vi-topic", shelf)
    with pytest.raises(NotFoundError):
        rewrite_card("vi-nothing", shelf)
