"""The gamma-exponential law."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import digamma

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded, split_nats
from data_gen.registry import FAMILIES

_LOW, _HIGH = 0.05, 60.0  # theta: 2.5 and .008 nats


def gamma_exponential_nats(theta: np.ndarray) -> np.ndarray:
    """Return psi(theta + 1) - log theta.

    Reference: Darbellay and Vajda (2000), IEEE Transactions on Information Theory 46.
    """
    return digamma(theta + 1) - np.log(theta)


@FAMILIES.register("gamma_exponential")
@dataclass(frozen=True)
class GammaExponential(Family):
    """Pairs of logarithms of X_j ~ Gamma(theta_j) and Y_j ~ Exp(rate X_j); MI adds. Further columns are normal noise.

    Logarithms, because X and Y themselves leave the range of float32 where theta is small.
    """

    tails: ClassVar[Tails] = "light"
    theta: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.theta) <= min(self.d_x, self.d_y) or min(self.theta) <= 0:
            raise DataGenError(f"gamma_exponential needs 1..min(d_x, d_y) positive theta, got {self.theta}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw up to 4 pairs, theta log-uniform on .05..60 or solved for a share of the MI aimed at."""
        pairs = int(rng.integers(1, min(d_x, d_y, 4) + 1))
        if aim is None:
            return cls(d_x, d_y, tuple(log_uniform(rng, _LOW, _HIGH) for _ in range(pairs)))
        grid = np.logspace(np.log10(_HIGH), np.log10(_LOW), 64)
        theta = np.exp(np.interp(split_nats(rng, aim, pairs), gamma_exponential_nats(grid), np.log(grid)))
        return cls(d_x, d_y, tuple(theta.tolist()))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw log X as log Gamma(theta + 1) + log(U) / theta, which does not underflow."""
        theta, size = np.array(self.theta), (n, len(self.theta))
        log_x = np.log(rng.standard_gamma(theta + 1, size)) - rng.standard_exponential(size) / theta
        log_y = np.log(rng.standard_exponential(size)) - log_x
        return padded(rng, log_x, self.d_x), padded(rng, log_y, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(gamma_exponential_nats(np.array(self.theta)).sum()))
