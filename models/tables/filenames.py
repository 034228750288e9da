"""What a file's name says of its period: `Nien giam 2011r.xls`, `2006-07-31-Bieu0706.xls`, `BC T6.2024.xlsx`."""

from __future__ import annotations

import re

from models.tables.guess import FileDate
from models.tables.periods import Period, find_periods
from models.tables.phrases import plain

_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_PUBLISHED = re.compile(r"(?<!\d)((?:19|20)\d\d)-(0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)")
_MONTH = re.compile(r"(?:thang|(?<![a-z])t)[\s._-]*(1[0-2]|0?[1-9])(?:[\s._-]*(?:nam)?[\s._-]*((?:19|20)\d\d))?(?!\d)")
_PAIR = re.compile(r"(?<!\d)(1[0-2]|0?[1-9])[\s._-]+((?:19|20)\d\d)(?!\d)")


def file_date(file_name: str) -> FileDate:
    """The years that a file's name holds, and the month or quarter when there is just one."""
    stem = plain(file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    published = _PUBLISHED.search(stem)
    if published:
        return FileDate((int(published[1]),), Period("M", int(published[1]), int(published[2])))
    years = tuple(dict.fromkeys(int(year) for year in _YEAR.findall(stem)))
    spaced = re.sub(r"[_]+", " ", stem)
    whole = [period for _, _, period in find_periods(spaced) if period.year is not None and period.unit in ("M", "Q")]
    if len(whole) == 1 and len(years) <= 1:
        return FileDate(years, whole[0])
    for pattern in (_MONTH, _PAIR):
        found = pattern.search(stem)
        if found and len(years) == 1:
            return FileDate(years, Period("M", years[0], int(found[1])))
    return FileDate(years)
