"""A job answers what a call answers: the bundled models through the steps of a job, beside the same work in one go."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.anomaly.table import settle_table
from models.artifact import open_artifact
from models.catalog import open_model
from models.values import TabularOptions
from pipelines.jobs.outcome import open_outcome
from pipelines.jobs.work import Bench, as_facts, perform
from registry.bundle import BUNDLED_FOLDER
from registry.objects import Objects
from services.orders import ORDERS, SERIES
from services.routes.timeseries import anomaly_options
from services.series import take
from services.series_answers import anomaly_output
from services.works import WORKS

HEADER = {"job_id": "job_1", "created_at": "a", "finished_at": "b", "model": {}, "parameters": {}}


def model(name: str) -> dict[str, str]:
    folder = max((BUNDLED_FOLDER / name).iterdir())
    artifact = open_artifact(folder / "artifact")
    return {"name": name, "artifact": artifact.digest, "folder": str(folder)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Objects(tmp_path / "objects"))


def series(count: int, points: int = 60) -> bytes:
    rng = random.Random(3)
    inputs = [
        {"name": f"s{n}", "frequency": "M", "start_timestamp": "2020-01", "kind": "count",
         "series": [50 + rng.gauss(0, 4) + (90 if t == 40 else 0) for t in range(points)]}
        for n in range(count)
    ]  # fmt: skip
    return msgspec.json.encode({"inputs": inputs})


def done(answer: Mapping[str, Any]) -> dict[str, Any]:
    assert "done" in answer, answer
    return dict(answer["done"])


def whole_job(bench: Bench, kind: str, name: str, source: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Plan, every chunk, finish; the result, what was kept of it, and its JSON."""
    common = {"type": kind, "parameters": dict(parameters), "model": model(name)}
    plan = done(perform(bench, WORKS, "plan", {**common, **source}))
    chunks = []
    for chunk in plan["chunks"]:
        given = {"object": chunk["object"], "sha256": chunk["sha256"]}
        found = done(perform(bench, WORKS, "chunk", {**common, "input": given}))
        summary = json.loads(json.dumps(found["summary"]))  # it lies in the database until the end
        chunks.append({"input": given, "output": found["output"], "summary": summary})
    header = {**HEADER, "type": kind, "parameters": dict(parameters)}
    end = done(perform(bench, WORKS, "finish", {**common, "chunks": chunks, "header": header}))
    told = json.loads(bench.objects.check(end["result"]["json"], end["result"]["sha256"]).read_bytes())
    return end, open_outcome(bench.objects.path(end["result"]["object"])), told


def inline(bench: Bench, data: bytes) -> dict[str, Any]:
    return {"data": as_facts(bench.objects.keep([data]))}


def uploaded(bench: Bench, text: str, name: str = "bảng.csv") -> dict[str, Any]:
    stored = bench.objects.keep([text.encode()])
    return {"file": {"object": stored.name, "sha256": stored.sha256, "filename": name}}


def test_a_job_over_series_says_what_the_endpoint_says(bench: Bench):
    data = series(30)
    end, kept, told = whole_job(bench, "anomaly.series", "anomaly-series", inline(bench, data), {})
    taken = take(SERIES.decode(data).inputs)
    detector = open_model(open_artifact(Path(model("anomaly-series")["folder"]) / "artifact"))
    plain = detector.predict([one.series for one in taken], anomaly_options(None))
    expected = [msgspec.to_builtins(anomaly_output(*pair, dict)) for pair in zip(taken, plain, strict=True)]
    assert [one.output["events"] for one in kept.series] == [one["events"] for one in expected]
    assert [one["points"] for one in told["outputs"]] == [one["points"] for one in expected]
    assert end["counts"] == {"succeeded": 30, "failed": 0}
    assert (end["result"]["rows"], told["outputs"][0]["periods"][0]) == (30 * 60, "2020-01")


def test_the_alarm_budget_looks_over_the_whole_job(bench: Bench):
    end, kept, _ = whole_job(bench, "anomaly.series", "anomaly-series", inline(bench, series(30)), {"alarm_budget": 4})
    events = [event for one in kept.series for event in one.output["events"]]
    assert len(events) <= 4
    assert end["held_back"] > 0
    for one in kept.series:
        assert any(one.output["points"]["is_anomaly"]) == bool(one.output["events"])


