"""From the files of an upload to the files of an artefact: which is the model, what stands beside it, what it is.

Three ways in, told apart by what lies there:

    a sealed artefact     manifest.json (`artifact/1`) of a kind that the platform knows, as `aichung train` writes it
    an MLflow model       MLmodel with one .onnx or .skops file that it names
    one model             a .onnx or .skops file, or a .safetensors file whose layers config.json names, and at most
                          config.json, vocabulary.json, samples.json beside it

`evaluation.json` and `card.json` may stand beside each; they are read as claims and never become part of the artefact.

Decision: an MLmodel file is read with a parser of our own for two things, where the weights are and whether code is to
be loaded. MLflow would import what `loader_module` names and run what lies in `code`; a model that asks for either is
refused, whatever else it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import yaml
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from models.artifact import NAME, SAFE_SUFFIXES, SCHEMA, VERSION
from models.catalog import KINDS
from models.errors import IntegrityError, InvalidInputError
from models.onnx.graph import read_graph
from pipelines.registration.archive import Members
from pipelines.registration.conversion import Converted, from_skops
from pipelines.registration.formats import Form, form_of, parsed_json, refused, shown, unsafe

MANIFEST: Final = "manifest.json"
MLMODEL: Final = "MLmodel"
MODEL: Final = "model.onnx"
WEIGHTS: Final = "weights.safetensors"
CONFIG, EVALUATION, CARD = "config.json", "evaluation.json", "card.json"
BESIDE: Final = frozenset({CONFIG, EVALUATION, CARD, "vocabulary.json", "samples.json"})
PAPERS: Final = frozenset(
    {
        MLMODEL, "conda.yaml", "python_env.yaml", "requirements.txt", "input_example.json",
        "serving_input_example.json", "registered_model_meta",
    }
)  # fmt: skip
"""What MLflow lays beside a model; none of it is used."""

LOADERS: Final = frozenset({"mlflow.onnx", "mlflow.sklearn"})
"""Loaders that are named in every MLmodel of these flavours; we load none of them."""

MLMODEL_BYTES: Final = 256 << 10
TENSOR: Final = "onnx.tensor/1"
TEXT: Final = "onnx.text-classify/1"
LAYERS: Final = "safetensors.layers/1"
OPEN_KINDS: Final = ("onnx.", "safetensors.")
"""Kinds that any engineer's model may be; the others are made by our own pipelines only."""

PLACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")


@dataclass(frozen=True, slots=True)
class Assembled:
    """The files of an artefact by path, what it is, and what was claimed beside it.

    `manifest` is the manifest of an artefact that came sealed, None for one that is to be sealed.
    """

    files: Mapping[str, bytes]
    kind: str
    config: Mapping[str, Any]
    manifest: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    card: Mapping[str, Any] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def assemble(members: Members, stated: Mapping[str, Any]) -> Assembled:
    """Judge every file and put the artefact together; `stated` is the card's word on kind and configuration.

    Raises InvalidInputError with the reason.
    """
    members = _without_folder(members)
    if MLMODEL in members:
        members = _of_mlflow(members)
    forms = {name: form_of(data, name) for name, data in members.items()}
    beside = {name: _document(members[name]) for name in (EVALUATION, CARD) if name in members}
    claims = {name: beside.get(name) for name in (EVALUATION, CARD)}
    sealed = next((top for top in ("", "artifact/") if top + MANIFEST in members), None)
    if sealed is not None:
        return _sealed(members, forms, sealed, claims)
    return _one_model(members, forms, stated, claims)


def _without_folder(members: Members) -> Members:
    """The members without the one folder that holds them all."""
    tops = {name.partition("/")[0] for name in members if "/" in name}
    if len(tops) == 1 and all("/" in name for name in members) and tops != {"artifact"}:
        return {name.partition("/")[2]: data for name, data in members.items()}
    return members


# --- sealed -------------------------------------------------------------------------------------------------


