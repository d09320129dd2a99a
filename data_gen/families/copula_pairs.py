"""Pairs of columns under a copula with one parameter."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Truth, log_uniform, padded, split_nats


@dataclass(frozen=True)
class PairedCopula(Family, ABC):
    """Pairs of columns with normal margins under a copula; MI adds. Further columns are normal noise.

    Attributes:
        theta: Parameter of each pair.
        turned: Whether the sign of y is turned, so that dependence is negative.
    """

    low: ClassVar[float]  # theta is drawn from low..high, beyond `origin`
    high: ClassVar[float]
    origin: ClassVar[float] = 0.0  # theta at independence
    theta: tuple[float, ...]
    turned: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.theta) <= min(self.d_x, self.d_y) or min(self.theta) <= self.origin:
            raise DataGenError(f"{self.name} needs 1..min(d_x, d_y) values theta > {self.origin}, got {self.theta}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw up to 3 pairs, theta log-uniform beyond independence or solved for a share of the MI aimed at."""
        pairs = int(rng.integers(1, min(d_x, d_y, 3) + 1))
        if aim is None:
            theta = [cls.origin + log_uniform(rng, cls.low, cls.high) for _ in range(pairs)]
        else:
            grid, nats = _table(cls)
            theta = (cls.origin + np.exp(np.interp(split_nats(rng, aim, pairs), nats, np.log(grid)))).tolist()
        return cls(d_x, d_y, tuple(theta), bool(rng.uniform() < 0.3))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the normal scores of each pair; padding comes last."""
        columns = [self.scores(rng, theta, n) for theta in self.theta]
        x, y = (np.stack([pair[:, side] for pair in columns], axis=1) for side in (0, 1))
        return padded(rng, x, self.d_x), padded(rng, -y if self.turned else y, self.d_y)

    def truth(self) -> Truth:
        """Sum over the pairs."""
        return Truth(sum(self.pair_nats(theta) for theta in self.theta))

    @classmethod
    @abstractmethod
    def scores(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw the normal scores of one pair, (n, 2)."""

    @classmethod
    @abstractmethod
    def pair_nats(cls, theta: float) -> float:
        """Return the MI of one pair in nats."""


@cache
def _table(copula: type[PairedCopula]) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of theta beyond independence and the MI there, to be inverted."""
    grid = np.geomspace(copula.low, copula.high, 48)
    return grid, np.array([copula.pair_nats(copula.origin + beyond) for beyond in grid])
