"""Letters seen through bounded noise."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import betainc

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded

_LOW, _HIGH = 0.35, 6.0  # of either parameter of the noise, as in noisy_beta
_MOST_LETTERS, _WIDEST = 64, 400.0
_FINE, _HALF, _COARSE = 48, 24, 4  # cells between neighbouring edges: for the truth and for a search
# Ends of one cell after the other from an edge to the next, densest at both, where densities have poles.
_CELL_ENDS = {cells: betainc(3.0, 3.0, np.arange(cells + 1) / cells) for cells in (_FINE, _HALF, _COARSE)}


@FAMILIES.register("discrete_bounded")
@dataclass(frozen=True)
class DiscreteBounded(Family):
    """A letter L in x and y = place(L) + width(L) e with e of a beta law on 0..1: noise between sharp edges.

    I(L; y) over cells of y whose ends include every edge. Letters differ in place, width and probability. Other columns
    are normal noise.

    Attributes:
        letters: Number of letters.
        p: The beta law's first parameter; below 1 much of the noise is near its lower edge.
        q: The second, for the upper edge.
        scale: Width of the noise, of letters that are 1 apart on average.
        seed: Seed of places, widths and probabilities.
        ordered: Letters have numbers in the order of their places.
        swapped: The letter is in y.
    """

    letters: int
    p: float
    q: float
    scale: float
    seed: int
    ordered: bool
    swapped: bool
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (2 <= self.letters <= _MOST_LETTERS and 0.01 <= self.scale <= _WIDEST):
            raise DataGenError(
                f"discrete_bounded needs 2..{_MOST_LETTERS} letters and .01 <= scale <= {_WIDEST:g}, "
                f"got {self.letters} and {self.scale}"
            )
        if not (min(self.p, self.q) >= _LOW and max(self.p, self.q) <= _HIGH):
            raise DataGenError(f"discrete_bounded needs p and q in {_LOW}..{_HIGH:g}, got {self.p} and {self.q}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw letters, as many as the aim needs or up to twice that, the noise's shape, and a scale found for the aim.

        Without an aim there are 2 to 24 letters, few more often, and the scale is log-uniform on .3..10.
        """
        p, q = (log_uniform(rng, _LOW, _HIGH) for _ in range(2))
        q = p if rng.uniform() < 0.4 else q
        letters, scale = int(log_uniform(rng, 2, 25)), log_uniform(rng, 0.3, 10.0)
        if aim is not None:
            letters = min(max(letters, int(np.ceil(np.exp(aim) * rng.uniform(1.1, 2.0)))), _MOST_LETTERS)
        law = cls(d_x, d_y, letters, p, q, scale, draw_seed(rng), bool(rng.uniform() < 0.7), bool(rng.uniform() < 0.5))
        return law if aim is None else cls(**law.params() | {"scale": law._scale_for(aim)})

    def _scale_for(self, aim: float) -> float:
        """Halve the interval of log(scale) eight times; the aim is only a wish."""
        low, high = np.log(0.1), np.log(_WIDEST)
        for _ in range(8):
            middle = (low + high) / 2
            enough = self._nats(np.exp(middle), _COARSE) > aim
            low, high = (middle, high) if enough else (low, middle)
        return float(np.exp((low + high) / 2))

    def _layout(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the letters' probabilities, lower edges and widths at scale 1, each (letters,)."""
        law = seeded(self.seed)
        weights = law.dirichlet(np.full(self.letters, law.choice([2.0, 20.0]))) + 0.1 / self.letters
        places = np.cumsum(law.uniform(0.3, 1.7, self.letters))
        widths = np.exp(law.uniform(0.0, 0.5) * law.uniform(-1.0, 1.0, self.letters))
        order = np.arange(self.letters) if self.ordered else law.permutation(self.letters)
        return weights[order] / weights.sum(), places[order], widths[order]

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw letters and points between their edges; padding comes last."""
        weights, places, widths = self._layout()
        letter = rng.choice(self.letters, size=n, p=weights)
        seen = places[letter] + self.scale * widths[letter] * rng.beta(self.p, self.q, n)
        x, y = (seen, letter) if self.swapped else (letter, seen)
        return padded(rng, x[:, None].astype(float), self.d_x), padded(rng, y[:, None].astype(float), self.d_y)

    def truth(self) -> Truth:
        """Sums over cells, whose error falls by the square of their number: two sums tell the limit."""
        half, whole = (self._nats(self.scale, cells) for cells in (_HALF, _FINE))
        return Truth(max(whole + (whole - half) / 3, 0.0))

    def _nats(self, scale: float, cells: int) -> float:
        weights, places, widths = self._layout()
        edges = np.sort(np.concatenate([places, places + scale * widths]))
        ends = np.append((edges[:-1, None] + np.diff(edges)[:, None] * _CELL_ENDS[cells][:-1]).ravel(), edges[-1])
        below = betainc(self.p, self.q, np.clip((ends - places[:, None]) / (scale * widths[:, None]), 0.0, 1.0))
        mass = np.diff(below, axis=1)  # (letters, cells in all)
        ratio = np.divide(mass, weights @ mass, out=np.ones_like(mass), where=mass > 1e-300)
        return max(float(weights @ (mass * np.log(ratio)).sum(axis=1)), 0.0)
