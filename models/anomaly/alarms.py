"""How many alarms are asked for: levels, minimum effects, quiet times and a budget over a table.

Decision: the level is a two-sided p-value per point. `false_alarms_per_year` divides by the points in a year;
`sensitivity` 0…99 is a scale of powers of ten between 1e-6 (only the monstrous) and 1e-1; with nothing asked it is 70,
about three sigmas. A budget looks at one point in a hundred and then takes the best events of the whole table, of
which at most one in five is expected to be chance (`table`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.anomaly.rows import Bools, Floats
from models.calendar import Frequency
from models.values import AnomalyOptions

DEFAULT_SENSITIVITY = 70
FAINTEST, STRONGEST = -6.0, -1.0
BUDGET_SENSITIVITY = 79
"""About one point in a hundred: a sensitivity, so that a chunk of a table is judged just as the whole is."""
BUDGET_FALSE_SHARE = 0.2
HIGHEST_LEVEL = 0.5
STEPS_A_YEAR = {
    "Y": 1.0,
    "Q": 4.0,
    "M": 12.0,
    "dekad": 36.0,
    "W": 365.25 / 7,
    "D": 365.25,
    "H": 8766.0,
    "min": 525_960.0,
}


def steps_a_year(frequency: Frequency) -> float:
    """Points in a year."""
    return STEPS_A_YEAR[frequency.unit] / frequency.every


def level(options: AnomalyOptions, frequency: Frequency) -> float:
    """The p-value below which a point is an alarm."""
    if options.false_alarms_per_year is not None:
        return min(HIGHEST_LEVEL, options.false_alarms_per_year / steps_a_year(frequency))
    usual = DEFAULT_SENSITIVITY if options.alarm_budget is None else BUDGET_SENSITIVITY
    wanted = usual if options.sensitivity is None else options.sensitivity
    return float(10 ** (FAINTEST + (STRONGEST - FAINTEST) * wanted / 99))


def strong(values: Floats, expected: Floats, options: AnomalyOptions, unit: float) -> Bools:
    """Points whose effect reaches the asked minimum, absolute (values are in `unit`) and relative to the expected."""
    gap = np.abs(values - np.nan_to_num(expected))
    least = np.maximum(
        options.min_effect_absolute / unit, options.min_effect_relative * np.abs(np.nan_to_num(expected))
    )
    found: Bools = gap >= least
    return found


def quiet(flags: Bools, window: int) -> Bools:
    """Alarms (time,) without those that begin within `window` steps after an earlier alarm ended."""
    if window <= 0 or not flags.any():
        return flags
    kept = flags.copy()
    last = None
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if last is not None and start - last <= window:
            kept[start:stop] = False
        else:
            last = stop - 1
    return kept


def eligible(p_values: Sequence[float], points: int) -> list[int]:
    """Places of the events that are hardly chance, best first, by Benjamini and Hochberg's step-up rule.

    `points` is how many points were judged; the rule holds the expected share of false events below one fifth.
    """
    order = sorted(range(len(p_values)), key=lambda place: (p_values[place], place))
    passed = [k for k, place in enumerate(order, 1) if p_values[place] * points <= BUDGET_FALSE_SHARE * k]
    return order[: passed[-1] if passed else 0]
