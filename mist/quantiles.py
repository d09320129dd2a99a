r"""Quantiles of MI in nats at fixed levels: their loss, what lies between them, and their mean.

A quantile function is kept as K values at increasing levels ``taus``. Between two levels it is linear in tau, outside
them it is flat: the model never claims to know a tail that it was not trained on.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor

Values = TypeVar("Values", Tensor, NDArray[np.float64])

# K = 21. The ends give a 99 % interval, the inner ones every usual level (98, 95, 90, 80, 70, 60, 50 %) exactly.
_LOWER = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
_UPPER = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995)
LEVELS: tuple[float, ...] = (*_LOWER, 0.5, *_UPPER)
MEDIAN: int = len(_LOWER)


def pinball(quantiles: Tensor, taus: Tensor, mi_nats: Tensor) -> Tensor:
    r"""Mean pinball loss, least when each quantile is the true one.

    Args:
        quantiles: Predicted quantiles in nats, (B, K), increasing along K.
        taus: Levels in (0, 1), (K,).
        mi_nats: True mutual information, (B,).

    Returns:
        A scalar: the mean over tables and levels of max(tau e, (tau - 1) e), e = mi - quantile.

    Reference: Koenker and Bassett (1978), Econometrica 46.
    """
    error = mi_nats[:, None] - quantiles  # (B, K)
    return torch.maximum(taus * error, (taus - 1) * error).mean()


def interpolate(quantiles: Values, taus: Sequence[float], tau: float) -> Values:
    """The quantile at any level: linear in tau between two levels, the end quantile outside all of them.

    Args:
        quantiles: Quantiles in nats, (B, K), increasing along K.
        taus: Increasing levels in (0, 1), K of them.
        tau: The level wanted, in (0, 1).

    Returns:
        Quantiles in nats, (B,).
    """
    if tau <= taus[0]:
        return quantiles[:, 0]
    if tau >= taus[-1]:
        return quantiles[:, -1]
    right = bisect_left(taus, tau)
    if tau == taus[right]:
        return quantiles[:, right]
    share = (tau - taus[right - 1]) / (taus[right] - taus[right - 1])
    low, high = quantiles[:, right - 1], quantiles[:, right]
    return low + share * (high - low)


def of_a_constant(n: int, taus: Sequence[float]) -> list[float]:
    """Quantiles in nats, K of them, where a side took one value in all n rows: 0 up to the median.

    Above, the entropy of a side that takes another value with the largest chance p that goes unseen in a share 1 - tau
    of all samples of n rows: (1 - p)^n = 1 - tau.
    """
    chances = (-math.expm1(math.log1p(-tau) / n) if tau > 0.5 else 0.0 for tau in taus)
    return [float(entr(chance) + entr(1 - chance)) for chance in chances]


def mean(quantiles: Tensor, taus: Tensor) -> Tensor:
    """The mean: the integral of the quantile function over tau, flat beyond the end levels.

    Args:
        quantiles: Quantiles in nats, (B, K), increasing along K.
        taus: Increasing levels in (0, 1), (K,).

    Returns:
        Means in nats, (B,).
    """
    tails = taus[0] * quantiles[:, 0] + (1 - taus[-1]) * quantiles[:, -1]
    return torch.trapezoid(quantiles, taus, dim=-1) + tails
