"""Additive noise to one side only: delays."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import log_ndtr

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_exponential")
@dataclass(frozen=True)
class NoisyExponential(Family):
    """y = u + scale e with u normal and e exponential: no row lies below its u.

    I = h(y) - 1 - log(scale), where y is an exponentially modified normal. Other columns are normal noise.

    Attributes:
        scale: Mean of the noise.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.002 <= self.scale <= 100:
            raise DataGenError(f"noisy_exponential needs .002 <= scale <= 100, got {self.scale}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the scale, log-uniform on .01..5 or found for the MI aimed at."""
        scale = log_uniform(rng, 0.01, 5.0) if aim is None else noise_for(_nats, aim, 0.002, 50.0)
        return cls(d_x, d_y, scale, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = rng.standard_normal((n, 1))
        out = u + self.scale * rng.standard_exponential((n, 1))
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.scale))


def _nats(scale: float) -> float:
    """Integrate the entropy of y, whose density has no feature narrower than the normal one."""
    y, step = np.linspace(-10.0, 10.0 + 45.0 * scale, int((20 + 45 * scale) / 0.02), retstep=True)
    rate = 1 / scale
    log_density = np.log(rate) + rate**2 / 2 - rate * y + log_ndtr(y - rate)
    return max(float(-step * np.exp(log_density) @ log_density - 1 - np.log(scale)), 0.0)
