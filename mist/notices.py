"""What the reader of an answer should know of a table's columns: constants, ties, copies, repeated rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Below this share of distinct values a column counts as tied (guess: most rounded measurements keep more).
DISTINCT_SHARE = 0.9
_COMPARED = 32  # rows by which a copy is suspected before all rows are compared


@dataclass(frozen=True)
class Notice:
    """Something that the reader of an answer should know: a fixed code, and a sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        """The sentence."""
        return self.text


@dataclass(frozen=True)
class Side:
    """One side of a table: values (n, d), and what the user would call its columns, (d,)."""

    values: Array
    names: tuple[str, ...]


def in_order(x: Array, y: Array) -> Array:
    """The columns of both sides, (n, d_x) and (n, d_y), each sorted, (d_x + d_y, n)."""
    ordered = np.empty((x.shape[1] + y.shape[1], len(x)))  # in one go, for the number of calls takes the time
    np.concatenate([x.T, y.T], out=ordered)
    ordered.sort(axis=1)
    return ordered


def distinct(ordered: Array) -> NDArray[np.int64]:
    """How many values each of some sorted columns (d, n) holds, (d,)."""
    return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)


def repeated(values: Array) -> NDArray[np.bool_]:
    """Which columns of (n, d) order the rows, ties and all, as a column before them or the other way round, (d,)."""
    repeated = np.zeros(values.shape[1], dtype=np.bool_)
    alike: dict[bytes, list[int]] = {}
    if len(repeated) > 1:
        for column, patterns in enumerate(zip(_first_order(values), _first_order(-values), strict=True)):
            alike.setdefault(min(patterns), []).append(column)
    for columns in alike.values():
        if len(columns) > 1:
            orders = [_either_way(_dense(values[:, column])) for column in columns]
            first = set(dict(zip(reversed(orders), reversed(columns), strict=True)).values())
            repeated[[column for column in columns if column not in first]] = True
    return repeated


def copy_notices(sides: dict[str, Side], copies: dict[str, NDArray[np.bool_]]) -> list[Notice]:
    """Of the columns of either side that `repeated` found, if there are any."""
    labels = [
        f"{name} column {side.names[column]}" for name, side in sides.items() for column in copies[name].nonzero()[0]
    ]
    if not labels:
        return []
    text = f"copies of a column before them on their side, which add nothing, are left out: {listed(labels)}"
    return [Notice("repeated_columns", text)]


def value_notices(sides: dict[str, Side], counts: dict[str, NDArray[np.int64]]) -> list[Notice]:
    """Of constants, ties, copies in both sides and repeated rows, given how many values each column holds."""
    constant, tied = [], []
    rows, most = len(sides["x"].values), max(int(of_side.max()) for of_side in counts.values())
    for name, side in sides.items():
        for label, count in zip(side.names, counts[name].tolist(), strict=True):
            if count == 1:
                constant.append(f"{name} column {label}")
            elif count < DISTINCT_SHARE * rows:
                tied.append(f"{name} column {label} ({count} distinct values)")
    notices = []
    if constant:
        what = "never varies, so it carries" if len(constant) == 1 else "never vary, so they carry"
        left = "is" if len(constant) == 1 else "are"
        notices.append(Notice("constant", f"{listed(constant)} {what} no information and {left} left out"))
    if tied:
        notices.append(
            Notice(
                "ties",
                f"{listed(tied)} in {rows} rows: ties get middle ranks",
            )
        )
    continuous = len(constant) + len(tied) < sum(len(side.names) for side in sides.values())
    may_repeat = continuous and most < rows  # no row occurs again where one column's values all differ
    return notices + _shared_notices(sides) + (_repeat_notices(sides) if may_repeat else [])


def _shared_notices(sides: dict[str, Side]) -> list[Notice]:
    """A column of x that is a strictly monotone function of a column of y makes MI infinite for continuous data."""
    x, y = sides["x"], sides["y"]
    first = [values[:_COMPARED] for values in (x.values, y.values, -y.values)]
    patterns = _first_order(np.concatenate(first, axis=1))  # in one go: many small calls take the time
    d_x, d_y = x.values.shape[1], y.values.shape[1]
    alike: dict[bytes, list[int]] = {}  # columns of y by the order of their first rows, either way round
    for place, pattern in enumerate(patterns[d_x:]):
        alike.setdefault(pattern, []).append(place % d_y)
    likely = [(i, j) for i, pattern in enumerate(patterns[:d_x]) for j in dict.fromkeys(alike.get(pattern, ()))]
    if not likely:
        return []
    dense = cache(lambda name, column: _dense(sides[name].values[:, column]))
    shared = [f"{x.names[i]} and {y.names[j]}" for i, j in likely if _monotone(dense("x", i), dense("y", j))]
    if not shared:
        return []
    text = f"x and y hold the same column ({listed(shared)}): I(X;X) is infinite for continuous data"
    return [Notice("copy", f"{text}, any figure is too small")]


def _first_order(values: Array) -> list[bytes]:
    """Of each column of (n, d): which of its first rows lie below each of them, alike for increasing maps of it."""
    first = np.ascontiguousarray(values[:_COMPARED].T)  # (d, R)
    return [column.tobytes() for column in first[:, None, :] < first[:, :, None]]


def _dense(values: Array) -> NDArray[np.int64]:
    """Ranks of (n,) from 0, ties sharing one, none left out."""
    return np.unique(values, return_inverse=True)[1]


def _either_way(ranks: NDArray[np.int64]) -> bytes:
    """A key that dense ranks (n,) share with themselves turned round."""
    return min(ranks.tobytes(), (ranks.max() - ranks).tobytes())


def _monotone(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether dense ranks (n,) that are not all the same agree, or agree with the others turned round."""
    most = one.max()
    return bool(most > 0 and (np.array_equal(one, other) or np.array_equal(one, most - other)))


def _repeat_notices(sides: dict[str, Side]) -> list[Notice]:
    """Rows that occur again: impossible in independent draws once one column is continuous, normal otherwise."""
    joint = np.ascontiguousarray(np.concatenate([side.values for side in sides.values()], axis=1)) + 0.0
    rows = joint.view(np.dtype((np.void, joint.dtype.itemsize * joint.shape[1])))[:, 0]
    repeated = len(rows) - len(np.unique(rows))
    if repeated == 0:
        return []
    text = f"{repeated} of {len(rows)} rows repeat an earlier one"
    return [Notice("repeated_rows", f"{text}: rows that are not independent draws make intervals too narrow")]


def listed(labels: Sequence[str], most: int = 5) -> str:
    """The first labels, and how many there are beside."""
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
