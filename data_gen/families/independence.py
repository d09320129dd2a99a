"""Exact independence between sides that are structured within."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth
from data_gen.margins import cut, cuts_of, draw_margin
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded

Generator = np.random.Generator


def _correlated(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    factors = int(law.integers(1, d + 1))
    loadings = law.standard_normal((factors, d)) * law.uniform(0.2, 2.0)
    rows = rng.standard_normal((n, d)) + rng.standard_normal((n, factors)) @ loadings
    return rows / np.sqrt(1 + np.square(loadings).sum(axis=0))


def _student(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    df = law.uniform(1.0, 10.0)
    return _correlated(law, rng, n, d) * np.sqrt(df / np.maximum(rng.chisquare(df, size=(n, 1)), 1e-20))


def _clusters(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    centres = law.standard_normal((int(law.integers(2, 7)), d)) * law.uniform(1.0, 5.0)
    scales = law.uniform(0.2, 1.5, size=(len(centres), d))
    labels = rng.integers(len(centres), size=n)
    return centres[labels] + scales[labels] * rng.standard_normal((n, d))


def _uniform(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    return rng.uniform(size=(n, d))


def _exponential(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    shared = law.uniform(0.0, 1.0) * rng.standard_exponential((n, 1))
    return rng.standard_exponential((n, d)) + shared


def _shell(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    rows = rng.standard_normal((n, d))
    radius = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(radius, 1e-12) + law.uniform(0.05, 0.4) * rng.standard_normal((n, d))


def _tied(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    rows = _correlated(law, rng, n, d)
    for column in rows.T:
        column[:] = cut(column, cuts_of(draw_margin(law)))
    return rows


def _mixed(law: Generator, rng: Generator, n: int, d: int) -> np.ndarray:
    """Draw columns of which about half have ties, and some of the others a mass at their bottom."""
    rows = _correlated(law, rng, n, d)
    for column in rows.T:
        kind = law.uniform()
        if kind < 0.5:
            column[:] = cut(column, cuts_of(draw_margin(law)))
        elif kind < 0.75:
            np.maximum(column, law.uniform(-1.3, 1.3), out=column)
    return rows


_SIDES: dict[str, Callable[[Generator, Generator, int, int], np.ndarray]] = {
    "correlated": _correlated,
    "student": _student,
    "clusters": _clusters,
    "uniform": _uniform,
    "exponential": _exponential,
    "shell": _shell,
    "tied": _tied,
    "mixed": _mixed,
}
_TIED = ("tied", "mixed")
_TIED_SHARE = 0.45  # of tables; ties must not be taken for dependence, so they are common (guess)


@FAMILIES.register("independence")
@dataclass(frozen=True)
class Independence(Family):
    """Two independent sides, each with its own law and dependence among its columns; I = 0.

    Attributes:
        x_side: Law of x: correlated (normal factors), student, clusters, uniform, exponential, shell, tied (classes,
            counts and rounded values) or mixed (columns with and without ties).
        y_side: Law of y.
        seed: Seed of the parameters of both laws.
    """

    tails: ClassVar[Tails] = "heavy"
    x_side: str
    y_side: str
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for side in (self.x_side, self.y_side):
            if side not in _SIDES:
                raise DataGenError(f"unknown law of a side {side!r}; known: {', '.join(_SIDES)}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the laws of both sides; the aim is ignored, for I = 0."""
        free = [side for side in _SIDES if side not in _TIED]
        sides = [str(side) for side in rng.choice(free, size=2)]
        if rng.uniform() < _TIED_SHARE:
            for side in ((0,), (1,), (0, 1))[int(rng.integers(3))]:
                sides[side] = _TIED[int(rng.uniform() < 0.4)]
        return cls(d_x, d_y, sides[0], sides[1], draw_seed(rng))

    @property
    def tied(self) -> bool:
        """Whether a side has ties."""
        return self.x_side in _TIED or self.y_side in _TIED

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw each side on its own."""
        law = seeded(self.seed)
        x = _SIDES[self.x_side](law, rng, n, self.d_x)
        return x, _SIDES[self.y_side](law, rng, n, self.d_y)

    def truth(self) -> Truth:
        """Independent by construction."""
        return Truth(0.0)
