"""What the recipe of anomaly-series learns, on drawn series: no data mirror is needed."""

import numpy as np
import pytest

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.calendar import Axis
from models.values import AnomalyOptions, Series
from pipelines.datasets import Datasets, load_catalogue
from pipelines.training.anomaly import RECIPE, answers, ballots, learn_prior, learn_weights, worth
from pipelines.training.detection import alarm_rates, distance_from_mean, ranking, with_spikes
from pipelines.training.labelled import NAB_TRAINING, Labelled, nab_held_back

HOURS = Axis.parse("H", "2024-01-01")


def wave(seed, length=600):
    return 100 + 10 * np.sin(np.arange(length) * np.pi / 12) + np.random.default_rng(seed).normal(0, 2, length)


@pytest.fixture(scope="module")
def marked():
    found = []
    for seed in range(3):
        values, labels = wave(seed), np.zeros(600, bool)
        labels[300:360] = True
        values[300:360] = 100 + np.random.default_rng(50 + seed).normal(0, 2, 60)
        found.append(Labelled(Series(f"s{seed}", values, HOURS), labels))
    return found


def test_training_and_evaluation_share_no_series_and_training_may_be_bundled():
    catalogue = load_catalogue()
    held = nab_held_back(catalogue)
    assert len(NAB_TRAINING) == 19
    assert len(held) == 58 - 19
    assert not set(RECIPE.training) & set(RECIPE.evaluation)
    assert all(catalogue[dataset_id].may_bundle for dataset_id in RECIPE.training)
    assert all(Datasets(None).ids(dataset_id) for dataset_id in (*RECIPE.training, *RECIPE.evaluation))


def test_the_prior_is_heavier_for_series_with_heavier_tails():
    rng = np.random.default_rng(1)
    light = [Series("s", rng.normal(size=400), HOURS) for _ in range(12)]
    heavy = [Series("s", rng.standard_t(3, size=400), HOURS) for _ in range(12)]
    assert learn_prior(heavy).power > learn_prior(light).power
    assert learn_prior(heavy).heaviness > learn_prior(light).heaviness
    assert learn_prior(light[:1]) == Prior()


def test_the_search_for_weights_never_ends_below_where_it_began(marked):
    papers = ballots(marked, Prior(), np.random.default_rng(0))
    assert len(papers) == 6
    learned = learn_weights(papers, (0.0, 1.0), lambda text: None)
    assert worth(papers, learned) >= worth(papers, Weights())
    assert learned == learn_weights(papers, (0.0, 1.0), lambda text: None)


def test_spikes_are_put_outside_the_labels_and_only_they_are_labelled(marked):
    spiked = with_spikes(marked[0], np.random.default_rng(0))
    changed = spiked.series.values != marked[0].series.values
    assert changed.sum() == spiked.labels.sum() == 5
    assert (changed == spiked.labels).all()
    assert not (spiked.labels & marked[0].labels).any()


def test_the_detector_ranks_better_than_the_distance_from_the_mean(marked):
    model = SeriesDetector(Prior(), Weights())
    series = [item.series for item in marked]
    ours = ranking(marked, [each.score for each in answers(model, series, AnomalyOptions())], "drawn", None)
    trivial = ranking(marked, [distance_from_mean(each) for each in series], "drawn", "mean")
    assert all(a.value > b.value for a, b in zip(ours, trivial, strict=True))


def test_alarms_on_shuffled_series_come_at_about_the_asked_rate():
    rng = np.random.default_rng(3)
    months = Axis.parse("M", "2010-01")
    series = [Series(f"s{i}", 50 + rng.normal(0, 3, 120), months) for i in range(20)]
    model = SeriesDetector(Prior(), Weights())
    for metric in alarm_rates(lambda items, options: answers(model, items, options), series, quick=True):
        assert 0.6 < metric.value < 1.4, metric