def provinces(count: int = 30) -> bytes:
    """One indicator of many places: a month that twelve share, and one that each of ten has alone."""
    rng = random.Random(8)
    inputs = []
    for n in range(count):
        line = [200 + 20 * math.sin(t * math.pi / 6) + rng.gauss(0, 5) for t in range(120)]
        line[90] += 120 * (n < 12)
        line[20 + n] += 120 * (15 <= n < 25)
        inputs.append({"name": f"s{n}", "frequency": "M", "start_timestamp": "2015-01", "measure": "flow", "unit": "ca",
                       "place": f"{n:02d}", "group": "sởi", "series": line})  # fmt: skip
    return msgspec.json.encode({"inputs": inputs})


@pytest.mark.parametrize(
    "budget",
    [None, 8, {"count": 8}, {"count": 2, "per": "month"}, {"count": 1, "per": "week", "scope": "unit"}, 0],
    ids=str,
)
def test_a_job_in_many_chunks_is_one_table(bench: Bench, monkeypatch: pytest.MonkeyPatch, budget: Any):
    monkeypatch.setattr("pipelines.jobs.series.CHUNK_SERIES", 7)
    data = provinces()
    parameters = {} if budget is None else {"alarm_budget": budget}
    end, kept, _ = whole_job(bench, "anomaly.series", "anomaly-series", inline(bench, data), parameters)
    taken = take(SERIES.decode(data).inputs)
    series = [one.series for one in taken]
    options = anomaly_options(ORDERS["anomaly.series"].parameters.decode(msgspec.json.encode(parameters)))
    detector = open_model(open_artifact(Path(model("anomaly-series")["folder"]) / "artifact"))
    found = detector.predict(series, options)
    if budget is None:
        found = settle_table(series, found, options)
    expected = [msgspec.to_builtins(anomaly_output(*pair, dict)) for pair in zip(taken, found, strict=True)]
    assert [one.output["events"] for one in kept.series] == [one["events"] for one in expected]
    assert [one.output["warnings"] for one in kept.series] == [one["warnings"] for one in expected]
    assert [one.output["points"]["is_anomaly"] for one in kept.series] == [
        one["points"]["is_anomaly"] for one in expected
    ]
    assert end["held_back"] == sum(one.held_back for one in found)
    assert (end["held_back"] > 0) == (budget is not None)


