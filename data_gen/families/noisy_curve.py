"""Curves in the plane seen with noise on both sides, so that neither side is a function of the other."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.quadrature import COARSE, FINE, latent_nats, lattice
from data_gen.registry import FAMILIES


@dataclass(frozen=True)
class NoisyCurve(Family, ABC):
    """x and y are the coordinates of a random point of a curve, each with its own normal noise.

    Given the point the sides are independent, so I follows by quadrature over a fine set of points (latent_nats).
    Further columns are normal noise.

    Attributes:
        scale: Standard deviation of the noise.
        shape: The parameter of the curve.
    """

    tails: ClassVar[Tails] = "light"
    length: ClassVar[float] = 4.0  # most length of the curve, which says how many points are fine enough
    scale: float
    shape: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale < 0.015:
            raise DataGenError(f"{self.name} needs scale >= .015 (its quadrature grid would grow too fine), got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the curve, and a noise that is log-uniform on .04..1 or found for the MI aimed at."""
        shape, scale = cls.draw_shape(rng), log_uniform(rng, 0.04, 1.0)
        if aim is not None:
            scale = noise_for(lambda s: cls._nats(s, shape, COARSE), aim, 0.04, 5.0)
        return cls(d_x, d_y, scale, shape)

    @classmethod
    @abstractmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the parameter of the curve."""

    @staticmethod
    @abstractmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the points of the curve at t in 0..1; a uniform t is the law of the points."""

    @classmethod
    def _nats(cls, scale: float, shape: float, step: float = FINE) -> float:
        points = int(FINE / step * cls.length * max(shape, 1.0) / min(scale, 0.1)) + 16
        x, y = cls.curve(lattice(points, 1)[:, 0], shape)
        scales = np.full(points, scale)
        return latent_nats(np.full(points, 1 / points), (x, scales), (y, scales), step)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw points of the curve and the noise of both sides; padding comes last."""
        sides = (side + self.scale * rng.standard_normal(n) for side in self.curve(rng.uniform(size=n), self.shape))
        x, y = (side[:, None] for side in sides)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def rows_needed(self) -> float:
        """Thirty-two rows for each turn (guess)."""
        return 32.0 * max(self.shape, 1.0)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(max(self._nats(self.scale, self.shape), 0.0))


@FAMILIES.register("noisy_circle")
@dataclass(frozen=True)
class NoisyCircle(NoisyCurve):
    """An ellipse whose half axis along y is `shape`."""

    length = 8.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the half axis."""
        return float(rng.uniform(0.5, 1.5))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return cos and sin."""
        return np.cos(2 * np.pi * t), shape * np.sin(2 * np.pi * t)


@FAMILIES.register("noisy_cross")
@dataclass(frozen=True)
class NoisyCross(NoisyCurve):
    """Two crossing lines of slopes `shape` and -`shape`: uncorrelated."""

    length = 8.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the slope."""
        return float(rng.uniform(0.5, 1.5))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return one line for t < 1/2 and the other above."""
        first = t < 0.5
        x = 4 * np.where(first, t, t - 0.5) - 1
        return x, shape * np.where(first, x, -x)


@FAMILIES.register("noisy_lissajous")
@dataclass(frozen=True)
class NoisyLissajous(NoisyCurve):
    """A Lissajous figure: y swings `shape` times as often as x."""

    length = 6.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the ratio of frequencies: 3/2, 2 or 3."""
        return float(rng.choice([1.5, 2.0, 3.0]))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return sines; 1.5 needs two turns of x."""
        turns = 2.0 if shape % 1 else 1.0
        return np.sin(2 * np.pi * turns * t + 0.5), np.sin(2 * np.pi * turns * shape * t)


@FAMILIES.register("noisy_archimedes")
@dataclass(frozen=True)
class NoisyArchimedes(NoisyCurve):
    """A spiral of `shape` turns from the middle to radius 1."""

    length = 5.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the turns."""
        return float(rng.uniform(1.0, 3.0))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the spiral; the root evens out the points along it."""
        radius = np.sqrt(t)
        return radius * np.cos(2 * np.pi * shape * radius), radius * np.sin(2 * np.pi * shape * radius)


@FAMILIES.register("noisy_rose")
@dataclass(frozen=True)
class NoisyRose(NoisyCurve):
    """A rose: the distance from 0 is the cosine of `shape` times the angle, so that petals meet in the middle."""

    length = 6.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw a whole number, 2 to 5."""
        return float(rng.integers(2, 6))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the points at an angle of 2 pi t."""
        angle = 2 * np.pi * t
        return np.cos(shape * angle) * np.cos(angle), np.cos(shape * angle) * np.sin(angle)


@FAMILIES.register("noisy_hypocycloid")
@dataclass(frozen=True)
class NoisyHypocycloid(NoisyCurve):
    """The path of a point of a circle that rolls inside another: `shape` cusps, bent inwards between them."""

    length = 5.0

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of cusps, 3 to 5."""
        return float(rng.integers(3, 6))

    @staticmethod
    def curve(t: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the points when the circle has rolled by an angle of 2 pi t."""
        angle, inner = 2 * np.pi * t, shape - 1
        x = inner * np.cos(angle) + np.cos(inner * angle)
        return x / shape, (inner * np.sin(angle) - np.sin(inner * angle)) / shape
