"""One interface for every estimator that is measured, ours among them."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from eval.errors import EvalError

Pair = tuple[np.ndarray, np.ndarray]


class CannotEstimate(Exception):
    """An estimator's way to say that it is not defined for a table, and why."""


@dataclass(frozen=True)
class Guess:
    """What an estimator says of one table.

    Attributes:
        mi_nats: The estimate, not below 0; 0 where it failed.
        seconds: Wall-clock time that it took.
        levels: Levels of the predictive quantiles, (K,) increasing; empty for an estimator that has none.
        quantiles: The predictive quantiles in nats, (K,).
        failed: Why there is no estimate, or None.
    """

    mi_nats: float
    seconds: float
    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    failed: str | None = None


class Baseline(ABC):
    """An estimator of mutual information that needs nothing but a table (a trained one comes trained)."""

    name: ClassVar[str]

    @abstractmethod
    def estimate_batch(self, pairs: Sequence[Pair]) -> list[Guess]:
        """Estimate the mutual information of each table.

        Args:
            pairs: Tables (x, y) of shapes (n, d_x) and (n, d_y); tables may differ in shape.

        Returns:
            One guess per table, in their order. A table without an answer gets a failed guess, never an exception.
        """

    def estimate(self, x: np.ndarray, y: np.ndarray) -> Guess:
        """Estimate the mutual information of one table, x (n, d_x) and y (n, d_y)."""
        return self.estimate_batch([(x, y)])[0]


class PointBaseline(Baseline):
    """An estimator that turns one table into one number."""

    @abstractmethod
    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the raw estimate in nats, which may be negative, of x (n, d_x) and y (n, d_y).

        Raises:
            CannotEstimate: If the estimator is not defined for such a table.
        """

    def estimate_batch(self, pairs: Sequence[Pair]) -> list[Guess]:
        """Estimate table by table; a negative estimate counts as 0."""
        return [self._guess(x, y) for x, y in pairs]

    def _guess(self, x: np.ndarray, y: np.ndarray) -> Guess:
        start = time.perf_counter()
        failed, nats = None, 0.0
        try:
            nats = float(self.nats(x, y))
        except CannotEstimate as reason:
            failed = str(reason)
        except np.linalg.LinAlgError as reason:
            failed = f"linear algebra: {reason}"
        seconds = time.perf_counter() - start
        if failed is None and not math.isfinite(nats):
            failed = "the estimate is not finite"
        return Guess(mi_nats=max(nats, 0.0) if failed is None else 0.0, seconds=seconds, failed=failed)


BASELINES: dict[str, Callable[[str | None], Baseline]] = {}


def register(baseline: type[PointBaseline]) -> type[PointBaseline]:
    """Add an untrained estimator to the registry under its `name`."""
    if baseline.name in BASELINES:
        raise ValueError(f"got a second estimator named {baseline.name!r}; wanted a name of its own: rename one")
    BASELINES[baseline.name] = lambda checkpoint: baseline()
    return baseline


def build(name: str, checkpoint: str | None = None) -> Baseline:
    """Make the estimator of this name.

    Args:
        name: A name in the registry.
        checkpoint: Folder of the trained network for the estimators that have one; None for the packaged one.

    Raises:
        EvalError: If no estimator has this name.
    """
    if name not in BASELINES:
        raise EvalError(f"got estimator {name!r}; wanted one of: {', '.join(sorted(BASELINES))}")
    return BASELINES[name](checkpoint)
