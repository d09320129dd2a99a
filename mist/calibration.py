r"""Split-conformal offsets: intervals that cover the true MI as often as they say, in-sample evidence only.

On tables that the network never saw, the score of level k is :math:`(I - q_k) / s` with I the true MI and s the table's
own scale, which lies between the error that the network expects and one that grows with the median. Shifting
:math:`q_k` by s times the finite-sample tau-quantile of the scores makes :math:`P(I \le q_k') \ge \tau_k` above the
median and :math:`P(I < q_k') \le \tau_k` below it, whatever the network; the two
differ only where the true MI has ties, and many true values are exactly 0. Offsets are fitted per group of n, of d
and of the predicted median, and shrunk to the marginal ones where a group has few tables. The median is left alone.
Inner levels, .2 to .8, then move a little towards it: an interval that begins at 0 covers every true 0, so that inner
intervals of levels that each hold on their side would cover more often than they say.

Laws that the network never saw differ from those it saw in how they bend, not in how they are straight. So tables fall
into two sides by how much of the predicted median correlations explain, a Gaussian copula's and those of columns turned
with the radius, for the training holds many spirals: offsets of the bent side come from tables like the training's and
from laws kept out of training together, those of the straight side from tables like the training's alone, but for the
upper levels, for a law that the network never saw is underestimated more often than overestimated.
The default offsets of the bent side lean towards the widest that any set of laws asks for; the cautious ones go past
these, for the next law asks for more. On the straight side lower levels then rise until outer intervals are missed as
often as they say, by tables of each size.

Last, no interval stays narrower than n rows allow where the law is known to be a bivariate normal, the easiest case:
the standard error of its MI by maximum likelihood is :math:`\rho / \sqrt n` with :math:`\rho^2 = 1 - e^{-2 I}`.
A group's offsets follow its many hard tables and leave the few plain ones with less.

Reference: Romano, Patterson and Candes (2019), Conformalized quantile regression, NeurIPS 32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from mist.errors import CheckpointError
from mist.notices import Array
from mist.quantiles import interpolate

Offsets = tuple[tuple[float, ...], ...]

# Below this share of the predicted median in the MI that is explained a table counts as bent. Of .5 and .8 the better
# one where each law kept out was judged by offsets fitted without it; likewise half of the shifted tables rather than a
# quarter or all.
STRAIGHT_SHARE = 0.5
LEAST_MEDIAN = 0.02  # nats: below, a median's share says nothing
SIZED = 0.5  # of 0 to 1: laws left out of the fit are covered as often by intervals a tenth narrower than at 0
# Positions among the anchors of a batch: the Gaussian copula's MI, and that plus what turned columns add to it.
GAUSSIAN, TURNED = 0, 15


@dataclass(frozen=True)
class Outcomes:
    """What a network said of N tables, beside the truth.

    Attributes:
        quantiles: Uncalibrated quantiles in nats, (N, K), increasing along K.
        mi_nats: True mutual information, (N,).
        n: Rows per table, (N,).
        d: Columns of both sides together, d_x + d_y, (N,).
        explained: MI that correlations explain, the anchor at TURNED, nats, (N,).
    """

    quantiles: Tensor
    mi_nats: Tensor
    n: Tensor
    d: Tensor
    explained: Tensor

    def __len__(self) -> int:
        return len(self.mi_nats)

    def where(self, chosen: Tensor) -> "Outcomes":
        """The tables at an index or a mask."""
        return Outcomes(*(part[chosen] for part in vars(self).values()))

    @staticmethod
    def cat(parts: "list[Outcomes]") -> "Outcomes":
        """Join along N."""
        return Outcomes(*(torch.cat(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True)))


@dataclass(frozen=True)
class Calibration:
    """Offsets in units of a table's own scale, one row per group and one column per level; JSON in and out.

    The groups of the bent side come first, then those of the straight side.

    Attributes:
        taus: The levels, (K,).
        n_edges: Increasing edges between the groups of n.
        d_edges: Increasing edges between the groups of d_x + d_y.
        mi_edges: Increasing edges between the groups of the predicted median, nats.
        default: Offsets fitted on tables like the training's and, on the bent side and above the median, on shifted
            ones too, (G, K).
        cautious: Offsets past the widest over these and further, shifted sets, (G, K); None if none was given.
        tables: How many tables each set had, by name.
        explained_by: Position among the anchors of the MI that tells straight tables from bent ones.
        sized: How much of a table's scale follows its median; see `scale`.
    """

    taus: tuple[float, ...]
    n_edges: tuple[float, ...]
    d_edges: tuple[float, ...]
    mi_edges: tuple[float, ...]
    default: Offsets
    cautious: Offsets | None
    tables: dict[str, int]
    explained_by: int = TURNED
    sized: float = SIZED

    def apply(self, quantiles: Tensor, n: Tensor, d: Tensor, explained: Tensor, cautious: bool = False) -> Tensor:
        """Shift quantiles by their group's offsets; they stay increasing and non-negative, the median unchanged.

        A lower quantile of exactly 0 stays 0: the network holds independence possible, and an offset, which only knows
        groups, shall not overrule it.

        Args:
            quantiles: Uncalibrated quantiles in nats, (B, K), increasing along K and non-negative.
            n: Rows per table, (B,).
            d: Columns of both sides together, (B,).
            explained: The anchor at ``explained_by``, nats, (B,).
            cautious: Use the cautious offsets.

        Returns:
            Calibrated quantiles in nats, (B, K).

        Raises:
            CheckpointError: The cautious offsets were asked for and never fitted, or K differs.
        """
        if quantiles.shape[-1] != len(self.taus):
            raise CheckpointError(
                f"got {quantiles.shape[-1]} quantiles per table for a calibration of {len(self.taus)} levels; "
                "calibrate this network again with `mist calibrate`"
            )
        # numpy's calls take a third of torch's time, and here they are all the work
        values, rows, columns, known = (part.numpy(force=True) for part in (quantiles, n, d, explained))
        values = values.astype(np.float64)
        groups = self._groups(values, rows, columns, known)  # (B,)
        shifted = values + self._offsets(cautious)[groups] * scale(values, self.taus, self.sized)[:, None]  # (B, K)
        middle = self.taus.index(0.5)
        shifted[:, :middle][values[:, :middle] <= 0] = 0.0
        return torch.from_numpy(_at_least_normal(_rearrange(shifted, values, self.taus), rows, self.taus))

    def to_json(self) -> dict[str, Any]:
        """This record as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Calibration":
        """The record that ``to_json`` wrote.

        Raises:
            CheckpointError: A key is missing or unknown.
        """
        record = {"explained_by": GAUSSIAN, "sized": 0.0, **record}  # older records do not tell: there was no choice
        names = {field.name for field in fields(cls)}
        if set(record) != names:
            raise CheckpointError(
                f"got a calibration with keys {sorted(record)}, wanted exactly {sorted(names)}; "
                "run `mist calibrate` with --again"
            )
        return cls(**{name: _tuples(value) for name, value in record.items()})

    def _offsets(self, cautious: bool) -> Array:
        """Offsets (G, K)."""
        if not cautious:
            return self._default_array
        if self.cautious is None:
            raise CheckpointError(
                "got cautious=True for a checkpoint calibrated on tables like its training's alone; "
                "leave cautious=False, or calibrate with shifted tables as well"
            )
        return self._cautious_array

    @cached_property
    def _default_array(self) -> Array:
        return np.array(self.default)

    @cached_property
    def _cautious_array(self) -> Array:
        return np.array(self.cautious)

    def _groups(self, quantiles: Array, n: NDArray[Any], d: NDArray[Any], explained: NDArray[Any]) -> NDArray[np.int64]:
        median = quantiles[:, self.taus.index(0.5)]
        return is_straight(median, explained) * cells(self._edges) + cell(median, n, d, *self._edges)

    @cached_property
    def _edges(self) -> tuple[Array, Array, Array]:
        return np.array(self.n_edges), np.array(self.d_edges), np.array(self.mi_edges)


