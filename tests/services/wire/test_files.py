"""Files: sent whole or in parts, read back, deleted; nobody else's are there."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from tests.services.wire.small import Place

CSV = "tháng,ca\n2024-01,3\n2024-02,5\n".encode()
BOUNDARY = b"ranh-gioi".hex()


def form(*parts: tuple[str, str | None, bytes], end: bool = True) -> bytes:
    """A form of parts (name, filename, content)."""
    lines = []
    for name, filename, content in parts:
        shown = "" if filename is None else f'; filename="{filename}"'
        lines.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + content)
    return b"\r\n".join(lines) + (f"\r\n--{BOUNDARY}--\r\n".encode() if end else b"")


def send(place: Place, content: bytes, *, key: str = "province", **headers: str) -> httpx.Response:
    media = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    return place.call("POST", "/v1/files", key=key, content=content, headers=media)


def upload(place: Place, content: bytes = CSV, name: str = "sốt xuất huyết 2024.csv", **more: Any) -> dict[str, Any]:
    answer = send(place, form(("file", name, content)), **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def announce(place: Place, content: bytes, **changes: Any) -> httpx.Response:
    digest = hashlib.sha256(content).hexdigest()
    body = {"filename": "a.csv", "bytes": len(content), "sha256": digest, "purpose": "batch", **changes}
    return place.call("POST", "/v1/files", key="province", json=body)


def put(place: Place, file: str, content: bytes, span: str | None, key: str = "province") -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"} | ({} if span is None else {"Content-Range": span})
    return place.call("PUT", f"/v1/files/{file}/content", key=key, content=content, headers=headers)


def test_a_file_sent_in_a_form_is_kept_as_it_was(place: Place):
    file = upload(place)
    assert (file["bytes"], file["status"], file["received"]) == (len(CSV), "ready", len(CSV))
    assert file["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert file["filename"] == "sốt xuất huyết 2024.csv"
    content = place.get(f"/v1/files/{file['id']}/content", key="province")
    assert content.content == CSV
    assert content.headers["content-disposition"].startswith("attachment; ")
    assert content.headers["x-content-type-options"] == "nosniff"
    shown = place.get(f"/v1/files/{file['id']}", key="province").json()
    assert {**shown, "request_id": ""} == {**file, "request_id": ""}


def test_the_purpose_may_stand_before_or_after_the_file(place: Place):
    for parts in (
        (("purpose", None, b"batch"), ("file", "a.csv", CSV)),
        (("file", "a.csv", CSV), ("purpose", None, b"batch")),
    ):
        assert send(place, form(*parts)).json()["purpose"] == "batch"


def test_the_folders_of_a_name_are_left_out_and_rfc_5987_names_are_understood(place: Place):
    assert upload(place, name="C:\\\\Users\\\\x\\\\năm 2011.csv")["filename"] == "năm 2011.csv"
    assert upload(place, name="../../etc/a.csv")["filename"] == "a.csv"
    raw = form(("file", "x.csv", CSV)).replace(b'"x.csv"', b"\"x.csv\"; filename*=UTF-8''n%C4%83m.csv")
    assert send(place, raw).json()["filename"] == "năm.csv"


REFUSED: list[tuple[str, bytes, int, str]] = [
    ("no parts", form(), 422, "missing-field"),
    ("not a form", b"hello", 400, "malformed-multipart"),
    ("nothing", b"", 400, "body-cut-short"),
    ("cut short", form(("file", "a.csv", CSV), end=False), 400, "body-cut-short"),
    ("no file", form(("purpose", None, b"batch")), 422, "missing-field"),
    ("an unknown field", form(("file", "a.csv", CSV), ("note", None, b"bi-mat")), 422, "unknown-field"),
    ("a second file", form(("file", "a.csv", CSV), ("file", "b.csv", CSV)), 400, "duplicate-key"),
    ("a file for the purpose", form(("purpose", "a.csv", CSV)), 422, "unknown-field"),
    ("text for the file", form(("file", None, CSV)), 422, "unknown-field"),
    ("many parts", form(*[("purpose", None, b"a")] * 20), 400, "malformed-multipart"),
    ("a long field", form(("purpose", None, b"a" * 5000)), 400, "malformed-multipart"),
    ("a purpose that is no word", form(("purpose", None, b"<script>")), 422, "wrong-value"),
    ("a picture", form(("file", "a.png", CSV)), 422, "unsupported-file-type"),
    ("no suffix", form(("file", "csv", CSV)), 422, "unsupported-file-type"),
    ("an empty name", form(("file", "", CSV)), 422, "bad-file-name"),
    ("only dots", form(("file", "..", CSV)), 422, "bad-file-name"),
    ("a turned name", form(("file", "a\u202ecsv.csv", CSV)), 422, "bad-file-name"),
    ("a name too long", form(("file", "a" * 300 + ".csv", CSV)), 422, "bad-file-name"),
    ("headers without end", f"--{BOUNDARY}\r\nA: {'b' * 9000}".encode(), 400, "malformed-multipart"),
    ("a name that is not UTF-8", form(("file", "\0.csv", CSV)).replace(b"\0", b"\xff"), 400, "malformed-multipart"),
]


@pytest.mark.parametrize(("name", "content", "status", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_form_that_breaks_a_rule_is_refused_and_nothing_is_left(
    place: Place, name: str, content: bytes, status: int, code: str
):
    answer = send(place, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "bi-mat" not in answer.text
    assert not list((place.house.settings.home / "objects" / "partial").iterdir())


def test_other_media_types_and_packed_files_are_refused(place: Place):
    for headers in ({"Content-Type": "text/csv"}, {"Content-Type": "multipart/mixed; boundary=a"}):
        answer = place.call("POST", "/v1/files", key="province", content=CSV, headers=headers)
        assert answer.status_code == 415
    packed = send(place, form(("file", "a.csv", CSV)), **{"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "unsupported-content-encoding")
    bare = send(place, form(("file", "a.csv", CSV)), **{"Content-Type": "multipart/form-data"})
    assert (bare.status_code, bare.json()["code"]) == (400, "malformed-multipart")


def test_an_upload_goes_on_where_it_stopped(place: Place):
    made = announce(place, CSV)
    assert made.status_code == 201
    file = made.json()
    assert (file["status"], file["received"]) == ("uploading", 0)
    assert made.headers["location"] == f"/v1/files/{file['id']}"
    asked = put(place, file["id"], b"", f"bytes */{len(CSV)}")
    assert asked.status_code == 308
    assert "range" not in asked.headers
    first = put(place, file["id"], CSV[:7], f"bytes 0-6/{len(CSV)}")
    assert (first.status_code, first.headers["range"], first.content) == (308, "bytes=0-6", b"")
    assert place.get(f"/v1/files/{file['id']}", key="province").json()["received"] == 7
    again = put(place, file["id"], CSV[:7], f"bytes 0-6/{len(CSV)}")
    assert (again.status_code, again.headers["range"], again.json()["code"]) == (409, "bytes=0-6", "wrong-offset")
    assert put(place, file["id"], b"", f"bytes */{len(CSV)}").headers["range"] == "bytes=0-6"
    last = put(place, file["id"], CSV[7:], f"bytes 7-{len(CSV) - 1}/{len(CSV)}")
    assert last.status_code == 204
    assert place.get(f"/v1/files/{file['id']}/content", key="province").content == CSV
    more = put(place, file["id"], CSV, None)
    assert (more.status_code, more.json()["code"]) == (409, "upload-complete")


def test_an_upload_may_come_in_one_part_without_a_range(place: Place):
    file = announce(place, CSV).json()
    assert put(place, file["id"], CSV, None).status_code == 204
    assert place.get(f"/v1/files/{file['id']}", key="province").json()["status"] == "ready"


def test_what_does_not_have_the_declared_digest_starts_anew(place: Place):
    file = announce(place, CSV, sha256="0" * 64).json()
    wrong = put(place, file["id"], CSV, None)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "digest-mismatch")
    assert place.get(f"/v1/files/{file['id']}", key="province").json()["received"] == 0


@pytest.mark.parametrize("span", ["bytes 0-6/8", "bytes 9-6/29", "bytes 0-99/29", "items 0-6/29", "bytes a-b/29", ""])
def test_a_range_that_does_not_fit_is_refused(place: Place, span: str):
    file = announce(place, CSV).json()
    answer = put(place, file["id"], CSV[:7], span)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-header")


def test_a_part_whose_length_differs_from_its_range_is_refused(place: Place):
    file = announce(place, CSV).json()
    longer = put(place, file["id"], CSV[:9], f"bytes 0-6/{len(CSV)}")
    assert (longer.status_code, longer.json()["code"]) == (400, "body-cut-short")
    assert place.get(f"/v1/files/{file['id']}", key="province").json()["received"] == 0
    shorter = put(place, file["id"], CSV[:5], f"bytes 0-6/{len(CSV)}")
    assert (shorter.status_code, shorter.json()["code"]) == (400, "body-cut-short")
    assert place.get(f"/v1/files/{file['id']}", key="province").json()["received"] == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"bytes": 0}, {"bytes": -1}, {"bytes": (2 << 30) + 1}, {"bytes": "3"}, {"sha256": "x"}, {"sha256": "A" * 64},
        {"filename": ""}, {"filename": 3}, {"purpose": "A B"}, {"more": 1}, {"filename": "a.exe"},
    ],
)  # fmt: skip
def test_an_announcement_that_breaks_a_rule_is_refused(place: Place, changes: dict[str, Any]):
    assert announce(place, CSV, **changes).status_code == 422


def test_another_organisations_file_is_like_one_that_does_not_exist(place: Place):
    file = upload(place)["id"]
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("PUT", "/content"), ("GET", "/readings"),
                         ("POST", "/readings")):  # fmt: skip
        seen = place.call(method, f"/v1/files/{file}{path}", key="province_b")
        made_up = place.call(method, f"/v1/files/file_{'0' * 35}{path}", key="province_b")
        assert seen.status_code == made_up.status_code == 404
        assert plain(seen) == plain(made_up)
    listed = place.get("/v1/files", key="province_b").json()
    assert file not in [row["id"] for row in listed["data"]]


def test_an_organisation_sees_the_files_below_it_and_leaves_them_alone(place: Place):
    file = upload(place, key="commune")["id"]
    assert place.get(f"/v1/files/{file}", key="province").status_code == 200
    assert place.call("DELETE", f"/v1/files/{file}", key="province").status_code == 404
    assert place.get(f"/v1/files/{file}", key="ministry").status_code == 404


def plain(answer: httpx.Response) -> str:
    return answer.text.replace(answer.headers["x-request-id"], "")


def test_files_are_listed_in_pages_newest_first(place: Place):
    made = [upload(place, key="ministry")["id"] for _ in range(3)]
    first = place.get("/v1/files?limit=2", key="ministry")
    assert [row["id"] for row in first.json()["data"]] == made[:0:-1]
    assert first.json()["has_more"]
    link = first.headers["link"].split(">")[0][1:]
    assert [row["id"] for row in place.get(link, key="ministry").json()["data"]] == [made[0]]
    assert first.json()["storage"]["used_bytes"] >= 3 * len(CSV)


def test_a_deleted_file_is_gone_and_its_record_stays(place: Place):
    file = upload(place)
    before = place.get("/v1/files", key="province").json()["storage"]["used_bytes"]
    assert place.call("DELETE", f"/v1/files/{file['id']}", key="province").status_code == 204
    assert place.get(f"/v1/files/{file['id']}", key="province").status_code == 404
    assert place.get("/v1/files", key="province").json()["storage"]["used_bytes"] == before - len(CSV)
    events = [r["event"] for r in place.records() if r.get("object", {}) == {"file_id": file["id"]}]
    assert {"file.create", "file.delete"} <= set(events)


def test_the_same_idempotency_key_makes_one_file(place: Place):
    content = form(("file", "a.csv", CSV))
    first, second = (send(place, content, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    other = send(place, form(("file", "b.csv", CSV)), **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert send(place, content, **{"Idempotency-Key": "\x7f"}).status_code == 400


def test_the_quota_is_held(own: Place):
    tenant = own.get("/v1/me", key="province").json()["tenant"]["id"]
    with own.house.database.write() as connection:
        connection.exec_driver_sql("insert into storage (tenant, bytes, quota_bytes) values (?, 0, 100)", (tenant,))
    upload(own)
    full = send(own, form(("file", "a.csv", b"a" * 90)))
    assert (full.status_code, full.json()["code"]) == (507, "storage-quota")
    assert announce(own, b"a" * 90).status_code == 507
    large = send(own, form(("file", "a.csv", b"a" * 200_000)))
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    assert len(list((own.house.settings.home / "objects").glob("??/*"))) == 1


def test_a_role_without_the_scope_sees_no_files(place: Place):
    assert place.get("/v1/files", key="admin").status_code == 403
    assert place.call("POST", "/v1/files", key="inspector", content=b"").status_code == 403
    assert place.call("POST", "/v1/files", key=None, content=b"").status_code == 401
