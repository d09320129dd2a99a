"""Noise whose size, not mean, depends on a column of the other side."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, noise_for, padded
from data_gen.quadrature import lattice
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_scale")
@dataclass(frozen=True)
class NoisyScale(Family):
    """y = slope u + exp(spread sin(pi periods u / 2)) e with u uniform on -1..1 and normal e: heteroscedastic.

    I = h(y) - E[log scale(u)] - h(e), where h(y) is that of a fine mixture of normals. Other columns are noise.

    Attributes:
        slope: Linear dependence.
        spread: Half the range of the logarithm of the noise's scale.
        periods: The scale grows along u (1), or is largest within (more).
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    slope: float
    spread: float
    periods: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.spread <= 4:
            raise DataGenError(f"noisy_scale needs 0 <= spread <= 4, got {self.spread}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the slope, often 0, and the spread on U(.3, 3) or found for the MI aimed at (1 nat at most or so)."""
        slope = float(rng.choice([0.0, rng.uniform(0.0, 2.0)]))
        spread, periods = float(rng.uniform(0.3, 3.0)), float(rng.uniform(1.0, 4.0))
        if aim is not None:
            spread = 1 / noise_for(lambda s: _nats(slope, 1 / s, periods, 64), aim, 0.25, 20.0)
        return cls(d_x, d_y, slope, spread, periods, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the scaled noise; padding comes last."""
        u = rng.uniform(-1.0, 1.0, n)
        out = self.slope * u + _scale(u, self.spread, self.periods) * rng.standard_normal(n)
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x[:, None], self.d_x), padded(rng, y[:, None], self.d_y)

    def rows_needed(self) -> float:
        """Sixteen rows for each half period (guess)."""
        return 16.0 * self.periods

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.slope, self.spread, self.periods, 192))


def _scale(u: np.ndarray, spread: float, periods: float) -> np.ndarray:
    return np.exp(spread * np.sin(0.5 * np.pi * periods * u))


def _nats(slope: float, spread: float, periods: float, points: int) -> float:
    """Integrate over points of u and, as y may be tiny or large, over a grid of asinh(y / least scale)."""
    u = 2 * lattice(points, 1)[:, 0] - 1
    scale = _scale(u, spread, periods)
    reach = np.arcsinh((slope + 8 * scale.max()) / scale.min())
    t, step = np.linspace(-reach, reach, 2 * points, retstep=True)
    y, stretch = scale.min() * np.sinh(t), scale.min() * np.cosh(t)  # (g,), dy / dt
    density = np.exp(-0.5 * ((y - slope * u[:, None]) / scale[:, None]) ** 2) / scale[:, None]  # (points, g)
    p = density.mean(axis=0) / np.sqrt(2 * np.pi)
    kept = p > 0
    entropy = -step * (stretch[kept] * p[kept]) @ np.log(p[kept])
    return max(float(entropy - np.log(scale).mean() - 0.5 * np.log(2 * np.pi * np.e)), 0.0)
