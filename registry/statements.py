"""What each person signs about a model version, and checking it again.

    predicateType  https://aichung.vn/review/v1, over the seven digests (GOVERNANCE R3)
    predicate      model {name, version}, tier, round, decision, role, person, custody, policy_version, at (seconds)

Decision: a person's statement is checked whenever the version is loaded, not only when it was given: the platform's
approval lists the digest of each, and an approval whose papers are gone, altered, by the wrong person or too few does
not open the gate. The public key stands beside the statement; its id is part of what the platform signed, so a changed
row cannot bring another key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from models.errors import IntegrityError
from registry.entries import Approval, Digests, Entry
from registry.keypairs import PublicKey
from registry.policy import POLICY_VERSION
from registry.rules import has_personal_data, needs
from registry.signatures import STATEMENT_TYPE, Signer, Statement, verify

REVIEW_TYPE: Final = "https://aichung.vn/review/v1"
PLATFORM_ROLE: Final = "platform"
KNOWN: Final = 8_192


@dataclass(frozen=True, slots=True)
class Paper:
    """A person's signed statement: the DSSE envelope and the public key (PEM) that it verifies with."""

    text: str
    public_key: str

    @property
    def sha256(self) -> str:
        """The digest under which the approval lists it."""
        return digest_of(self.text)


@dataclass(frozen=True, slots=True)
class Said:
    """What a verified statement says: who, as what, decided what, about which digests."""

    name: str
    version: str
    tier: str
    round: int
    decision: str
    role: str
    person: str
    custody: str
    at: int
    key_id: str
    digests: Digests


def digest_of(text: str) -> str:
    """`sha256:…` of a statement's text."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def predicate(
    entry: Entry, *, round: int, decision: str, role: str, person: str, custody: str, at: int
) -> dict[str, Any]:
    """What a person signs beside the digests."""
    return {
        "model": {"name": entry.name, "version": entry.version}, "tier": entry.tier, "round": round,
        "decision": decision, "role": role, "person": person, "custody": custody, "policy_version": POLICY_VERSION,
        "at": at,
    }  # fmt: skip


def unsigned(entry: Entry, said: Mapping[str, Any]) -> dict[str, Any]:
    """The in-toto statement that a person signs with a key of his own."""
    subjects = sorted(asdict(entry.digests).items())
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": one.removeprefix("sha256:")}} for name, one in subjects],
        "predicateType": REVIEW_TYPE,
        "predicate": dict(said),
    }


def sign(entry: Entry, signer: Signer, said: Mapping[str, Any]) -> Paper:
    """Sign a predicate with a person's key."""
    text = signer.sign(asdict(entry.digests), REVIEW_TYPE, said)
    return Paper(text, signer.public.pem().decode())


def read(paper: Paper) -> Said:
    """What a statement says, once its signature was checked. Raises IntegrityError."""
    return _read(paper.text, paper.public_key)


@lru_cache(KNOWN)
def _read(text: str, public_key: str) -> Said:
    """A signature over the same bytes by the same key is good once and for all."""
    statement = verify(text, PublicKey.parse(public_key.encode()))
    try:
        return _said(statement)
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign() from error


def _said(statement: Statement) -> Said:
    stated, numbers = statement.predicate, ("round", "at")
    if statement.predicate_type != REVIEW_TYPE or any(type(stated[name]) is not int for name in numbers):
        raise ValueError("not a review")
    words = ("tier", "decision", "role", "person", "custody")
    model = stated["model"]
    if not all(isinstance(value, str) for value in (*(stated[word] for word in words), *model.values())):
        raise ValueError("not a review")
    return Said(
        model["name"], model["version"], stated["tier"], stated["round"], stated["decision"], stated["role"],
        stated["person"], stated["custody"], stated["at"], statement.key_id, Digests(**statement.subjects),
    )  # fmt: skip


def hold(approval: Approval, entry: Entry, card: Mapping[str, Any], papers: Iterable[Paper]) -> None:
    """Hold an approval against the statements it lists: all there, all good, by different persons, none an author.

    Only an approval that the platform itself signed lists any. Raises IntegrityError (`statement-missing`,
    `statement-foreign`, and the codes of `signatures.verify`).
    """
    if approval.kind != "review" or approval.signer != PLATFORM_ROLE:
        return
    known = {paper.sha256: paper for paper in papers}
    if not set(approval.statements) <= set(known):
        raise IntegrityError(
            f"Thiếu hoặc sai văn bản đã ký của người thẩm định {entry.reference}.",
            f"A signed statement of a reviewer of {entry.reference} is missing or altered.",
            code="statement-missing",
        )
    said = [read(known[digest]) for digest in approval.statements]
    lacking = {need.role for need in needs(entry.tier, personal_data=has_personal_data(card))}
    lacking -= {one.role for one in said}
    persons = {one.person for one in said}
    if (
        lacking
        or len(persons) < len(said)
        or persons & entry.authors
        or any(_strays(one, approval, entry) for one in said)
    ):
        raise _foreign()


def _strays(said: Said, approval: Approval, entry: Entry) -> bool:
    """Whether a statement is about something else than this approval."""
    about = (said.name, said.version, said.tier) == (entry.name, entry.version, entry.tier)
    return not about or said.decision != "approve" or said.digests != approval.digests


def _foreign() -> IntegrityError:
    return IntegrityError(
        "Văn bản đã ký không phải là ý kiến thẩm định của phiên bản này.",
        "The signed statement is not a review of this version.",
        code="statement-foreign",
    )
