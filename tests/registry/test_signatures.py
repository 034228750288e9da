"""Signed statements: wrong key, altered, expired are told apart; every byte counts."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import ConflictError, IntegrityError
from registry import approvals
from registry.approvals import Trust
from registry.entries import Digests, Entry, Stage
from registry.signatures import PublicKey, Signer, verify
from tests.registry.making import DAY, NOW

DIGESTS = Digests(*(f"sha256:{letter * 64}" for letter in "abcdef0"))
ENTRY = Entry(
    "vi-segment", "1.0.0", "text.segment/1", ("segment",), "platform", True, "T1", Stage.IN_REVIEW, DIGESTS, "x", None,
    None, datetime.fromtimestamp(NOW, UTC),
)  # fmt: skip


def statement(signer: Signer) -> str:
    return signer.sign({"a": "sha256:" + "1" * 64}, "type/v1", {"valid_from": NOW, "valid_until": NOW + DAY})


def test_a_signed_statement_reads_back(signer: Signer):
    found = verify(statement(signer), signer.public, at=NOW)
    assert found.subjects == {"a": "sha256:" + "1" * 64}
    assert found.predicate_type == "type/v1"
    assert found.key_id == signer.public.key_id


@pytest.mark.parametrize("at", [NOW - 1, NOW + DAY])
def test_a_statement_out_of_its_time_is_expired(signer: Signer, at: float):
    with pytest.raises(IntegrityError) as refused:
        verify(statement(signer), signer.public, at=at)
    assert refused.value.word == "signature-expired"


def test_a_stranger_s_key_is_told_from_an_altered_statement(signer: Signer):
    text = statement(signer)
    with pytest.raises(IntegrityError) as refused:
        verify(text, Signer.generate("other").public)
    assert refused.value.word == "signature-unknown-key"
    document = json.loads(text)
    payload = base64.b64decode(document["payload"]).replace(b"1111", b"2222")
    document["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(IntegrityError) as refused:
        verify(json.dumps(document, separators=(",", ":")), signer.public)
    assert refused.value.word == "signature-altered"


def test_no_single_byte_of_a_stored_statement_can_be_changed(signer: Signer):
    text = statement(signer)
    for position in range(len(text)):
        for change in (1, 2, 32):
            altered = text[:position] + chr(ord(text[position]) ^ change) + text[position + 1 :]
            with pytest.raises(IntegrityError):
                verify(altered, signer.public)


def test_the_envelope_is_dsse_and_the_statement_in_toto(signer: Signer):
    document = json.loads(statement(signer))
    assert document["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(document["payload"])
    inside = json.loads(payload)
    assert inside["_type"] == "https://in-toto.io/Statement/v1"
    assert inside["subject"] == [{"name": "a", "digest": {"sha256": "1" * 64}}]
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    assert signer.public.holds(base64.b64decode(document["signatures"][0]["sig"]), signed)


def test_keys_are_created_once_private_and_read_back(tmp_path: Path):
    path = tmp_path / "keys" / "bootstrap.key"
    first = Signer.load_or_create(path, "bootstrap")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.load_or_create(path, "bootstrap").public.key_id == first.public.key_id
    assert PublicKey.load(path.with_name("bootstrap.key.pub")).key_id == first.public.key_id
    assert sorted(item.name for item in path.parent.iterdir()) == ["bootstrap.key", "bootstrap.key.pub"]


@pytest.mark.parametrize("spoil", ["open", "damaged", "public"])
def test_an_unusable_key_is_refused_and_not_replaced(tmp_path: Path, spoil: str):
    path = tmp_path / "bootstrap.key"
    signer = Signer.load_or_create(path, "bootstrap")
    if spoil == "open":
        path.chmod(0o644)
    else:
        path.write_bytes(b"-----BEGIN" if spoil == "damaged" else signer.public.pem())
    before = path.read_bytes()
    with pytest.raises(IntegrityError):
        Signer.load_or_create(path, "bootstrap")
    assert path.read_bytes() == before


def test_two_starts_at_once_agree_on_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "bootstrap.key"
    link = os.link

    def slower(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        Signer.load_or_create(path, "bootstrap")
        link(source, target)

    monkeypatch.setattr(os, "link", slower)
    signer = Signer.load_or_create(path, "bootstrap")
    assert signer.public.key_id == Signer.load(path, "bootstrap").public.key_id
    assert PublicKey.load(path.with_name("bootstrap.key.pub")).key_id == signer.public.key_id


# --- approvals ----------------------------------------------------------------------------------------------


def test_a_bootstrap_approval_is_named_and_bounded(signer: Signer):
    approval = approvals.bootstrap(ENTRY, signer, NOW)
    assert (approval.kind, approval.signer, approval.tiers) == ("bootstrap", "bootstrap", ("T0", "T1"))
    assert (approval.valid_until - approval.valid_from).days == 90
    assert approval.digests == DIGESTS
    assert approval.verified


@pytest.mark.parametrize("tier", ["T2", "T3"])
def test_a_higher_tier_cannot_approve_itself(signer: Signer, tier: str):
    with pytest.raises(ConflictError):
        approvals.bootstrap(replace(ENTRY, tier=tier), signer, NOW)


def test_an_approval_is_about_one_version_of_one_model(signer: Signer):
    text = approvals.bootstrap(ENTRY, signer, NOW).statement
    trust = Trust(bootstrap=(signer.public,))
    assert approvals.read(text, trust, ENTRY).verified
    for other in (replace(ENTRY, version="1.0.1"), replace(ENTRY, name="vi-topic")):
        with pytest.raises(IntegrityError) as refused:
            approvals.read(text, trust, other)
        assert refused.value.word == "approval-foreign"


def test_a_signed_statement_of_another_kind_is_no_approval(signer: Signer):
    with pytest.raises(IntegrityError) as refused:
        approvals.read(statement(signer), Trust(bootstrap=(signer.public,)), ENTRY)
    assert refused.value.word == "approval-foreign"
