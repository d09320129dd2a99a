"""Sides that share only the number of a shell, or of a cell."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, noise_for, padded
from data_gen.quadrature import COARSE, FINE, latent_nats
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_shells")
@dataclass(frozen=True)
class NoisyShells(Family):
    """Concentric shells: both sides lie in uniform directions at a radius that a shared number tells.

    x has radius 2^(k / 2) exp(scale e) in its first `k_x` columns for k uniform on 0..shells - 1, and y likewise with
    its own noise, the shells of y being numbered outside in if `reversed_y`. Directions carry nothing, so I is that of
    the two log radii, which are independent normals given k (latent_nats). Further columns are normal noise.
    """

    k_x: int
    k_y: int
    shells: int
    scale: float
    reversed_y: bool
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.k_x <= self.d_x and 1 <= self.k_y <= self.d_y and self.shells >= 2 and self.scale > 0):
            raise DataGenError(f"noisy_shells needs 1 <= k <= d on both sides, shells >= 2 and scale > 0; got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw up to 5 columns per side, 2 to 8 shells and the noise, .02..1 or found for the MI aimed at."""
        k_x, k_y = (int(rng.integers(1, min(d, 5) + 1)) for d in (d_x, d_y))
        shells = int(rng.integers(2, 9)) if aim is None else max(int(rng.integers(2, 9)), min(int(np.exp(aim)) + 2, 12))
        scale = float(np.exp(rng.uniform(np.log(0.02), 0.0)))
        if aim is not None:
            scale = noise_for(lambda s: _shell_nats(shells, s, COARSE), aim, 0.02, 5.0)
        return cls(d_x, d_y, k_x, k_y, shells, scale, bool(rng.uniform() < 0.5))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the number of the shell, radii and directions; padding comes last."""
        shell = rng.integers(self.shells, size=n)
        x = self._side(rng, shell, self.k_x)
        y = self._side(rng, self.shells - 1 - shell if self.reversed_y else shell, self.k_y)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def _side(self, rng: np.random.Generator, shell: np.ndarray, k: int) -> np.ndarray:
        rows = rng.standard_normal((len(shell), k))
        radius = np.exp(_log_radius(shell) + self.scale * rng.standard_normal(len(shell)))
        return rows * (radius / np.linalg.norm(rows, axis=1))[:, None]

    def rows_needed(self) -> float:
        """Eight rows for each shell (guess)."""
        return 8.0 * self.shells

    def truth(self) -> Truth:
        """Quadrature over the two log radii."""
        return Truth(max(_shell_nats(self.shells, self.scale), 0.0))


def _log_radius(shell: np.ndarray) -> np.ndarray:
    return 0.5 * np.log(2) * shell


def _shell_nats(shells: int, scale: float, step: float = FINE) -> float:
    side = _log_radius(np.arange(shells)), np.full(shells, scale)
    return latent_nats(np.full(shells, 1 / shells), side, side, step)


@FAMILIES.register("checkerboard")
@dataclass(frozen=True)
class Checkerboard(Family):
    """A point of the unit square that lies on a black cell with probability (1 + contrast) / 2; cells^2 cells.

    For an even number of cells the margins are uniform, and
    I = [(1 + c) log(1 + c) + (1 - c) log(1 - c)] / 2 at contrast c. Further columns are normal noise.
    """

    cells: int
    contrast: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cells < 2 or self.cells % 2 or not 0 <= self.contrast <= 1:
            raise DataGenError(f"checkerboard needs an even number of cells and 0 <= contrast <= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2, 4 or 6 cells a side, and the contrast from U(.3, 1) or for the MI aimed at, log 2 at most."""
        cells = 2 * int(rng.integers(1, 4))
        if aim is None:
            return cls(d_x, d_y, cells, float(rng.uniform(0.3, 1.0)))
        grid = np.linspace(0.0, 1.0, 200)
        return cls(d_x, d_y, cells, float(np.interp(aim, _board_nats(grid), grid)))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw cells of the right colour, then uniform points in them; padding comes last."""
        column, pair = rng.integers(self.cells, size=n), rng.integers(self.cells // 2, size=n)
        white = rng.uniform(size=n) < (1 - self.contrast) / 2
        row = 2 * pair + (column + white) % 2
        x, y = ((cell + rng.uniform(size=n))[:, None] / self.cells for cell in (column, row))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def rows_needed(self) -> float:
        """Four rows for each cell (guess)."""
        return 4.0 * self.cells**2

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(_board_nats(np.array(self.contrast))))


def _board_nats(contrast: np.ndarray) -> np.ndarray:
    """Return the MI; c log c is 0 at 0."""
    white = 1 - contrast
    return 0.5 * ((1 + contrast) * np.log1p(contrast) + white * np.log(np.where(white > 0, white, 1.0)))