def is_straight(median: Array, explained: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether correlations explain enough of each predicted median, (B,)."""
    return explained >= STRAIGHT_SHARE * np.maximum(median, LEAST_MEDIAN)


def scale(quantiles: Array, taus: tuple[float, ...], sized: float = SIZED) -> Array:
    """A table's own scale in nats, (B,): between the error that the network expects and one that grows with the median.

    The first is the quartile range; a floor of .01 nats (guess: nobody acts on less) plus a hundredth of the median
    keeps an interval of no width correctable. It leaves an interval narrow where the network is sure and wrong; the
    second does not know how sure the network is. ``sized`` is the share of the second in their geometric mean.
    """
    low, median, high = (interpolate(quantiles, taus, tau) for tau in (0.25, 0.5, 0.75))
    expected = high - low + 0.01 + 0.01 * median
    return expected if sized == 0 else expected ** (1 - sized) * (0.05 + 0.1 * median) ** sized


def _rearrange(shifted: Array, quantiles: Array, taus: tuple[float, ...]) -> Array:
    """Quantiles that increase outwards from the untouched median, at least 0, (B, K); in place of the shifted ones."""
    middle = taus.index(0.5)
    shifted[:, middle] = quantiles[:, middle]
    inwards, upper = shifted[:, middle::-1], shifted[:, middle:]
    np.minimum.accumulate(inwards, axis=1, out=inwards)
    np.maximum.accumulate(upper, axis=1, out=upper)
    return np.maximum(shifted, 0.0, out=shifted)


def _at_least_normal(quantiles: Array, n: NDArray[Any], taus: tuple[float, ...]) -> Array:
    """Quantiles (B, K) as far from the median as those of a bivariate normal with n (B,) rows, or further."""
    middle = taus.index(0.5)
    median = quantiles[:, middle, None]  # (B, 1)
    stderr = np.sqrt(-np.expm1(-2.0 * median) / n[:, None])  # (B, 1)
    normal = median + _normal_scores(taus) * stderr  # (B, K)
    wider = np.maximum(quantiles, normal)
    np.minimum(quantiles[:, :middle], normal[:, :middle], out=wider[:, :middle])
    return np.maximum(wider, 0.0, out=wider)


@lru_cache(maxsize=8)
def _normal_scores(taus: tuple[float, ...]) -> Array:
    return ndtri(np.array(taus))


def cell(median: Array, n: NDArray[Any], d: NDArray[Any], *edges: Array | tuple[float, ...]) -> NDArray[np.int64]:
    """Group numbers, (B,), of n, d and predicted median between edges in this order."""
    cell = np.zeros(len(median), dtype=np.int64)
    for values, cuts in zip((n, d, median), edges, strict=True):
        cell = cell * (len(cuts) + 1) + np.asarray(cuts).searchsorted(values, side="right")
    return cell


def cells(edges: Sequence[Array | tuple[float, ...]]) -> int:
    """Groups between edges."""
    return prod(len(cuts) + 1 for cuts in edges)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
