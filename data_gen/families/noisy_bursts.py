"""Additive noise that is mostly small."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.quadrature import label_nats
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_bursts")
@dataclass(frozen=True)
class NoisyBursts(Family):
    """y = u + scale e with u normal and e normal of deviation 1, or `burst` in a share of the rows, which are not told.

    I = h(y) - h(scale e), both those of a mixture of two normal laws about 0: the mean entropy of the two, and what a
    number tells of its law. Other columns are normal noise.

    Reference: Tukey (1960), "A survey of sampling from contaminated distributions".

    Attributes:
        scale: Standard deviation of the small noise.
        burst: Standard deviation of the large noise in those of the small one.
        share: Share of the rows with the large noise.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    scale: float
    burst: float
    share: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0.0005 <= self.scale <= 100 and 1 <= self.burst <= 40 and 0 < self.share < 1):
            raise DataGenError(
                f"noisy_bursts needs .0005 <= scale <= 100, 1 <= burst <= 40 and 0 < share < 1, got {self}"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw bursts of 4 to 30 small deviations in 2 to 25 % of the rows, and the scale, .01..2 or for the aim."""
        burst, share = log_uniform(rng, 4.0, 30.0), log_uniform(rng, 0.02, 0.25)
        scale = log_uniform(rng, 0.01, 2.0)
        if aim is not None:
            scale = noise_for(lambda s: _nats(s, burst, share), aim, 0.0005, 50.0)
        return cls(d_x, d_y, scale, burst, share, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = rng.standard_normal((n, 1))
        size = np.where(rng.uniform(size=(n, 1)) < self.share, self.burst, 1.0)
        out = u + self.scale * size * rng.standard_normal((n, 1))
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.scale, self.burst, self.share))


def _nats(scale: float, burst: float, share: float) -> float:
    """Return the mean MI of the two channels and what y tells of its law, less what the noise tells of its own."""
    weights, noise, centre = np.array([1 - share, share]), scale * np.array([1.0, burst]), np.zeros(2)
    told = label_nats(weights, centre, np.hypot(1.0, noise)) - label_nats(weights, centre, noise)
    return max(float(0.5 * weights @ np.log1p(noise**-2.0) + told), 0.0)
