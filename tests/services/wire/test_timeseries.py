"""The time series dialect over the whole path."""

from __future__ import annotations

import pytest

from services.routes.timeseries import WireAnomalyOptions, WireBudget, anomaly_options
from tests.services.refusals import ANOMALIES, FORECAST, forecast, one
from tests.services.wire.small import Place


def test_a_forecast_has_one_output_for_each_input_in_order(place: Place):
    answer = place.post(FORECAST, forecast(one(name="b"), one(name="a", series=[1, None, 7])))
    body = answer.json()
    assert answer.status_code == 200
    assert [(o["name"], o["status"]) for o in body["outputs"]] == [("b", "succeeded"), ("a", "succeeded")]
    content = body["outputs"][1]["content"][0]
    assert content["type"] == "univariate_time_series"
    assert content["mean_forecast"] == [7, 7, 7]
    assert content["quantiles"] == {"0.1": [7.1] * 3, "0.5": [7.5] * 3, "0.9": [7.9] * 3}
    assert content["periods"] == ["2024-04", "2024-05", "2024-06"]
    assert content["start_timestamp"] == "2024-04-01T00:00:00+07:00"
    assert content["frequency"] == "M"
    assert body["status"] == "completed"
    assert body["usage"] == {"series": 2, "points": 9}
    assert body["model"]["name"] == "forecast-core"
    assert answer.headers["x-model"] == "forecast-core@1.0.0"
    assert body["outputs"][0]["method"] == "repeat"
    assert isinstance(body["created_at"], int)
    assert body["id"]


def test_every_forecast_says_how_accurate_it_is_or_that_this_is_unknown(place: Place):
    answer = place.post(FORECAST, forecast(one(name="a"), one(name="b", series=[None] * 6))).json()
    good, bad = answer["outputs"]
    accuracy = good["accuracy"]
    text = accuracy.pop("text_vi")
    assert accuracy == {
        "mase": None, "smape": None, "coverage": None, "skill_vs_seasonal_naive": None, "origins": 0,
        "verdict": "unknown",
    }  # fmt: skip
    assert "options.backtest" in text
    assert bad["status"] == "failed"
    assert "accuracy" not in bad
    schemas = place.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["ForecastOutput"]["properties"]["accuracy"]["$ref"].endswith("/Accuracy")
    assert schemas["Accuracy"]["properties"]["verdict"]["enum"] == ["better", "level", "unknown", "worse"]
    assert set(schemas["Accuracy"]["required"]) == {*accuracy, "text_vi"}


def test_a_month_sent_as_the_evening_before_in_utc_is_the_month_in_viet_nam(place: Place):
    body = place.post(FORECAST, forecast(one(series=[1], start_timestamp="2024-12-31T17:00:00Z"))).json()
    assert body["outputs"][0]["content"][0]["periods"][0] == "2025-02"


def test_yearly_points_may_reach_far_and_not_beyond_the_calendar(place: Place):
    far = one(series=[1.0] * 835, frequency="Y", start_timestamp="1950-01-01T00:00:00Z")
    assert place.post(FORECAST, forecast(far, horizon=1)).status_code == 200
    beyond = place.post(FORECAST, forecast(one(series=[1.0], frequency="Y", start_timestamp="9990"), horizon=50))
    assert (beyond.status_code, beyond.json()["code"]) == (422, "beyond-calendar")


def test_optional_fields_accept_null(place: Place):
    nothing = dict.fromkeys(
        ("type", "timestamps", "kind", "measure", "unit", "place", "parent", "group", "known_future", "past_covariates")
    )
    options = dict.fromkeys(("quantiles", "holidays", "reconcile", "backtest", "season_length", "seed"))
    assert place.post(FORECAST, {**forecast(one(**nothing), **options), "model": None}).status_code == 200
    calm = dict.fromkeys(("mode", "sensitivity", "alarm_budget", "direction", "min_effect", "holidays", "suppress"))
    assert place.post(ANOMALIES, {"inputs": [one(**nothing)], "options": calm}).status_code == 200
    assert place.post(ANOMALIES, {"inputs": [one()], "options": None}).status_code == 200


