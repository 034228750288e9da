"""The inside of the cage: a program that opens one spreadsheet with python-calamine and prints its cells.

Decision: spreadsheets come from anybody. A single cell at XFD1048576 makes calamine ask for 272 GB, which ends the
process that asked; no exception tells of it. So it is a small process of its own, with bounded memory and processor
time, and what becomes of it is a refusal of that one file (`workbooks` is the outside). It imports nothing of the
project, is run by its path, and starts in about 30 ms.

It prints JSON lines: `{"sheet": …}` before a sheet is opened, so that the outside knows at which one it died;
`[row, column, values]` for every row that has any; `{"merged": …}`; `{"refused": …}`; `{"end": true}`.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from datetime import date, datetime, time, timedelta
from itertools import repeat
from typing import Any

from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

MOST_MERGED = 100_000
_BATCH = 2000
_DATES = {datetime: "datetime", date: "date", time: "time"}


class RefusedError(Exception):
    """What the outside should say: a code, and a row where it is known."""

    def __init__(self, code: str, row: int | None = None) -> None:
        """Keep both."""
        super().__init__(code)
        self.code, self.row = code, row


def main(path: str, seconds: float, memory_bytes: int, most_cells: int, longest_cell: int) -> None:
    """Print the workbook."""
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    left = most_cells
    sheet: int | None = None
    try:
        with open(path, "rb") as file:
            book = CalamineWorkbook.from_filelike(file)
            kept = [facts for facts in book.sheets_metadata if facts.typ == SheetTypeEnum.WorkSheet]
            for sheet, facts in enumerate(kept):
                _say({"sheet": sheet, "name": facts.name, "visible": facts.visible == SheetVisibleEnum.Visible})
                left -= _print_sheet(book.get_sheet_by_name(facts.name), left, longest_cell)
        _say({"end": True})
    except PasswordError:
        _say({"refused": "encrypted"})
    except RefusedError as error:
        _say({"refused": error.code, "sheet": sheet, "row": error.row})
    except MemoryError:
        _say({"refused": "complex", "sheet": sheet})
    except BaseException:  # a panic of the native library is not an Exception
        _say({"refused": "damaged", "sheet": sheet})
    sys.stdout.flush()


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (soft, hard))


def _print_sheet(found: CalamineSheet, left: int, longest: int) -> int:
    """Print the rows that hold anything; the number of cells printed."""
    merged = found.merged_cell_ranges or []
    _say({"merged": [[*first, *last] for first, last in merged[:MOST_MERGED]]})
    if found.start is None:
        return 0
    margin = found.start[1]  # the rows come from the first row of the sheet on, but without the empty columns before
    used = 0
    lines: list[str] = []
    for row, values in enumerate(found.iter_rows()):
        first, last = _bounds(values)
        if last < 0:
            continue
        used += last - first + 1
        if used > left:
            raise RefusedError("cells", row)
        lines.append(json.dumps([row, margin + first, [_plain(v, longest, row) for v in values[first : last + 1]]]))
        if len(lines) >= _BATCH:
            sys.stdout.write("\n".join(lines) + "\n")
            lines.clear()
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return used


def _bounds(values: list[Any]) -> tuple[int, int]:
    """Where the first and the last filled cell of a row stand; (0, -1) where none is."""
    filled = [index for index, empty in enumerate(map(_same, values, repeat(""))) if not empty]
    return (filled[0], filled[-1]) if filled else (0, -1)


def _same(value: Any, other: str) -> bool:
    return type(value) is str and value == other


def _plain(value: Any, longest: int, row: int) -> Any:
    kind = type(value)
    if kind is str:
        if len(value) > longest:
            raise RefusedError("long", row)
        return value or None
    if kind in (float, int, bool):
        return value
    if kind in _DATES:
        return [_DATES[kind], value.isoformat()]
    return ["timedelta", value.total_seconds()] if kind is timedelta else str(value)


def _say(what: dict[str, Any]) -> None:
    """One line, sent at once: the process may not live to send the next."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:]))
