r"""Nearest-neighbour estimates of mutual information (KSG), on trees in 1+1 dimensions and on blocks above.

KSG-1: psi(k) + psi(N) - mean[psi(n_x + 1) + psi(n_y + 1)] with n_x the rows closer in x than the k-th neighbour in
the joint space under max(|dx|, |dy|). Where k neighbours coincide with a row (ties), k is replaced by the number of
coinciding rows and n_x, n_y count ties too, as for mixtures of discrete and continuous laws.

Reference: Kraskov, Stoegbauer and Grassberger (2004), Phys. Rev. E 69; Gao et al. (2017), NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

NEIGHBOURS = (1, 3, 5, 10)
EXACT_COLUMNS = 3  # up to here distances come from differences; matrix products lose digits of close rows


@dataclass(frozen=True)
class Neighbours:
    """KSG-1 estimates of one table.

    Attributes:
        nats: One estimate per k of NEIGHBOURS, (4,); where k >= N the largest possible k stands in.
        local: Each row's own contribution at k = 3 in nats, (N,).
    """

    nats: np.ndarray
    local: np.ndarray


def ksg(s: np.ndarray, t: np.ndarray) -> Neighbours:
    """KSG-1 on all rows of s (N, D_s) and t (N, D_t); Euclidean distance (maximum up to 3 columns) within a side."""
    if s.shape[1] == 1 and t.shape[1] == 1:
        return _on_tree(s[:, 0], t[:, 0])
    return _on_blocks(s, t)


def _effective_ks(n: int) -> np.ndarray:
    return np.minimum(np.array(NEIGHBOURS), n - 1)


def _on_tree(s: np.ndarray, t: np.ndarray) -> Neighbours:
    """KSG-1 in 1+1 dimensions: a k-d tree for the joint space, sorted columns for the counts."""
    n = len(s)
    ks = _effective_ks(n)
    order = np.argsort(s, kind="stable")  # neighbours in memory are neighbours in space: trees and searches run faster
    s, t = np.ascontiguousarray(s[order]), np.ascontiguousarray(t[order])
    points = np.stack([s, t], axis=1)
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(points, k=int(ks[-1]) + 1, p=np.inf)
    radius = distances[:, ks]  # (N, 4); column 0 of `distances` is the row itself
    inside = np.where(radius > 0, radius * (1 - 1e-10), 0.0)  # "strictly closer" despite rounding; ties count at 0
    n_s = _count_within(s, s, inside)  # the row itself included: n_x + 1
    n_t = _count_within(np.sort(t), t, inside)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    tied = radius <= 0
    if tied.any():
        coincide = np.asarray(tree.query_ball_point(points, 0.0, p=np.inf, return_length=True)) - 1.0
        k_effective = np.where(tied, coincide[:, None], k_effective)
    return _combine(k_effective, n_s, n_t, n, np.argsort(order))


def _count_within(column: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of a sorted `column` in [centre - radius, centre + radius], (N, 4)."""
    high = np.searchsorted(column, centre[:, None] + radius, side="right")
    return high - np.searchsorted(column, centre[:, None] - radius, side="left")


def _on_blocks(s: np.ndarray, t: np.ndarray) -> Neighbours:
    """KSG-1 by all pairwise distances; sorting whole rows is quicker than counting once per k."""
    n = len(s)
    ks = _effective_ks(n)
    d_s, d_t = _pairwise(s), _pairwise(t)
    if (s.shape[1] > EXACT_COLUMNS) != (t.shape[1] > EXACT_COLUMNS):  # one side squared, the other not
        d_s, d_t = _plain(s, d_s), _plain(t, d_t)
    joint = np.maximum(d_s, d_t)
    np.fill_diagonal(joint, np.inf)
    nearest = np.sort(joint, axis=1)[:, : ks[-1]] if ks[-1] * 8 > n else np.partition(joint, ks[-1] - 1, axis=1)
    nearest = np.sort(nearest[:, : ks[-1]], axis=1)
    radius = nearest[:, ks - 1]  # (N, 4)
    inside = np.nextafter(radius, np.float32(-1.0)).clip(min=0.0)  # "strictly closer"; ties count at 0
    n_s = _count_rows(d_s, inside)
    n_t = _count_rows(d_t, inside)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    tied = radius <= 0
    if tied.any():
        coincide = (joint <= 0).sum(axis=1, dtype=float)
        k_effective = np.where(tied, coincide[:, None], k_effective)
    return _combine(k_effective, n_s, n_t, n, slice(None))


def _pairwise(s: np.ndarray) -> np.ndarray:
    """Distances between rows, (N, N) float32: maximum norm up to EXACT_COLUMNS columns, squared Euclidean above."""
    s = np.ascontiguousarray(s, dtype=np.float32)
    if s.shape[1] <= EXACT_COLUMNS:
        distance = np.abs(s[:, None, 0] - s[None, :, 0])
        for column in s.T[1:]:
            np.maximum(distance, np.abs(column[:, None] - column[None, :]), out=distance)
        return distance
    square = np.einsum("nd,nd->n", s, s)
    distance = s @ s.T
    distance *= -2.0
    distance += square[:, None]
    distance += square[None, :]
    np.maximum(distance, 0.0, out=distance)
    np.fill_diagonal(distance, 0.0)
    return distance


def _plain(s: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Undo the square where `_pairwise` took it."""
    return np.sqrt(distance) if s.shape[1] > EXACT_COLUMNS else distance


def _count_rows(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of each row of `distance` (N, N) that are at most `radius` (N, 4); destroys `distance`."""
    distance.sort(axis=1)
    n = len(distance)
    low = np.zeros(radius.shape, dtype=np.int64)  # a bisection of all rows at once; NumPy has no row-wise search
    high = np.full(radius.shape, n, dtype=np.int64)
    row = np.arange(n)[:, None]
    for _ in range(int(n).bit_length()):
        middle = (low + high) // 2
        below = distance[row, np.minimum(middle, n - 1)] <= radius
        searching = low < high
        low = np.where(below & searching, middle + 1, low)
        high = np.where(~below & searching, middle, high)
    return low


def _combine(k: np.ndarray, n_s: np.ndarray, n_t: np.ndarray, n: int, restore) -> Neighbours:
    table = digamma(np.arange(1, n + 2))  # table[m - 1] = psi(m)
    local = digamma(k) + digamma(n) - table[n_s - 1] - table[n_t - 1]  # (N, 4)
    return Neighbours(local.mean(axis=0), local[restore, 1])
