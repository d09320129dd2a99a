"""Multivariate normal laws with structured or random dispersions: chains, blocks, factors, Wishart matrices."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular

from data_gen.errors import DataGenError
from data_gen.families.base import PAIR_NATS, Truth, log_uniform, nats_of, split_nats
from data_gen.families.gaussian import Dense, Gaussian, dense_nats
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded

_MOST_FACTORS = 6


@FAMILIES.register("gaussian_toeplitz")
@dataclass(frozen=True)
class Toeplitz(Gaussian):
    r"""Normal law with dispersion rho^|i - j| over the places i, j of all columns in one chain.

    The places of x and y are drawn at random, or x takes the first ones and y the others. Any columns of the chain,
    with gaps g_1, g_2, ... between their places, have a dispersion of determinant prod(1 - rho^(2 g)); so with k
    columns
    I = 1/2 [sum_x log(1 - rho^(2 g)) + sum_y log(1 - rho^(2 g)) - (k - 1) log(1 - rho^2)].

    Attributes:
        rho: Correlation of neighbours, of either sign.
        shuffled: The places are drawn at random.
        seed: Seed of the places.
    """

    rho: float
    shuffled: bool
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 < self.rho < 1:
            raise DataGenError(f"gaussian_toeplitz needs -1 < rho < 1, got {self.rho}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw |rho| from U(0, .95), or solve for the MI aimed at."""
        shuffled, seed, sign = bool(rng.uniform() < 0.7), draw_seed(rng), 1 if rng.uniform() < 0.7 else -1
        if aim is None:
            return cls(d_x, d_y, sign * float(rng.uniform(0.0, 0.95)), shuffled, seed)
        grid = np.sqrt(-np.expm1(-np.geomspace(1e-5, 2 * PAIR_NATS, 96)))
        gaps = _gaps(d_x, d_y, shuffled, seed)
        squares = np.array([rho**2 for rho in grid])  # one by one, as truth does: an array rounds otherwise
        rho = np.interp(aim, _chain_nats(squares, gaps, d_x + d_y), grid)
        return cls(d_x, d_y, sign * float(rho), shuffled, seed)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Walk along the chain."""
        chain = rng.standard_normal((self.d_x + self.d_y, n))
        for before, here in pairwise(chain):
            here *= np.sqrt(1 - self.rho**2)
            here += self.rho * before
        x, y = _places(self.d_x, self.d_y, self.shuffled, self.seed)
        return chain[x].T, chain[y].T

    def truth(self) -> Truth:
        """Closed form."""
        gaps = _gaps(self.d_x, self.d_y, self.shuffled, self.seed)
        return Truth(max(float(_chain_nats(self.rho**2, gaps, self.d_x + self.d_y)), 0.0))


def _places(d_x: int, d_y: int, shuffled: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the columns of x (d_x,) and of y (d_y,) in the chain, each in increasing order."""
    places = seeded(seed).permutation(d_x + d_y) if shuffled else np.arange(d_x + d_y)
    return np.sort(places[:d_x]), np.sort(places[d_x:])


def _gaps(d_x: int, d_y: int, shuffled: bool, seed: int) -> np.ndarray:
    """Return the gaps between neighbours of one side, (d_x + d_y - 2,)."""
    return np.concatenate([np.diff(side) for side in _places(d_x, d_y, shuffled, seed)])


def _chain_nats(square: np.ndarray | float, gaps: np.ndarray, k: int) -> np.ndarray:
    """Return the MI of a chain of k columns at rho^2, which may be an array, whose shape the result has."""
    square = np.asarray(square)
    return 0.5 * (np.log1p(-(square[..., None] ** gaps)).sum(axis=-1) - (k - 1) * np.log1p(-square))


