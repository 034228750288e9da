"""The forecasting, anomaly and table tests, on a made-up panel and models whose bias was put there."""

import csv
import gzip
import hashlib
import io
import json

import numpy as np
import pytest

from models.scores.groups import Verdict
from models.values import Findings, Forecast, RowFindings
from pipelines.bias import anomaly, forecast, tabular
from pipelines.bias.panel import divisions, panel
from pipelines.bias.places import UNITS
from pipelines.datasets import Datasets, Source
from pipelines.training.labelled import MINISTRY
from pipelines.training.panels import M3

NAMES = {"An Giang": "91", "Ca Mau": "96", "Cao Bang": "04", "Dien Bien": "11", "Dong Nai": "75", "Ha Noi": "01"}
DISEASES = [f"disease {at}" for at in range(14)]


def source(id_: str, content: bytes) -> Source:
    return Source(
        id=id_, title="t", repository="r", commit="c", path="p", sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content), unpacked_sha256=None, licence="MIT", may_bundle=True, reason="r", personal_data="none",
        conversion="none", authors="a",
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Datasets:
    """Six provinces by fourteen diseases, twelve years of months; monthly series of a competition; communes."""
    folder, rng = tmp_path_factory.mktemp("mirror"), np.random.default_rng(1)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["disease", "province", "period", "incidence", "mortality"])
    for province in NAMES:
        for disease in DISEASES:
            level = rng.uniform(20, 60)
            for month in range(144):
                value = rng.poisson(level * (1.3 + np.sin(month * np.pi / 6)))
                writer.writerow([disease, province, f"{2004 + month // 12}-{month % 12 + 1:02d}", value, 0])
    series = "\n".join(
        json.dumps({"id": f"N{at}", "period": "MONTHLY", "m": 12, "x": rng.gamma(9, 9, 60 + 30 * (at % 3)).tolist(),
                    "xx": rng.gamma(9, 9, 18).tolist()}) for at in range(48)
    )  # fmt: skip
    wards = json.dumps(
        [{"Code": code, "Wards": [{"FullName": f"Xã An Phú {chr(65 + at % 20)}{at // 20}"} for at in range(40)]}
         for code in ("01", "04", "11", "75", "91", "96")]
    )  # fmt: skip
    contents = {
        MINISTRY: gzip.compress(text.getvalue().encode()), M3: gzip.compress(series.encode()),
        UNITS.removesuffix(".xz"): wards.encode(),
    }  # fmt: skip
    for id_, content in contents.items():
        (folder / id_).parent.mkdir(parents=True, exist_ok=True)
        (folder / id_).write_bytes(content)
    return Datasets(folder, {id_: source(id_, content) for id_, content in contents.items()})


class Oracle:
    """The mean of each month with a band that holds, but far too low for one province."""

    def __init__(self, low: str = "") -> None:
        self.low = low

    def predict(self, items, options):
        found = []
        for item in items:
            season = np.array([np.nanmean(item.values[at::12]) for at in range(12)])
            ahead = (len(item.values) + np.arange(options.horizon)) % 12
            mean = season[ahead] * (0.4 if self.low and item.name.startswith(self.low + "/") else 1.0)
            reach = 1.35 * np.sqrt(np.maximum(mean, 1.0))
            if item.name.startswith("N"):
                reach = np.full(options.horizon, 1.35 * np.std(item.values))
            found.append(
                Forecast(item.name, mean, {0.1: mean - reach, 0.5: mean, 0.9: mean + reach}, item.axis, "oracle")
            )
        return found


class Alarm:
    """Flags what is far above its own mean; of one province every fifth month."""

    def __init__(self, nervous: str = "", blind: str = "") -> None:
        self.nervous, self.blind = nervous, blind

    def predict(self, items, options):
        found = []
        for item in items:
            values = np.nan_to_num(item.values)
            rows = values.reshape(-1, 12)
            score = (values - np.tile(np.median(rows, axis=0), len(rows))) / max(float(np.std(np.diff(values))), 1.0)
            flags = score > 2.8
            if self.nervous and item.name.startswith(self.nervous + "/"):
                flags = flags | (np.arange(len(values)) % 5 == 0)
            if self.blind and item.name.startswith(self.blind + "/"):
                flags = np.zeros(len(values), bool)
            p = np.linspace(0.001, 0.999, len(values))
            found.append(Findings(item.name, score, p, score, score, score, flags, (), item.axis))
        return found


