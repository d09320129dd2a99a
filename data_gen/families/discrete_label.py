"""A class label beside measurements."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.quadrature import label_nats
from data_gen.record import canonical
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, from_text, seeded


@FAMILIES.register("discrete_label")
@dataclass(frozen=True)
class DiscreteLabel(Family):
    """A class label on one side, a normal cloud around the class's centre on the other; the rest is normal noise.

    I = E[log p(v | label) - log p(v)], by Monte Carlo with exact densities; at most log(classes).

    Attributes:
        classes: Number of classes.
        columns: Columns of the clouds.
        apart: Standard deviation of the centres; the clouds have 1.
        seed: Seed of the centres.
        swapped: The label is in y.
        unequal: Classes differ in probability, a few times over; otherwise they are equally likely.
    """

    classes: int
    columns: int
    apart: float
    seed: int
    swapped: bool
    unequal: bool
    tails: ClassVar[Tails] = "light"
    monte_carlo: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2 or not 1 <= self.columns <= (self.d_x if self.swapped else self.d_y):
            raise DataGenError(f"discrete_label needs classes >= 2 and columns within its side, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 10 classes (few more often) in up to 10 columns, the centres .3..5 apart or as the aim asks."""
        swapped = bool(rng.uniform() < 0.5)
        columns = int(rng.integers(1, min(d_x if swapped else d_y, 10) + 1))
        classes, apart = int(log_uniform(rng, 2, 11)), log_uniform(rng, 0.3, 5.0)
        if aim is not None:
            part = min(aim / np.log(classes), 0.97)
            apart = float(np.sqrt(np.expm1(2 * min(aim, 3.0) / columns)) / (1 - part) ** 0.5)
        return cls(d_x, d_y, classes, columns, min(apart, 30.0), draw_seed(rng), swapped, bool(rng.uniform() < 0.6))

    def _weights(self) -> np.ndarray:
        if not self.unequal:
            return np.full(self.classes, 1 / self.classes)
        weights = seeded(self.seed + 1).dirichlet(np.full(self.classes, 2.0)) + 0.02
        return weights / weights.sum()

    def _centres(self) -> np.ndarray:
        return self.apart * seeded(self.seed).standard_normal((self.classes, self.columns))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw labels and clouds; padding comes last."""
        label, cloud = self._draw_rows(rng, n)
        x, y = (cloud, label[:, None].astype(float)) if self.swapped else (label[:, None].astype(float), cloud)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def _draw_rows(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        label = rng.choice(self.classes, size=n, p=self._weights())
        return label, self._centres()[label] + rng.standard_normal((n, self.columns))

    def truth(self) -> Truth:
        """Quadrature for a single column; Monte Carlo with exact densities, until the error is small, for more."""
        centres, weights = self._centres(), self._weights()
        if self.columns == 1:
            return Truth(label_nats(weights, centres[:, 0], np.ones(self.classes)))
        rng, values = from_text(self.name + canonical(self.params())), np.zeros(0)
        for _ in range(24):
            label, cloud = self._draw_rows(rng, 1024)
            logs = cloud @ centres.T - 0.5 * np.square(centres).sum(axis=1)  # (n, classes), up to a term of the row
            own = np.take_along_axis(logs, label[:, None], axis=1)
            values = np.append(values, -np.log(np.exp(logs - own) @ weights))
            stderr = float(values.std() / np.sqrt(len(values)))
            if stderr < 0.009:
                break
        return Truth(max(float(values.mean()), 0.0), stderr)
