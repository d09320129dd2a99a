r"""Nearest-neighbour estimates of mutual information (KSG), on trees in 1+1 dimensions and on blocks otherwise.

KSG-1: psi(k) + psi(N) - mean[psi(n_x + 1) + psi(n_y + 1)] with n_x the rows closer in x than the k-th neighbour in
the joint space under max(|dx|, |dy|). Ties put more than one row at that very distance: k becomes the number of rows
within it in the joint space, and n_x counts the rows at the distance too where they are several in x; likewise n_y.
Without ties this is KSG-1; with ties on both sides it stays near 0 under independence, where counting all of them
or none is off by several tenths of a nat.

Reference: Kraskov, Stoegbauer and Grassberger (2004), Phys. Rev. E 69; Gao et al. (2017), NeurIPS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

NEIGHBOURS = (1, 3, 8)
MIDDLE = 1  # position of k = 3, whose estimate serves as anchor and as each row's own contribution
EXACT_COLUMNS = 3  # up to here distances come from differences; matrix products lose digits of close rows
TREE_FROM = 384  # rows from which a tree beats blocks in 1+1 dimensions, measured
SLACK = 1e-5, 1e-6  # relative and absolute: rows this much further off count as tied (float32 distances)
BLOCK_VALUES = 1 << 16  # distances held at once: a few arrays of 256 kB stay in a core's cache


class Workspace:
    """Memory for the distances of one block after another; new memory, page by page, took a third of the time."""

    _idle: ClassVar[deque[Workspace]] = deque()

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
        """An array of the given shape that holds anything; the next of this name takes its place."""
        held, size = self._held.get(name), prod(shape)
        if held is None or held.size < size:
            held = self._held[name] = np.empty(size, dtype)
        return held[:size].reshape(shape)

    @classmethod
    @contextmanager
    def borrowed(cls) -> Iterator[Workspace]:
        """A workspace that no other thread uses meanwhile."""
        try:
            workspace = cls._idle.pop()
        except IndexError:
            workspace = cls()
        yield workspace
        cls._idle.append(workspace)


Counts = tuple[np.ndarray, np.ndarray, np.ndarray]  # k, n_x + 1 and n_y + 1 of each row and k of NEIGHBOURS, (B, R, 3)


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
    return _on_blocks(s, t, tied)


def _on_blocks(s: np.ndarray, t: np.ndarray, tied: np.ndarray) -> Neighbours:
    """B tables of any columns by all their distances, a block of rows at a time."""
    euclidean = max(s.shape[2], t.shape[2]) > EXACT_COLUMNS
    distance: Callable[..., np.ndarray] = _squared if euclidean else _maximum
    found = []
    with Workspace.borrowed() as space:
        for c, blocks in _chunks(s):
            counts = [
                _counts(distance(space, "s", s[c], rows), distance(space, "t", t[c], rows), rows, tied[c], space)
                for rows in blocks
            ]
            found.append(_from_counts(counts))
    return Neighbours.cat(found)


def ksg_leading(s: np.ndarray, t: np.ndarray, tied: np.ndarray, most: int) -> list[Neighbours]:
    """KSG-1 on the first 2, 3, ..., `most` columns of s and t (B, N, D), sharing their distances."""
    found: list[list[Neighbours]] = []
    with Workspace.borrowed() as space:
        for c, blocks in _chunks(s):
            counts: list[list[Counts]] = [[] for _ in range(1, most)]
            for rows in blocks:
                d_s, d_t = _maximum(space, "s", s[c, :, :1], rows), _maximum(space, "t", t[c, :, :1], rows)
                for column in range(1, most):
                    _raise_to_maximum(space, d_s, s[c, :, column], rows)
                    _raise_to_maximum(space, d_t, t[c, :, column], rows)
                    counts[column - 1].append(_counts(d_s, d_t, rows, tied[c], space))
            found.append([_from_counts(of_columns) for of_columns in counts])
    return [Neighbours.cat(list(parts)) for parts in zip(*found, strict=True)]


def _chunks(s: np.ndarray) -> Iterator[tuple[slice, list[slice]]]:
    """Slices of tables, and of their rows, whose distances to all rows fit a core's cache."""
    n = s.shape[1]
    step, rows = max(1, BLOCK_VALUES // n**2), max(1, BLOCK_VALUES // n)
    blocks = [slice(first, min(first + rows, n)) for first in range(0, n, rows)]
    for first in range(0, len(s), step):
        yield slice(first, first + step), blocks


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


def _counts(d_s: np.ndarray, d_t: np.ndarray, rows: slice, tied: np.ndarray, space: Workspace) -> Counts:
    """What KSG-1 counts around some rows of B tables, from their distances to all rows, (B, R, N) each."""
    ks = _effective_ks(d_s.shape[2])
    nearest = _joint(d_s, d_t, rows, space)
    nearest.sort(axis=2)  # whole rows: quicker than to part them
    radius = nearest[:, :, ks - 1]  # (B, R, 3)
    k_effective = np.broadcast_to(ks.astype(float), radius.shape)
    inside = np.nextafter(radius, np.float32(-1.0)).clip(min=0.0)  # "strictly closer"; ties count at 0
    seek = tied | (radius <= 0).any(axis=(1, 2))  # float32 may tie what was apart
    if not seek.any():  # rows themselves included: n_x + 1
        return k_effective, _count_rows(space, d_s, inside), _count_rows(space, d_t, inside)
    near, far = _around(radius)
    at = np.concatenate([inside, near, far], axis=2)
    n_s, n_t = (_chosen(seek, *np.split(_count_rows(space, distance, at), 3, axis=2)) for distance in (d_s, d_t))
    k_effective = k_effective.copy()
    k_effective[seek] = np.maximum(_count_rows(space, _joint(d_s, d_t, rows, space)[seek], far[seek]), ks)
    return k_effective, n_s, n_t


def _joint(d_s: np.ndarray, d_t: np.ndarray, rows: slice, space: Workspace) -> np.ndarray:
    """Distances in the joint space, (B, R, N), infinite from each row to itself."""
    joint = np.maximum(d_s, d_t, out=space.array("spare", d_s.shape))
    joint[:, np.arange(joint.shape[1]), np.arange(rows.start, rows.stop)] = np.inf
    return joint


def _from_counts(parts: list[Counts]) -> Neighbours:
    """Estimates of B tables from the counts of all blocks of their rows."""
    k_effective, n_s, n_t = (np.concatenate(blocks, axis=1) for blocks in zip(*parts, strict=True))  # (B, N, 3)
    local = _contributions(k_effective, n_s, n_t, k_effective.shape[1])
    excess = np.log(k_effective[..., MIDDLE] / _effective_ks(k_effective.shape[1])[MIDDLE]).mean(axis=1)
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


def _maximum(space: Workspace, name: str, s: np.ndarray, rows: slice) -> np.ndarray:
    """Largest difference over columns between some rows and all rows of s (B, N, D), (B, R, N) float32."""
    distance = space.array(name, (s.shape[0], rows.stop - rows.start, s.shape[1]))
    _differences(s[:, :, 0], rows, distance)
    for column in range(1, s.shape[2]):
        _raise_to_maximum(space, distance, s[:, :, column], rows)
    return distance


def _raise_to_maximum(space: Workspace, distance: np.ndarray, column: np.ndarray, rows: slice) -> None:
    """Raise distances (B, R, N) to the differences between rows of a column (B, N) where these are larger."""
    further = space.array("spare", distance.shape)
    _differences(column, rows, further)
    np.maximum(distance, further, out=distance)


def _differences(column: np.ndarray, rows: slice, out: np.ndarray) -> None:
    column = column.astype(np.float32)
    np.subtract(column[:, rows, None], column[:, None, :], out=out)
    np.abs(out, out=out)


def _squared(space: Workspace, name: str, s: np.ndarray, rows: slice) -> np.ndarray:
    """Squared Euclidean distance between some rows and all rows of s (B, N, D), (B, R, N) float32."""
    s = s.astype(np.float32)
    square = np.einsum("bnd,bnd->bn", s, s)
    distance = space.array(name, (s.shape[0], rows.stop - rows.start, s.shape[1]))
    np.matmul(s[:, rows], s.swapaxes(1, 2), out=distance)
    distance *= -2.0
    distance += square[:, rows, None]
    distance += square[:, None, :]
    np.maximum(distance, 0.0, out=distance)
    distance[:, np.arange(distance.shape[1]), np.arange(rows.start, rows.stop)] = 0.0
    return distance


def _count_rows(space: Workspace, distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of each row of `distance` (B, R, N) that are at most each `radius` (B, R, K), (B, R, K)."""
    within = space.array("within", distance.shape, np.bool_)
    found = np.empty(radius.shape, np.int64)
    sums = np.uint16 if distance.shape[2] < 1 << 16 else np.int64  # small ones are added quicker
    for place in range(radius.shape[2]):
        np.less_equal(distance, radius[:, :, place : place + 1], out=within)
        found[:, :, place] = np.add.reduce(within.view(np.uint8), axis=2, dtype=sums)  # quicker than to count
    return found


def _contributions(k: np.ndarray, n_s: np.ndarray, n_t: np.ndarray, n: int) -> np.ndarray:
    psi = digamma(np.arange(1, n + 1))  # psi[m - 1] = psi(m)
    return psi[k.astype(np.int64) - 1] + psi[n - 1] - psi[n_s - 1] - psi[n_t - 1]
