"""A copula whose sides are not alike."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_ndtr, ndtri_exp

from data_gen.families.copula import Clayton
from data_gen.families.copula_pairs import PairedCopula
from data_gen.quadrature import legendre
from data_gen.registry import FAMILIES

_LOGITS = np.linspace(-36.0, 36.0, 181)  # of u, for the trapezoid rule, which converges exponentially there
_POINTS = 80  # of the rule in w on either side of w = u


@FAMILIES.register("khoudraji")
@dataclass(frozen=True)
class Khoudraji(PairedCopula):
    """C(u, v) = v^(1 - b) K(u, v^b) with K Clayton's copula and b = .7: v comes from u only in part of the rows.

    v is the larger of w^(1 / b) and z^(1 / (1 - b)) for (u, w) of K and z uniform. With s = u^-t + w^-t - 1 at w = v^b
    the density is u^(-t - 1) s^(-1 - 1 / t) ((1 - b) / w + b (1 + t) w^(-t - 1) / s), and I its mean logarithm.

    Reference: Khoudraji (1995), thesis, Laval; Genest, Ghoudi and Rivest (1998), discussion of Frees and Valdez.
    """

    share = 0.7  # b; 1 is Clayton's copula, 0 independence (guess)
    low = 0.1
    high = 1e4

    @classmethod
    def scores(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Take the larger of two powers, then normal scores."""
        u, w = Clayton.scores(rng, theta, n).T
        log_v = np.maximum(log_ndtr(w) / cls.share, -rng.standard_exponential(n) / (1 - cls.share))
        return np.stack([u, ndtri_exp(np.minimum(log_v, -1e-300))], axis=1)

    @classmethod
    def pair_nats(cls, theta: float) -> float:
        """Integrate over logits of u, and over w by log(w / u) = sinh(z) / (1 + theta), fine where w is near u."""
        log_u = -np.logaddexp(0.0, -_LOGITS)[:, None]
        nodes, weights = legendre(_POINTS)
        mass, total = np.zeros(len(_LOGITS)), np.zeros(len(_LOGITS))
        for end in (-np.arcsinh(45.0), np.arcsinh(-(1 + theta) * log_u)):  # w below u, and above it as far as 1
            z = end * (nodes + 1) / 2
            log_w = log_u + np.sinh(z) / (1 + theta)
            log_density = _log_density(log_u, log_w, theta, cls.share)
            log_step = np.log(np.cosh(z) / (1 + theta) / cls.share) + log_w / cls.share  # dv / dz for v = w^(1 / b)
            cells = np.abs(end) / 2 * weights * np.exp(log_density + log_step)
            mass, total = mass + cells.sum(axis=1), total + (cells * log_density).sum(axis=1)
        over_u = expit(_LOGITS) * expit(-_LOGITS)
        return max(float(over_u @ total / (over_u @ mass)), 0.0)


def _log_density(log_u: np.ndarray, log_w: np.ndarray, theta: float, share: float) -> np.ndarray:
    """Return the log density at u and v = w^(1 / share)."""
    log_s = -theta * log_u + np.log(np.exp(theta * (log_u - log_w)) - np.expm1(theta * log_u))
    apart = np.log1p(-share) - log_w
    together = np.log(share) + np.log1p(theta) - (theta + 1) * log_w - log_s
    return -(theta + 1) * log_u - (1 + 1 / theta) * log_s + np.logaddexp(apart, together)
