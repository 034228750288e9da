"""The product builds into a wheel that carries all it needs to serve, and nothing of this checkout's paths."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, as an installer would lay it down."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=site.parent, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_four_rooms_come_from_the_wheel(site: Path):
    names = "services, pipelines, registry, models"
    found = run(site, "-c", f"import {names}; print(*(m.__file__ for m in ({names})), sep='\\n')")
    assert found.returncode == 0, found.stderr
    assert all(line.startswith(str(site)) for line in found.stdout.split())


def test_the_command_line_answers(site: Path):
    found = run(site, "-m", "services.cli", "--help")
    assert found.returncode == 0, found.stderr
    assert "serve" in found.stdout


def test_the_serve_configuration_and_the_bundled_models_are_inside(site: Path):
    assert (site / "deploy" / "serve.yaml").read_bytes() == (ROOT / "deploy" / "serve.yaml").read_bytes()
    ours = {p.relative_to(ROOT).as_posix() for p in (ROOT / "registry" / "bundled").rglob("*") if p.is_file()}
    assert ours
    assert all((site / path).is_file() for path in ours)


def test_nothing_but_the_four_rooms_and_their_configuration_is_inside(site: Path):
    top = {path.name.split("-")[0] for path in site.iterdir()}
    assert top == {"services", "pipelines", "registry", "models", "deploy", "aichung"}
