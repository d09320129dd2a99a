"""What others published about the same suites, beside what was measured here by the same definition.

Their figures are theirs: nothing of it was run here. Where a suite was measured at other sample sizes than theirs,
those stand in columns of their own, and a gap says that there is nothing to compare.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from eval import metrics
from eval.metrics import Mean
from eval.summary import as_json

_FILE = Path(__file__).with_name("published.json")
MEASURES = {"mae": "mean absolute error", "mse": "mean squared error", "pinball": "mean pinball loss"}

Range = tuple[int, int]  # of n, both ends included


@dataclass(frozen=True)
class Comparison:
    """One table of published and measured figures.

    Attributes:
        measure: What is compared, in words.
        source: Where the published figures stand.
        headings: One per column.
        published: Figure or None per column, by method.
        measured: `[value, standard error]` or None per column, by estimator.
    """

    measure: str
    source: str
    headings: tuple[str, ...]
    published: dict[str, list[float | None]]
    measured: dict[str, list[Any]]


def comparisons(name: str, suite: Mapping[str, Any]) -> list[Comparison]:
    """All that was published about a suite, beside the figures of one section of report.json."""
    return [_comparison(entry, suite) for entry in _entries() if entry["suite"] == name]


@cache
def _entries() -> list[dict[str, Any]]:
    return json.loads(_FILE.read_text("utf-8"))


def _comparison(entry: Mapping[str, Any], suite: Mapping[str, Any]) -> Comparison:
    theirs = [(low, high) for low, high in entry["n"]]
    columns = sorted({*theirs, *_own_sizes(entry, suite)})
    published = {
        method: [dict(zip(theirs, values, strict=True)).get(column) for column in columns]
        for method, values in entry["rows"].items()
    }
    measured = {
        name: [_measured(entry["measure"], suite, section, column) for column in columns]
        for name, section in suite["estimators"].items()
        if "variant_of" not in section or entry["measure"] == "pinball"
    }
    kept = {name: row for name, row in measured.items() if any(row)}
    return Comparison(MEASURES[entry["measure"]], entry["source"], tuple(map(_heading, columns)), published, kept)


def _own_sizes(entry: Mapping[str, Any], suite: Mapping[str, Any]) -> set[Range]:
    """Sizes measured here, where the published ones are single sizes."""
    sizes = {(n, n) for n in suite["tables"]["n"]}
    return sizes if all(low == high for low, high in entry["n"]) and len(sizes) <= 8 else set()


def _measured(measure: str, suite: Mapping[str, Any], section: Mapping[str, Any], column: Range) -> Any:
    n = np.array(suite["tables"]["n"])
    chosen = (column[0] <= n) & (n <= column[1])
    if measure == "pinball":
        return section["overall"].get("pinball") if chosen.all() else None
    if not chosen.any():
        return None
    estimates = np.array([value or 0.0 for value in section["estimate"]])[chosen]  # a failure counts as 0
    mi_nats = np.array(suite["tables"]["mi_nats"])[chosen]
    mean: Mean = {"mae": metrics.absolute_error, "mse": metrics.squared_error}[measure](estimates, mi_nats)
    return as_json(mean)


def _heading(column: Range) -> str:
    low, high = column
    return f"n = {low}" if low == high else f"n ≤ {high}" if low == 1 else f"{low} ≤ n ≤ {high}"
