r"""Nearest-neighbour estimates of mutual information (KSG), on trees in 1+1 dimensions and on blocks otherwise.

KSG-1: psi(k) + psi(N) - mean[psi(n_x + 1) + psi(n_y + 1)] with n_x the rows closer in x than the k-th neighbour in
the joint space under max(|dx|, |dy|). Ties put more than one row at that very distance: k becomes the number of rows
within it in the joint space, and n_x counts the rows at the distance too where they are several in x; likewise n_y.
Without ties this is KSG-1; with ties on both sides it stays near 0 under independence, where counting all of them
or none is off by several tenths of a nat.

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
SLACK = 1e-5, 1e-6  # relative and absolute: rows this much further off count as tied (float32 distances)
BLOCK_VALUES = 1 << 19  # distances held at once: 2 MB stay in a core's cache


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
        tied: Which tables repeat a value within a column, (B,) bool; only there are ties looked for.
    """
    if s.shape[2] == t.shape[2] == 1 and s.shape[1] >= TREE_FROM:
        return Neighbours.cat([_on_tree(a, b, c) for a, b, c in zip(s[:, :, 0], t[:, :, 0], tied, strict=True)])
    euclidean = max(s.shape[2], t.shape[2]) > EXACT_COLUMNS
    distance = _squared if euclidean else _maximum
    return Neighbours.cat([_on_block(distance(s[c]), distance(t[c]), tied[c]) for c in _chunks(s)])


def ksg_leading(s: np.ndarray, t: np.ndarray, tied: np.ndarray, most: int) -> list[Neighbours]:
    """KSG-1 on the first 2, 3, ..., `most` columns of s and t (B, N, D), sharing their distances."""
    found: list[list[Neighbours]] = []
    for chunk in _chunks(s):
        d_s, d_t = _maximum(s[chunk, :, :1]), _maximum(t[chunk, :, :1])
        row = []
        for column in range(1, most):
            np.maximum(d_s, _maximum(s[chunk, :, column : column + 1]), out=d_s)
            np.maximum(d_t, _maximum(t[chunk, :, column : column + 1]), out=d_t)
            row.append(_on_block(d_s, d_t, tied[chunk]))
        found.append(row)
    return [Neighbours.cat(list(parts)) for parts in zip(*found, strict=True)]


def _chunks(s: np.ndarray) -> Iterator[slice]:
    """Slices of tables whose distances fit a core's cache."""
    step = max(1, BLOCK_VALUES // s.shape[1] ** 2)
    for first in range(0, len(s), step):
        yield slice(first, first + step)


def _effective_ks(n: int) -> np.ndarray:
    return np.minimum(np.array(NEIGHBOURS), n - 1)


def _on_tree(s: np.ndarray, t: np.ndarray, tied: bool) -> Neighbours:
    """One table in 1+1 dimensions, (N,) each: a k-d tree for the joint space, sorted columns for the counts."""
    n = len(s)
    ks = _effective_ks(n)
    order = np.argsort(s, kind="stable")  # neighbours in space become neighbours in memory: everything runs faster
    s, t = np.ascontiguousarray(s[order]), np.ascontiguousarray(t[order])
    points = np.stack([s, t], axis=1)
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    distances, _ = tree.query(points, k=ks + 1, p=np.inf)
    radius = np.ascontiguousarray(distances)  # (N, 3)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    ordered = np.sort(t)
    if tied:
        near, far = _around(radius)
        near_s, near_t = _count_within(s, s, near), _count_within(ordered, t, near)
        n_s = _with_ties(near_s, _count_within(s, s, far))
        n_t = _with_ties(near_t, _count_within(ordered, t, far))
        several = (n_s > near_s) | (n_t > near_t) | (radius <= 0)
        k_effective = k_effective.copy()
        points, far = points[np.nonzero(several)[0]], far[several]
        k_effective[several] = tree.query_ball_point(points, far, p=np.inf, return_length=True) - 1.0
    else:
        inside = np.where(radius > 0, radius * (1 - 1e-10), 0.0)  # "strictly closer" despite rounding
        n_s, n_t = _count_within(s, s, inside), _count_within(ordered, t, inside)  # rows themselves included: n_x + 1
    local = _contributions(k_effective, n_s, n_t, n)  # (N, 3)
    excess = np.log(k_effective[:, MIDDLE] / ks[MIDDLE]).mean(keepdims=True)
    return Neighbours(local.mean(axis=0)[None], local[np.argsort(order), MIDDLE][None], excess)


def _count_within(column: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of a sorted `column` in [centre - radius, centre + radius], (N, 3)."""
    high = np.searchsorted(column, centre[:, None] + radius, side="right")
    return high - np.searchsorted(column, centre[:, None] - radius, side="left")


def _on_block(d_s: np.ndarray, d_t: np.ndarray, tied: np.ndarray) -> Neighbours:
    """B tables by all their distances, (B, N, N) each; sorting whole rows is quicker than counting once per k."""
    n = d_s.shape[1]
    ks = _effective_ks(n)
    joint = np.maximum(d_s, d_t)
    joint[:, np.arange(n), np.arange(n)] = np.inf
    nearest = np.partition(joint, ks[-1] - 1, axis=2)[:, :, : ks[-1]]
    nearest.sort(axis=2)
    radius = nearest[:, :, ks - 1]  # (B, N, 3)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    inside = np.nextafter(radius, np.float32(-1.0)).clip(min=0.0)  # "strictly closer"; ties count at 0
    seek = tied | (radius <= 0).any(axis=(1, 2))  # float32 may tie what was apart
    if not seek.any():
        n_s, n_t = _count_rows(d_s, inside), _count_rows(d_t, inside)  # rows themselves included: n_x + 1
    else:
        near, far = _around(radius)
        at = np.concatenate([inside, near, far], axis=2)
        n_s, n_t = (_chosen(seek, *np.split(_count_rows(distance, at), 3, axis=2)) for distance in (d_s, d_t))
        k_effective = k_effective.copy()
        k_effective[seek] = np.maximum(_count_rows(joint[seek], far[seek]), ks)
    local = _contributions(k_effective, n_s, n_t, n)  # (B, N, 3)
    excess = np.log(k_effective[..., MIDDLE] / ks[MIDDLE]).mean(axis=1)
    return Neighbours(local.mean(axis=1), local[..., MIDDLE], excess)


def _around(radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances just below and just above which rows count as tied with those at `radius`."""
    relative, absolute = (np.asarray(slack, radius.dtype) for slack in SLACK)
    return (radius * (1 - relative) - absolute).clip(min=0.0), radius * (1 + relative) + absolute


def _chosen(seek: np.ndarray, inside: np.ndarray, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Counts (B, N, 3) with regard to ties in the tables to `seek` (B,), strictly inside in the others."""
    return np.where(seek[:, None, None], _with_ties(near, far), inside)


def _with_ties(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Rows closer than a distance, or also those at it where they are more than one."""
    return np.where(far - near > 1, far, near)


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
