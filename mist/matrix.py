"""Many pairs of columns at once: a matrix of mutual information with an interval in every cell."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mist.errors import InputError
from mist.estimator import Estimate, Estimator, load
from mist.prepare import Named, raw_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

FORMATS = (".html", ".csv", ".png")


@dataclass(frozen=True)
class Matrix:
    """Estimates of pairs of single columns.

    Attributes:
        rows: Names of the columns that stand in rows.
        columns: Names of the columns that stand in columns: the same names for all pairs, one name against a target.
        estimates: One per pair of different columns; (row, column) and (column, row) are both there.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    estimates: dict[tuple[str, str], Estimate]

    @property
    def mi(self) -> NDArray[np.float64]:
        """Predictive medians, (rows, columns); NaN for a column with itself, where MI is not finite."""
        return np.array([[self._value(row, column) for column in self.columns] for row in self.rows])

    def to(self, unit: str) -> Matrix:
        """The same matrix in "nats" or "bits"."""
        return replace(self, estimates={pair: each.to(unit) for pair, each in self.estimates.items()})

    def records(self) -> list[dict[str, Any]]:
        """One record per unordered pair, the strongest first: x, y, mi, low, high, level, unit, notices."""
        pairs = [(row, column) for row in self.rows for column in self.columns if (row, column) in self.estimates]
        places = {pair: place for place, pair in enumerate(pairs)}
        once = [pair for pair in pairs if places.get(pair[::-1], len(pairs)) > places[pair]]
        ordered = sorted(once, key=lambda pair: -self.estimates[pair].mi)
        return [_record(pair, self.estimates[pair]) for pair in ordered]

    def to_frame(self) -> DataFrame:
        """Medians as a pandas DataFrame; against a target with columns mi, low and high. Needs pandas."""
        import pandas

        if len(self.columns) > 1:
            return pandas.DataFrame(self.mi, index=list(self.rows), columns=list(self.columns))
        each = [self.estimates[row, self.columns[0]] for row in self.rows]
        values = {
            "mi": [r.mi for r in each],
            "low": [r.interval[0] for r in each],
            "high": [r.interval[1] for r in each],
        }
        return pandas.DataFrame(values, index=list(self.rows))

    def plot(self) -> Figure:
        """A heat map of all pairs, or medians with intervals against a target. Needs matplotlib."""
        return _heat_map(self) if len(self.columns) > 1 else _bars(self)

    def save(self, path: str | Path) -> Path:
        """Write the matrix as a page (.html), a table of pairs (.csv) or a picture (.png).

        Raises:
            InputError: The ending is another.
        """
        path = checked_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".html":
            path.write_text(_page(self), "utf-8")
        elif path.suffix == ".csv":
            _write_csv(path, self.records())
        else:
            self.plot().savefig(path, dpi=150)
        return path

    def _value(self, row: str, column: str) -> float:
        return self.estimates[row, column].mi if (row, column) in self.estimates else float("nan")


