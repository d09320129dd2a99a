"""Raw x and y -> checked arrays with notices -> Batch: the same road in training and in inference."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mist.batch import Batch
from mist.errors import DimensionError, InputError
from mist.notices import Array, Notice, Side, copy_notices, distinct, in_order, listed, repeated, value_notices
from mist.statistics import summarise

MIN_ROWS = 8
EXACT = 2**53  # whole numbers beyond it are not all told apart by float64
NUMBERS = "buif"  # kinds of numpy's types that hold numbers


@dataclass(frozen=True)
class Limits:
    """What a network was trained on: rows per table, and columns per side at most."""

    n_min: int
    n_max: int
    d_max: int


@dataclass(frozen=True)
class Named:
    """Values (n, d) with the names of their columns, (d,), as a frame would have them."""

    columns: tuple[str, ...]
    values: NDArray[Any]

    def to_numpy(self) -> NDArray[Any]:
        """The values."""
        return self.values


@dataclass(frozen=True)
class Table:
    """One checked table: x (n, d_x) and y (n, d_y), finite float64, with what was found on the way.

    Attributes:
        x: One side.
        y: The other side.
        kept: Which columns of x, (d_x,), and of y, (d_y,), can tell something: they vary, and no column before them on
            their side orders the rows as they do.
        notices: What the reader of an answer should know.
    """

    x: Array
    y: Array
    kept: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    notices: tuple[Notice, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether one side holds the same row all over."""
        return not all(kept.any() for kept in self.kept)

    def informative(self) -> tuple[Array, Array]:
        """Both sides without the columns that can tell nothing; (n, d) each."""
        x, y = (side if kept.all() else side[:, kept] for side, kept in zip((self.x, self.y), self.kept, strict=True))
        return x, y


def check(x: Any, y: Any, limits: Limits | None = None, allow_untrained_dimensions: bool = False) -> Table:
    """Turn whatever holds numbers into one table, or say clearly why not.

    Args:
        x: One side, (n,) or (n, d_x): numpy, torch, pandas, polars, or nested lists. Numbers or truth values.
        y: The other side, (n,) or (n, d_y), row i belonging to row i of x.
        limits: What the network was trained on; None asks nothing of n and d.
        allow_untrained_dimensions: Answer, with a notice, for more columns than ``limits`` allow.

    Returns:
        The table; constant columns, ties, repeated rows, copies of a column within a side or in both, and sizes outside
        of the trained range are answered with a notice.

    Raises:
        InputError: Lengths differ, n < 8, a value is missing or infinite, a column is not numeric, or a shape is wrong.
        DimensionError: A side has more columns than the network was trained on.
    """
    sides = {"x": _matrix("x", x), "y": _matrix("y", y)}
    _check_shapes(sides["x"].values, sides["y"].values)
    ordered, d_x = in_order(sides["x"].values, sides["y"].values), sides["x"].values.shape[1]
    if not np.isfinite(ordered[:, [0, -1]]).all():  # NaN comes last
        for name, side in sides.items():
            _check_finite(name, side)
    notices = _size_notices(sides["x"].values, sides["y"].values, limits, allow_untrained_dimensions)
    notices += _label_notices(x, y)
    held = distinct(ordered)
    counts = {"x": held[:d_x], "y": held[d_x:]}
    copies = {name: repeated(side.values) & (counts[name] > 1) for name, side in sides.items()}
    notices += value_notices(sides, counts) + copy_notices(sides, copies)
    kept_x, kept_y = ((counts[name] > 1) & ~copies[name] for name in sides)
    return Table(sides["x"].values, sides["y"].values, (kept_x, kept_y), tuple(notices))