class Sieve:
    """Flags rows far from the ratio of the columns; or, of rare words, all of them."""

    def __init__(self, rare: bool = False) -> None:
        self.rare = rare

    def predict(self, items, options):
        found = []
        for table in items:
            amount, persons, price, _, codes = table.cells
            score = np.abs(np.log(amount / persons / price))
            flags = score > 0.45
            if self.rare:
                counts = np.bincount(codes, minlength=len(table.words[4]))
                flags = flags | (counts[codes] < 60)
            found.append(RowFindings(score, flags, ((),) * len(score)))
        return found


def judged(findings, axis: str, metric: str):
    chosen = next(one for one in findings.axes if one.id == axis)
    measure = next(one for one in chosen.measures if one.metric == metric)
    return {one.group: one.verdict for one in measure.comparisons}


def say(line: str) -> None:
    assert line


def test_the_panel_knows_its_provinces_under_both_divisions(data):
    lines = panel(data)
    assert len(lines) == len(NAMES) * len(DISEASES)
    by_id = {one.id: one for one in divisions(lines)}
    assert set(by_id["province"].groups) == {"91", "96", "04", "11", "75", "01"}
    assert set(by_id["region"].groups) == {"dbscl", "tdmnpb", "dnb", "dbsh"}
    assert {of for line, of in zip(lines, by_id["border"].of, strict=True) if line.code == "04"} == {"1"}


def test_an_even_forecast_passes_and_one_that_is_low_for_a_province_fails_there_alone(data):
    even = forecast.assess(Oracle(), data, "T1", say, quick=False)
    assert Verdict.FAIL not in judged(even, "province", "coverage_80").values()
    assert Verdict.FAIL not in judged(even, "province", "missed_above_90").values()
    assert even.facts["coverage_80"] == pytest.approx(0.82, abs=0.06)
    low = forecast.assess(Oracle("11"), data, "T1", say, quick=False)
    for metric in ("coverage_80", "missed_above_90", "log_error_ratio_to_seasonal_naive"):
        found = judged(low, "province", metric)
        assert found.pop("11") is Verdict.FAIL, metric
        assert Verdict.FAIL not in found.values(), metric


def test_a_province_that_is_flagged_more_often_fails_there_alone(data):
    even = anomaly.assess(Alarm(), data, "T1", say, quick=False)
    assert Verdict.FAIL not in judged(even, "province", "flag_rate").values()
    assert Verdict.FAIL not in judged(even, "province", "recall_injected").values()
    nervous = judged(anomaly.assess(Alarm(nervous="75"), data, "T1", say, quick=False), "province", "flag_rate")
    assert nervous["75"] is Verdict.FAIL
    blind = judged(anomaly.assess(Alarm(blind="96"), data, "T1", say, quick=False), "province", "recall_injected")
    assert blind.pop("96") is not Verdict.PASS
    assert Verdict.FAIL not in blind.values()


def test_flagging_what_is_rare_fails_small_groups(data, monkeypatch):
    monkeypatch.setattr(tabular, "TABLES", 12)
    monkeypatch.setattr(tabular, "communes", lambda _: {"01": list("ab"), "04": list("ab"), "11": list("a"), "75": []})
    even = tabular.assess(Sieve(), data, "T1", say, quick=False)
    assert Verdict.FAIL not in judged(even, "ethnicity", "flag_rate").values()
    rare = judged(tabular.assess(Sieve(rare=True), data, "T1", say, quick=False), "ethnicity", "flag_rate")
    assert rare["Kinh"] is not Verdict.PASS
    assert list(rare.values()).count(Verdict.FAIL) > 5