def _sealed(
    members: Members, forms: Mapping[str, Form], top: str, claims: Mapping[str, Mapping[str, Any] | None]
) -> Assembled:
    manifest = _document(members[top + MANIFEST])
    files = {
        name.removeprefix(top): data
        for name, data in members.items()
        if name.startswith(top) and name.removeprefix(top) not in (MANIFEST, EVALUATION, CARD)
    }
    strangers = [name for name in members if not name.startswith(top) and name not in (EVALUATION, CARD)]
    if strangers:
        raise unexpected(strangers[0])
    listed = manifest.get("files")
    words = [str(manifest.get(word)) for word in ("name", "version", "kind")]
    fits = manifest.get("schema") == SCHEMA and isinstance(listed, dict) and isinstance(manifest.get("config"), dict)
    if not fits or not NAME.fullmatch(words[0]) or not VERSION.fullmatch(words[1]) or words[2] not in KINDS:
        raise _bad_manifest("schema, name, version, kind, files, config")
    if not isinstance(listed, dict) or set(listed) != set(files):
        raise _bad_manifest("files")
    for name, data in files.items():
        entry = listed[name]
        if not isinstance(entry, dict) or entry.get("sha256") != sha256(data).hexdigest():
            raise _bad_manifest("sha256")
        _judged(data, forms[top + name], name)
    return Assembled(files, words[2], manifest["config"], manifest, claims[EVALUATION], claims[CARD])


def _bad_manifest(rule: str) -> InvalidInputError:
    return refused(
        "manifest-mismatch", f"Bản kê manifest.json không hợp lệ hoặc không khớp các tệp ({rule}).",
        f"manifest.json is malformed or does not match the files ({rule}).",
    )  # fmt: skip


# --- one model ----------------------------------------------------------------------------------------------


def _one_model(
    members: Members,
    forms: Mapping[str, Form],
    stated: Mapping[str, Any],
    claims: Mapping[str, Mapping[str, Any] | None],
) -> Assembled:
    weights = [name for name, form in forms.items() if form in ("onnx", "skops", "safetensors")]
    if len(weights) != 1:
        vi, en = "Cần đúng một tệp mô hình (.onnx, .skops hoặc .safetensors).", "Exactly one file of a model is needed."
        raise refused("no-model" if not weights else "many-models", vi, en)
    strangers = [name for name in members if name not in (weights[0], *BESIDE)]
    if strangers:
        raise unexpected(strangers[0])
    config = {**(_document(members[CONFIG]) if CONFIG in members else {}), **stated}
    place, made = _weights(members[weights[0]], forms[weights[0]])
    files = {place: made.graph}
    files |= {name: members[name] for name in ("vocabulary.json", "samples.json") if name in members}
    kind = str(config.pop("kind", None) or (TEXT if "vocabulary.json" in members else made.kind))
    if kind not in KINDS or not kind.startswith(OPEN_KINDS) or (kind == LAYERS) != (place == WEIGHTS):
        allowed = ", ".join(sorted(one for one in KINDS if one.startswith(OPEN_KINDS)))
        raise refused("unknown-kind", f"kind phải là một trong: {allowed}.", f"kind must be one of: {allowed}.")
    own = made.config if kind == made.kind else {}
    return Assembled(files, kind, {**own, **config}, None, claims[EVALUATION], claims[CARD], made.notes)


def _weights(data: bytes, form: Form) -> tuple[str, Converted]:
    """Where the model lies in the artefact, and the model: an audited graph, or tensors. Raises InvalidInputError."""
    if form == "safetensors":
        return WEIGHTS, Converted(data, LAYERS, {}, _judged(data, form, WEIGHTS))
    made = from_skops(data) if form == "skops" else Converted(data, TENSOR)
    facts = _judged(made.graph, "onnx", MODEL)
    return MODEL, Converted(made.graph, made.kind, made.config, {**made.notes, **facts})


