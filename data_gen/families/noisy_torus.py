"""A surface whose columns on one side tell the other only together."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, padded
from data_gen.families.noisy_curve import NoisyCircle
from data_gen.registry import FAMILIES

_RADIUS = 2.0  # of the middle of the tube (guess)


@FAMILIES.register("noisy_torus")
@dataclass(frozen=True)
class NoisyTorus(Family):
    """A noisy point of a torus: y is its height, and x, its place in the plane, tells the distance from the axis.

    (height, v) is a point of noisy_circle; x has radius log(1 + exp(2 + v)), which is near 2 + v and above 0, and a
    uniform direction in its first `k` columns: a torus for k = 2, a tube about a sphere for k = 3. Directions carry
    nothing, so I is that of height and v. Further columns are normal noise.

    Attributes:
        k: Columns of x, or of y if `swapped`.
        scale: Standard deviation of the noise of height and v.
        shape: Half axis of the tube along v; 1 along the height.
        swapped: The height is in x.
    """

    tails: ClassVar[Tails] = "light"
    k: int
    scale: float
    shape: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.k <= (self.d_y if self.swapped else self.d_x):
            raise DataGenError(f"noisy_torus needs 1 <= k <= columns of the side in the plane, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw a circle for the MI aimed at, and up to 3 columns for the plane."""
        swapped = bool(rng.uniform() < 0.5)
        k = int(rng.integers(1, min(d_y if swapped else d_x, 3) + 1))
        tube = NoisyCircle.draw(rng, 1, 1, aim)
        return cls(d_x, d_y, k, tube.scale, tube.shape, swapped)

    def _tube(self) -> NoisyCircle:
        return NoisyCircle(1, 1, self.scale, self.shape)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw points of the tube and directions; padding comes last."""
        height, v = self._tube().sample(rng, n)
        rows = rng.standard_normal((n, self.k))
        plane = rows * np.logaddexp(0.0, _RADIUS + v) / np.linalg.norm(rows, axis=1, keepdims=True)
        x, y = (height, plane) if self.swapped else (plane, height)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def rows_needed(self) -> float:
        """As many as the tube's."""
        return self._tube().rows_needed()

    def truth(self) -> Truth:
        """Quadrature over the tube."""
        return self._tube().truth()
