"""Additive noise that is the largest of many."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES

_LEAST, _MOST = -5.0, 32.0  # of standard Gumbel noise: outside lies less than 1e-13 of its mass
_STEP = 0.2  # of y's grid and of the noise's, in units of u's standard deviation
_SPREAD = np.pi / np.sqrt(6)  # standard deviation of standard Gumbel noise


@FAMILIES.register("noisy_extreme")
@dataclass(frozen=True)
class NoisyExtreme(Family):
    """y = u + scale e with u normal and e of Gumbel's extreme value law: floods, and tastes in models of choice.

    I = h(y) - 1 - gamma - log(scale), with Euler's constant gamma. Other columns are normal noise.

    Reference: Johnson, Kotz and Balakrishnan (1995), "Continuous univariate distributions", volume 2, chapter 22.

    Attributes:
        scale: Of the noise, beside a signal of standard deviation 1.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0005 <= self.scale <= 10:
            raise DataGenError(f"noisy_extreme needs .0005 <= scale <= 10, got {self.scale}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the scale, log-uniform on .01..5 or found for the MI aimed at."""
        scale = log_uniform(rng, 0.01, 5.0)
        if aim is not None:
            scale = noise_for(lambda s: _nats(s / _SPREAD), aim, 0.0005 * _SPREAD, 10 * _SPREAD) / _SPREAD
        return cls(d_x, d_y, min(max(float(scale), 0.0005), 10.0), bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = rng.standard_normal((n, 1))
        out = u + self.scale * rng.gumbel(size=(n, 1))
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.scale))


def _nats(scale: float) -> float:
    """Average y's density over the noise; sums over even steps, for all is smooth and dies away at both ends."""
    e = np.linspace(_LEAST, _MOST, 1 + int((_MOST - _LEAST) * max(scale / _STEP, 1 / 0.05)))
    grid = np.arange(_LEAST * scale - 9.0, _MOST * scale + 9.0, _STEP)
    weights = np.exp(-e - np.exp(-e))
    density = np.exp(-0.5 * np.square(grid[:, None] - scale * e)) @ weights
    mass = density / density.sum()
    entropy = np.log(_STEP) - mass @ np.log(np.maximum(mass, 1e-300))
    return max(float(entropy - 1 - np.euler_gamma - np.log(scale)), 0.0)
