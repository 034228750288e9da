"""The rules of a model's life: one table that agrees with the moves; persons, not keys; no administrator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.errors import ConflictError, ForbiddenError
from registry.entries import DIRECT_TIERS, TIERS, Digests, Entry, Stage, legal_moves
from registry.rules import (
    REVIEW_ROLES,
    TRANSITIONS,
    Actor,
    may_try,
    needs,
    offered,
    rank_to_waive,
    rule_for,
    rules_document,
    transitions,
)
from registry.trials import takes
from services.roles import ROLES
from tests.registry.making import DAY, NOW

ENTRY = Entry(
    "vi-segment", "1.0.0", "text.segment/1", ("segment",), "ten_1", False, "T1", Stage.IN_REVIEW,
    Digests("", "", "", "", "", "", ""), "x", None, None, datetime.fromtimestamp(NOW, UTC),
    authors=frozenset({"author"}),
)  # fmt: skip


def actor(role: str, subject: str = "somebody", tenant: str = "ten_1", platform: bool = False) -> Actor:
    return Actor(subject, "person", role, tenant, platform)


def test_every_transition_is_a_legal_move_and_every_legal_move_has_its_transition():
    for tier in TIERS:
        for stage in Stage:
            entry = replace(ENTRY, tier=tier, stage=stage)
            acted = {row.target for row in transitions(entry)}
            unlisted = legal_moves(entry) - acted
            assert acted <= legal_moves(entry), (tier, stage)
            assert unlisted <= {Stage.APPROVED, Stage.IN_REVIEW}, (tier, stage, unlisted)


def test_low_tiers_alone_have_rows_without_guards():
    for row in TRANSITIONS:
        if row.target in (Stage.CANARY, Stage.SERVING) and row.source in (Stage.APPROVED, Stage.SHADOW, Stage.CANARY):
            assert bool(row.guards) is not set(row.tiers).issubset(DIRECT_TIERS), row


def test_an_administrator_and_a_calling_system_have_no_part_in_it():
    roles = {role for row in TRANSITIONS for role in row.roles}
    assert roles <= set(ROLES)
    assert not roles & {"platform_admin", "service", "appeals_officer"}
    for stage in Stage:
        for role in ("platform_admin", "service"):
            assert offered(actor(role), replace(ENTRY, stage=stage)) == ()


@pytest.mark.parametrize("role", REVIEW_ROLES)
def test_an_author_reviews_in_no_role(role: str):
    assert offered(actor(role, "author"), ENTRY) in ((), ("revoke",))
    with pytest.raises(ForbiddenError) as refused:
        rule_for(actor(role, "author"), ENTRY, "approve")
    assert refused.value.word == "author"
    assert rule_for(actor(role), ENTRY, "approve").target is Stage.APPROVED


def test_another_organisation_governs_nothing_but_the_platform_governs_what_is_public():
    public = replace(ENTRY, public=True)
    assert rule_for(actor("tech_reviewer", platform=True), public, "approve")
    for stranger, entry in ((actor("tech_reviewer", tenant="ten_2"), ENTRY), (actor("tech_reviewer"), public)):
        with pytest.raises(ForbiddenError):
            rule_for(stranger, entry, "approve")


def test_a_system_moves_nothing():
    with pytest.raises(ForbiddenError):
        rule_for(replace(actor("ml_engineer", "author"), kind="system"), replace(ENTRY, stage=Stage.DRAFT), "submit")


def test_an_illegal_move_says_what_is_legal_from_there():
    with pytest.raises(ConflictError) as refused:
        rule_for(actor("release_operator"), ENTRY, "serving", Stage.SERVING)
    facts = refused.value.facts
    assert (facts["state"], facts["legal"]) == ("in_review", ["approved", "draft", "rejected", "revoked"])
    assert facts["actions"] == ["approve", "request_changes", "reject", "revoke"]


def test_the_signatures_grow_with_the_tier():
    roles = {
        (tier, personal): [need.role for need in needs(tier, personal_data=personal)]
        for tier in TIERS
        for personal in (False, True)
    }
    assert roles[("T1", True)] == ["tech_reviewer", "fairness_reviewer"]
    assert roles[("T2", False)] == roles[("T1", True)]
    assert roles[("T2", True)] == [*roles[("T1", True)], "dpo"]
    assert roles[("T3", False)] == roles[("T3", True)] == list(REVIEW_ROLES)
    assert needs("T3", personal_data=False)[-1].after == REVIEW_ROLES[:-1]
    assert [rank_to_waive(tier, personal_data=False) for tier in TIERS] == [2, 2, 2, 3]


def test_a_draft_is_tried_by_its_author_for_thirty_days():
    drafted = replace(ENTRY, stage=Stage.DRAFT)
    assert may_try(drafted, NOW + 30 * DAY - 1, "author")
    assert not may_try(drafted, NOW + 30 * DAY, "author")
    assert not may_try(drafted, NOW, "somebody")
    assert not may_try(replace(drafted, stage=Stage.REJECTED), NOW, "author")


def test_a_canarys_callers_only_grow_with_its_share_and_come_near_it():
    callers = [f"sub_{number}" for number in range(2_000)]
    before: set[str] = set()
    for percent in (0, 5, 20, 60, 100):
        chosen = {one for one in callers if takes(replace(ENTRY, percent=percent), "ten_1", one)}
        assert before <= chosen
        assert abs(len(chosen) / len(callers) - percent / 100) < 0.05
        before = chosen


def test_the_rules_are_one_document_of_plain_values():
    assert rules_document() == rules_document()
    assert {row["action"] for row in rules_document()["transitions"]} >= {"submit", "approve", "serving", "suspend"}
