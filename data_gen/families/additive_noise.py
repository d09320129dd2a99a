"""Uniform columns seen through additive uniform noise."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import lambertw

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, split_nats
from data_gen.registry import FAMILIES


def additive_nats(eps: np.ndarray | float) -> np.ndarray:
    """Return the MI of X ~ U(0, 1) and Y = X + U(-eps, eps): 1 / (4 eps) from eps = 1/2 on, eps - log(2 eps) below.

    Reference: Czyz et al. (2023), "Beyond Normal", NeurIPS.
    """
    eps = np.asarray(eps, float)
    return np.where(eps > 0.5, 1 / (4 * eps), eps - np.log(2 * np.minimum(eps, 0.5)))


def eps_of(nats: np.ndarray) -> np.ndarray:
    """Invert additive_nats; below eps = 1/2, -eps is Lambert's W of -exp(-I) / 2."""
    narrow = -lambertw(-0.5 * np.exp(-np.maximum(nats, 0.5))).real
    return np.where(nats > 0.5, narrow, 1 / (4 * np.minimum(nats, 0.5)))


@FAMILIES.register("additive_noise")
@dataclass(frozen=True)
class AdditiveNoise(Family):
    """Pairs X_j ~ U(0, 1), Y_j = X_j + U(-eps_j, eps_j); further columns are uniform and independent. MI adds."""

    tails: ClassVar[Tails] = "light"
    eps: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.eps) <= min(self.d_x, self.d_y) or min(self.eps) <= 0:
            raise DataGenError(f"additive_noise needs 1..min(d_x, d_y) positive eps, got {self.eps}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw eps_j ~ U(.1, 2) for every pair, MIST's law, or split the MI aimed at over 1..min(d_x, d_y) pairs."""
        most = min(d_x, d_y)
        if aim is None:
            return cls(d_x, d_y, tuple(rng.uniform(0.1, 2.0, size=most).tolist()))
        pairs = int(rng.integers(1, max(min(most, int(aim / 0.02)), 1) + 1))
        nats = np.maximum(split_nats(rng, aim, pairs), 0.01)  # eps = 25: the signal is a hundredth of the noise
        return cls(d_x, d_y, tuple(eps_of(nats).tolist()))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw uniform columns and replace the first of y by the noisy ones."""
        k, eps = len(self.eps), np.array(self.eps)
        x, y = rng.uniform(size=(n, self.d_x)), rng.uniform(size=(n, self.d_y))
        y[:, :k] = x[:, :k] + rng.uniform(-eps, eps, size=(n, k))
        return x, y

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(additive_nats(np.array(self.eps)).sum()))
