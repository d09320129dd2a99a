"""scikit-learn's kNN estimate between two single columns, as `mutual_info_regression` gives it by default."""

from typing import ClassVar

import numpy as np

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register


@register
class SklearnKnn(PointBaseline):
    """`sklearn.feature_selection.mutual_info_regression` with its defaults (k = 3), for d_x = d_y = 1."""

    name: ClassVar[str] = "sklearn"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate; the tiny noise that scikit-learn adds against ties has a fixed seed."""
        if x.shape[1] != 1 or y.shape[1] != 1:
            raise CannotEstimate("needs one column on each side")
        from sklearn.feature_selection import mutual_info_regression  # heavy, so only where it is asked for

        return float(mutual_info_regression(x, y[:, 0], random_state=0)[0])
