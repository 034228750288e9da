"""Whether a decision may be taken: the role, the turn, the signature, the rank. Pure: it knows no database.

Each function raises for what it refuses and returns for what it lets pass (GOVERNANCE 4.3: R1, R7, R10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from models.errors import ConflictError, ForbiddenError, IntegrityError, InvalidInputError, Note
from registry.checks import HARD
from registry.dossiers import Review
from registry.entries import Entry, Stage
from registry.persons import SigningKey
from registry.rules import DAY_SECONDS, ROLE_TITLES, VALID_DAYS, WAIVER_RANK, Actor, RoleNeed, at_home
from registry.statements import Paper, Said, read

Decision = Literal["approve", "reject", "request_changes"]
POINTER: Final = re.compile(r"(/([^/~]|~[01])*)*")
POINTER_CHARACTERS: Final = 256
SIGNED_WITHIN_SECONDS: Final = DAY_SECONDS
ENDED: Final = (Stage.REJECTED, Stage.REVOKED, Stage.RETIRED)


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment as it is given: a JSON Pointer into the card ("" for the whole) and the text."""

    pointer: str
    text: str


def check_role(actor: Actor, role: str) -> None:
    """A person decides in the role of the key that he came with. Raises ForbiddenError."""
    if role != actor.role:
        raise ForbiddenError(
            "Khóa này không giữ vai trò đó.", "This key does not hold that role.", held_role=actor.role
        )


def check_remarks(remarks: Sequence[Remark], *, needed: bool = False) -> None:
    """Comments point into the card; a refusal gives its reason. Raises InvalidInputError."""
    if needed and not remarks:
        raise InvalidInputError.at(
            "/comments", "Từ chối hoặc yêu cầu sửa phải nêu lý do theo từng mục.",
            "Rejecting or asking for changes needs a reason for each field.",
        )  # fmt: skip
    for at, remark in enumerate(remarks):
        if len(remark.pointer) > POINTER_CHARACTERS or not POINTER.fullmatch(remark.pointer):
            raise InvalidInputError.at(
                f"/comments/{at}/pointer", "Cần một JSON Pointer (RFC 6901).", "A JSON Pointer (RFC 6901) is needed."
            )


def refuse_second(actor: Actor, said: Sequence[Review]) -> None:
    """One decision of one person in a round, whatever key or role he comes with. Raises ConflictError."""
    if any(one.subject == actor.subject for one in said):
        raise ConflictError(
            "Người này đã quyết định ở lượt thẩm định này.", "This person has decided in this round already.",
            code="four-eyes",
        )  # fmt: skip


def refuse_out_of_turn(actor: Actor, needs: Sequence[RoleNeed], said: Sequence[Review]) -> None:
    """An approval is needed from this role, not yet given, and its turn has come. Raises ConflictError."""
    need = next((one for one in needs if one.role == actor.role), None)
    if need is None:
        names = [one.role for one in needs]
        raise ConflictError(
            f"Mức này không cần chữ ký của vai trò này; cần: {', '.join(names)}.",
            f"This tier needs no signature of this role; needed: {', '.join(names)}.", code="not-needed", needed=names,
        )  # fmt: skip
    signed = {one.role for one in said if one.decision == "approve"}
    if actor.role in signed:
        raise ConflictError(
            "Vai trò này đã ký ở lượt này.", "This role has signed in this round already.", code="four-eyes"
        )
    waiting = [role for role in need.after if role not in signed]
    if waiting:
        raise ConflictError(
            f"Phải có chữ ký trước của: {', '.join(waiting)}.", f"To sign before: {', '.join(waiting)}.", code="order",
            missing=waiting,
        )  # fmt: skip


