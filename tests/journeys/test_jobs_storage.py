"""Uploads and jobs on a disk that is full, does not flush, or is locked; and while the platform is upgraded.

What was accepted is not lost, what is refused is refused clearly, and nothing is left lying about. One installation, on
a small disk of its own whose flushes fail on demand (`unflushed.c`, built with gcc), serves all of it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import ROOT, Platform, start, within
from tests.journeys.test_faults import fill
from tests.journeys.test_jobs_faults import ENDS, ended, job, outcome, processes, series, submit
from tests.journeys.test_refusals import check

pytestmark = pytest.mark.journey

CONTENT = b"ky,so_ca\n" + b"".join(b"2020-%02d,%d\n" % (number % 12 + 1, number) for number in range(1_500_000))
"""About 20 MB of figures."""

DISK_MEGABYTES = 256
LONG = series(120, 3000)
"""Enough for a job to be in its middle when something happens."""

SHARED = series(40, 1500)
"""Enough for several of them to be under way at once."""

SHORT = {"type": "anomaly.series", "input": {"data": {"inputs": series(1, 50)}}, "parameters": {}}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A file system of its own for the home; None where mounting is not allowed."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def flush_fault(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The file whose existence makes every flush fail, and the variables of a platform that obeys it."""
    folder = tmp_path_factory.mktemp("flush")
    flag, library = folder / "fails", folder / "unflushed.so"
    if shutil.which("gcc") is None:
        return flag, {}
    source = str(Path(__file__).with_name("unflushed.c"))
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), source], check=True)
    return flag, {"LD_PRELOAD": str(library), "FAULT_FLUSH": str(flag)}


