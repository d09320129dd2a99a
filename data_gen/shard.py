"""Tables to the flat rows of a shard, and back; plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Table:
    """One data set with its true mutual information.

    Attributes:
        x: Samples of the first side, (n, d_x) float32.
        y: Samples of the second side, (n, d_y) float32.
        mi_nats: True mutual information in nats.
        stderr: Standard error of ``mi_nats``; 0 where a closed form or quadrature gives it.
        family: Name of the law.
    """

    x: np.ndarray
    y: np.ndarray
    mi_nats: float
    stderr: float
    family: str


@dataclass(frozen=True, eq=False)
class Catalog:
    """Sizes, truth and family of every table of a split in the order of the shards, each array (T,)."""

    n: np.ndarray
    d_x: np.ndarray
    d_y: np.ndarray
    mi_nats: np.ndarray
    family: np.ndarray


def pack(tables: Sequence[Table], families: Sequence[str], places: int) -> dict[str, np.ndarray]:
    """Lay tables end to end, x then y, each row by row.

    Args:
        tables: At most ``places`` tables.
        families: Names of the laws; their positions are the codes.
        places: Tables in a whole shard, P.

    Returns:
        ``values`` (V,) float32; ``index`` (P, 4) int32 with n, d_x, d_y, offset, -1 where there is no table; ``stderr``
        (P,) float64; ``family`` (P,) int16; ``mi`` (P,) float64.
    """
    index = np.full((places, 4), -1, dtype=np.int32)
    stderr, mi_nats = np.full((2, places), np.nan)
    family = np.full(places, -1, dtype=np.int16)
    offset = 0
    for place, table in enumerate(tables):
        index[place] = *table.x.shape, table.y.shape[1], offset
        stderr[place], mi_nats[place] = table.stderr, table.mi_nats
        family[place] = families.index(table.family)
        offset += table.x.size + table.y.size
    values = np.concatenate([side.ravel() for table in tables for side in (table.x, table.y)])
    return {
        "values": values.astype(np.float32, copy=False),
        "index": index,
        "stderr": stderr,
        "family": family,
        "mi": mi_nats,
    }


def unpack(rows: dict[str, np.ndarray], families: Sequence[str], number: int) -> list[Table]:
    """Undo `pack` for the first ``number`` places; x and y are views of ``rows["values"]``."""
    tables = []
    for place in range(number):
        n, d_x, d_y, offset = (int(entry) for entry in rows["index"][place])
        middle, end = offset + n * d_x, offset + n * (d_x + d_y)
        tables.append(
            Table(
                x=rows["values"][offset:middle].reshape(n, d_x),
                y=rows["values"][middle:end].reshape(n, d_y),
                mi_nats=float(rows["mi"][place]),
                stderr=float(rows["stderr"][place]),
                family=families[rows["family"][place]],
            )
        )
    return tables


def values_of(index: np.ndarray) -> int:
    """Number of values that an index (P, 4) promises; rows without a table are negative and count nothing."""
    n, d_x, d_y, _ = np.maximum(index.astype(np.int64), 0).T
    return int((n * (d_x + d_y)).sum())


def defect(rows: dict[str, np.ndarray], number: int, families: int) -> str | None:
    """What keeps rows from being those that `pack` makes of ``number`` tables of ``families`` laws, or None."""
    n, d_x, d_y, offset = rows["index"][:number].astype(np.int64).T
    lengths = n * (d_x + d_y)
    if min(n.min(), d_x.min(), d_y.min()) < 1 or not np.array_equal(offset, np.cumsum(lengths) - lengths):
        return "its index does not lay tables end to end"
    if len(rows["values"]) != lengths.sum() or not np.isfinite(rows["values"]).all():
        return "values are missing or not finite"
    truths = rows["mi"][:number], rows["stderr"][:number]
    if not all(np.isfinite(row).all() and (row >= 0).all() for row in truths):
        return "truths or their standard errors are missing, negative or not finite"
    codes = rows["family"][:number]
    return None if ((codes >= 0) & (codes < families)).all() else "its family codes are not in the manifest"
