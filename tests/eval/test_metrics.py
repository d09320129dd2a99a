"""Each measure against a hand-made value, and its standard error against the spread over many repetitions."""

import math

import numpy as np
import pytest
from scipy.stats import norm, spearmanr

from eval import metrics
from eval.metrics import Mean


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def test_a_mean_knows_its_standard_error(rng):
    means = [Mean.of(rng.exponential(size=50)) for _ in range(2000)]
    spread = np.std([mean.value for mean in means])
    assert np.mean([mean.stderr for mean in means]) == pytest.approx(spread, rel=0.05)


def test_too_few_values_have_no_standard_error():
    assert Mean.of([2.0]).value == 2.0
    assert math.isnan(Mean.of([2.0]).stderr)
    assert math.isnan(Mean.of([]).value)
    assert Mean.of([]).count == 0


def test_errors_by_hand():
    estimates, mi_nats = [1.0, 0.0, 0.5], [0.5, 1.0, 0.5]
    assert metrics.bias(estimates, mi_nats).value == pytest.approx(-0.5 / 3)
    assert metrics.absolute_error(estimates, mi_nats).value == pytest.approx(0.5)
    assert metrics.squared_error(estimates, mi_nats).value == pytest.approx(1.25 / 3)
    assert metrics.absolute_error(estimates, mi_nats).stderr == pytest.approx(0.5 / math.sqrt(3))


def test_mismatched_vectors_are_refused():
    with pytest.raises(ValueError, match=r"got estimates \(2,\) and truths \(3,\)"):
        metrics.bias([1.0, 2.0], [1.0, 2.0, 3.0])


def test_rank_correlation_with_ties_is_that_of_scipy(rng):
    mi_nats = rng.integers(0, 5, 60).astype(float)
    estimates = np.maximum(mi_nats + rng.normal(size=60), 0)
    assert metrics.rank_correlation(estimates, mi_nats).value == pytest.approx(spearmanr(estimates, mi_nats).statistic)


def test_rank_correlation_knows_its_standard_error(rng):
    found = []
    for _ in range(1000):
        mi_nats = rng.normal(size=100)
        found.append(metrics.rank_correlation(mi_nats + rng.normal(size=100), mi_nats))
    assert np.mean([mean.stderr for mean in found]) == pytest.approx(np.std([mean.value for mean in found]), rel=0.1)


def test_rank_correlation_with_a_constant_is_unknown():
    assert math.isnan(metrics.rank_correlation([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]).value)


def test_skill_is_1_for_the_truth_and_0_for_the_best_constant(rng):
    mi_nats = rng.gamma(1.0, size=101)
    assert metrics.skill(mi_nats, mi_nats).value == 1.0
    assert metrics.skill(np.full(101, np.median(mi_nats)), mi_nats).value == pytest.approx(0.0)
    assert metrics.skill(np.full(101, 2.0), mi_nats).value < 0
    assert metrics.skill([0.5, 1.0, 2.5], [0.0, 1.0, 2.0]).value == pytest.approx(1 - (1 / 3) / (2 / 3))


def test_skill_where_all_truths_are_equal_is_unknown():
    assert math.isnan(metrics.skill([0.1, 0.2], [0.0, 0.0]).value)


def test_standard_error_of_skill_is_its_spread(rng):
    def once() -> Mean:
        mi_nats = rng.gamma(1.0, size=200)
        return metrics.skill(mi_nats + 0.3 * rng.standard_normal(200), mi_nats)

    found = [once() for _ in range(500)]
    assert np.mean([mean.stderr for mean in found]) == pytest.approx(np.std([mean.value for mean in found]), rel=0.15)


def test_auroc_by_hand():
    assert metrics.auroc([1.0, 2.0], [0.0, 0.5]).value == 1.0
    assert metrics.auroc([0.0, 2.0], [0.0, 0.5]).value == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert metrics.auroc([1.0, 2.0], [0.0, 0.5]).stderr > 0.1
    assert math.isnan(metrics.auroc([1.0], []).value)


def test_standard_error_of_auroc_is_its_spread(rng):
    found = [metrics.auroc(rng.standard_normal(60) + 1, rng.standard_normal(40)) for _ in range(400)]
    assert np.mean([mean.stderr for mean in found]) == pytest.approx(np.std([mean.value for mean in found]), rel=0.15)


def test_pinball_by_hand():
    # Truth 1: the quantile 0 at level .1 is .1 too low, the quantile 3 at level .9 costs .1 times 2.
    assert metrics.pinball([[0.0, 3.0]], [0.1, 0.9], [1.0]).value == pytest.approx((0.1 * 1 + 0.1 * 2) / 2)


@pytest.mark.parametrize("off", [-0.2, 0.2])
def test_pinball_is_least_at_the_true_quantiles(rng, off):
    taus = np.array(metrics.PINBALL_LEVELS)
    mi_nats = rng.normal(size=20_000)
    quantiles = np.tile(norm.ppf(taus), (mi_nats.size, 1))
    best = metrics.pinball(quantiles, taus, mi_nats).value
    assert best < metrics.pinball(quantiles + off, taus, mi_nats).value
    assert best < metrics.pinball(quantiles * (1 + off), taus, mi_nats).value


def test_interval_score_by_hand():
    score = metrics.interval_score([0.0, 0.0, 1.0], [1.0, 1.0, 2.0], [0.5, 1.25, 0.5], level=0.9)
    assert score.value == pytest.approx((1 + (1 + 20 * 0.25) + (1 + 20 * 0.5)) / 3)
    assert metrics.width([0.0, 1.0], [1.0, 4.0]).value == 2.0


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_interval_score_is_least_for_the_true_interval(rng, factor):
    mi_nats = rng.normal(size=50_000)
    end = np.full(mi_nats.size, norm.ppf(0.95))
    best = metrics.interval_score(-end, end, mi_nats, 0.9).value
    assert best < metrics.interval_score(-factor * end, factor * end, mi_nats, 0.9).value


def test_quantiles_between_known_levels_are_interpolated():
    quantiles, taus = [[0.0, 1.0, 3.0]], [0.1, 0.5, 0.9]
    assert metrics.quantile_at(quantiles, taus, 0.5) == pytest.approx([1.0])
    assert metrics.quantile_at(quantiles, taus, 0.7) == pytest.approx([2.0])
    assert metrics.quantile_at(quantiles, taus, (1 - 0.8) / 2) == pytest.approx([0.0])


def test_quantiles_are_never_extrapolated():
    with pytest.raises(ValueError, match=r"got level 0\.05, but quantiles are known from 0\.1 to 0\.9 only"):
        metrics.quantile_at([[0.0, 1.0]], [0.1, 0.9], 0.05)


def test_the_predictive_mean_is_that_of_the_law(rng):
    taus = np.linspace(0.001, 0.999, 999)
    drawn = rng.gamma(2.0, size=(3, 4000))
    np.testing.assert_allclose(
        metrics.predictive_mean(np.quantile(drawn, taus, axis=1).T, taus), drawn.mean(1), atol=0.01
    )
