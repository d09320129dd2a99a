"""A copula that wraps around."""

from dataclasses import dataclass

import numpy as np
from scipy.special import i0e, i1e, ndtri

from data_gen.families.copula_pairs import PairedCopula
from data_gen.registry import FAMILIES


@FAMILIES.register("circula")
@dataclass(frozen=True)
class Circula(PairedCopula):
    """v = u + e modulo 1 with 2 pi e von Mises of concentration theta: highest and lowest values are neighbours.

    I = theta I_1(theta) / I_0(theta) - log I_0(theta) for each pair.

    Reference: Jones, Pewsey and Kato (2015), "On a class of circulas: copulas for circular distributions".
    """

    low = 0.12  # I = .004 nats
    high = 1e4  # 5 nats

    @classmethod
    def scores(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Turn u by an angle, then take normal scores."""
        u = rng.uniform(size=n)
        v = (u + rng.vonmises(0.0, theta, size=n) / (2 * np.pi)) % 1
        return ndtri(np.clip(np.stack([u, v], axis=1), 1e-12, 1 - 1e-12))

    @classmethod
    def pair_nats(cls, theta: float) -> float:
        """Return log 2 pi less the entropy of the angle, by Bessel functions over exp(theta)."""
        return float(theta * (i1e(theta) / i0e(theta) - 1) - np.log(i0e(theta)))
