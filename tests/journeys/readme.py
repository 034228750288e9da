"""The README as something that runs: its commands, their outputs, its generated tables.

    AICHUNG_DATA_MIRROR=… python -m tests.journeys.readme      run every command, write the outputs and tables anew

Conventions of README.md
- A block marked `bash` is executed, word for word and in order, in one shell; `sh` is for a person only (it installs,
  never ends, or needs data or a cluster). The `json` or `text` block that follows a `bash` block is its real output.
- The reader's platform answers at 127.0.0.1:8000 with its state in var/; the run replaces these two and nothing else.
- Between comments named settings, figures and licences stand tables made from code and evaluation records.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.bundle import BUNDLED_FOLDER
from services.settings import Settings
from tests.journeys.conftest import ROOT, Platform, environment, start

README = ROOT / "README.md"
ADDRESS, HOME = "127.0.0.1:8000", "var/"
BLOCK = re.compile(r"^```bash\n(?P<command>.*?)^```\n(?:\n```(?P<kind>json|text)\n(?P<output>.*?)^```\n)?", re.M | re.S)
MARK = "@@@ block"
PRELUDE = """set -E -o pipefail
NEWLINE=$'\\n'
trap 'echo "@@@ failed ${BASH_COMMAND%%$NEWLINE*}"' ERR
"""

FIGURES: tuple[tuple[str, str, str, str], ...] = (
    ("vi-segment", "word_f1", "all", "F1 của từ · word F1"),
    ("vi-segment", "syllables_per_second", "all", "âm tiết/giây, 1 lõi · syllables/s, 1 core"),
    ("vi-topic", "accuracy", "all", "độ chính xác · accuracy"),
    ("vi-topic", "macro_f1", "all", "F1 trung bình nhóm · macro F1"),
    ("vi-topic", "documents_per_second", "all", "văn bản/giây, 1 lõi · documents/s, 1 core"),
    ("vi-diacritics", "syllable_accuracy", "all", "âm tiết đúng · syllables right"),
    ("vi-diacritics", "milliseconds_per_sentence", "single-sentence calls, median", "ms một câu · ms a sentence"),
    ("forecast-core", "smape", "all", "sMAPE, %"),
    ("forecast-core", "coverage_80", "all", "độ phủ của khoảng 80 % · coverage of 80 % intervals"),
    ("forecast-core", "series_per_second", "monthly", "chuỗi tháng/giây, 1 lõi · monthly series/s, 1 core"),
    ("forecast-prophet", "smape", "all", "sMAPE, %"),
    ("forecast-prophet", "coverage_80", "all", "độ phủ của khoảng 80 % · coverage of 80 % intervals"),
    ("anomaly-series", "vus_pr", "all", "VUS-PR"),
    ("anomaly-series", "alarms_over_asked_rate", "batch, 1 a year", "báo động / mức đã đặt · alarms / asked rate"),
    ("anomaly-series", "known_events_flagged", "all", "biến động đã biết được báo · known events flagged"),
)
"""Rows of the table of figures: model, metric, slice, what the reader sees. The first such row of the record counts."""


@dataclass(frozen=True)
class Block:
    """One executed block and the output that the README shows for it, if any."""

    command: str
    output: str | None
    start: int
    end: int


@dataclass(frozen=True)
class Outcome:
    """What a block said (both streams) and the commands in it that failed."""

    output: str
    failed: tuple[str, ...]


def blocks(text: str) -> list[Block]:
    """The executed blocks in order; `start` and `end` are the place of the output's text."""
    return [
        Block(m["command"], m["output"], m.start("output"), m.end("output"))
        for m in BLOCK.finditer(text)
    ]  # fmt: skip


def run(text: str, platform: Platform, seconds: float = 300) -> list[Outcome]:
    """Execute all blocks in one shell against a platform; a command that fails is noted and the next one runs."""
    found = blocks(text)
    commands = "".join(f"printf '\\n{MARK} %d\\n' {place}\n{block.command}" for place, block in enumerate(found))
    script = f"{PRELUDE}{commands}printf '\\n{MARK} end\\n'\n"
    script = script.replace(ADDRESS, f"127.0.0.1:{platform.port}").replace(HOME, f"{platform.home}/")
    variables = {
        **environment(platform.home, platform.port), "PYTHONUNBUFFERED": "1", "TERM": "dumb", "COLUMNS": "",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=seconds,
    )  # fmt: skip
    said = done.stdout.replace(f"127.0.0.1:{platform.port}", ADDRESS)
    said = said.replace(f"{platform.home.resolve()}/", HOME).replace(f"{platform.home}/", HOME)
    parts = re.split(rf"\n{MARK} (?:\d+|end)\n", said)[1:-1]
    if len(parts) != len(found):
        raise AssertionError(f"the shell ended early: {said[-2000:]}")
    return [_outcome(part) for part in parts]


