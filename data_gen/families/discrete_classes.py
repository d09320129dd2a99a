"""Two classifications under a random table of probabilities."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.families.discrete import table_nats
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # factors of the rows and of the columns, deviations from these


@FAMILIES.register("discrete_classes")
@dataclass(frozen=True)
class DiscreteClasses(Family):
    """Two classifications under a random table of probabilities.

    p(i) is random and p(j | i) in proportion to c_j exp(strength g_ij) with random c and standard normal g.
    Classes have no order. I is that of the table. Further columns are normal noise.

    Attributes:
        classes_x: Classes of x.
        classes_y: Classes of y.
        strength: Standard deviation of the logarithm of the table beyond its factors.
        seed: Seed of the table.
    """

    classes_x: int
    classes_y: int
    strength: float
    seed: int
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.classes_x, self.classes_y) < 2 or self.strength < 0:
            raise DataGenError(f"discrete_classes needs 2 classes or more and strength >= 0, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 12 classes a side, few more often, and a strength log-uniform on .05..5 or found for the aim."""
        classes_x, classes_y = (int(log_uniform(rng, 2, 13)) for _ in range(2))
        seed = draw_seed(rng)
        if aim is None:
            return cls(d_x, d_y, classes_x, classes_y, log_uniform(rng, 0.05, 5.0), seed)
        return cls(d_x, d_y, classes_x, classes_y, strength_for(aim, random_parts(classes_x, classes_y, seed)), seed)

    def _table(self) -> np.ndarray:
        return joined(*random_parts(self.classes_x, self.classes_y, self.seed), self.strength)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw cells of the table; padding comes last."""
        totals = np.cumsum(self._table().ravel())
        cell = np.minimum(np.searchsorted(totals, rng.uniform(size=n), side="right"), len(totals) - 1)
        x, y = (side.astype(float)[:, None] for side in np.divmod(cell, self.classes_y))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(table_nats(self._table()))


def random_parts(classes_x: int, classes_y: int, seed: int) -> Parts:
    """Draw factors of the rows (classes_x,) and columns (classes_y,) of a table, and standard normal deviations."""
    law = seeded(seed)
    rows, columns = (law.dirichlet(np.full(k, 3.0)) + 0.01 for k in (classes_x, classes_y))
    return rows, columns, law.standard_normal((classes_x, classes_y))


def joined(rows: np.ndarray, columns: np.ndarray, deviations: np.ndarray, strength: float) -> np.ndarray:
    """Return the table of probabilities, (classes_x, classes_y)."""
    logs = np.log(columns) + strength * deviations
    given = np.exp(logs - logs.max(axis=1, keepdims=True))
    return (rows / rows.sum())[:, None] * given / given.sum(axis=1, keepdims=True)


def strength_for(aim: float, parts: Parts) -> float:
    """Find the strength at which the table of these parts has about so many nats."""
    grid = np.geomspace(0.02, 30.0, 16)
    nats = [table_nats(joined(*parts, float(strength))) for strength in grid]
    rising = int(np.argmax(nats)) + 1  # beyond, the rows may all come to the same class
    return float(np.exp(np.interp(aim, np.maximum.accumulate(nats[:rising]), np.log(grid[:rising]))))
