"""Clouds of two classifications in which a label has several forms, as a numeral has in handwriting."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import log_uniform
from data_gen.families.mixture import Components
from data_gen.families.mixture_clouds import MixtureClouds
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

_MOST_COLUMNS, _MOST_COMPONENTS = 24, 40  # of a side: what a Monte-Carlo batch can bear
_EXACT = 12.0  # strength at which matched labels differ once in 10,000 rows


@FAMILIES.register("mixture_pictures")
@dataclass(frozen=True)
class MixturePictures(MixtureClouds):
    """mixture_clouds in which every label has several forms; which of them is drawn, depends on the label alone.

    So the density given a label is a mixture itself, with several tops and no axis of symmetry, and I still is at most
    that of the labels: most of it where labels can be told apart.

    Attributes:
        forms: Clouds of each label.
    """

    forms: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forms < 1:
            raise DataGenError(f"mixture_pictures needs forms >= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw labels as in mixture_clouds, matched ones without any error in two fifths, and 2 to 6 forms of each."""
        labels = MixtureClouds.draw(rng, d_x, d_y, aim)
        params = labels.params() | {"k_x": min(labels.k_x, _MOST_COLUMNS), "k_y": min(labels.k_y, _MOST_COLUMNS)}
        if labels.matched and rng.uniform() < 0.4:
            params["strength"] = _EXACT
        most = _MOST_COMPONENTS // max(labels.classes_x, labels.classes_y)
        return cls.from_params(params | {"forms": int(log_uniform(rng, 2, min(most, 6) + 1))})

    @cached_property
    def table(self) -> np.ndarray:
        """Probabilities of the forms, (classes_x forms, classes_y forms); those of a label one after another."""
        of_x, of_y = self._shares
        joint = super().table[:, None, :, None] * of_x[:, :, None, None] * of_y[None, None, :, :]
        return joint.reshape(of_x.size, of_y.size)

    @cached_property
    def clouds(self) -> tuple[Components, Components]:
        """Of x and of y, one component per form."""
        law = seeded(self.seed + 3)
        return (
            _forms(law, self.table.sum(axis=1), self.forms, self.k_x),
            _forms(law, self.table.sum(axis=0), self.forms, self.k_y),
        )

    @cached_property
    def _shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the forms among the rows of each label of x and of y, (classes, forms)."""
        law = seeded(self.seed + 2)
        of_x, of_y = (law.dirichlet(np.full(self.forms, 3.0), size=c) for c in (self.classes_x, self.classes_y))
        return of_x, of_y


def _forms(law: np.random.Generator, weights: np.ndarray, forms: int, k: int) -> Components:
    """Draw clouds of unit order (c forms,) around places of their labels, whatever the number of columns."""
    labels, long = len(weights) // forms, int(law.integers(1, min(k, 3) + 1))
    apart = log_uniform(law, 2.0, 12.0) / np.sqrt(2 * k)
    places = apart * law.standard_normal((labels, 1, k))
    means = places + log_uniform(law, 0.2, 0.8) * apart * law.standard_normal((labels, forms, k))
    along = log_uniform(law, 0.3, 2.0) * law.standard_normal((len(weights), k, long)) / np.sqrt(long)
    spreads = law.uniform(0.3, 1.2, size=(len(weights), 1, k)) * np.eye(k)
    factors = np.linalg.cholesky(spreads**2 + along @ along.transpose(0, 2, 1))
    return Components(weights, means.reshape(len(weights), k), factors, np.inf)
