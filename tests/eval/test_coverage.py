"""Coverage tells an exact, a conservative and an over-confident estimator apart."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, norm

from eval import coverage

TAUS = np.array([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995])
TABLES = 4000
# How far each estimator spreads its quantiles, beside the spread of its errors.
SPREADS = {"exact": 1.0, "conservative": 1.5, "overconfident": 0.6}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def predictive(rng: np.random.Generator, spread: float, size: int = TABLES) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles (T, K) around noisy estimates, and the truths (T,)."""
    mi_nats = rng.gamma(2.0, size=size) + 5  # far enough from 0 for normal errors
    estimates = mi_nats + 0.3 * rng.standard_normal(size)
    return estimates[:, None] + 0.3 * spread * norm.ppf(TAUS), mi_nats


@pytest.mark.parametrize("kind", SPREADS)
@pytest.mark.parametrize("level", coverage.NOMINAL_LEVELS)
def test_the_kinds_of_estimators_are_told_apart(rng, kind, level):
    observed = coverage.coverage(*_arguments(predictive(rng, SPREADS[kind])))
    assert coverage.verdict(observed[level], level) == kind


def test_a_bias_is_overconfidence(rng):
    quantiles, mi_nats = predictive(rng, 1.0)
    observed = coverage.coverage(quantiles + 0.3, TAUS, mi_nats)
    assert coverage.verdict(observed[0.9], 0.9) == "overconfident"


def test_binomial_standard_error_is_the_spread_of_coverage(rng):
    found = [coverage.coverage(*_arguments(predictive(rng, 1.0, size=200)))[0.9] for _ in range(400)]
    assert np.mean([mean.stderr for mean in found]) == pytest.approx(np.std([mean.value for mean in found]), rel=0.15)


def test_full_coverage_still_has_a_standard_error():
    assert coverage.share([True] * 20).stderr > 0
    assert math.isnan(coverage.share([]).value)


def test_ends_of_an_interval_belong_to_it():
    quantiles = [[0.0, 0.0, 1.0], [0.0, 0.5, 1.0], [0.1, 0.5, 1.0]]
    assert coverage.covered(quantiles, [0.05, 0.5, 0.95], [0.0, 1.0, 0.0], 0.9).tolist() == [True, True, False]


def test_levels_beyond_the_known_quantiles_are_left_out():
    assert list(coverage.coverage([[0.0, 1.0]], [0.1, 0.9], [0.5])) == [0.5, 0.8]


@pytest.mark.parametrize(("kind", "uniform"), [("exact", True), ("conservative", False), ("overconfident", False)])
def test_pit_is_uniform_for_an_exact_estimator_alone(rng, kind, uniform):
    # At the known levels only: between them the PIT is interpolated.
    quantiles, mi_nats = predictive(rng, SPREADS[kind])
    taus = norm.cdf(np.linspace(-3, 3, 121))
    dense = quantiles[:, [6]] + 0.3 * SPREADS[kind] * norm.ppf(taus)
    p_value = kstest(coverage.pit(dense, taus, mi_nats), "uniform").pvalue
    assert (p_value > 0.01) == uniform


def test_pit_by_hand():
    quantiles, taus = [[0.0, 0.0, 1.0, 2.0]] * 5, [0.1, 0.3, 0.5, 0.9]
    truths = np.array([-1.0, 0.0, 0.5, 1.5, 3.0])
    assert coverage.pit(quantiles, taus, truths) == pytest.approx([0.0, 0.2, 0.4, 0.7, 1.0])


def test_few_sizes_are_groups_of_their_own_and_many_are_binned():
    assert list(coverage.groups_by_n([100, 500, 100])) == ["100", "500"]
    n = np.array([10, 20, 32, 33, 100, 101, 400, 2000, 2001])
    groups = coverage.groups_by_n(n)
    assert {name: n[mask].tolist() for name, mask in groups.items()} == {
        "1 to 32": [10, 20, 32],
        "33 to 100": [33, 100],
        "101 to 300": [101],
        "301 to 500": [400],
        "501 to 2000": [2000],
        "over 2000": [2001],
    }


@pytest.mark.parametrize("values", [[0.0, 0.05, 0.1, 0.2, 2.0, 7.0, 40.0], [0.0], [1.0]])
def test_every_table_is_in_one_group(values):
    masks = np.array(list(coverage.groups_by_mi(values).values()))
    assert (masks.sum(axis=0) == 1).all()
    assert masks.any(axis=1).all()


def test_independence_is_a_group_of_its_own():
    assert coverage.groups_by_mi([0.0, 0.01])["0"].tolist() == [True, False]


def test_dimension_is_that_of_the_larger_side():
    assert list(coverage.groups_by_d([1, 3], [2, 1])) == ["2", "3"]


def test_names_are_groups():
    assert coverage.groups_by_name(["b", "a", "b"])["b"].tolist() == [True, False, True]


def _arguments(drawn: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    quantiles, mi_nats = drawn
    return quantiles, TAUS, mi_nats
