"""A review, a remark or a key that is sent twice under one Idempotency-Key is kept once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.keypairs import FileKey
from tests.services.wire.small import Place, small_house
from tests.services.wire.test_reviews import draft, path, read_all, submit


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = small_house(tmp_path / "var", models={"vi-segment": "text.segment/1"})
    yield made
    made.close()


def test_what_was_created_once_is_not_created_again(place: Place):
    draft(place)
    submit(place)
    read_all(place, "reviewer")
    approve = {"decision": "approve", "role": "tech_reviewer"}
    key = {"public_key": FileKey.generate().public.pem().decode()}
    for number, (address, body) in enumerate((
        (path("/comments"), {"pointer": "", "text": "nêu rõ hơn"}), (path("/reviews"), approve),
        ("/v1/me/signing-keys", key),
    )):  # fmt: skip
        headers = {"Idempotency-Key": f"once-{number}"}
        first, again = (place.post(address, body, key="reviewer", headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201), first.text
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert place.post(address, {**body, "x": 1}, key="reviewer", headers=headers).status_code == 422
    shown = place.get(path("/reviews"), key="engineer").json()
    assert (len(shown["comments"]), len(shown["reviews"])) == (1, 1)
