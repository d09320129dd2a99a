"""Tests and rankings built on the estimator: a permutation p-value, and scores for feature selection."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mist.errors import InputError
from mist.estimator import Estimator, load
from mist.prepare import check, raw_values

# Two copies of one table in a batch may differ by float rounding; with discrete data a shuffle can change nothing.
ROUNDING = 1e-6


@dataclass(frozen=True)
class IndependenceTest:
    """The outcome of a permutation test.

    Attributes:
        statistic: The predictive mean of MI in nats, which still ranks tables whose median is 0.
        p_value: Share of permutations, the identity included, whose statistic is at least as large.
        permutations: How many were drawn.
    """

    statistic: float
    p_value: float
    permutations: int


def independence_test(
    x: Any, y: Any, permutations: int = 199, seed: int = 0, estimator: Estimator | None = None
) -> IndependenceTest:
    """Are x and y independent? A test whose level holds at any n, whatever the model learned.

    Rows of y are shuffled against those of x, which makes independence true; the p-value (1 + #{shuffled statistic >=
    statistic}) / (1 + permutations) is then valid by exchangeability alone (Phipson and Smyth, 2010).

    Args:
        x: One side, (n,) or (n, d_x).
        y: The other side, (n,) or (n, d_y).
        permutations: How many shuffles; 199 resolve a p-value to .005.
        seed: Seed of the shuffles.
        estimator: The model; the weights in this package if None.

    Raises:
        InputError: As for ``Estimator.estimate``; or there are no permutations.
    """
    if permutations < 1:
        raise InputError(f"got permutations = {permutations}, wanted at least 1; 199 resolve a p-value to .005")
    estimator = estimator or load()
    table = check(x, y, estimator.checkpoint.limits)
    rng = np.random.default_rng(seed)
    shuffled = [table.y[rng.permutation(len(table.y))] for _ in range(permutations)]
    answers = estimator.estimate_batch([(table.x, y) for y in (table.y, *shuffled)])
    statistics = np.array([answer.mean for answer in answers])
    as_large = int((statistics[1:] >= statistics[0] - ROUNDING).sum())
    return IndependenceTest(float(statistics[0]), (1 + as_large) / (1 + permutations), permutations)


def mi_score(X: Any, y: Any) -> NDArray[np.float64]:
    """Mutual information of every column of X with y, (d,) in nats: a score for scikit-learn's SelectKBest.

    Args:
        X: Columns to rank, (n, d).
        y: What they shall tell about, (n,) or (n, d_y); names of classes, (n,), are numbered in their order.

    Raises:
        InputError: As for ``Estimator.estimate``.
    """
    table = check(X, _numbered(y))
    columns = [(table.x[:, index], table.y) for index in range(table.x.shape[1])]
    return np.array([answer.mi for answer in load().estimate_batch(columns)])


def _numbered(y: Any) -> Any:
    """Names of classes, (n,) text, as whole numbers (n,); anything else as it is."""
    values = raw_values("y", y)
    kind, text = values.dtype.kind, (isinstance(value, str) for value in values.flat)
    if values.ndim != 1 or not values.size or not (kind == "U" or (kind == "O" and all(text))):
        return y
    return np.unique(values.astype(str), return_inverse=True)[1]
