"""A copula of common shocks."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri_exp

from data_gen.families.copula_pairs import PairedCopula
from data_gen.quadrature import legendre
from data_gen.registry import FAMILIES

_POINTS = 400  # of the rule in the logit of m, whose density has no feature narrower than 1
_REACH = 40.0  # logits beyond have a mass below 1e-17


@FAMILIES.register("raftery")
@dataclass(frozen=True)
class Raftery(PairedCopula):
    """Two exponential times, each a share of its own and, in some rows, one time that both have in common.

    With r = t / (1 + t), X = (1 - r) Z + B W and Y = (1 - r) Z' + B W for exponential Z, Z' and W and B = 1 in a share
    r of the rows; u = exp(-X) and v = exp(-Y). With s the lesser and m the greater of u and v the density is
    (1 + t) / (1 + 2 t) s^t ((1 + t) m^t + t m^(-t - 1)): a ridge along u = v and a tail at 0.

    Reference: Raftery (1984), "A continuous multivariate exponential distribution", Communications in Statistics 13;
    Nelsen (2006), "An introduction to copulas", exercise 3.6.
    """

    low = 0.01
    high = 2e3

    @classmethod
    def scores(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Add the common time, then normal scores."""
        share = theta / (1 + theta)
        own, common = rng.standard_exponential((n, 2)), rng.standard_exponential((n, 1))
        times = (1 - share) * own + (rng.uniform(size=(n, 1)) < share) * common
        return ndtri_exp(-np.maximum(times, 1e-300))

    @classmethod
    def pair_nats(cls, theta: float) -> float:
        """Integrate over the logit of m; given m, log s is log m less an exponential number of mean 1 / (1 + t)."""
        nodes, weights = legendre(_POINTS)
        logit = _REACH * nodes
        log_m = -np.logaddexp(0.0, -logit)
        log_step = log_m - np.logaddexp(0.0, logit) + np.log(_REACH * weights)  # of m: m (1 - m)
        rise = np.logaddexp(np.log1p(theta) + theta * log_m, np.log(theta) - (theta + 1) * log_m)
        mass = np.exp(np.log(2 / (1 + 2 * theta)) + (theta + 1) * log_m + rise + log_step)
        log_density = np.log((1 + theta) / (1 + 2 * theta)) + theta * (log_m - 1 / (1 + theta)) + rise
        return max(float(mass @ log_density / mass.sum()), 0.0)
