"""A user's own folder as a suite: arrays with a `truths.csv` that names them.

truths.csv      a header and a line per table: file, mi_nats and, if wanted, family and group
NAME.npz        arrays `x` and `y`, (n, d_x) and (n, d_y), or (n,)
NAME.csv        a header and numbers; columns whose names begin with x are x, with y are y
NAME_x.npy      array x, with y in NAME_y.npy; `file` is NAME_x.npy

Everything is read and checked while the suite is planned, so a bad file stops a run before it starts.
"""

import csv
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from eval.errors import EvalError
from eval.suites.base import Plan, SuiteOptions
from eval.suites.laws import Floats, Law

TRUTHS = "truths.csv"
_COLUMNS, _FURTHER = ("file", "mi_nats"), ("family", "group")
_LEAST_ROWS = 8


@dataclass(frozen=True)
class Entry:
    """A line of truths.csv.

    Attributes:
        file: Name of the table's file within the folder.
        mi_nats: The truth.
        family: Name by which results are grouped.
        group: A cut through the suite, or nothing.
    """

    file: str
    mi_nats: float
    family: str
    group: str


def plans(folder: Path, options: SuiteOptions) -> list[Plan]:
    """Plan every table of the folder, in the order of truths.csv.

    Raises:
        EvalError: If truths.csv or a table is missing, cannot be read or makes no sense; or if n or seeds are chosen,
            for these tables have the rows that they have.
    """
    if options.n or options.repeats is not None:
        raise EvalError(f"got --n or --seeds for the folder {folder}; its tables are used as they are: leave both out")
    return [_plan(folder, entry) for entry in read_truths(folder)]


def read_truths(folder: Path) -> list[Entry]:
    """Read and check truths.csv.

    Raises:
        EvalError: If it is missing or makes no sense.
    """
    path = folder / TRUTHS
    if not path.is_file():
        raise EvalError(f"got the folder {folder} without {TRUTHS}; wanted one with the columns file and mi_nats")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    if not rows:
        raise EvalError(f"got {path} without a line below its header; wanted one line per table")
    named = [name for name in rows[0] if name is not None]
    missing, unknown = set(_COLUMNS) - set(named), set(named) - {*_COLUMNS, *_FURTHER}
    if missing or unknown:
        raise EvalError(
            f"got {path} with the columns {', '.join(named)}; wanted file and mi_nats, and at most family and group"
        )
    entries = [_entry(path, line, row) for line, row in enumerate(rows, start=2)]
    twice = {entry.file for entry in entries if [other.file for other in entries].count(entry.file) > 1}
    if twice:
        raise EvalError(f"got {path} with {sorted(twice)[0]} in several lines; wanted one line per table")
    return entries


def _entry(path: Path, line: int, row: dict[str, str | None]) -> Entry:
    if any(row.get(name) is None for name in _COLUMNS) or None in row:
        raise EvalError(f"got {path}, line {line}, with another number of values than its header; wanted the same")
    file, text = str(row["file"]).strip(), str(row["mi_nats"]).strip()
    try:
        mi_nats = float(text)
    except ValueError:
        mi_nats = math.nan
    if not (math.isfinite(mi_nats) and mi_nats >= 0):
        raise EvalError(f"got mi_nats = {text!r} in {path}, line {line}; wanted a number of nats, 0 or more")
    if not file or Path(file).is_absolute() or ".." in Path(file).parts:
        raise EvalError(f"got file = {file!r} in {path}, line {line}; wanted the name of a file inside the folder")
    return Entry(file, mi_nats, (row.get("family") or "").strip() or "own tables", (row.get("group") or "").strip())


def _plan(folder: Path, entry: Entry) -> Plan:
    x, y = read_table(folder / entry.file)

    def law(rng: Generator) -> Law:
        return Law(entry.family, entry.mi_nats, lambda rng, n: (x, y))

    return Plan(entry.file, len(x), 0, law, entry.group)


def read_table(path: Path) -> tuple[Floats, Floats]:
    """Read x (n, d_x) and y (n, d_y) from .npz, .csv or a pair of .npy files.

    Raises:
        EvalError: If a file is missing, of another kind, or does not hold two finite sides of one length.
    """
    if path.suffix not in _READERS:
        raise EvalError(f"got {path}; wanted a file that ends in {', '.join(_READERS)}")
    if not path.is_file():
        raise EvalError(f"got {path}, which {TRUTHS} names but which does not exist; wanted a file of that name")
    try:
        x, y = _READERS[path.suffix](path)
        sides = [np.asarray(side, np.float64) for side in (x, y)]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EvalError(
            f"got {path}, which cannot be read as numbers ({error}); wanted plain arrays, no objects"
        ) from error
    x, y = (side[:, None] if side.ndim == 1 else side for side in sides)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < _LEAST_ROWS or 0 in x.shape + y.shape:
        raise EvalError(
            f"got {path} with x {sides[0].shape} and y {sides[1].shape}; wanted (n, d_x) and (n, d_y), "
            f"n the same and {_LEAST_ROWS} or more"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise EvalError(
            f"got {path} with values that are not finite; wanted tables without gaps: drop or fill such rows"
        )
    return x, y


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        if not {"x", "y"} <= set(arrays.files):
            raise EvalError(f"got {path} with the arrays {', '.join(arrays.files) or 'none'}; wanted x and y")
        return arrays["x"], arrays["y"]


def _read_npy(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not path.stem.endswith("_x"):
        raise EvalError(f"got {path}; wanted a pair NAME_x.npy and NAME_y.npy, of which {TRUTHS} names the first")
    other = path.with_name(f"{path.stem.removesuffix('_x')}_y.npy")
    if not other.is_file():
        raise EvalError(f"got {path} without {other.name} beside it; wanted both sides")
    return np.load(path, allow_pickle=False), np.load(other, allow_pickle=False)


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file, skipinitialspace=True)
    places = {
        side: [place for place, name in enumerate(header) if name.strip().lower().startswith(side)] for side in "xy"
    }
    if not all(places.values()) or len(places["x"]) + len(places["y"]) < len(header):
        raise EvalError(
            f"got {path} with the columns {', '.join(header)}; wanted names that begin with x or with y, both"
        )
    values = np.array([[float(value) for value in row] for row in rows if row]).reshape(-1, len(header))
    return values[:, places["x"]], values[:, places["y"]]


_READERS: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".csv": _read_csv,
}