def tabulate(tables: Sequence[tuple[Array, Array]], threads: int = 1) -> Batch:
    """Statistics tokens of many tables, computed in groups of equal shape and returned in the order given.

    Args:
        tables: Pairs x (n, d_x), y (n, d_y) of finite values; shapes may differ between tables.
        threads: Threads that share the groups; a single table may be shared by two.

    Returns:
        A Batch of ``len(tables)`` tables.
    """
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, (x, y) in enumerate(tables):
        groups.setdefault((x.shape[0], x.shape[1], y.shape[1]), []).append(index)
    pieces = [piece for members in groups.values() for piece in _split(members, threads)]
    jobs = [(_stack(tables, piece, 0), _stack(tables, piece, 1)) for piece in pieces]
    with one_thread():
        if min(threads, len(jobs)) == 1:
            parts = [summarise(*job, threads=threads) for job in jobs]
        else:
            parts = _in_threads(jobs, threads)
    if len(parts) == 1:
        return parts[0]
    order = torch.tensor([index for piece in pieces for index in piece])
    return Batch.cat(parts).take(torch.argsort(order))


def _in_threads(jobs: list[tuple[torch.Tensor, torch.Tensor]], threads: int) -> list[Batch]:
    """Summarise on so many threads; in each torch uses no others, which would be more than there are cores."""
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(lambda job: summarise(*job), jobs))


def _split(members: list[int], threads: int) -> list[list[int]]:
    """Tables of one shape in as many pieces as there are threads, if there are enough of them."""
    size = -(-len(members) // threads)
    return [members[first : first + size] for first in range(0, len(members), size)]


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, the former number after: on small matrices two were measured 50 times slower."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(former)


@contextmanager
def on_cpu() -> Iterator[None]:
    """Inside, new tensors are on the CPU and of full precision, whatever a caller made torch's defaults."""
    plain = torch.empty(0).is_cpu and not torch.is_autocast_enabled("cpu")
    if plain:  # the contexts cost time at every call
        yield
        return
    with torch.device("cpu"), torch.autocast("cpu", enabled=False):
        yield


def _stack(tables: Sequence[tuple[Array, Array]], members: list[int], side: int) -> torch.Tensor:
    values = [np.asarray(tables[index][side], dtype=np.float64) for index in members]
    return torch.from_numpy(values[0].copy()[None] if len(values) == 1 else np.stack(values))


def _matrix(name: str, given: Any) -> Side:
    raw = raw_values(name, given)
    if raw.ndim == 0:
        raise InputError(f"got {name} of type {type(given).__name__}, wanted an array or frame (n,) or (n, d)")
    if raw.ndim > 2:
        raise InputError(f"got {name} with {raw.ndim} dimensions, wanted (n,) or (n, d); one row per sample")
    if raw.size == 0:
        raise InputError(f"got empty {name} of shape {raw.shape}, wanted at least {MIN_ROWS} rows and 1 column")
    table = raw.reshape(len(raw), -1)
    names = _names(name, given, table.shape[1])
    if raw.dtype.kind in NUMBERS:
        return Side(_as_floats(table), names)
    converted = [_column(values) for values in table.T]
    refused = [label for label, values in zip(names, converted, strict=True) if values is None]
    if refused:
        raise InputError(
            f"got columns of {name} that are not numeric: {listed(refused)} ({raw.dtype}); "
            "encode categories as numbers, or leave these columns out"
        )
    return Side(np.stack([values for values in converted if values is not None], axis=1), names)


def raw_values(name: str, given: Any) -> NDArray[Any]:
    """What holds numbers as an array of any type and shape.

    Raises:
        InputError: It is sparse, or no regular array.
    """
    if isinstance(given, torch.Tensor) and given.layout == torch.strided:
        tensor = given.detach().cpu().resolve_conj().resolve_neg()
        return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()
    if isinstance(given, torch.Tensor) or hasattr(given, "toarray"):
        raise InputError(f"got a sparse {name} of type {type(given).__name__}, wanted a dense one; convert it first")
    if hasattr(given, "get_columns"):  # polars' own conversion makes numbers of dates that stand beside numbers
        columns = [np.asarray(column.to_numpy()) for column in given.get_columns()]
        numeric = all(column.dtype.kind in NUMBERS for column in columns)
        alike = [column if numeric else column.astype(object) for column in columns]
        return np.stack(alike, axis=1) if alike else np.empty((0, 0))
    if hasattr(given, "to_numpy"):
        return np.asarray(given.to_numpy())
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in NUMBERS:
        return np.where(np.ma.getmaskarray(given), np.nan, given.filled(0))
    try:
        return np.asarray(given)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"got {name} that is not a regular array ({error}); wanted (n,) or (n, d)") from error


