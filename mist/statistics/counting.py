"""Around every row of B tables: how many rows are closer, in each side, than its nearest ones in the joint space.

The extension `_native`, in C++, sorts the rows where columns are few, and takes eight rows at once; where it was not
built, numpy does the same by blocks of all distances, many times as slowly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import ClassVar

import numpy as np

try:
    import mist.statistics._native as _native

    COMPILED = True
except ImportError:  # built without a compiler
    COMPILED = False
SLACK = 1e-5, 1e-6  # relative and absolute: rows this much further off count as tied (float32 distances)
BLOCK_VALUES = 1 << 16  # distances held at once: a few arrays of 256 kB stay in a core's cache

Counts = np.ndarray  # k, n_x + 1 and n_y + 1 of each row and k, (3, B, R, 3) of whole numbers
Widths = Sequence[tuple[int, int]]


def count(
    s: np.ndarray, t: np.ndarray, tied: np.ndarray, ks: np.ndarray, widths: Widths, euclidean: bool
) -> list[Counts]:
    """Count by the distances between the rows of each table.

    Args:
        s: One side, (B, N, D_s).
        t: The other side, (B, N, D_t).
        tied: Which sides of which tables repeat a value within a column, (B, 2) bool; only there are ties looked for.
        ks: How many nearest rows reach as far as rows are counted, (3,), increasing, less than N.
        widths: Leading columns of s and of t to look at; counts are made for each entry, none smaller than the last.
        euclidean: Distance within a side is Euclidean, for one entry of widths; otherwise the largest difference of a
            column, of at most 3.

    Returns:
        Counts (3, B, N, 3) for each entry of widths.
    """
    return _compiled(s, t, tied, ks, widths, euclidean) if COMPILED else by_blocks(s, t, tied, ks, widths, euclidean)


def _compiled(
    s: np.ndarray, t: np.ndarray, tied: np.ndarray, ks: np.ndarray, widths: Widths, euclidean: bool
) -> list[Counts]:
    batch, n = s.shape[:2]
    left = np.ascontiguousarray(s.swapaxes(1, 2), np.float32)
    right = np.ascontiguousarray(t.swapaxes(1, 2), np.float32)
    steps = np.array(widths, np.int32)
    found = np.empty((3, len(steps), batch, n, len(ks)), np.int32)
    _native.counts(left, right, tied.astype(np.int32), ks.astype(np.int32), steps, batch, n, euclidean, *SLACK, found)
    return [found[:, step] for step in range(len(steps))]


def by_blocks(
    s: np.ndarray, t: np.ndarray, tied: np.ndarray, ks: np.ndarray, widths: Widths, euclidean: bool
) -> list[Counts]:
    """Count in numpy, a block of rows at a time; arguments and answer as for `count`."""
    found: list[list[Counts]] = [[] for _ in widths]
    with Workspace.borrowed() as space:
        for c, blocks in _chunks(s):
            counts: list[list[Counts]] = [[] for _ in widths]
            for rows in blocks:
                done = (0, 0)
                for step, width in enumerate(widths):
                    d_s, d_t = (
                        _distance(space, name, side[c], rows, first, last, euclidean)
                        for name, side, first, last in zip("st", (s, t), done, width, strict=True)
                    )
                    counts[step].append(_counts_of(d_s, d_t, rows, tied[c], ks, space))
                    done = width
            for step, parts in enumerate(counts):
                found[step].append(np.concatenate(parts, axis=2))
    return [np.concatenate(parts, axis=1) for parts in found]


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


def _chunks(s: np.ndarray) -> Iterator[tuple[slice, list[slice]]]:
    """Slices of tables, and of their rows, whose distances to all rows fit a core's cache."""
    n = s.shape[1]
    step, rows = max(1, BLOCK_VALUES // n**2), max(1, BLOCK_VALUES // n)
    blocks = [slice(first, min(first + rows, n)) for first in range(0, n, rows)]
    for first in range(0, len(s), step):
        yield slice(first, first + step), blocks


def _counts_of(
    d_s: np.ndarray, d_t: np.ndarray, rows: slice, tied: np.ndarray, ks: np.ndarray, space: Workspace
) -> Counts:
    """What KSG-1 counts around some rows of B tables, from their distances to all rows, (B, R, N) each."""
    nearest = _joint(d_s, d_t, rows, space)
    nearest.sort(axis=2)  # whole rows: quicker than to part them
    radius = nearest[:, :, ks - 1]  # (B, R, 3)
    k_effective = np.broadcast_to(ks, radius.shape)
    inside = np.nextafter(radius, np.float32(-1.0)).clip(min=0.0)  # "strictly closer"; ties count at 0
    seek = tied | (radius.min(axis=(1, 2)) <= 0)[:, None]  # (B, 2); float32 may tie what was apart
    if not seek.any():  # rows themselves included: n_x + 1
        return np.stack([k_effective, _count_rows(space, d_s, inside), _count_rows(space, d_t, inside)])
    near, far = around(radius)
    at = np.concatenate([inside, near, far], axis=2)
    n_s, n_t = (
        _chosen(of_side, *np.split(_count_rows(space, distance, at), 3, axis=2))
        for distance, of_side in zip((d_s, d_t), seek.T, strict=True)
    )
    reach_s, reach_t = (np.where(of_side[:, None, None], far, inside) for of_side in seek.T)
    within = _count_both(space, d_s, d_t, reach_s, reach_t) - 1  # the row itself is within and no neighbour
    return np.stack([np.maximum(within, ks), n_s, n_t])


def _joint(d_s: np.ndarray, d_t: np.ndarray, rows: slice, space: Workspace) -> np.ndarray:
    """Distances in the joint space, (B, R, N), infinite from each row to itself."""
    joint = np.maximum(d_s, d_t, out=space.array("spare", d_s.shape))
    joint[:, np.arange(joint.shape[1]), np.arange(rows.start, rows.stop)] = np.inf
    return joint


def around(radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances just below and just above which rows count as tied with those at `radius`."""
    relative, absolute = (np.asarray(slack, radius.dtype) for slack in SLACK)
    return (radius * (1 - relative) - absolute).clip(min=0.0), radius * (1 + relative) + absolute


def with_ties(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Rows closer than a distance, or also those at it where they are more than one."""
    return np.where(far - near > 1, far, near)


def _chosen(seek: np.ndarray, inside: np.ndarray, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Counts (B, N, 3) with regard to ties in the tables to `seek` (B,), strictly inside in the others."""
    return np.where(seek[:, None, None], with_ties(near, far), inside)


def _distance(
    space: Workspace, name: str, s: np.ndarray, rows: slice, first: int, last: int, euclidean: bool
) -> np.ndarray:
    """Distance over columns up to `last` between some rows and all rows of s (B, N, D), (B, R, N) float32.

    What is in the workspace under this name is taken for the distance over columns up to `first`.
    """
    if euclidean:
        return _squared(space, name, s[:, :, :last], rows)
    distance = space.array(name, (s.shape[0], rows.stop - rows.start, s.shape[1]))
    for column in range(first, last):
        if column == 0:
            _differences(s[:, :, 0], rows, distance)
        else:
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


def _count_both(
    space: Workspace, d_s: np.ndarray, d_t: np.ndarray, reach_s: np.ndarray, reach_t: np.ndarray
) -> np.ndarray:
    """How many rows of `d_s` and `d_t` (B, R, N) are at most so far off in either side, (B, R, 3) as the reaches."""
    within, of_t = (space.array(name, d_s.shape, np.bool_) for name in ("within", "of_t"))
    found = np.empty(reach_s.shape, np.int64)
    for place in range(reach_s.shape[2]):
        np.less_equal(d_s, reach_s[:, :, place : place + 1], out=within)
        np.less_equal(d_t, reach_t[:, :, place : place + 1], out=of_t)
        np.logical_and(within, of_t, out=within)
        found[:, :, place] = np.count_nonzero(within, axis=2)
    return found


def _count_rows(space: Workspace, distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Entries of each row of `distance` (B, R, N) that are at most each `radius` (B, R, K), (B, R, K)."""
    within = space.array("within", distance.shape, np.bool_)
    found = np.empty(radius.shape, np.int64)
    sums = np.uint16 if distance.shape[2] < 1 << 16 else np.int64  # small ones are added quicker
    for place in range(radius.shape[2]):
        np.less_equal(distance, radius[:, :, place : place + 1], out=within)
        found[:, :, place] = np.add.reduce(within.view(np.uint8), axis=2, dtype=sums)  # quicker than to count
    return found
