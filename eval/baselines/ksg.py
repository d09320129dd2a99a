r"""The k-nearest-neighbour estimators of Kraskov, Stögbauer and Grassberger, in the max norm on standardised columns.

Around each point lies a ball (KSG-1) or a rectangle (KSG-2) that reaches its k-th neighbour in the joint space; n_x and
n_y count the other points that fall within its extent on one side alone. With brackets for the mean over points,

    I_1 = psi(k) + psi(n) - < psi(n_x + 1) + psi(n_y + 1) >              n_x: strictly nearer than the k-th neighbour
    I_2 = psi(k) - 1/k + psi(n) - < psi(n_x) + psi(n_y) >                n_x: up to and including the rectangle's edge

In low dimension the neighbours come from trees, otherwise from all distances. A max-norm distance is the absolute
difference of two numbers and so exact: both ways give the same counts.

Reference: Kraskov, Stögbauer and Grassberger (2004), Physical Review E 69, 066138.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import psi

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_NEIGHBOURS = 5  # the k of the published figures
_TREE_DIMENSIONS = 6  # d_x + d_y up to which trees are faster than all distances (measured at n = 500 to 10,000)
_BLOCK_ENTRIES = 4_000_000  # distances held at once: 32 MB a matrix


@dataclass(frozen=True)
class Reach:
    """Extents of every point's k neighbours, (n,) each, as distances in the max norm.

    Attributes:
        joint: Distance of the k-th neighbour in the joint space.
        x: Largest distance on side x among the k neighbours.
        y: The same on side y.
    """

    joint: Floats
    x: Floats
    y: Floats


class _Ksg(PointBaseline):
    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate; needs more than k samples."""
        return self.in_scale(standardised(x), standardised(y))

    def in_scale(self, x: Floats, y: Floats) -> float:
        """Estimate from columns whose scale is meant: distances are measured as they are."""
        if len(x) <= _NEIGHBOURS:
            raise CannotEstimate(f"needs more than {_NEIGHBOURS} samples")
        return self.from_columns(x, y, trees=x.shape[1] + y.shape[1] <= _TREE_DIMENSIONS)

    @abstractmethod
    def from_columns(self, x: Floats, y: Floats, trees: bool) -> float:
        """Estimate from scaled columns, with the neighbours from trees or from all distances."""


@register
class Ksg1(_Ksg):
    """KSG-1 with 5 nearest neighbours: counts within balls, for n > 5."""

    name: ClassVar[str] = "ksg"

    def from_columns(self, x: Floats, y: Floats, trees: bool) -> float:
        """Estimate from counts within balls."""
        reach = _reach(x, y, trees)
        radius = np.nextafter(reach.joint, -1)  # strictly nearer; below 0 for a point with k copies
        n_x, n_y = (_within(v, radius, trees) for v in (x, y))
        return _psi(_NEIGHBOURS) + _psi(len(x)) - float(np.mean(psi(n_x + 1) + psi(n_y + 1)))


@register
class Ksg2(_Ksg):
    """KSG-2 with 5 nearest neighbours: counts within rectangles, for n > 5."""

    name: ClassVar[str] = "ksg2"

    def from_columns(self, x: Floats, y: Floats, trees: bool) -> float:
        """Estimate from counts within rectangles."""
        reach = _reach(x, y, trees)
        n_x, n_y = _within(x, reach.x, trees), _within(y, reach.y, trees)
        return _psi(_NEIGHBOURS) - 1 / _NEIGHBOURS + _psi(len(x)) - float(np.mean(psi(n_x) + psi(n_y)))


def standardised(v: np.ndarray) -> Floats:
    """Columns of v (n, d) with mean 0 and variance 1; constant columns become 0."""
    spread = v.std(axis=0)
    return np.asarray((v - v.mean(axis=0)) / np.where(spread > 0, spread, 1), np.float64)


def _psi(count: int) -> float:
    return float(psi(count))


def _reach(x: Floats, y: Floats, trees: bool) -> Reach:
    return _reach_by_tree(x, y) if trees else _reach_by_distances(x, y)


def _reach_by_tree(x: Floats, y: Floats) -> Reach:
    joint = np.hstack([x, y])
    distances, neighbours = cKDTree(joint).query(joint, k=_NEIGHBOURS + 1, p=np.inf)
    # The point itself is one of the k + 1 (or a copy of it, at distance 0 all the same).
    x_far, y_far = (np.abs(v[neighbours] - v[:, None, :]).max(axis=(1, 2)) for v in (x, y))
    return Reach(distances[:, -1], x_far, y_far)


def _reach_by_distances(x: Floats, y: Floats) -> Reach:
    blocks = [
        _reach_in_block(cdist(x[rows], x, "chebyshev"), cdist(y[rows], y, "chebyshev")) for rows in _blocks(len(x))
    ]
    return Reach(*(np.concatenate([getattr(block, side) for block in blocks]) for side in ("joint", "x", "y")))


def _reach_in_block(to_x: Floats, to_y: Floats) -> Reach:
    """Reach of the points whose distances to all n points are given, (rows, n)."""
    joint = np.maximum(to_x, to_y)
    nearest = np.argpartition(joint, _NEIGHBOURS, axis=1)[:, : _NEIGHBOURS + 1]  # the point itself among them
    return Reach(*(np.take_along_axis(v, nearest, axis=1).max(axis=1) for v in (joint, to_x, to_y)))


def _within(v: Floats, radius: Floats, trees: bool) -> Counts:
    """Count the other points of v (n, d) at most `radius` (n,) away from each, (n,)."""
    if trees:
        counts = cKDTree(v).query_ball_point(v, radius, p=np.inf, return_length=True)
    else:
        counts = np.concatenate(
            [(cdist(v[rows], v, "chebyshev") <= radius[rows, None]).sum(axis=1) for rows in _blocks(len(v))]
        )
    return np.maximum(np.asarray(counts, np.int64) - 1, 0)  # less the point itself, which a negative radius leaves out


def _blocks(n: int) -> Iterator[slice]:
    step = max(1, _BLOCK_ENTRIES // n)
    return (slice(start, start + step) for start in range(0, n, step))
