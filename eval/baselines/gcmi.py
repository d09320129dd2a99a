r"""Gaussian copula mutual information: a lower bound from normal scores, less the bias of its log-determinants.

Ranks become normal scores; for normal scores with covariance S (n - 1 degrees of freedom, so S (n - 1) is Wishart),

    I = (ln det S_x + ln det S_y - ln det S_xy) / 2 - bias,
    E ln det S = ln det Sigma + b(d),    b(d) = sum_{i=1..d} psi((n - i) / 2) + d ln(2 / (n - 1)),

so bias = (b(d_x) + b(d_y) - b(d_x + d_y)) / 2, where the last term of b cancels.

References: Ince et al. (2017), Human Brain Mapping 38; Misra et al. (2005), J. Multivariate Anal. 92.
"""

from typing import ClassVar

import numpy as np
from scipy.special import ndtri, psi
from scipy.stats import rankdata

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register

_SINGULAR = 1e-7  # a column's spread given the others, beside 1: rounding leaves about 1e-8 of a copy


@register
class Gcmi(PointBaseline):
    """Gaussian copula with the Wishart bias correction, defined for n > d_x + d_y + 1."""

    name: ClassVar[str] = "gcmi"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate from normal scores; ties get their mean rank."""
        n, d_x, d_y = x.shape[0], x.shape[1], y.shape[1]
        if n <= d_x + d_y + 1:
            raise CannotEstimate("needs more than d_x + d_y + 1 samples")
        scores = ndtri(rankdata(np.hstack([x, y]), axis=0) / (n + 1))  # (n, d_x + d_y)
        covariance = np.cov(scores, rowvar=False)
        plug_in = (_log_det(covariance[:d_x, :d_x]) + _log_det(covariance[d_x:, d_x:]) - _log_det(covariance)) / 2
        return plug_in - (_wishart(n, d_x) + _wishart(n, d_y) - _wishart(n, d_x + d_y)) / 2


def _wishart(n: int, d: int) -> float:
    return float(psi((n - np.arange(1, d + 1)) / 2).sum())


def _log_det(covariance: np.ndarray) -> float:
    pivots = np.diag(np.linalg.cholesky(covariance))
    if pivots.min() < _SINGULAR:
        raise CannotEstimate("some columns determine another one")
    return 2 * float(np.log(pivots).sum())
