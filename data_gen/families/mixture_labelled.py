"""Clusters in the joint space of both sides, one of which also carries the number of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, padded
from data_gen.families.mixture import Components, MixtureClusters, inner_nats
from data_gen.record import canonical
from data_gen.registry import FAMILIES
from data_gen.rng import from_text

_BATCH, _STDERR = 1024, 0.009  # rows of a Monte-Carlo batch; nats at which it stops, the promise being .01


@FAMILIES.register("mixture_labelled")
@dataclass(frozen=True)
class MixtureLabelled(Family):
    """Normal clusters (x, y) and the label of each row's cluster, a column of x's side or, if swapped, of y's.

    I((L, x); y) = I(L; y) + sum_c w_c I(x; y | L = c): the first by Monte Carlo with exact densities, the second in
    closed form. Without `shared` the side of the label has no column of the clusters, and the second term is absent.
    Further columns are normal noise.

    Attributes:
        clusters: Parameters of mixture_clusters; x is the side with the label.
        shared: The side of the label has its columns of the clusters as well.
        swapped: The sides change places at the end.
    """

    clusters: Mapping[str, Any]
    shared: bool
    swapped: bool
    tails: ClassVar[Tails] = "light"
    monte_carlo: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        law, (d_label, d_other) = self._law(), self._widths()
        if law.k_y > d_other or 1 + law.k_x * self.shared > d_label:
            raise DataGenError(f"mixture_labelled needs room for the label and the clusters' columns, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw clusters whose strength is the aim; the label tells a part of it."""
        swapped = bool(rng.uniform() < 0.5)
        d_label, d_other = (d_y, d_x) if swapped else (d_x, d_y)
        clusters = MixtureClusters.draw(rng, max(d_label - 1, 1), d_other, aim)
        return cls(d_x, d_y, clusters.params(), d_label > 1 and bool(rng.uniform() < 0.8), swapped)

    def _law(self) -> MixtureClusters:
        return MixtureClusters.from_params(self.clusters)

    def _widths(self) -> tuple[int, int]:
        return (self.d_y, self.d_x) if self.swapped else (self.d_x, self.d_y)

    @property
    def tied(self) -> bool:
        """Always: the label."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw labels, then rows of their clusters; padding comes last."""
        law, (d_label, d_other) = self._law(), self._widths()
        label, rows = _labelled(law.components(), rng, n)
        parts = [label[:, None].astype(float), *([rows[:, : law.k_x]] if self.shared else [])]
        first = padded(rng, np.concatenate(parts, axis=1), d_label)
        second = padded(rng, rows[:, law.k_x :], d_other)
        return (second, first) if self.swapped else (first, second)

    def truth(self) -> Truth:
        """Monte Carlo for what the label tells of y, closed form for the rest."""
        law = self._law()
        both = law.components()
        other = both.side(slice(law.k_x, None))
        rng, values = from_text(self.name + canonical(self.params())), np.zeros(0)
        for _ in range(24):
            label, rows = _labelled(both, rng, _BATCH)
            logs = other.log_densities(np.ascontiguousarray(rows[:, law.k_x :].T))  # (c, n)
            own = np.take_along_axis(logs, label[None], axis=0)[0]
            values = np.append(values, own - other.log_mean(logs))
            stderr = float(values.std() / np.sqrt(len(values)))
            if stderr < _STDERR:
                break
        rest = float(both.weights @ inner_nats(both, law.k_x)) if self.shared else 0.0
        return Truth(max(float(values.mean()), 0.0) + rest, stderr)


def _labelled(law: Components, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the number of each row's component (n,) and the rows (n, k)."""
    label = rng.choice(len(law.weights), size=n, p=law.weights)
    noise = rng.standard_normal((n, law.means.shape[1]))
    return label, np.einsum("nij,nj->ni", law.factors[label], noise) + law.means[label]
