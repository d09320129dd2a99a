"""What the packaged model promises, on laws that everybody knows. Each figure is over fresh seeds."""

from pathlib import Path

import numpy as np
import pytest
import torch

import mist
from mist.estimator import PACKAGED

SEEDS = 200
NORMAL_NATS = 0.4133  # bivariate normal, rho = .75: -log(1 - rho^2) / 2


@pytest.fixture(scope="module")
def packaged() -> mist.Estimator:
    return mist.load(device="cpu")


def correlated(rng: np.random.Generator, n: int = 500, rho: float = 0.75) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=n)
    return x, rho * x + (1 - rho**2) ** 0.5 * rng.normal(size=n)


@pytest.fixture(scope="module")
def normals(packaged) -> list[mist.Estimate]:
    return packaged.estimate_batch([correlated(np.random.default_rng(seed)) for seed in range(SEEDS)])


def test_the_interval_holds_the_known_value_as_often_as_it_says(normals):
    assert sum(r.interval[0] <= NORMAL_NATS <= r.interval[1] for r in normals) >= 0.85 * SEEDS


def test_the_median_is_near_the_known_value(normals):
    assert np.mean([abs(r.mi - NORMAL_NATS) for r in normals]) <= 0.05


def test_independent_columns_have_next_to_none(packaged):
    rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
    answers = packaged.estimate_batch([(rng.normal(size=(500, 2)), rng.normal(size=(500, 2))) for rng in rngs])
    assert np.mean([r.mi for r in answers]) < 0.03
    assert np.mean([r.interval[0] == 0 for r in answers]) >= 0.85


@pytest.mark.parametrize(("levels_x", "levels_y"), [(2, 2), (2, 322), (60, 300), (5, None)])
def test_independent_columns_with_ties_have_next_to_none(packaged, levels_x, levels_y):
    tables = []
    for seed in range(SEEDS // 2):
        rng = np.random.default_rng(seed)
        sides = [rng.integers(k, size=442) if k else rng.normal(size=442) for k in (levels_x, levels_y)]
        tables.append((sides[0], sides[1]))
    answers = packaged.estimate_batch(tables)
    assert np.mean([r.mi for r in answers]) < 0.03
    assert np.mean([r.interval[0] == 0 for r in answers]) >= 0.85


@pytest.mark.parametrize("n", [500, 2000, 8000])
def test_a_label_beside_a_continuous_column_is_told_the_better_the_more_rows_there_are(packaged, n):
    """Reference: Gao et al. (2017): a letter of two and y even on 2 from there on have log(2) / 2 nats."""
    tables = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        letter = rng.integers(2, size=n)
        tables.append((letter, letter + rng.uniform(0.0, 2.0, size=n)))
    errors = [abs(answer.mi - 0.5 * np.log(2)) for answer in packaged.estimate_batch(tables)]
    assert np.mean(errors) < 1.5 / n**0.5


def generic(seed: int, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    """A table of any small shape, dependent in straight and bent ways, with ties in x where wanted."""
    rng = np.random.default_rng(seed)
    n, d_x, d_y = int(np.exp(rng.uniform(3.0, 7.0))), *rng.integers(1, 9, 2)
    shared = rng.normal(size=(n, 1))
    x, y = shared * rng.uniform(0, 2) + rng.normal(size=(n, d_x)), shared + rng.normal(size=(n, d_y))
    y[:, 0] = np.sin(3 * y[:, 0]) + 0.3 * rng.normal(size=n)
    return (np.round(2 * x) / 2 if tied else x), y


@pytest.mark.parametrize(("tied", "tolerance"), [(False, 1e-5), (True, 1e-3)])
def test_what_must_not_matter_does_not(packaged, tied, tolerance):
    for seed in range(SEEDS // 16):
        x, y = generic(seed, tied)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(x))
        others = {
            "increasing maps": (np.exp(x), y**3 + y),
            "sides": (y, x),
            "rows": (x[order], y[order]),
            "columns": (rng.permutation(x, axis=1), rng.permutation(y, axis=1)),
        }
        answer = packaged.estimate(x, y)
        for name, table in others.items():
            found = packaged.estimate(*table).quantiles
            np.testing.assert_allclose(found, answer.quantiles, atol=tolerance, err_msg=f"{name}, {seed}")


def test_a_gradient_points_towards_more_dependence(packaged):
    x, y = (torch.tensor(side) for side in correlated(np.random.default_rng(0), n=200))
    x.requires_grad_()
    value = packaged.differentiable(x, y)
    value.backward()
    assert value.item() == pytest.approx(packaged.estimate(x, y).mi, abs=0.1)
    with torch.no_grad():
        step = 0.05 * x.grad / x.grad.norm() * len(x) ** 0.5
        assert packaged.differentiable(x + step, y) > value


def test_a_plain_dependence_is_found_by_permutation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    assert mist.independence_test(x, x**2 + 0.5 * rng.normal(size=100), permutations=99).p_value == 0.01


def test_it_is_calibrated_small_and_described(packaged):
    assert packaged.checkpoint.calibration is not None
    assert sum(path.stat().st_size for path in Path(PACKAGED).iterdir()) < 16e6
    assert "Trained range" in packaged.checkpoint.card


def test_the_shorthand_is_the_packaged_model(packaged):
    x, y = correlated(np.random.default_rng(1), n=60)
    assert mist.estimate_mi(x, y) == packaged.estimate(x, y)
    assert mist.estimate_mi(x, y, cautious=True) == packaged.estimate(x, y, cautious=True)
