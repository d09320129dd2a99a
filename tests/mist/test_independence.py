"""The permutation test has its level whatever the weights, and power where dependence is plain."""

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest

import mist
from mist.errors import InputError
from mist.independence import independence_test, mi_score


def test_p_values_are_valid_under_independence(estimator):
    rng = np.random.default_rng(0)
    tables = [(rng.normal(size=12), rng.normal(size=12)) for _ in range(100)]
    p = np.array([independence_test(x, y, 19, seed, estimator).p_value for seed, (x, y) in enumerate(tables)])
    assert p.min() >= 1 / 20
    for level in (0.1, 0.5):
        assert (p <= level).mean() <= level + 4 * (level * (1 - level) / len(p)) ** 0.5


def test_shuffles_that_change_nothing_count(estimator):
    x = np.arange(20.0)
    assert independence_test(x, np.ones(20), 19, 0, estimator).p_value == 1.0


def test_the_same_seed_gives_the_same_answer(estimator):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=30), rng.normal(size=30)
    result = independence_test(x, y, 9, 3, estimator)
    assert independence_test(x, y, 9, 3, estimator) == result
    assert result.permutations == 9
    assert result.statistic == pytest.approx(estimator.estimate(x, y).mean, abs=1e-5)


def test_errors_say_what_to_do(estimator):
    with pytest.raises(mist.InputError, match="got permutations = 0"):
        independence_test(np.arange(20), np.arange(20), 0, estimator=estimator)
    with pytest.raises(mist.InputError, match="got 20 rows of x and 19 rows of y"):
        independence_test(np.arange(20), np.arange(19), estimator=estimator)


def test_scores_serve_to_select_columns(estimator, monkeypatch):
    monkeypatch.setattr("mist.independence.load", lambda: estimator)
    rng = np.random.default_rng(2)
    features, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    scores = mi_score(features, y)
    assert scores[2] == pytest.approx(estimator.estimate(features[:, 2], y).mi, abs=1e-5)
    best = SelectKBest(mi_score, k=2).fit(features, y).get_support(indices=True)
    assert set(best) == set(np.argsort(scores)[-2:])


@pytest.mark.parametrize("kind", [str, object])
def test_names_of_classes_score_as_their_numbers(kind):
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, 60)
    features = rng.normal(size=(60, 2)) + codes[:, None] * [0.0, 1.0]
    names = np.array(["apple", "fig", "pear"])[codes].astype(kind)
    assert mi_score(features, names) == pytest.approx(mi_score(features, codes))
    assert SelectKBest(mi_score, k=1).fit(features, names).get_support(indices=True).tolist() == [1]


def test_names_beside_gaps_are_refused():
    names = np.array(["apple", None] * 10, dtype=object)
    with pytest.raises(InputError, match="columns of y that are not numeric"):
        mi_score(np.random.default_rng(5).normal(size=(20, 1)), names)
