"""The card as people read it: Markdown, Vietnamese first with English beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.canonical import digest
from registry.card_fields import BY_PATH, FIELDS, SECTIONS
from registry.card_values import GAPS, value_of

GAP_WORDS = {"not_evaluated": ("Chưa đánh giá", "Not evaluated"), "not_applicable": ("Không áp dụng", "Not applicable")}
LAW = (
    "Thẻ mô hình theo Nghị định 142/2026/NĐ-CP, Điều 3 khoản 5.",
    "Model card under Decree 142/2026/ND-CP, Article 3(5); English beside the Vietnamese.",
)
SOURCE_WORDS = {"auto": "máy | auto", "human": "người | human", "inherited": "kế thừa | inherited"}
COLUMNS = (
    ("name", "Số đo | Figure"), ("value", "Giá trị | Value"), ("ci95", "KTC 95 % | CI 95 %"), ("n", "n"),
    ("dataset", "Dữ liệu | Data"), ("slice", "Lát cắt | Slice"), ("baseline", "Mốc | Baseline"),
    ("baseline_value", "Giá trị của mốc | Baseline's value"),
)  # fmt: skip


def render_markdown(card: Mapping[str, Any]) -> str:
    """The whole card as Markdown; the same card gives the same bytes."""
    name = value_of(card, "identity.name_vi") or card["name"]
    lines = [
        f"# Hồ sơ mô hình: {inline(name)}",
        "",
        f"`{card['name']}@{card['version']}` · {card['schema']} · `{digest(card)}`",
        "",
        "_Thẻ mô hình theo Nghị định 142/2026/NĐ-CP, Điều 3 khoản 5. Model card; English beside the Vietnamese._",
        "",
    ]
    for section, (vi, en) in SECTIONS.items():
        lines += [f"## {vi} | {en}", ""]
        fields = card.get(section, {})
        for word in fields_in_order(section, fields):
            lines += _field(section, word, fields[word])
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def fields_in_order(section: str, fields: Mapping[str, Any]) -> list[str]:
    """A section's fields as they are shown: those of the dossier in its order, then what else the card holds."""
    known = [field.name for field in FIELDS if field.section == section]
    return [*(name for name in known if name in fields), *(name for name in fields if name not in known)]


def _field(section: str, name: str, field: Mapping[str, Any]) -> list[str]:
    known = BY_PATH.get(f"{section}.{name}")
    title = f"**{known.vi}** | {known.en}" if known else f"**{name}**"
    for gap in GAPS:
        if gap in field:
            vi, en = GAP_WORDS[gap]
            return [f"- {title}: _{vi} | {en}_: {inline(field[gap])}"]
    value = field["value"]
    if isinstance(value, list) and value and all(isinstance(row, Mapping) and "value" in row for row in value):
        return [f"- {title}:", "", *_table(value), ""]
    if isinstance(value, list) and value and name != "languages":
        return [f"- {title}:", *(f"  - {inline(item)}" for item in value)]
    return [f"- {title}: {inline(value)}  <sub>{SOURCE_WORDS[field['source']]}</sub>"]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = columns_of(rows)
    lines = ["| " + " | ".join(title.replace(" | ", " / ") for _, title in columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(key)) for key, _ in columns) + " |")
    return lines


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The columns (member, title) in which rows of figures are shown: those that any row fills."""
    return [(key, title) for key, title in COLUMNS if any(row.get(key) is not None for row in rows)]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " … ".join(inline(item) for item in value)
    return "" if value is None else inline(value).replace("|", "/")


def inline(value: Any) -> str:
    """A value in one line; {vi, en} shows both, Vietnamese first."""
    if isinstance(value, Mapping):
        if set(value) == {"vi", "en"}:
            return f"{inline(value['vi'])} | _{inline(value['en'])}_"
        return "; ".join(f"{key}: {inline(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(inline(item) for item in value) or "không có | none"
    if isinstance(value, bool):
        return "có | yes" if value else "không | no"
    return " ".join(str(value).split())