def _as_floats(table: NDArray[Any]) -> Array:
    """Numbers (n, d) as float64; whole ones that it would confuse as their ranks, since only their order counts."""
    values = table.astype(np.float64, order="C")
    if table.dtype.kind in "iu":
        for column in np.flatnonzero(np.abs(values).max(axis=0) > EXACT):
            values[:, column] = np.unique(table[:, column], return_inverse=True)[1]
    return values


def _names(name: str, given: Any, count: int) -> tuple[str, ...]:
    if hasattr(given, "columns"):
        return tuple(str(label) for label in given.columns)
    if count == 1:
        label = getattr(given, "name", None)
        return (str(label) if isinstance(label, str) else name,)
    return tuple(f"{name}[{index}]" for index in range(count))


def _column(values: NDArray[Any]) -> Array | None:
    """A column of objects as float64 with NaN for what is missing; None if it is not numeric."""
    if values.dtype.kind != "O":
        return None
    missing = [value is None or type(value).__name__ in ("NAType", "NaTType") for value in values]
    numeric = [isinstance(value, Real | np.bool_) for value in values]
    if not all(gap or number for gap, number in zip(missing, numeric, strict=True)):
        return None
    if any(isinstance(value, Integral) and abs(int(value)) > EXACT for value in values):
        known = sorted({value for value, gap in zip(values, missing, strict=True) if not gap and value == value})
        ranks = {value: rank for rank, value in enumerate(known)}
        return np.array([float(ranks.get(value, np.nan)) for value in values])
    return np.array([np.nan if gap else float(value) for gap, value in zip(missing, values, strict=True)])


def _label_notices(x: Any, y: Any) -> list[Notice]:
    """Of rows that two pandas objects label differently: they are paired by position all the same."""
    one, other = (getattr(side, "index", None) for side in (x, y))
    if one is None or other is None or not hasattr(one, "equals") or not hasattr(other, "equals") or one.equals(other):
        return []
    text = (
        "the indices of x and y differ, and rows are paired by position, not by index: align them if that is not meant"
    )
    return [Notice("row_labels", text)]


def _check_shapes(x: Array, y: Array) -> None:
    if len(x) != len(y):
        swapped = x.shape[1] == len(y) or len(x) == y.shape[1]
        advice = "is one of them transposed?" if swapped else "row i of x must belong to row i of y"
        raise InputError(f"got {len(x)} rows of x and {len(y)} rows of y, wanted as many of both; {advice}")
    if len(x) < MIN_ROWS:
        raise InputError(f"got {len(x)} rows, wanted at least {MIN_ROWS}; fewer say nothing about dependence")


def _check_finite(name: str, side: Side) -> None:
    finite = np.isfinite(side.values)
    if not finite.all():
        bad = ~finite
        labels = [side.names[index] for index in np.flatnonzero(bad.any(axis=0))]
        raise InputError(
            f"got NaN or infinity in {int(bad.any(axis=1).sum())} of {len(bad)} rows of {name}, "
            f"columns {listed(labels)}; drop these rows from x and y, or fill them in, before estimating"
        )


def _size_notices(x: Array, y: Array, limits: Limits | None, allow: bool) -> list[Notice]:
    if limits is None:
        return []
    notices = []
    widest = max(x.shape[1], y.shape[1])
    if widest > limits.d_max:
        text = (
            f"{x.shape[1]} columns in x and {y.shape[1]} in y; the model was trained on at most {limits.d_max} per side"
        )
        if not allow:
            raise DimensionError(
                f"got {text}; select columns, or pass allow_untrained_dimensions=True to Estimator.estimate and trust "
                "the answer less"
            )
        notices.append(Notice("untrained_dimensions", f"{text}: accuracy and coverage are unknown"))
    if not limits.n_min <= len(x) <= limits.n_max:
        text = f"n = {len(x)} is outside of the trained range {limits.n_min} to {limits.n_max}: coverage is unknown"
        notices.append(Notice("untrained_n", text))
    return notices
