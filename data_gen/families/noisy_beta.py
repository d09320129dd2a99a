"""Additive noise within two edges."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import betaln, digamma, roots_jacobi

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES

_STEP = 0.1  # of y's grid, in units of u's standard deviation
_LOW, _HIGH = 0.35, 6.0  # of either parameter: from mostly at an edge, past even and bell shapes, to one-sided


@FAMILIES.register("noisy_beta")
@dataclass(frozen=True)
class NoisyBeta(Family):
    """y = u + scale e with u normal and e of a beta law on 0..1: bounded noise, even, bell-shaped, lopsided or hollow.

    I = h(y) - h(e) - log(scale). Other columns are normal noise.

    Reference: Johnson, Kotz and Balakrishnan (1995), "Continuous univariate distributions", volume 2, chapter 25.

    Attributes:
        p: The beta law's first parameter; below 1 much of the noise is near 0.
        q: The second; below 1 much of the noise is near 1.
        scale: Distance of the edges, beside a signal of standard deviation 1.
        swapped: u is in y.
    """

    tails: ClassVar[Tails] = "light"
    p: float
    q: float
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (min(self.p, self.q) >= _LOW and max(self.p, self.q) <= _HIGH and 0.001 <= self.scale <= 100):
            raise DataGenError(
                f"noisy_beta needs p and q in {_LOW}..{_HIGH:g} and .001 <= scale <= 100, got {self.p}, {self.q} "
                f"and {self.scale}"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the shape, symmetric in two fifths, and the scale, log-uniform on .03..20 or found for the aim."""
        p, q = (log_uniform(rng, _LOW, _HIGH) for _ in range(2))
        q = p if rng.uniform() < 0.4 else q
        scale = log_uniform(rng, 0.03, 20.0)
        if aim is not None:
            spread = np.sqrt(p * q / (p + q + 1)) / (p + q)  # of the noise: what noise_for takes its argument for
            scale = noise_for(lambda s: _nats(p, q, s / spread), aim, 0.001 * spread, 100.0 * spread) / float(spread)
        return cls(d_x, d_y, p, q, min(max(scale, 0.001), 100.0), bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u and the noise; padding comes last."""
        u = rng.standard_normal((n, 1))
        out = u + self.scale * rng.beta(self.p, self.q, (n, 1))
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_nats(self.p, self.q, self.scale))


def _nats(p: float, q: float, scale: float) -> float:
    """Average y's density over the noise by Gauss and Jacobi's rule, whose weight is the beta law's density."""
    nodes, weights = roots_jacobi(48 + int(4 * scale), q - 1, p - 1)
    noise = scale * (nodes + 1) / 2
    grid = np.linspace(-9.0, scale + 9.0, int((scale + 18) / _STEP) + 1)
    mass = np.exp(-0.5 * np.square(grid[:, None] - noise)) @ weights
    mass /= mass.sum()
    entropy = np.log(grid[1] - grid[0]) - mass @ np.log(np.maximum(mass, 1e-300))
    own = betaln(p, q) - (p - 1) * digamma(p) - (q - 1) * digamma(q) + (p + q - 2) * digamma(p + q)
    return max(float(entropy - own - np.log(scale)), 0.0)
