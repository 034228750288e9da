"""How right the reading of real workbooks is.

    AICHUNG_DATA_MIRROR=<folder> python -m tests.bench.reading [moh] [gso] [sample] [speed]

moh: the Ministry of Health's yearbooks against the published tidy form of the same figures. gso: that every figure of
the Statistics Office's monthly workbooks is placed or asked about. sample: the same workbooks against expectations
that were written from looking at the sheets (`tests/models/tables/expected_gso.csv`).
"""

from __future__ import annotations

import csv
import gzip
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.places.names import find_place
from models.tables.blocks import kind_of
from models.tables.cells import read_workbook
from models.tables.grid import Workbook, cell_name
from models.tables.phrases import plain
from models.tables.reading import Reading, observe, read

EXPECTED = Path(__file__).parents[1] / "models" / "tables" / "expected_gso.csv"

DISEASES = {
    "Ta": "cholera", "T.Han": "typhoid", "LyTT": "dysenteria", "Ly amip": "amoebiasis", "Tieu chay": "diarrhea",
    "V.nao": "encephalitis", "SXH": "dengue", "Sot ret": "malaria", "V.Gan": "hepatitis", "Dai": "rabies",
    "V.MN": "meningitis", "B.Hau": "diphteria", "Ho ga": "pertussis", "UVSS": "nntetanus", "UV khac": "tetanus",
    "Liet MC": "polio", "Soi": "measles", "Rubella": "rubella", "Cum": "ili", "CumA(H5N1)": "h5n1",
    "APC": "adenovirus", "Dich hach": "plague", "Than": "anthrax", "Leptospira": "leptospiriosis", "TCM": "hfmd",
    "Lien cau lon": "ssuis",
}  # fmt: skip
"""The yearbook's sheets, as the tidy form calls them."""


SPELLINGS = {
    "hochiminh": "hcm", "thanhphohochiminh": "hcm", "tphochiminh": "hcm", "thuathienhue": "hue", "thuathienhu": "hue",
    "vungtaubaria": "bariavungtau", "daklak": "daclac", "dacklak": "daclac", "backkan": "backan", "daknong": "dacnong",
    "dacknong": "dacnong",
}  # fmt: skip
"""Provinces that the tidy form spells in a way of its own."""


@dataclass
class Score:
    """Cells right, wrong, not read, and wrong without having asked."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, good: bool, text: str) -> None:
        """Count one cell."""
        self.right += good
        self.wrong += not good
        if not good and len(self.examples) < 100:
            self.examples.append(text)


def mirror() -> Path:
    """Where the data lie."""
    return Path(os.environ["AICHUNG_DATA_MIRROR"])


def open_book(path: Path) -> tuple[Workbook, Reading, float]:
    """Read one file; also the seconds it took."""
    start = time.perf_counter()
    book = read_workbook(path, path.name)
    return book, read(book), time.perf_counter() - start


def truth(root: Path) -> dict[tuple[str, str, str], tuple[str, str]]:
    """The tidy form: (disease, province, period) to cases and deaths."""
    with gzip.open(root / "forecast/vietnam_gdpm/vietnam_gdpm_monthly.csv.gz", "rt", encoding="utf-8") as file:
        return {
            (row["disease"], _key(row["province"]), row["period"]): (row["incidence"], row["mortality"])
            for row in csv.DictReader(file)
        }


def _key(name: str) -> str:
    flat = re.sub(r"[^a-z]", "", plain(name))
    return SPELLINGS.get(flat, flat)


def moh(root: Path) -> Score:
    """Every figure of the yearbooks that the tidy form holds."""
    known = truth(root)
    score = Score()
    for path in sorted((root / "bulletins/moh").glob("*.xls*")):
        book, reading, _ = open_book(path)
        year = re.search(r"(?:19|20)\d\d", path.name)
        seen: set[tuple[str, str, str, str]] = set()
        for found in observe(reading, book):
            disease = DISEASES.get(found.sheet)
            column = 0 if found.series.endswith("Mắc") else 1 if found.series.endswith("Chết") else None
            key = (disease or "", _key(found.place_name or ""), found.period)
            if disease is None or (column is not None and key not in known):
                continue
            if column is None or found.measure != "flow":
                score.note(False, f"{path.name} {found.sheet}!{found.cell} {found.series} {found.measure}")
                continue
            seen.add((*key, str(column)))
            want = known[key][column]
            good = found.value == float(want) if want else found.value in (None, 0.0)
            score.note(good, f"{path.name} {found.sheet}!{found.cell} {key} read {found.value}, expected {want}")
        for (disease, place, period), values in known.items():
            if year and period.startswith(year[0]):
                for at, value in enumerate(values):
                    if value and (disease, place, period, str(at)) not in seen:
                        score.missed += 1
                        if len(score.examples) < 12:
                            score.examples.append(f"{path.name} missed {disease} {place} {period}")
    return score


def figures(book: Workbook) -> Iterator[tuple[str, str, int, int]]:
    """Every numeric cell of a workbook's visible sheets."""
    for sheet in book.sheets:
        if not sheet.visible:
            continue
        for at, row in enumerate(sheet.rows):
            for column, value in enumerate(row):
                if kind_of(value) == "number" and not isinstance(value, str):
                    yield sheet.name, cell_name(at, column), at, column


