"""Bytes on disk: whole or not at all, and nothing left lying about."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from models.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from registry.objects import Objects


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def lying(objects: Objects) -> list[Path]:
    return [path for path in objects.root.rglob("*") if path.is_file()]


def test_what_was_written_is_read_again_and_checked(objects: Objects):
    stored = objects.keep([b"one", b"two"])
    assert objects.check(stored.name, stored.sha256).read_bytes() == b"onetwo"
    assert objects.size(stored.name) == stored.bytes == 6
    objects.path(stored.name).write_bytes(b"onetwO")
    with pytest.raises(IntegrityError):
        objects.check(stored.name, stored.sha256)
    objects.delete(stored.name)
    objects.delete(stored.name)
    with pytest.raises(NotFoundError):
        objects.open(stored.name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "abc", "A" * 48, "0" * 47 + "/"])
def test_a_name_never_leaves_the_store(objects: Objects, name: str):
    for ask in (objects.path, objects.size, objects.delete):
        with pytest.raises(NotFoundError):
            ask(name)
    with pytest.raises(NotFoundError):
        objects.received("../" + name)


def test_an_object_that_was_given_up_leaves_nothing(objects: Objects):
    with objects.begin() as writing:
        writing.write(b"half")
    with pytest.raises(InvalidInputError) as refused:
        objects.keep([b"four", b"more"], most=5)
    assert refused.value.word == "too-large"
    assert lying(objects) == []


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_or_failing_disk_is_told_and_leaves_nothing(objects: Objects, monkeypatch, fault: int):
    def fail(handle: int) -> None:
        raise OSError(fault, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnavailableError) as refused:
        objects.keep([b"data"])
    assert refused.value.word == "files-full"
    with objects.resume("file_0001", 0, 10) as part:
        part.write(b"data")
        with pytest.raises(UnavailableError):
            part.keep()
    monkeypatch.undo()
    assert objects.received("file_0001") == 0
    assert [path for path in lying(objects) if path.stat().st_size] == []


def test_a_sweep_spares_what_is_owned_and_what_is_young(objects: Objects):
    kept, lost = objects.keep([b"kept"]), objects.keep([b"lost"])
    writing = objects.begin()
    writing.write(b"x" * (2 << 20))
    for upload in ("file_00aa", "file_00bb"):
        with objects.resume(upload, 0, 10) as part:
            part.write(b"part")
            part.keep()
    assert objects.sweep({kept.name}, {"file_00aa"}, spare_after=0.0) == 1
    assert objects.sweep({kept.name}, {"file_00aa"}) == 2
    writing.abort()
    assert objects.size(kept.name) == 4
    assert objects.size(lost.name) == 0
    assert (objects.received("file_00aa"), objects.received("file_00bb")) == (4, 0)
