"""Shapes, aims and fresh members of families for the tests of their laws."""

from collections.abc import Callable

import numpy as np
import pytest

from data_gen.families.base import Family
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

SHAPES = ((1, 1), (1, 3), (4, 2), (9, 9))
AIMS = (None, 0.05, 0.8, 3.0)
Pointwise = Callable[[Family, np.ndarray, np.ndarray], np.ndarray]


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture(params=AIMS, ids=str)
def aim(request: pytest.FixtureRequest) -> float | None:
    return request.param


def _drawn(name: str, d_x: int, d_y: int, aim: float | None, seed: int = 0) -> Family:
    return FAMILIES.get(name).draw(seeded(1000 * seed + 10 * d_x + d_y), d_x, d_y, aim)


@pytest.fixture
def drawn() -> Callable[..., Family]:
    """Draw a member of a family by name, d_x, d_y, aim and, if wanted, a seed."""
    return _drawn


def _deviation(family: Family, pointwise: Pointwise, rows: int, seed: int) -> float:
    values, truth = pointwise(family, *family.sample(seeded(seed), rows)), family.truth()
    stderr = np.hypot(values.std() / np.sqrt(len(values)), truth.stderr)
    # 1e-3: for nested averages over points that are not random, where all rows have nearly one value
    assert values.mean() == pytest.approx(truth.nats, abs=4 * stderr + 1e-3), family
    return float((values.mean() - truth.nats) / (stderr + 1e-4))


@pytest.fixture
def agree() -> Callable[[str, Pointwise, int], None]:
    """Hold a family's truth against the mean pointwise information of so many rows, at two shapes and all aims."""

    def check(name: str, pointwise: Pointwise, rows: int) -> None:
        for d_x, d_y in ((1, 1), (4, 2)):
            for aim in AIMS:
                _deviation(_drawn(name, d_x, d_y, aim), pointwise, rows, 2)

    return check


@pytest.fixture
def agree_often() -> Callable[[str, Pointwise, int], None]:
    """The same at forty fresh members, whose deviations in standard errors are standard normal or smaller."""

    def check(name: str, pointwise: Pointwise, rows: int) -> None:
        deviations = []
        for seed in range(1, 41):
            family = _drawn(name, *SHAPES[seed % 4], (None, 0.01, 0.3, 1.0, 5.0)[seed % 5], seed)
            deviations.append(_deviation(family, pointwise, rows, seed))
        assert np.sqrt(np.mean(np.square(deviations))) < 1.5

    return check
