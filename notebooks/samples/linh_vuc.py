"""A small classifier as an engineer would train one: logged with the standard mlflow client, kept as .skops.

MLFLOW_TRACKING_URI=… MLFLOW_TRACKING_TOKEN=… python3 notebooks/samples/linh_vuc.py FOLDER      prints the model_uri
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline

DATA = Path(__file__).with_name("linh_vuc.csv")
SEED = 7
TRAIN, TEST = "huan-luyen", "thu"
Part = tuple[list[str], list[str]]


def read(part: str, every: int = 1) -> Part:
    """Texts and labels of one part of the file, or of each n-th row; the parts share no subject."""
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["phan"] == part][::every]
    return [row["van_ban"] for row in rows], [row["linh_vuc"] for row in rows]


def train(every: int = 1) -> Pipeline:
    """Words and pairs of words, then logistic regression. Word pattern and weights are those that ONNX knows too."""
    words = TfidfVectorizer(token_pattern=r"[^\s]+", ngram_range=(1, 2))  # noqa: S106
    return make_pipeline(words, LogisticRegression(C=10.0, random_state=SEED)).fit(*read(TRAIN, every))


def digest(part: str, every: int = 1) -> str:
    """The digest of a part's rows."""
    return "sha256:" + hashlib.sha256(json.dumps(read(part, every), ensure_ascii=False).encode()).hexdigest()


def without_marks(text: str) -> str:
    """The text as it is typed without diacritics."""
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def evaluate(model: Pipeline, every: int = 1) -> dict[str, Any]:
    """The evaluation record: figures with n, interval and the data's digest, beside a baseline."""
    texts, labels = read(TEST)
    common = max(set(read(TRAIN)[1]), key=read(TRAIN)[1].count)
    slices = {"all": texts, "no-diacritics": [without_marks(text) for text in texts]}
    metrics = [_figure(labels, list(model.predict(given)), name) for name, given in slices.items()]
    baseline = {**_figure(labels, [common] * len(labels), "all"), "baseline": "majority class"}
    parts = (("training", TRAIN, every), ("evaluation", TEST, 1))
    datasets = [
        {"id": f"{DATA.name}#{part}" + (f"/{step}" if step > 1 else ""), "role": role, "digest": digest(part, step),
         "title": "Câu minh họa", "licence": "CC0-1.0"}
        for role, part, step in parts
    ]  # fmt: skip
    overlap = {"compared": "whole texts", "found": len(set(texts) & set(read(TRAIN)[0])), "removed": 0}
    return {"metrics": metrics, "baselines": [baseline], "datasets": datasets, "overlap_removed": overlap}


def _figure(labels: Sequence[str], said: Sequence[str], name: str) -> dict[str, Any]:
    """Macro F1 with a bootstrap interval."""
    truth, given = np.array(labels), np.array(said)
    draws = np.random.default_rng(SEED).integers(0, len(truth), (500, len(truth)))
    spread = [f1_score(truth[rows], given[rows], average="macro", zero_division=0) for rows in draws]
    low, high = np.percentile(spread, [2.5, 97.5])
    return {
        "name": "macro_f1", "value": round(float(f1_score(truth, given, average="macro", zero_division=0)), 4),
        "n": len(truth), "ci95": [round(float(low), 4), round(float(high), 4)], "slice": name,
        "dataset": f"{DATA.name}#{TEST}", "dataset_digest": digest(TEST), "baseline": None,
    }  # fmt: skip


def write(model: Pipeline, record: dict[str, Any], folder: Path) -> Path:
    """Lay model and record down; the same two files as one archive."""
    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, folder / "model.skops")
    (folder / "evaluation.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
    return archive


def log(model: Pipeline, record: dict[str, Any], folder: Path) -> str:
    """One run with the standard client; its model_uri."""
    mlflow.set_experiment("linh-vuc")
    with mlflow.start_run() as run:
        mlflow.log_params({"C": model[-1].C, "ngram_range": "1-2", "seed": SEED})
        mlflow.log_metric("macro_f1", record["metrics"][0]["value"])
        mlflow.log_artifacts(str(folder), "model")
    return f"runs:/{run.info.run_id}/model"


def main() -> None:
    """Train, measure, write, log."""
    folder = Path(sys.argv[1])
    model = train()
    record = evaluate(model)
    write(model, record, folder)
    print(log(model, record, folder))


if __name__ == "__main__":
    main()
