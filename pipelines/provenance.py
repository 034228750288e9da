"""Where, when and with what a model was made: the facts of a run that nobody types in.

What cannot be known is said to be unknown: without a git checkout the commit is `unknown`, and a working tree that
differs from its commit is marked `+changed`, because such a run cannot be repeated from the commit alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = "unknown"
_GIT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine: processor's name, logical processors, memory in GiB, accelerator (`none` for CPU runs)."""

    processor: str
    processors: int
    memory_gib: float
    accelerator: str

    def sentence(self) -> str:
        """In one line for the card."""
        return f"{self.processor}, {self.processors} CPU, {self.memory_gib:.1f} GiB, accelerator: {self.accelerator}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Commit of the code, digest and count of the installed packages, and the machine."""

    code_commit: str
    environment_digest: str
    packages: int
    python: str
    tool: str
    hardware: Hardware


def provenance(root: Path = ROOT) -> Provenance:
    """The facts of this process on this machine, for the checkout at `root`."""
    packages = installed()
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()
    return Provenance(
        code_commit(root),
        f"sha256:{digest}",
        len(packages),
        platform.python_version(),
        f"aichung {_version()}",
        _machine(),
    )


def installed() -> list[str]:
    """`name==version` of every installed distribution, sorted: what the environment's digest is taken over."""
    return sorted({f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions()})


def code_commit(root: Path) -> str:
    """The commit that the four rooms at `root` stand on; `+changed` after it when they differ; else `unknown`."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return UNKNOWN
    changed = _git(root, "status", "--porcelain", "--", "models", "registry/*.py", "pipelines", "pyproject.toml")
    return commit + ("+changed" if changed else "")


def _git(root: Path, *words: str) -> str | None:
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    try:
        done = subprocess.run([git, "-C", str(root), *words], capture_output=True, timeout=_GIT_SECONDS, check=True)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.decode().strip()


def _version() -> str:
    try:
        return version("aichung")
    except PackageNotFoundError:
        return UNKNOWN


def _machine() -> Hardware:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Hardware(_processor(), os.cpu_count() or 1, round(memory, 1), "none")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine() or UNKNOWN
