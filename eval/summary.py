"""From the results of a run to its figures: overall and by group, each mean with its standard error, as JSON values."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from eval import coverage, metrics
from eval.metrics import Mean
from eval.records import Record

_WORST = 10  # tables shown in the failure gallery, per estimator
_POINTS = 1500  # points of truth against estimate kept per estimator: enough to see, small enough to commit
_PIT_BINS = 10


def summarise(records: Sequence[Record], level: float) -> dict[str, Any]:
    """Summarise what one estimator said of all tables of a suite.

    Args:
        records: One per table. A failed one counts as the estimate 0 with all its quantiles 0.
        level: Nominal coverage of the interval whose width and score are given.
    """
    table = _Columns(records)
    everywhere = np.ones(len(records), bool)
    summary: dict[str, Any] = {
        "overall": table.measures(everywhere, level),
        "by_n": table.by_group(coverage.groups_by_n(table.n), level),
        "by_d": table.by_group(coverage.groups_by_d(table.d_x, table.d_y), level),
        "by_mi": table.by_group(coverage.groups_by_mi(table.mi_nats), level),
        "by_family": table.by_group(coverage.groups_by_name([r.family for r in records]), level),
        "by_task": table.errors_by_task(),
        "failures": dict(Counter(r.failed for r in records if r.failed is not None)),
        "worst": table.worst(level),
        "points": table.points(),
    }
    if any(r.group for r in records):
        summary["by_group"] = table.by_group(coverage.groups_by_name([r.group for r in records]), level)
    if table.has_quantiles:
        counts, _ = np.histogram(coverage.pit(table.quantiles, table.taus, table.mi_nats), _PIT_BINS, (0, 1))
        summary["pit"] = counts.tolist()
    return summary


class _Columns:
    """Records of one estimator as arrays over T tables."""

    def __init__(self, records: Sequence[Record]):
        self.records = records
        self.n = np.array([r.n for r in records])
        self.d_x = np.array([r.d_x for r in records])
        self.d_y = np.array([r.d_y for r in records])
        self.mi_nats = np.array([r.mi_nats for r in records])
        self.estimates = np.array([r.estimate for r in records])
        self.failed = np.array([r.failed is not None for r in records])
        self.taus = np.array(max((r.levels for r in records), key=len))
        self.has_quantiles = self.taus.size > 1
        zeros = (0.0,) * self.taus.size
        self.quantiles = np.array([r.quantiles or zeros for r in records])  # (T, K)

    def measures(self, mask: np.ndarray, level: float) -> dict[str, Any]:
        """All measures over the tables of a mask."""
        estimates, mi_nats = self.estimates[mask], self.mi_nats[mask]
        answered = mask & ~self.failed
        found: dict[str, Any] = {
            "tables": int(mask.sum()),
            "failed": int((mask & self.failed).sum()),
            "mae": as_json(metrics.absolute_error(estimates, mi_nats)),
            "mae_answered": as_json(metrics.absolute_error(self.estimates[answered], self.mi_nats[answered])),
            "mse": as_json(metrics.squared_error(estimates, mi_nats)),
            "bias": as_json(metrics.bias(estimates, mi_nats)),
            "rank_correlation": as_json(metrics.rank_correlation(estimates, mi_nats)),
        }
        return found | (self._interval_measures(mask, level) if self.has_quantiles else {})

    def _interval_measures(self, mask: np.ndarray, level: float) -> dict[str, Any]:
        quantiles, mi_nats = self.quantiles[mask], self.mi_nats[mask]
        levels = metrics.PINBALL_LEVELS
        chosen = np.stack([metrics.quantile_at(quantiles, self.taus, tau) for tau in levels], axis=1)
        low = metrics.quantile_at(quantiles, self.taus, (1 - level) / 2)
        high = metrics.quantile_at(quantiles, self.taus, (1 + level) / 2)
        nominal = sorted({*coverage.NOMINAL_LEVELS, level})
        by_level = coverage.coverage(quantiles, self.taus, mi_nats, nominal)
        return {
            "pinball": as_json(metrics.pinball(chosen, levels, mi_nats)),
            "interval_score": as_json(metrics.interval_score(low, high, mi_nats, level)),
            "width": as_json(metrics.width(low, high)),
            "coverage": {f"{nominal:g}": as_json(mean) for nominal, mean in by_level.items()},
        }

    def by_group(self, groups: dict[str, np.ndarray], level: float) -> dict[str, Any]:
        """Measures of each group."""
        return {name: self.measures(mask, level) for name, mask in groups.items()}

    def errors_by_task(self) -> dict[str, Any]:
        """Truth, error and bias of each task, in the order of the suite."""
        names = np.array([r.task for r in self.records])
        return {
            task: {
                "tables": int((names == task).sum()),
                "mi_nats": _rounded(self.mi_nats[names == task].mean()),
                "mae": as_json(metrics.absolute_error(self.estimates[names == task], self.mi_nats[names == task])),
                "bias": as_json(metrics.bias(self.estimates[names == task], self.mi_nats[names == task])),
            }
            for task in dict.fromkeys(names.tolist())
        }

    def worst(self, level: float) -> list[dict[str, Any]]:
        """The tables with the largest errors, worst first, each with its interval if there is one."""
        order = np.argsort(-np.abs(self.estimates - self.mi_nats), kind="stable")[:_WORST]
        return [self._shown(int(index), level) for index in order]

    def _shown(self, index: int, level: float) -> dict[str, Any]:
        names = ("key", "family", "n", "d_x", "d_y", "mi_nats", "estimate", "failed")
        shown = {name: getattr(self.records[index], name) for name in names}
        if self.has_quantiles:
            row = self.quantiles[index : index + 1]
            ends = ((1 - level) / 2, (1 + level) / 2)
            shown["interval"] = [_rounded(metrics.quantile_at(row, self.taus, tau)[0]) for tau in ends]
        return shown

    def points(self) -> list[list[float]]:
        """Pairs of truth and estimate of answered tables, thinned evenly where there are many."""
        rows = np.flatnonzero(~self.failed)
        if rows.size > _POINTS:
            rows = rows[np.linspace(0, rows.size - 1, _POINTS).round().astype(int)]
        return [[round(float(self.mi_nats[i]), 4), round(float(self.estimates[i]), 4)] for i in rows]


def as_json(mean: Mean) -> dict[str, float | None]:
    """A mean as JSON values, null for what is not a number. Its count is the group's number of tables."""
    return {"value": _rounded(mean.value), "stderr": _rounded(mean.stderr)}


def _rounded(value: float) -> float | None:
    """Six decimals, or three significant digits of what is smaller."""
    if not math.isfinite(value):
        return None
    return round(float(value), 6) if abs(value) >= 1e-3 else float(f"{value:.3g}")
