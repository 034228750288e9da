"""Tables on their way into the client."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from models.errors import ForbiddenError
from services.client import Client
from services.frames import series_of


def test_every_kind_of_missing_value_is_missing() -> None:
    index = pd.period_range("2024-01", periods=3, freq="M")
    whole = pd.Series([1, None, 3], dtype="Int64", index=index)
    (one,) = series_of(whole, None, None)
    assert one["series"] == [1.0, None, 3.0]
    (two,) = series_of({"s": [np.nan, None, float("inf"), 2]}, "M", "2024-01")
    assert two["series"] == [None, None, None, 2.0]


def test_the_first_refusal_ends_a_call_in_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []

    def refuse(path: str, body: object) -> dict[str, object]:
        sent.append(body)
        time.sleep(0.01)
        raise ForbiddenError("Không được.", "Not allowed.")

    client = Client("http://127.0.0.1:1", "aic_x", workers=2, progress=False)
    monkeypatch.setattr(client._line, "predict", refuse)
    with pytest.raises(ForbiddenError):
        client.topics(["a"] * 100_000)
    assert len(sent) < 100
    client.close()
