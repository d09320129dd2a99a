"""Measures of estimates and predictive quantiles against the true MI, each with its standard error.

Shapes: T tables, K levels. All mutual information in nats.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# The five levels of the published mean pinball loss (MIST, arXiv 2511.18945), so that figures can be laid side by side.
PINBALL_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error; `nan` where there are too few values to say.

    Attributes:
        value: The mean, in the unit of what was averaged.
        stderr: Its standard error, same unit; `nan` for fewer than two values.
        count: How many values were averaged.
    """

    value: float
    stderr: float
    count: int

    @classmethod
    def of(cls, values: ArrayLike) -> "Mean":
        """Average `values`, (T,), taken as independent draws."""
        values = np.asarray(values, dtype=np.float64)
        count = values.size
        if count == 0:
            return cls(math.nan, math.nan, 0)
        stderr = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
        return cls(float(values.mean()), stderr, count)


def bias(estimates: ArrayLike, mi_nats: ArrayLike) -> Mean:
    """Mean of estimate minus truth, (T,) each, in nats."""
    return Mean.of(_errors(estimates, mi_nats))


def absolute_error(estimates: ArrayLike, mi_nats: ArrayLike) -> Mean:
    """Mean absolute error (MAE), (T,) each, in nats."""
    return Mean.of(np.abs(_errors(estimates, mi_nats)))


def squared_error(estimates: ArrayLike, mi_nats: ArrayLike) -> Mean:
    """Mean squared error (MSE), (T,) each, in nats squared."""
    return Mean.of(_errors(estimates, mi_nats) ** 2)


def predictive_mean(quantiles: ArrayLike, taus: ArrayLike) -> Floats:
    """Mean of predictive laws, the estimate of least squared error: quantiles (T, K) at levels (K,) -> (T,) in nats.

    The quantile function is linear between levels and flat beyond them.
    """
    quantiles, taus = np.asarray(quantiles, np.float64), np.asarray(taus, np.float64)
    tails = taus[0] * quantiles[:, 0] + (1 - taus[-1]) * quantiles[:, -1]
    return np.trapezoid(quantiles, taus, axis=1) + tails


def rank_correlation(estimates: ArrayLike, mi_nats: ArrayLike) -> Mean:
    r"""Spearman's rank correlation of estimates with the truth; `nan` where either is constant.

    The standard error is that of Fisher's z, sqrt((1 + r^2 / 2) / (T - 3)), carried back by 1 - r^2.

    Reference: Bonett and Wright (2000), Psychometrika 65.
    """
    estimates, mi_nats = np.asarray(estimates, np.float64), np.asarray(mi_nats, np.float64)
    _errors(estimates, mi_nats)
    count = estimates.size
    if count < 4 or np.ptp(estimates) == 0 or np.ptp(mi_nats) == 0:
        return Mean(math.nan, math.nan, count)
    r = float(np.corrcoef(_midranks(estimates), _midranks(mi_nats))[0, 1])
    return Mean(r, (1 - r**2) * math.sqrt((1 + r**2 / 2) / (count - 3)), count)


def skill(estimates: ArrayLike, mi_nats: ArrayLike) -> Mean:
    """How much of the best constant's mean absolute error is saved: 1 is perfect, 0 no better than that constant.

    The constant is the median of the truths, which an estimator does not know. The standard error is that of a ratio of
    two means over the same tables (delta method); `nan` where all truths are equal.
    """
    errors, truths = np.abs(_errors(estimates, mi_nats)), np.asarray(mi_nats, np.float64)
    constant = np.abs(truths - np.median(truths)) if errors.size else errors
    if errors.size < 2 or constant.mean() == 0:
        return Mean(math.nan, math.nan, errors.size)
    ratio = errors.mean() / constant.mean()
    spread = np.sqrt(np.sum((errors - ratio * constant) ** 2) / (errors.size - 1))
    return Mean(float(1 - ratio), float(spread / math.sqrt(errors.size) / constant.mean()), errors.size)


