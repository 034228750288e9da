"""Bytes on disk: whole or not at all, and nothing left lying about."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from models.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from registry.objects import Objects, digest_of


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


@pytest.mark.parametrize("call", range(1, 4), ids=["the bytes", "their folder", "the store's folder"])
def test_a_flush_that_fails_leaves_no_object_and_loses_no_upload(objects: Objects, monkeypatch, call: int):
    plain, calls = os.fsync, {"made": 0}

    def once(handle: int) -> None:
        calls["made"] += 1
        if calls["made"] == call:
            raise OSError(errno.EIO, "no")
        plain(handle)

    with objects.resume("file_0001", 0, 4) as part:
        part.write(b"data")
        part.keep()
    digest = digest_of(objects.uploads / "file_0001")
    monkeypatch.setattr(os, "fsync", once)
    with pytest.raises(UnavailableError):
        objects.keep([b"more"])
    assert [path.name for path in lying(objects)] == ["file_0001"]
    calls["made"] = 1  # a sealed upload was flushed before
    if call > 1:
        with pytest.raises(UnavailableError):
            objects.seal("file_0001", digest)
    assert objects.received("file_0001") == 4
    monkeypatch.undo()
    assert objects.check(objects.seal("file_0001", digest).name, digest).read_bytes() == b"data"


def test_a_part_that_does_not_fit_is_taken_back_whole(objects: Objects):
    """A limit of the process on the size of files stands for the full disk: a write stops in its middle."""
    with objects.resume("file_0001", 0, 1 << 20) as part:
        part.write(b"x" * 1000)
        assert part.keep() == 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with objects.resume("file_0001", 1000, 1 << 20) as part, pytest.raises(UnavailableError):
            part.write(b"y" * 9000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert objects.received("file_0001") == 1000
    with objects.resume("file_0001", 1000, 1 << 20) as part:
        part.write(b"y" * 9000)
        assert part.keep() == 10_000


def test_a_sweep_spares_what_is_owned_and_what_is_young(objects: Objects):
    kept, lost = objects.keep([b"kept"]), objects.keep([b"lost"])
    writing = objects.begin()
    writing.write(b"x" * (2 << 20))
    for upload in ("file_00aa", "file_00bb"):
        with objects.resume(upload, 0, 10) as part:
            part.write(b"part")
            part.keep()
    assert objects.sweep({kept.name}, {"file_00aa"}, spare_after=0.0) == 0
    (draft,) = objects.partial.iterdir()
    os.utime(draft, (5.0, 5.0))
    assert objects.sweep({kept.name}, {"file_00aa"}, spare_after=10.0) == 1
    assert objects.sweep({kept.name}, {"file_00aa"}) == 2
    writing.abort()
    assert objects.size(kept.name) == 4
    assert objects.size(lost.name) == 0
    assert (objects.received("file_00aa"), objects.received("file_00bb")) == (4, 0)
