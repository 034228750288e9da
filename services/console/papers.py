"""A version's papers as files, for who is signed in: each is sent only when it is the one that was registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.artifact import open_artifact
from models.errors import IntegrityError, Note, NotFoundError
from pipelines.bias.page import render_page as render_bias
from registry import cards
from registry.canonical import digest, read_document
from registry.entries import Entry
from registry.evidence import ARTIFACT, BIAS
from registry.exports import cyclonedx
from registry.packets import Packets
from registry.paper import render_pdf
from services.documents import card_of, evaluation_of
from services.endpoints import JSON, Reply
from services.markup import HTML, SAFE
from services.problems import Language

MARKDOWN: Final = b"text/markdown; charset=utf-8"
PDF: Final = b"application/pdf"
ZIP: Final = b"application/zip"
CYCLONEDX: Final = b"application/vnd.cyclonedx+json"
LABELS: Final[Mapping[str, Note]] = {
    "card.pdf": Note("Thẻ mô hình để in (PDF)", "Model card to print (PDF)"),
    "card.html": Note("Thẻ mô hình (HTML)", "Model card (HTML)"),
    "card.md": Note("Thẻ mô hình (Markdown)", "Model card (Markdown)"),
    "card.json": Note("Thẻ mô hình (JSON)", "Model card (JSON)"),
    "card.cdx.json": Note("Thẻ mô hình (CycloneDX 1.7)", "Model card (CycloneDX 1.7)"),
    "evaluation.json": Note("Hồ sơ đánh giá (JSON)", "Evaluation record (JSON)"),
    "bias.html": Note("Báo cáo thiên lệch có hình (HTML)", "Bias report with pictures (HTML)"),
    "bias.json": Note("Báo cáo thiên lệch (JSON)", "Bias report (JSON)"),
}


def offered(entry: Entry) -> list[tuple[str, Note]]:
    """The papers that a version has, each with its name."""
    missing = set() if (Path(entry.folder) / BIAS).exists() else {"bias.html", "bias.json"}
    return [(word, label) for word, label in LABELS.items() if word not in missing]


def paper(entry: Entry, word: str, language: Language) -> Reply:
    """One paper; the bias report's page is in the reader's language.

    Raises NotFoundError, IntegrityError when it is not the one that was registered.
    """
    make = PAPERS.get(word)
    if make is None:
        raise _nothing()
    body, media = make(entry, language)
    shown = SAFE if media == HTML else ((b"content-disposition", _name(entry, word)),)
    return Reply(body, headers=shown, media_type=media)


def bundle(packets: Packets, entry: Entry, tenant: str | None) -> Reply:
    """The signed evidence bundle; `tenant` holds the ledger's records to an organisation. Raises IntegrityError."""
    named = (b"content-disposition", _name(entry, "evidence.zip"))
    return Reply(packets.bundle(entry, tenant), headers=(named,), media_type=ZIP)


def bias_of(entry: Entry) -> dict[str, Any] | None:
    """The bias report beside the card, None where there is none. Raises IntegrityError when it was altered."""
    path = Path(entry.folder) / BIAS
    if not path.exists():
        return None
    report = read_document(path)
    if digest(report) != entry.digests.bias_report:
        raise IntegrityError(
            f"Báo cáo thiên lệch của {entry.reference} khác bản đã đăng ký.",
            f"The bias report of {entry.reference} is not what was registered.",
            code="evidence-altered",
        )
    return report


def _bias(entry: Entry, language: Language) -> tuple[Any, bytes]:
    report = bias_of(entry)
    if report is None:
        raise _nothing()
    return report, JSON


def _bias_page(entry: Entry, language: Language) -> tuple[Any, bytes]:
    report, _ = _bias(entry, language)
    return render_bias(report, language).encode(), HTML


def _cyclonedx(entry: Entry, language: Language) -> tuple[Any, bytes]:
    artifact = open_artifact(Path(entry.folder) / ARTIFACT)
    return cyclonedx(card_of(entry), artifact, asdict(entry.digests)), CYCLONEDX


PAPERS: Final[Mapping[str, Callable[[Entry, Language], tuple[Any, bytes]]]] = {
    "card.pdf": lambda entry, _: (render_pdf(card_of(entry)), PDF),
    "card.html": lambda entry, _: (cards.render_page(card_of(entry)), HTML),
    "card.md": lambda entry, _: (cards.render_markdown(card_of(entry)).encode(), MARKDOWN),
    "card.json": lambda entry, _: (card_of(entry), JSON),
    "card.cdx.json": _cyclonedx,
    "evaluation.json": lambda entry, _: (evaluation_of(entry), JSON),
    "bias.html": _bias_page,
    "bias.json": _bias,
}


def _name(entry: Entry, word: str) -> bytes:
    return f'attachment; filename="{entry.name}-{entry.version}-{word}"'.encode("ascii", "replace")


def _nothing() -> NotFoundError:
    return NotFoundError("Phiên bản này không có hồ sơ đó.", "This version has no such paper.")
