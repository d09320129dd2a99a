"""Differences between two estimators on the very same tables: what both find hard cancels, so small ones show.

Positive is a larger error of the second. A standard error is that of the mean over tables, taken as independent draws
from such a suite; tables of one task are more alike than that, so of a suite of few tasks it tells whether the
difference would last on new draws of these tasks, not on new tasks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from eval import coverage
from eval.metrics import Mean

Suite = Mapping[str, Any]  # a suite's section of report.json


def errors(suite: Suite, name: str) -> np.ndarray:
    """Absolute errors of an estimator's rounded estimates, (T,); a failed one estimates 0."""
    section = suite["estimators"][name]
    own = suite["estimators"][section.get("variant_of", name)]
    return np.abs([value or 0.0 for value in own["estimate"]] - np.array(suite["tables"]["mi_nats"]))


def interval_scores(suite: Suite, name: str, level: float) -> np.ndarray | None:
    """Interval scores, (T,), None for an estimator without intervals; a failed one is [0, 0], as for a relation."""
    section = suite["estimators"][name]
    if "low" not in section:
        return None
    low, high = (np.array([value or 0.0 for value in section[end]]) for end in ("low", "high"))
    mi_nats = np.array(suite["tables"]["mi_nats"])
    missed = np.maximum(low - mi_nats, 0) + np.maximum(mi_nats - high, 0)
    return high - low + 2 / (1 - level) * missed


def groups(suite: Suite) -> dict[tuple[str, str], np.ndarray]:
    """Masks, (T,) each, of all groups of a suite by kind and name; ("all", "") is everything."""
    tables = suite["tables"]
    by_kind = {
        "samples n": coverage.groups_by_n(tables["n"]),
        "columns": coverage.groups_by_d(tables["d_x"], tables["d_y"]),
        "true MI": coverage.groups_by_mi(tables["mi_nats"]),
        "family": coverage.groups_by_name(tables["family"]),
    }
    if "group" in tables:
        by_kind = {"cut": coverage.groups_by_name(tables["group"])} | by_kind
    found = {("all", ""): np.ones(len(tables["n"]), bool)}
    return found | {(kind, name): mask for kind, named in by_kind.items() for name, mask in named.items()}


def difference(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> Mean:
    """Mean of second less first over the tables of a mask."""
    return Mean.of((second - first)[mask])
