"""The page at /docs: the OpenAPI document for people, as plain HTML without scripts, fonts or anything from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h2{margin-top:2.5rem;border-bottom:2px solid #b3261e}details{border:1px solid #ccc;border-radius:6px;margin:.5rem 0}
summary{cursor:pointer;padding:.5rem .75rem}summary code{font-weight:600}details>div{padding:0 .75rem .75rem}
pre{background:#f5f5f5;padding:.75rem;overflow:auto;border-radius:4px}.m{display:inline-block;min-width:4.5rem;color:#8c1d18}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}pre{background:#222}.m{color:#ffb4ab}}
"""


def page(document: Mapping[str, Any]) -> bytes:
    """The whole page in UTF-8."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method.upper(), path, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(rows)}" for tag, rows in groups.items())
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>AI Chung API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>AI Chung API {escape(document['info']['version'])}</h1><p>{escape(document['info']['description'])}</p>"
        "<p>Mọi lời gọi cần khóa: <code>Authorization: Bearer aic_…</code>. Lỗi theo RFC 9457. "
        'Tài liệu máy đọc: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{body}<h2>Schemas</h2>{schemas}</body></html>"
    ).encode()


def _schema(name: str, schema: Any) -> str:
    word = escape(name)
    return f'<details id="{word}"><summary><code>{word}</code></summary><div>{_pre(schema)}</div></details>'


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        parts.append(f"<h4>Request</h4>{_pre(content['schema'])}")
        for example in content.get("examples", {}).values():
            body = json.dumps(example["value"], ensure_ascii=False)
            call = (
                f"curl -s $URL{path} -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' -d '{body}'"
            )
            parts.append(f"<pre>{escape(call)}</pre>")
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(response['description'])}</td><td>{_links(response)}</td></tr>"
        for status, response in operation["responses"].items()
    )
    parts.append(f"<h4>Responses</h4><table>{rows}</table>")
    head = f'<span class="m">{escape(method)}</span><code>{escape(path)}</code> — {escape(operation["summary"])}'
    return f"<details><summary>{head}</summary><div>{''.join(parts)}</div></details>"


def _links(response: Mapping[str, Any]) -> str:
    found = []
    for media, content in response.get("content", {}).items():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        label = f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""
        found.append(f"{escape(media)} {label}")
    return "<br>".join(found)


def _pre(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, ensure_ascii=False, indent=1))}</pre>"
