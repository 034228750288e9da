import gzip
import hashlib
import json
import lzma
import os
import re
from pathlib import Path

import pytest

from models.errors import ForbiddenError, IntegrityError, NotFoundError
from pipelines.datasets import Datasets, Source, load_catalogue, refuse_unbundlable


def source(id_, content, may_bundle=True):
    return Source(
        id=id_, title="t", repository="https://example.org/r", commit="c0ffee", path="up/stream.txt",
        sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), unpacked_sha256=None, licence="MIT",
        may_bundle=may_bundle, reason="r", personal_data="none", conversion="none", authors="a",
    )  # fmt: skip


@pytest.fixture
def mirror(tmp_path):
    """A mirror of three files and its catalogue."""
    plain = "một\nhai\n".encode()
    contents = {"a/x/plain.txt": plain, "a/x/gz.txt.gz": gzip.compress(plain), "a/y/xz.txt.xz": lzma.compress(plain)}
    for id_, content in contents.items():
        (tmp_path / id_).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / id_).write_bytes(content)
    return tmp_path, {id_: source(id_, content) for id_, content in contents.items()}


def test_lines_are_the_same_whether_plain_gzip_or_xz(mirror):
    data = Datasets(*mirror)
    for id_ in ("a/x/plain.txt", "a/x/gz.txt.gz", "a/y/xz.txt.xz", "a/y/xz.txt.xz#part"):
        assert list(data.lines(id_)) == ["một", "hai"]


def test_one_changed_byte_in_the_mirror_is_refused(mirror):
    folder, catalogue = mirror
    (folder / "a/x/plain.txt").write_text("một\nhay\n", encoding="utf-8")
    with pytest.raises(IntegrityError):
        Datasets(folder, catalogue).path("a/x/plain.txt")


@pytest.mark.parametrize("unset", [True, False])
def test_a_missing_file_names_origin_commit_path_and_setting(mirror, tmp_path_factory, unset):
    folder = None if unset else tmp_path_factory.mktemp("empty")
    with pytest.raises(NotFoundError) as caught:
        Datasets(folder, mirror[1]).path("a/x/plain.txt")
    for message in (caught.value.note.vi, caught.value.note.en):
        for word in ("https://example.org/r", "c0ffee", "up/stream.txt", "AICHUNG_DATA_MIRROR"):
            assert word in message


def test_an_id_outside_the_catalogue_is_not_read_even_when_the_file_exists(mirror):
    folder, catalogue = mirror
    (folder / "a/x/other.txt").write_text("x")
    for id_ in ("a/x/other.txt", "../a/x/plain.txt", "a/x"):
        with pytest.raises(NotFoundError):
            Datasets(folder, catalogue).path(id_)


def test_verify_tells_verified_missing_and_altered_apart(mirror):
    folder, catalogue = mirror
    (folder / "a/x/plain.txt").unlink()
    (folder / "a/y/xz.txt.xz").write_bytes(b"x")
    states = {found.source.id: found.state for found in Datasets(folder, catalogue).verify()}
    assert states == {"a/x/plain.txt": "missing", "a/x/gz.txt.gz": "verified", "a/y/xz.txt.xz": "altered"}


def test_a_folder_is_named_by_the_digests_of_its_files(mirror):
    folder, catalogue = mirror
    data = Datasets(folder, catalogue)
    assert data.ids("a/x") == ("a/x/gz.txt.gz", "a/x/plain.txt")
    whole = data.digest("a/x")
    changed = {**catalogue, "a/x/plain.txt": source("a/x/plain.txt", b"other")}
    assert whole.startswith("sha256:")
    assert Datasets(folder, changed).digest("a/x") != whole
    assert data.digest("a/x/plain.txt#held-back") == "sha256:" + catalogue["a/x/plain.txt"].sha256


def test_a_licence_that_forbids_bundling_is_refused_by_name(mirror):
    folder, catalogue = mirror
    catalogue["a/x/plain.txt"] = source("a/x/plain.txt", b"", may_bundle=False)
    data = Datasets(folder, catalogue)
    refuse_unbundlable(data, ["a/y/xz.txt.xz"])
    for training in (["a/x/plain.txt"], ["a/x"], ["a/x/plain.txt#part"]):
        with pytest.raises(ForbiddenError, match=re.escape("a/x/plain.txt")):
            refuse_unbundlable(data, training)


def test_the_projects_catalogue_is_complete_and_never_bundles_gpl_or_unlicensed_data():
    catalogue = load_catalogue()
    assert len(catalogue) > 100
    for one in catalogue.values():
        assert re.fullmatch("[0-9a-f]{64}", one.sha256), one.id
        assert re.fullmatch("[0-9a-f]{40}", one.commit), one.id
        assert one.repository.startswith("https://github.com/"), one.id
        assert one.size_bytes > 0
        assert all((one.title, one.path, one.licence, one.reason, one.personal_data, one.conversion, one.authors))
        if re.search(r"GPL|NC|none stated|ND", one.licence):
            assert not one.may_bundle, one.id


def test_a_damaged_catalogue_is_an_integrity_error(tmp_path):
    for text in ("", "[]", json.dumps({"schema": "data-catalogue/9"})):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(IntegrityError):
            load_catalogue(tmp_path / "c.json")


@pytest.mark.skipif("AICHUNG_DATA_MIRROR" not in os.environ, reason="needs the data mirror (AICHUNG_DATA_MIRROR)")
def test_the_mirror_holds_what_the_catalogue_says():
    found = Datasets(Path(os.environ["AICHUNG_DATA_MIRROR"])).verify()
    assert [one.source.id for one in found if one.state == "altered"] == []
    assert sum(one.state == "verified" for one in found) > 100