def checked_path(path: str | Path) -> Path:
    """A path that a matrix can be written to.

    Raises:
        InputError: The ending is none of those known.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"got {path}, wanted a name that ends with {', '.join(FORMATS)}")
    return path


def mi_matrix(
    frame: Any, target: str | int | None = None, level: float = 0.9, estimator: Estimator | None = None
) -> Matrix:
    """Mutual information of all pairs of columns, or of every column with one, with intervals.

    Args:
        frame: A pandas or polars DataFrame, a mapping of names to columns, or an array (n, d), whose columns are named
            by their numbers. Names are taken as text, and must differ.
        target: Name of the column to hold all others against; None for all pairs.
        level: Nominal coverage of the intervals.
        estimator: The model; the weights in this package if None.

    Returns:
        The matrix; a column with itself has no entry, since I(X;X) is infinite for continuous data.

    Raises:
        InputError: There are fewer than two columns, two of one name, the target is absent, or a column cannot be
            answered for.
    """
    columns = _columns(frame)
    if target is not None:
        target = str(target)
    if len(columns) < 2:
        raise InputError(f"got {len(columns)} columns, wanted at least 2; a pair needs two")
    if target is not None and target not in columns:
        raise InputError(f"got target {target!r}, wanted one of {', '.join(columns)}")
    names = list(columns)
    if target is None:
        pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    else:
        pairs = [(name, target) for name in names if name != target]
    answers = (estimator or load()).estimate_batch([(columns[a], columns[b]) for a, b in pairs], level)
    estimates = dict(zip(pairs, answers, strict=True))
    if target is not None:
        return Matrix(tuple(a for a, _ in pairs), (target,), estimates)
    return Matrix(tuple(names), tuple(names), estimates | {(b, a): each for (a, b), each in estimates.items()})


def _columns(frame: Any) -> dict[str, Named]:
    if hasattr(frame, "columns") and hasattr(frame, "to_numpy"):
        names = [str(name) for name in frame.columns]
        values = frame.get_columns() if hasattr(frame, "get_columns") else [part for _, part in frame.items()]
    elif isinstance(frame, Mapping):
        names, values = [str(name) for name in frame], list(frame.values())
    else:
        table = raw_values("frame", frame)
        if table.ndim != 2:
            raise InputError(
                f"got {type(frame).__name__} with {table.ndim} dimensions, wanted a frame, a mapping or (n, d)"
            )
        names, values = [str(index) for index in range(table.shape[1])], list(table.T)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"got more than one column named {twice[0]!r}, wanted different names; rename one")
    columns = {name: Named((name,), raw_values(name, each)) for name, each in zip(names, values, strict=True)}
    for name, column in columns.items():
        if column.values.ndim != 1:
            raise InputError(
                f"got column {name!r} with {column.values.ndim} dimensions, wanted (n,), one value per row"
            )
    return columns


def _record(pair: tuple[str, str], estimate: Estimate) -> dict[str, Any]:
    low, high = estimate.interval
    notices = " ".join(notice.code for notice in estimate.notices)
    values = {"x": pair[0], "y": pair[1], "mi": estimate.mi, "low": low, "high": high}
    return values | {"level": estimate.level, "unit": estimate.unit, "notices": notices}


def _write_csv(path: Path, records: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # not pyplot: no global state, no window

    return Figure(figsize=(width, height), layout="constrained")


def _heat_map(matrix: Matrix) -> Figure:
    size = 2.5 + 0.6 * len(matrix.rows)
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    image = axes.imshow(matrix.mi, cmap="viridis", vmin=0)
    axes.set_xticks(range(len(matrix.columns)), _plain(matrix.columns), rotation=60, ha="right")
    axes.set_yticks(range(len(matrix.rows)), _plain(matrix.rows))
    middle = np.nanmax(matrix.mi) / 2
    for i, row in enumerate(matrix.rows):
        for j, column in enumerate(matrix.columns):
            if (row, column) in matrix.estimates:
                value = matrix.estimates[row, column].mi
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="black" if value > middle else "white")
    figure.colorbar(image, label=f"mutual information ({_unit(matrix)})")
    return figure


def _bars(matrix: Matrix) -> Figure:
    ordered = sorted(matrix.rows, key=lambda row: matrix.estimates[row, matrix.columns[0]].mi)
    each = [matrix.estimates[row, matrix.columns[0]] for row in ordered]
    figure = _figure(7, 1.2 + 0.35 * len(ordered))
    axes = figure.subplots()
    middles = np.array([estimate.mi for estimate in each])
    ends = np.array([estimate.interval for estimate in each])
    reach = np.abs(ends.T - middles)  # (2, rows)
    axes.errorbar(middles, range(len(ordered)), xerr=reach, fmt="o", capsize=3)
    axes.set_yticks(range(len(ordered)), _plain(ordered))
    axes.set_xlim(left=0)
    (name,) = _plain(matrix.columns)
    axes.set_xlabel(f"mutual information with {name} ({_unit(matrix)}), {100 * each[0].level:g} % interval")
    return figure


def _plain(names: Sequence[str]) -> list[str]:
    """Names that matplotlib takes as they are: dollars would begin a formula."""
    return [name.replace("$", r"\$") for name in names]


def _unit(matrix: Matrix) -> str:
    return next(iter(matrix.estimates.values())).unit


def _page(matrix: Matrix) -> str:
    """A page without scripts or anything from elsewhere: the matrix in colours, then the pairs with their intervals."""
    top = max(float(np.nanmax(matrix.mi)), 1e-9)
    head = "".join(f"<th>{escape(column)}</th>" for column in matrix.columns)
    body = "".join(
        f"<tr><th>{escape(row)}</th>{''.join(_cell(matrix, row, column, top) for column in matrix.columns)}</tr>"
        for row in matrix.rows
    )
    pairs = "".join(
        f"<tr><td>{escape(r['x'])}</td><td>{escape(r['y'])}</td><td>{r['mi']:.3f}</td>"
        f"<td>{r['low']:.3f} to {r['high']:.3f}</td><td>{r['notices']}</td></tr>"
        for r in matrix.records()
    )
    unit, level = _unit(matrix), next(iter(matrix.estimates.values())).level
    return (
        "<!doctype html><meta charset='utf-8'><title>Mutual information</title>"
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:2em}"
        "td,th{padding:.3em .7em;text-align:right}</style>"
        f"<h1>Mutual information, {unit}, with {100 * level:g} % intervals</h1>"
        f"<table><tr><th></th>{head}</tr>{body}</table>"
        f"<table><tr><th>x</th><th>y</th><th>median</th><th>interval</th><th>notices</th></tr>{pairs}</table>\n"
    )


def _cell(matrix: Matrix, row: str, column: str, top: float) -> str:
    if (row, column) not in matrix.estimates:
        return "<td></td>"
    estimate = matrix.estimates[row, column]
    share = 0.8 * estimate.mi / top
    return f"<td style='background:rgba(33,120,160,{share:.2f})' title='{escape(str(estimate))}'>{estimate.mi:.2f}</td>"
