"""The family of detectors of strange rows: is a record flagged because its group is rare?

Decision: no table of persons may be collected for this. Records are made up so that every group's rows follow the very
same law, and only the groups' sizes differ as they do in the country: 34 provinces by their number of communes, 54
ethnic groups from four fifths down to a handful. A detector that flags a group more often flags it for being rare.
Strange rows of one standardised size are put into every group alike, to see whether they are found alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.contract import Model
from models.errors import Note, PlatformError
from models.places.gazetteer import provinces
from models.scores.anomaly import Bools
from models.scores.funnel import Units, compare_rates, funnel
from models.scores.groups import Tally, compare_shares
from models.values import Column, Floats, Table, TabularOptions
from pipelines.bias.anomaly import NEGATIVE_BINOMIAL
from pipelines.bias.language import NEWCOMBE
from pipelines.bias.lists import ethnic_groups
from pipelines.bias.margins import rule_for
from pipelines.bias.places import UNITS, communes
from pipelines.bias.values import Axis, Findings, Harming, Measure, Untested
from pipelines.datasets import Datasets

ROWS, TABLES, STRANGE = 4_000, 60, 0.02
SIGMAS = 6.0
SEED = 20_261_124
RATE = Note("tỷ lệ dòng thường bị báo", "share of ordinary rows flagged")
Log = Callable[[str], None]


def assess(model: Model[Any, Any, Any], data: Datasets, tier: str, log: Log, *, quick: bool) -> Findings:
    """Every test of a detector of strange rows, on made-up records."""
    names = communes(data)
    units = [unit for unit in provinces("34") if unit.code in names]
    sizes = np.array([len(names[unit.code]) for unit in units], np.float64)
    ethnic = [one.name for one in ethnic_groups()]
    shares = np.r_[0.82, 0.18 * 0.93 ** np.arange(len(ethnic) - 1) / (0.93 ** np.arange(len(ethnic) - 1)).sum()]
    tables = 2 if quick else TABLES
    provinces_axis = _axis(
        model, "province", Note("34 tỉnh, thành phố (bảng giả định)", "34 provinces (made-up table)"),
        [unit.code for unit in units], sizes / sizes.sum(), {u.code: Note(u.name, u.en) for u in units}, tables, tier,
        True,
    )  # fmt: skip
    log("đã thử 34 tỉnh | provinces tested")
    groups_axis = _axis(
        model, "ethnicity", Note("54 dân tộc (bảng giả định)", "54 ethnic groups (made-up table)"), ethnic, shares,
        {name: Note(name, name) for name in ethnic}, tables, tier, False,
    )  # fmt: skip
    return Findings("tabular", (provinces_axis, groups_axis), HARMS, UNTESTED, (UNITS,), ("ethnic_groups",))


def _axis(
    model: Model[Any, Any, Any], id_: str, title: Note, groups: Sequence[str], shares: Floats, labels: dict[str, Note],
    tables: int, tier: str, places: bool,
) -> Axis:  # fmt: skip
    flagged, ordinary = np.zeros((tables, len(groups))), np.zeros((tables, len(groups)))
    met, put = np.zeros(len(groups)), np.zeros(len(groups))
    for number in range(tables):
        table, codes, strange = _made(np.random.default_rng(SEED + number), groups, shares)
        flags = _flags(model, table)
        for at in range(len(groups)):
            mine = codes == at
            flagged[number, at], ordinary[number, at] = (flags & mine & ~strange).sum(), (mine & ~strange).sum()
            met[at] += (flags & mine & strange).sum()
            put[at] += (mine & strange).sum()
    rule, recall = rule_for("flag_ratio", tier), rule_for("accuracy", tier)
    units = [Units(name, flagged[:, at], ordinary[:, at]) for at, name in enumerate(groups)]
    shape = funnel(flagged.sum(0).tolist(), ordinary.sum(0).tolist())
    tallies = [Tally(name, float(met[at]), int(put[at])) for at, name in enumerate(groups)]
    measures = (
        Measure("flag_rate", RATE, "flag_ratio", rule, "high", tuple(compare_rates(units, rule)), NEGATIVE_BINOMIAL,
                "number", funnel=shape),
        Measure("recall_injected", Note("dòng bất thường tiêm vào được tìm thấy", "injected strange rows found"),
                "accuracy", recall, "low", tuple(compare_shares(tallies, recall)), NEWCOMBE),
    )  # fmt: skip
    remark = Note(
        f"{tables} bảng giả định, mỗi bảng {ROWS} dòng; mọi nhóm cùng một phân phối, chỉ khác số dòng.",
        f"{tables} made-up tables of {ROWS} rows; all groups follow one law and differ in size alone.",
    )
    return Axis(id_, title, measures, labels, places="34" if places else None, remark=remark)


def _made(rng: np.random.Generator, groups: Sequence[str], shares: Floats) -> tuple[Table, Any, Bools]:
    """Records of spending: amount, persons, days, unit price and the group; strange rows in every group alike."""
    codes = rng.choice(len(groups), ROWS, p=shares)
    strange = rng.random(ROWS) < STRANGE
    persons = rng.negative_binomial(5, 0.1, ROWS).astype(np.float64) + 1
    price = rng.lognormal(6.0, 0.3, ROWS)
    noise = rng.lognormal(0.0, 0.15, ROWS)
    amount = persons * price * noise * np.where(strange, np.exp(SIGMAS * 0.4), 1.0)
    days = rng.gamma(4.0, 5.0, ROWS) * np.where(strange & (rng.random(ROWS) < 0.5), SIGMAS, 1.0)
    names = ("amount", "persons", "price", "days")
    columns = (*(Column(name, "number") for name in names), Column("group", "category"))
    cells = (amount, persons, price, days, codes.astype(np.int64))
    return Table(columns, cells, ((), (), (), (), tuple(groups)), ROWS), codes, strange


def _flags(model: Model[Any, Any, Any], table: Table) -> Bools:
    found = model.predict([table], TabularOptions())[0]
    if isinstance(found, PlatformError):
        raise found
    flags: Bools = found.is_anomaly
    return flags


HARMS = (
    Harming(
        Note("Nhóm ít người, tỉnh ít hồ sơ", "Small groups, provinces with few records"),
        Note("hồ sơ bị báo vì nhóm hiếm, không vì sai", "records are flagged for being rare, not wrong"),
        Note("bị kiểm tra nhiều hơn, chậm giải quyết", "more checks, later service"),
        "flag_rate",
    ),
    Harming(
        Note("Nơi sai phạm không bị phát hiện", "Places whose wrongs are not found"),
        Note("dòng bất thường lọt qua", "strange rows pass"),
        Note("người dân nơi đó chịu thiệt", "people there bear the loss"),
        "recall_injected",
    ),
)
UNTESTED = (
    Untested(
        Note("Bảng thật của cơ quan theo nhóm", "Agencies' real tables by group"),
        Note("không có bảng công khai có nhóm; bảng về người là dữ liệu cá nhân",
             "no public table has groups; tables of persons are personal data"),
    ),
    Untested(
        Note("Tỷ lệ báo động được xác nhận, công sức rà soát", "Share of flags confirmed, reviewers' hours"),
        Note("chưa có kết luận của người rà soát", "no reviewers' findings exist yet"),
    ),
    Untested(
        Note("Kết hợp nhiều thuộc tính", "Intersections of attributes"),
        Note("chỉ thử từng thuộc tính một", "one attribute at a time was tested"),
    ),
)  # fmt: skip
