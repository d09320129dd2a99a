"""A class label beside a measurement whose noise has sharp edges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, seeded


@dataclass(frozen=True)
class _Noise:
    """A law with a jump or a kink.

    Attributes:
        density: Its density, elementwise.
        draw: Draws of it of a given size.
        nats: Its entropy.
        cuts: Where the density is not smooth, and further points up to where it is nearly 0.
    """

    density: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.random.Generator, int], np.ndarray]
    nats: float
    cuts: tuple[float, ...]


_NOISES = {
    "exponential": _Noise(
        lambda e: np.where(e < 0, 0.0, np.exp(-np.maximum(e, 0.0))),
        lambda rng, n: rng.standard_exponential(n),
        1.0,
        (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0),
    ),
    "half_normal": _Noise(
        lambda e: np.where(e < 0, 0.0, np.sqrt(2 / np.pi) * np.exp(-0.5 * np.square(e))),
        lambda rng, n: np.abs(rng.standard_normal(n)),
        0.5 * np.log(np.pi * np.e / 2),
        (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0),
    ),
    "triangular": _Noise(
        lambda e: np.maximum(1.0 - np.abs(e), 0.0),
        lambda rng, n: rng.triangular(-1.0, 0.0, 1.0, n),
        0.5,
        (-1.0, 0.0, 1.0),
    ),
}
_EQUAL_BELOW = 0.2  # nats: noise of unequal scales alone tells about as much
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@FAMILIES.register("discrete_marks")
@dataclass(frozen=True)
class DiscreteMarks(Family):
    """A class c on one side; on the other its place, of spread about 1, plus scale g_c e with sharp-edged e.

    I = h(y) - sum_c p_c log(scale g_c) - h(e), by quadrature between the edges of all classes; at most the classes'
    entropy. Further columns are normal noise.

    Attributes:
        classes: Number of classes.
        noise: Law of e: exponential, half_normal or triangular.
        scale: Scale of the noise.
        ordered: Places grow with the class; otherwise their order is random.
        unequal: Classes differ in probability, a few times over, and in the noise's scale g_c.
        seed: Seed of places, probabilities and scales.
        swapped: The class is in y.
    """

    classes: int
    noise: str
    scale: float
    ordered: bool
    unequal: bool
    seed: int
    swapped: bool
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 2 or self.noise not in _NOISES or self.scale <= 0:
            raise DataGenError(
                f"discrete_marks needs classes >= 2, scale > 0 and a noise of {', '.join(_NOISES)}; got {self}"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 20 classes, enough for the aim, and a scale, log-uniform on .03..5 or found for the aim."""
        least = 2 if aim is None else min(max(int(np.exp(1.2 * aim)), 2), 20)
        classes, seed = int(log_uniform(rng, least, 21)), draw_seed(rng)
        noise, ordered = str(rng.choice(list(_NOISES))), bool(rng.uniform() < 0.67)
        unequal = bool(rng.uniform() < (0.5 if aim is None or aim > _EQUAL_BELOW else 0.0))
        swapped, scale = bool(rng.uniform() < 0.5), log_uniform(rng, 0.03, 5.0)
        law = cls(d_x, d_y, classes, noise, scale, ordered, unequal, seed, swapped)
        if aim is not None:
            most = max(law._entropy() - 0.02, 0.0)
            scale = noise_for(law._nats, min(aim, most), 0.003, 30.0)
        return cls(d_x, d_y, classes, noise, scale, ordered, unequal, seed, swapped)

    def _classes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the classes' places, probabilities and relative scales of noise, (classes,) each."""
        law = seeded(self.seed)
        places = law.standard_normal(self.classes)
        weights, factors = np.full(self.classes, 1 / self.classes), np.ones(self.classes)
        if self.unequal:
            weights = law.dirichlet(np.full(self.classes, 2.0)) + 0.02
            factors = np.exp(law.uniform(-0.6, 0.6, self.classes))
        return np.sort(places) if self.ordered else places, weights / weights.sum(), factors

    def _entropy(self) -> float:
        _, weights, _ = self._classes()
        return float(-weights @ np.log(weights))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw classes and marks; padding comes last."""
        places, weights, factors = self._classes()
        label = rng.choice(self.classes, size=n, p=weights)
        mark = places[label] + self.scale * factors[label] * _NOISES[self.noise].draw(rng, n)
        x, y = (mark, label.astype(float)) if self.swapped else (label.astype(float), mark)
        return padded(rng, x[:, None], self.d_x), padded(rng, y[:, None], self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(self._nats(self.scale))

    def _nats(self, scale: float) -> float:
        """Integrate the entropy of the mark by Gauss and Legendre's rule between all edges."""
        noise, (places, weights, factors) = _NOISES[self.noise], self._classes()
        scales = scale * factors
        edges = np.unique(places[:, None] + scales[:, None] * np.array(noise.cuts))
        half = np.diff(edges)[:, None] / 2
        marks = (edges[:-1, None] + half * (1 + _NODES)).ravel()  # (intervals * nodes,)
        density = noise.density((marks[:, None] - places) / scales) @ (weights / scales)
        positive = np.maximum(density, 1e-300)
        entropy = -(half * _WEIGHTS).ravel() @ (density * np.log(positive))
        return float(np.clip(entropy - weights @ np.log(scales) - noise.nats, 0.0, self._entropy()))
