"""Amounts with many zeros, on one side or on both at once."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import entr, ndtr, ndtri

from data_gen.errors import DataGenError
from data_gen.families.base import PAIR_NATS, Family, Tails, Truth, correlation_of, nats_of, noise_for, padded
from data_gen.registry import FAMILIES

_MOST_PAIRS = 8  # columns that are 0 at once (guess)
_RARE = np.geomspace(1e-3, 0.5, 200)  # probabilities of the rarer kind of row
_REACH = 6.5  # standard deviations of the other side that are integrated over


@FAMILIES.register("zero_inflated")
@dataclass(frozen=True)
class ZeroInflated(Family):
    r"""A skewed amount y that is 0 where its latent normal is below a bound, or by chance; x is correlated with it.

    With a bivariate normal (x, v) of correlation rho, y = max(exp(v) - exp(bound), 0), and 0 with probability `blanks`
    whatever v. Given v, the mean pointwise MI of the pair is [-log(1 - rho^2) - rho^2 + rho^2 v^2] / 2, so the amounts
    above 0 give (1 - blanks) [-log(1 - rho^2) (1 - Phi(bound)) + rho^2 bound phi(bound)] / 2; with
    q(x) = P(y = 0 | x) the zeros give E[q log q] - E[q] log E[q], by quadrature. Further columns are normal noise.

    Attributes:
        rho: Correlation of the latent pair.
        bound: The latent value below which y is 0.
        blanks: Probability of a 0 by chance.
        swapped: The amount is in x.
    """

    rho: float
    bound: float
    blanks: float
    swapped: bool
    tails: ClassVar[Tails] = "heavy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 < self.rho < 1 or not 0 <= self.blanks < 1:
            raise DataGenError(f"zero_inflated needs -1 < rho < 1 and 0 <= blanks < 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 10 to 80 % zeros of either kind, and a correlation for U(0, 2) nats or what the aim asks."""
        bound, sign = float(ndtri(rng.uniform(0.1, 0.8))), float(rng.choice([-1.0, 1.0]))
        blanks, swapped = float(rng.choice([0.0, rng.uniform(0.05, 0.6)])), bool(rng.uniform() < 0.5)
        if aim is None:
            return cls(d_x, d_y, sign * float(correlation_of(rng.uniform(0.0, 2.0))), bound, blanks, swapped)
        scale = noise_for(lambda s: _inflated_nats(1 / np.sqrt(1 + s**2), bound, blanks), aim, 0.003, 60.0)
        return cls(d_x, d_y, sign / float(np.sqrt(1 + scale**2)), bound, blanks, swapped)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the pair, then amounts and blanks; padding comes last."""
        latent = rng.standard_normal((n, 1))
        amount = np.maximum(np.exp(latent) - np.exp(self.bound), 0.0)
        amount[rng.uniform(size=n) < self.blanks] = 0.0
        other = self.rho * latent + np.sqrt(1 - self.rho**2) * rng.standard_normal((n, 1))
        x, y = (amount, other) if self.swapped else (other, amount)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Closed form for the amounts, quadrature for the zeros."""
        return Truth(_inflated_nats(self.rho, self.bound, self.blanks))


@FAMILIES.register("zero_inflated_pairs")
@dataclass(frozen=True)
class ZeroInflatedPairs(Family):
    """Pairs of normals of correlation rho that are all 0 at once, on both sides, but in a share of rows; rest noise.

    Whether a row is shown is known on both sides, so I = H(shown) + shown pairs [-log(1 - rho^2)] / 2.

    Attributes:
        pairs: Dependent columns of either side.
        rho: Correlation of each pair where it is shown.
        shown: Probability of a row that is not 0.
    """

    pairs: int
    rho: float
    shown: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.pairs <= min(self.d_x, self.d_y) or not -1 < self.rho < 1 or not 0 < self.shown < 1:
            raise DataGenError(
                f"zero_inflated_pairs needs 1 <= pairs <= columns of either side, -1 < rho < 1 and 0 < shown < 1, "
                f"got {self}"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the pairs and how the MI, 0.1 to 2 nats or what is aimed at, comes from zeros and from values."""
        pairs = int(rng.integers(1, min(d_x, d_y, _MOST_PAIRS) + 1))
        total = rng.uniform(0.1, 2.0) if aim is None else aim
        rare = float(np.interp(total * rng.uniform(), entr(_RARE) + entr(1 - _RARE), _RARE))
        shown = rare if rng.uniform() < 0.3 else 1 - rare
        rest = max(total - entr(rare) - entr(1 - rare), 0.0)
        rho = float(correlation_of(min(rest / (shown * pairs), PAIR_NATS)) * rng.choice([-1.0, 1.0]))
        return cls(d_x, d_y, pairs, rho, shown)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def rows_needed(self) -> float:
        """Rows to see both kinds four times."""
        return 4.0 / min(self.shown, 1 - self.shown)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw which rows are shown, then pairs; padding comes last."""
        shown = rng.uniform(size=(n, 1)) < self.shown
        x = rng.standard_normal((n, self.pairs))
        y = self.rho * x + np.sqrt(1 - self.rho**2) * rng.standard_normal((n, self.pairs))
        return padded(rng, x * shown, self.d_x), padded(rng, y * shown, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        zeros = entr(self.shown) + entr(1 - self.shown)
        return Truth(float(zeros + self.shown * self.pairs * nats_of(self.rho)))


def _inflated_nats(rho: float, bound: float, blanks: float) -> float:
    spread = np.sqrt(1 - rho**2)
    density = np.exp(-0.5 * bound**2) / np.sqrt(2 * np.pi)
    amounts = 0.5 * (1 - blanks) * (-np.log1p(-(rho**2)) * ndtr(-bound) + rho**2 * bound * density)
    step = min(0.25, 0.25 * spread / abs(rho) if rho else 1.0)
    x = np.arange(-_REACH, _REACH, step)  # the trapezoid rule converges exponentially
    weights = np.exp(-0.5 * x**2)
    zero = blanks + (1 - blanks) * ndtr((bound - rho * x) / spread)
    mean = blanks + (1 - blanks) * ndtr(bound)
    zeros = weights @ (zero * np.log(np.maximum(zero, 1e-300) / mean)) / weights.sum()
    return max(float(amounts + zeros), 0.0)
