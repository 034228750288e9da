"""Log files of processes that start at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.logs import LogFile


def test_a_file_that_another_process_rolls_away_does_not_stop_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        (tmp_path / f"nlp-99999999.log.{number}").write_text("x")
    stat = Path.stat

    def vanishing(path: Path, **words: bool) -> object:
        if path.name.endswith(".2"):
            raise FileNotFoundError(path)
        return stat(path, **words)

    monkeypatch.setattr(Path, "stat", vanishing)
    file = LogFile(tmp_path, "nlp", 1000, 2)
    assert file.write("Tiếng Việt") is True
    file.close()
    (own,) = [path for path in tmp_path.iterdir() if path.suffix == ".log"]
    assert own.read_text(encoding="utf-8") == "Tiếng Việt\n"
