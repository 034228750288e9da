"""The card as a page: HTML for reading and for printing, Vietnamese first with English beside.

Decisions
- One file without scripts, fonts or anything from outside: it can be saved, sent and printed as it is.
- Every word of a card was written by somebody: all of it is escaped, nothing becomes a link.
- Headings, description lists and tables with header cells, so that a screen reader finds its way; English passages
  carry their language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from registry.canonical import digest
from registry.card_fields import BY_PATH, SECTIONS
from registry.card_members import member_name
from registry.card_text import GAP_WORDS, LAW, SOURCE_WORDS, columns_of, fields_in_order, inline
from registry.card_values import GAPS, value_of

STYLE = """
body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem;color:#1b1b1b;background:#fff}
h1{margin:.5rem 0}h2{margin:2.2rem 0 .5rem;border-bottom:2px solid #8c1d18;break-after:avoid}
[lang=en]{color:#52525b;font-size:.94em}code,td,dd{overflow-wrap:anywhere}code{font-size:.88em}
nav ul{columns:2;padding-left:1.2rem}a{color:#8c1d18}
dl.fields>dt{font-weight:600;margin-top:.8rem;break-after:avoid}dl.fields>dd{margin:.1rem 0 0 1rem}
dl.parts{display:grid;grid-template-columns:max-content 1fr;gap:0 .75rem;margin:.1rem 0}
dl.parts dt{color:#52525b}dl.parts dd{margin:0}
small{color:#52525b;font-weight:400}.gap{border-left:4px solid #b45309;padding-left:.5rem}
ul{margin:.2rem 0;padding-left:1.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.88em;margin:.3rem 0}
th,td{border:1px solid #a1a1aa;padding:.2rem .5rem;text-align:left;vertical-align:top}th{background:#f4f4f5}
tr{break-inside:avoid}td.n{text-align:right;white-space:nowrap}
@page{size:A4;margin:16mm}
@media print{body{font-size:10pt;max-width:none;padding:0}nav{display:none}.wide{overflow:visible}table{font-size:8pt}}
@media(max-width:40rem){nav ul{columns:1}dl.parts{display:block}}
"""


def render_page(card: Mapping[str, Any]) -> bytes:
    """The whole card as one HTML page in UTF-8; the same card gives the same bytes."""
    name = str(value_of(card, "identity.name_vi") or card["name"])
    english = value_of(card, "identity.name_en")
    contents = "".join(f'<li><a href="#{section}">{_two(*SECTIONS[section])}</a></li>' for section in SECTIONS)
    sections = "".join(_section(section, card.get(section, {})) for section in SECTIONS)
    return (
        f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>Hồ sơ mô hình: {escape(name)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<header><h1>Hồ sơ mô hình: {escape(name)}</h1>"
        f"{f'<p lang=en>Model card: {escape(str(english))}</p>' if english else ''}"
        f"<p><code>{escape(card['name'])}@{escape(card['version'])}</code> · {escape(card['schema'])} · "
        f"<code>{digest(card)}</code></p><p>{_two(*LAW)}</p></header>"
        f'<nav aria-label="Mục lục | Contents"><ul>{contents}</ul></nav><main>{sections}</main></body></html>\n'
    ).encode()


def _section(section: str, fields: Mapping[str, Any]) -> str:
    rows = "".join(_field(section, name, fields[name]) for name in fields_in_order(section, fields))
    title = _two(*SECTIONS[section])
    return (
        f'<section aria-labelledby="{section}"><h2 id="{section}">{title}</h2><dl class="fields">{rows}</dl></section>'
    )


def _field(section: str, name: str, field: Mapping[str, Any]) -> str:
    known = BY_PATH.get(f"{section}.{name}")
    title = _two(known.vi, known.en) if known else _member(name)
    for gap in GAPS:
        if gap in field:
            return f'<dt>{title}</dt><dd class="gap"><em>{_two(*GAP_WORDS[gap])}</em>: {_text(field[gap])}</dd>'
    source = f"<small>{_text(SOURCE_WORDS[field['source']])}</small>"
    return f"<dt>{title} {source}</dt><dd>{_value(field['value'])}</dd>"


def _value(value: Any) -> str:
    """A value at its full size: figures and records as tables, parts as a list of terms, the rest as text."""
    if isinstance(value, Mapping) and set(value) != {"vi", "en"}:
        parts = "".join(f"<dt>{_member(key)}</dt><dd>{_text(inner)}</dd>" for key, inner in value.items())
        return f'<dl class="parts">{parts}</dl>'
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if all(isinstance(row, Mapping) and set(row) != {"vi", "en"} for row in value):
            return _table(value)
        return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in value)}</ul>"
    return _text(value)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Figures in the card's own columns, other records in the order of their members."""
    figures = all("value" in row for row in rows)
    members = dict.fromkeys(key for row in rows for key in row)
    columns = (
        [(key, _text(title)) for key, title in columns_of(rows)]
        if figures
        else [(key, _member(key)) for key in members]
    )
    head = "".join(f'<th scope="col">{title}</th>' for _, title in columns)
    body = "".join(f"<tr>{''.join(_cell(row.get(key)) for key, _ in columns)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="n">{value}</td>'
    if isinstance(value, list):
        return f"<td>{' … '.join(_text(item) for item in value)}</td>"
    return f"<td>{'' if value is None else _text(value)}</td>"


def _text(value: Any) -> str:
    """A value in a line; a pair of languages is told apart wherever it stands."""
    if isinstance(value, Mapping) and set(value) == {"vi", "en"}:
        return _two(inline(value["vi"]), inline(value["en"]))
    if isinstance(value, list | tuple) and value:
        return ", ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{_member(key)}: {_text(inner)}" for key, inner in value.items())
    vi, bar, en = inline(value).partition(" | ")
    return _two(vi, en) if bar and " | " not in en else escape(inline(value))


def _member(word: str) -> str:
    note = member_name(str(word))
    return escape(note.vi) if note.vi == note.en else _two(note.vi, note.en)


def _two(vi: str, en: str) -> str:
    return f'{escape(vi)} <span lang="en">{escape(en)}</span>'
