"""How a file was understood, by which model, under which approval: what leads from a figure back to its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.errors import Note
from pipelines.results.parameters import asked
from pipelines.results.values import JobResult
from pipelines.results.wording import MEASURES, Language, label, pick

_CONVERSIONS = {
    "tcvn3": Note("chữ TCVN3 đổi sang Unicode", "TCVN3 turned into Unicode"),
    "vni": Note("chữ VNI đổi sang Unicode", "VNI turned into Unicode"),
    "nfc": Note("Unicode tổ hợp đổi sang dựng sẵn", "decomposed Unicode composed"),
    "mixed": Note("chữ TCVN3, VNI xen Unicode, đã đổi hết sang Unicode", "legacy text mixed with Unicode, all turned"),
}
_FROM = {
    "title": Note("lấy từ tiêu đề", "from the title"),
    "header": Note("lấy từ dòng đầu bảng", "from the header rows"),
    "file_name": Note("lấy từ tên tệp", "from the file's name"),
    "column": Note("lấy từ một cột", "from a column"),
}


def facts_of(result: JobResult, language: Language) -> Iterator[tuple[str, str]]:
    """Titles and facts, in the order of the way back: job, file, reading, model, card, approval."""
    for title, text in _facts(result, language):
        if text:
            yield pick(title, language), str(text)


def _facts(result: JobResult, language: Language) -> Iterator[tuple[Note, Any]]:
    source, model = result.source or {}, result.model
    yield Note("Việc", "Job"), result.job_id
    yield Note("Tạo lúc", "Created at"), result.created_at
    yield Note("Xong lúc", "Finished at"), result.finished_at
    yield Note("Tệp", "File"), source.get("filename")
    yield Note("Mã tệp", "File id"), source.get("file_id")
    yield Note("SHA-256 của tệp", "SHA-256 of the file"), source.get("sha256")
    yield from _reading(result.reading or {}, language)
    yield Note("Mô hình", "Model"), f"{model.get('name')}@{model.get('version')}"
    yield Note("Thẻ mô hình", "Model card"), model.get("card")
    approval = result.approval or {}
    yield Note("Phê duyệt", "Approval"), _said(approval, "id", "kind", "person", "valid_until")
    yield Note("Tham số", "Parameters"), asked(result.parameters, language)


def _reading(reading: Mapping[str, Any], language: Language) -> Iterator[tuple[Note, Any]]:
    yield Note("Mẫu đọc", "Reading"), _said(reading, "id", "name")
    confidence = reading.get("confidence")
    if isinstance(confidence, int | float):
        yield Note("Độ tin của mẫu đọc", "Confidence of the reading"), f"{confidence:.2f}"
    for table in reading.get("tables") or ():
        yield Note("Bảng", "Table"), table_text(table, language)


def table_text(table: Mapping[str, Any], language: Language) -> str:
    """One table of a reading in a line: where, which periods and whence, text, markers."""
    parts = [f"{table.get('sheet', '')} {table.get('range', '')}".strip()]
    period = table.get("period") or {}
    if period.get("first"):
        origin = label(_FROM, period.get("from"), language)
        parts.append(f"{period['first']} – {period.get('last')} ({origin})")
    converted = label(_CONVERSIONS, table.get("text_conversion"), language)
    if table.get("text_conversion") not in (None, "none"):
        parts.append(converted)
    measures = {column.get("measure") for column in table.get("columns") or () if column.get("measure")}
    parts += sorted(label(MEASURES, measure, language) for measure in measures)
    markers = table.get("markers") or {}
    if markers:
        parts.append("; ".join(f"“{mark}” = {meaning}" for mark, meaning in markers.items()))
    return " · ".join(part for part in parts if part)


def _said(facts: Mapping[str, Any], *names: str) -> str:
    return " · ".join(str(facts[name]) for name in names if facts.get(name))
