"""The smallest real model and recipe: answers the commonest label of its training file."""

from collections import Counter

import numpy as np

from models.artifact import read_array
from models.contract import Model
from models.values import Document, Labels, TextOptions
from pipelines.leakage import without_overlap
from pipelines.recipes import Metric, Trained

TRAIN = "toy/set/train.tsv"
TEST = "toy/set/test.tsv"


class Majority(Model):
    tasks = ("topics",)

    def __init__(self, labels, counts):
        self.labels, self.counts = labels, counts

    @classmethod
    def open(cls, artifact):
        return cls(list(artifact.config["labels"]), read_array(artifact, "counts.npy"))

    def save(self, folder):
        np.save(folder / "counts.npy", self.counts)
        return {"labels": self.labels}

    def prepare(self, items, options):
        return len(items)

    def compute(self, prepared):
        return np.tile(self.counts / self.counts.sum(), (prepared, 1))

    def finish(self, computed):
        return [
            Labels(sorted(zip(self.labels, row.tolist(), strict=True), key=lambda p: -p[1]), False) for row in computed
        ]

    def samples(self):
        return [Document("1", "xin chào")], TextOptions()


def rows(data, id_):
    return [tuple(line.split("\t", 1)) for line in data.lines(id_)]


class MajorityRecipe:
    name = "vi-topic"
    version = "0.0.1"
    kind = "text.majority/1"
    licence = "MIT"
    training = (TRAIN,)
    evaluation = (TEST,)

    def train(self, data, *, threads, quick, log):
        kept, overlap = without_overlap([t for _, t in rows(data, TRAIN)], [t for _, t in rows(data, TEST)])
        labels = [rows(data, TRAIN)[i][0] for i in kept]
        counts = Counter(labels)
        names = sorted(counts)
        log(f"{len(labels)} rows")
        model = Majority(names, np.array([counts[name] for name in names], np.float64))
        return Trained(model, {"labels": len(names)}, seed=3, overlap={TEST: overlap})

    def evaluate(self, model, data, *, quick):
        documents = [Document(str(i), text) for i, (_, text) in enumerate(rows(data, TEST))]
        answers = model.predict(documents, TextOptions())
        right = [a.labels[0][0] == label for a, (label, _) in zip(answers, rows(data, TEST), strict=True)]
        first = sum(label == "a" for label, _ in rows(data, TEST)) / len(right)
        return [
            Metric("accuracy", sum(right) / len(right), len(right), TEST),
            Metric("accuracy", first, len(right), TEST, baseline="first label"),
            Metric("documents_per_second", 1000.0, len(right), TEST),
        ]
