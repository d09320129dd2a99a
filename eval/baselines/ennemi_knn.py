"""ennemi's kNN estimate between two single columns, as its `estimate_mi` gives it by default."""

from typing import ClassVar

import numpy as np

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register
from eval.errors import EvalError

_NEIGHBOURS = 3  # its default


@register
class Ennemi(PointBaseline):
    """`ennemi.estimate_mi` with its defaults (k = 3), for d_x = d_y = 1; an optional package."""

    name: ClassVar[str] = "ennemi"

    def __init__(self) -> None:
        try:
            import ennemi  # optional, so only where it is asked for
        except ModuleNotFoundError as error:
            raise EvalError("got estimator 'ennemi', whose package is not installed; pip install ennemi") from error
        self.estimate_mi = ennemi.estimate_mi

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate on one thread; the tiny noise that ennemi adds against ties has a fixed seed."""
        if x.shape[1] != 1 or y.shape[1] != 1:
            raise CannotEstimate("needs one column on each side")
        if len(x) <= _NEIGHBOURS:
            raise CannotEstimate(f"needs more than {_NEIGHBOURS} samples")
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            raise CannotEstimate("a column is constant")
        return float(self.estimate_mi(y[:, 0], x[:, 0], k=_NEIGHBOURS, max_threads=1).item())
