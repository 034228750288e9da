"""What was asked of a job, in words: its parameters as an official reads them, in the order of their weight.

A parameter that is not known here (of a later version, or of another type) is told by its name and value: nothing that
shaped a result is left out of its report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from models.errors import Note
from pipelines.results.wording import Language, figure, pick

Say = Callable[[Any, Language], str]

_WORDS: Final[Mapping[str, Mapping[Any, Note]]] = {
    "mode": {
        "batch": Note("xét toàn bộ chuỗi", "the whole series is judged"),
        "last": Note("chỉ xét kỳ cuối", "only the last period is judged"),
        "stream": Note("xét từng kỳ như khi số liệu đến", "each period is judged as it arrived"),
    },
    "direction": {
        "both": Note("báo cả tăng và giảm", "rises and falls"),
        "up": Note("chỉ báo tăng", "rises only"),
        "down": Note("chỉ báo giảm", "falls only"),
    },
    "holidays": {"VN": Note("có tính ngày lễ, Tết Việt Nam", "with Vietnam's holidays and Tết")},
    "reconcile": {
        "none": Note("không ép tổng khớp thành phần", "totals are not reconciled with their parts"),
        "bottom_up": Note("tổng cộng từ các thành phần", "totals are summed from their parts"),
        "wls": Note("tổng khớp thành phần (bình phương tối thiểu có trọng số)", "totals reconciled (weighted squares)"),
        "mint": Note("tổng khớp thành phần (vết nhỏ nhất)", "totals reconciled (minimum trace)"),
    },
    "explain": {
        "anomalies": Note("nêu lý do cho dòng khác thường", "reasons for strange rows"),
        "all": Note("nêu lý do cho mọi dòng", "reasons for every row"),
    },
    "per": {"week": Note("mỗi tuần", "a week"), "month": Note("mỗi tháng", "a month")},
    "scope": {"job": Note("cho cả bảng", "for the whole table"), "unit": Note("cho mỗi đơn vị", "for each unit")},
}


def asked(parameters: Mapping[str, Any], language: Language) -> str:
    """All parameters in one sentence; nothing when none were given."""
    known = [name for name in _SAYS if name in parameters]
    rest = sorted(name for name in parameters if name not in _SAYS)
    said = [_SAYS[name](parameters[name], language) for name in known]
    said += [f"{name}: {_plain(parameters[name], language)}" for name in rest]
    return "; ".join(text for text in said if text)


def _word(name: str) -> Say:
    def say(value: Any, language: Language) -> str:
        word = _WORDS[name].get(value) if isinstance(value, str) else None
        return f"{name}: {_plain(value, language)}" if word is None else pick(word, language)

    return say


def _count(vi: str, en: str) -> Say:
    """A sentence around one number, which stands at `{}`."""

    def say(value: Any, language: Language) -> str:
        return pick(Note(vi, en), language).format(_plain(value, language))

    return say


def _budget(value: Any, language: Language) -> str:
    """The most events: a number, or a number for each week or month, of the whole table or of each place."""
    if not isinstance(value, Mapping):
        return pick(_BUDGET, language).format(_plain(value, language))
    parts = [pick(_BUDGET, language).format(_plain(value.get("count"), language))]
    parts += [_word(name)(value[name], language) for name in ("per", "scope") if value.get(name)]
    return " ".join(parts)


def _effect(value: Any, language: Language) -> str:
    if not isinstance(value, Mapping):
        return f"min_effect: {_plain(value, language)}"
    said = []
    if value.get("absolute") is not None:
        said.append(_plain(value["absolute"], language))
    if value.get("relative") is not None:
        note = Note("{}% mức thường thấy", "{}% of the usual")
        said.append(pick(note, language).format(_percent(value["relative"], language)))
    lead = pick(Note("chỉ báo khi lệch ít nhất", "only deviations of at least"), language)
    return f"{lead} {pick(Note(' và ', ' and '), language).join(said)}" if said else ""


def _quantiles(value: Any, language: Language) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return f"quantiles: {_plain(value, language)}"
    levels = ", ".join(f"{_percent(level, language)}%" for level in value)
    return pick(Note(f"các mức phân vị {levels}", f"quantiles {levels}"), language)


def _share(value: Any, language: Language) -> str:
    note = Note("gắn cờ khoảng {}% số dòng", "about {}% of the rows are flagged")
    return pick(note, language).format(_percent(value, language))


def _inner(name: str, say: Say) -> Say:
    """A parameter that is an object of one field."""
    return lambda value, language: say(value.get(name) if isinstance(value, Mapping) else value, language)


def _percent(share: Any, language: Language) -> str:
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    return figure(100.0 * share, language) if is_number else _plain(share, language)


def _plain(value: Any, language: Language) -> str:
    """A value of any kind without the marks of a programming language."""
    if isinstance(value, bool):
        return pick(Note("có", "yes") if value else Note("không", "no"), language)
    if isinstance(value, int | float):
        return figure(float(value), language)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner, language)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(inner, language) for inner in value)
    return str(value)


_BUDGET: Final = Note("nhiều nhất {} sự kiện", "at most {} events")
_SAYS: Final[Mapping[str, Say]] = {
    "horizon": _count("dự báo {} kỳ tới", "{} periods ahead"),
    "alarm_budget": _budget,
    "false_alarms_per_year": _count("khoảng {} báo động giả mỗi năm", "about {} false alarms a year"),
    "sensitivity": _count("độ nhạy {} trên 99", "sensitivity {} of 99"),
    "expected_share": _share,
    "direction": _word("direction"),
    "min_effect": _effect,
    "mode": _word("mode"),
    "suppress": _inner("window", _count("sau một báo động thì im {} kỳ", "silent for {} periods after an alarm")),
    "holidays": _word("holidays"),
    "season_length": _count("mùa vụ dài {} kỳ", "a season of {} periods"),
    "quantiles": _quantiles,
    "reconcile": _word("reconcile"),
    "backtest": _inner("origins", _count("thử lại trên quá khứ từ {} mốc", "tried on the past from {} origins")),
    "reasons": _count("nhiều nhất {} lý do một dòng", "at most {} reasons a row"),
    "explain": _word("explain"),
    "seed": _count("số mầm {}", "seed {}"),
}
