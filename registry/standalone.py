"""Check an evidence bundle or one ledger record's proof without the platform: this file and Python ≥ 3.10 suffice.

    python verify.py BUNDLE.zip [--key evidence.key.pub | --key sha256:…]
    python verify.py PROOF.json [--key checkpoint.key.pub | --key sha256:…]

Exit code 0: everything holds and is signed by the key that was given. 1: something does not hold. 2: not readable.
3: everything holds, but no key was given: compare the key shown with one from a source you trust.

Decision: nothing but the standard library. The signatures (Ed25519, ECDSA on P-256, RSA-PSS) are checked by the few
lines of arithmetic below; they only ever see public values, so they need not run in constant time.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORMAT, PROOF_FORMAT = "aichung-evidence/1", "ledger-proof/1"
MANIFEST, ENVELOPE = "manifest.json", "manifest.dsse.json"
MANIFEST_TYPE, CHECKPOINT_TYPE = "application/vnd.aichung.evidence+json", "application/vnd.aichung.checkpoint+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"
MAX_BYTES, MAX_FILES = 256 << 20, 5_000
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, StopIteration, AttributeError, RecursionError)


class Bad(Exception):
    """Something does not hold; the text is Vietnamese | English."""


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say of everything bad inside in which file or member it is. Raises Bad."""
    try:
        yield
    except Bad as bad:
        raise Bad(f"{name}: {bad}") from bad
    except UNREADABLE as error:
        raise Bad(f"{name}: không đọc được | unreadable ({type(error).__name__})") from error


# --- signatures ---------------------------------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ED25519 = bytes.fromhex("302a300506032b6570032100")
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


class Key:
    """A public key read from PEM; `id` is the SHA-256 of its SubjectPublicKeyInfo."""

    def __init__(self, pem: str) -> None:
        """Raises Bad for what is no key of a known kind."""
        lines = [line.strip() for line in pem.strip().splitlines()]
        if len(lines) < 3 or "PUBLIC KEY" not in lines[0]:
            raise Bad("không phải khóa công khai PEM | not a public key in PEM")
        self.der = base64.b64decode("".join(lines[1:-1]), validate=True)
        self.id = "sha256:" + hashlib.sha256(self.der).hexdigest()

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        der = self.der
        if der.startswith(_ED25519) and len(der) == 44:
            return _ed25519(der[12:], signature, data)
        if der.startswith(_P256) and len(der) == 91:
            return _ecdsa(der[26:], signature, data)
        if der.find(_RSA) in range(2, 6):
            return _pss(der[der.find(_RSA) + len(_RSA) :], signature, data)
        raise Bad("loại khóa không biết | unknown kind of key")


