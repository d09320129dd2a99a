r"""Nearest-neighbour estimates of mutual information (KSG): by sorting, by all distances, or on trees.

KSG-1: psi(k) + psi(N) - mean[psi(n_x + 1) + psi(n_y + 1)] with n_x the rows closer in x than the k-th neighbour in
the joint space under max(|dx|, |dy|). Ties put more than one row at that very distance: k becomes the number of rows
within it in the joint space, and n_x counts the rows at the distance too where they are several in x; likewise n_y.
Without ties this is KSG-1; with ties on both sides it stays near 0 under independence, where counting all of them
or none is off by several tenths of a nat. A side whose columns never repeat a value has no ties, however near to each
other two distances are: ranks lie so evenly that in many rows those above and below a row are equally far but for the
last digits.

Reference: Kraskov, Stoegbauer and Grassberger (2004), Phys. Rev. E 69; Gao et al. (2017), NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

from mist.statistics.counting import COMPILED, SLACK, Counts, around, count, with_ties

NEIGHBOURS = (1, 3, 8)
MIDDLE = 1  # position of k = 3, whose estimate serves as anchor and as each row's own contribution
EXACT_COLUMNS = 3  # up to here distances come from differences; matrix products lose digits of close rows
TREE_FROM = 384  # rows from which a tree beats all distances in numpy in 1+1 dimensions, measured


@dataclass(frozen=True)
class Neighbours:
    """KSG-1 estimates of B tables of one shape.

    Attributes:
        nats: One estimate per k of NEIGHBOURS, (B, 3); where k >= N the largest possible k stands in.
        local: Each row's own contribution at k = 3 in nats, (B, N).
        excess: Mean of log(rows within the distance / k) at k = 3, (B,): 0 without ties.
    """

    nats: np.ndarray
    local: np.ndarray
    excess: np.ndarray

    @staticmethod
    def cat(parts: list[Neighbours]) -> Neighbours:
        """Join along B."""
        return Neighbours(
            *(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True))
        )


def ksg(s: np.ndarray, t: np.ndarray, tied: np.ndarray) -> Neighbours:
    """KSG-1 on all rows.

    Distance within a side is the maximum over columns where both sides have at most 3, Euclidean otherwise.

    Args:
        s: One side, (B, N, D_s).
        t: The other side, (B, N, D_t).
        tied: Which sides of which tables repeat a value within a column, (B, 2) bool; only there are ties looked for.
    """
    n, d_s, d_t = *s.shape[1:], t.shape[2]
    if d_s == d_t == 1 and n >= TREE_FROM and not COMPILED:
        return Neighbours.cat([_on_tree(a, b, c) for a, b, c in zip(s[:, :, 0], t[:, :, 0], tied, strict=True)])
    euclidean = max(d_s, d_t) > EXACT_COLUMNS
    return _from_counts(*count(s, t, tied, _effective_ks(n), ((d_s, d_t),), euclidean))


def ksg_leading(s: np.ndarray, t: np.ndarray, tied: np.ndarray, most: int) -> list[Neighbours]:
    """KSG-1 on the first 2, 3, ..., `most` columns of s and t (B, N, D), sharing their distances."""
    widths = [(columns, columns) for columns in range(2, most + 1)]
    return [_from_counts(found) for found in count(s, t, tied, _effective_ks(s.shape[1]), widths, euclidean=False)]


def _effective_ks(n: int) -> np.ndarray:
    return np.minimum(np.array(NEIGHBOURS), n - 1)


def _on_tree(s: np.ndarray, t: np.ndarray, tied: np.ndarray) -> Neighbours:
    """One table in 1+1 dimensions, (N,) each: a k-d tree for the joint space, sorted columns for the counts."""
    n = len(s)
    ks = _effective_ks(n)
    order = np.argsort(s, kind="stable")  # neighbours in space become neighbours in memory: everything runs faster
    s, t = np.ascontiguousarray(s[order]), np.ascontiguousarray(t[order])
    points = np.stack([s, t], axis=1)
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(points, k=ks + 1, p=np.inf)
    radius = np.ascontiguousarray(distances)  # (N, 3)
    inside = np.where(radius > 0, radius * (1 - 1e-10), 0.0)  # "strictly closer" despite rounding
    near, far = around(radius)
    seek = tied | (radius <= 0).any()
    columns = (s, s), (np.sort(t), t)
    n_s, n_t = (
        with_ties(_count_within(*column, near), _count_within(*column, far)) if side else _count_within(*column, inside)
        for column, side in zip(columns, seek, strict=True)
    )
    k_effective = np.broadcast_to(ks, radius.shape)
    if seek.any():
        if not seek.all():  # a side with ties reaches a little further than the other
            tree, far = cKDTree(points * np.where(seek, 1 - 2 * SLACK[0], 1.0)), inside
        centres = np.repeat(tree.data[:, None], len(ks), axis=1)
        within = tree.query_ball_point(centres, far, p=np.inf, return_length=True)
        k_effective = np.maximum(within - 1, ks)
    counts = np.stack([k_effective, n_s, n_t])[:, None, np.argsort(order)]  # (3, 1, N, 3)
    return _from_counts(counts)


def _count_within(column: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of a sorted `column` in [centre - radius, centre + radius], (N, 3)."""
    high = np.searchsorted(column, centre[:, None] + radius, side="right")
    return high - np.searchsorted(column, centre[:, None] - radius, side="left")


def _from_counts(counts: Counts) -> Neighbours:
    """Estimates of B tables from the counts of all their rows."""
    n = counts.shape[2]
    local = _contributions(counts)  # (B, N, 3)
    excess = np.log(counts[0, :, :, MIDDLE] / _effective_ks(n)[MIDDLE]).sum(axis=1) / n
    return Neighbours(local.sum(axis=1) / n, local[..., MIDDLE], excess)


def _contributions(counts: Counts) -> np.ndarray:
    psi = digammas(counts.shape[2])
    of_k, of_s, of_t = psi.take(counts)
    return of_k + psi[-1] - of_s - of_t


@lru_cache(maxsize=32)
def digammas(n: int) -> np.ndarray:
    """Digamma of 0 to n, (n + 1,); that of 0 is not used."""
    return digamma(np.arange(n + 1))
