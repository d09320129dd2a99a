"""A sphere seen with noise, its height on one side and the plane below on the other."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np
from scipy.special import ive

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.quadrature import COARSE, FINE, cells_nats, lattice, normal_cells
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_sphere")
@dataclass(frozen=True)
class NoisySphere(Family):
    """A random point of the unit sphere with normal noise: one side has its height, the other its place below.

    Heights are uniform on -1..1 (Archimedes). A side of two columns shows the point of the plane, whose angle tells
    nothing: its distance from 0 follows Rice's law around sqrt(1 - height^2). A side of one column shows one coordinate
    of it. Given the height the sides are independent, so I follows by quadrature. Further columns are normal noise.

    Reference: Rice (1945), "Mathematical analysis of random noise", Bell System Technical Journal 24.

    Attributes:
        k: Columns of the plane that are shown, 1 or 2.
        scale: Standard deviation of the noise.
        swapped: The height is in x.
    """

    tails: ClassVar[Tails] = "light"
    k: int
    scale: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.k <= min(2, self.d_y if self.swapped else self.d_x):
            raise DataGenError(f"noisy_sphere needs 1 or 2 columns of the plane, no more than there are, got {self}")
        if not 0.015 <= self.scale <= 10:
            raise DataGenError(f"noisy_sphere needs .015 <= scale <= 10, got {self.scale}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the columns, and a noise that is log-uniform on .03..1 or found for the MI aimed at."""
        swapped = bool(rng.uniform() < 0.5)
        k = int(rng.integers(1, min(2, d_y if swapped else d_x) + 1))
        scale = log_uniform(rng, 0.03, 1.0)
        if aim is not None:
            grid, nats = _table(k)
            scale = float(np.exp(np.interp(-aim, -nats, np.log(grid))))
        return cls(d_x, d_y, k, scale, swapped)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw points of the sphere and the noise of all coordinates; padding comes last."""
        height, angle = rng.uniform(-1.0, 1.0, n), rng.uniform(0.0, 2 * np.pi, n)
        radius = np.sqrt(1 - height**2)
        plane = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, : self.k]
        plane = plane + self.scale * rng.standard_normal((n, self.k))
        top = (height + self.scale * rng.standard_normal(n))[:, None]
        x, y = (top, plane) if self.swapped else (plane, top)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def rows_needed(self) -> float:
        """Sixty-four rows, twice those of a turn of a curve (guess)."""
        return 64.0

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(max(_nats(self.k, self.scale, FINE), 0.0))


def _nats(k: int, scale: float, step: float) -> float:
    """Return the MI from the cell masses of both sides given the height, at points of a meridian."""
    points = int(6 * FINE / step / min(scale, 0.1)) + 32
    latitude = np.pi * (lattice(points, 1)[:, 0] - 0.5)
    top = normal_cells(np.sin(latitude), np.full(points, scale), step)
    plane = (_shown_once if k == 1 else _shown_whole)(np.cos(latitude), scale, step)
    weights = np.cos(latitude)  # of even steps of latitude, that heights are uniform
    return cells_nats(weights / weights.sum(), plane, top)


def _shown_whole(radius: np.ndarray, scale: float, step: float) -> np.ndarray:
    """Return Rice's densities of the distance from 0 around each radius (k,), each row scaled to sum 1, (k, g)."""
    grid = _midpoints(0.0, 1 + 7 * scale, 0.5 * step * scale)  # finer, for the density has a slope at 0
    shifted = np.exp(-0.5 * np.square((grid - radius[:, None]) / scale))
    density = grid * shifted * ive(0, grid * radius[:, None] / scale**2)
    return density / density.sum(axis=1, keepdims=True)


def _shown_once(radius: np.ndarray, scale: float, step: float) -> np.ndarray:
    """Return densities of one coordinate on a circle of each radius (k,), each row scaled to sum 1, (k, g)."""
    grid = _midpoints(-1 - 7 * scale, 1 + 7 * scale, step * scale)
    turns = np.cos(np.pi * lattice(int(8 * FINE / step / min(scale, 0.2)), 1)[:, 0])
    density = np.stack([np.exp(-0.5 * np.square((grid - r * turns[:, None]) / scale)).mean(axis=0) for r in radius])
    return density / density.sum(axis=1, keepdims=True)


def _midpoints(low: float, high: float, step: float) -> np.ndarray:
    return np.arange(low + step / 2, high, step)


@cache
def _table(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of noises and the MI there, to be inverted."""
    grid = np.geomspace(0.03, 5.0, 24)
    return grid, np.array([_nats(k, scale, COARSE) for scale in grid.tolist()])
