r"""Plug-in of a two-dimensional histogram with Miller and Madow's correction, for d_x = d_y = 1.

    I = sum p_xy ln (p_xy / (p_x p_y)) + (K_x + K_y - K_xy - 1) / 2 n

with K the numbers of occupied bins and cells. Bins hold equally many rows, so increasing maps of a column change
nothing; equal values share a bin, and a column with no more values than bins is taken by its values. With b bins a side
the cells number b^2: b = sqrt(n / 5) leaves 5 rows to a cell of independent columns (Cochran's rule). Binning loses
information: for continuous columns the estimate is that of a lower bound, and never above ln b.

References: Miller (1955), in Information Theory in Psychology, for the correction; Paninski (2003), Neural Computation
15, for its limits; Cochran (1954), Biometrics 10, for 5 a cell.
"""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.registry import register

_ROWS_A_CELL = 5
_LEAST = 20  # rows: two bins a side


@register
class Histogram(PointBaseline):
    """Histogram of equally filled bins with the Miller-Madow correction, for d_x = d_y = 1 and n >= 20."""

    name: ClassVar[str] = "histogram"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate from the counts of cells."""
        if x.shape[1] != 1 or y.shape[1] != 1:
            raise CannotEstimate("needs one column on each side")
        n = len(x)
        if n < _LEAST:
            raise CannotEstimate(f"needs {_LEAST} samples or more")
        count = int(math.sqrt(n / _ROWS_A_CELL))
        x_bins, y_bins = _bins(x[:, 0], count), _bins(y[:, 0], count)
        cells = np.zeros((x_bins.max() + 1, y_bins.max() + 1))
        np.add.at(cells, (x_bins, y_bins), 1)
        return _entropy(cells.sum(axis=1)) + _entropy(cells.sum(axis=0)) - _entropy(cells.ravel())


def _bins(column: np.ndarray, count: int) -> NDArray[np.int64]:
    """Bin of each value, (n,), numbers from 0 on."""
    values, which = np.unique(column, return_inverse=True)
    if values.size <= count:
        return which
    return ((rankdata(column) - 0.5) * count / column.size).astype(np.int64)  # mean ranks: equal values share a bin


def _entropy(counts: np.ndarray) -> float:
    """Entropy in nats with Miller and Madow's correction of the law behind these counts."""
    counts = counts[counts > 0]
    n = counts.sum()
    return float(np.log(n) - (counts * np.log(counts)).sum() / n + (counts.size - 1) / (2 * n))
