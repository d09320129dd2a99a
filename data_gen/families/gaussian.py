"""Multivariate normal laws with few parameters: equicorrelated, sparse pairs, latent variables."""

from abc import ABC
from dataclasses import dataclass
from typing import Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import PAIR_NATS, Family, Truth, correlation_of
from data_gen.registry import FAMILIES


@dataclass(frozen=True)
class Gaussian(Family, ABC):
    """A multivariate normal law with mean 0 and unit variances."""


@FAMILIES.register("gaussian_dense")
@dataclass(frozen=True)
class Dense(Gaussian):
    r"""Normal law with unit variances whose every off-diagonal correlation, within and across sides, is rho.

    The sides share one canonical pair, and with k = d_x + d_y
    I = 1/2 [log(1 + (d_x - 1) rho) + log(1 + (d_y - 1) rho) - log(1 + (k - 1) rho) - log(1 - rho)].

    Reference: Czyz et al. (2023), "Beyond Normal", NeurIPS.
    """

    rho: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rho < 1:
            raise DataGenError(f"gaussian_dense needs 0 <= rho < 1, got {self.rho}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw rho from U(0, .5), MIST's law, or solve for the MI aimed at."""
        if aim is None:
            return cls(d_x, d_y, float(rng.uniform(0.0, 0.5)))
        grid = 1 - np.logspace(0, np.log10(np.exp(-2 * PAIR_NATS)), 256)
        return cls(d_x, d_y, float(np.interp(aim, dense_nats(grid, d_x, d_y), grid)))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw own noise of every column beside one normal that all columns share."""
        rows = np.sqrt(1 - self.rho) * rng.standard_normal((n, self.d_x + self.d_y))
        rows += np.sqrt(self.rho) * rng.standard_normal((n, 1))
        return rows[:, : self.d_x], rows[:, self.d_x :]

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(dense_nats(self.rho, self.d_x, self.d_y)))


def dense_nats(rho: np.ndarray | float, d_x: int, d_y: int) -> np.ndarray:
    """Return the MI of an equicorrelated normal law; rho may be an array, whose shape the result has."""
    rho = np.asarray(rho)
    sides = np.log1p((d_x - 1) * rho) + np.log1p((d_y - 1) * rho)
    return 0.5 * (sides - np.log1p((d_x + d_y - 1) * rho) - np.log1p(-rho))


@dataclass(frozen=True)
class Pairs(Gaussian, ABC):
    r"""Normal law in which the first `interacting` columns of x and y correlate pairwise; all else is independent.

    Column i of a pair is (E + s Z_i) / sqrt(1 + s^2) on either side with a shared Z_i, so each pair correlates by
    rho = s^2 / (1 + s^2) and I = -interacting/2 log(1 - rho^2).

    Reference: Czyz et al. (2023), "Beyond Normal", NeurIPS.
    """

    interacting: int
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.interacting <= min(self.d_x, self.d_y):
            raise DataGenError(f"interacting must lie in 0..min(d_x, d_y), got {self.interacting}")

    @classmethod
    def _with(cls, rng: np.random.Generator, d_x: int, d_y: int, interacting: int, aim: float | None) -> Self:
        if aim is None:
            return cls(d_x, d_y, interacting, float(rng.uniform(0.1, 5.0)))  # MIST's law
        rho = correlation_of(min(aim / interacting, PAIR_NATS))
        return cls(d_x, d_y, interacting, float(np.sqrt(rho / (1 - rho))))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Mix a shared normal into the interacting columns of both sides."""
        x, y = rng.standard_normal((n, self.d_x)), rng.standard_normal((n, self.d_y))
        shared = self.strength * rng.standard_normal((n, self.interacting))
        scale = 1 / np.sqrt(1 + self.strength**2)
        for side in (x, y):
            side[:, : self.interacting] += shared
            side[:, : self.interacting] *= scale
        return x, y

    def truth(self) -> Truth:
        """Closed form; with q = s^2, 1 - rho^2 = (1 + 2 q) / (1 + q)^2 has no cancellation."""
        square = self.strength**2
        return Truth(float(self.interacting * (np.log1p(square) - 0.5 * np.log1p(2 * square))))


@FAMILIES.register("gaussian_sparse")
@dataclass(frozen=True)
class Sparse(Pairs):
    """Normal law with any number of interacting pairs of columns; see Pairs."""

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 1..min(d_x, d_y) pairs of one strength, U(.1, 5) by MIST's law."""
        return cls._with(rng, d_x, d_y, int(rng.integers(1, min(d_x, d_y) + 1)), aim)


@FAMILIES.register("gaussian_two_pairs")
@dataclass(frozen=True)
class TwoPairs(Pairs):
    """Normal law with two interacting pairs of columns (one where a side has a single column); see Pairs."""

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the strength of both pairs, U(.1, 5) by MIST's law."""
        return cls._with(rng, d_x, d_y, min(2, d_x, d_y), aim)


@FAMILIES.register("gaussian_lvm")
@dataclass(frozen=True)
class LatentVariables(Gaussian):
    r"""Normal law of the latent variable model of Czyz et al. (2023), scaled to unit variances.

    X_i = E_i + alpha U + beta U_X + (lam Z_i if i <= interacting else eta V_i), and Y_i likewise with U_Y, W_i and
    the same U, Z_i. Differences among the interacting columns are `interacting` - 1 canonical pairs of correlation
    lam^2 / (1 + lam^2); the rest of the dependence lies in the sums over the interacting and over the other columns.
    """

    interacting: int
    alpha: float
    lam: float
    beta: float
    eta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.interacting <= min(self.d_x, self.d_y):
            raise DataGenError(f"gaussian_lvm needs interacting in 1..min(d_x, d_y), got {self.interacting}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw MIST's laws, then scale alpha and lam together to the MI aimed at."""
        interacting = int(rng.integers(1, min(d_x, d_y) + 1))
        alpha, lam = rng.uniform(0.0, 1.0), rng.uniform(0.1, 3.0)
        beta, eta = float(rng.uniform(0.0, 1.5)), float(rng.uniform(0.1, 5.0))
        if aim is not None:
            factors = np.logspace(-3, 2, 96)
            nats = _lvm_nats(d_x, d_y, interacting, alpha * factors, lam * factors, beta, eta)
            factor = np.exp(np.interp(aim, nats, np.log(factors)))
            alpha, lam = alpha * factor, lam * factor
        return cls(d_x, d_y, interacting, float(alpha), float(lam), beta, eta)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the latents and add them up."""
        common, pairs = rng.standard_normal((n, 1)), rng.standard_normal((n, self.interacting))
        return self._side(rng, self.d_x, common, pairs), self._side(rng, self.d_y, common, pairs)

    def _side(self, rng: np.random.Generator, d: int, common: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        n, k = pairs.shape
        rows = rng.standard_normal((n, d))  # (n, d) own noise
        rows += self.alpha * common + self.beta * rng.standard_normal((n, 1))
        rows[:, :k] += self.lam * pairs
        rows[:, k:] += self.eta * rng.standard_normal((n, d - k))
        spread = 1 + self.alpha**2 + self.beta**2
        rows[:, :k] /= np.sqrt(spread + self.lam**2)
        rows[:, k:] /= np.sqrt(spread + self.eta**2)
        return rows

    def truth(self) -> Truth:
        """Closed form by the symmetry of the columns; see the class."""
        parameters = (self.alpha, self.lam, self.beta, self.eta)
        return Truth(float(_lvm_nats(self.d_x, self.d_y, self.interacting, *parameters)))


def _lvm_nats(
    d_x: int,
    d_y: int,
    k: int,
    alpha: np.ndarray | float,
    lam: np.ndarray | float,
    beta: float,
    eta: float,
) -> np.ndarray:
    """Return the MI of the latent variable model; alpha and lam may be arrays of one shape, which the result has."""
    alpha, lam = np.asarray(alpha, float)[..., None, None], np.asarray(lam, float)[..., None, None]
    pick = np.diag([1.0, 0.0, 1.0, 0.0]), np.array([[0.0, 0, 1, 0], [0] * 4, [1, 0, 0, 0], [0] * 4])
    u = np.sqrt(np.array([k, d_x - k, k, d_y - k], float))  # coordinates of the sum of all columns of both sides
    own = np.diag([1.0, 1 + eta**2, 1.0, 1 + eta**2])
    sides = np.outer(u, u) * np.kron(np.eye(2), np.ones((2, 2)))
    joint = own + lam**2 * (pick[0] + pick[1]) + alpha**2 * np.outer(u, u) + beta**2 * sides  # (..., 4, 4)
    sums = np.linalg.slogdet(joint[..., :2, :2])[1] + np.linalg.slogdet(joint[..., 2:, 2:])[1]
    differences = (k - 1) * (np.log1p(lam**2) - 0.5 * np.log1p(2 * lam**2))[..., 0, 0]
    return differences + 0.5 * (sums - np.linalg.slogdet(joint)[1])
