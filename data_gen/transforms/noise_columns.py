"""Columns of pure noise."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.margins import cut, cuts_of, draw_margin
from data_gen.registry import TRANSFORMS
from data_gen.rng import draw_seed, seeded
from data_gen.transforms.base import Transform

_LAWS = ("normal", "uniform", "laplace", "tied")


@TRANSFORMS.register("noise_columns")
@dataclass(frozen=True)
class NoiseColumns(Transform):
    """Appends independent columns of pure noise and shuffles all columns.

    Attributes:
        count: Columns to add.
        law: Their law: normal, uniform (on 0..1), laplace or tied (classes, counts and rounded values, a margin of its
            own for each column).
        seed: Seed of the order of the columns and of the margins.
    """

    leaves: ClassVar[Tails] = "heavy"
    count: int
    law: str
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 1 or self.law not in _LAWS:
            raise DataGenError(f"noise_columns needs count >= 1 and a law of {', '.join(_LAWS)}; got {self}")

    @property
    def d_out(self) -> int:
        """Columns after the map."""
        return self.d_in + self.count

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw as many columns as there are, at most."""
        return cls.of(rng, d, int(rng.integers(1, d + 1)))

    @classmethod
    def of(cls, rng: np.random.Generator, d: int, count: int, tied: bool = False) -> Self:
        """Draw the law of a given number of noise columns, which have ties in a quarter of cases, or mostly if tied."""
        law = "tied" if tied and rng.uniform() < 0.6 else _LAWS[int(rng.integers(len(_LAWS)))]
        return cls(d, count, law, draw_seed(rng))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Append the noise and put the columns in the fixed order of the seed; stored by columns."""
        size, law = (len(v), self.count), seeded(self.seed)
        order = law.permutation(self.d_out)
        if self.law in ("normal", "tied"):
            noise = rng.standard_normal(size)
        else:
            noise = rng.uniform(size=size) if self.law == "uniform" else rng.laplace(size=size)
        columns = [cut(c, cuts_of(draw_margin(law))) for c in noise.T] if self.law == "tied" else noise.T
        places, out = np.argsort(order), np.empty((self.d_out, len(v)))
        out[places[: self.d_in]], out[places[self.d_in :]] = v.T, columns
        return out.T
