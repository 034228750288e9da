"""Data by digest: the project's own catalogue, and the local mirror that holds the bytes.

Decision: the repository carries no training data, it carries *where the data comes from*. `catalogue.json` names for
each file its origin repository, commit and path, its licence and whether weights trained on it may be bundled, and
the SHA-256 of the file as mirrored. Whoever keeps a mirror (a folder with the same layout, named by the setting
AICHUNG_DATA_MIRROR) can reproduce the bundled models; a file whose digest differs is refused, because a figure is
only worth its data. The mirror's path arrives as an argument; nothing here reads the environment.

Ids are `<folder>/<file>` as they lie in the mirror. `#part` after an id names a part of the file (a held-back split);
the part is the recipe's affair, licence and digest are the file's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Literal, cast

from models.errors import ForbiddenError, IntegrityError, NotFoundError, PlatformError
from registry.canonical import digest

CATALOGUE = Path(__file__).with_name("catalogue.json")
SCHEMA = "data-catalogue/1"
SETTING = "AICHUNG_DATA_MIRROR"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the catalogue.

    `repository`, `commit` and `path` say where it comes from; `sha256` and `size_bytes` are of the file as mirrored
    (`unpacked_sha256` of its content where it was compressed for the mirror). `licence` is an SPDX id, or the words of
    the source in quotes; `may_bundle` with `reason` says whether weights trained on it may be shipped.
    """

    id: str
    title: str
    repository: str
    commit: str
    path: str
    sha256: str
    size_bytes: int
    unpacked_sha256: str | None
    licence: str
    may_bundle: bool
    reason: str
    personal_data: str
    conversion: str
    authors: str


@dataclass(frozen=True, slots=True)
class Found:
    """State of one catalogue file in a mirror."""

    source: Source
    state: Literal["verified", "missing", "altered"]


def load_catalogue(path: Path = CATALOGUE) -> dict[str, Source]:
    """The catalogue by id. Raises IntegrityError when the file is not a catalogue of this version."""
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        return {id_: _source(id_, document["folders"], entry) for id_, entry in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            "Danh mục dữ liệu của nền tảng không đọc được.", f"The data catalogue is not a {SCHEMA}."
        ) from error


def _source(id_: str, folders: Mapping[str, Any], entry: Mapping[str, Any]) -> Source:
    """A file's entry laid over that of its folder: the licence of a file may differ from its folder's."""
    folder = next(name for name in folders if id_.startswith(name + "/"))
    whole = {**folders[folder], **entry}
    return Source(
        id=id_, title=whole["title"], repository=whole["repository"], commit=whole["commit"], path=whole["path"],
        sha256=whole["sha256"], size_bytes=whole["bytes"], unpacked_sha256=whole.get("unpacked_sha256"),
        licence=whole["licence"], may_bundle=whole["may_bundle"], reason=whole["reason"],
        personal_data=whole["personal_data"], conversion=whole["conversion"], authors=whole["authors"],
    )  # fmt: skip


