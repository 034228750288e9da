"""The card of a trained model: what people wrote, the facts of the run over it, and the lint that lets it pass.

Decision: a model without a complete card is not published at all, so a gap shows while the trainer still sits in front
of it. The human part is `model_cards/<name>/card.yaml`; the rendered card beside it is written from the card as
published, never by hand. The bias report stands as `not_evaluated` on a card until `aichung bias NAME` has put one
beside it (`bias.json`); from then on every card of that artefact names its digest and its verdicts.

Decision: a judgement is put right without training again (`rewrite_card`, `aichung train NAME --card-only`). Every fact
of the run stays as recorded; the card gets another digest, so that whatever approved the old one no longer holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.artifact import Artifact
from models.errors import Fault, InvalidInputError, NotFoundError
from pipelines.bias.filing import bias_field
from pipelines.provenance import ROOT
from pipelines.recipes import Trained
from registry.canonical import digest, read_document
from registry.cards import assemble, lint, render_markdown, value_of
from registry.evidence import BIAS, read_evidence

CARDS = ROOT / "model_cards"
HUMAN = "card.yaml"
CARD = "card.json"
RENDERED = "card.md"


@dataclass(frozen=True, slots=True)
class Card:
    """A card that passed its lint; `tier` is the computed control tier, `remarks` the findings that do not block."""

    name: str
    document: Mapping[str, Any]
    digest: str
    tier: str
    remarks: tuple[str, ...]

    def show(self, cards: Path) -> Path:
        """Write the rendered card beside its human part."""
        path = cards / self.name / RENDERED
        path.write_text(render_markdown(self.document), encoding="utf-8")
        return path


def human_part(name: str, cards: Path = CARDS) -> dict[str, Any]:
    """What people wrote about a model. Raises NotFoundError when nobody did, InvalidInputError for bad YAML."""
    path = cards / name / HUMAN
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFoundError(
            f"Chưa có phần do người viết của hồ sơ: model_cards/{name}/{HUMAN}.",
            f"The human part of the card is missing: model_cards/{name}/{HUMAN}.",
        ) from error
    except yaml.YAMLError as error:
        raise _unreadable(name) from error
    if not isinstance(document, dict):
        raise _unreadable(name)
    return document


def require_human_part(name: str, licence: str, cards: Path) -> None:
    """Before the work starts: the human part is there and states the licence of the weights.

    Raises NotFoundError or InvalidInputError as `human_part`, and InvalidInputError for another licence.
    """
    stated = (human_part(name, cards).get("identity") or {}).get("licence")
    if stated != licence:
        raise InvalidInputError.at(
            "/identity/licence",
            f"Giấy phép trong model_cards/{name}/{HUMAN} khác giấy phép của công thức ({licence}).",
            f"The licence in model_cards/{name}/{HUMAN} is not the recipe's ({licence}).",
        )


def _unreadable(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"model_cards/{name}/{HUMAN} không phải YAML hợp lệ.", f"model_cards/{name}/{HUMAN} is not valid YAML."
    )


def card_of(
    artifact: Artifact, evaluation: Mapping[str, Any], trained: Trained, folder: Path, cards: Path, shelf: Path
) -> Card:
    """Assemble and lint the card of a sealed artefact and write it into `folder`.

    `shelf` holds the other published models, against whose cards shared text is found. Raises InvalidInputError with
    one fault for each blocking finding.
    """
    return _write(artifact, evaluation, trained.parameters, trained.notes, folder, cards, shelf)


def rewrite_card(name: str, shelf: Path, cards: Path = CARDS) -> Card:
    """The card of the newest published version of a model, with the human part as it stands now.

    Parameters and notes of the run are those of the standing card, which is held against artefact and evaluation first.
    Raises NotFoundError (nothing published, no human part), IntegrityError (altered), InvalidInputError as `card_of`.
    """
    folders = sorted((path.parent for path in shelf.glob(f"{name}/*/{CARD}")), key=_version)
    if not folders:
        raise NotFoundError(
            f"Chưa có mô hình {name} kèm thẻ trong {shelf}.", f"There is no model {name} with a card in {shelf}."
        )
    evidence = read_evidence(folders[-1])
    parameters = value_of(evidence.card, "training.hyperparameters") or {}
    notes = value_of(evidence.card, "data.preprocessing") or {}
    require_human_part(name, evidence.artifact.licence, cards)
    return _write(evidence.artifact, evidence.evaluation, parameters, notes, folders[-1], cards, shelf)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split("."))


def _write(
    artifact: Artifact,
    evaluation: Mapping[str, Any],
    parameters: Mapping[str, Any],
    notes: Mapping[str, Any],
    folder: Path,
    cards: Path,
    shelf: Path,
) -> Card:
    run = evaluation["run"]
    facts = {
        "run_id": run["id"], "by": f"aichung train {artifact.name}", "at": run["at"], "code_commit": run["code_commit"],
        "environment_digest": run["environment_digest"], "hardware": run["hardware"], "seconds": run["seconds"],
        "seed": run["seed"], "parameters": dict(parameters), "notes": dict(notes),
    }  # fmt: skip
    document = assemble(human_part(artifact.name, cards), facts, evaluation, evaluation["datasets"], artifact)
    if (folder / BIAS).exists():
        document["fairness"]["bias_report"] = bias_field(read_document(folder / BIAS), artifact, "auto")
    tier = str(value_of(document, "classification.control_tier"))
    findings = lint(document, tier, artifact_digest=artifact.digest, others=_others(shelf, artifact.name))
    faults = [Fault("/" + f.field.replace(".", "/"), f.vi, f.en) for f in findings if f.blocking]
    if faults:
        raise InvalidInputError(
            f"Hồ sơ của {artifact.name} chưa đạt mức {tier}: " + " ".join(fault.vi for fault in faults),
            f"The card of {artifact.name} does not pass tier {tier}: " + " ".join(fault.en for fault in faults),
            faults,
            code="card-refused",
        )
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    draft = folder.parent / f".{folder.name}.{CARD}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(folder / CARD)
    remarks = tuple(f"{finding.field}: {finding.vi}" for finding in findings)
    return Card(artifact.name, document, digest(document), tier, remarks)


def _others(shelf: Path, name: str) -> list[dict[str, Any]]:
    """Cards of the other models on the shelf."""
    return [read_document(path) for path in sorted(shelf.glob(f"*/*/{CARD}")) if path.parent.parent.name != name]
