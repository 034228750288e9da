"""From an approval to answers, and back: release, suspend, resume, roll back, retire, revoke, lapse.

Decisions
- An approval alone answers nobody. T0 and T1 go straight to serving; T2 and T3 pass a shadow (their answers are
  computed and compared, nobody gets them) and a canary (a share of the callers), each with guards that are counted
  here, and two persons open the last door: the operator and the model's owner.
- Stopping takes one person and is immediate. Starting again takes two, one of them a reviewer, and leads back to the
  stage from which the model was stopped, never further.
- The word of the first of two persons is kept for a day; a new stop makes it void.
- Serving a new version takes over the tasks whose default its predecessor was; the predecessor goes on serving those
  who pin it, so that rolling back is one call: the new one stops, the old one has its tasks again.
- A guard may be waived like any other gap (R7): the waiver names the guard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from models.errors import ConflictError, ForbiddenError, InvalidInputError
from registry import trials
from registry.database import Database
from registry.dossiers import previous_of, steps_of, waivers_of
from registry.entries import Entry, Stage
from registry.gate import holds, may_serve
from registry.rules import OPERATOR, SUNSET_DAYS, Actor, Transition, refuse_author, refuse_others, rule_for
from registry.store import Store, event
from registry.trials import Trial
from registry.words import Words

TIMED: Final = (Stage.APPROVED, Stage.SHADOW, Stage.CANARY, Stage.SERVING, Stage.SUSPENDED)
REVIEWERS: Final = frozenset({"tech_reviewer", "fairness_reviewer"})
CLOCK: Final = "clock"


class Releases:
    """The releases of one installation. Safe for threads and for many processes."""

    def __init__(
        self, database: Database, store: Store, *, note: Callable[[Mapping[str, Any]], object],
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """`note` takes ledger events."""
        self._database = database
        self._store = store
        self._note = note
        self._clock = clock
        self._words = Words(database, clock)

    def release(self, actor: Actor, entry: Entry, stage: Stage, percent: int | None = None) -> Entry | None:
        """Bring a version to shadow, canary or serving; None when a second person's word is awaited.

        `percent` is the share of calls mirrored or of callers answered; it may be changed within shadow and canary.
        Raises ForbiddenError, ConflictError (`illegal-move`, `guards`, `four-eyes`), InvalidInputError.
        """
        with self._told(actor, entry, f"deploy.{stage}"):
            share = _share(stage, percent)
            if stage is entry.stage and stage in (Stage.SHADOW, Stage.CANARY):
                return self._change_share(actor, entry, share)
            row = rule_for(actor, entry, stage.value, stage)
            self._refuse_closed(entry)
            self._guard(entry, row)
            if row.persons > 1 and not self._second(actor, entry, row):
                self._note(event(f"deploy.{stage}.word", entry, actor.subject, role=actor.role))
                return None
        before = self._predecessor(entry)
        moved = self._store.move(entry.name, entry.version, stage, actor.subject, percent=share)
        self._count_anew(actor, moved)
        if stage is Stage.SERVING:
            self._take_tasks(actor, moved, before)
        return self._store.entry(entry.name, entry.version)

    def suspend(self, actor: Actor, entry: Entry, reason: str) -> Entry:
        """Stop a version at once, alone. Raises ForbiddenError, ConflictError."""
        with self._told(actor, entry, "deploy.suspend"):
            rule_for(actor, entry, "suspend", Stage.SUSPENDED)
        moved = self._store.move(entry.name, entry.version, Stage.SUSPENDED, actor.subject, reason)
        self._words.forget(entry)
        return moved

    def resume(self, actor: Actor, entry: Entry, reason: str) -> Entry | None:
        """Let a suspended version go on where it was stopped; None when a second person's word is awaited.

        Raises ForbiddenError, ConflictError (`illegal-move`, `four-eyes`).
        """
        with self._told(actor, entry, "deploy.resume"):
            if entry.stage is not Stage.SUSPENDED:
                rule_for(actor, entry, "resume", Stage.SERVING)
            back = self._stopped_from(entry)
            rule_for(actor, entry, "resume", back)
            first = self._words.give(actor, entry, "resume")
            if first is None:
                return None
            if not {first.role, actor.role} & REVIEWERS:
                raise ConflictError(
                    "Một trong hai người phải là người thẩm định.", "One of the two must be a reviewer.",
                    code="four-eyes",
                )  # fmt: skip
            self._words.forget(entry)
        return self._store.move(entry.name, entry.version, back, actor.subject, reason)

    def rollback(self, actor: Actor, entry: Entry, reason: str) -> Entry:
        """Stop this version and give its tasks back to the one that served before; that one is returned.

        Raises ForbiddenError, ConflictError (`illegal-move`, `nothing-to-roll-back-to`).
        """
        with self._told(actor, entry, "deploy.rollback"):
            rule_for(actor, entry, "rollback", Stage.SUSPENDED)
            before = self._predecessor(entry)
            if before is None or not may_serve(before, self._clock()).allowed:
                raise ConflictError(
                    "Không có phiên bản trước nào được phép phục vụ.", "No earlier version may serve.",
                    code="nothing-to-roll-back-to",
                )  # fmt: skip
        for task in entry.is_default:
            if task in before.tasks:
                self._store.set_default(task, before.name, before.version, actor.subject)
        self._store.move(entry.name, entry.version, Stage.SUSPENDED, actor.subject, reason)
        self._note(event("deploy.rollback", entry, actor.subject, to=before.version, reason=reason))
        return self._store.entry(before.name, before.version)

    def retire(self, actor: Actor, entry: Entry, sunset: datetime) -> Entry:
        """Announce the end of a version, at least 30 days ahead; one that does not answer ends at once when it is due.

        Raises ForbiddenError, ConflictError, InvalidInputError for a day that is too near.
        """
        now = self._now()
        with self._told(actor, entry, "deploy.retire"):
            rule_for(actor, entry, "retire", Stage.RETIRED)
            if entry.stage is Stage.SERVING and sunset < now + timedelta(days=SUNSET_DAYS):
                raise InvalidInputError.at(
                    "/sunset", f"Phải báo trước ít nhất {SUNSET_DAYS} ngày.",
                    f"The end is announced at least {SUNSET_DAYS} days ahead.",
                )  # fmt: skip
        announced = self._store.announce(entry.name, entry.version, now, sunset, actor.subject)
        if entry.stage is not Stage.SERVING and sunset <= now:
            return self._store.move(entry.name, entry.version, Stage.RETIRED, actor.subject)
        return announced

    def revoke(self, actor: Actor, entry: Entry, reason: str) -> Entry:
        """End a version for good, by the head's order. Raises ForbiddenError, ConflictError."""
        with self._told(actor, entry, "deploy.revoke"):
            rule_for(actor, entry, "revoke", Stage.REVOKED)
        return self._store.move(entry.name, entry.version, Stage.REVOKED, actor.subject, reason)

    def lapse(self) -> list[Entry]:
        """Move what has passed its time to EXPIRED or RETIRED; an expired approval closed the gate before that."""
        moved, now = [], self._clock()
        for entry in self._store.entries():
            if entry.sunset is not None and entry.sunset.timestamp() <= now and entry.stage is Stage.SERVING:
                moved.append(self._store.move(entry.name, entry.version, Stage.RETIRED, CLOCK))
            elif entry.stage in TIMED and _over(entry, now):
                moved.append(self._store.move(entry.name, entry.version, Stage.EXPIRED, CLOCK))
        return moved

    def trial(self, entry: Entry) -> Trial | None:
        """What was counted in the shadow or canary that the version is in now."""
        with self._database.read() as connection:
            return trials.current(connection, entry)

    def lacking(self, entry: Entry) -> tuple[str, ...]:
        """The guards that keep a version from its next stage, without what is waived."""
        with self._database.read() as connection:
            found = trials.current(connection, entry)
            waived = {one.gap for one in waivers_of(connection, entry) if one.expires_at > self._now()}
        guards = trials.NEXT_GUARDS.get(entry.stage, ())
        return tuple(one for one in guards if one not in waived and not trials.holds(one, found, self._clock()))

    # --- parts ----------------------------------------------------------------------------------------------

    def _refuse_closed(self, entry: Entry) -> None:
        if not holds(entry, self._clock()):
            missing = list(may_serve(entry, self._clock()).missing)
            raise ConflictError(
                f"Phê duyệt của {entry.reference} không còn giá trị.",
                f"The approval of {entry.reference} does not hold.",
                code="gate-closed", state=missing[0], missing=missing,
            )  # fmt: skip

    def _guard(self, entry: Entry, row: Transition) -> None:
        lacking = [guard for guard in self.lacking(entry) if guard in row.guards]
        if lacking:
            notes = [trials.GUARD_NOTES[guard] for guard in lacking]
            raise ConflictError(
                "Chưa đạt điều kiện: " + " ".join(note.vi for note in notes),
                "Guards do not hold: " + " ".join(note.en for note in notes), code="guards", missing=lacking,
            )  # fmt: skip

    def _second(self, actor: Actor, entry: Entry, row: Transition) -> bool:
        """Whether this is the second word: two persons, each of the roles once, the operator no author."""
        if actor.role == OPERATOR:
            refuse_author(actor, entry)
        first = self._words.give(actor, entry, row.action)
        if first is None:
            return False
        if {first.role, actor.role} != set(row.roles):
            raise ConflictError(
                f"Cần hai người: {' và '.join(row.roles)}.", f"Two persons are needed: {' and '.join(row.roles)}.",
                code="four-eyes",
            )  # fmt: skip
        self._words.forget(entry)
        return True

    def _change_share(self, actor: Actor, entry: Entry, share: int) -> Entry:
        refuse_others(actor, entry, Transition(entry.stage.value, entry.stage, entry.stage, (OPERATOR,)))
        return self._store.share(entry.name, entry.version, share, actor.subject)

    def _count_anew(self, actor: Actor, entry: Entry) -> None:
        with self._database.write() as connection:
            trials.end(connection, entry, self._now())
            trials.begin(connection, entry, actor, self._now())

    def _take_tasks(self, actor: Actor, entry: Entry, before: Entry | None) -> None:
        if before is not None:
            for task in before.is_default:
                if task in entry.tasks:
                    self._store.set_default(task, entry.name, entry.version, actor.subject)

    def _predecessor(self, entry: Entry) -> Entry | None:
        """The version of the same model that serves, or served, beside this one: the one approved before it."""
        with self._database.read() as connection:
            version = previous_of(connection, entry)
        return None if version is None else self._store.entry(entry.name, version)

    def _stopped_from(self, entry: Entry) -> Stage:
        with self._database.read() as connection:
            steps = steps_of(connection, entry)
        stops = [step.source for step in steps if step.target is Stage.SUSPENDED and step.source is not None]
        return stops[-1] if stops else Stage.SERVING

    @contextmanager
    def _told(self, actor: Actor, entry: Entry, word: str) -> Iterator[None]:
        """Record a refusal for its own reason."""
        try:
            yield
        except (ForbiddenError, ConflictError) as error:
            self._note(event(f"refuse.{word}", entry, actor.subject, role=actor.role, error_code=error.word))
            raise

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _share(stage: Stage, percent: int | None) -> int:
    """The share of a stage: serving is everybody; a shadow takes every call and a canary a tenth unless it is said."""
    if percent is None:
        return 10 if stage is Stage.CANARY else 100
    if not 1 <= percent <= 100 or (stage is Stage.SERVING and percent != 100):
        raise InvalidInputError.at(
            "/percent", "Cần tỷ lệ từ 1 đến 100 (phục vụ chính thức luôn là 100).",
            "A share from 1 to 100 is needed (serving is always 100).",
        )  # fmt: skip
    return percent


def _over(entry: Entry, now: float) -> bool:
    approval = entry.approval
    return approval is not None and approval.verified and approval.valid_until.timestamp() <= now
