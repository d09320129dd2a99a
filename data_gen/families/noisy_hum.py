"""Additive noise that swings."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.registry import FAMILIES

_LOW, _HIGH = 0.0005, 50.0  # heights, 8.6 to .16 nats: the edges of a large hum still show
_STEP = 0.1  # of y's grid, in units of u's standard deviation


@FAMILIES.register("noisy_hum")
@dataclass(frozen=True)
class NoisyHum(Family):
    """y = u + scale cos(phase) with u normal and the phase uniform: a signal with a hum that nobody recorded.

    The noise lies within two sharp edges and mostly at them, so I = h(y) - log(scale pi / 2), with the entropy of the
    arcsine law. Other columns are normal noise.

    Attributes:
        scale: Height of the hum, beside a signal of standard deviation 1.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _LOW <= self.scale <= _HIGH:
            raise DataGenError(f"noisy_hum needs {_LOW} <= scale <= {_HIGH:g}, got {self.scale}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the height, log-uniform on .01..5 or found for the MI aimed at."""
        scale = log_uniform(rng, 0.01, 5.0)
        if aim is not None:
            grid, nats = _table()
            scale = float(np.exp(np.interp(-aim, -nats, np.log(grid))))
        return cls(d_x, d_y, scale, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the phase; padding comes last."""
        u = rng.standard_normal((n, 1))
        out = u + self.scale * np.cos(np.pi * rng.uniform(size=(n, 1)))
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.scale))


def _nats(scale: float) -> float:
    """Average y's density over phases, which are fine enough that their normal densities run into each other."""
    phases = np.pi * (np.arange(32 + int(8 * scale)) + 0.5) / (32 + int(8 * scale))
    reach = scale + 9.0
    grid = np.linspace(-reach, reach, 2 * int(reach / _STEP) + 1)
    density = np.exp(-0.5 * np.square(grid[:, None] - scale * np.cos(phases))).mean(axis=1)
    mass = density / density.sum()
    entropy = np.log(grid[1] - grid[0]) - mass @ np.log(np.maximum(mass, 1e-300))
    return max(float(entropy - np.log(scale * np.pi / 2)), 0.0)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of heights and the MI there, to be inverted."""
    grid = np.geomspace(_LOW, _HIGH, 60)
    return grid, np.array([_nats(scale) for scale in grid.tolist()])
