"""How often the TRUE mutual information lies where an estimator says that it lies.

A predictive distribution is honest when its central interval of level L holds the truth in a share L of the tables, in
every group one may care for, and when the truth's place in it (the PIT) is uniform. Shapes: T tables, K levels.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics import Mean, quantile_at

NOMINAL_LEVELS = (0.5, 0.8, 0.9, 0.95)

# Bins are (low, high]; their ends follow the published tables (n) and powers of two (dimensions).
_N_EDGES = (0, 32, 100, 300, 500, 2000, math.inf)
_D_EDGES = (0, 1, 2, 4, 8, 16, 32, math.inf)
_MI_EDGES = (0, 0.1, 0.3, 1, 3, 6, math.inf)
_MAX_PLAIN_VALUES = 6  # so many different values of n or d are shown one by one, more in bins


def covered(quantiles: ArrayLike, taus: ArrayLike, mi_nats: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Say for each table whether its central interval of this level holds the truth, ends included, (T,)."""
    mi_nats = np.asarray(mi_nats, np.float64)
    low = quantile_at(quantiles, taus, (1 - level) / 2)
    high = quantile_at(quantiles, taus, (1 + level) / 2)
    return (low <= mi_nats) & (mi_nats <= high)


def share(hits: ArrayLike) -> Mean:
    """Share of hits with its binomial standard error, never 0: half a hit and half a miss are added for it."""
    hits = np.asarray(hits, bool)
    count = hits.size
    if count == 0:
        return Mean(math.nan, math.nan, 0)
    shrunk = (hits.sum() + 0.5) / (count + 1)  # Jeffreys' prior
    return Mean(float(hits.mean()), math.sqrt(shrunk * (1 - shrunk) / count), count)


def coverage(
    quantiles: ArrayLike, taus: ArrayLike, mi_nats: ArrayLike, levels: Sequence[float] = NOMINAL_LEVELS
) -> dict[float, Mean]:
    """Coverage of the truth by nominal level, those levels left out that the known quantiles do not reach.

    Args:
        quantiles: Predicted quantiles in nats, (T, K), not decreasing along K.
        taus: Their levels, (K,), increasing.
        mi_nats: True mutual information, (T,).
        levels: Nominal coverages of the central intervals.
    """
    taus = np.asarray(taus, np.float64)
    slack = 1e-9  # (1 - .95) / 2 is not quite .025 in floating point
    known = [v for v in levels if taus[0] <= (1 - v) / 2 + slack and (1 + v) / 2 - slack <= taus[-1]]
    return {level: share(covered(quantiles, taus, mi_nats, level)) for level in known}


def verdict(observed: Mean, level: float, z: float = 3.0) -> Literal["exact", "conservative", "overconfident"]:
    """Compare coverage with its nominal level: further off than `z` binomial standard errors is a verdict.

    The standard error is that of an exact estimator, so `z = 3` wrongly condemns one in about 370 of those.
    """
    deviation = (observed.value - level) / math.sqrt(level * (1 - level) / observed.count)
    if abs(deviation) <= z:
        return "exact"
    return "conservative" if deviation > 0 else "overconfident"


def pit(quantiles: ArrayLike, taus: ArrayLike, mi_nats: ArrayLike) -> NDArray[np.float64]:
    """Probability integral transform: the predictive probability of an MI below the truth, (T,), uniform if honest.

    Below the first known quantile it is 0, above the last 1. Where several quantiles equal the truth (an MI of 0 under
    quantiles clamped at 0) it is the middle of their levels.
    """
    taus, quantiles = np.asarray(taus, np.float64), np.asarray(quantiles, np.float64)
    return np.array([_pit_of_one(row, taus, truth) for row, truth in zip(quantiles, np.asarray(mi_nats), strict=True)])


def _pit_of_one(values: NDArray[np.float64], taus: NDArray[np.float64], truth: float) -> float:
    left, right = np.searchsorted(values, truth, "left"), np.searchsorted(values, truth, "right")
    if left < right:
        return float((taus[left] + taus[right - 1]) / 2)
    if left == 0:
        return 0.0
    if left == values.size:
        return 1.0
    along = (truth - values[left - 1]) / (values[left] - values[left - 1])
    return float(taus[left - 1] + along * (taus[left] - taus[left - 1]))


def groups_by_n(n: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Masks, (T,) each, of the tables by number of samples."""
    return _by_size(n, _N_EDGES)


def groups_by_d(d_x: ArrayLike, d_y: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Masks, (T,) each, of the tables by the dimension of their larger side."""
    return _by_size(np.maximum(np.asarray(d_x), np.asarray(d_y)), _D_EDGES)


def groups_by_mi(mi_nats: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Masks, (T,) each, of the tables by true MI, independence apart from the rest."""
    mi_nats = np.asarray(mi_nats, np.float64)
    return _kept({"0": mi_nats == 0} | _bins(mi_nats, _MI_EDGES, lambda low, high: f"{low:g} to {high:g}"))


def groups_by_name(names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Masks, (T,) each, of the tables by a name such as the family, in alphabetical order."""
    array = np.asarray(names)
    return {str(name): array == name for name in np.unique(array)}


def _by_size(sizes: ArrayLike, edges: Sequence[float]) -> dict[str, NDArray[np.bool_]]:
    sizes = np.asarray(sizes)
    different = np.unique(sizes)
    if different.size <= _MAX_PLAIN_VALUES:
        return {str(value): sizes == value for value in different}
    return _kept(
        _bins(sizes, edges, lambda low, high: f"{low + 1:g}" if high == low + 1 else f"{low + 1:g} to {high:g}")
    )


def _bins(
    values: NDArray, edges: Sequence[float], label: Callable[[float, float], str]
) -> dict[str, NDArray[np.bool_]]:
    return {
        (f"over {low:g}" if high == math.inf else label(low, high)): (low < values) & (values <= high)
        for low, high in pairwise(edges)
    }


def _kept(groups: dict[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    return {name: mask for name, mask in groups.items() if mask.any()}