def auroc(dependent: ArrayLike, independent: ArrayLike) -> Mean:
    """Probability that a dependent table gets the higher estimate than an independent one, a tie counting half.

    The standard error is Hanley and McNeil's, taken at an area shrunk by half a hit and half a miss, so that a perfect
    separation of few tables does not look certain.

    Args:
        dependent: Estimates of tables whose MI is above 0, (D,).
        independent: Estimates of tables whose MI is 0, (I,).

    Reference: Hanley and McNeil (1982), Radiology 143.
    """
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([np.asarray(dependent, np.float64), np.asarray(independent, np.float64)])
    ones, zeros = np.size(dependent), np.size(independent)
    if not (ones and zeros):
        return Mean(math.nan, math.nan, ones + zeros)
    area = float(roc_auc_score(np.repeat([1, 0], [ones, zeros]), scores))
    fewer = min(ones, zeros)
    shrunk = (area * fewer + 0.5) / (fewer + 1)
    above, below = shrunk / (2 - shrunk), 2 * shrunk**2 / (1 + shrunk)  # two dependent, two independent ones agree
    variance = shrunk * (1 - shrunk) + (ones - 1) * (above - shrunk**2) + (zeros - 1) * (below - shrunk**2)
    return Mean(area, math.sqrt(variance / (ones * zeros)), ones + zeros)


def pinball(quantiles: ArrayLike, taus: ArrayLike, mi_nats: ArrayLike) -> Mean:
    """Mean pinball loss over tables and levels, least when each quantile is the true one.

    Args:
        quantiles: Predicted quantiles in nats, (T, K).
        taus: Their levels in (0, 1), (K,).
        mi_nats: True mutual information, (T,).

    Reference: Koenker and Bassett (1978), Econometrica 46.
    """
    taus = np.asarray(taus, np.float64)
    gaps = np.asarray(mi_nats, np.float64)[:, None] - np.asarray(quantiles, np.float64)  # (T, K)
    return Mean.of(np.maximum(taus * gaps, (taus - 1) * gaps).mean(axis=1))


def width(low: ArrayLike, high: ArrayLike) -> Mean:
    """Mean width of intervals, (T,) each, in nats."""
    return Mean.of(np.asarray(high, np.float64) - np.asarray(low, np.float64))


def interval_score(low: ArrayLike, high: ArrayLike, mi_nats: ArrayLike, level: float) -> Mean:
    """Mean width plus 2 / (1 - level) times the distance by which a truth was missed, in nats.

    Coverage and width in one figure: least for the central interval of the true law.

    Args:
        low: Lower ends in nats, (T,).
        high: Upper ends in nats, (T,).
        mi_nats: True mutual information, (T,).
        level: Nominal coverage of the intervals, in (0, 1).

    Reference: Gneiting and Raftery (2007), JASA 102, equation 43.
    """
    low, high, mi_nats = (np.asarray(v, np.float64) for v in (low, high, mi_nats))
    missed = np.maximum(low - mi_nats, 0) + np.maximum(mi_nats - high, 0)
    return Mean.of(high - low + 2 / (1 - level) * missed)


def quantile_at(quantiles: ArrayLike, taus: ArrayLike, tau: float) -> Floats:
    """Quantiles at one level, interpolated linearly between the neighbouring levels.

    Args:
        quantiles: Predicted quantiles in nats, (T, K), not decreasing along K.
        taus: Their levels, (K,), increasing.
        tau: The level wanted.

    Returns:
        (T,), in nats.

    Raises:
        ValueError: If `tau` lies outside the given levels; nothing is extrapolated.
    """
    taus, quantiles = np.asarray(taus, np.float64), np.asarray(quantiles, np.float64)
    slack = 1e-9  # (1 - .95) / 2 is not quite .025 in floating point
    if not taus[0] - slack <= tau <= taus[-1] + slack:
        raise ValueError(
            f"got level {tau}, but quantiles are known from {taus[0]} to {taus[-1]} only; ask for a level within"
        )
    right = int(np.clip(np.searchsorted(taus, tau), 1, taus.size - 1))
    share = (tau - taus[right - 1]) / (taus[right] - taus[right - 1])
    return (1 - share) * quantiles[:, right - 1] + share * quantiles[:, right]


def _errors(estimates: ArrayLike, mi_nats: ArrayLike) -> Floats:
    estimates, mi_nats = np.asarray(estimates, np.float64), np.asarray(mi_nats, np.float64)
    if estimates.shape != mi_nats.shape or estimates.ndim != 1:
        raise ValueError(
            f"got estimates {estimates.shape} and truths {mi_nats.shape}; wanted two vectors of one length, "
            "one entry per table"
        )
    return estimates - mi_nats


def _midranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
