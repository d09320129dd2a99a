"""What a family is: a joint law of two sides whose mutual information is known."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.record import Record

Tails = Literal["unit", "light", "heavy"]
PAIR_NATS = 7.5  # most MI of one pair of columns: beyond, the noise (exp(-7.5) = 6e-4) nears float32's resolution


@dataclass(frozen=True)
class Truth:
    """The mutual information of a joint law.

    Attributes:
        nats: Its value in nats.
        stderr: Standard error of the value in nats; 0 for closed forms and converged quadrature.
    """

    nats: float
    stderr: float = 0.0


@dataclass(frozen=True)
class Family(Record, ABC):
    """A joint law of x (d_x columns) and y (d_y columns) with known mutual information.

    Subclasses are frozen dataclasses of JSON values; large random matrices come from an int `seed` field.

    Attributes:
        name: The registered name.
        monte_carlo: The truth has a standard error, below .01 nats.
        tails: How far the columns reach: "unit" standard normal or narrower, "light" a few tens, "heavy" no bound.
    """

    name: ClassVar[str]
    tails: ClassVar[Tails] = "unit"
    monte_carlo: ClassVar[bool] = False
    d_x: int
    d_y: int

    def __post_init__(self) -> None:
        if min(self.d_x, self.d_y) < 1:
            raise DataGenError(f"{type(self).__name__} needs d_x >= 1 and d_y >= 1, got {self.d_x} and {self.d_y}")

    @classmethod
    @abstractmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw a member of the family, for any d_x >= 1 and d_y >= 1.

        Args:
            rng: Source of randomness.
            d_x: Columns of x. Columns that the law does not use are independent noise.
            d_y: Columns of y.
            aim: Mutual information in nats to come near to, as far as the law can; None draws the law's own strength.
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows: x (n, d_x) and y (n, d_y), float64 and finite."""

    @abstractmethod
    def truth(self) -> Truth:
        """Return the mutual information of x and y; the same at every call."""

    @property
    def tied(self) -> bool:
        """Whether equal values occur in a column; maps that mix columns would hide them."""
        return False

    def rows_needed(self) -> float:
        """Return the rows below which no sample could show the law's detail: waves, cells, turns of a spiral."""
        return 1.0


def split_nats(rng: np.random.Generator, total: float, parts: int) -> np.ndarray:
    """Split an amount of nats at random, evenly or very unevenly, into parts of at most PAIR_NATS each, (parts,)."""
    evenness = 10 ** rng.uniform(-0.5, 1.5)
    weights = rng.gamma(evenness, size=parts) + 1e-9
    return np.minimum(total * weights / weights.sum(), PAIR_NATS)


def correlation_of(nats: np.ndarray | float) -> np.ndarray:
    """Return the correlation of a bivariate normal with that mutual information: sqrt(1 - exp(-2 I))."""
    return np.sqrt(-np.expm1(-2.0 * np.asarray(nats)))


def nats_of(correlations: np.ndarray | float) -> float:
    """Return the mutual information of a normal law with these canonical correlations: -1/2 sum log(1 - rho^2)."""
    return float(-0.5 * np.log1p(-np.square(correlations)).sum())


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def padded(rng: np.random.Generator, columns: np.ndarray, d: int) -> np.ndarray:
    """Append independent standard normal columns to (n, k) until there are d of them, (n, d)."""
    n, k = columns.shape
    return np.concatenate([columns, rng.standard_normal((n, d - k))], axis=1) if k < d else columns


def noise_for(nats: Callable[[float], float], aim: float, low: float, high: float, steps: int = 4) -> float:
    """Find a noise scale within low..high whose MI comes near the aim.

    Newton's method on log scale from the noise that a unit signal of a Gaussian channel needs, with the slope of such a
    channel, d I / d log scale = -(1 - exp(-2 I)); a few steps are enough, for the aim is only a wish.
    """
    scale = float(np.clip(1 / np.sqrt(np.expm1(2 * min(aim, PAIR_NATS)) + 1e-9), low, high))
    for _ in range(steps):
        now = nats(scale)
        step = (now - aim) / max(-np.expm1(-2 * now), 0.004)
        scale = float(np.clip(scale * np.exp(np.clip(step, -2.0, 2.0)), low, high))
        if abs(step) < 0.2:  # what is left is of second order
            break
    return scale
