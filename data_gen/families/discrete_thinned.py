"""Counts of which some are kept."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import entr, gammaln, xlogy

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES

_MOST = 3000.0  # mean count, whose entropy is 5.4 nats


@FAMILIES.register("discrete_thinned")
@dataclass(frozen=True)
class DiscreteThinned(Family):
    """X Poisson and Y those of the X events that are kept, each with chance `keep`: a detector that misses some.

    The kept and the missed are independent Poisson counts, so I = H(X) - H(X - Y), both entropies of Poisson laws.
    Further columns are normal noise.

    Reference: Kingman (1993), "Poisson processes", section 5.1.

    Attributes:
        mean: Mean of the whole count.
        keep: Chance of each event to be kept.
        swapped: The whole count is in y.
    """

    mean: float
    keep: float
    swapped: bool
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mean <= _MOST or not 0 <= self.keep <= 1:
            raise DataGenError(f"discrete_thinned needs 0 < mean <= {_MOST:g} and 0 <= keep <= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw a mean, log-uniform on 1..50 and enough for the aim, and the chance, U(0, 1) or found for the aim."""
        mean, keep = log_uniform(rng, 1.0, 50.0), float(rng.uniform())
        if aim is not None:
            enough = 2 * aim - rng.uniform(1.0, 2.5)  # of log(mean), for H(X) is near log(2 pi e mean) / 2
            mean = min(max(mean, float(np.exp(enough))), _MOST)
            keep = 1 / (1 + noise_for(lambda scale: _thinned_nats(mean, 1 / (1 + scale**2)), aim, 0.005, 30.0) ** 2)
        return cls(d_x, d_y, mean, keep, bool(rng.uniform() < 0.5))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw counts and keep some; padding comes last."""
        whole = rng.poisson(self.mean, size=(n, 1))
        kept = rng.binomial(whole, self.keep)
        x, y = (side.astype(float) for side in ((kept, whole) if self.swapped else (whole, kept)))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Sums."""
        return Truth(_thinned_nats(self.mean, self.keep))


def _thinned_nats(mean: float, keep: float) -> float:
    return max(_poisson_entropy(mean) - _poisson_entropy(mean * (1 - keep)), 0.0)


def _poisson_entropy(mean: float) -> float:
    """Sum over counts so far from the mean that the rest has a mass below 1e-20."""
    counts = np.arange(int(mean + 12 * np.sqrt(mean)) + 40)
    return float(entr(np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1))).sum())