def _judged(data: bytes, form: Form, name: str) -> dict[str, Any]:
    """Look into a file as the serving process will. Raises InvalidInputError."""
    suffix = "." + name.rpartition(".")[2]
    if suffix not in SAFE_SUFFIXES or not PLACE.fullmatch(name):
        raise unexpected(name)
    if form == "safetensors":
        try:
            tensors = load_tensors(data)
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise refused("safetensors-damaged", "Tệp safetensors bị hỏng.", "The safetensors are damaged.") from error
        return {"parameters": sum(tensor.size for tensor in tensors.values())}
    if form == "onnx":
        try:
            graph = read_graph(data)
        except IntegrityError as error:
            raise refused(error.word, error.note.vi, error.note.en) from error
        return {"parameters": graph.parameters, "operators": sorted(graph.operators), "loops": graph.loops}
    return {}


# --- MLflow -------------------------------------------------------------------------------------------------


def _of_mlflow(members: Members) -> Members:
    """The model's own file of an MLflow model, and what may stand beside it. Raises InvalidInputError."""
    flavors = _flavors(members[MLMODEL])
    for name, flavor in flavors.items():
        if not isinstance(flavor, Mapping):
            raise unsafe(MLMODEL, "mlmodel", "bản mô tả MLflow không hợp lệ", "a malformed MLflow description")
        loader = flavor.get("loader_module")
        if flavor.get("code") or (name == "python_function" and loader not in LOADERS):
            raise _code(str(loader))
    if any(name.startswith("code/") or name.endswith((".py", ".pyc", ".so")) for name in members):
        raise _code("code/")
    onnx, sklearn = flavors.get("onnx", {}), flavors.get("sklearn", {})
    place = str(onnx.get("data") or sklearn.get("pickled_model") or sklearn.get("model_path") or "")
    if place not in members:
        vi = "Mô hình MLflow này không phải ONNX hay skops; hãy ghi bằng mlflow.onnx.log_model."
        raise refused("unsafe-format", vi, "This MLflow model is neither ONNX nor skops; log it with mlflow.onnx.")
    kept = {name: data for name, data in members.items() if name not in PAPERS}
    kept[place.rpartition("/")[2]] = kept.pop(place)
    return kept


def _flavors(data: bytes) -> Mapping[str, Any]:
    try:
        if len(data) > MLMODEL_BYTES:
            raise ValueError("too large")
        document = yaml.load(data.decode("utf-8"), yaml.CSafeLoader)  # the safe loader, in C
    except (ValueError, yaml.YAMLError) as error:
        raise unsafe(MLMODEL, "mlmodel", "bản mô tả MLflow không hợp lệ", "a malformed MLflow description") from error
    flavors = document.get("flavors") if isinstance(document, Mapping) else None
    if not isinstance(flavors, Mapping):
        raise unsafe(MLMODEL, "mlmodel", "bản mô tả MLflow không hợp lệ", "a malformed MLflow description")
    return flavors


def _code(what: str) -> InvalidInputError:
    return refused(
        "model-code", f"Mô hình MLflow đòi nạp mã ({shown(what)}); nền tảng không nạp mã của mô hình.",
        f"The MLflow model wants code to be loaded ({shown(what)}); the platform loads no model's code.",
    )  # fmt: skip


# --- parts --------------------------------------------------------------------------------------------------


def _document(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidInputError."""
    found = parsed_json(data)
    if not isinstance(found, dict) or json.dumps(found).count("\\ud8") > 0:
        raise refused("wrong-document", "Tệp JSON đi kèm phải là một đối tượng.", "JSON files beside are objects.")
    return found


def unexpected(name: str) -> InvalidInputError:
    """The refusal of a file that is no part of a model."""
    allowed = ", ".join(sorted(BESIDE))
    return refused(
        "unexpected-file", f"Gói có tệp thừa {shown(name)}; bên cạnh mô hình chỉ nhận: {allowed}.",
        f"The archive holds {shown(name)}; beside the model it may hold: {allowed}.",
    )  # fmt: skip
