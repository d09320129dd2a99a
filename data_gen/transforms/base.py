"""What a transform is: an injective map of one side, under which mutual information does not change."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.record import Record

ANY: tuple[Tails, ...] = ("unit", "light", "heavy")
BOUNDED: tuple[Tails, ...] = ("unit", "light")


@dataclass(frozen=True)
class Transform(Record, ABC):
    """An injective map of one side, applied to each row alone; mutual information is invariant under it.

    Attributes:
        name: The registered name.
        accepts: Tails of the columns that the map keeps distinct and finite in float32 (see Family.tails).
        leaves: Least tails of the columns after the map.
        tames: The columns have exactly these tails after the map, whatever they had before.
        d_in: Columns before the map.
    """

    name: ClassVar[str]
    accepts: ClassVar[tuple[Tails, ...]] = ANY
    leaves: ClassVar[Tails] = "unit"
    tames: ClassVar[bool] = False
    d_in: int

    def __post_init__(self) -> None:
        if self.d_in < 1:
            raise DataGenError(f"{type(self).__name__} needs d_in >= 1, got {self.d_in}")

    @property
    def d_out(self) -> int:
        """Columns after the map."""
        return self.d_in

    @classmethod
    def after(cls, before: Tails) -> Tails:
        """Return the tails of columns after the map."""
        return cls.leaves if cls.tames else max(before, cls.leaves, key=ANY.index)

    @classmethod
    @abstractmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw a member of the kind for a side of d columns."""

    @abstractmethod
    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Map the rows.

        Args:
            rng: Source of randomness, for maps that append pure noise; all others ignore it.
            v: Rows, (n, d_in).

        Returns:
            The mapped rows, (n, d_out), float64.
        """
