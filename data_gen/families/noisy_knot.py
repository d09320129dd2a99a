"""A curve that winds around both circles of a torus, seen with noise."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.registry import FAMILIES

_TURNS = ((1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2))  # the last two are trefoils
_RADIAL = 0.3  # most standard deviation of a log radius, that few rows lie far out (guess)
_LOW, _HIGH = 0.001, 2.6  # spreads of the phase, 7.3 to .001 nats


@FAMILIES.register("noisy_knot")
@dataclass(frozen=True)
class NoisyKnot(Family):
    """A noisy point of a torus knot: x is its place on one circle of the torus and y that on the other.

    For t uniform on 0..2 pi the angles are a t + scale e and b t + scale e' with normal e and e'. A side of two columns
    is its angle's cosine and sine times a random radius near 1; a side of one column is the angle over pi, in -1..1.
    Radii carry nothing, and the angles have the density of phase = b angle_x - a angle_y = scale (b e - a e') modulo
    2 pi, a wrapped normal, for a move along the knot leaves it alone: I = log 2 pi - h(phase). Further columns are
    normal noise.

    Reference: Mardia and Jupp (2000), "Directional statistics", section 3.5.7, for the wrapped normal law.

    Attributes:
        turns_x: a, how often x turns while t turns once.
        turns_y: b, without a common divisor with a.
        k_x: Columns of x that show its angle, 1 or 2.
        k_y: Columns of y that show its angle, 1 or 2.
        scale: Standard deviation of the noise of each angle.
    """

    tails: ClassVar[Tails] = "light"
    turns_x: int
    turns_y: int
    k_x: int
    k_y: int
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.k_x <= min(self.d_x, 2) and 1 <= self.k_y <= min(self.d_y, 2)):
            raise DataGenError(f"noisy_knot needs 1 or 2 columns of each side, no more than there are, got {self}")
        if np.gcd(self.turns_x, self.turns_y) != 1 or min(self.turns_x, self.turns_y) < 1 or not 0 < self.scale <= 3:
            raise DataGenError(f"noisy_knot needs turns without a common divisor and 0 < scale <= 3, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw turns and columns, and the spread of the phase, log-uniform on .01..2 or solved for the MI aimed at."""
        turns_x, turns_y = _TURNS[int(rng.integers(len(_TURNS)))]
        k_x, k_y = (int(rng.integers(1, min(d, 2) + 1)) for d in (d_x, d_y))
        if aim is None:
            spread = log_uniform(rng, 0.01, 2.0)
        else:
            grid, nats = _table()
            spread = float(np.exp(np.interp(-aim, -nats, np.log(grid))))
        return cls(d_x, d_y, turns_x, turns_y, k_x, k_y, spread / float(np.hypot(turns_x, turns_y)))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw points of the knot and the noise; padding comes last."""
        t = rng.uniform(0.0, 2 * np.pi, n)
        x, y = self._side(rng, self.turns_x * t, self.k_x), self._side(rng, self.turns_y * t, self.k_y)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def _side(self, rng: np.random.Generator, angle: np.ndarray, k: int) -> np.ndarray:
        angle = angle + self.scale * rng.standard_normal(len(angle))
        if k == 1:
            return ((angle / np.pi + 1) % 2 - 1)[:, None]
        radius = np.exp(min(self.scale, _RADIAL) * rng.standard_normal(len(angle)))
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    def rows_needed(self) -> float:
        """Sixteen rows for each crossing of a stripe of x with one of y (guess)."""
        return 16.0 * self.turns_x * self.turns_y

    def truth(self) -> Truth:
        """The entropy of a wrapped normal law."""
        return Truth(_phase_nats(self.scale * float(np.hypot(self.turns_x, self.turns_y))))


def _phase_nats(spread: float) -> float:
    """Return log 2 pi less the entropy; a spread below .3 has no mass on the far side of the circle."""
    if spread < 0.3:
        return float(0.5 * np.log(2 * np.pi / np.e) - np.log(spread))
    orders = np.arange(1, 41)  # of the Fourier series, whose terms go down as exp(-(order spread)^2 / 2)
    waves = np.cos(orders[:, None] * np.linspace(0.0, 2 * np.pi, 256, endpoint=False))
    density = 1 + 2 * np.exp(-0.5 * np.square(orders * spread)) @ waves  # against the uniform one
    return max(float(np.mean(density * np.log(np.maximum(density, 1e-300)))), 0.0)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of spreads and the MI there, to be inverted."""
    grid = np.geomspace(_LOW, _HIGH, 120)
    return grid, np.array([_phase_nats(spread) for spread in grid.tolist()])
