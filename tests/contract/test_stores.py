"""One set of laws for every store: memory, SQLite, and a real PostgreSQL where its server is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete

from models.errors import ConflictError, IntegrityError, NotFoundError
from registry import approvals, statements
from registry.approvals import Trust
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.gate import may_serve
from registry.signatures import Signer
from registry.sql_store import SqlStore
from registry.statements import Paper
from registry.store import Author, MemoryStore, Store
from registry.tables import approvals as approvals_table
from registry.tables import authors, defaults, entries, moves
from registry.tables import statements as statements_table
from tests.registry.making import DAY, NOW, flip, model_folder

BOOTSTRAP, REVIEWER = Signer.generate("bootstrap"), Signer.generate("reviewer")
TRUST = Trust((BOOTSTRAP.public,), (REVIEWER.public,))
Events = list[dict[str, object]]
Make = Callable[[Events], Store]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """A maker of stores that tell their events; the databases are emptied after each law."""
    if request.param == "memory":
        yield lambda events: MemoryStore(TRUST, note=lambda record: events.append(dict(record)))
        return
    database: Database = request.getfixturevalue(request.param)
    yield lambda events: SqlStore(database, TRUST, note=lambda record: events.append(dict(record)))
    with database.write() as connection:
        for table in (approvals_table, defaults, moves, authors, statements_table, entries):
            connection.execute(delete(table))


@pytest.fixture
def events() -> Events:
    return []


@pytest.fixture
def store(make: Make, events: Events) -> Store:
    return make(events)


def entry_of(folder: Path, tier: str = "T1") -> Entry:
    evidence = read_evidence(folder)
    entry = Entry(
        name=evidence.artifact.name, version=evidence.artifact.version, kind=evidence.artifact.kind,
        tasks=("segment",), tenant="platform", public=True, tier=tier, stage=Stage.DRAFT,
        digests=Digests("", "", "", "", "", "", ""), folder=str(folder), approval=None, reason=None,
        created_at=datetime.fromtimestamp(NOW, UTC),
    )  # fmt: skip
    return replace(entry, digests=digests_of(evidence, entry))


def in_review(store: Store, entry: Entry) -> Entry:
    store.register(entry)
    store.move(entry.name, entry.version, Stage.CHECKING, "engineer")
    return store.move(entry.name, entry.version, Stage.IN_REVIEW, "system")


def served(store: Store, entry: Entry) -> Entry:
    in_review(store, entry)
    approval = approvals.bootstrap(entry, BOOTSTRAP, NOW)
    store.approve(entry.name, entry.version, approval.statement, "bootstrap")
    return store.move(entry.name, entry.version, Stage.SERVING, "platform")


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    return entry_of(model_folder(tmp_path / "bundled"))


def test_what_was_registered_is_found_again(store: Store, entry: Entry):
    assert store.register(replace(entry, stage=Stage.SERVING)) == entry
    assert store.entry("vi-segment", "1.0.0") == entry
    assert store.entries() == [entry]


def test_an_unknown_model_is_not_found(store: Store):
    with pytest.raises(NotFoundError):
        store.entry("vi-segment", "1.0.0")
    with pytest.raises(NotFoundError):
        store.move("vi-segment", "1.0.0", Stage.CHECKING, "a")
    with pytest.raises(NotFoundError):
        store.set_default("segment", "vi-segment", "1.0.0", "a")


def test_registering_the_same_again_changes_nothing(store: Store, entry: Entry, events: Events):
    store.register(entry)
    before = store.revision()
    store.register(entry)
    assert store.revision() == before
    assert [event["event"] for event in events] == ["registry.register"]


def test_a_version_never_gets_other_content(store: Store, entry: Entry):
    store.register(entry)
    with pytest.raises(ConflictError):
        store.register(replace(entry, digests=replace(entry.digests, card="sha256:" + "0" * 64)))


def test_a_moved_folder_is_followed(store: Store, entry: Entry, tmp_path: Path):
    store.register(entry)
    elsewhere = tmp_path / "elsewhere"
    Path(entry.folder).rename(elsewhere)
    assert store.register(replace(entry, folder=str(elsewhere))).folder == str(elsewhere)


def test_moves_follow_the_table(store: Store, entry: Entry):
    store.register(entry)
    with pytest.raises(ConflictError):
        store.move("vi-segment", "1.0.0", Stage.SERVING, "a")
    assert store.move("vi-segment", "1.0.0", Stage.CHECKING, "a").stage is Stage.CHECKING


def test_an_approved_model_serves_and_a_suspended_one_does_not(store: Store, entry: Entry):
    assert may_serve(served(store, entry), NOW + 1).allowed
    suspended = store.move("vi-segment", "1.0.0", Stage.SUSPENDED, "operator", "drift")
    assert suspended.reason == "drift"
    assert may_serve(suspended, NOW + 1).state == "suspended"
    assert may_serve(store.move("vi-segment", "1.0.0", Stage.SERVING, "two persons"), NOW + 1).allowed


def test_every_change_raises_the_revision_and_is_one_event(store: Store, entry: Entry, events: Events):
    revisions = [store.revision()]
    store.register(entry)
    revisions.append(store.revision())
    store.move("vi-segment", "1.0.0", Stage.CHECKING, "engineer", "a reason with a name in it")
    revisions.append(store.revision())
    store.set_default("segment", "vi-segment", "1.0.0", "owner")
    revisions.append(store.revision())
    assert revisions == sorted(set(revisions))
    assert [event["event"] for event in events] == ["registry.register", "registry.move", "registry.default"]
    assert "a reason with a name" not in str(events)


def test_approval_waits_for_the_review_stage(store: Store, entry: Entry):
    store.register(entry)
    with pytest.raises(ConflictError):
        store.approve("vi-segment", "1.0.0", approvals.bootstrap(entry, BOOTSTRAP, NOW).statement, "a")


def test_an_approval_of_other_digests_is_refused(store: Store, entry: Entry):
    in_review(store, entry)
    other = replace(entry, digests=replace(entry.digests, evaluation="sha256:" + "0" * 64))
    with pytest.raises(IntegrityError) as refused:
        store.approve("vi-segment", "1.0.0", approvals.bootstrap(other, BOOTSTRAP, NOW).statement, "a")
    assert refused.value.word == "digest-mismatch"


def test_a_stranger_cannot_approve_and_the_bootstrap_key_cannot_review(store: Store, entry: Entry):
    in_review(store, entry)
    stranger = approvals.bootstrap(entry, Signer.generate("bootstrap"), NOW).statement
    posing = approvals.sign(
        entry, BOOTSTRAP, kind="review", role="tech_reviewer", person="x", tiers=("T3",), valid_from=NOW, days=900
    ).statement
    for statement in (stranger, posing):
        with pytest.raises(IntegrityError) as refused:
            store.approve("vi-segment", "1.0.0", statement, "a")
        assert refused.value.word == "signature-unknown-key"
    assert store.entry("vi-segment", "1.0.0").stage is Stage.IN_REVIEW


def reviewed(store: Store, entry: Entry) -> Entry:
    in_review(store, entry)
    statement = approvals.sign(
        entry, REVIEWER, kind="review", role="tech_reviewer", person="per_1", tiers=(entry.tier,), valid_from=NOW,
        days=700,
    ).statement  # fmt: skip
    return store.approve("vi-segment", "1.0.0", statement, "per_1")


def test_a_model_of_t2_may_skip_neither_shadow_nor_canary(store: Store, tmp_path: Path):
    entry = reviewed(store, entry_of(model_folder(tmp_path), "T2"))
    for stage, illegal in (
        (Stage.SHADOW, (Stage.SERVING, Stage.CANARY)), (Stage.CANARY, (Stage.SERVING,)), (Stage.SERVING, ()),
    ):  # fmt: skip
        for later in illegal:
            with pytest.raises(ConflictError) as refused:
                store.move("vi-segment", "1.0.0", later, "operator")
            assert stage.value in refused.value.facts["legal"]
        entry = store.move("vi-segment", "1.0.0", stage, "operator", percent=20)
        assert (entry.stage, entry.percent) == (stage, 20)
    assert may_serve(entry, NOW + 200 * DAY).allowed


def test_a_model_of_t1_may_serve_straight_after_its_approval(store: Store, entry: Entry):
    reviewed(store, entry)
    assert may_serve(store.move("vi-segment", "1.0.0", Stage.SERVING, "operator"), NOW + 200 * DAY).allowed


@pytest.mark.parametrize("path", ["artifact/weights.json", "artifact/manifest.json", "card.json", "evaluation.json"])
def test_one_changed_byte_of_any_file_closes_the_gate(store: Store, entry: Entry, path: str):
    served(store, entry)
    flip(Path(entry.folder) / path, at=-4)
    altered = store.entry("vi-segment", "1.0.0")
    assert altered.approval is not None
    assert not altered.approval.verified
    assert may_serve(altered, NOW + 1).state == "altered"
    assert altered.reason


def test_a_missing_folder_closes_the_gate(store: Store, entry: Entry):
    served(store, entry)
    Path(entry.folder).rename(Path(entry.folder).with_name("gone"))
    assert may_serve(store.entry("vi-segment", "1.0.0"), NOW + 1).state == "altered"


def test_a_task_has_one_default_model(store: Store, tmp_path: Path):
    first, second = (entry_of(model_folder(tmp_path, version=version)) for version in ("1.0.0", "1.1.0"))
    store.register(first)
    store.register(second)
    assert store.set_default("segment", "vi-segment", "1.0.0", "a").is_default == ("segment",)
    assert store.set_default("segment", "vi-segment", "1.1.0", "a").is_default == ("segment",)
    assert [entry.is_default for entry in store.entries()] == [(), ("segment",)]
    with pytest.raises(ConflictError):
        store.set_default("topics", "vi-segment", "1.0.0", "a")


def test_a_draft_can_be_revised_and_nothing_else(store: Store, entry: Entry, events: Events):
    store.register(entry)
    folder = Path(entry.folder)
    card = json.loads((folder / "card.json").read_text("utf-8"))
    card["identity"]["citation"]["at"] = "2026-11-25T00:00:00Z"
    (folder / "card.json").write_text(json.dumps(card), "utf-8")
    changed = replace(entry, digests=digests_of(read_evidence(folder), entry))
    assert store.revise(changed, "per_1").digests.card == changed.digests.card != entry.digests.card
    assert [event["event"] for event in events] == ["registry.register", "card.edit"]
    store.move("vi-segment", "1.0.0", Stage.CHECKING, "per_1")
    with pytest.raises(ConflictError):
        store.revise(changed, "per_1")


def test_authors_are_only_ever_added(store: Store, entry: Entry):
    store.register(entry)
    assert store.credit("vi-segment", "1.0.0", {Author("per_1", "run")}, "platform").authors == {"per_1"}
    before = store.revision()
    store.credit("vi-segment", "1.0.0", {Author("per_1", "run")}, "platform")
    assert store.revision() == before
    named = store.credit("vi-segment", "1.0.0", {Author("per_1", "card"), Author("per_2", "owner")}, "platform")
    assert named.authors == {"per_1", "per_2"} == store.entries()[0].authors
    assert store.authors("vi-segment", "1.0.0") == [
        Author("per_1", "card"), Author("per_1", "run"), Author("per_2", "owner"),
    ]  # fmt: skip


def test_an_announced_end_stays_with_the_day_of_its_first_announcement(store: Store, entry: Entry):
    served(store, entry)
    first, second = (datetime.fromtimestamp(NOW + days * DAY, UTC) for days in (0, 1))
    assert store.announce("vi-segment", "1.0.0", first, second, "owner").sunset == second
    moved = store.announce("vi-segment", "1.0.0", second, first, "owner")
    assert (moved.deprecated_at, moved.sunset) == (first, first)


def papers_of(entry: Entry, persons: dict[str, str]) -> list[Paper]:
    """Signed approvals of several persons in their roles."""
    return [
        statements.sign(
            entry,
            Signer.generate(person),
            statements.predicate(
                entry, round=1, decision="approve", role=role, person=person, custody="platform", at=int(NOW)
            ),
        )
        for person, role in persons.items()
    ]


def approval_over(entry: Entry, papers: list[Paper]) -> str:
    listed = [{"sha256": paper.sha256, "role": "", "person": "", "key_id": ""} for paper in papers]
    return approvals.sign(
        entry, REVIEWER, kind="review", role="platform", person="platform", tiers=(entry.tier,), valid_from=NOW,
        days=700, statements=listed,
    ).statement  # fmt: skip


TWO = {"per_1": "tech_reviewer", "per_2": "fairness_reviewer"}


def test_the_platforms_approval_stands_on_the_papers_it_lists(store: Store, entry: Entry):
    in_review(store, entry)
    papers = papers_of(entry, TWO)
    with pytest.raises(IntegrityError) as refused:
        store.approve("vi-segment", "1.0.0", approval_over(entry, papers), "platform")
    assert refused.value.word == "statement-missing"
    for paper in papers:
        store.keep("vi-segment", "1.0.0", paper)
    approved = store.approve("vi-segment", "1.0.0", approval_over(entry, papers), "platform")
    assert approved.approval is not None
    assert approved.approval.verified
    assert store.entries() == [approved]


@pytest.mark.parametrize("lacking", ["one role", "two by one person", "an author", "a refusal", "other digests"])
def test_papers_that_do_not_carry_an_approval_are_refused(store: Store, entry: Entry, lacking: str):
    in_review(store, entry)
    papers = papers_of(entry, TWO)
    if lacking == "one role":
        papers = papers[:1]
    elif lacking == "two by one person":
        papers = [papers[0], *papers_of(entry, {"per_1": "fairness_reviewer"})]
    elif lacking == "an author":
        store.credit("vi-segment", "1.0.0", {Author("per_2", "card")}, "platform")
    elif lacking == "a refusal":
        said = statements.predicate(
            entry, round=1, decision="reject", role="fairness_reviewer", person="per_2", custody="platform", at=0
        )
        papers[1] = statements.sign(entry, Signer.generate("per_2"), said)
    else:
        papers[1:] = papers_of(
            replace(entry, digests=replace(entry.digests, card=entry.digests.data)), {"per_2": TWO["per_2"]}
        )
    for paper in papers:
        store.keep("vi-segment", "1.0.0", paper)
    with pytest.raises(IntegrityError) as refused:
        store.approve("vi-segment", "1.0.0", approval_over(entry, papers), "platform")
    assert refused.value.word == "statement-foreign"
