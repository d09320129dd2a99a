"""From the results of one estimator on one suite to its figures: overall and by group, each mean with its error.

All are JSON values, and short ones: a mean is `[value, standard error]`, null for what is not a number.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from eval import coverage, metrics
from eval.metrics import Mean
from eval.records import Record

_WORST = 10  # tables listed in the failure gallery, per estimator
_PIT_BINS = 10

Measures = dict[str, Any]


def summarise(records: Sequence[Record], level: float) -> Measures:
    """Summarise what one estimator said of all cases of a suite.

    Args:
        records: One per case. A failed one counts as the estimate 0 with all its quantiles 0.
        level: Nominal coverage of the interval whose width, ends and score are given.
    """
    table = Columns(records)
    summary: Measures = {
        "overall": table.overall(level),
        **{name: table.by_group(groups, level) for name, groups in table.groups().items()},
        "by_task": table.errors_by_task(),
        "failures": dict(Counter(r.failed for r in records if r.failed is not None)),
        "worst": table.worst(),
        "estimate": [None if r.failed else round(r.estimate, 4) for r in records],
    }
    if table.interval.any():
        mask = table.interval
        counts, _ = np.histogram(
            coverage.pit(table.quantiles[mask], table.taus, table.mi_nats[mask]), _PIT_BINS, (0, 1)
        )
        return summary | {"pit": counts.tolist(), **table.ends(level)}
    return summary


class Columns:
    """Records of one estimator as arrays over T tables."""

    def __init__(self, records: Sequence[Record]):
        self.records = records
        self.n = np.array([r.n for r in records])
        self.d_x = np.array([r.d_x for r in records])
        self.d_y = np.array([r.d_y for r in records])
        self.mi_nats = np.array([r.mi_nats for r in records])
        self.estimates = np.array([r.estimate for r in records])
        self.failed = np.array([r.failed is not None for r in records])
        self.relation = np.array([r.relation for r in records])
        self.taus = np.array(max((r.levels for r in records), key=len))
        zeros = (0.0,) * self.taus.size
        self.quantiles = np.array([r.quantiles or zeros for r in records])  # (T, K)
        # A failed interval is scored too; a relation between estimates has none.
        self.interval = ~self.relation & (self.taus.size > 1)

    def groups(self) -> dict[str, dict[str, np.ndarray]]:
        """Masks, (T,) each, of the groups by each of their kinds."""
        kinds = {
            "by_n": coverage.groups_by_n(self.n),
            "by_d": coverage.groups_by_d(self.d_x, self.d_y),
            "by_mi": coverage.groups_by_mi(np.where(self.relation, np.nan, self.mi_nats)),
            "by_family": coverage.groups_by_name([r.family for r in self.records]),
        }
        cuts = [r.group for r in self.records]
        return ({"by_group": coverage.groups_by_name(cuts)} if any(cuts) else {}) | kinds

    def measures(self, mask: np.ndarray, level: float) -> Measures:
        """The measures of a group."""
        estimates, mi_nats = self.estimates[mask], self.mi_nats[mask]
        found = {
            "tables": int(mask.sum()),
            "failed": int((mask & self.failed).sum()),
            "mae": as_json(metrics.absolute_error(estimates, mi_nats)),
            "mse": as_json(metrics.squared_error(estimates, mi_nats)),
            "bias": as_json(metrics.bias(estimates, mi_nats)),
        }
        return found | self._interval_measures(mask & self.interval, level)

    def overall(self, level: float) -> Measures:
        """All measures over all tables."""
        everywhere = np.ones(len(self.records), bool)
        answered = ~self.failed
        found = self.measures(everywhere, level) | {
            "mae_answered": as_json(metrics.absolute_error(self.estimates[answered], self.mi_nats[answered])),
            "rank_correlation": as_json(metrics.rank_correlation(self.estimates, self.mi_nats)),
            "skill": as_json(metrics.skill(self.estimates, self.mi_nats)),
        }
        if self.interval.any():
            levels = metrics.PINBALL_LEVELS
            chosen = np.stack([self._quantile(self.interval, tau) for tau in levels], axis=1)
            found["pinball"] = as_json(metrics.pinball(chosen, levels, self.mi_nats[self.interval]))
        return found | self._independence(level)

    def _interval_measures(self, mask: np.ndarray, level: float) -> Measures:
        if not mask.any():
            return {}
        mi_nats = self.mi_nats[mask]
        low, high = self._ends(mask, level)
        nominal = sorted({*coverage.NOMINAL_LEVELS, level})
        by_level = coverage.coverage(self.quantiles[mask], self.taus, mi_nats, nominal)
        means = metrics.predictive_mean(self.quantiles[mask], self.taus)
        return {
            "mse_of_mean": as_json(metrics.squared_error(means, mi_nats)),
            "coverage": {f"{nominal:g}": as_json(mean) for nominal, mean in by_level.items()},
            "width": as_json(metrics.width(low, high)),
            "interval_score": as_json(metrics.interval_score(low, high, mi_nats, level)),
        }

    def _independence(self, level: float) -> Measures:
        """False MI: what is said of independent tables, and whether dependent ones get more."""
        independent, dependent = (self.mi_nats == 0) & ~self.relation, self.mi_nats > 0
        if not independent.any():
            return {}
        found: Measures = {
            "tables": int(independent.sum()),
            "estimate": as_json(Mean.of(self.estimates[independent])),
        }
        mask = independent & self.interval
        if mask.any():
            low, _ = self._ends(mask, level)
            found |= {"keeps_zero": as_json(coverage.share(low <= 0)), "low": as_json(Mean.of(low))}
        if dependent.any():
            found["auroc"] = as_json(metrics.auroc(self.estimates[dependent], self.estimates[independent]))
        return {"independence": found}

    def by_group(self, groups: dict[str, np.ndarray], level: float) -> Measures:
        """Measures of each group."""
        return {name: self.measures(mask, level) for name, mask in groups.items()}

    def errors_by_task(self) -> Measures:
        """Truth, error and bias of each task, in the order of the suite."""
        names = np.array([r.task for r in self.records])
        return {task: self._task(names == task) for task in dict.fromkeys(names.tolist())}

    def _task(self, mask: np.ndarray) -> Measures:
        estimates, mi_nats = self.estimates[mask], self.mi_nats[mask]
        return {
            "tables": int(mask.sum()),
            "mi_nats": rounded(mi_nats.mean()),
            "mae": as_json(metrics.absolute_error(estimates, mi_nats)),
            "bias": as_json(metrics.bias(estimates, mi_nats)),
        }

    def worst(self) -> list[int]:
        """Places of the answered tables with the largest errors, worst first."""
        errors = np.where(self.failed, -1.0, np.abs(self.estimates - self.mi_nats))
        return [int(place) for place in np.argsort(-errors, kind="stable")[:_WORST] if errors[place] > 0]

    def ends(self, level: float) -> dict[str, list[float | None]]:
        """Both ends of every interval, null where there is none."""
        known = self.interval & ~self.failed
        low, high = self._ends(np.ones(len(self.records), bool), level)
        return {
            name: [round(float(end), 4) if there else None for end, there in zip(values, known, strict=True)]
            for name, values in (("low", low), ("high", high))
        }

    def _ends(self, mask: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return self._quantile(mask, (1 - level) / 2), self._quantile(mask, (1 + level) / 2)

    def _quantile(self, mask: np.ndarray, tau: float) -> np.ndarray:
        return metrics.quantile_at(self.quantiles[mask], self.taus, tau)


def as_json(mean: Mean) -> list[float | None]:
    """A mean as `[value, standard error]`."""
    return [rounded(mean.value), rounded(mean.stderr, 3)]


def rounded(value: float, digits: int = 5) -> float | None:
    """So many significant digits, none for what is not a number."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
