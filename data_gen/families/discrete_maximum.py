"""Whole numbers and the larger of them and others."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, padded
from data_gen.families.discrete import table_nats
from data_gen.registry import FAMILIES

_MOST = 400  # largest mean of the other number


@FAMILIES.register("discrete_maximum")
@dataclass(frozen=True)
class DiscreteMaximum(Family):
    """X uniform on 0..letters - 1 and Y = max(X, Z) with Z geometric from 0: the last of two to be done.

    I is that of the table of their probabilities, with all Y >= letters as one value, for they tell the same of X.
    Further columns are normal noise.

    Attributes:
        letters: Values of X.
        mean: Mean of Z; at 0 Y is X.
    """

    letters: int
    mean: float
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2 or not 0 <= self.mean <= _MOST:
            raise DataGenError(f"discrete_maximum needs letters >= 2 and 0 <= mean <= {_MOST}, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 16 letters, enough for the aim, and a mean, U(0, letters) or that nearest to the MI aimed at."""
        letters = int(rng.integers(2, 17))
        if aim is None:
            return cls(d_x, d_y, letters, float(rng.uniform(0.0, letters)))
        letters = max(letters, min(int(np.exp(aim)) + 2, 80))
        means = np.append(0.0, np.geomspace(0.01, _MOST, 60))
        nats = np.array([_maximum_nats(letters, mean) for mean in means.tolist()])
        return cls(d_x, d_y, letters, float(np.interp(-aim, -nats, means)))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw both numbers; padding comes last."""
        x, z = rng.integers(self.letters, size=(n, 1)), rng.geometric(1 / (1 + self.mean), size=(n, 1)) - 1
        return padded(rng, x.astype(float), self.d_x), padded(rng, np.maximum(x, z).astype(float), self.d_y)

    def truth(self) -> Truth:
        """A finite sum."""
        return Truth(_maximum_nats(self.letters, self.mean))


def _maximum_nats(letters: int, mean: float) -> float:
    values = np.arange(letters)
    below = 1 - (mean / (1 + mean)) ** (values + 1)  # of Z <= value
    at = np.diff(below, prepend=0.0)
    joint = np.where(values > values[:, None], at, 0.0) + np.diag(below)  # X in rows, Y < letters in columns
    beyond = np.full((letters, 1), 1 - below[-1])
    return table_nats(np.append(joint, beyond, axis=1) / letters)