def _outcome(said: str) -> Outcome:
    failed = tuple(re.findall(r"^@@@ failed (.*)$", said, re.M))
    return Outcome(re.sub(r"^@@@ failed .*\n?", "", said, flags=re.M).strip("\n"), failed)


def stable(output: str) -> list[str]:
    """An output's lines without what differs from run to run: ids, digests, times, numbers, the width of columns."""
    text = re.sub(r"sha256:[0-9a-f]{8,}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b|\b[0-9a-f]{8,}\b", "#", output)
    text = re.sub(r"aic_\w+|\b[a-z]{1,8}_[0-9a-z]{12,}\b|(?<!\w)[0-9a-z]{12}(?!\w)", "#", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)?|\d{8}T\d{6}Z", "#", text)
    text = re.sub(r"-?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?|\bnull\b", "#", text)
    return [re.sub(r"[\s━─┃│┏┓┗┛┡┩└┘┳┻╇╪┴┬+|-]+", " ", line).strip() for line in text.splitlines() if line.strip()]


# --- tables -------------------------------------------------------------------------------------------------


def settings_table() -> str:
    """Every setting: variable, default, reason."""
    rows = [f"| `{name}` | {f'`{default}`' if default else '–'} | {why} |" for name, default, why in Settings.table()]
    return "\n".join(["| biến · variable | mặc định · default | lý do · reason |", "|---|---|---|", *rows])


def figures_table() -> str:
    """The main figures of the bundled models, from their evaluation records."""
    head = "| mô hình · model | số đo · figure | kết quả · result | mốc so sánh · baselines | đo trên · measured on |"
    rows = [_figure(*figure) for figure in FIGURES]
    return "\n".join([head, "|---|---|---|---|---|", *(row for row in rows if row)])


def _figure(model: str, metric: str, slice_: str, title: str) -> str:
    record = evaluation(model)
    if record is None:
        return ""
    own = next(row for row in record["metrics"] if (row["name"], row["slice"]) == (metric, slice_))
    where = ("name", "slice", "dataset")
    beside = [row for row in record["baselines"] if all(row[part] == own[part] for part in where)]
    baselines = ", ".join(f"{row['baseline']} {number(row['value'])}" for row in beside) or "–"
    interval = "" if own["ci95"] is None else f" ({number(own['ci95'][0])}–{number(own['ci95'][1])})"
    result = f"**{number(own['value'])}**{interval}, n = {own['n']:,}"
    return f"| `{model}@{record['model']['version']}` | {title} | {result} | {baselines} | `{own['dataset']}` |"


def licences_table() -> str:
    """The licence of each bundled model's weights, and what they learnt from."""
    rows = []
    for path in sorted(BUNDLED_FOLDER.glob("*/*/artifact/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        used = (evaluation(manifest["name"]) or {"datasets": []})["datasets"]
        learnt = dict.fromkeys(f"{row['title']} ({row['licence']})" for row in used if row["role"] == "training")
        rows.append(f"| `{manifest['name']}` | {manifest['licence']} | {', '.join(learnt)} |")
    return "\n".join(["| mô hình · model | giấy phép · licence | học từ · learnt from |", "|---|---|---|", *rows])


def evaluation(model: str) -> Mapping[str, Any] | None:
    """The newest evaluation record of a bundled model."""
    found = sorted((BUNDLED_FOLDER / model).glob("*/evaluation.json"))
    return json.loads(found[-1].read_text(encoding="utf-8")) if found else None


def number(value: float) -> str:
    """Four significant digits; thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


TABLES = {"settings": settings_table, "figures": figures_table, "licences": licences_table}


def tables(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, what stands in the README, what should stand there."""
    for name, make in TABLES.items():
        found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, re.S)
        if found is None:
            raise AssertionError(f"README.md has no place for the table of {name}")
        yield name, found[1], make()


# --- writing ------------------------------------------------------------------------------------------------


def rewritten(text: str, outcomes: Sequence[Outcome]) -> str:
    """The README with these outputs and fresh tables."""
    for block, outcome in reversed(list(zip(blocks(text), outcomes, strict=True))):
        if block.output is not None:
            text = text[: block.start] + outcome.output + "\n" + text[block.end :]
    for name, _, new in tables(text):
        head, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{head}<!-- {name} -->\n{new}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    return text


def main() -> int:
    """Write README.md anew from a platform of its own; exit 1 when a command failed."""
    with tempfile.TemporaryDirectory() as folder:
        platform = start(Path(folder) / "home")
        try:
            text = README.read_text(encoding="utf-8")
            outcomes = run(text, platform)
        finally:
            platform.stop()
    for outcome in outcomes:
        for command in outcome.failed:
            print(f"failed: {command}\n{outcome.output}", file=sys.stderr)
    README.write_text(rewritten(text, outcomes), encoding="utf-8")
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
