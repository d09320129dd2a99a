"""Maps that bend a side: rotations by an angle that depends on the radius, and the swiss roll."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.registry import TRANSFORMS
from data_gen.transforms.base import BOUNDED, Transform


def _turned(v: np.ndarray, plane: tuple[int, int], angle: np.ndarray) -> np.ndarray:
    first, second = v[:, plane[0]], v[:, plane[1]]
    out = v.copy()
    out[:, plane[0]] = np.cos(angle) * first - np.sin(angle) * second
    out[:, plane[1]] = np.sin(angle) * first + np.cos(angle) * second
    return out


@dataclass(frozen=True)
class InPlane(Transform):
    """A map of one coordinate plane; a side of one column is left as it is.

    Attributes:
        first: First coordinate of the plane, from 0.
        second: Second coordinate.
        speed: Angle in radians per unit of the function of the radius.
    """

    first: int
    second: int
    speed: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.d_in > 1 and (self.first == self.second or not 0 <= min(self.plane) <= max(self.plane) < self.d_in):
            raise DataGenError(f"the plane must be two different columns of 0..{self.d_in - 1}, got {self.plane}")

    @property
    def plane(self) -> tuple[int, int]:
        """The two coordinates that turn."""
        return self.first, self.second

    def with_leading(self, column: int) -> Self:
        """Return the same map in a plane that has a given column; of one column, the same map."""
        if self.d_in == 1 or column in self.plane:
            return self
        return replace(self, first=column)

    @classmethod
    def _in_random_plane(cls, rng: np.random.Generator, d: int, speed: float) -> Self:
        first, second = rng.choice(d, size=2, replace=False) if d > 1 else (0, 0)
        return cls(d, int(first), int(second), speed)


@TRANSFORMS.register("spiral")
@dataclass(frozen=True)
class Spiral(InPlane):
    """Turns a plane by speed |v|^2 / d, the radius being that of the whole row (Czyz et al. 2023: speed 1)."""

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "light"

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw a plane and a speed up to 2."""
        return cls._in_random_plane(rng, d, float(rng.uniform(0.5, 2.0)))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Turn; the radius is kept, so the map is invertible."""
        if self.d_in == 1:
            return v
        return _turned(v, self.plane, self.speed * np.square(v).mean(axis=1))


@TRANSFORMS.register("swirl")
@dataclass(frozen=True)
class Swirl(InPlane):
    """Turns a plane by speed log(1 + r^2), r the radius within the plane; gentle where tails are heavy."""

    leaves: ClassVar[Tails] = "light"

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw a plane and a speed up to 3."""
        return cls._in_random_plane(rng, d, float(rng.uniform(0.5, 3.0)))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Turn; the radius within the plane is kept, so the map is invertible."""
        if self.d_in == 1:
            return v
        return _turned(v, self.plane, self.speed * np.log1p(np.square(v[:, self.plane]).sum(axis=1)))


@TRANSFORMS.register("swiss_roll")
@dataclass(frozen=True)
class SwissRoll(Transform):
    """Rolls a column with values in 0..1 into two: t = 1.5 pi (1 + 2 u), (t cos t, t sin t) / 21.

    Reference: Czyz et al. (2023), "Beyond Normal", NeurIPS.
    """

    accepts = ("unit",)
    leaves: ClassVar[Tails] = "unit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.d_in != 1:
            raise DataGenError(f"swiss_roll takes one column, got d_in = {self.d_in}")

    @property
    def d_out(self) -> int:
        """Columns after the map."""
        return 2

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Nothing to draw."""
        return cls(d)

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Roll up."""
        t = 1.5 * np.pi * (1 + 2 * v)
        return np.concatenate([t * np.cos(t), t * np.sin(t)], axis=1) / 21
