"""Clouds of two classifications, as pictures are of what they show."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, padded
from data_gen.families.discrete import table_nats
from data_gen.families.discrete_classes import Parts, joined, random_parts, strength_for
from data_gen.families.mixture import Components
from data_gen.record import canonical
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, from_text, seeded

_BATCH, _STDERR = 2048, 0.009  # rows of a Monte-Carlo batch; nats at which it stops, the promise being .01
_MOST_BATCHES = 12


@FAMILIES.register("mixture_clouds")
@dataclass(frozen=True)
class MixtureClouds(Family):
    """Labels L and M under a table of probabilities; x is drawn from the normal cloud of L, y from that of M.

    x and y depend on each other through the labels alone: p(x, y) = sum_lm p(l, m) f_l(x) g_m(y). I is at most that of
    the labels, by Monte Carlo with these densities; the pointwise MI of the labels, whose mean is known, serves as a
    control variate. Every cloud has a place, spreads and a few long directions of its own. Further columns are normal
    noise.

    Attributes:
        k_x: Columns of the clouds of x.
        k_y: Columns of the clouds of y.
        classes_x: Labels of x.
        classes_y: Labels of y.
        matched: M is L, or any other label, all alike; otherwise the table is that of discrete_classes.
        strength: How far the table is from independence, as there.
        seed: Seed of the table and of the clouds.
    """

    k_x: int
    k_y: int
    classes_x: int
    classes_y: int
    matched: bool
    strength: float
    seed: int
    tails: ClassVar[Tails] = "light"
    monte_carlo: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.k_x <= self.d_x and 1 <= self.k_y <= self.d_y):
            raise DataGenError(f"mixture_clouds needs 1 <= k_x <= d_x and 1 <= k_y <= d_y, got {self}")
        if min(self.classes_x, self.classes_y) < 2 or self.strength < 0:
            raise DataGenError(f"mixture_clouds needs 2 classes or more and strength >= 0, got {self}")
        if self.matched and self.classes_x != self.classes_y:
            raise DataGenError(f"mixture_clouds needs as many classes of x as of y to match them, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 12 classes a side, few more often, and a strength that gives the labels the aim."""
        k_x, k_y = (d if rng.uniform() < 0.7 else int(rng.integers(1, d + 1)) for d in (d_x, d_y))
        least = 2.0 if aim is None else min(max(np.exp(aim), 2.0), 10.0)
        classes_x, classes_y = (int(log_uniform(rng, least, 13)) for _ in range(2))
        matched, seed = bool(rng.uniform() < 0.5), draw_seed(rng)
        if matched:
            classes_y = classes_x
        parts = _parts(classes_x, classes_y, matched, seed)
        strength = log_uniform(rng, 0.05, 5.0) if aim is None else strength_for(aim, parts)
        return cls(d_x, d_y, k_x, k_y, classes_x, classes_y, matched, strength, seed)

    @cached_property
    def table(self) -> np.ndarray:
        """Probabilities of the labels, (classes_x, classes_y)."""
        return joined(*_parts(self.classes_x, self.classes_y, self.matched, self.seed), self.strength)

    @cached_property
    def clouds(self) -> tuple[Components, Components]:
        """Of x and of y, one component per label."""
        law = seeded(self.seed + 1)
        return (_clouds(law, self.table.sum(axis=1), self.k_x), _clouds(law, self.table.sum(axis=0), self.k_y))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw labels, then rows of their clouds; padding comes last."""
        x, y = (rows for _, rows in self._draw(rng, n))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def _draw(self, rng: np.random.Generator, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Draw each side's labels (n,) and rows (n, k)."""
        totals = np.cumsum(self.table.ravel())
        cell = np.minimum(np.searchsorted(totals, rng.uniform(size=n), side="right"), len(totals) - 1)
        labels = np.divmod(cell, self.table.shape[1])
        return [(label, _rows(rng, law, label)) for label, law in zip(labels, self.clouds, strict=True)]

    def truth(self) -> Truth:
        """Monte Carlo, as long as the error needs."""
        known, rng = table_nats(self.table), from_text(self.name + canonical(self.params()))
        rows = np.zeros((2, 0))
        for _ in range(_MOST_BATCHES):
            rows = np.concatenate([rows, self._pointwise(rng)], axis=1)
            nats, told = rows
            share = np.cov(nats, told)[0, 1] / max(told.var(), 1e-12)
            rest = nats - share * (told - known)
            stderr = float(rest.std() / np.sqrt(len(rest)))
            if stderr < _STDERR:
                break
        return Truth(max(float(rest.mean()), 0.0), stderr)

    def _pointwise(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a batch and return the pointwise MI of its rows and that of their labels, (2, n)."""
        table, (law_x, law_y) = self.table, self.clouds
        (label_x, x), (label_y, y) = self._draw(rng, _BATCH)
        logs_x, logs_y = law_x.log_densities(x.T), law_y.log_densities(y.T)  # (classes_x, n), (classes_y, n)
        top_x, top_y = logs_x.max(axis=0), logs_y.max(axis=0)
        both = np.einsum("in,ij,jn->n", np.exp(logs_x - top_x), table, np.exp(logs_y - top_y), optimize=True)
        nats = np.log(both) + top_x + top_y - law_x.log_mean(logs_x) - law_y.log_mean(logs_y)
        apart = np.outer(table.sum(axis=1), table.sum(axis=0))
        return np.stack([nats, np.log(table[label_x, label_y] / apart[label_x, label_y])])


def _parts(classes_x: int, classes_y: int, matched: bool, seed: int) -> Parts:
    """Return the parts of the table: those of discrete_classes, or labels that are all alike."""
    if not matched:
        return random_parts(classes_x, classes_y, seed)
    even = np.full(classes_x, 1 / classes_x)
    return even, even, np.eye(classes_x)


def _clouds(law: np.random.Generator, weights: np.ndarray, k: int) -> Components:
    """Draw clouds of unit order (c,) that stand one to ten apart, whatever the number of columns."""
    count, long = len(weights), int(law.integers(1, min(k, 3) + 1))
    means = log_uniform(law, 1.0, 10.0) * law.standard_normal((count, k)) / np.sqrt(2 * k)
    along = log_uniform(law, 0.3, 2.0) * law.standard_normal((count, k, long)) / np.sqrt(long)
    spreads = law.uniform(0.3, 1.2, size=(count, 1, k)) * np.eye(k)  # (c, k, k)
    return Components(weights, means, np.linalg.cholesky(spreads**2 + along @ along.transpose(0, 2, 1)), np.inf)


def _rows(rng: np.random.Generator, law: Components, label: np.ndarray) -> np.ndarray:
    """Draw a row of the cloud of each label (n,), (n, k)."""
    rows = rng.standard_normal((len(label), law.means.shape[1]))
    for number, (mean, factor) in enumerate(zip(law.means, law.factors, strict=True)):
        own = label == number
        rows[own] = rows[own] @ factor.T + mean
    return rows
