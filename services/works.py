"""What jobs speak: the dialects of the synchronous endpoints, handed down to the work of jobs.

Decision: a job answers what a call answers. The very functions that decode, check and render a call's series are used
for a job's, so the two cannot drift apart; `pipelines.jobs` itself knows no wire type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.values import ForecastOptions, RowFindings, Table, TabularOptions
from pipelines.jobs.series import Sent, SeriesWork
from pipelines.jobs.tables import TableWork
from pipelines.jobs.work import Work, of_item
from services.orders import ORDERS, SERIES, TABLE
from services.routes.tabular import TASK, TabularRequest, row_reasons, table_value, tabular_options
from services.routes.timeseries import anomaly_options, forecast_options
from services.series import Taken, take
from services.series_answers import anomaly_output, forecast_output


class TimeSeriesDialect:
    """Series as the time series endpoints take and answer them."""

    def __init__(self, kind: str, options: Callable[[Any], Any], render: Callable[[Sent, Taken, Any], Any]) -> None:
        """`kind` is the type of job, whose parameters `services.orders` checks."""
        self._parameters = ORDERS[kind].parameters
        self._options = options
        self._render = render

    def take(self, data: bytes) -> Sequence[Sent]:
        """See SeriesDialect."""
        inputs = SERIES.decode(data).inputs
        return [
            Sent(one.series, wire.frequency, one.sent, one.index, one.warnings)
            for wire, one in zip(inputs, take(inputs), strict=True)
        ]

    def options(self, parameters: Mapping[str, Any]) -> Any:
        """See SeriesDialect."""
        return self._options(self._parameters.decode(msgspec.json.encode(dict(parameters))))

    def effort(self, options: Any) -> float:
        """See SeriesDialect."""
        return 1.0 + options.backtest_origins if isinstance(options, ForecastOptions) else 1.0

    def answer(self, sent: Sent, found: Any) -> Any:
        """See SeriesDialect."""
        return self._render(sent, Taken(sent.series, sent.count, sent.index, sent.warnings), found)


class TabularDialect:
    """Tables as the tabular endpoint takes and answers them."""

    def take(self, data: bytes) -> Table:
        """See TableDialect."""
        given = TABLE.decode(data)
        return table_value(TabularRequest(given.columns, given.rows, given.labels))

    def options(self, parameters: Mapping[str, Any]) -> TabularOptions:
        """See TableDialect."""
        return tabular_options(ORDERS["anomaly.tabular"].parameters.decode(msgspec.json.encode(dict(parameters))))

    def reasons(self, found: RowFindings) -> Sequence[Any]:
        """See TableDialect."""
        return row_reasons(found)


def _forecast(sent: Sent, taken: Taken, found: Any) -> Any:
    return forecast_output(sent.frequency, taken, found, of_item)


def _anomalies(sent: Sent, taken: Taken, found: Any) -> Any:
    return anomaly_output(taken, found, of_item)


WORKS: Final[Mapping[str, Work]] = {
    "anomaly.series": SeriesWork("anomalies", TimeSeriesDialect("anomaly.series", anomaly_options, _anomalies)),
    "anomaly.tabular": TableWork(TASK, TabularDialect()),
    "forecast": SeriesWork("forecast", TimeSeriesDialect("forecast", forecast_options, _forecast)),
}
"""The types of jobs and how each is done."""
