"""The yearbook of notebooks/samples: made-up figures in the exact shape in which a yearbook lies in an office.

    python -m tests.journeys.yearbook      write notebooks/samples/nien_giam_2024.xls anew

As in the real ones: an .xls; texts in TCVN3, so that "Tỉnh" stands there as "TØnh"; one sheet a disease; provinces
down, months across, two columns a month (M: cases, C: deaths); no title, no note, and the year in the file's name
alone; a last column without a head that holds populations. No figure is real. What was put in, to be found:

- measles (Soi) rises from March in Hà Nội, and from April in four provinces around it;
- hand, foot and mouth (TCM) of Đồng Nai in September was typed ten times too large;
- dengue (SXH) of Khánh Hòa was not reported from October on;
- dysentery (LyTT) of Cà Mau in May was reported in June;
- rabies exposures (Dai) of Nghệ An in August are negative: a correction of earlier months.
"""

from __future__ import annotations

import math
import random
import sys
from io import BytesIO
from pathlib import Path

import xlwt

from models.places.gazetteer import provinces
from models.tables.alphabets import _TCVN3

SAMPLE = Path(__file__).resolve().parents[2] / "notebooks" / "samples" / "nien_giam_2024.xls"
_ORDER = """
01 31 34 36 35 37 38 24 27 25 26 30 33 19 06 22 17 40 42 12 20 08 02 04 15 10 14 11 44 45 46 48 49 51 52 54 56 58
60 79 77 75 82 80 68 72 92 94 89 83 84 86 87 74 70 91 96 95 93 66 67 64 62
"""
ORDER = _ORDER.split()
DISEASES = {"LyTT": (60, 0.3, 6), "SXH": (90, 0.8, 9), "Dai": (140, 0.15, 7), "Soi": (2, 0.2, 3), "TCM": (110, 0.5, 9)}
"""Sheet → usual cases a month in a province of middle size, strength of the season, its month."""
MONTHS = range(1, 13)
_LETTERS = {letter: sign for sign, letter in reversed(_TCVN3.items())}


def tcvn3(text: str) -> str:
    """A text as a spreadsheet shows it that was typed in .VnTime."""
    return "".join(_LETTERS.get(letter, letter) for letter in text)


def figures() -> dict[str, dict[str, list[list[int]]]]:
    """Sheet → code → months of [cases, deaths]."""
    chance = random.Random(2024)
    sizes = {code: math.exp(chance.gauss(0.0, 0.5)) for code in ORDER}
    found: dict[str, dict[str, list[list[int]]]] = {}
    for sheet, (usual, strength, peak) in DISEASES.items():
        found[sheet] = {}
        for code in ORDER:
            level = usual * sizes[code] * math.exp(chance.gauss(0.0, 0.25))
            months = []
            for month in MONTHS:
                season = math.exp(strength * math.cos(2 * math.pi * (month - peak) / 12))
                cases = max(0, round(level * season + chance.gauss(0.0, 1.0) * math.sqrt(level * season) * 1.3))
                months.append([cases, int(chance.random() < 0.01)])
            found[sheet][code] = months
    _put_in(found)
    return found


def _put_in(found: dict[str, dict[str, list[list[int]]]]) -> None:
    for code, first, top in (("01", 3, 420), ("33", 4, 130), ("35", 4, 96), ("36", 4, 118), ("34", 4, 84)):
        for at, share in enumerate((0.3, 0.8, 1.0, 0.7, 0.3)):
            found["Soi"][code][first - 1 + at][0] += round(top * share)
    found["TCM"]["75"][8][0] *= 10
    for month in (10, 11, 12):
        found["SXH"]["56"][month - 1] = [0, 0]
    found["LyTT"]["96"][5][0] += found["LyTT"]["96"][4][0]
    found["LyTT"]["96"][4][0] = 0
    found["Dai"]["40"][7][0] = -57


def workbook() -> bytes:
    """The .xls file."""
    names = {unit.code: unit.name for unit in provinces("63")}
    chance = random.Random(63)
    people = {code: round(chance.uniform(310_000, 3_400_000), 2) for code in ORDER}
    book = xlwt.Workbook(encoding="cp1252")
    old = xlwt.easyxf("font: name .VnTime, height 240")
    for sheet, rows in figures().items():
        page = book.add_sheet(sheet)
        page.write(0, 0, tcvn3("Tỉnh/T.phố"), old)
        for month in MONTHS:
            page.write(0, 2 * month - 1, tcvn3(f"Tháng {month}"), old)
            page.write(1, 2 * month - 1, "M", old)
            page.write(1, 2 * month, "C", old)
        for row, code in enumerate(ORDER, 2):
            page.write(row, 0, tcvn3(names[code]), old)
            for month, (cases, deaths) in zip(MONTHS, rows[code], strict=True):
                page.write(row, 2 * month - 1, cases)
                page.write(row, 2 * month, deaths)
            page.write(row, 25, people[code])
    to = BytesIO()
    book.save(to)
    return to.getvalue()


def main() -> int:
    """Write the sample."""
    SAMPLE.write_bytes(workbook())
    return 0


if __name__ == "__main__":
    sys.exit(main())
