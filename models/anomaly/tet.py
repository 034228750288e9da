"""Tết, the moving new year: which steps of an axis it touches, and what it does to them.

Decision: steps are laid into *buckets* that mean the same in every year (a day so many days from new year's day;
January of a year with an early or a late Tết), and a bucket's usual deviation is learned like a seasonal
phase. A bucket seen in fewer than two years teaches nothing yet: there the band is widened instead.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from holidays import country_holidays

from models.anomaly.rows import Bools, Floats, median
from models.calendar import Axis

FIRST_YEAR, LAST_YEAR = 1950, 2099
DAYS_BEFORE, DAYS_AFTER = 10, 12
WIDEN_UNKNOWN = 3.0
Buckets = npt.NDArray[np.int64]


@lru_cache(maxsize=256)
def new_year(year: int) -> int | None:
    """Day number (days since 1970-01-01) of the first day of Tết by Viet Nam's own calendar, None if not known."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    days = [
        day for day, name in country_holidays("VN", years=year, language="en_US").items() if name == "Lunar New Year"
    ]
    return (min(days) - date(1970, 1, 1)).days if days else None


def buckets(axis: Axis, length: int) -> Buckets | None:
    """The bucket of each step, -1 where Tết does not reach; None for axes on which it cannot move."""
    unit, every = axis.frequency.unit, axis.frequency.every
    if (unit, every) not in (("M", 1), ("W", 1), ("D", 1)):
        return None
    days = axis.instants(0, length).astype("datetime64[D]").astype(np.int64)
    years = axis.year_of(0, length)
    found = np.full(length, -1, np.int64)
    for year in np.unique(np.concatenate([years, years[-1:] + 1])).tolist():
        new = new_year(year)
        if new is not None:
            _fill(found, days, unit, new)
    return found


def _fill(found: Buckets, days: Buckets, unit: str, new: int) -> None:
    """Write one year's buckets."""
    if unit == "D":
        offset = days - new
        near = (offset >= -DAYS_BEFORE) & (offset <= DAYS_AFTER)
        found[near] = offset[near] + DAYS_BEFORE
    elif unit == "W":
        offset = (days - new) // 7
        near = (offset >= -2) & (offset <= 1)
        found[near] = offset[near] + 2
    else:
        day = np.datetime64(new, "D")
        january = day.astype("datetime64[Y]").astype("datetime64[M]").astype(np.int64)
        late = int(day >= (january.astype("datetime64[M]").astype("datetime64[D]") + 31))
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        found[months == january] = late
        found[months == january + 1] = 2 + late


def effect(deviation: Floats, seen: Bools, known: Buckets, wanted: Buckets) -> tuple[Floats, Floats]:
    """Usual deviation and widening of the band for steps in buckets `wanted`, learned where buckets are `known`.

    Shapes: deviation, seen (rows, k); known (k,); wanted (m,); both results (rows, m).
    """
    shift = np.zeros((deviation.shape[0], len(wanted)))
    widen = np.ones_like(shift)
    quiet = median(np.abs(deviation), seen & (known < 0))
    left = deviation.copy()
    for bucket in np.unique(wanted[wanted >= 0]).tolist():
        members = known == bucket
        heard = seen[:, members]
        enough = heard.sum(axis=1) >= 2
        usual = np.where(enough, median(deviation[:, members], heard), 0.0) if members.any() else 0.0 * quiet
        left[:, members] -= usual[:, None]
        shift[:, wanted == bucket] = usual[:, None]
        widen[:, wanted == bucket] = np.where(enough, 1.0, WIDEN_UNKNOWN)[:, None]
    restless = median(np.abs(left), seen & (known >= 0))
    factor = np.where(quiet > 0, restless / np.where(quiet > 0, quiet, 1.0), 1.0)
    widen[:, wanted >= 0] *= np.clip(factor, 1.0, WIDEN_UNKNOWN)[:, None]
    return shift, widen