class Datasets:
    """The catalogue's files as one mirror holds them."""

    def __init__(self, mirror: Path | None, catalogue: Mapping[str, Source] | None = None) -> None:
        """`mirror` is a folder with the catalogue's layout; None means that the setting names none."""
        self._mirror = mirror
        self._catalogue = load_catalogue() if catalogue is None else dict(catalogue)
        self._verified: set[str] = set()

    def ids(self, under: str = "") -> tuple[str, ...]:
        """Ids of the catalogue that are `under` or lie in that folder, sorted; all of them for ""."""
        whole = under.partition("#")[0].rstrip("/")
        return tuple(sorted(i for i in self._catalogue if not whole or i == whole or i.startswith(whole + "/")))

    def source(self, dataset_id: str) -> Source:
        """What the catalogue says of a file. Raises NotFoundError for an id it does not hold."""
        try:
            return self._catalogue[dataset_id.partition("#")[0]]
        except KeyError as error:
            raise NotFoundError(
                "Danh mục dữ liệu không có tập này; xem `aichung data list`.",
                "The data catalogue holds no such set; see `aichung data list`.",
            ) from error

    def path(self, dataset_id: str) -> Path:
        """Where the mirrored file lies, its digest checked once per process.

        Raises NotFoundError naming the file's origin when the mirror lacks it, IntegrityError when its bytes differ.
        """
        source = self.source(dataset_id)
        if self._mirror is None or not (self._mirror / source.id).is_file():
            raise _absent(source)
        path = self._mirror / source.id
        if source.id not in self._verified:
            if file_digest(path) != source.sha256:
                raise _altered(source)
            self._verified.add(source.id)
        return path

    def digest(self, dataset_id: str) -> str:
        """`sha256:…` of a file as catalogued, or of the table of digests of a folder's files. Raises NotFoundError."""
        ids = self.ids(dataset_id) or (self.source(dataset_id).id,)
        if ids == (dataset_id.partition("#")[0],):
            return f"sha256:{self._catalogue[ids[0]].sha256}"
        return table_digest({id_: f"sha256:{self._catalogue[id_].sha256}" for id_ in ids})

    def open_text(self, dataset_id: str) -> IO[str]:
        """The file's text, unpacked where its name ends in .gz or .xz. Raises as `path` does."""
        path = self.path(dataset_id)
        if path.suffix == ".gz":
            return TextIOWrapper(cast(IO[bytes], gzip.open(path)), encoding="utf-8")
        if path.suffix == ".xz":
            return TextIOWrapper(lzma.open(path), encoding="utf-8")
        return path.open(encoding="utf-8")

    def lines(self, dataset_id: str) -> Iterator[str]:
        """Lines of the file without their ends. Raises as `path` does."""
        with self.open_text(dataset_id) as text:
            for line in text:
                yield line.rstrip("\r\n")

    def verify(self) -> list[Found]:
        """The state of every catalogue file in the mirror: what `aichung data verify` prints."""
        found = []
        for id_ in self.ids():
            path = None if self._mirror is None else self._mirror / id_
            state: Literal["verified", "missing", "altered"] = "missing"
            if path is not None and path.is_file():
                state = "verified" if file_digest(path) == self._catalogue[id_].sha256 else "altered"
            found.append(Found(self._catalogue[id_], state))
        return found


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def table_digest(table: Mapping[str, str]) -> str:
    """`sha256:…` of a table id → digest in canonical form (RFC 8785): names a set of data in one word."""
    return digest(dict(table))


def refuse_unbundlable(data: Datasets, training: Sequence[str]) -> None:
    """Raise ForbiddenError naming each training set whose licence does not allow bundled weights."""
    sources = [data.source(id_) for whole in training for id_ in data.ids(whole) or (whole,)]
    barred = [source for source in sources if not source.may_bundle]
    if barred:
        names = "; ".join(f"{source.id} ({source.licence})" for source in barred)
        raise ForbiddenError(
            f"Giấy phép không cho phép phát hành kèm trọng số huấn luyện từ: {names}. "
            "Dùng --own-use để huấn luyện cho riêng đơn vị mình, vào một thư mục ngoài bộ phát hành.",
            f"Weights trained on these sets may not be bundled: {names}. "
            "Use --own-use to train for yourself, into a folder outside the bundle.",
            code="licence-refused",
        )


def _absent(source: Source) -> PlatformError:
    origin = f"{source.repository} @ {source.commit}, {source.path}"
    return NotFoundError(
        f"Kho dữ liệu cục bộ không có {source.id}. Nguồn gốc: {origin}. Đặt {SETTING} trỏ tới thư mục có tệp này.",
        f"The local mirror lacks {source.id}. Origin: {origin}. Point {SETTING} at a folder that holds it.",
        code="dataset-missing",
    )


def _altered(source: Source) -> PlatformError:
    return IntegrityError(
        f"Tệp {source.id} trong kho dữ liệu khác với bản ghi trong danh mục (SHA-256 {source.sha256}).",
        f"{source.id} in the mirror differs from the catalogue (SHA-256 {source.sha256}).",
    )
