"""What the registry's tests are made of: a sealed model folder with a complete card, a clock, a signer, a server."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from models.artifact import Artifact, seal
from registry import cards

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_795_000_000.0
DAY = 86_400.0


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def row(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "value": value, "n": 500, "dataset": "a/b", "dataset_digest": "sha256:" + "d" * 64,
        "slice": "all", "baseline": None, "ci95": [value - 0.01, value + 0.01], **more,
    }  # fmt: skip


def human(name: str = "vi-segment") -> dict[str, Any]:
    """The human part of a card as the project's people really wrote it."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "model_cards" / "vi-segment" / "card.yaml").read_text("utf-8"))
    return document | {"name": name}


def card_for(artifact: Artifact, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(card, evaluation record) of an artefact."""
    evaluation = {
        "schema": "evaluation/1",
        "model": {"name": artifact.name, "version": artifact.version, "artifact_digest": artifact.digest},
        "metrics": [row("word_f1", 0.97), row("syllables_per_second", 4e5, ci95=None, ci95_not_evaluated="one timing")],
        "baselines": [row("word_f1", 0.8, baseline="longest match")],
    }
    run = {
        "run_id": "run1", "by": "aichung train", "at": "2026-11-24T00:00:00Z", "code_commit": "0" * 40,
        "environment_digest": "sha256:" + "e" * 64, "hardware": "one core", "seconds": 3.0, "seed": 1,
        "parameters": {"rounds": 3}, "notes": {},
    }  # fmt: skip
    datasets = [
        {"id": "a/train", "role": "training", "digest": "sha256:" + "c" * 64},
        {"id": "a/b", "role": "evaluation", "digest": "sha256:" + "d" * 64},
    ]
    return cards.assemble(human() | changes, run, evaluation, datasets, artifact), evaluation


def model_folder(bundled: Path, name: str = "vi-segment", version: str = "1.0.0", weight: int = 1) -> Path:
    """A bundled model: sealed artefact, complete card, evaluation record."""
    folder = bundled / name / version
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / "weights.json").write_text(json.dumps({"w": weight}), "utf-8")
    licence = human()["identity"]["licence"]
    artifact = seal(folder / "artifact", name=name, version=version, kind="text.segment/1", licence=licence, config={})
    card, evaluation = card_for(artifact)
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False), "utf-8")
    (folder / "evaluation.json").write_text(json.dumps(evaluation), "utf-8")
    return folder


def flip(path: Path, at: int = -3) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x01
    path.write_bytes(bytes(content))


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres, where Debian or the path have them."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    on_path = shutil.which("initdb")
    return found[0] if found else Path(on_path).parent if on_path else None


class Postgres:
    """A throw-away PostgreSQL server on a free port. The server refuses root, so it then runs as another user."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="aichung-pg-"))
        user = None
        if os.geteuid() == 0:
            user = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
            shutil.chown(self._folder, user)
        self._run = {"user": user, "cwd": self._folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://aichung@127.0.0.1:{self._port}/postgres"
        words = ["-D", self._folder / "data", "-U", "aichung", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        subprocess.run([binaries / "initdb", *words], check=True, **self._run)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["-D", self._folder / "data", "-p", str(self._port), "-k", self._folder, "-h", "127.0.0.1", "-F"]
        self._server = subprocess.Popen([self._binaries / "postgres", *words], **self._run)
        _wait(self._port, self._server)

    def stop(self, *, hard: bool = False) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
            self._server.wait(20)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError("postgres ended")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            time.sleep(0.3)
            return
    raise RuntimeError("postgres does not answer")
