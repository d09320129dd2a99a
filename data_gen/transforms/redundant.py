"""Columns that tell nothing new."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.registry import TRANSFORMS
from data_gen.rng import draw_seed, seeded
from data_gen.transforms.base import Transform

# Functions of two columns; the inverse hyperbolic sine keeps products of heavy tails finite.
_KINDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "copy": lambda a, b: a,
    "negative": lambda a, b: -a,
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - 0.5 * b,
    "square": lambda a, b: np.square(np.arcsinh(a)),
    "sine": lambda a, b: np.sin(2 * np.arcsinh(a)),
    "product": lambda a, b: np.arcsinh(a) * np.arcsinh(b),
    "rounded": lambda a, b: np.rint(2 * np.arcsinh(a)),
}


@TRANSFORMS.register("redundant_columns")
@dataclass(frozen=True)
class RedundantColumns(Transform):
    """Appends functions of one or two of the columns and shuffles all; injective, for the columns themselves are kept.

    Attributes:
        kinds: What each appended column is: copy, negative, sum, difference, square, sine, product or rounded.
        seed: Seed of the columns that are taken, and of the order of the columns.
    """

    leaves: ClassVar[Tails] = "light"
    kinds: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kinds or not set(self.kinds) <= set(_KINDS):
            raise DataGenError(f"redundant_columns needs one or more kinds of {', '.join(_KINDS)}; got {self.kinds}")

    @property
    def d_out(self) -> int:
        """Columns after the map."""
        return self.d_in + len(self.kinds)

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw as many columns as there are, at most."""
        return cls.of(rng, d, int(rng.integers(1, d + 1)))

    @classmethod
    def of(cls, rng: np.random.Generator, d: int, count: int) -> Self:
        """Draw what a given number of appended columns are."""
        names = tuple(_KINDS)
        return cls(d, tuple(names[i] for i in rng.integers(len(names), size=count)), draw_seed(rng))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Append the functions, then shuffle the columns in the fixed order of the seed."""
        law, count = seeded(self.seed), len(self.kinds)
        first, second = law.integers(self.d_in, size=(2, count))
        out = np.empty((len(v), self.d_out))
        places = law.permutation(self.d_out)
        out[:, places[: self.d_in]] = v
        for place, kind, a, b in zip(places[self.d_in :], self.kinds, first, second, strict=True):
            out[:, place] = _KINDS[kind](v[:, a], v[:, b])
        return out
