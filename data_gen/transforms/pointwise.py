"""Strictly increasing maps of single columns."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import ndtr

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.registry import TRANSFORMS
from data_gen.transforms.base import BOUNDED, Transform


@dataclass(frozen=True)
class Pointwise(Transform, ABC):
    """One strictly increasing curve, applied to every column."""

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Nothing to draw: the curve is fixed."""
        return cls(d)

    @staticmethod
    @abstractmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Map every entry by the curve."""
        return self.curve(v)


@TRANSFORMS.register("asinh")
@dataclass(frozen=True)
class Asinh(Pointwise):
    """Inverse hyperbolic sine, which tames heavy tails."""

    leaves: ClassVar[Tails] = "light"
    tames = True

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return np.arcsinh(t)


@TRANSFORMS.register("half_cube")
@dataclass(frozen=True)
class HalfCube(Pointwise):
    """t sqrt(|t|), which lengthens tails."""

    leaves: ClassVar[Tails] = "heavy"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return t * np.sqrt(np.abs(t))


@TRANSFORMS.register("cube")
@dataclass(frozen=True)
class Cube(Pointwise):
    """The third power."""

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "heavy"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return t * t * t


@TRANSFORMS.register("fifth_power")
@dataclass(frozen=True)
class FifthPower(Pointwise):
    """The fifth power."""

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "heavy"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return np.sign(t) * np.abs(t) ** 5


@TRANSFORMS.register("exp")
@dataclass(frozen=True)
class Exp(Pointwise):
    """The exponential: a normal column becomes log-normal."""

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "heavy"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return np.exp(t)


@TRANSFORMS.register("normal_cdf")
@dataclass(frozen=True)
class NormalCdf(Pointwise):
    """The standard normal distribution function: a normal column becomes uniform."""

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "unit"
    tames = True

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return ndtr(t)


@TRANSFORMS.register("squash")
@dataclass(frozen=True)
class Squash(Pointwise):
    """t / (1 + |t|) moved to 0..1, whose slope falls no faster than the tails of asinh of a Student column."""

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "unit"
    tames = True

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return 0.5 + 0.5 * t / (1 + np.abs(t))


@TRANSFORMS.register("wiggly_x")
@dataclass(frozen=True)
class WigglyX(Pointwise):
    """t + .4 sin t + .2 sin(1.7 t + 1) + .03 sin(3.3 t - 2.5), of slope .16 at least (Czyz et al. 2023)."""

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "light"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return t + 0.4 * np.sin(t) + 0.2 * np.sin(1.7 * t + 1) + 0.03 * np.sin(3.3 * t - 2.5)


@TRANSFORMS.register("wiggly_y")
@dataclass(frozen=True)
class WigglyY(Pointwise):
    """t - .4 sin(.4 t) + .17 sin(1.3 t + 3.5) + .02 sin(4.3 t - 2.5), of slope .53 at least (Czyz et al. 2023)."""

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "light"

    @staticmethod
    def curve(t: np.ndarray) -> np.ndarray:
        """Map single values."""
        return t - 0.4 * np.sin(0.4 * t) + 0.17 * np.sin(1.3 * t + 3.5) + 0.02 * np.sin(4.3 * t - 2.5)


_MIXED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda t: t,
    "asinh": Asinh.curve,
    "half_cube": HalfCube.curve,
    "cube": Cube.curve,
    "exp": Exp.curve,
    "normal_cdf": NormalCdf.curve,
    "wiggly_x": WigglyX.curve,
    "wiggly_y": WigglyY.curve,
}


@TRANSFORMS.register("mixed_pointwise")
@dataclass(frozen=True)
class MixedPointwise(Transform):
    """A curve of its own for every column.

    Attributes:
        curves: Names of the curves, one per column.
    """

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "heavy"
    curves: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.curves) != self.d_in or not set(self.curves) <= set(_MIXED):
            raise DataGenError(f"curves must name {self.d_in} of {', '.join(_MIXED)}; got {self.curves}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw a curve for every column."""
        names = tuple(_MIXED)
        return cls(d, tuple(names[i] for i in rng.integers(len(names), size=d)))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Map the columns, all of one curve at once."""
        out = np.empty_like(v)
        for name in sorted(set(self.curves)):
            columns = [i for i, curve in enumerate(self.curves) if curve == name]
            out[:, columns] = _MIXED[name](v[:, columns])
        return out


@TRANSFORMS.register("bimodal")
@dataclass(frozen=True)
class Bimodal(Transform):
    """Normal columns become two-humped: the normal CDF, then the quantile function of a mixture of two normals.

    Attributes:
        weight: Probability of the left component.
        left: Its mean (unit variance).
        right: Mean of the right component (unit variance), above left.
    """

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "light"
    weight: float
    left: float
    right: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.weight < 1 or not self.left < self.right:
            raise DataGenError(f"bimodal needs 0 < weight < 1 and left < right, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw weight and means around those of Czyz et al. (2023): (.3, 0, 5) on x, (.5, -1, 3) on y."""
        left = float(rng.uniform(-1.0, 0.0))
        return cls(d, float(rng.uniform(0.3, 0.7)), left, left + float(rng.uniform(3.0, 5.0)))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Find the mixture's quantile, which lies between those of its components, by bisection of the nearer tail."""
        low, high = v + self.left, v + self.right
        upper = v > 0
        wanted = ndtr(-np.abs(v))
        for _ in range(50):
            middle = 0.5 * (low + high)
            left, right = self.left - middle, self.right - middle
            sign = np.where(upper, 1.0, -1.0)  # compare survival functions above the median
            mass = self.weight * ndtr(sign * left) + (1 - self.weight) * ndtr(sign * right)
            below = np.where(upper, mass > wanted, mass < wanted)
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)
