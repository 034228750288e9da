"""The review of a version: submit, open the evidence, comment, decide and sign, waive.

The way of a decision: is the move legal from here and for this person (`registry.rules`) → was the platform's draw his
(`registry.duties`) → did he open the evidence (R10) → is it his turn → his statement over the seven digests is signed
or checked → kept. Once every signature that the tier asks for is there, the platform signs the approval, which lists
the statements; nothing answers yet, that is the release (`registry.releases`).

Decisions
- Every refusal of an author, and every decision, is an event of its own in the ledger, whichever door it came through.
- What was said is never changed: a new submission is a new round, and only its own signatures count.
- An approval never outlives the waivers it stands on.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert

from models.errors import ConflictError, Fault, ForbiddenError, IntegrityError, InvalidInputError, Note
from registry import approvals, statements
from registry.admissions import (
    Decision,
    Remark,
    check_remarks,
    check_role,
    check_signed,
    check_waiver,
    refuse_out_of_turn,
    refuse_second,
    unsigned_note,
)
from registry.checks import Gap, gaps
from registry.database import Database
from registry.dossiers import (
    EVIDENCE,
    Comment,
    Dossier,
    Review,
    Waiver,
    comments_of,
    names_of,
    note_view,
    previous_of,
    reviews_of,
    round_of,
    seen_by,
    steps_of,
    waivers_of,
)
from registry.duties import Duty, claim, draw, duties, duties_of, end
from registry.entries import Approval, Entry, Stage
from registry.evidence import Evidence, Evidences
from registry.persons import Persons
from registry.rules import (
    REQUIRED_EVIDENCE,
    REVIEW_ROLES,
    VALID_DAYS,
    Actor,
    RoleNeed,
    at_home,
    has_personal_data,
    needs,
    rank_to_waive,
    refuse_author,
    rule_for,
)
from registry.signatures import Signer
from registry.sql_store import paper_columns
from registry.statements import PLATFORM_ROLE, Paper
from registry.store import Store, event
from registry.tables import comments, reviews, waivers
from registry.tables import statements as statements_table

__all__ = ["Comment", "Decision", "Dossier", "Duty", "Remark", "Review", "Reviews", "Waiver"]

ENDS: Final[Mapping[str, Stage]] = {"reject": Stage.REJECTED, "request_changes": Stage.DRAFT}


class Reviews:
    """The reviews of one installation. Safe for threads and for many processes."""

    def __init__(
        self,
        database: Database,
        store: Store,
        persons: Persons,
        signer: Signer,
        *,
        note: Callable[[Mapping[str, Any]], object],
        read: Callable[[Path], Evidence] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`signer` is the platform's review key, `note` takes ledger events, `read` gives the evidence of a folder."""
        self._database = database
        self._store = store
        self._persons = persons
        self._signer = signer
        self._note = note
        self._read = read or Evidences().read
        self._clock = clock

    # --- what is known --------------------------------------------------------------------------------------

    def dossier(self, entry: Entry) -> Dossier:
        """Everything about the review of a version."""
        with self._database.read() as connection:
            number = round_of(connection, entry)
            said, remarks = reviews_of(connection, entry), comments_of(connection, entry)
            granted, steps = waivers_of(connection, entry), steps_of(connection, entry)
            drawn, before = duties(connection, entry, number), previous_of(connection, entry)
            people = {row.subject for rows in (said, remarks, granted, steps, drawn) for row in rows} | entry.authors
            names = names_of(connection, people)
        required = self._needs(entry)
        return Dossier(
            entry=entry, round=number, authors=tuple(self._store.authors(entry.name, entry.version)),
            reviews=tuple(said), comments=tuple(remarks), waivers=tuple(granted), history=tuple(steps),
            required=required, missing=self._missing(entry, required, said, drawn, number),
            duties=tuple(drawn), names=names,
            previous=None if before is None else self._store.entry(entry.name, before),
        )  # fmt: skip

    def inbox(self, actor: Actor) -> list[Duty]:
        """What the platform drew this person for, the most urgent first."""
        with self._database.read() as connection:
            return duties_of(connection, actor.subject)

    def seen(self, actor: Actor, entry: Entry) -> frozenset[str]:
        """Which evidence of this version, as it is now, the person has opened."""
        with self._database.read() as connection:
            return seen_by(connection, actor.subject, entry)

    def unsigned(self, actor: Actor, entry: Entry, decision: Decision) -> dict[str, Any]:
        """The in-toto statement that a person with a key of his own signs for this decision."""
        with self._database.read() as connection:
            number = round_of(connection, entry)
        predicate = statements.predicate(
            entry, round=number, decision=decision, role=actor.role, person=actor.subject, custody="person",
            at=int(self._clock()),
        )  # fmt: skip
        return statements.unsigned(entry, predicate)

    # --- what persons do ------------------------------------------------------------------------------------

    def submit(self, actor: Actor, entry: Entry) -> Dossier:
        """DRAFT → CHECKING → IN_REVIEW, or back to DRAFT with everything that is missing.

        Raises ConflictError for an illegal move, ForbiddenError, InvalidInputError (`card-incomplete`) pointing to each
        gap in the card.
        """
        with self._told(actor, entry, "review.submit"):
            rule_for(actor, entry, "submit")
            self._store.move(entry.name, entry.version, Stage.CHECKING, actor.subject)
            self._check(entry)
        checked = self._store.move(entry.name, entry.version, Stage.IN_REVIEW, PLATFORM_ROLE)
        with self._database.write() as connection:
            number, taken = round_of(connection, checked), set[str]()
            for need in self._needs(checked):
                drawn = draw(connection, checked, number, need.role, self._now(), taken)
                taken |= set() if drawn is None else {drawn.subject}
        return self.dossier(checked)

    def view(self, actor: Actor, entry: Entry, evidence: str) -> None:
        """Remember that a reviewer opened evidence (`EVIDENCE`) of this version; of others nothing is kept."""
        if actor.role not in REVIEW_ROLES or actor.kind != "person" or evidence not in EVIDENCE:
            return
        with self._database.write() as connection:
            note_view(connection, actor.subject, entry, evidence, self._now())

    def comment(self, actor: Actor, entry: Entry, remark: Remark) -> Comment:
        """A remark by itself: of a reviewer, or of an author who answers one.

        Raises ForbiddenError, ConflictError at a version's end, InvalidInputError for what is no JSON Pointer.
        """
        check_remarks((remark,))
        if entry.stage in (Stage.REJECTED, Stage.REVOKED, Stage.RETIRED):
            raise ConflictError(
                "Phiên bản đã kết thúc, không góp ý được nữa.", "The version has ended; nothing can be added.",
                code="illegal-move", state=entry.stage.value, legal=[],
            )  # fmt: skip
        reviewer = actor.kind == "person" and actor.role in REVIEW_ROLES and at_home(actor, entry)
        if not reviewer and actor.subject not in entry.authors:
            raise ForbiddenError(
                "Chỉ người thẩm định và tác giả được góp ý.", "Only reviewers and authors comment.",
                allowed_roles=list(REVIEW_ROLES),
            )  # fmt: skip
        with self._database.write() as connection:
            (kept,) = self._remember(connection, actor, entry, round_of(connection, entry), None, (remark,))
        self._note(event("review.comment", entry, actor.subject, pointer=remark.pointer))
        return kept

    def review(
        self, actor: Actor, entry: Entry, decision: Decision, role: str, remarks: Sequence[Remark] = (),
        statement: str | None = None,
    ) -> Dossier:  # fmt: skip
        """One person's decision, signed. `statement` is the DSSE envelope of a person with a key of his own.

        Raises ForbiddenError (`author`, `not-drawn`, a role that may not), ConflictError (`illegal-move`, `four-eyes`,
        `order`, `not-needed`, `evidence-unread`), InvalidInputError, IntegrityError.
        """
        with self._told(actor, entry, f"review.{decision}"):
            refuse_author(actor, entry)
            rule_for(actor, entry, decision)
            check_role(actor, role)
            check_remarks(remarks, needed=decision != "approve")
            paper = self._paper(actor, entry, decision, statement)
            with self._database.write() as connection:
                self._admit(connection, actor, entry, decision)
                self._keep(connection, actor, entry, decision, remarks, paper)
        self._note(event(f"review.{decision}", entry, actor.subject, role=role, statement=paper.sha256))
        if decision == "approve":
            return self.dossier(self.settle(entry))
        ended = self._store.move(entry.name, entry.version, ENDS[decision], actor.subject, remarks[0].text)
        with self._database.write() as connection:
            end(connection, ended, round_of(connection, ended), self._now())
        return self.dossier(ended)

    def waive(self, actor: Actor, entry: Entry, gap: str, reason: str, control: str, expires_at: datetime) -> Waiver:
        """Answer for a gap for a time (R7): somebody who ranks above the tier's reviewers and is no author.

        Raises ForbiddenError (`author`, `rank`), ConflictError at a version's end, InvalidInputError for what nobody
        can waive or a time that is past or longer than an approval lasts.
        """
        with self._told(actor, entry, "review.waive"):
            refuse_author(actor, entry)
            rank = rank_to_waive(entry.tier, personal_data=has_personal_data(self._card(entry)))
            check_waiver(actor, entry, gap, expires_at, rank, self._now())
        made = Waiver(
            f"wai_{secrets.token_hex(12)}", gap, reason, control, actor.subject, actor.role, self._now(), expires_at
        )
        with self._database.write() as connection:
            connection.execute(insert(waivers).values(**asdict(made), name=entry.name, version=entry.version))
        self._note(event("review.waive", entry, actor.subject, waiver=made.id, gap=gap, reason=reason))
        return made

    def settle(self, entry: Entry) -> Entry:
        """Approve a version in review whose signatures are all there; otherwise leave it as it is.

        Raises IntegrityError when its files are not what was signed.
        """
        with self._database.read() as connection:
            number = round_of(connection, entry)
            said = [one for one in reviews_of(connection, entry) if one.round == number and one.decision == "approve"]
            granted = self._in_force(waivers_of(connection, entry))
        current = self._store.entry(entry.name, entry.version)
        lacking = {need.role for need in self._needs(entry)} - {one.role for one in said}
        if lacking or current.stage is not Stage.IN_REVIEW:
            return current
        approval = self._approval(entry, said, granted)
        with suppress(ConflictError):  # another process was faster: it is approved
            return self._store.approve(entry.name, entry.version, approval.statement, PLATFORM_ROLE)
        return self._store.entry(entry.name, entry.version)

    def settle_all(self) -> None:
        """Approve what a crash after the last signature left in review."""
        for entry in self._store.entries():
            if entry.stage is Stage.IN_REVIEW:
                with suppress(IntegrityError):  # altered: it stays where it is, and says so
                    self.settle(entry)

    # --- parts ----------------------------------------------------------------------------------------------

    def _check(self, entry: Entry) -> None:
        """Raise InvalidInputError with every gap, back at DRAFT, or leave the version at CHECKING."""
        if not (found := self._gaps(entry)):
            return
        word = ", ".join(dict.fromkeys(gap.word for gap in found))
        self._store.move(entry.name, entry.version, Stage.DRAFT, PLATFORM_ROLE, f"Chưa đạt: {word} | Lacking: {word}")
        raise InvalidInputError(
            "Hồ sơ chưa đủ để thẩm định; phiên bản trở lại bản nháp.",
            "The version is not complete enough for a review and is a draft again.",
            [Fault("/" + gap.word.replace(".", "/"), gap.note.vi, gap.note.en) for gap in found],
            code="card-incomplete",
        )

    def _gaps(self, entry: Entry) -> list[Gap]:
        with self._database.read() as connection:
            waived = {waiver.gap for waiver in self._in_force(waivers_of(connection, entry))}
        return gaps(entry.tier, self._read(Path(entry.folder)), waived)

    def _admit(self, connection: Connection, actor: Actor, entry: Entry, decision: Decision) -> None:
        """Raise unless this person may decide this now: four eyes, draw, order, evidence."""
        number, now = round_of(connection, entry), self._now()
        said = [one for one in reviews_of(connection, entry) if one.round == number]
        refuse_second(actor, said)
        missing = sorted(set(REQUIRED_EVIDENCE[actor.role]) - seen_by(connection, actor.subject, entry))
        if missing:
            raise ConflictError(
                f"Hãy mở xem trước khi quyết định: {', '.join(missing)}.",
                f"Open the evidence before deciding: {', '.join(missing)}.", code="evidence-unread", missing=missing,
            )  # fmt: skip
        if decision == "approve":
            refuse_out_of_turn(actor, self._needs(entry), said)
            claim(connection, actor, entry, number, now)
            end(connection, entry, number, now, role=actor.role)

    def _paper(self, actor: Actor, entry: Entry, decision: Decision, statement: str | None) -> Paper:
        """The person's signed statement: checked when he signed it himself, else signed for him."""
        with self._database.read() as connection:
            number = round_of(connection, entry)
        own = self._persons.own(actor.subject)
        if own:
            return self._persons.vouched(check_signed(actor, entry, decision, number, statement, own, self._clock()))
        if statement is not None:
            raise InvalidInputError.at(
                "/statement", "Chưa đăng ký khóa ký nào của mình.", "No signing key of your own is registered."
            )
        who, at = {"role": actor.role, "person": actor.subject}, int(self._clock())
        said = statements.predicate(entry, round=number, decision=decision, custody=PLATFORM_ROLE, at=at, **who)
        return statements.sign(entry, self._persons.signer(actor.subject), said)

    def _keep(
        self, connection: Connection, actor: Actor, entry: Entry, decision: Decision, remarks: Sequence[Remark],
        paper: Paper,
    ) -> None:  # fmt: skip
        made, number = f"rev_{secrets.token_hex(12)}", round_of(connection, entry)
        row = {
            "id": made, "name": entry.name, "version": entry.version, "round": number, "subject": actor.subject,
            "role": actor.role, "decision": decision, "at": self._now(),
        }  # fmt: skip
        connection.execute(insert(reviews).values(**row))
        signed = paper_columns(entry.name, entry.version, paper, made, self._now())
        connection.execute(insert(statements_table).values(**signed))
        self._remember(connection, actor, entry, number, made, remarks)

    def _remember(
        self, connection: Connection, actor: Actor, entry: Entry, number: int, review: str | None,
        remarks: Sequence[Remark],
    ) -> list[Comment]:  # fmt: skip
        kept = [
            Comment(
                f"com_{secrets.token_hex(12)}", number, actor.subject, actor.role, remark.pointer, remark.text,
                self._now(), review,
            )
            for remark in remarks
        ]  # fmt: skip
        if kept:
            rows = [asdict(comment) | {"name": entry.name, "version": entry.version} for comment in kept]
            connection.execute(insert(comments), rows)
        return kept

    def _approval(self, entry: Entry, said: Sequence[Review], granted: Sequence[Waiver]) -> Approval:
        listed = [
            {"sha256": one.signed.sha256, "role": one.role, "person": one.subject, "key_id": one.signed.key_id}
            for one in said
            if one.signed is not None
        ]
        ends = [waiver.expires_at.timestamp() for waiver in granted]
        return approvals.sign(
            entry, self._signer, kind="review", role=PLATFORM_ROLE, person=PLATFORM_ROLE, tiers=(entry.tier,),
            valid_from=self._clock(), days=VALID_DAYS[entry.tier], until=min(ends, default=None), statements=listed,
        )  # fmt: skip

    def _missing(
        self, entry: Entry, required: Sequence[RoleNeed], said: Sequence[Review], drawn: Sequence[Duty], number: int,
    ) -> tuple[Note, ...]:  # fmt: skip
        """What keeps the version from its next stage, in both languages."""
        if entry.stage is Stage.DRAFT:
            try:
                return tuple(gap.note for gap in self._gaps(entry))
            except IntegrityError as error:  # altered: the dossier can be read and says so
                return (error.note,)
        if entry.stage is not Stage.IN_REVIEW:
            return ()
        signed = {one.role for one in said if one.round == number and one.decision == "approve"}
        due = {duty.role: duty.due_at.date().isoformat() for duty in drawn if duty.ended_at is None}
        return tuple(unsigned_note(need.role, due.get(need.role)) for need in required if need.role not in signed)

    def _in_force(self, granted: Sequence[Waiver]) -> list[Waiver]:
        return [waiver for waiver in granted if waiver.expires_at > self._now()]

    def _card(self, entry: Entry) -> Mapping[str, Any]:
        return self._read(Path(entry.folder)).card

    def _needs(self, entry: Entry) -> tuple[RoleNeed, ...]:
        try:
            personal = has_personal_data(self._card(entry))
        except IntegrityError:  # altered or gone: what is not known counts as the gravest
            personal = True
        return needs(entry.tier, personal_data=personal)

    @contextmanager
    def _told(self, actor: Actor, entry: Entry, word: str) -> Iterator[None]:
        """Record a refusal for its own reason: an author, another role, a second word."""
        try:
            yield
        except (ForbiddenError, ConflictError) as error:
            self._note(event(f"refuse.{word}", entry, actor.subject, role=actor.role, error_code=error.word))
            raise

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
