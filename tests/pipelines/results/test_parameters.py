"""A job's parameters in a report are words, and none is left out."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from pipelines.results.parameters import asked
from services.routes.tabular import WireTabularOptions
from services.routes.timeseries import WireAnomalyOptions, WireForecastOptions

SAID: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", ""),
    ({"alarm_budget": 20}, "nhiều nhất 20 sự kiện", "at most 20 events"),
    ({"alarm_budget": {"count": 5, "per": "month", "scope": "unit"}}, "nhiều nhất 5 sự kiện mỗi tháng cho mỗi đơn vị",
     "at most 5 events a month for each unit"),
    ({"direction": "up", "sensitivity": 90}, "độ nhạy 90 trên 99; chỉ báo tăng", "sensitivity 90 of 99; rises only"),
    ({"min_effect": {"absolute": 10, "relative": 0.25}}, "chỉ báo khi lệch ít nhất 10 và 25% mức thường thấy",
     "only deviations of at least 10 and 25% of the usual"),
    ({"horizon": 12, "quantiles": [0.1, 0.5]}, "dự báo 12 kỳ tới; các mức phân vị 10%, 50%",
     "12 periods ahead; quantiles 10%, 50%"),
    ({"suppress": {"window": 3}, "holidays": "VN"},
     "sau một báo động thì im 3 kỳ; có tính ngày lễ, Tết Việt Nam",
     "silent for 3 periods after an alarm; with Vietnam's holidays and Tết"),
    ({"backtest": {"origins": 4}, "reconcile": "bottom_up"},
     "tổng cộng từ các thành phần; thử lại trên quá khứ từ 4 mốc",
     "totals are summed from their parts; tried on the past from 4 origins"),
    ({"expected_share": 0.02, "explain": "all"}, "gắn cờ khoảng 2% số dòng; nêu lý do cho mọi dòng",
     "about 2% of the rows are flagged; reasons for every row"),
    ({"later": {"a": [1, True]}}, "later: a 1, có", "later: a 1, yes"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "vi", "en"), SAID, ids=[str(row[0]) for row in SAID])
def test_parameters_are_told_in_words(parameters: dict[str, Any], vi: str, en: str):
    assert asked(parameters, "vi") == vi
    assert asked(parameters, "en") == en


@pytest.mark.parametrize("value", ["x", 3, 0.5, True, None, [1, "a"], {"count": None}, {"x": {"y": 1}}], ids=str)
def test_a_value_of_another_kind_is_told_all_the_same(value: Any):
    for options in (WireAnomalyOptions, WireForecastOptions, WireTabularOptions):
        for name in get_type_hints(options):
            for language in ("vi", "en"):
                told = asked({name: value}, language)  # type: ignore[arg-type]
                assert not set(told) & set("{}[]'\"")


def test_every_option_of_the_endpoints_has_words():
    for options in (WireAnomalyOptions, WireForecastOptions, WireTabularOptions):
        for name in get_type_hints(options):
            worded = {"mode", "direction", "holidays", "reconcile", "explain", "min_effect", "quantiles"}
            assert name in worded or not asked({name: 1}, "vi").startswith(f"{name}:")
