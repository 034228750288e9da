"""What changed between two versions: fields of the card, figures, the bias report, digests.

Decision: a reviewer compares what was said, not how it is stored: a field is changed when its value or its gap is, not
when only its time, its writer or its evidence is. Figures are matched by name, data set and slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Final, Literal

from registry.card_fields import BY_PATH, SECTIONS
from registry.card_text import fields_in_order, inline
from registry.card_values import GAPS, value_of
from registry.entries import Entry
from registry.evidence import Evidence

MAX_CHANGES: Final = 1_000
KINDS: Final = {"added": ("thêm", "added"), "removed": ("bỏ", "removed"), "changed": ("sửa", "changed")}


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs; `pointer` is a JSON Pointer into the card or the bias report."""

    pointer: str
    vi: str
    en: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both versions, or of one of them; `change` is after minus before."""

    name: str
    dataset: str
    slice: str
    before: float | None
    after: float | None
    change: float | None


@dataclass(frozen=True, slots=True)
class Diff:
    """All differences from one version to another. `digests` names those of the digest set that differ."""

    model: str
    before: str
    after: str
    digests: tuple[str, ...]
    fields: tuple[Change, ...]
    figures: tuple[Figure, ...]
    bias: tuple[Change, ...]


def compare(old: Entry, was: Evidence, new: Entry, now: Evidence) -> Diff:
    """What changed from `old` to `new`."""
    before, after = asdict(old.digests), asdict(new.digests)
    return Diff(
        new.name, old.version, new.version, tuple(name for name in after if after[name] != before[name]),
        tuple(_fields(was.card, now.card)), tuple(_figures(was.card, now.card)),
        tuple(_leaves(was.bias or {}, now.bias or {}, ""))[:MAX_CHANGES],
    )  # fmt: skip


def render_diff(diff: Diff) -> str:
    """The differences as an HTML fragment, every word of it escaped; for the console's page."""
    changes = "".join(_row(change) for change in (*diff.fields, *diff.bias))
    figures = "".join(
        f"<tr><th scope=row>{escape(figure.name)}<br>"
        f"<small>{escape(figure.dataset)} · {escape(figure.slice)}</small></th>"
        f"<td class=n>{_number(figure.before)}</td><td class=n>{_number(figure.after)}</td>"
        f"<td class=n>{_number(figure.change, '+')}</td></tr>"
        for figure in diff.figures
    )
    digests = ", ".join(diff.digests) or "không có | none"
    head = (("Trước", "Before"), ("Sau", "After"))
    measured = _table(("Số đo", "Figure"), *head, figures, ("Chênh", "Change")) if figures else ""
    return (
        f"<p>{escape(diff.model)}: {escape(diff.before)} → {escape(diff.after)}; mã băm khác "
        f"<span lang=en>digests that differ</span>: {escape(digests)}</p>"
        + _table(("Chỗ", "Place"), *head, changes) + measured
    )  # fmt: skip


def _fields(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for section in SECTIONS:
        old, new = was.get(section, {}), now.get(section, {})
        for name in fields_in_order(section, {**old, **new}):
            before, after = _said(old.get(name)), _said(new.get(name))
            if before != after:
                known = BY_PATH.get(f"{section}.{name}")
                vi, en = (known.vi, known.en) if known else (name, name)
                yield Change(f"/{section}/{name}", vi, en, _kind(before, after), before, after)


def _said(field: Any) -> Any:
    """A field without who filled it and when; None when it is not there."""
    if not isinstance(field, Mapping):
        return field
    return {gap: field[gap] for gap in GAPS if gap in field} or field.get("value")


def _figures(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Figure]:
    old, new = _by_place(was), _by_place(now)
    for place in dict.fromkeys((*old, *new)):
        before, after = old.get(place), new.get(place)
        if before != after:
            change = None if before is None or after is None else after - before
            yield Figure(*place, before, after, change)


def _by_place(card: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    rows = value_of(card, "evaluation.metrics")
    return {
        (str(row["name"]), str(row.get("dataset", "")), str(row.get("slice", ""))): float(row["value"])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and isinstance(row.get("value"), int | float)
    }


def _leaves(before: Any, after: Any, pointer: str) -> Iterator[Change]:
    """The deepest places of two JSON documents that differ; lists of another length differ as a whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            step = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _leaves(before.get(name), after.get(name), step)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _leaves(old, new, f"{pointer}/{number}")
    elif before != after:
        yield Change(
            pointer, f"Báo cáo thiên lệch {pointer}", f"Bias report {pointer}", _kind(before, after), before, after
        )


def _kind(before: Any, after: Any) -> Literal["added", "removed", "changed"]:
    return "added" if before is None else "removed" if after is None else "changed"


def _row(change: Change) -> str:
    vi, en = KINDS[change.kind]
    before = "" if change.before is None else f"<del>{escape(inline(change.before))}</del>"
    after = "" if change.after is None else f"<ins>{escape(inline(change.after))}</ins>"
    return (
        f"<tr><th scope=row>{escape(change.vi)} <span lang=en>{escape(change.en)}</span><br>"
        f"<small>{vi} <span lang=en>{en}</span> · <code>{escape(change.pointer)}</code></small></th>"
        f"<td>{before}</td><td>{after}</td></tr>"
    )


def _table(
    place: tuple[str, str], before: tuple[str, str], after: tuple[str, str], rows: str,
    change: tuple[str, str] | None = None,
) -> str:  # fmt: skip
    heads = "".join(
        f"<th scope=col>{vi} <span lang=en>{en}</span></th>"
        for vi, en in (place, before, after, change or ("", ""))
        if vi
    )
    return f"<div class=wide><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.6g}"