def test_an_event_of_a_job_names_the_places_that_moved_with_it(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipelines.jobs.series.CHUNK_SERIES", 5)
    _, kept, told = whole_job(bench, "anomaly.series", "anomaly-series", inline(bench, provinces()), {})
    event = next(one for one in next(iter(kept.series)).output["events"] if one["first"] == 90)
    assert set(event["peers"]) >= {f"{n:02d}" for n in range(1, 12)}
    assert "nơi khác cũng vậy" in event["reason"]["vi"]
    said = [one for one in told["outputs"][0]["events"] if one["id"] == event["id"]]
    assert [(one["peers"], one["likely"], one["reason"]) for one in said] == [
        (event["peers"], event["likely"], event["reason"])
    ]


def test_the_cases_of_a_file_may_become_an_outbreak_among_their_places(bench: Bench):
    rng = random.Random(4)
    lines = ["Tháng,Tỉnh,Chỉ tiêu,Giá trị,Đơn vị"]
    for name, place in (("Số ca mắc sởi", "Hà Nội"), ("Số ca mắc sởi", "Đồng Nai"), ("Khách du lịch", "Hà Nội")):
        for t in range(96):
            grown = 90 * 1.6 ** (t - 70) if 70 <= t < 76 and place == "Hà Nội" else 0
            unit = "ca" if name.startswith("Số") else "người"
            value = round(30 + rng.gauss(0, 4) + grown)
            lines.append(f"{t % 12 + 1:02d}/{2017 + t // 12},{place},{name},{value},{unit}")
    source = {**uploaded(bench, "\n".join(lines)), "accept_guess": True}
    _, kept, _ = whole_job(bench, "anomaly.series", "anomaly-series", source, {})
    kinds = {(one.name, one.place): [event["kind"] for event in one.output["events"]] for one in kept.series}
    assert len(kinds) == 3, kinds
    assert [name for (name, _), found in kinds.items() if "outbreak" in found] == ["Số ca mắc sởi / ca"], kinds


def test_a_forecast_job_gives_every_series_its_horizon(bench: Bench):
    end, kept, _ = whole_job(bench, "forecast", "forecast-core", inline(bench, series(8)), {"horizon": 5})
    contents = [content for one in kept.series for content in one.output["content"]]
    assert [len(content["mean_forecast"]) for content in contents] == [5] * 8
    assert end["result"]["rows"] == 8 * 65


def test_bad_parameters_are_refused_with_their_place(bench: Bench):
    facts = {"type": "forecast", "parameters": {"horizon": 0}, "model": model("forecast-core")}
    refused = perform(bench, WORKS, "plan", {**facts, **inline(bench, series(1))})
    assert refused["again"] is False
    assert refused["refused"]["errors"][0]["pointer"] == "/horizon"


def table(rows: int, decimal: str = ".") -> str:
    rng = random.Random(5)
    lines = ["ma;tuoi;so_tien;loai;ngay"]
    for n in range(rows):
        money = f"{rng.lognormvariate(3, 0.3):.2f}".replace(".", decimal)
        lines.append(f"{n:06d};{rng.gauss(40, 8):.1f};{money};{rng.choice('abc')};0{rng.randint(1, 9)}/03/2024")
    lines[18] = f"000017;39.0;9999{decimal}50;a;05/03/2024"
    return "\n".join(line.replace(".", decimal) for line in lines)


@pytest.mark.parametrize("decimal", [".", ","])
def test_a_files_strange_row_is_found_with_its_place(bench: Bench, decimal: str):
    end, kept, _ = whole_job(bench, "anomaly.tabular", "anomaly-tabular", uploaded(bench, table(400, decimal)), {})
    (stretch,) = kept.series
    strangest = stretch.output["score"].index(max(stretch.output["score"]))
    assert (stretch.cells[strangest], stretch.output["is_anomaly"][strangest]) == ("bảng!A19", True)
    assert stretch.output["reasons"][strangest][0]["column"] == "so_tien"
    assert end["counts"] == {"succeeded": 400, "failed": 0}


def test_a_negative_number_of_cases_is_told_as_a_correction(bench: Bench):
    months = [8, 12, 21, 17, 17, 15, 14, -57, 13, 26, 10, 13]
    lines = ["Tỉnh;Kỳ;Số ca mắc dại (ca)", *(f"Nghệ An;T{at}/2024;{cases}" for at, cases in enumerate(months, 1))]
    source = {**uploaded(bench, "\n".join(lines)), "accept_guess": True}
    _, kept, _ = whole_job(bench, "anomaly.series", "anomaly-series", source, {})
    (event,) = [event for one in kept.series for event in one.output["events"] if event["start_period"] == "2024-08"]
    assert (event["kind"], event["likely"]) == ("negative_correction", "data")


@pytest.mark.parametrize("name", ["bảng.csv", "bảng.xlsx", "bảng"])
def test_a_table_is_what_its_content_is_whatever_its_name_and_encodings(bench: Bench, name: str):
    text = table(400).encode() + "\n000400;40.0;20.00;Đắk;05/03/2024\n".encode("cp1258", "ignore")
    stored = bench.objects.keep([text])
    source = {"file": {"object": stored.name, "sha256": stored.sha256, "filename": name}}
    end, _, _ = whole_job(bench, "anomaly.tabular", "anomaly-tabular", source, {})
    assert end["counts"] == {"succeeded": 401, "failed": 0}


def test_an_expected_share_is_a_share_of_all_rows(bench: Bench):
    _, kept, _ = whole_job(
        bench, "anomaly.tabular", "anomaly-tabular", uploaded(bench, table(1000)), {"expected_share": 0.01}
    )
    assert sum(flag for one in kept.series for flag in one.output["is_anomaly"]) == 10
    for one in kept.series:
        assert [bool(reasons) for reasons in one.output["reasons"]] == one.output["is_anomaly"]


def test_a_number_that_can_be_read_two_ways_is_asked(bench: Bench):
    text = "loai;so\n" + "\n".join(f"{'ab'[n % 2]};{1 + n % 8}.{100 + n}" for n in range(100))
    facts = {"type": "anomaly.tabular", "parameters": {}, "model": model("anomaly-tabular"), **uploaded(bench, text)}
    asked = done(perform(bench, WORKS, "plan", facts))
    assert [question["code"] for question in asked["questions"]] == ["number_format"]
    assert "chunks" in done(perform(bench, WORKS, "plan", {**facts, "accept_guess": True}))


def test_an_inline_table_is_judged_as_the_endpoint_judges_it(bench: Bench):
    rng = random.Random(9)
    rows = [[rng.gauss(0, 1), rng.choice("xy")] for _ in range(300)] + [[40.0, "x"]]
    data = msgspec.json.encode(
        {"columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "category"}], "rows": rows}
    )
    _, kept, _ = whole_job(bench, "anomaly.tabular", "anomaly-tabular", inline(bench, data), {})
    scores = [score for one in kept.series for score in one.output["score"]]
    detector = open_model(open_artifact(Path(model("anomaly-tabular")["folder"]) / "artifact"))
    from_file = WORKS["anomaly.tabular"]._dialect.take(data)
    assert scores == pytest.approx(detector.predict([from_file], TabularOptions())[0].score.tolist())