@pytest.fixture(scope="module")
def frail(
    disk: Path | None, flush_fault: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The installation on that disk."""
    running = start((disk or tmp_path_factory.mktemp("frail")) / "home", **flush_fault[1])
    yield running
    running.stop()


@contextmanager
def in_the_middle(platform: Platform, client: httpx.Client) -> Iterator[str]:
    """A job that is in its middle while the block runs, ends well afterwards, and counts every chunk once."""
    job_id = submit(client, LONG)
    assert within(60, lambda: job(client, job_id)["progress"]["done"] > 0)
    yield job_id
    found = ended(client, job_id)
    assert found["status"] == "succeeded", found
    assert platform.query("SELECT DISTINCT state, commits FROM job_chunks WHERE job_id = ?", job_id) == [("done", 1)]
    outcome(client, job_id)


@contextmanager
def filled(disk: Path) -> Iterator[Path]:
    """The disk is full to the last byte while the block runs; what fills it."""
    ballast = fill(disk)
    try:
        yield ballast
    finally:
        ballast.unlink()


def halfway(platform: Platform, job_id: str) -> bool:
    """Whether the job has not ended."""
    return platform.query("SELECT state FROM jobs WHERE id = ?", job_id)[0][0] not in ENDS


def form(client: httpx.Client, content: bytes = CONTENT) -> httpx.Response:
    return client.post("/v1/files", files={"file": ("so_ca.csv", content)})


def announced(client: httpx.Client) -> str:
    """A resumable upload that has 1,000 bytes."""
    body = {"filename": "so_ca.csv", "bytes": len(CONTENT), "sha256": sha256(CONTENT).hexdigest()}
    file = client.post("/v1/files", json=body)
    assert file.status_code == 201, file.text
    assert part(client, file.json()["id"], 0, 1000).status_code == 308
    return str(file.json()["id"])


def part(client: httpx.Client, file: str, first: int, end: int) -> httpx.Response:
    headers = {"Content-Range": f"bytes {first}-{end - 1}/{len(CONTENT)}", "Content-Type": "application/octet-stream"}
    return client.put(f"/v1/files/{file}/content", content=CONTENT[first:end], headers=headers)


def completed(client: httpx.Client, file: str) -> None:
    """The rest of the upload arrives, and the whole is what was sent."""
    assert client.get(f"/v1/files/{file}").json()["received"] == 1000
    assert part(client, file, 1000, len(CONTENT)).status_code == 204
    assert sha256(client.get(f"/v1/files/{file}/content").content).hexdigest() == sha256(CONTENT).hexdigest()
    assert client.delete(f"/v1/files/{file}").status_code == 204


def left_over(platform: Platform) -> list[Path]:
    """Temporary files, and objects that no row owns."""
    objects = platform.home / "objects"
    owned = {name for (name,) in platform.query(
        "SELECT object FROM files WHERE object IS NOT NULL UNION SELECT data_object FROM jobs "
        "UNION SELECT json_extract(result, '$.object') FROM jobs UNION SELECT json_extract(result, '$.json') FROM jobs "
        "UNION SELECT input_object FROM job_chunks UNION SELECT output_object FROM job_chunks"
    )}  # fmt: skip
    found = [path for path in objects.glob("[0-9a-f][0-9a-f]/*") if path.name not in owned]
    return found + list((objects / "partial").iterdir()) + list((objects / "uploads").iterdir())


def used(client: httpx.Client) -> int:
    return int(client.get("/v1/files?limit=1").json()["storage"]["used_bytes"])


def healthy(client: httpx.Client) -> bool:
    """Whether the platform takes files and jobs again, without anybody's help."""
    sent = form(client, b"a,b\n1,2\n")
    return sent.status_code == 201 and client.delete(f"/v1/files/{sent.json()['id']}").status_code == 204


def refuses(answer: httpx.Response, *codes: str) -> None:
    """A refusal that says in Vietnamese and English what is wrong, and when to try again."""
    assert answer.status_code in (503, 507), answer.text
    problem = check(answer, answer.status_code)
    assert problem["code"] in codes
    assert "ổ đĩa" in problem["detail"] or "bận" in problem["detail"]
    assert int(answer.headers["retry-after"]) == problem["retry_after_seconds"] >= 1


def test_a_disk_that_fills_up_in_the_middle_of_uploads_and_a_job(disk: Path | None, frail: Platform):
    if disk is None:
        pytest.skip("mounting a small disk needs the right to mount")
    client = frail.client("province")
    before, resumable = used(client), announced(client)
    with in_the_middle(frail, client) as under_way:
        with filled(disk) as ballast:
            refuses(form(client), "files-full", "storage-full")
            refuses(client.post("/v1/jobs", json=SHORT), "files-full", "storage-full")
            time.sleep(3)  # the worker, too, runs into the full disk
            assert halfway(frail, under_way)
            assert client.get(f"/v1/jobs/{under_way}").status_code == 200
            os.truncate(ballast, ballast.stat().st_size - (3 << 20))  # now uploads begin, and stop in their middle
            refuses(form(client), "files-full")
            refuses(part(client, resumable, 1000, len(CONTENT)), "files-full")
        assert within(60, lambda: healthy(client))
    completed(client, resumable)
    assert client.delete(f"/v1/jobs/{under_way}").status_code == 204
    assert used(client) == before
    assert within(5, lambda: left_over(frail) == []), left_over(frail)


def test_flushes_that_fail_in_the_middle_of_uploads_and_a_job(
    frail: Platform, flush_fault: tuple[Path, dict[str, str]]
):
    flag, variables = flush_fault
    if not variables:
        pytest.skip("the disk whose flushes fail is built with gcc")
    client = frail.client("province")
    before, resumable = used(client), announced(client)
    with in_the_middle(frail, client) as under_way:
        flag.touch()
        try:
            refuses(form(client), "files-full")
            refuses(part(client, resumable, 1000, len(CONTENT)), "files-full")
            refuses(client.post("/v1/jobs", json=SHORT), "files-full", "storage-full")
            time.sleep(3)
            assert halfway(frail, under_way)
        finally:
            flag.unlink()
        assert within(60, lambda: healthy(client))
    completed(client, resumable)
    assert client.delete(f"/v1/jobs/{under_way}").status_code == 204
    assert used(client) == before
    assert within(5, lambda: left_over(frail) == []), left_over(frail)


@contextmanager
def locked(platform: Platform) -> Iterator[None]:
    """Somebody else holds the database's write lock while the block runs."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(platform.home / "aichung.db", timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            held.set()
            release.wait(60)
            connection.execute("ROLLBACK")

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        yield
    finally:
        release.set()
        holder.join()


def test_a_database_that_is_locked_in_the_middle_of_a_job(frail: Platform):
    client = frail.client("province")
    before = used(client)
    with in_the_middle(frail, client) as under_way:
        with locked(frail):
            reached = job(client, under_way)["progress"]["done"]
            began = time.monotonic()
            refuses(form(client, b"a,b\n1,2\n"), "database-busy")
            assert time.monotonic() - began < 30
            time.sleep(20)  # longer than the worker may be silent
            stood = job(client, under_way)
            assert (stood["status"], stood["progress"]["done"]) == ("running", reached)
        assert within(30, lambda: healthy(client))
    assert client.delete(f"/v1/jobs/{under_way}").status_code == 204
    assert used(client) == before
    assert within(5, lambda: left_over(frail) == []), left_over(frail)


# --- an upgrade ---------------------------------------------------------------------------------------------

MIGRATION = '''"""What the next version adds."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{before}", None, None


def upgrade() -> None:
    """Add a column to the jobs under way."""
    op.add_column("jobs", sa.Column("later", sa.String(8), nullable=True))
'''


def next_version(folder: Path) -> Path:
    """This checkout as its next version: another release, another schema of the database and of the workflows."""
    for room in ("models", "pipelines", "registry", "services", "deploy"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    (folder / "registry" / "bundled").symlink_to(ROOT / "registry" / "bundled")
    tables = (folder / "registry" / "tables.py").read_text(encoding="utf-8")
    before = tables.split('SCHEMA = "')[1].split('"')[0]
    edits = (
        ("registry/tables.py", f'SCHEMA = "{before}"', 'SCHEMA = "9999"'),
        ("registry/tables.py", '    Column("events",', '    Column("later", String(8)),\n    Column("events",'),
        ("registry/job_rows.py", "    events: int\n", "    events: int\n    later: str | None\n"),
        ("pipelines/jobs/driver.py", 'SCHEMA: Final = "', 'SCHEMA: Final = "next-'),
    )  # fmt: skip
    for name, old, new in edits:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    (folder / "registry" / "migrations" / "versions" / "9999_next.py").write_text(
        MIGRATION.format(before=before), encoding="utf-8"
    )
    return folder


def test_an_upgrade_with_jobs_in_flight_loses_none(frail: Platform, tmp_path: Path):
    client = frail.client("province")
    ids = [submit(client, SHARED, key=f"nang-cap-{number}") for number in range(6)]
    assert within(60, lambda: job(client, ids[0])["progress"]["done"] > 0)
    assert frail.stop() == 0
    states = dict(frail.query("SELECT id, state FROM jobs WHERE id IN (?, ?, ?, ?, ?, ?)", *ids))
    assert "queued" in states.values(), states
    folder = next_version(tmp_path / "next")
    again = start(frail.home, frail.port, checkout=folder, PYTHONPATH=str(folder))
    frail.process = again.process
    client = frail.client("province")
    assert frail.query("SELECT version_num FROM alembic_version") == [("9999",)]
    (worker,) = within(30, lambda: processes(frail, "services.worker"))
    assert Path(worker.cwd()) == folder
    assert submit(client, SHARED, key="nang-cap-0") == ids[0]
    assert [ended(client, each)["status"] for each in ids] == ["succeeded"] * len(ids)
    expected = outcome(client, ids[0])
    for job_id in ids:
        assert frail.query("SELECT DISTINCT state, commits FROM job_chunks WHERE job_id = ?", job_id) == [("done", 1)]
        numbers = [number for (number,) in frail.query("SELECT number FROM job_events WHERE job_id = ?", job_id)]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert outcome(client, job_id) == expected
