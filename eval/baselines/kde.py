r"""Kernel density plug-in: the mean log ratio of leave-one-out Gaussian kernel densities at the sample's own points.

    I = < ln f_xy(x_i, y_i) - ln f_x(x_i) - ln f_y(y_i) >,    f without point i, kernel covariance h^2 S

with S the sample's covariance and Scott's bandwidth h = n^(-1 / (d + 4)) of each of the three spaces, as
`scipy.stats.gaussian_kde` has it, which however cannot leave a point out. Logarithms of sums are taken throughout: a
far point has a density below the smallest float.

References: Moon, Rajagopalan and Lall (1995), Physical Review E 52, for the plug-in; Scott (1992), Multivariate Density
Estimation, for the bandwidth; Joe (1989), Annals of the Institute of Statistical Mathematics 41, for leaving one out.
"""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.content import content_rng
from eval.baselines.registry import register

Floats = NDArray[np.float64]

_SINGULAR = 1e-7  # a column's spread given the others, beside its own: rounding leaves about 1e-8 of a copy
_MOST_POINTS = (
    5000  # the log ratio is averaged at so many rows: at n = 100,000 that saves 95 %, for .01 nats of scatter
)
_BLOCK_ENTRIES = 4_000_000  # distances held at once: 32 MB a matrix


@register
class Kde(PointBaseline):
    """Gaussian kernel density plug-in, leave one out, Scott's bandwidth, defined for n > d_x + d_y + 1."""

    name: ClassVar[str] = "kde"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate from three densities."""
        if len(x) <= x.shape[1] + y.shape[1] + 1:
            raise CannotEstimate("needs more than d_x + d_y + 1 samples")
        at = content_rng(x, y).permutation(len(x))[:_MOST_POINTS]
        joint = _mean_log_density(np.hstack([x, y]), at)
        return joint - _mean_log_density(x, at) - _mean_log_density(y, at)


def _mean_log_density(v: np.ndarray, at: NDArray[np.int64]) -> float:
    """Mean log density at the rows `at` of v (n, d), each from all the others, up to the columns' units."""
    n, d = v.shape
    spread = v.std(axis=0)
    if not spread.all():
        raise CannotEstimate("a column is constant")
    root = np.linalg.cholesky(np.cov(v / spread, rowvar=False).reshape(d, d))
    if np.diag(root).min() < _SINGULAR:
        raise CannotEstimate("some columns determine another one")
    bandwidth = n ** (-1 / (d + 4))
    white = np.linalg.solve(root, ((v - v.mean(axis=0)) / spread).T).T / bandwidth
    log_sums = _log_sums(white, at)  # (at,)
    log_det = float(np.log(np.diag(root)).sum())
    return float(log_sums.mean()) - math.log(n - 1) - d * math.log(bandwidth * math.sqrt(2 * math.pi)) - log_det


def _log_sums(white: Floats, at: NDArray[np.int64]) -> Floats:
    """Log of the kernel sum at the rows `at` over all other rows, (at,)."""
    step = max(1, _BLOCK_ENTRIES // len(white))
    parts = []
    for start in range(0, len(at), step):
        rows = at[start : start + step]
        exponents = -cdist(white[rows], white, "sqeuclidean") / 2
        exponents[np.arange(len(rows)), rows] = -np.inf
        parts.append(logsumexp(exponents, axis=1))
    return np.concatenate(parts)
