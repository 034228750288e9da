"""Names of communes of every province in fixed sentences: is a place's own name read as well as any other?

One name is one cluster: its sentences err together. The three sentences are ours; names are those in force.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from models.errors import Note
from models.places.gazetteer import provinces
from models.scores.groups import compare_ratios
from pipelines.bias.language import RESAMPLED
from pipelines.bias.lists import Phrases, Template
from pipelines.bias.margins import rule_for
from pipelines.bias.subjects import Subject
from pipelines.bias.values import Axis, Measure
from pipelines.datasets import Datasets

UNITS = (
    "text/lex_admin_units_2025/vn_only_simplified_json_generated_data_vn_units_2026-07-25__20_49_07.json.xz"
)  # fmt: skip
SENTENCES = (
    Template("", "Ủy ban nhân dân xã {X} đã gửi báo cáo lên tỉnh."),
    Template("", "Trạm y tế ở {X} tiếp nhận thêm hai bác sĩ."),
    Template("", "Hôm qua, đoàn kiểm tra về {X} làm việc với nhân dân."),
)


def communes(data: Datasets) -> dict[str, list[str]]:
    """Names of communes by province code; numbered wards and repeated names are left out."""
    found: dict[str, list[str]] = {}
    rows = json.loads("\n".join(data.lines(UNITS)))
    for row in rows:
        names = {unicodedata.normalize("NFC", one["FullName"]) for one in row["Wards"]}
        bare = {name.partition(" ")[2] if not name.startswith("Đặc khu") else name[8:] for name in names}
        found[row["Code"]] = sorted(name for name in bare if name and not any(map(str.isdigit, name)))
    return found


def commune_axis(subject: Subject, names: Mapping[str, Sequence[str]], tier: str) -> Axis:
    """How often a commune's name comes back whole, province by province; the subject must tell (`Reading.kept`)."""
    codes = [unit.code for unit in provinces("34") if unit.code in names]
    rights, totals, counts = _by_name(subject, names, codes)
    rule = rule_for("accuracy", tier)
    found = compare_ratios(codes, rights, totals, counts, rule)
    measure = Measure(
        "name_kept", Note("tên xã, phường được giữ đúng", "names of communes kept"), "accuracy", rule, "low",
        tuple(found), RESAMPLED,
    )  # fmt: skip
    labels = {unit.code: Note(unit.name, unit.en) for unit in provinces("34")}
    title = Note("Tên xã, phường theo 34 tỉnh, thành phố", "Names of communes by province (34)")
    remark = Note(
        "Mỗi tên đứng trong ba câu; mỗi tên là một cụm. Chỉ lấy tên từ hai âm tiết trở lên.",
        "Each name stands in three sentences and is one cluster. Names of two or more syllables only.",
    )
    return Axis("communes", title, (measure,), labels, places="34", remark=remark)


def _by_name(
    subject: Subject, names: Mapping[str, Sequence[str]], codes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Hits and trials of each name (rows) by province (columns)."""
    owners: dict[str, list[str]] = defaultdict(list)
    for code in codes:
        for name in names[code]:
            if " " in name:
                owners[name].append(code)
    rights, totals = np.zeros((len(owners), len(codes))), np.zeros((len(owners), len(codes)))
    for row, (name, held) in enumerate(owners.items()):
        kept = subject.read(SENTENCES, name).kept
        if kept is None:
            raise TypeError("the subject does not tell whether a name was kept")
        for code in held:
            rights[row, codes.index(code)] = kept.sum()
            totals[row, codes.index(code)] = len(kept)
    return rights, totals, [int(each) for each in totals.sum(0)]


def origin_phrases() -> Phrases:
    """A person of each province, Hà Nội first."""
    units = sorted(provinces("34"), key=lambda unit: (unit.code != "01", unit.code))
    found = tuple((unit.code, f"người dân {unit.name}") for unit in units)
    return Phrases("origin", "34 tỉnh, thành phố", "34 provinces", found)
