"""Normal pairs cut into levels of unequal probabilities."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import ndtr

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, correlation_of, noise_for, padded
from data_gen.families.discrete import table_nats
from data_gen.margins import Margin, cut, cuts_of, draw_margin
from data_gen.quadrature import legendre
from data_gen.registry import FAMILIES

_NODES = 3  # of Gauss and Legendre's rule in each piece of at most .8 noise scales
_REACH = 6.5  # standard deviations of the normal pair that are integrated over
_LEAST_NOISE = 0.12  # 2.1 nats before the cut; the narrower the noise, the finer the quadrature must be
_FEW = 24  # levels to which a margin is thinned while the correlation is sought


@FAMILIES.register("discrete_cut")
@dataclass(frozen=True)
class DiscreteCut(Family):
    """A bivariate normal pair of which x, and often y, is cut into levels: classes, counts, rounded values.

    With y cut too, I is that of the table of bin probabilities; else H(x) - E[H(x | y)]. Both by quadrature over one
    of the two. Further columns are normal noise.

    Attributes:
        rho: Correlation before the cut.
        x_margin: Kind and parameters of the margin of x (cuts_of).
        y_margin: The same of y; None leaves y continuous.
        swapped: x and y change places at the end.
    """

    rho: float
    x_margin: Margin
    y_margin: Margin | None
    swapped: bool
    tails: ClassVar[Tails] = "heavy"  # counts up to hundreds

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 < self.rho < 1:
            raise DataGenError(f"discrete_cut needs -1 < rho < 1, got {self.rho}")
        self._cuts()

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the margins and a correlation for U(0, 1.5) nats before the cut, or what the aim asks."""
        x_margin, y_margin = draw_margin(rng), draw_margin(rng) if rng.uniform() < 0.6 else None
        swapped, sign = bool(rng.uniform() < 0.5), float(rng.choice([-1.0, 1.0]))
        if aim is None:
            return cls(d_x, d_y, sign * float(correlation_of(rng.uniform(0.0, 1.5))), x_margin, y_margin, swapped)
        few_x, few_y = _thinned(cuts_of(x_margin)), None if y_margin is None else _thinned(cuts_of(y_margin))
        scale = noise_for(lambda s: _cut_nats(1 / np.sqrt(1 + s**2), few_x, few_y), aim, _LEAST_NOISE, 60.0)
        return cls(d_x, d_y, sign / float(np.sqrt(1 + scale**2)), x_margin, y_margin, swapped)

    def _cuts(self) -> tuple[np.ndarray, np.ndarray | None]:
        return cuts_of(self.x_margin), None if self.y_margin is None else cuts_of(self.y_margin)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the pair and cut it; padding comes last."""
        x_cuts, y_cuts = self._cuts()
        x = rng.standard_normal((n, 1))
        y = self.rho * x + np.sqrt(1 - self.rho**2) * rng.standard_normal((n, 1))
        x, y = cut(x, x_cuts), y if y_cuts is None else cut(y, y_cuts)
        x, y = (y, x) if self.swapped else (x, y)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_cut_nats(self.rho, *self._cuts()))


def _thinned(cuts: np.ndarray) -> np.ndarray:
    return cuts if len(cuts) <= _FEW else cuts[np.linspace(0, len(cuts) - 1, _FEW).astype(int)]


def _cut_nats(rho: float, x_cuts: np.ndarray, y_cuts: np.ndarray | None) -> float:
    """Integrate over y in pieces that are narrow against the noise of x given y; its levels, if any, gather them."""
    if y_cuts is not None and len(x_cuts) > len(y_cuts):
        x_cuts, y_cuts = y_cuts, x_cuts
    spread = np.sqrt(1 - rho**2)
    ends = np.concatenate([[-_REACH], np.zeros(0) if y_cuts is None else y_cuts, [_REACH]])
    pieces = np.ceil(np.diff(ends) / min(0.8, 0.8 * spread / abs(rho) if rho else 1.0)).astype(int)  # of each level
    widths = np.repeat(np.diff(ends) / pieces, pieces)
    lows = np.repeat(ends[:-1], pieces) + widths * (
        np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    )
    nodes, weights = legendre(_NODES)
    y = lows[:, None] + 0.5 * widths[:, None] * (1 + nodes)  # (pieces, nodes)
    mass = 0.5 * widths[:, None] * weights * np.exp(-0.5 * y**2)
    y, mass = y.ravel(), mass.ravel() / mass.sum()
    below = ndtr((x_cuts - rho * y[:, None]) / spread)  # (points, cuts)
    joint = np.diff(below, axis=1, prepend=0.0, append=1.0) * mass[:, None]
    if y_cuts is not None:
        joint = np.add.reduceat(joint, _NODES * (np.cumsum(pieces) - pieces), axis=0)
    return table_nats(joint)
