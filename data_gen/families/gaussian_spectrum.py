"""Multivariate normal laws given by their canonical correlations."""

from abc import ABC
from dataclasses import dataclass
from typing import Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import PAIR_NATS, Truth, correlation_of, log_uniform, nats_of, split_nats
from data_gen.families.gaussian import Gaussian
from data_gen.linear import orthogonal
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded


@dataclass(frozen=True)
class Canonical(Gaussian, ABC):
    """Normal law whose canonical variates are placed in the columns of either side by a random orthogonal map.

    I = -1/2 sum log(1 - rho_i^2) over the canonical correlations (Hotelling 1936; Gelfand and Yaglom 1957).
    """

    correlations: tuple[float, ...]
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.correlations) > min(self.d_x, self.d_y):
            raise DataGenError(f"got {len(self.correlations)} canonical correlations, at most min(d_x, d_y) exist")
        if any(not 0 <= rho < 1 for rho in self.correlations):
            raise DataGenError(f"canonical correlations must lie in [0, 1), got {self.correlations}")

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the variates, then rotate each side."""
        rho, k = np.array(self.correlations), len(self.correlations)
        x, y = rng.standard_normal((n, self.d_x)), rng.standard_normal((n, self.d_y))
        y[:, :k] *= np.sqrt(1 - rho**2)
        y[:, :k] += rho * x[:, :k]
        maps = seeded(self.seed)
        return x @ orthogonal(maps, self.d_x), y @ orthogonal(maps, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(nats_of(np.array(self.correlations)))


@FAMILIES.register("gaussian_spectrum")
@dataclass(frozen=True)
class Spectrum(Canonical):
    """Normal law with a few or many canonical correlations of random sizes; see Canonical."""

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Split the MI (log-uniform on .05..8, or the aim) over 1..min(d_x, d_y) pairs, log-uniform."""
        total = log_uniform(rng, 0.05, 8.0) if aim is None else aim
        most = min(d_x, d_y)
        count = max(int(log_uniform(rng, 1, most + 1)), min(most, int(np.ceil(total / PAIR_NATS))))
        rho = correlation_of(split_nats(rng, total, min(count, most)))
        return cls(d_x, d_y, tuple(sorted(rho.tolist(), reverse=True)), draw_seed(rng))


@FAMILIES.register("gaussian_weak")
@dataclass(frozen=True)
class Weak(Canonical):
    """Normal law whose dependence is spread evenly over all canonical pairs, each of them weak; see Canonical."""

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Give every pair nearly the same MI; the correlations stay below .5 (.14 nats a pair)."""
        most = min(d_x, d_y)
        total = log_uniform(rng, 0.02, 0.1 * most) if aim is None else min(aim, 0.1 * most)
        weights = rng.uniform(0.6, 1.4, size=most)
        rho = correlation_of(total * weights / weights.sum())
        return cls(d_x, d_y, tuple(sorted(rho.tolist(), reverse=True)), draw_seed(rng))
