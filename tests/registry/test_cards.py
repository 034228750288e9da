"""The dossier: every field from somewhere, the tier computed, empty words refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from models.artifact import Artifact, open_artifact
from models.errors import InvalidInputError
from registry import cards
from registry.bundle import BUNDLED_FOLDER
from registry.canonical import digest as digest_of
from registry.canonical import read_document
from registry.card_fields import FIELDS
from registry.card_values import is_gap
from tests.registry.making import card_for, human, model_folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return open_artifact(model_folder(tmp_path_factory.mktemp("bundled")) / "artifact")


@pytest.fixture
def card(artifact: Artifact) -> dict[str, Any]:
    return card_for(artifact)[0]


def rules(card: dict[str, Any], tier: str = "T1", **more: Any) -> set[tuple[str, str]]:
    return {(finding.field, finding.rule) for finding in cards.lint(card, tier, **more)}


def put(card: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value in a field people write."""
    changed = deepcopy(card)
    section, _, name = path.partition(".")
    changed[section][name] = {"value": value, "source": "human", "by": "x", "at": "2026-11-24", "evidence": []}
    return changed


def without(card: dict[str, Any], path: str) -> dict[str, Any]:
    changed = deepcopy(card)
    section, _, name = path.partition(".")
    del changed[section][name]
    return changed


def test_the_project_s_own_card_passes_its_own_lint(card, artifact):
    assert rules(card, artifact_digest=artifact.digest) == set()


def test_facts_come_from_the_run_and_judgement_from_people(card, artifact):
    assert card["identity"]["artifact_digest"]["value"] == artifact.digest
    assert card["identity"]["artifact_digest"]["source"] == "auto"
    assert card["training"]["seed"]["evidence"] == ["run1"]
    assert card["purpose"]["intended_use"]["source"] == "human"
    assert is_gap(card["fairness"]["bias_report"])
    assert [row["name"] for row in card["evaluation"]["metrics"]["value"]] == ["word_f1"]
    assert card["evaluation"]["load_test"]["value"][0]["name"] == "syllables_per_second"
    assert card["evaluation"]["skill_vs_baseline"]["value"][0]["baseline_value"] == 0.8


def test_a_card_s_digest_is_of_its_content_not_of_its_layout(card):
    again = json.loads(json.dumps(card, indent=3, sort_keys=True))
    assert cards.digest(again) == cards.digest(card)
    assert cards.digest(put(card, "risk.misuse", "x")) != cards.digest(card)


@pytest.mark.parametrize("field", [field.path for field in FIELDS if field.required("T1")])
def test_each_required_field_is_missed(card, field: str):
    assert (field, "required") in rules(without(card, field))


def test_higher_tiers_ask_for_more(card):
    asked = [sum(field.required(tier) for field in FIELDS) for tier in ("T0", "T1", "T2", "T3")]
    assert asked == sorted(set(asked))
    bare = without(card, "operation.retirement_plan")
    assert ("operation.retirement_plan", "required") in rules(bare, "T2")
    assert ("operation.retirement_plan", "required") not in rules(bare, "T1")


@pytest.mark.parametrize("words", ["", "   ", None, {}, {"vi": " ", "en": "x"}, {"not_evaluated": " "}])
def test_blanks_are_refused(card, words):
    changed = put(card, "risk.misuse", words)
    if isinstance(words, dict) and "not_evaluated" in words:
        changed["risk"]["misuse"] = words
    assert ("risk.misuse", "blank") in rules(changed)


@pytest.mark.parametrize(
    "words", ["None", "N/A", "TBD", "More information needed.", "Chưa có", {"vi": "Không rõ", "en": "?"}]
)
def test_empty_words_are_refused(card, words):
    assert ("risk.misuse", "boilerplate") in rules(put(card, "risk.misuse", words))


def test_a_gap_needs_a_reason_that_is_one(card):
    changed = deepcopy(card)
    changed["risk"]["misuse"] = {"not_evaluated": "TBD"}
    assert ("risk.misuse", "boilerplate") in rules(changed)
    changed["risk"]["misuse"] = {"not_evaluated": "chưa có người đánh giá ở bước này"}
    assert rules(changed) == set()


def test_a_field_without_provenance_is_refused(card):
    changed = deepcopy(card)
    changed["risk"]["misuse"] = {"value": "x"}
    assert ("risk.misuse", "shape") in rules(changed)


@pytest.mark.parametrize(
    "change",
    [{"n": 0}, {"n": True}, {"n": None}, {"dataset_digest": "sha256:1"}, {"ci95": None}, {"ci95": [0.9, 0.1]},
     {"value": "0.97"}, {"value": True}],
)  # fmt: skip
def test_a_figure_without_its_evidence_is_refused(card, change):
    changed = deepcopy(card)
    changed["evaluation"]["metrics"]["value"][0] |= change
    assert ("evaluation.metrics", "evidence") in rules(changed)


def test_a_baseline_is_needed_and_being_worse_is_shown(card):
    changed = deepcopy(card)
    changed["evaluation"]["baselines"]["value"] = []
    assert ("evaluation.baselines", "baseline") in rules(changed)
    changed = deepcopy(card)
    changed["evaluation"]["skill_vs_baseline"]["value"][0]["value"] = 0.7
    (finding,) = cards.lint(changed, "T1")
    assert (finding.rule, finding.blocking) == ("skill", False)


