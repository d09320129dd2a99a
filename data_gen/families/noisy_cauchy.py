"""Additive noise without a variance."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_cauchy")
@dataclass(frozen=True)
class NoisyCauchy(Family):
    """y = u + scale e with u uniform on -1..1 and e Cauchy: most rows follow u closely, some not at all.

    I = h(y) - log(4 pi scale), where h(y) is that of a fine mixture of Cauchy laws. Other columns are normal noise.

    Attributes:
        scale: Scale of the noise.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "heavy"
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.005 <= self.scale <= 100:
            raise DataGenError(f"noisy_cauchy needs .005 <= scale <= 100, got {self.scale}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the scale, log-uniform on .01..2 or found for the MI aimed at."""
        scale = log_uniform(rng, 0.01, 2.0)
        if aim is not None:
            scale = noise_for(_nats, aim, 0.01, 50.0)
        return cls(d_x, d_y, scale, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = rng.uniform(-1.0, 1.0, n)
        out = u + self.scale * rng.standard_cauchy(n)
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x[:, None], self.d_x), padded(rng, y[:, None], self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.scale))


def _nats(scale: float) -> float:
    """Integrate over a grid of asinh(y / reach); the density of y is a difference of two arctangents."""
    reach = 1.0 + scale
    t, step = np.linspace(-40.0, 40.0, 2000 + int(400 / min(scale, 1.0)), retstep=True)  # a fifth of the scale at +-1
    y, stretch = reach * np.sinh(t), reach * np.cosh(t)
    density = _density(y, scale)
    return max(float(-step * (stretch * density) @ np.log(density) - np.log(4 * np.pi * scale)), 0.0)


def _density(y: np.ndarray, scale: float) -> np.ndarray:
    """Return (arctan((y + 1) / scale) - arctan((y - 1) / scale)) / (2 pi), as one arctangent, which does not cancel."""
    angle = np.arctan2(2 * scale, scale**2 + np.square(y) - 1)
    return angle / (2 * np.pi)
