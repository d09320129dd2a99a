"""Intervals around estimators without one: named with a plus, honest on Gaussian tables, none without an estimate."""

import math
from typing import ClassVar

import numpy as np
import pytest

from eval.baselines import PointBaseline, build, catalogue
from eval.baselines.intervals import LEVELS, Bootstrap, Subsampling
from eval.coverage import covered
from eval.errors import EvalError
from eval.suites.laws import latent, normal


class Wide(PointBaseline):
    """Cca by another name."""

    name: ClassVar[str] = "wide"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        return build("cca").nats(x, y)


@pytest.fixture
def table():
    return normal(latent(1, 1, 1.7, 0.0), 1).draw(np.random.default_rng(5), 200)


@pytest.mark.parametrize("interval", ["bootstrap", "subsampling"])
@pytest.mark.parametrize("name", ["gcmi", "ksg", "cca"])
def test_the_estimate_stays_and_quantiles_surround_it(name, interval, table):
    plain, guess = build(name).estimate(*table), build(f"{name}+{interval}").estimate(*table)
    assert guess.mi_nats == plain.mi_nats
    assert guess.levels == LEVELS
    assert list(guess.quantiles) == sorted(guess.quantiles)
    assert guess.quantiles[0] < plain.mi_nats < guess.quantiles[-1]
    assert guess.quantiles == build(f"{name}+{interval}").estimate(*table).quantiles


@pytest.mark.parametrize("name", ["gcmi+bootstrap", "ksg+subsampling"])
def test_the_truth_is_covered_as_often_as_said(name):
    tables, level, law = 40, 0.8, normal(latent(1, 1, 1.0, 0.0), 1)
    rng = np.random.default_rng(2)
    guesses = [build(name).estimate(*law.draw(rng, 80)) for _ in range(tables)]
    hits = covered([guess.quantiles for guess in guesses], LEVELS, np.full(tables, law.mi_nats), level)
    assert hits.mean() == pytest.approx(level, abs=3.5 * math.sqrt(level * (1 - level) / tables))


def test_half_samples_remove_a_bias_that_goes_with_1_over_n():
    law = normal(latent(5, 5, 1.0, 0.0), 5)
    rng = np.random.default_rng(4)
    guesses = [build("cca+subsampling").estimate(*law.draw(rng, 100)) for _ in range(30)]
    raw = np.array([guess.mi_nats for guess in guesses]) - law.mi_nats
    median = np.array([guess.quantiles[LEVELS.index(0.5)] for guess in guesses]) - law.mi_nats
    assert raw.mean() > 0.1
    assert abs(median.mean()) < 3 * median.std(ddof=1) / math.sqrt(30) + 0.02  # the rest goes with 1 / n^2


def test_rows_drawn_twice_do_not_blow_up_nearest_neighbours(table):
    low, high = (build("ksg+bootstrap").estimate(*table).quantiles[i] for i in (0, -1))
    assert high - low < 0.4  # 4 standard deviations of .06; the plain bootstrap gave twice as much


def test_ties_stay_ties():
    rng = np.random.default_rng(6)
    x = rng.integers(2, size=(150, 1)).astype(float)
    y = x + rng.normal(size=(150, 1))

    class Binary(Wide):
        def nats(self, x: np.ndarray, y: np.ndarray) -> float:
            assert set(np.unique(x)) <= {0.0, 1.0}
            assert np.unique(y).size > 140
            return super().nats(x, y)

    assert Bootstrap(Binary()).estimate(x, y).failed is None


@pytest.mark.parametrize(
    ("interval", "failed"), [(Bootstrap, None), (Subsampling, "from half of the rows: needs more")]
)
def test_without_an_estimate_from_drawn_rows_there_is_none(interval, failed):
    rng = np.random.default_rng(7)
    guess = interval(Wide()).estimate(rng.normal(size=(14, 4)), rng.normal(size=(14, 4)))
    assert guess.failed is None if failed is None else guess.failed.startswith(failed)
    assert len(guess.levels) == (len(LEVELS) if failed is None else 0)


def test_independence_has_intervals_that_reach_0():
    rng = np.random.default_rng(8)
    guesses = [
        build("gcmi+subsampling").estimate(rng.normal(size=(60, 1)), rng.normal(size=(60, 1))) for _ in range(20)
    ]
    assert all(guess.quantiles[0] == 0 for guess in guesses)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gcmi+jackknife", r"got 'gcmi\+jackknife'; wanted gcmi alone or with one of: bootstrap, subsampling"),
        ("gmci+bootstrap", r"got estimator 'gmci'; wanted one of: "),
        ("gcmi+", r"wanted gcmi alone"),
        ("ours+bootstrap", r"ours has an interval of its own; use ours alone"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, message):
    with pytest.raises(EvalError, match=message):
        build(name)


def test_every_name_has_its_line():
    assert all(len(line) > 20 for line in catalogue().values())
    assert {"ksg", "ours", "+bootstrap", "+subsampling"} <= catalogue().keys()
