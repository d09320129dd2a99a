"""One interface for every estimator that is measured, ours among them."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]


class CannotEstimate(Exception):
    """An estimator's way to say that it is not defined for a table, and why."""


@dataclass(frozen=True)
class Guess:
    """What an estimator says of one table.

    Attributes:
        mi_nats: The estimate, not below 0; 0 where it failed.
        seconds: Processor time that it took: that of a wall clock on an idle machine, and the same on a busy one.
        levels: Levels of the predictive quantiles, (K,) increasing; empty for an estimator that has none.
        quantiles: The predictive quantiles in nats, (K,).
        cautious: Those of a second, wider interval around the same estimate, (K,); empty for none.
        failed: Why there is no estimate, or None.
    """

    mi_nats: float
    seconds: float
    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    failed: str | None = None
    cautious: tuple[float, ...] = ()


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

    def attempt(self, x: np.ndarray, y: np.ndarray) -> float | str:
        """Return the raw estimate in nats, or why there is none."""
        try:
            nats = float(self.nats(x, y))
        except CannotEstimate as reason:
            return str(reason)
        except np.linalg.LinAlgError as reason:
            return f"linear algebra: {reason}"
        return nats if math.isfinite(nats) else "the estimate is not finite"

    def _guess(self, x: np.ndarray, y: np.ndarray) -> Guess:
        start = time.process_time()
        answer = self.attempt(x, y)
        seconds = time.process_time() - start
        if isinstance(answer, str):
            return Guess(0.0, seconds, failed=answer)
        return Guess(max(answer, 0.0), seconds)