def check_signed(
    actor: Actor, entry: Entry, decision: Decision, number: int, statement: str | None, own: Sequence[SigningKey],
    now: float,
) -> Paper:  # fmt: skip
    """The statement that a person signed with a key of his own, held against what he decides.

    Raises InvalidInputError (`statement-required`, `statement-foreign`), IntegrityError for a bad signature.
    """
    if statement is None:
        raise InvalidInputError.at(
            "/statement", "Người đã đăng ký khóa riêng phải gửi văn bản do mình ký.",
            "Whoever registered a key of his own sends the statement that he signed.", code="statement-required",
        )  # fmt: skip
    key = next((key for key in own if key.id in _key_ids(statement)), None)
    if key is None:
        raise InvalidInputError.at(
            "/statement/signatures", "Văn bản không được ký bằng khóa đã đăng ký của người này.",
            "The statement is not signed with a registered key of this person.", code="signature-unknown-key",
        )  # fmt: skip
    paper = Paper(statement, key.public_key)
    try:
        said = read(paper)
    except IntegrityError as error:
        raise InvalidInputError.at("/statement", error.note.vi, error.note.en, code=error.word) from error
    if not _fits(said, actor, entry, decision, number, now):
        raise InvalidInputError.at(
            "/statement", "Văn bản đã ký nói về việc khác: phiên bản, mã băm, quyết định, vai trò, người, lượt, giờ.",
            "The statement is about something else: version, digests, decision, role, person, round or time.",
            code="statement-foreign",
        )  # fmt: skip
    return paper


def _key_ids(statement: str) -> set[str]:
    try:
        return {str(one["keyid"]) for one in json.loads(statement)["signatures"]}
    except (ValueError, KeyError, TypeError):
        return set()


def _fits(said: Said, actor: Actor, entry: Entry, decision: Decision, number: int, now: float) -> bool:
    return (
        (said.name, said.version, said.tier) == (entry.name, entry.version, entry.tier)
        and (said.decision, said.role, said.person) == (decision, actor.role, actor.subject)
        and (said.round, said.custody) == (number, "person")
        and said.digests == entry.digests
        and abs(now - said.at) <= SIGNED_WITHIN_SECONDS
    )


def check_waiver(actor: Actor, entry: Entry, gap: str, expires_at: datetime, rank: int, now: datetime) -> None:
    """A waiver comes from above and ends before the approval (R7). Raises as `Reviews.waive` says."""
    if WAIVER_RANK.get(actor.role, 0) < rank or not at_home(actor, entry) or actor.kind != "person":
        roles = [role for role, held in WAIVER_RANK.items() if held >= rank]
        raise ForbiddenError(
            f"Chỉ cấp trên của người thẩm định được miễn trừ: {', '.join(roles)}.",
            f"Only those above the reviewers may waive: {', '.join(roles)}.", code="rank", allowed_roles=roles,
        )  # fmt: skip
    if entry.stage in ENDED:
        raise ConflictError(
            "Phiên bản đã kết thúc.", "The version has ended.", code="illegal-move", state=entry.stage.value, legal=[]
        )
    if gap in HARD:
        raise InvalidInputError.at(
            "/gap", "Không ai được miễn trừ mục này.", "Nobody may waive this.", code="not-waivable"
        )
    latest = now + timedelta(days=VALID_DAYS[entry.tier])
    if entry.approval is not None and entry.approval.verified:
        latest = entry.approval.valid_until
    if not now < expires_at <= latest:
        raise InvalidInputError.at(
            "/expires_at", f"Hạn phải ở tương lai và không quá {latest.isoformat()}.",
            f"It must lie in the future and not after {latest.isoformat()}.",
        )  # fmt: skip


def unsigned_note(role: str, due: str | None) -> Note:
    """What is told of a signature that is not there yet."""
    title = ROLE_TITLES[role]
    if due is None:
        return Note(
            f"Chờ chữ ký của {title.vi} (chưa giao được cho ai).", f"To be signed by a {title.en} (nobody yet)."
        )
    return Note(f"Chờ chữ ký của {title.vi}, hạn {due}.", f"To be signed by the {title.en}, due {due}.")
