"""Amounts with many zeros."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import ndtr, ndtri

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, correlation_of, noise_for, padded
from data_gen.registry import FAMILIES

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