def test_a_budget_of_alarms_is_a_number_or_an_object(place: Place):
    for budget in (3, {"count": 3}, {"count": 3, "per": None, "scope": None}, {"count": 0, "per": "month"}):
        answer = place.post(ANOMALIES, {"inputs": [one()], "options": {"alarm_budget": budget}})
        assert answer.status_code == 200, answer.text
    schemas = place.get("/openapi.json").json()["components"]["schemas"]
    number, budget, nothing = schemas["WireAnomalyOptions"]["properties"]["alarm_budget"]["anyOf"]
    assert (number["type"], number["minimum"], nothing) == ("integer", 0, {"type": "null"})
    assert budget == {"$ref": "#/components/schemas/WireBudget"}
    assert schemas["WireBudget"]["required"] == ["count"]
    assert schemas["WireBudget"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (None, (None, None, "job")),
        (7, (7, None, "job")),
        (WireBudget(7), (7, None, "job")),
        (WireBudget(7, "week"), (7, "week", "job")),
        (WireBudget(0, "month", "unit"), (0, "month", "unit")),
    ],
    ids=str,
)
def test_a_budget_means_what_it_says(sent: int | WireBudget | None, meant: tuple[object, ...]):
    options = anomaly_options(WireAnomalyOptions(alarm_budget=sent))
    assert (options.alarm_budget, options.budget_per, options.budget_scope) == meant


def test_a_series_no_model_can_use_fails_alone(place: Place):
    body = place.post(FORECAST, forecast(one(name="a"), one(name="b", series=[]), one(name="c", series=[None]))).json()
    assert [o["status"] for o in body["outputs"]] == ["succeeded", "failed", "failed"]
    assert body["outputs"][1]["content"] == []
    assert body["outputs"][1]["error"]["code"] == "empty-series"
    assert body["status"] == "partial"


def test_quantile_keys_are_shortest_decimals(place: Place):
    asked = [0.9, 0.05, 0.5, 0.025, 0.1]
    body = place.post(FORECAST, forecast(quantiles=asked)).json()
    assert list(body["outputs"][0]["content"][0]["quantiles"]) == ["0.025", "0.05", "0.1", "0.5", "0.9"]


def test_anomaly_lists_have_the_length_that_was_sent_and_nan_is_null(place: Place):
    body = place.post(ANOMALIES, {"inputs": [one(series=[1, 2, 500, None, 3, 4])]}).json()
    points = body["outputs"][0]["points"]
    assert all(len(values) == 6 for values in points.values())
    assert points["is_anomaly"] == [False, False, True, False, False, False]
    assert points["expected"] == [None] * 6
    event = body["outputs"][0]["events"][0]
    assert (event["start"], event["start_period"], event["kind"]) == ("2024-03-01T00:00:00+07:00", "2024-03", "spike")
    assert event["reason"] == {"vi": "cao", "en": "high"}
    assert event["expected"] is None


def test_times_out_of_order_are_told_and_answered_in_the_order_sent(place: Place):
    series = one(series=[500, 1, 2], start_timestamp=..., timestamps=["2024-05", "2024-01", "2024-02"])
    output = place.post(ANOMALIES, {"inputs": [series]}).json()["outputs"][0]
    assert output["points"]["is_anomaly"] == [True, False, False]
    assert {warning["code"] for warning in output["warnings"]} == {"unordered_timestamps", "missing_periods"}


def test_a_large_call_is_answered_aside_and_whole(place: Place):
    inputs = [one(name=f"s{i}", series=[float(i)] * 300) for i in range(200)]
    body = place.post(FORECAST, {"inputs": inputs, "options": {"horizon": 12}}).json()
    assert [o["content"][0]["mean_forecast"][0] for o in body["outputs"]] == [float(i) for i in range(200)]
