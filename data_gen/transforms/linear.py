"""Invertible linear maps of one side."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails, log_uniform
from data_gen.linear import orthogonal
from data_gen.registry import TRANSFORMS
from data_gen.rng import draw_seed, seeded
from data_gen.transforms.base import Transform


@TRANSFORMS.register("rotation")
@dataclass(frozen=True)
class Rotation(Transform):
    """A uniformly drawn orthogonal map.

    Attributes:
        seed: Seed of the matrix.
    """

    leaves: ClassVar[Tails] = "light"
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw the seed."""
        return cls(d, draw_seed(rng))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Multiply the rows by the matrix."""
        return v @ orthogonal(seeded(self.seed), self.d_in)


@TRANSFORMS.register("linear")
@dataclass(frozen=True)
class Linear(Transform):
    """A linear map with orthogonal singular vectors and singular values from 1 / sqrt(condition) to sqrt(condition).

    Attributes:
        condition: Bound of the condition number, at least 1.
        seed: Seed of the matrix.
    """

    leaves: ClassVar[Tails] = "light"
    condition: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.condition < 1:
            raise DataGenError(f"linear needs condition >= 1, got {self.condition}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw a condition number up to 30."""
        return cls(d, log_uniform(rng, 1.5, 30.0), draw_seed(rng))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Multiply the rows by the matrix."""
        law = seeded(self.seed)
        singular = self.condition ** law.uniform(-0.5, 0.5, size=self.d_in)
        return ((v @ orthogonal(law, self.d_in)) * singular) @ orthogonal(law, self.d_in)