def _add(p: Any, q: Any) -> Any:
    """The sum of two points of edwards25519 in extended coordinates (RFC 8032, 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: Any) -> Any:
    total: Any = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    return total


def _recovered(data: bytes) -> Any:
    """The point that 32 bytes encode; None when there is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _ed25519(key: bytes, signature: bytes, data: bytes) -> bool:
    if len(signature) != 64:
        return False
    number = int.from_bytes(signature[32:], "little")
    holder, nonce = _recovered(key), _recovered(signature[:32])
    if number >= _L or holder is None or nonce is None:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + data).digest(), "little") % _L
    generator = _recovered((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    left, right = _times(number, generator), _add(nonce, _times(challenge, holder))
    across, along = left[0] * right[2] - right[0] * left[2], left[1] * right[2] - right[1] * left[2]
    return bool(across % _P == 0 and along % _P == 0)


def _sum(p: Any, q: Any) -> Any:
    """The sum of two points of P-256; None is the point at infinity."""
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0] and (p[1] + q[1]) % _Q == 0:
        return None
    slope = 3 * (p[0] * p[0] - 1) * pow(2 * p[1], -1, _Q) if p == q else (q[1] - p[1]) * pow(q[0] - p[0], -1, _Q)
    x = (slope * slope - p[0] - q[0]) % _Q
    return x, (slope * (p[0] - x) - p[1]) % _Q


def _scaled(number: int, point: Any) -> Any:
    total: Any = None
    while number:
        if number & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        number >>= 1
    return total


def _ecdsa(point: bytes, signature: bytes, data: bytes) -> bool:
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if point[0] != 4 or max(x, y) >= _Q or (y * y - x**3 + 3 * x - _B) % _Q:
        return False
    try:
        r, s = _integers(signature)
    except (IndexError, ValueError):
        return False
    if not (0 < r < _N and 0 < s < _N):
        return False
    digest, inverse = int.from_bytes(hashlib.sha256(data).digest(), "big"), pow(s, -1, _N)
    found = _sum(_scaled(digest * inverse % _N, _G), _scaled(r * inverse % _N, (x, y)))
    return found is not None and bool(found[0] % _N == r)


def _pss(bits: bytes, signature: bytes, data: bytes) -> bool:
    """RSASSA-PSS with SHA-256, MGF1-SHA-256 and 32 bytes of salt (RFC 8017, 9.1.2)."""
    start = 2 + (bits[1] & 0x7F if bits[1] & 0x80 else 0) + 1
    modulus, exponent = _integers(bits[start:])
    size = (modulus.bit_length() + 7) // 8
    if len(signature) != size or modulus.bit_length() < 2048:
        return False
    opened = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    spare = 8 * size - (modulus.bit_length() - 1)
    opened = opened[1:] if spare == 8 else opened
    masked, digest, last = opened[:-33], opened[-33:-1], opened[-1]
    blocks = range((len(masked) + 31) // 32)
    mask = b"".join(hashlib.sha256(digest + block.to_bytes(4, "big")).digest() for block in blocks)
    plain = bytearray(a ^ b for a, b in zip(masked, mask, strict=False))
    plain[0] &= 0xFF >> (spare % 8)
    salt, padding = bytes(plain[-32:]), bytes(plain[:-32])
    expected = hashlib.sha256(bytes(8) + hashlib.sha256(data).digest() + salt).digest()
    return last == 0xBC and padding == bytes(len(padding) - 1) + b"\x01" and expected == digest


def _integers(der: bytes) -> tuple[int, int]:
    """The two INTEGERs of a DER SEQUENCE that fills the bytes. Raises ValueError, IndexError."""
    found, position = [], 0
    for tag in (0x30, 0x02, 0x02):
        if der[position] != tag:
            raise ValueError("not as DER writes it")
        length, position = der[position + 1], position + 2
        if length & 0x80:
            count = length & 0x7F
            length, position = int.from_bytes(der[position : position + count], "big"), position + count
        if tag == 0x30 and position + length != len(der):
            raise ValueError("bytes after the end")
        if tag == 0x02:
            found.append(int.from_bytes(der[position : position + length], "big", signed=True))
            position += length
    if position != len(der):
        raise ValueError("bytes after the end")
    return found[0], found[1]


def opened(text: str, kind: str, keys: Mapping[str, Key]) -> tuple[bytes, str]:
    """The payload of a DSSE envelope and the id of the key that signed it. Raises Bad."""
    envelope = json.loads(text)
    payload = base64.b64decode(envelope["payload"], validate=True)
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    for entry in envelope["signatures"]:
        key = keys.get(entry["keyid"])
        if envelope["payloadType"] == kind and key and key.holds(base64.b64decode(entry["sig"], validate=True), signed):
            return payload, key.id
    raise Bad("chữ ký không đúng hoặc của khóa lạ | the signature is wrong or a stranger's")


# --- one record ---------------------------------------------------------------------------------------------


def check_proof(proof: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, Any]:
    """The record that a proof proves: leaf and path lead to the root that a signed checkpoint names. Raises Bad."""
    payload, _ = opened(proof["checkpoint"], CHECKPOINT_TYPE, keys)
    chain = next(chain for chain in json.loads(payload)["chains"] if chain["uid"] == proof["chain_uid"])
    record: dict[str, Any] = json.loads(proof["record"])
    node = hashlib.sha256(b"\0" + proof["record"].encode()).digest()
    position, last = proof["seq"] - 1, proof["size"] - 1
    for sibling in map(bytes.fromhex, proof["path"]):
        if position & 1 or position == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    placed = (record["chain_uid"], record["seq"]) == (proof["chain_uid"], proof["seq"])
    if last or not placed or proof["format"] != PROOF_FORMAT or (chain["root"], chain["size"]) != (
        node.hex(), proof["size"],
    ):  # fmt: skip
        raise Bad("bằng chứng không dẫn đến điểm kiểm đã ký | the proof does not lead to the signed checkpoint")
    return record


# --- a bundle -----------------------------------------------------------------------------------------------


def read_files(path: Path) -> dict[str, bytes]:
    """The files of a bundle, bounded. Raises Bad."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise Bad("gói quá lớn | the bundle is too large")
        if len(set(names)) != len(names):
            raise Bad("một tên tệp có hai lần | a file name stands twice")
        return {name: archive.read(name) for name in names}


def check_bundle(files: Mapping[str, bytes], anchor: str | None = None) -> list[str]:
    """What was found to hold, as lines; `anchor` is the id of the key that must have signed.

    Raises Bad, naming the file or the person that does not hold.
    """
    with naming(MANIFEST):
        manifest = json.loads(files[MANIFEST])
        if manifest["format"] != FORMAT:
            raise Bad("không phải gói chứng cứ | not an evidence bundle")
        rows = [(key_id, row["use"], row["file"]) for key_id, row in manifest["keys"].items()]
    keys: dict[str, dict[str, Key]] = {use: {} for use in ("evidence", "checkpoint", "bootstrap", "review", "person")}
    for key_id, use, name in rows:
        with naming(name):
            keys[use][key_id] = Key(files[name].decode())
            if keys[use][key_id].id != key_id:
                raise Bad("khóa khác | another key")
    with naming(ENVELOPE):
        payload, signer = opened(files[ENVELOPE].decode(), MANIFEST_TYPE, keys["evidence"])
        if anchor is not None and signer != anchor:
            raise Bad("không do khóa đã cho ký | not signed by the key that was given")
    if payload != files[MANIFEST]:
        raise Bad(f"{MANIFEST}: khác bản đã ký | differs from what was signed")
    return _lines(files, manifest, keys, signer)


def _lines(files: Mapping[str, bytes], manifest: Mapping[str, Any], keys: Any, signer: str) -> list[str]:
    """Everything that a manifest, whose signature holds, says of the other files."""
    _check_files(files, manifest["files"])
    for name, digest in manifest["digests"].items():
        if "sha256:" + hashlib.sha256(files.get(f"subjects/{name}.json", b"")).hexdigest() != digest:
            raise Bad(f"subjects/{name}.json: mã băm khác | another digest")
    lines = [f"✓ {len(manifest['files'])} tệp, {len(manifest['digests'])} mã băm | files, digests"]
    lines += _check_approval(files, manifest, keys)
    for name in sorted(name for name in files if name.startswith("proofs/")):
        with naming(name):
            lines.append(_told(check_proof(json.loads(files[name]), keys["checkpoint"])))
    lines += [f"… {place}: chưa có điểm kiểm | no checkpoint yet" for place in manifest["pending"]]
    return [f"{manifest['model']['name']}@{manifest['model']['version']}", f"khóa | key {signer}", *lines]


def _check_files(files: Mapping[str, bytes], listed: Mapping[str, Mapping[str, Any]]) -> None:
    if differing := sorted(set(files) ^ {MANIFEST, ENVELOPE, *listed}):
        raise Bad(f"{', '.join(differing)}: thừa hoặc thiếu so với bản kê | more or less than the manifest lists")
    for name, row in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != row["sha256"]:
            raise Bad(f"{name}: đã bị thay đổi | altered")


def _check_approval(files: Mapping[str, bytes], manifest: Mapping[str, Any], keys: Any) -> list[str]:
    """The platform's approval and every person's statement that it lists, all over the same digests."""
    name = manifest["approval"]
    if name is None:
        return ["✗ chưa có phê duyệt | no approval: this version answers nobody"]
    with naming(name):
        stated = _statement(files[name], {**keys["bootstrap"], **keys["review"]}, manifest)
        span = f"{_day(stated['valid_from'])} – {_day(stated['valid_until'])}"
    lines, signed = [f"✓ {stated['kind']} {stated['id']}: {', '.join(stated['tiers'])}, {span}"], set[str]()
    for row in stated.get("statements", ()):
        text = f"statements/{row['sha256'].removeprefix('sha256:')}.json"
        with naming(f"{text} ({row['role']} {row['person']})"):
            said = _person(files[text], row, manifest, keys["person"])
            if said["person"] in signed:
                raise Bad("một người ký hai lần | one person signed twice")
        signed.add(said["person"])
        lines.append(f"✓ {said['role']} {said['person']} ({said['custody']})")
    return lines


def _person(text: bytes, row: Mapping[str, Any], manifest: Mapping[str, Any], keys: Mapping[str, Key]) -> Any:
    """What a person's statement says, held against the approval's row about it."""
    if "sha256:" + hashlib.sha256(text).hexdigest() != row["sha256"]:
        raise Bad("văn bản khác | another statement")
    said = _statement(text, {row["key_id"]: keys[row["key_id"]]}, manifest)
    if (said["person"], said["role"], said["decision"]) != (row["person"], row["role"], "approve"):
        raise Bad(f"văn bản của người khác | another person's statement: {said['role']} {said['person']}")
    return said


def _statement(text: bytes, keys: Mapping[str, Key], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The predicate of a signed statement about this bundle's model and digests."""
    statement = json.loads(opened(text.decode(), STATEMENT_TYPE, keys)[0])
    subjects = {entry["name"]: "sha256:" + entry["digest"]["sha256"] for entry in statement["subject"]}
    stated: dict[str, Any] = statement["predicate"]
    if (subjects, stated["model"]) == (manifest["digests"], manifest["model"]):
        return stated
    raise Bad("văn bản đã ký nói về thứ khác | the signed statement is about something else")


def _told(record: Mapping[str, Any]) -> str:
    return f"✓ {record['ts']} {record['event']} ({record['chain_uid']}:{record['seq']})"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def source() -> bytes:
    """This file as it is given to others."""
    return Path(__file__).read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Check a file; the exit code is told above."""
    parser = argparse.ArgumentParser(description="Kiểm chứng ngoại tuyến | Verify offline")
    parser.add_argument("file", type=Path, help="gói .zip hoặc bằng chứng .json | bundle or proof")
    parser.add_argument("--key", help="khóa công khai PEM hoặc sha256:… | public key file or its id")
    asked = parser.parse_args(arguments)
    write = sys.stdout.write
    try:
        given = None if asked.key is None or asked.key.startswith("sha256:") else Key(Path(asked.key).read_text())
        anchor = given.id if given else asked.key
        if zipfile.is_zipfile(asked.file):
            lines = check_bundle(read_files(asked.file), anchor)
        else:
            proof = json.loads(asked.file.read_text(encoding="utf-8"))
            key = given or Key(proof["public_key"])
            if anchor not in (None, key.id):
                raise Bad("khóa khác | another key")
            lines = [f"khóa | key {key.id}", _told(check_proof(proof, {key.id: key}))]
    except Bad as bad:
        write(f"✗ KHÔNG NGUYÊN VẸN | NOT INTACT: {bad}\n")
        return 1
    except (OSError, zipfile.BadZipFile, zlib.error, *UNREADABLE) as error:
        write(f"✗ KHÔNG NGUYÊN VẸN | NOT INTACT: không đọc được | unreadable ({type(error).__name__})\n")
        return 1 if asked.file.exists() else 2
    write("\n".join(lines) + "\n")
    write("NGUYÊN VẸN | INTACT\n" if anchor else "NGUYÊN VẸN, nhưng hãy đối chiếu khóa | INTACT, but compare the key\n")
    return 0 if anchor else 3


if __name__ == "__main__":
    sys.exit(main())
