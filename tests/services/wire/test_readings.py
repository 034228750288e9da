"""Readings over the wire: a guess with its questions, corrections under a version, patterns for the next file."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.wire.small import Place
from tests.services.wire.test_files import plain, upload

TABLE = "Tỉnh,Tháng 1,Tháng 2,Tháng 3\nHà Nội,3,5,4\nHải Phòng,1,2,2\n".encode()
"""Whose year the file does not say."""

OLD = "tháng,số ca\n2024-01,3\n2024-02,5\n2024-03,4\n".encode()
NEXT = "tháng,số ca\n2025-01,6\n2025-02,2\n2025-03,8\n".encode()


def read(place: Place, file: str, body: Any = None, key: str = "province", **headers: str) -> httpx.Response:
    return place.call("POST", f"/v1/files/{file}/readings", key=key, json=body, headers=headers)


def correct(place: Place, url: str, body: Any, tag: str | None, key: str = "province") -> httpx.Response:
    return place.call("PUT", url, key=key, json=body, headers={} if tag is None else {"If-Match": tag})


@pytest.fixture(scope="module")
def reading(place: Place) -> dict[str, Any]:
    answer = read(place, upload(place, TABLE, "Bệnh tay chân miệng.csv")["id"])
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "url": answer.headers["location"], "tag": answer.headers["etag"]}


def test_a_file_is_read_with_what_is_open(place: Place, reading: dict[str, Any]):
    assert "year_unknown" in [question["code"] for question in reading["questions"]]
    assert reading["tables"][0]["columns"][1]["role"] == "value"
    assert (reading["version"], reading["tag"], reading["name"]) == (1, '"1"', None)
    for url in (reading["url"], f"/v1/readings/{reading['id']}"):
        shown = place.get(url, key="province")
        assert shown.headers["etag"] == '"1"'
        assert shown.json()["tables"] == reading["tables"]


def test_a_correction_needs_the_version_that_it_corrects(place: Place):
    answer = read(place, upload(place, TABLE, "Ho gà.csv")["id"])
    url = answer.headers["location"]
    body = {"answers": {one["id"]: "2019" for one in answer.json()["questions"] if one["code"] == "year_unknown"}}
    assert correct(place, url, body, None).status_code == 428
    assert correct(place, url, body, '"7"').status_code == 412
    right = correct(place, url, body, '"1"')
    assert (right.status_code, right.headers["etag"]) == (200, '"2"')
    assert "year_unknown" not in [question["code"] for question in right.json()["questions"]]
    assert right.json()["tables"][0]["period"]["first"] == "2019-01"
    late = correct(place, url, body, '"1"')
    assert (late.status_code, late.json()["code"]) == (412, "precondition-failed")


def test_what_was_read_may_be_sent_back_changed(place: Place):
    answer = read(place, upload(place, TABLE, "Sởi.csv")["id"])
    whole = answer.json()
    whole["tables"][0]["columns"][1]["measure"] = "stock"
    changed = correct(place, f"/v1/readings/{whole['id']}", whole, answer.headers["etag"])
    assert changed.status_code == 200, changed.text
    assert changed.json()["tables"][0]["columns"][1]["measure"] == "stock"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"more": 1}, ""), ({"answers": {"khong-co": "flow"}}, "/answers/khong-co"), ({"tables": 3}, "/tables"),
        ({"tables": [{"columns": [{"index": 99}]}]}, "/tables/0/columns/0/index"), ({"name": 3}, "/name"),
        ({"name": "a\nb"}, "/name"), ({"tables": [{"columns": [{"index": 1, "role": "x"}]}]}, None),
    ],
)  # fmt: skip
def test_a_correction_that_does_not_fit_is_refused(
    place: Place, reading: dict[str, Any], body: dict[str, Any], pointer: str | None
):
    answer = correct(place, reading["url"], body, "*")
    assert answer.status_code == 422, answer.text
    assert pointer is None or [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert place.get(reading["url"], key="province").json()["version"] == 1


def test_a_named_reading_is_laid_over_the_next_file_with_the_same_headers(own: Place):
    first = read(own, upload(own, OLD, "Dại.csv")["id"], {"name": "Mẫu dại"})
    changes = {"tables": [{"index": 0, "columns": [{"index": 1, "measure": "stock"}]}]}
    settled = correct(own, first.headers["location"], changes, "*").json()
    assert (settled["name"], settled["tables"][0]["columns"][1]["measure"]) == ("Mẫu dại", "stock")
    following = read(own, upload(own, NEXT, "Dại.csv")["id"]).json()
    assert following["pattern"] == settled["id"]
    assert following["tables"][0]["columns"][1]["measure"] == "stock"
    assert following["tables"][0]["period"]["first"] == "2025-01"
    afresh = read(own, upload(own, NEXT, "Dại.csv")["id"], {"pattern": "none"}).json()
    assert (afresh["pattern"], afresh["tables"][0]["columns"][1]["measure"]) == (None, "flow")
    chosen = read(own, upload(own, NEXT, "Khác.csv")["id"], {"pattern": settled["id"]}).json()
    assert chosen["pattern"] == settled["id"]
    other = read(own, upload(own, NEXT, "Dại.csv", key="ministry")["id"], key="ministry").json()
    assert other["pattern"] is None


def test_deleting_a_file_forgets_what_was_read_in_it(own: Place):
    file = upload(own, TABLE, "Dại.csv")["id"]
    plain_one, named = read(own, file).json(), read(own, file, {"name": "Mẫu"}).json()
    assert len(own.get(f"/v1/files/{file}/readings", key="province").json()["data"]) == 2
    assert own.call("DELETE", f"/v1/files/{file}", key="province").status_code == 204
    assert own.get(f"/v1/readings/{plain_one['id']}", key="province").status_code == 404
    kept = own.get(f"/v1/readings/{named['id']}", key="province").json()
    assert kept["tables"][0]["sample"] == []


def test_another_organisations_reading_is_like_one_that_does_not_exist(place: Place, reading: dict[str, Any]):
    mine = upload(place, TABLE, key="province_b")["id"]
    made_up = "rdg_" + "0" * 35
    for method in ("GET", "PUT", "DELETE"):
        for template in ("/v1/readings/{}", f"/v1/files/{mine}/readings/{{}}"):
            seen, none = (
                place.call(method, template.format(one), key="province_b", json={} if method == "PUT" else None,
                           headers={"If-Match": "*"})
                for one in (reading["id"], made_up)
            )  # fmt: skip
            assert seen.status_code == none.status_code == 404
            assert plain(seen) == plain(none)
    answer = read(place, mine, {"pattern": reading["id"]}, key="province_b")
    assert plain(answer) == plain(read(place, mine, {"pattern": made_up}, key="province_b"))
    assert place.get("/v1/readings", key="province_b").json()["data"] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("picture.xls", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
        ("cut.xlsx", b"PK\x03\x04" + b"\0" * 500),
        ("cut.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4000),
        ("nothing.csv", b"  \n "),
        ("cut.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
    ],
)
def test_a_damaged_file_is_refused_by_its_reading(place: Place, name: str, content: bytes):
    answer = read(place, upload(place, content, name)["id"])
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] != "internal-error"


def test_a_reading_under_a_key_is_made_once(place: Place):
    file = upload(place, TABLE, "Lao.csv")["id"]
    first, second = (read(place, file, **{"Idempotency-Key": "r1"}) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
