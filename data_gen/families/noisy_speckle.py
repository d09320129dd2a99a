"""Multiplicative noise."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.quadrature import channel_nats
from data_gen.registry import FAMILIES

_POINTS = 4000  # of the trapezoid rule in log g, which converges exponentially: steps stay below the least spread


@FAMILIES.register("noisy_speckle")
@dataclass(frozen=True)
class NoisySpeckle(Family):
    """y = u g with u log-normal and g gamma of mean 1: the speckle of a radar image averaged over some looks.

    On logarithms the noise adds, so I = h(log u + log g) - h(log g) with h(log g) = log Gamma(k) - k psi(k) + k for
    k looks. Other columns are normal noise.

    Reference: Goodman (1976), "Some fundamental properties of speckle".

    Attributes:
        spread: Standard deviation of log u.
        looks: Shape of g, whose variance is 1 / looks.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "heavy"
    spread: float
    looks: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.03 <= self.spread <= 2 or not 0.5 <= self.looks <= 2e6:
            raise DataGenError(f"noisy_speckle needs .03 <= spread <= 2 and .5 <= looks <= 2e6, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the spread, less for weak dependence, and the looks, log-uniform on .5..1000 or found for the aim."""
        spread, looks = float(rng.uniform(0.3, 1.2)), log_uniform(rng, 0.5, 1000.0)
        if aim is not None:
            spread = max(spread * min(2 * np.sqrt(aim), 1.0), 0.03)
            looks = noise_for(lambda scale: _nats(spread, scale**-2), aim, 0.001, 1.4) ** -2
        return cls(d_x, d_y, spread, looks, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = np.exp(self.spread * rng.standard_normal((n, 1)))
        out = u * rng.standard_gamma(self.looks, (n, 1)) / self.looks
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.spread, self.looks))


def _nats(spread: float, looks: float) -> float:
    """Add the normal log u to a fine grid of log g, whose density beyond the ends has a mass below 1e-15."""
    low = digamma(looks) - 9 / np.sqrt(looks) - 40 / looks
    log_g = np.linspace(low, np.log(looks + 9 * np.sqrt(looks) + 45), _POINTS)
    mass = np.exp(looks * log_g - np.exp(log_g) - gammaln(looks))
    total = channel_nats(log_g, spread, "normal", mass) + np.log(spread) + 0.5 * np.log(2 * np.pi * np.e)
    return max(float(total - gammaln(looks) + looks * digamma(looks) - looks), 0.0)
