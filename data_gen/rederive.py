"""The truth of a law found a second time, from its rows alone."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from data_gen.families.base import Family, Truth
from data_gen.families.gaussian import Gaussian

_ROWS = 10_000  # standard errors of about .01 nats


def sampled_truth(family: Family, rng: np.random.Generator) -> Truth | None:
    r"""Estimate the MI of a normal law without bias from the covariance of fresh rows; None for other laws.

    With S the sample covariance on nu degrees of freedom, 1/2 log(|S_xx| |S_yy| / |S|) exceeds I on average by
    (f(d_x) + f(d_y) - f(d_x + d_y)) / 2 with f(d) = sum_{i < d} psi((nu - i) / 2), and its variance is
    (sum rho_i^2 + d_x d_y / (2 nu)) / nu to second order in 1 / nu.

    Reference: Muirhead (1982), "Aspects of multivariate statistical theory", theorem 3.2.15 for the mean.

    Args:
        family: The law.
        rng: Source of randomness.
    """
    if not isinstance(family, Gaussian):
        return None
    x, y = family.sample(rng, _ROWS)
    d_x, nu = x.shape[1], _ROWS - 1
    covariance = np.cov(np.concatenate([x, y], axis=1), rowvar=False)
    s_x, s_y, s_xy = covariance[:d_x, :d_x], covariance[d_x:, d_x:], covariance[:d_x, d_x:]
    volumes = [float(np.linalg.slogdet(part)[1]) for part in (s_x, s_y, covariance)]
    excess = [float(digamma((nu - np.arange(len(part))) / 2).sum()) for part in (s_x, s_y, covariance)]
    nats = 0.5 * (volumes[0] + volumes[1] - volumes[2] - excess[0] - excess[1] + excess[2])
    squares = float(np.sum(np.linalg.solve(s_x, s_xy) * np.linalg.solve(s_y, s_xy.T).T))  # of canonical correlations
    return Truth(nats, float(np.sqrt((squares + s_xy.size / (2 * nu)) / nu)))
