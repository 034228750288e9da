"""News topics: accuracy and documents a second on the held-back tenth of VNTC, beside peers where installed.

    AICHUNG_DATA_MIRROR=… OMP_NUM_THREADS=1 python -m tests.bench.bench_topic [--rounds 5] [--sample 500] [--skip-peers]

Ours is the bundled model. Peers: scikit-learn's TF-IDF (1–2 words) with LinearSVC, trained here on the same nine
tenths, and underthesea's `classify` with its own weights, which have seen VNTC train: its accuracy on this part is no
generalisation; its speed, on a sample, is comparable. Peers are no dependency of serving; absent ones are named.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from models.artifact import open_artifact
from models.catalog import open_model
from models.scores.text import accuracy, macro_f1
from models.values import Document, TextOptions
from pipelines.datasets import Datasets
from pipelines.leakage import without_overlap
from pipelines.training import news

BUNDLED = Path(__file__).resolve().parents[2] / "registry" / "bundled" / "vi-topic"
Answer = Callable[[Sequence[str]], list[str]]


def ours(folder: Path) -> Answer:
    model = open_model(open_artifact(folder))

    def answer(texts: Sequence[str]) -> list[str]:
        found = []
        for start in range(0, len(texts), 64):
            batch = [Document("", text) for text in texts[start : start + 64]]
            found += [output.labels[0][0] for output in model.predict(batch, TextOptions())]
        return found

    return answer


def tfidf_svc(training: Sequence[news.Article]) -> Answer:
    text, svm = importlib.import_module("sklearn.feature_extraction.text"), importlib.import_module("sklearn.svm")
    vectors = text.TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    matrix = vectors.fit_transform([a.text for a in training])
    model = svm.LinearSVC(C=1.0).fit(matrix, [a.label for a in training])
    return lambda texts: model.predict(vectors.transform(texts)).tolist()


def underthesea() -> Answer:
    classify = importlib.import_module("underthesea").classify
    return lambda texts: [(classify(text) or [""])[0] for text in texts]


def row(name: str, answer: Answer, gold: list[str], texts: list[str], rounds: int, folded: bool = False) -> float:
    """Print accuracy and speed (median of the rounds); returns the speed."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        said = answer(texts)
        took.append(time.perf_counter() - started)
    if folded:
        gold, said = [fold(g) for g in gold], [fold(s) for s in said]
    speed = len(texts) / median(took)
    figures = f"accuracy {accuracy(gold, said):.4f}  macro F1 {macro_f1(gold, said):.4f}"
    print(f"{name:<28} {figures}  {speed:>9,.0f} documents/s  n={len(texts)}", flush=True)
    return speed


def fold(label: str) -> str:
    """Labels of other tools in one spelling: `vi_tinh`, `Vi tinh`."""
    return label.lower().replace("_", " ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=500, help="documents for slow peers")
    parser.add_argument("--folder", type=Path, default=max(BUNDLED.glob("*/artifact"), default=BUNDLED))
    parser.add_argument("--skip-peers", action="store_true")
    asked = parser.parse_args()
    mirror = os.environ.get("AICHUNG_DATA_MIRROR")
    if not mirror:
        print("AICHUNG_DATA_MIRROR is not set: VNTC is needed", file=sys.stderr)
        return 1
    everything = news.articles(Datasets(Path(mirror)))
    held = [a for a in everything if a.held_back]
    gold, texts = [a.label for a in held], [a.text for a in held]
    print(f"{sum(len(text.split()) for text in texts) / len(texts):.0f} syllables a document")
    speed = row("vi-topic", ours(asked.folder), gold, texts, asked.rounds)
    for name in () if asked.skip_peers else ("sklearn", "underthesea"):
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        if name == "sklearn":
            rest = [a for a in everything if not a.held_back]
            kept, _ = without_overlap([a.text for a in rest], texts)
            peer = row("sklearn TF-IDF + LinearSVC", tfidf_svc([rest[i] for i in kept]), gold, texts, 1)
        else:
            few = slice(0, asked.sample)
            try:
                peer = row("underthesea (saw this text)", underthesea(), gold[few], texts[few], 1, folded=True)
            except OSError:
                print("underthesea: its weights are not on this machine and could not be fetched")
                continue
        print(f"ratio of speed to {name}: {speed / peer:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
