"""Canonical correlations of the raw columns, in sample and uncorrected: -1/2 sum ln(1 - rho^2)."""

from typing import ClassVar

import numpy as np

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register


@register
class Cca(PointBaseline):
    """Mutual information of the normal law with the sample's covariance, defined for n > d_x + d_y."""

    name: ClassVar[str] = "cca"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate from orthonormal bases of both sides; dependent columns count once."""
        if len(x) <= x.shape[1] + y.shape[1]:
            raise CannotEstimate("needs more than d_x + d_y samples")
        cosines = np.linalg.svd(_basis(x).T @ _basis(y), compute_uv=False)
        if cosines.size and cosines[0] >= 1:
            raise CannotEstimate("a canonical correlation is 1")
        return -0.5 * float(np.log1p(-(cosines**2)).sum())


def _basis(v: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the centred columns of v (n, d), shape (n, rank)."""
    centred = v - v.mean(axis=0)
    spread = centred.std(axis=0)
    vectors, sizes, _ = np.linalg.svd(centred[:, spread > 0] / spread[spread > 0], full_matrices=False)
    return vectors[:, sizes > 1e-10 * sizes.max(initial=0.0)]  # directions below rounding error are not there
