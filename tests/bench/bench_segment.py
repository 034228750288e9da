"""Word segmentation: F1 on UD-VTB test and syllables a second, beside pyvi and underthesea where they are installed.

    AICHUNG_DATA_MIRROR=… python -m tests.bench.bench_segment [--rounds 5]

All read the same texts in the same process, one after the other; ours is the bundled model. Peers are no dependency of
serving; those that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

from models.artifact import open_artifact
from models.catalog import open_model
from models.scores.text import bootstrap, f1, span_counts, word_spans
from models.values import Document, TextOptions
from pipelines.datasets import Datasets
from pipelines.training.gold import treebank

BUNDLED = Path(__file__).resolve().parents[2] / "registry" / "bundled" / "vi-segment"
TEST = "nlp/ud_vi_vtb/vi_vtb-ud-test.conllu"
Splitter = Callable[[list[str]], list[list[str]]]


def ours(folder: Path) -> tuple[Splitter, Splitter]:
    """Cut texts into words, and only answer (what is timed: spans, as the API's door takes them)."""
    model = open_model(open_artifact(folder))

    def answer(texts):
        return model.predict([Document("", text) for text in texts], TextOptions())

    def split(texts):
        return [[text[a:b] for a, b in found.tokens] for text, found in zip(texts, answer(texts), strict=True)]

    return split, answer


def peers() -> dict[str, Splitter]:
    found: dict[str, Splitter] = {}
    for name in ("pyvi", "underthesea"):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed: left out")
    if importlib.util.find_spec("pyvi"):
        tokenizer = importlib.import_module("pyvi.ViTokenizer").ViTokenizer
        found["pyvi"] = lambda texts: [tokenizer.tokenize(text).split() for text in texts]
    if importlib.util.find_spec("underthesea"):
        tokenize = importlib.import_module("underthesea").word_tokenize
        found["underthesea"] = lambda texts: [tokenize(text) for text in texts]
    return found


def speed(split: Splitter, texts: list[str], rounds: int) -> float:
    """Syllables a second of CPU time, the middle of some rounds: what else runs on the machine does not show."""
    syllables, seconds = sum(len(text.split()) for text in texts), []
    for _ in range(rounds):
        started = time.process_time()
        split(texts)
        seconds.append(time.process_time() - started)
    return syllables / median(seconds)


def alone(split: Splitter, texts: list[str]) -> list[float]:
    """Milliseconds of one call a text, sorted."""
    seconds = []
    for text in texts:
        started = time.perf_counter()
        split([text])
        seconds.append(1000 * (time.perf_counter() - started))
    return sorted(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--artifact", type=Path, help="another artefact than the bundled one")
    asked = parser.parse_args()
    mirror = os.environ.get("AICHUNG_DATA_MIRROR")
    if not mirror:
        print("AICHUNG_DATA_MIRROR is not set: UD-VTB test is needed", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")
    sentences = treebank(Datasets(Path(mirror)).lines(TEST))
    texts = [" ".join(words) for words in sentences]
    gold = [word_spans(words) for words in sentences]
    split, answer = ours(asked.artifact or sorted(BUNDLED.glob("*/artifact"))[-1])
    base = 0.0
    for name, cut, timed, rounds in [
        ("vi-segment", split, answer, asked.rounds),
        *((name, peer, peer, 1) for name, peer in peers().items()),
    ]:
        counts = span_counts(gold, [word_spans(words) for words in cut(texts)])
        low, high = bootstrap(counts, f1)
        rate = speed(timed, texts, rounds)
        base = base or rate
        print(
            f"{name:12} word F1 {100 * float(f1(counts.sum(0))):6.2f} [{100 * low:.2f}, {100 * high:.2f}]   "
            f"{rate:12,.0f} syllables/CPU s   1 : {base / rate:.1f}"
        )
    times = alone(answer, texts)
    print(f"vi-segment, one sentence a call: p50 {median(times):.3f} ms, p99 {times[int(0.99 * len(times))]:.3f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
