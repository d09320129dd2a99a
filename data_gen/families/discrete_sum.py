"""Whole numbers and their sums with others."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, padded
from data_gen.families.discrete import table_nats
from data_gen.registry import FAMILIES

_MOST = 400  # values of the other number


@FAMILIES.register("discrete_sum")
@dataclass(frozen=True)
class DiscreteSum(Family):
    """X uniform on 0..letters - 1 and Y = X + Z with Z uniform on 0..others - 1: one die, and the sum of two.

    I is that of the table of their probabilities. Further columns are normal noise.
    """

    letters: int
    others: int
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2 or not 1 <= self.others <= _MOST:
            raise DataGenError(f"discrete_sum needs letters >= 2 and others in 1..{_MOST}, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 12 letters, enough for the aim, and 1 to 20 others or those nearest to the MI aimed at."""
        letters = int(rng.integers(2, 13))
        if aim is None:
            return cls(d_x, d_y, letters, int(rng.integers(1, 21)))
        letters = max(letters, min(int(np.exp(aim)) + 2, 60))
        others = np.unique(np.geomspace(1, _MOST, 40).astype(int)).tolist()
        return cls(d_x, d_y, letters, min(others, key=lambda count: abs(_sum_nats(letters, count) - aim)))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Throw both dice."""
        x = rng.integers(self.letters, size=(n, 1)).astype(float)
        return padded(rng, x, self.d_x), padded(rng, x + rng.integers(self.others, size=(n, 1)), self.d_y)

    def truth(self) -> Truth:
        """A finite sum."""
        return Truth(_sum_nats(self.letters, self.others))


def _sum_nats(letters: int, others: int) -> float:
    gap = np.arange(letters + others - 1) - np.arange(letters)[:, None]
    return table_nats(((gap >= 0) & (gap < others)) / (letters * others))