@FAMILIES.register("gaussian_blocks")
@dataclass(frozen=True)
class Blocks(Gaussian):
    """Normal law of independent blocks of columns, each equicorrelated; MI adds. Blocks of one side alone have none.

    Attributes:
        blocks: Columns of x, columns of y and correlation of each block, in the order of the columns.
    """

    blocks: tuple[tuple[int, int, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        got = tuple(sum(block[side] for block in self.blocks) for side in (0, 1))
        if got != (self.d_x, self.d_y) or any(not 0 <= rho < 1 for *_, rho in self.blocks):
            raise DataGenError(
                f"gaussian_blocks needs blocks of {(self.d_x, self.d_y)} columns and 0 <= rho < 1, got {self.blocks}"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the blocks' columns at random; those of both sides share the MI (the aim, or log-uniform on .05..6)."""
        count = int(log_uniform(rng, 1, max(d_x, d_y) + 1))
        widths = np.stack([rng.multinomial(d, rng.dirichlet(np.full(count, 2.0))) for d in (d_x, d_y)])
        widths = widths[:, widths.sum(axis=0) > 0]
        both = (widths > 0).all(axis=0)
        if not both.any():  # then x and y would be independent
            widths, both = np.array([[d_x], [d_y]]), np.array([True])
        nats = np.zeros(widths.shape[1])
        nats[both] = split_nats(rng, log_uniform(rng, 0.05, 6.0) if aim is None else aim, int(both.sum()))
        blocks = []
        for k_x, k_y, share in zip(*widths.tolist(), nats.tolist(), strict=True):
            rho = Dense.draw(rng, k_x, k_y, share).rho if min(k_x, k_y) else float(rng.uniform(0.0, 0.9))
            blocks.append((k_x, k_y, rho))
        return cls(d_x, d_y, tuple(blocks))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw own noise of every column beside one normal for each block."""
        x_of, y_of = (
            np.repeat(np.arange(len(self.blocks)), [int(block[side]) for block in self.blocks]) for side in (0, 1)
        )
        rho, shared = np.array([rho for *_, rho in self.blocks]), rng.standard_normal((n, len(self.blocks)))
        x, y = (
            np.sqrt(1 - rho[block]) * rng.standard_normal((n, len(block))) + (np.sqrt(rho) * shared)[:, block]
            for block in (x_of, y_of)
        )
        return x, y

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(sum(float(dense_nats(rho, k_x, k_y)) for k_x, k_y, rho in self.blocks if min(k_x, k_y)))


@FAMILIES.register("gaussian_factors")
@dataclass(frozen=True)
class Factors(Gaussian):
    r"""Normal law of low-rank factors: all columns load on a few common normals and have noise of their own.

    With loadings L_x (d_x, r), L_y (d_y, r) and unit noise, G = L^T L of either side,
    I = 1/2 [log|1 + G_x| + log|1 + G_y| - log|1 + G_x + G_y|]. Columns are scaled to unit variances.

    Attributes:
        factors: Number of factors, r.
        strength: Factor of all loadings.
        density: Share of the loadings that are not 0.
        seed: Seed of the loadings.
    """

    factors: int
    strength: float
    density: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factors < 1 or self.strength < 0 or not 0 < self.density <= 1:
            raise DataGenError(f"gaussian_factors needs factors >= 1, strength >= 0 and 0 < density <= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 1 to 6 factors, often sparse loadings; strength log-uniform on .1..3 or found for the aim."""
        # More factors than columns would be mostly noise of the columns, and bound the MI.
        factors, seed = int(rng.integers(1, min(_MOST_FACTORS, d_x, d_y) + 1)), draw_seed(rng)
        density = 1.0 if rng.uniform() < 0.5 else float(rng.uniform(0.2, 0.8))
        if aim is None:
            return cls(d_x, d_y, factors, log_uniform(rng, 0.1, 3.0), density, seed)
        law, grid = cls(d_x, d_y, factors, 1.0, density, seed), np.geomspace(1e-3, 300.0, 96)
        return cls(d_x, d_y, factors, float(np.exp(np.interp(aim, law._nats(grid), np.log(grid)))), density, seed)

    def _loadings(self) -> tuple[np.ndarray, np.ndarray]:
        law, k = seeded(self.seed), self.d_x + self.d_y
        loadings = law.standard_normal((k, self.factors)) * (law.uniform(size=(k, self.factors)) < self.density)
        # The first column of either side loads on the first factor, so that the sides are never independent.
        loadings[[0, self.d_x], 0] = law.choice([-1.0, 1.0], size=2)
        return loadings[: self.d_x], loadings[self.d_x :]

    def _nats(self, strength: np.ndarray | float) -> np.ndarray:
        """Return the MI at such strengths, of their shape."""
        grams = [side.T @ side for side in self._loadings()]
        square = np.asarray(strength)[..., None, None] ** 2
        volumes = [np.linalg.slogdet(np.eye(self.factors) + square * gram)[1] for gram in (*grams, sum(grams))]
        return 0.5 * (volumes[0] + volumes[1] - volumes[2])

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Load the common normals on the columns, whose noise is added."""
        common = rng.standard_normal((n, self.factors))
        x, y = (self._side(rng, common, self.strength * side) for side in self._loadings())
        return x, y

    def _side(self, rng: np.random.Generator, common: np.ndarray, loadings: np.ndarray) -> np.ndarray:
        rows = rng.standard_normal((len(common), len(loadings))) + common @ loadings.T
        return rows / np.sqrt(1 + np.square(loadings).sum(axis=1))

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(max(float(self._nats(self.strength)), 0.0))


@FAMILIES.register("gaussian_wishart")
@dataclass(frozen=True)
class Wishart(Gaussian):
    """Normal law whose dispersion is a Wishart matrix, scaled to unit variances, its cross block times `coupling`.

    The canonical correlations are those of the matrix times the coupling; I = -1/2 sum log(1 - rho_i^2).

    Attributes:
        excess: Degrees of freedom of the matrix beyond d_x + d_y; the fewer, the stronger the dependence.
        coupling: Factor of the cross block, 0..1.
        seed: Seed of the matrix.
    """

    excess: int
    coupling: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.excess < 1 or not 0 <= self.coupling < 1:
            raise DataGenError(f"gaussian_wishart needs excess >= 1 and 0 <= coupling < 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw degrees of freedom up to three times the columns and a coupling, U(0, .99) or found for the aim."""
        excess, seed = int(log_uniform(rng, 1, 2 * (d_x + d_y) + 2)), draw_seed(rng)
        if aim is None:
            return cls(d_x, d_y, excess, float(rng.uniform(0.0, 0.99)), seed)
        rho = _wishart(d_x, d_y, excess, seed)[3]
        grid = np.concatenate([np.geomspace(1e-3, 0.6, 40), 1 - np.geomspace(0.39, 1e-6, 56)])
        nats = -0.5 * np.log1p(-np.square(grid[:, None] * rho)).sum(axis=1)
        return cls(d_x, d_y, excess, float(np.interp(aim, nats, grid)), seed)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw canonical variates, then map either side by its canonical basis and factor."""
        x_map, y_map, _, rho = _wishart(self.d_x, self.d_y, self.excess, self.seed)
        k, rho = len(rho), self.coupling * rho
        x, y = rng.standard_normal((n, self.d_x)), rng.standard_normal((n, self.d_y))
        y[:, :k] *= np.sqrt(1 - rho**2)
        y[:, :k] += rho * x[:, :k]
        return x @ x_map, y @ y_map

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(nats_of(self.coupling * _wishart(self.d_x, self.d_y, self.excess, self.seed)[3]))


@lru_cache(maxsize=4)
def _wishart(d_x: int, d_y: int, excess: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return maps from canonical variates to columns, (d_x, d_x) and (d_y, d_y), the dispersion, the correlations."""
    k = d_x + d_y
    rows = seeded(seed).standard_normal((k, k + excess))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    dispersion = rows @ rows.T
    factor_x, factor_y = np.linalg.cholesky(dispersion[:d_x, :d_x]), np.linalg.cholesky(dispersion[d_x:, d_x:])
    half = solve_triangular(factor_x, dispersion[:d_x, d_x:], lower=True)
    white = solve_triangular(factor_y, half.T, lower=True).T  # (d_x, d_y)
    left, rho, right = np.linalg.svd(white)
    return left.T @ factor_x.T, right @ factor_y.T, dispersion, np.minimum(rho, 1.0)