@dataclass
class Placed:
    """How the figures of one workbook were met."""

    total: int = 0
    placed: int = 0
    asked: int = 0
    header: int = 0
    lost: list[str] = field(default_factory=list)


def placement(path: Path) -> tuple[Placed, float]:
    """Whether each figure is placed, asked about, or part of a heading, a label or a column of sums."""
    book, reading, seconds = open_book(path)
    placed = {(found.sheet, found.cell) for found in observe(reading, book, totals=True)}
    asked = {reading.tables[at].sheet for question in reading.questions for at in question.tables}
    headings = {(table.sheet, row - 1) for table in reading.tables for row in table.header_rows}
    labels = {(t.sheet, c.index) for t in reading.tables for c in t.columns if c.role in ("series", "place", "time")}
    sums = {(t.sheet, c.index) for t in reading.tables for c in t.columns if c.role == "ignore" and c.name}
    unread = {caution.vi for caution in reading.warnings}
    result = Placed()
    for sheet, cell, row, column in figures(book):
        result.total += 1
        if (sheet, cell) in placed:
            result.placed += 1
        elif (sheet, row) in headings or (sheet, column) in labels | sums:
            result.header += 1
        elif sheet in asked or any(f"«{sheet}»" in text for text in unread):
            result.asked += 1
        else:
            result.lost.append(f"{sheet}!{cell}")
    return result, seconds


def gso(root: Path) -> Placed:
    """All monthly workbooks."""
    whole = Placed()
    sheets: Counter[str] = Counter()
    for path in sorted((root / "bulletins/gso").iterdir()):
        one, seconds = placement(path)
        print(
            f"{path.name[:44]:44} {seconds:5.2f} s  figures {one.total:6}  placed {one.placed:6}  "
            f"asked {one.asked:4}  headings {one.header:4}  lost {len(one.lost):4}  {' '.join(one.lost[:5])}"
        )
        sheets.update({path.name: len({cell.split("!")[0] for cell in one.lost})})
        for name in ("total", "placed", "asked", "header"):
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
        whole.lost += one.lost
    print(f"sheets with figures neither placed nor asked about: {sum(sheets.values())}")
    return whole


def sample(root: Path) -> Score:
    """The hand-written expectations."""
    score = Score()
    books: dict[str, dict[tuple[str, str], object]] = {}
    with EXPECTED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["file"]
            if name not in books:
                path = next((root / "bulletins/gso").glob(f"{name}*"))
                book, reading, _ = open_book(path)
                books[name] = {(o.sheet, o.cell): o for o in observe(reading, book, totals=True)}
            compare(score, row, books[name].get((row["sheet"], row["cell"])))
    return score


def compare(score: Score, row: dict[str, str], found: object) -> None:
    """One expectation against what was read."""
    where = f"{row['file']} {row['sheet']}!{row['cell']}"
    if found is None:
        score.missed += 1
        score.examples.append(f"{where} not read") if len(score.examples) < 40 else None
        return
    period, measure, series = found.period, found.measure, found.series  # type: ignore[attr-defined]
    value = found.value  # type: ignore[attr-defined]
    good = (
        row["period"] in (period, "*")
        and measure in row["measure"].split("|")
        and all(named(word, series, found.place_name) for word in row["series"].split("+"))  # type: ignore[attr-defined]
        and (not row["value"] or value is None or abs(value - float(row["value"])) <= 0.006 * max(1, abs(value)))
    )
    score.note(good, f"{where} read {series} | {period} | {measure} | {value}, expected {row}")


def named(words: str, series: str, place: str | None) -> bool:
    """Whether a series or its place is called so; "/" divides words of which one is enough."""
    text = squeezed(series + " " + (place or ""))
    if any(squeezed(word) in text for word in words.split("/")):
        return True
    found = find_place(words)
    return found is not None and found.name == place


def squeezed(text: str) -> str:
    """Letters, digits and plus signs without diacritics, so that spellings of one word compare."""
    return re.sub(r"[^a-z0-9+]", "", plain(text))


def report(name: str, score: Score) -> None:
    """Print one score."""
    total = score.right + score.wrong + score.missed
    print(f"{name}: {total} cells, right {score.right / max(1, total):.4%}, wrong {score.wrong}, missed {score.missed}")
    for example in score.examples:
        print("   ", example)


def main(chosen: Sequence[str]) -> None:
    """Print the figures asked for."""
    root = mirror()
    if not chosen or "moh" in chosen:
        report("moh", moh(root))
    if not chosen or "gso" in chosen:
        whole = gso(root)
        print(
            f"gso: {whole.total} figures, placed {whole.placed}, asked {whole.asked}, in headings {whole.header}, "
            f"neither {len(whole.lost)}"
        )
    if not chosen or "sample" in chosen:
        report("sample", sample(root))


if __name__ == "__main__":
    main(sys.argv[1:])
