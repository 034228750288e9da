"""The gate: closed unless everything holds, and it says what is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.entries import LEGAL_MOVES, Approval, Digests, Entry, Stage, may_move
from registry.gate import holds, may_serve
from tests.registry.making import DAY, NOW

AT = datetime.fromtimestamp(NOW, UTC)
DIGESTS = Digests(*(f"sha256:{letter * 64}" for letter in "abcdef0"))
APPROVAL = Approval(
    "apr_1", "bootstrap", "{}", DIGESTS, ("T0", "T1"), AT, AT + timedelta(days=90), "bootstrap", verified=True
)
ENTRY = Entry(
    "vi-segment", "1.0.0", "text.segment/1", ("segment",), "platform", True, "T1", Stage.SERVING, replace(DIGESTS), "x",
    APPROVAL, None, AT,
)  # fmt: skip


def with_approval(**changes: object) -> Entry:
    return replace(ENTRY, approval=replace(APPROVAL, **changes))


def test_the_gate_opens_when_everything_holds():
    assert may_serve(ENTRY, NOW).allowed
    assert may_serve(ENTRY, NOW + 90 * DAY - 1).allowed


CLOSED = {
    "missing": (replace(ENTRY, approval=None), NOW),
    "altered": (with_approval(verified=False), NOW),
    "not-yet-valid": (ENTRY, NOW - 1),
    "expired": (ENTRY, NOW + 90 * DAY),
    "tier": (replace(ENTRY, tier="T2"), NOW),
    "suspended": (replace(ENTRY, stage=Stage.SUSPENDED), NOW),
    "approved": (replace(ENTRY, stage=Stage.APPROVED), NOW),
    "shadow": (replace(ENTRY, stage=Stage.SHADOW), NOW),
}


@pytest.mark.parametrize("state", CLOSED)
def test_the_gate_is_closed_and_says_why(state: str):
    entry, at = CLOSED[state]
    verdict = may_serve(entry, at)
    assert not verdict.allowed
    assert verdict.state == state
    assert state in verdict.missing


@pytest.mark.parametrize("name", Digests.__dataclass_fields__)
def test_every_digest_of_the_set_counts(name: str):
    entry = replace(ENTRY, digests=replace(DIGESTS, **{name: "sha256:" + "9" * 64}))
    assert may_serve(entry, NOW).state == "altered"


def test_a_bootstrap_approval_cannot_be_made_wider_or_longer():
    assert may_serve(replace(with_approval(tiers=("T0", "T1", "T2")), tier="T2"), NOW).state == "tier"
    assert not may_serve(with_approval(valid_until=AT + timedelta(days=91)), NOW).allowed
    assert not may_serve(with_approval(kind="unheard-of"), NOW).allowed


def test_a_review_may_cover_any_tier():
    reviewed = replace(with_approval(kind="review", tiers=("T3",), valid_until=AT + timedelta(days=700)), tier="T3")
    assert may_serve(reviewed, NOW + 600 * DAY).allowed


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_a_clock_that_says_nonsense_opens_nothing(at: float):
    assert not may_serve(ENTRY, at).allowed


def test_final_stages_are_final_and_stopping_is_one_step():
    for stage in (Stage.REJECTED, Stage.REVOKED, Stage.RETIRED):
        assert not LEGAL_MOVES[stage]
    for stage in (Stage.APPROVED, Stage.SHADOW, Stage.SERVING):
        assert Stage.SUSPENDED in LEGAL_MOVES[stage]
    assert set(LEGAL_MOVES) == set(Stage)


def test_only_low_tiers_skip_shadow_and_canary():
    for kind in ("bootstrap", "review"):
        approved = replace(with_approval(kind=kind), stage=Stage.APPROVED)
        assert all(may_move(replace(approved, tier=tier), Stage.SERVING) for tier in ("T0", "T1"))
        assert not any(may_move(replace(approved, tier=tier), Stage.SERVING) for tier in ("T2", "T3"))


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY, Stage.APPROVED])
def test_a_good_approval_holds_before_the_release_and_opens_nothing(stage: Stage):
    waiting = replace(ENTRY, stage=stage)
    assert holds(waiting, NOW)
    verdict = may_serve(waiting, NOW)
    assert (verdict.allowed, verdict.state, verdict.missing) == (False, stage.value, (stage.value,))
