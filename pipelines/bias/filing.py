"""A bias report that comes with a model: read as data, held against the model, and named by the card.

    one form               every figure and text that the page shows is there
    these very bytes       its `artifact_digest` is the model's
    the margins in force   of the card's tier or a stricter one, and no trial of seconds
    one word               every verdict is the one that its rows give

Decision: a report is made where the model is made (`aichung bias NAME --folder F`), so it is a claim until a reviewer
has made it again: it holds the digests of model, data and word lists, and stands on the card as inherited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.artifact import Artifact
from models.errors import IntegrityError, InvalidInputError
from models.scores.groups import Verdict, overall
from pipelines.bias.document import SCHEMA, card_value, require_report
from pipelines.bias.margins import VERSION
from pipelines.bias.page import render_page
from registry.canonical import digest

MOST_BYTES: Final = 2 << 20
PART: Final = "/bias"


def read_report(content: bytes, artifact: Artifact, tier: str) -> dict[str, Any]:
    """The report of this artefact for that tier. Raises InvalidInputError (422) naming what is wrong with it."""
    report = _parsed(content)
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise _refused("wrong-document", "Tệp không phải bias.json.", "The file is no bias.json.")
    try:
        require_report(report, artifact)
    except IntegrityError as error:
        vi, en = "Báo cáo thiên lệch nói về các byte khác.", "The bias report is about other bytes."
        raise _refused("evidence-mismatch", vi, en, artifact_digest=artifact.digest) from error
    _require_form(report, artifact)
    if report["run"].get("quick") or report["margins"] != VERSION or report["tier"] < tier:
        raise _refused(
            "bias-margins",
            f"Báo cáo phải chạy đầy đủ, theo ngưỡng {VERSION} của mức {tier} hoặc chặt hơn.",
            f"The report must be a full run under margins {VERSION} of tier {tier} or stricter.",
        )
    return report


def bias_field(report: Mapping[str, Any], artifact: Artifact, source: str) -> dict[str, Any]:
    """What the card says of a report (GOVERNANCE 2.3, H1). Raises IntegrityError for one of another artefact."""
    require_report(report, artifact)
    return {
        "value": card_value(report), "source": source, "by": f"aichung bias {artifact.name}", "at": report["run"]["at"],
        "evidence": [digest(report)],
    }  # fmt: skip


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return None


def _no_number(text: str) -> float:
    raise ValueError(text)


def _require_form(report: Mapping[str, Any], artifact: Artifact) -> None:
    """Raise InvalidInputError unless the page, the card and the verdicts can be made of it."""
    try:
        for language in ("vi", "en"):
            render_page(report, language)
        card, run = card_value(report), report["run"]
        named = {"name": artifact.name, "version": artifact.version, "kind": artifact.kind}
        texts = (run["at"], report["tier"], report["margins"], report["family"])
        sound = _consistent(report) and all(isinstance(text, str) for text in texts)
        sound = sound and named.items() <= report["model"].items() and bool(card["digest"])
    except Exception as error:  # a page of foreign data fails in many ways, and each means the same
        raise _malformed() from error
    if not sound:
        raise _malformed()


def _consistent(report: Mapping[str, Any]) -> bool:
    """Whether each verdict is the one that stands below it: rows, figures, axes, report."""
    by_axis: dict[str, str] = {}
    for axis in report["axes"]:
        counted = [measure for measure in axis["measures"] if measure["confirmatory"]]
        if any(measure["verdict"] != _overall(row[9] for row in measure["rows"]) for measure in counted):
            return False
        if counted:
            by_axis[axis["id"]] = _overall(measure["verdict"] for measure in counted)
        if axis["verdict"] != by_axis.get(axis["id"]):
            return False
    whole = _overall(by_axis.values())
    return bool(by_axis) and by_axis == report["verdict_by_axis"] and whole == report["verdict"]


def _overall(verdicts: Iterable[str]) -> str:
    words: Sequence[Verdict] = [Verdict(verdict) for verdict in verdicts]
    return overall(words).value


def _malformed() -> InvalidInputError:
    vi, en = "bias.json thiếu mục hoặc kết luận không khớp số liệu.", "bias.json lacks parts or contradicts itself."
    return _refused("wrong-document", vi, en)


def _refused(code: str, vi: str, en: str, **facts: str) -> InvalidInputError:
    found = InvalidInputError.at(PART, vi, en, code=code)
    found.facts.update(facts)
    return found
