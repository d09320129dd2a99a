"""Plackett's copula: one odds ratio, wherever the quadrants are cut."""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from scipy.special import expit, ndtri

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Truth, log_uniform, padded, split_nats
from data_gen.registry import FAMILIES

_LOW, _HIGH = 1.3, 1e5  # odds ratios; I = .004 to 4.5 nats
_LOGITS = np.linspace(-36.0, 36.0, 361)  # of the trapezoid rule, which converges exponentially there


@FAMILIES.register("plackett")
@dataclass(frozen=True)
class Plackett(Family):
    """Pairs of columns with normal margins under a Plackett copula; MI adds. Further columns are normal noise.

    Reference: Plackett (1965), JASA 60; Johnson (1987), "Multivariate statistical simulation", for the draws.

    Attributes:
        odds: Odds ratio of each pair, above 1.
        turned: Whether the sign of y is turned, so that dependence is negative.
    """

    odds: tuple[float, ...]
    turned: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.odds) <= min(self.d_x, self.d_y) or not 1 < min(self.odds) <= max(self.odds) <= 1e6:
            raise DataGenError(f"plackett needs 1..min(d_x, d_y) odds ratios in 1..1e6, got {self.odds}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw up to 3 pairs, odds ratios log-uniform or solved for a share of the MI aimed at."""
        pairs = int(rng.integers(1, min(d_x, d_y, 3) + 1))
        if aim is None:
            odds = [log_uniform(rng, _LOW, _HIGH) for _ in range(pairs)]
        else:
            grid, nats = _table()
            odds = np.exp(np.interp(split_nats(rng, aim, pairs), nats, np.log(grid))).tolist()
        return cls(d_x, d_y, tuple(odds), bool(rng.uniform() < 0.3))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw u, and v by its conditional distribution; then take normal scores."""
        u, t = rng.uniform(1e-12, 1 - 1e-12, size=(2, n, len(self.odds)))
        v = np.clip(_conditional(np.array(self.odds), u, t), 1e-12, 1 - 1e-12)
        y = -ndtri(v) if self.turned else ndtri(v)
        return padded(rng, ndtri(u), self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature over u and the conditional probability of v."""
        return Truth(sum(_pair_nats(odds) for odds in self.odds))


def _conditional(odds: np.ndarray | float, u: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the v below which a share t lies given u."""
    spread = t * (1 - t)
    b = odds + spread * (odds - 1) ** 2
    c = 2 * spread * (u * odds**2 + 1 - u) + odds * (1 - 2 * spread)
    d = np.sqrt(odds * (odds + 4 * spread * u * (1 - u) * (1 - odds) ** 2))
    return (c - (1 - 2 * t) * d) / (2 * b)


def _pair_nats(odds: float) -> float:
    """Return the mean of the log density over a grid of logits of u and of t."""
    u, t = expit(_LOGITS)[:, None], expit(_LOGITS)[None, :]
    v = _conditional(odds, u, t)
    either = 1 + (odds - 1) * (u + v - 2 * u * v)
    log_density = np.log(odds * either) - 1.5 * np.log(2 * either - 1 + ((odds - 1) * (u - v)) ** 2)
    weights = expit(_LOGITS) * expit(-_LOGITS)
    weights /= weights.sum()
    return max(float(weights @ log_density @ weights), 0.0)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of odds ratios and the MI there, to be inverted."""
    grid = np.geomspace(_LOW, _HIGH, 40)
    return grid, np.array([_pair_nats(odds) for odds in grid])
