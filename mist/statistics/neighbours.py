r"""Nearest-neighbour estimates of mutual information (KSG), on trees in 1+1 dimensions and on blocks otherwise.

KSG-1: psi(k) + psi(N) - mean[psi(n_x + 1) + psi(n_y + 1)] with n_x the rows closer in x than the k-th neighbour in
the joint space under max(|dx|, |dy|). Where k neighbours coincide with a row (ties), k is replaced by the number of
coinciding rows and n_x, n_y count ties too, as for mixtures of discrete and continuous laws.

Reference: Kraskov, Stoegbauer and Grassberger (2004), Phys. Rev. E 69; Gao et al. (2017), NeurIPS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma

NEIGHBOURS = (1, 3, 8)
MIDDLE = 1  # position of k = 3, whose estimate serves as anchor and as each row's own contribution
EXACT_COLUMNS = 3  # up to here distances come from differences; matrix products lose digits of close rows
TREE_FROM = 256  # rows from which a tree beats blocks in 1+1 dimensions, measured
BLOCK_VALUES = 1 << 19  # distances held at once: 2 MB stay in a core's cache


@dataclass(frozen=True)
class Neighbours:
    """KSG-1 estimates of B tables of one shape.

    Attributes:
        nats: One estimate per k of NEIGHBOURS, (B, 3); where k >= N the largest possible k stands in.
        local: Each row's own contribution at k = 3 in nats, (B, N).
    """

    nats: np.ndarray
    local: np.ndarray

    @staticmethod
    def cat(parts: list[Neighbours]) -> Neighbours:
        """Join along B."""
        return Neighbours(np.concatenate([p.nats for p in parts]), np.concatenate([p.local for p in parts]))


def ksg(s: np.ndarray, t: np.ndarray) -> Neighbours:
    """KSG-1 on all rows of s (B, N, D_s) and t (B, N, D_t).

    Distance within a side is the maximum over columns where both sides have at most 3, Euclidean otherwise.
    """
    if s.shape[2] == t.shape[2] == 1 and s.shape[1] >= TREE_FROM:
        return Neighbours.cat([_on_tree(a, b) for a, b in zip(s[:, :, 0], t[:, :, 0], strict=True)])
    euclidean = max(s.shape[2], t.shape[2]) > EXACT_COLUMNS
    distance = _squared if euclidean else _maximum
    return Neighbours.cat([_on_block(distance(s[c]), distance(t[c])) for c in _chunks(s)])


def ksg_leading(s: np.ndarray, t: np.ndarray, most: int) -> list[Neighbours]:
    """KSG-1 on the first 2, 3, ..., `most` columns of s and t (B, N, D), sharing their distances."""
    found: list[list[Neighbours]] = []
    for chunk in _chunks(s):
        d_s, d_t = _maximum(s[chunk, :, :1]), _maximum(t[chunk, :, :1])
        row = []
        for column in range(1, most):
            np.maximum(d_s, _maximum(s[chunk, :, column : column + 1]), out=d_s)
            np.maximum(d_t, _maximum(t[chunk, :, column : column + 1]), out=d_t)
            row.append(_on_block(d_s, d_t))
        found.append(row)
    return [Neighbours.cat(list(parts)) for parts in zip(*found, strict=True)]


def _chunks(s: np.ndarray) -> Iterator[slice]:
    """Slices of tables whose distances fit a core's cache."""
    step = max(1, BLOCK_VALUES // s.shape[1] ** 2)
    for first in range(0, len(s), step):
        yield slice(first, first + step)


def _effective_ks(n: int) -> np.ndarray:
    return np.minimum(np.array(NEIGHBOURS), n - 1)


def _on_tree(s: np.ndarray, t: np.ndarray) -> Neighbours:
    """One table in 1+1 dimensions, (N,) each: a k-d tree for the joint space, sorted columns for the counts."""
    n = len(s)
    ks = _effective_ks(n)
    order = np.argsort(s, kind="stable")  # neighbours in space become neighbours in memory: everything runs faster
    s, t = np.ascontiguousarray(s[order]), np.ascontiguousarray(t[order])
    points = np.stack([s, t], axis=1)
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(points, k=ks + 1, p=np.inf)
    radius = np.ascontiguousarray(distances)  # (N, 3)
    inside = np.where(radius > 0, radius * (1 - 1e-10), 0.0)  # "strictly closer" despite rounding; ties count at 0
    n_s = _count_within(s, s, inside)  # the row itself included: n_x + 1
    n_t = _count_within(np.sort(t), t, inside)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    tied = radius <= 0
    if tied.any():
        coincide = np.asarray(tree.query_ball_point(points, 0.0, p=np.inf, return_length=True)) - 1.0
        k_effective = np.where(tied, coincide[:, None], k_effective)
    local = _contributions(k_effective, n_s, n_t, n)  # (N, 3)
    return Neighbours(local.mean(axis=0)[None], local[np.argsort(order), MIDDLE][None])


def _count_within(column: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of a sorted `column` in [centre - radius, centre + radius], (N, 3)."""
    high = np.searchsorted(column, centre[:, None] + radius, side="right")
    return high - np.searchsorted(column, centre[:, None] - radius, side="left")


def _on_block(d_s: np.ndarray, d_t: np.ndarray) -> Neighbours:
    """B tables by all their distances, (B, N, N) each; sorting whole rows is quicker than counting once per k."""
    n = d_s.shape[1]
    ks = _effective_ks(n)
    joint = np.maximum(d_s, d_t)
    joint[:, np.arange(n), np.arange(n)] = np.inf
    nearest = np.partition(joint, ks[-1] - 1, axis=2)[:, :, : ks[-1]]
    nearest.sort(axis=2)
    radius = nearest[:, :, ks - 1]  # (B, N, 3)
    inside = np.nextafter(radius, np.float32(-1.0)).clip(min=0.0)  # "strictly closer"; ties count at 0
    n_s, n_t = _count_rows(d_s, inside), _count_rows(d_t, inside)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    tied = radius <= 0
    if tied.any():
        coincide = (joint <= 0).sum(axis=2, dtype=float)
        k_effective = np.where(tied, coincide[..., None], k_effective)
    local = _contributions(k_effective, n_s, n_t, n)  # (B, N, 3)
    return Neighbours(local.mean(axis=1), local[..., MIDDLE])


def _maximum(s: np.ndarray) -> np.ndarray:
    """Largest difference over columns between rows of s (B, N, D), (B, N, N) float32."""
    columns = np.ascontiguousarray(s.swapaxes(1, 2), dtype=np.float32)  # (B, D, N)
    distance = columns[:, 0, :, None] - columns[:, 0, None, :]
    np.abs(distance, out=distance)
    for column in range(1, columns.shape[1]):
        further = columns[:, column, :, None] - columns[:, column, None, :]
        np.abs(further, out=further)
        np.maximum(distance, further, out=distance)
    return distance


def _squared(s: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance between rows of s (B, N, D), (B, N, N) float32."""
    s = np.ascontiguousarray(s, dtype=np.float32)
    square = np.einsum("bnd,bnd->bn", s, s)
    distance = s @ s.swapaxes(1, 2)
    distance *= -2.0
    distance += square[:, :, None]
    distance += square[:, None, :]
    np.maximum(distance, 0.0, out=distance)
    distance[:, np.arange(s.shape[1]), np.arange(s.shape[1])] = 0.0
    return distance


def _count_rows(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of each row of `distance` (B, N, N) that are at most `radius` (B, N, 3)."""
    ordered = torch.from_numpy(np.sort(distance, axis=2))
    return torch.searchsorted(ordered, torch.from_numpy(np.ascontiguousarray(radius)), right=True).numpy()


def _contributions(k: np.ndarray, n_s: np.ndarray, n_t: np.ndarray, n: int) -> np.ndarray:
    psi = digamma(np.arange(1, n + 1))  # psi[m - 1] = psi(m)
    return psi[k.astype(np.int64) - 1] + psi[n - 1] - psi[n_s - 1] - psi[n_t - 1]
