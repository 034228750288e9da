"""Diacritics: syllable accuracy and time a sentence on held-back news and law, beside peers where installed.

    AICHUNG_DATA_MIRROR=… OMP_NUM_THREADS=1 python -m tests.bench.bench_diacritics [--sample 3000] [--peer-sample 300]

Ours is the bundled model; sentences are cut and stripped by the rule of the acceptance scorer, one a document.
Peer: underthesea's restorer where the installed version has one (`underthesea.diacritics`); its training data may hold
these texts. Baselines: text left as typed, and each syllable by its most frequent form.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

from models.artifact import open_artifact
from models.catalog import open_model
from models.scores.text import syllable_accuracy
from models.text.script import strip_diacritics
from models.values import Document, TextOptions
from pipelines.datasets import Datasets
from pipelines.training import corpus
from pipelines.training.diacritics import most_frequent

BUNDLED = Path(__file__).resolve().parents[2] / "registry" / "bundled" / "vi-diacritics"
Restore = Callable[[str], str]


def ours(folder: Path) -> Restore:
    model = open_model(open_artifact(folder))

    def restore(text: str) -> str:
        (output,) = model.predict([Document("", text)], TextOptions())
        return output.text

    return restore


def underthesea() -> Restore | None:
    """The peer's restorer, or None: not every version has one."""
    if importlib.util.find_spec("underthesea") is None:
        return None
    package = importlib.import_module("underthesea")
    for name in ("diacritics", "restore_diacritics", "add_diacritics"):
        found = getattr(package, name, None)
        if callable(found):
            return found
    return None


def row(name: str, restore: Restore, gold: list[str]) -> float:
    """Print accuracy and milliseconds of single-sentence calls; returns the median."""
    bare = [strip_diacritics(text) for text in gold]
    for text in bare[:20]:
        restore(text)
    said, took = [], []
    for text in bare:
        started = time.perf_counter()
        said.append(restore(text))
        took.append(1000 * (time.perf_counter() - started))
    cuts = quantiles(took, n=100)
    print(f"{name:<28} syllable accuracy {syllable_accuracy(gold, said):.4f}  ms a sentence: median {cuts[49]:.3f}, "
          f"p99 {cuts[98]:.3f}  n={len(gold)}", flush=True)  # fmt: skip
    return cuts[49]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=3000)
    parser.add_argument("--peer-sample", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=max(BUNDLED.glob("*/artifact"), default=BUNDLED))
    asked = parser.parse_args()
    mirror = os.environ.get("AICHUNG_DATA_MIRROR")
    if not mirror:
        print("AICHUNG_DATA_MIRROR is not set: VNTC and the law are needed", file=sys.stderr)
        return 1
    texts = corpus.read(Datasets(Path(mirror)), law_share=4, wiki_share=8, quick=False)
    restore, frequent, peer = ours(asked.folder), most_frequent(texts.training[::16]), underthesea()
    for name, held in (("news", texts.news_held_back), ("law", texts.law_held_back)):
        gold = corpus.sentences(held, 42, asked.sample)
        print(f"# {name}: {sum(len(text.split()) for text in gold) / len(gold):.1f} syllables a sentence")
        row("left as typed", str, gold)
        row("most frequent form", frequent, gold)
        time_ours = row("vi-diacritics", restore, gold)
        if peer is None:
            print("underthesea: not installed, or without a restorer")
        else:
            print(f"ratio of time: {row('underthesea', peer, gold[: asked.peer_sample]) / time_ours:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
