"""How many rows nearest-neighbour searches look at: all that an estimate has time for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """Rows looked at, at most.

    Attributes:
        all: Over all columns of both sides.
        first: Over the first canonical pair.
        leading: Over 2 or 3 canonical pairs, over turned columns, and over norms.
        matched: Over one column of each side.
    """

    all: int
    first: int
    leading: int
    matched: int


# up to so many columns of both sides together, measured: few columns take little time a row, and rows tell most there
_BUDGETS = (
    (2, Rows(16384, 16384, 16384, 16384)),
    (6, Rows(4096, 4096, 2048, 4096)),
    (8, Rows(2048, 4096, 2048, 4096)),
    (10, Rows(768, 4096, 512, 4096)),
)
_MANY = Rows(512, 4096, 512, 4096)  # over more columns distances say little


def budget(columns: int) -> Rows:
    """The rows for a table of so many columns, those of both sides together."""
    return next((rows for most, rows in _BUDGETS if columns <= most), _MANY)
