"""A CSV file as named columns of text: found by name, turned into numbers on demand, refused with row and column."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mist.errors import InputError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})


@dataclass(frozen=True)
class Sheet:
    """A header and rows of cells.

    Attributes:
        path: The file, for messages.
        names: Column names, unique, (d,).
        rows: Cells as text, n rows of d each.
        lines: The line in the file where each row ends, (n,).
    """

    path: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def numbers(self, names: Sequence[str], gaps: bool = False) -> NDArray[np.float64]:
        """The named columns, (n, len(names)); with `gaps`, missing cells as NaN.

        Raises:
            InputError: A column is absent, or a cell is missing or not a number.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            raise InputError(f"got column {absent[0]!r} for {self.path}, wanted one of {', '.join(self.names)}")
        return (
            np.stack([self._column(name, gaps) for name in names], axis=1) if names else np.empty((len(self.rows), 0))
        )

    def numeric_names(self) -> list[str]:
        """Columns in which every cell that is not missing is a number."""
        return [
            name
            for index, name in enumerate(self.names)
            if all(_is_number(row[index]) or _is_missing(row[index]) for row in self.rows)
        ]

    def complete(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The named columns of the rows in which none of them is missing, (m, len(names)); errors as for `numbers`."""
        values = self.numbers(names, gaps=True)
        return values[~np.isnan(values).any(axis=1)]

    def _column(self, name: str, gaps: bool) -> NDArray[np.float64]:
        index = self.names.index(name)
        missing = [line for row, line in zip(self.rows, self.lines, strict=True) if _is_missing(row[index])]
        if missing and not gaps:
            raise InputError(
                f"got {len(missing)} missing values in column {name!r} of {self.path}, the first in line {missing[0]}; "
                "fill them in, or pass --drop-missing to leave these rows out"
            )
        for row, line in zip(self.rows, self.lines, strict=True):
            if not _is_number(row[index]) and not _is_missing(row[index]):
                raise InputError(
                    f"got {row[index]!r} in line {line}, column {name!r} of {self.path}, wanted a number; "
                    "encode categories as numbers"
                )
        return np.array([np.nan if _is_missing(row[index]) else float(row[index]) for row in self.rows])


def read_csv(path: str | Path) -> Sheet:
    """Read a CSV file with a header: commas, semicolons or tabs between fields, quoted fields, UTF-8.

    Raises:
        InputError: The file is empty, is not UTF-8 text, repeats a name, or a row has another number of fields.
        OSError: The file cannot be opened.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()  # at once, for a pipe cannot go back to its beginning
        first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
        numbered = [([cell.strip() for cell in row], reader.line_num) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"got {path} that cannot be read as CSV ({error}); wanted UTF-8 text with a header. Other formats are for "
            "pandas or polars, whose frames mist.load().estimate takes"
        ) from error
    if len(numbered) < 2:
        raise InputError(f"got {len(numbered)} lines in {path}, wanted a header and rows")
    header = numbered[0][0]
    if all(_is_number(name) for name in header):
        raise InputError(f"got a first line of numbers in {path}, wanted a header with column names; add one")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"got column {repeated[0]!r} more than once in {path}, wanted unique names; rename one")
    for row, line in numbered[1:]:
        if len(row) != len(header):
            raise InputError(f"got {len(row)} fields in line {line} of {path}, wanted {len(header)} as in the header")
    rows, lines = zip(*((tuple(row), line) for row, line in numbered[1:]), strict=True)
    return Sheet(str(path), tuple(header), rows, lines)


def _is_missing(cell: str) -> bool:
    return cell.lower() in MISSING


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and not _is_missing(cell)
