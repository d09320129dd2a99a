"""Normal pairs cut into levels of unequal probabilities, and random tables of classes."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import ndtr, ndtri

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, correlation_of, log_uniform, noise_for, padded
from data_gen.families.discrete import table_nats
from data_gen.margins import Margin, cut, cuts_of, draw_margin
from data_gen.quadrature import legendre
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded

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


@FAMILIES.register("discrete_classes")
@dataclass(frozen=True)
class DiscreteClasses(Family):
    """Two classifications under a random table of probabilities.

    p(i) is random and p(j | i) in proportion to c_j exp(strength g_ij) with random c and standard normal g.
    Classes have no order. I is that of the table. Further columns are normal noise.

    Attributes:
        classes_x: Classes of x.
        classes_y: Classes of y.
        strength: Standard deviation of the logarithm of the table beyond its factors.
        seed: Seed of the table.
    """

    classes_x: int
    classes_y: int
    strength: float
    seed: int
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.classes_x, self.classes_y) < 2 or self.strength < 0:
            raise DataGenError(f"discrete_classes needs 2 classes or more and strength >= 0, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 12 classes a side, few more often, and a strength log-uniform on .05..5 or found for the aim."""
        classes_x, classes_y = (int(log_uniform(rng, 2, 13)) for _ in range(2))
        seed = draw_seed(rng)
        if aim is None:
            return cls(d_x, d_y, classes_x, classes_y, log_uniform(rng, 0.05, 5.0), seed)
        grid = np.geomspace(0.02, 30.0, 16)
        nats = [table_nats(cls(d_x, d_y, classes_x, classes_y, float(s), seed)._table()) for s in grid]
        rising = int(np.argmax(nats)) + 1  # beyond, the rows may all come to the same class
        strength = np.exp(np.interp(aim, np.maximum.accumulate(nats[:rising]), np.log(grid[:rising])))
        return cls(d_x, d_y, classes_x, classes_y, float(strength), seed)

    def _table(self) -> np.ndarray:
        law = seeded(self.seed)
        rows, columns = (law.dirichlet(np.full(k, 3.0)) + 0.01 for k in (self.classes_x, self.classes_y))
        logs = np.log(columns) + self.strength * law.standard_normal((self.classes_x, self.classes_y))
        given = np.exp(logs - logs.max(axis=1, keepdims=True))
        return (rows / rows.sum())[:, None] * given / given.sum(axis=1, keepdims=True)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw cells of the table; padding comes last."""
        totals = np.cumsum(self._table().ravel())
        cell = np.minimum(np.searchsorted(totals, rng.uniform(size=n), side="right"), len(totals) - 1)
        x, y = (side.astype(float)[:, None] for side in np.divmod(cell, self.classes_y))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(table_nats(self._table()))


@FAMILIES.register("zero_inflated")
@dataclass(frozen=True)
class ZeroInflated(Family):
    r"""A skewed amount y that is 0 where its latent normal is below a bound, or by chance; x is correlated with it.

    With a bivariate normal (x, v) of correlation rho, y = max(exp(v) - exp(bound), 0), and 0 with probability `blanks`
    whatever v. Given v, the mean pointwise MI of the pair is [-log(1 - rho^2) - rho^2 + rho^2 v^2] / 2, so the amounts
    above 0 give (1 - blanks) [-log(1 - rho^2) (1 - Phi(bound)) + rho^2 bound phi(bound)] / 2; with
    q(x) = P(y = 0 | x) the zeros give E[q log q] - E[q] log E[q], by quadrature. Further columns are normal noise.

    Attributes:
        rho: Correlation of the latent pair.
        bound: The latent value below which y is 0.
        blanks: Probability of a 0 by chance.
        swapped: The amount is in x.
    """

    rho: float
    bound: float
    blanks: float
    swapped: bool
    tails: ClassVar[Tails] = "heavy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 < self.rho < 1 or not 0 <= self.blanks < 1:
            raise DataGenError(f"zero_inflated needs -1 < rho < 1 and 0 <= blanks < 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 10 to 80 % zeros of either kind, and a correlation for U(0, 2) nats or what the aim asks."""
        bound, sign = float(ndtri(rng.uniform(0.1, 0.8))), float(rng.choice([-1.0, 1.0]))
        blanks, swapped = float(rng.choice([0.0, rng.uniform(0.05, 0.6)])), bool(rng.uniform() < 0.5)
        if aim is None:
            return cls(d_x, d_y, sign * float(correlation_of(rng.uniform(0.0, 2.0))), bound, blanks, swapped)
        scale = noise_for(lambda s: _inflated_nats(1 / np.sqrt(1 + s**2), bound, blanks), aim, 0.003, 60.0)
        return cls(d_x, d_y, sign / float(np.sqrt(1 + scale**2)), bound, blanks, swapped)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the pair, then amounts and blanks; padding comes last."""
        latent = rng.standard_normal((n, 1))
        amount = np.maximum(np.exp(latent) - np.exp(self.bound), 0.0)
        amount[rng.uniform(size=n) < self.blanks] = 0.0
        other = self.rho * latent + np.sqrt(1 - self.rho**2) * rng.standard_normal((n, 1))
        x, y = (amount, other) if self.swapped else (other, amount)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Closed form for the amounts, quadrature for the zeros."""
        return Truth(_inflated_nats(self.rho, self.bound, self.blanks))


def _inflated_nats(rho: float, bound: float, blanks: float) -> float:
    spread = np.sqrt(1 - rho**2)
    density = np.exp(-0.5 * bound**2) / np.sqrt(2 * np.pi)
    amounts = 0.5 * (1 - blanks) * (-np.log1p(-(rho**2)) * ndtr(-bound) + rho**2 * bound * density)
    step = min(0.25, 0.25 * spread / abs(rho) if rho else 1.0)
    x = np.arange(-_REACH, _REACH, step)  # the trapezoid rule converges exponentially
    weights = np.exp(-0.5 * x**2)
    zero = blanks + (1 - blanks) * ndtr((bound - rho * x) / spread)
    mean = blanks + (1 - blanks) * ndtr(bound)
    zeros = weights @ (zero * np.log(np.maximum(zero, 1e-300) / mean)) / weights.sum()
    return max(float(amounts + zeros), 0.0)