def test_evaluating_on_training_data_is_refused(card):
    changed = deepcopy(card)
    changed["data"]["datasets"]["value"][1]["id"] = changed["data"]["datasets"]["value"][0]["id"]
    assert ("data.datasets", "leakage") in rules(changed)


def test_a_card_of_another_artefact_is_refused(card):
    assert rules(card, artifact_digest="sha256:" + "0" * 64) == {("identity.artifact_digest", "artifact")}


@pytest.mark.parametrize(
    ("kind", "words"),
    [("email", "liên hệ nguyen.van.a@example.gov.vn"), ("phone", "gọi 0912 345 678"), ("cccd", "số 001 203 004 567")],
)
def test_personal_data_in_a_card_is_refused(card, kind, words):
    found = [finding for finding in cards.lint(put(card, "risk.misuse", words), "T1") if finding.rule == "personal"]
    assert kind in found[0].vi
    assert words not in found[0].vi


ODD = (
    None,
    True,
    0,
    -1.5,
    10**400,
    "",
    [],
    {},
    [1],
    ["a", None],
    {"a": 1},
    [[]],
    {"value": 3},
    {"not_evaluated": 5},
    "x",
)


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a document."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from nodes(part, (*path, key))


def test_no_card_however_misshapen_breaks_the_lint_or_the_tier(card):
    """What an engineer sends is judged, never a fault of the platform."""
    chance, paths = Random(20261124), list(nodes(card))
    for _ in range(1_500):
        changed = deepcopy(card)
        *way, last = chance.choice(paths)
        place: Any = changed
        for step in way:
            place = place[step]
        place[last] = chance.choice(ODD)
        with suppress(InvalidInputError):
            cards.control_tier(changed)
        cards.lint(changed, "T1", artifact_digest="sha256:0", others=[card])


def test_the_same_judgement_on_many_models_is_boilerplate(card):
    assert rules(card, others=[card] * 2) == set()
    assert ("risk.limitations", "boilerplate") in rules(card, others=[card] * 3)


def test_an_explanation_fits_a_page(card):
    long = {"vi": "a" * 4000, "en": "b"}
    assert ("explanation.plain_explanation", "plain") in rules(put(card, "explanation.plain_explanation", long))


RAISED = [
    ("classification.legal_tier", "cao", "T3"), ("classification.legal_tier", "unheard-of", "T3"),
    ("classification.legal_tier", "trung_binh", "T2"), ("classification.personal_data", True, "T2"),
    ("classification.sensitive_categories", ["ethnic origin"], "T3"), ("purpose.decision_role", "automated", "T3"),
    ("classification.art20", {"uses": ["b"], "direct_basis": False}, "T2"),
    ("classification.art20", {"uses": ["b"], "direct_basis": True}, "T3"),
    ("classification.declared_control_tier", "T2", "T2"), ("classification.declared_control_tier", "T0", "T1"),
    ("purpose.public_facing", True, "T2"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "tier"), RAISED)
def test_the_tier_is_computed_from_use_and_only_raised_by_words(card, path, value, tier):
    assert cards.control_tier(card) == "T1"
    assert cards.control_tier(put(card, path, value)) == tier


@pytest.mark.parametrize(
    "path",
    ["classification.legal_tier", "classification.art20", "purpose.decision_role", "classification.personal_data"],
)
def test_what_is_not_known_counts_as_grave(card, path):
    assert cards.control_tier(without(card, path)) in ("T2", "T3")


def test_state_secrets_are_refused_at_any_tier(card):
    with pytest.raises(InvalidInputError):
        cards.control_tier(put(card, "classification.secrecy", "mật"))


def test_a_tier_on_the_card_that_is_not_the_computed_one_is_refused(card):
    assert ("classification.control_tier", "tier") in rules(put(card, "classification.control_tier", "T0"))


def test_a_licence_that_contradicts_the_artefact_is_refused(artifact):
    with pytest.raises(InvalidInputError):
        card_for(artifact, identity=human()["identity"] | {"licence": "GPL-3.0-only"})


def test_the_rendered_card_is_vietnamese_first_whole_and_stable(card):
    text = cards.render_markdown(card)
    assert text == cards.render_markdown(deepcopy(card))
    assert text.startswith("# Hồ sơ mô hình: Tách từ")
    assert cards.digest(card) in text
    assert "| word_f1 | 0.97 |" in text
    assert "_Chưa đánh giá | Not evaluated_" in text
    for field in FIELDS:
        if field.name in card[field.section]:
            assert f"**{field.vi}** | {field.en}" in text


BUNDLED_CARDS = sorted(BUNDLED_FOLDER.glob("*/*/card.json"))


@pytest.mark.parametrize("path", BUNDLED_CARDS, ids=[path.parts[-3] for path in BUNDLED_CARDS])
def test_every_bundled_card_passes(path: Path):
    card = read_document(path)
    sealed = open_artifact(path.parent / "artifact")
    others = [read_document(other) for other in BUNDLED_CARDS if other != path]
    findings = cards.lint(card, cards.control_tier(card), artifact_digest=sealed.digest, others=others)
    assert [finding for finding in findings if finding.blocking] == []
    assert cards.digest(card) == digest_of(card)
