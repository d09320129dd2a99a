r"""Split-conformal offsets: intervals that cover the true MI as often as they say, in-sample evidence only.

On tables that the network never saw, the score of level k is :math:`(I - q_k) / s` with I the true MI and s the table's
own scale. Shifting :math:`q_k` by s times the finite-sample tau-quantile of the scores makes
:math:`P(I \le q_k') \ge \tau_k` above the median and :math:`P(I < q_k') \le \tau_k` below it, whatever the network; the
two differ only where the true MI has ties, and many true values are exactly 0. Offsets are fitted per group of n, of d
and of the predicted median, and shrunk to the marginal ones where a group has few tables. The median is left alone.

Last, no interval stays narrower than n rows allow where the law is known to be a bivariate normal, the easiest case:
the standard error of its MI by maximum likelihood is :math:`\rho / \sqrt n` with :math:`\rho^2 = 1 - e^{-2 I}`.
A group's offsets follow its many hard tables and leave the few plain ones with less.

Reference: Romano, Patterson and Candes (2019), Conformalized quantile regression, NeurIPS 32.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor

from mist.errors import CheckpointError, InputError
from mist.quantiles import LEVELS, interpolate

Offsets = tuple[tuple[float, ...], ...]

# With 200 tables the levels .005 and .995 are the least and the greatest score: fewer cannot say.
MIN_TABLES = 200
# A group with this many expected misses is trusted half. Guess: the bias of the marginal offset then weighs as much as
# the noise of the group's own; the noise averages out over groups, the bias does not, so this is kept low.
SHRINK_MISSES = 2.0


@dataclass(frozen=True)
class Outcomes:
    """What a network said of N tables, beside the truth.

    Attributes:
        quantiles: Uncalibrated quantiles in nats, (N, K), increasing along K.
        mi_nats: True mutual information, (N,).
        n: Rows per table, (N,).
        d: Columns of both sides together, d_x + d_y, (N,).
    """

    quantiles: Tensor
    mi_nats: Tensor
    n: Tensor
    d: Tensor


@dataclass(frozen=True)
class Calibration:
    """Offsets in units of a table's own scale, one row per group and one column per level; JSON in and out.

    Attributes:
        taus: The levels, (K,).
        n_edges: Increasing edges between the groups of n.
        d_edges: Increasing edges between the groups of d_x + d_y.
        mi_edges: Increasing edges between the groups of the predicted median, nats.
        prior: Offsets fitted on tables like the training's, (G, K).
        cautious: The widest offsets over these and further, shifted sets, (G, K); None if none was given.
        tables: How many tables each set had, by name.
    """

    taus: tuple[float, ...]
    n_edges: tuple[float, ...]
    d_edges: tuple[float, ...]
    mi_edges: tuple[float, ...]
    prior: Offsets
    cautious: Offsets | None
    tables: dict[str, int]

    def apply(self, quantiles: Tensor, n: Tensor, d: Tensor, cautious: bool = False) -> Tensor:
        """Shift quantiles by their group's offsets; they stay increasing and non-negative, the median unchanged.

        A lower quantile of exactly 0 stays 0: the network holds independence possible, and an offset, which only knows
        groups, shall not overrule it.

        Args:
            quantiles: Uncalibrated quantiles in nats, (B, K), increasing along K and non-negative.
            n: Rows per table, (B,).
            d: Columns of both sides together, (B,).
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
        offsets = quantiles.new_tensor(self._offsets(cautious))[self._groups(quantiles, n, d)]  # (B, K)
        shifted = quantiles + offsets * _scale(quantiles, self.taus)[:, None]  # (B, K)
        shifted = torch.where(_is_lower(self.taus).to(quantiles.device) & (quantiles <= 0), 0.0, shifted)
        return _at_least_normal(_rearrange(shifted, quantiles, self.taus), n, self.taus)

    def to_json(self) -> dict[str, Any]:
        """This record as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Calibration":
        """The record that ``to_json`` wrote.

        Raises:
            CheckpointError: A key is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if set(record) != names:
            raise CheckpointError(
                f"got a calibration with keys {sorted(record)}, wanted exactly {sorted(names)}; "
                "run `mist calibrate` again"
            )
        return cls(**{name: _tuples(value) for name, value in record.items()})

    def _offsets(self, cautious: bool) -> Offsets:
        if not cautious:
            return self.prior
        if self.cautious is None:
            raise CheckpointError(
                "got cautious=True for a checkpoint calibrated on tables like its training's alone; "
                "leave cautious=False, or calibrate with shifted tables as well"
            )
        return self.cautious

    def _groups(self, quantiles: Tensor, n: Tensor, d: Tensor) -> Tensor:
        median = interpolate(quantiles.detach(), quantiles.new_tensor(self.taus), 0.5)
        return _cell(median, n, d, self.n_edges, self.d_edges, self.mi_edges)


def fit(
    outcomes: Outcomes, taus: tuple[float, ...] = LEVELS, shifted: Mapping[str, Outcomes] | None = None
) -> Calibration:
    """Offsets that make the quantiles cover, per group and level.

    Args:
        outcomes: Tables drawn as the training's are, and never trained on.
        taus: Increasing levels, (K,), the median among them.
        shifted: Further sets by name, of laws the network never saw. With them the cautious offsets are fitted too: on
            every set alone, the widest taken.

    Returns:
        The record to keep beside the weights.

    Raises:
        InputError: A set has fewer than 200 tables, arrays of unequal length, or values that are not finite.
    """
    sets = {"prior": outcomes, **(shifted or {})}
    for name, each in sets.items():
        _check(name, each, taus)
    median = outcomes.quantiles[:, taus.index(0.5)]
    n_edges = _edges(outcomes.n, 3)
    d_edges = _edges(outcomes.d, 2)
    mi_edges = _edges(median, 4)
    shape = (n_edges, d_edges, mi_edges)
    fitted = {name: _fit_set(each, taus, *shape) for name, each in sets.items()}
    cautious = _rows(_widest(list(fitted.values()), taus)) if shifted else None
    tables = {name: len(each.mi_nats) for name, each in sets.items()}
    return Calibration(tuple(taus), *shape, prior=_rows(fitted["prior"]), cautious=cautious, tables=tables)


def _check(name: str, outcomes: Outcomes, taus: tuple[float, ...]) -> None:
    count = len(outcomes.mi_nats)
    if count < MIN_TABLES:
        raise InputError(f"got {count} calibration tables in {name!r}, wanted at least {MIN_TABLES}; generate more")
    shapes = (outcomes.quantiles.shape, outcomes.n.shape, outcomes.d.shape)
    if shapes != ((count, len(taus)), (count,), (count,)):
        raise InputError(f"got shapes {shapes} in {name!r}, wanted ({count}, {len(taus)}), ({count},) and ({count},)")
    if not (outcomes.quantiles.isfinite().all() and outcomes.mi_nats.isfinite().all()):
        raise InputError(
            f"got quantiles or true MI in {name!r} that are not finite; look at the network's training log"
        )


def _scale(quantiles: Tensor, taus: tuple[float, ...]) -> Tensor:
    """A table's own scale in nats, (B,): its quartile range, which is the error the network itself expects.

    The floor of .01 nats (guess: nobody acts on less) plus a hundredth of the median keeps an interval of no width
    correctable.
    """
    levels = quantiles.new_tensor(taus)
    low, median, high = (interpolate(quantiles, levels, tau) for tau in (0.25, 0.5, 0.75))
    return high - low + 0.01 + 0.01 * median


def _fit_set(outcomes: Outcomes, taus: tuple[float, ...], *edges: tuple[float, ...]) -> Tensor:
    """Group offsets of one set, shrunk to its marginal ones, (G, K) float64."""
    quantiles = outcomes.quantiles.double()
    scores = (outcomes.mi_nats.double()[:, None] - quantiles) / _scale(quantiles, taus)[:, None]  # (N, K)
    marginal, _ = _order_statistics(scores, taus)
    cell = _cell(quantiles[:, taus.index(0.5)], outcomes.n, outcomes.d, *edges)
    groups = (len(edges[0]) + 1) * (len(edges[1]) + 1) * (len(edges[2]) + 1)
    rows = []
    for group in range(groups):
        members = scores[cell == group]
        own, trust = _order_statistics(members, taus) if len(members) else (marginal, torch.zeros_like(marginal))
        rows.append(torch.lerp(marginal, own, trust))
    return torch.stack(rows)


def _order_statistics(scores: Tensor, taus: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The conformal offset of every level and how far to trust it, both (K,); the median's offset is 0.

    Below the median the floor((N + 1) tau)-th least score, above it the ceil((N + 1) tau)-th: each errs towards a wider
    interval. Trust is 0 where N tables cannot reach the level at all.
    """
    count = len(scores)
    ordered = scores.sort(dim=0).values
    offsets, trust = [], []
    for k, tau in enumerate(taus):
        rank = floor((count + 1) * tau + 1e-9) if tau < 0.5 else ceil((count + 1) * tau - 1e-9)
        misses = count * min(tau, 1 - tau)
        offsets.append(0.0 if tau == 0.5 else float(ordered[min(max(rank, 1), count) - 1, k]))
        trust.append(misses / (misses + SHRINK_MISSES) if 1 <= rank <= count else 0.0)
    return torch.tensor(offsets, dtype=torch.float64), torch.tensor(trust, dtype=torch.float64)


def _widest(offsets: list[Tensor], taus: tuple[float, ...]) -> Tensor:
    """The least offsets below the median, the greatest above it, (G, K)."""
    stacked = torch.stack(offsets)  # (S, G, K)
    return torch.where(_is_lower(taus), stacked.amin(dim=0), stacked.amax(dim=0))


def _rearrange(shifted: Tensor, quantiles: Tensor, taus: tuple[float, ...]) -> Tensor:
    """Quantiles that increase outwards from the untouched median, at least 0, (B, K)."""
    middle = taus.index(0.5)
    median = quantiles[:, middle : middle + 1]  # (B, 1)
    lower = torch.cat([shifted[:, :middle], median], dim=1).flip(1).cummin(dim=1).values.flip(1)  # (B, middle + 1)
    upper = torch.cat([median, shifted[:, middle + 1 :]], dim=1).cummax(dim=1).values  # (B, K - middle)
    return torch.cat([lower, upper[:, 1:]], dim=1).clamp(min=0.0)


def _at_least_normal(quantiles: Tensor, n: Tensor, taus: tuple[float, ...]) -> Tensor:
    """Quantiles (B, K) as far from the median as those of a bivariate normal with n (B,) rows, or further."""
    middle = taus.index(0.5)
    median = quantiles[:, middle : middle + 1]  # (B, 1)
    stderr = (-torch.expm1(-2.0 * median)).clamp(min=0.0).sqrt() / n.to(quantiles).sqrt()[:, None]  # (B, 1)
    normal = median + torch.special.ndtri(quantiles.new_tensor(taus).double()).to(quantiles) * stderr  # (B, K)
    lower = torch.minimum(quantiles[:, :middle], normal[:, :middle]).clamp(min=0.0)
    upper = torch.maximum(quantiles[:, middle + 1 :], normal[:, middle + 1 :])
    return torch.cat([lower, median, upper], dim=1)


def _is_lower(taus: tuple[float, ...]) -> Tensor:
    return torch.tensor([tau < 0.5 for tau in taus])


def _cell(median: Tensor, n: Tensor, d: Tensor, *edges: tuple[float, ...]) -> Tensor:
    """Group numbers, (B,), of n, d and predicted median between edges in this order."""
    cell = torch.zeros(len(median), dtype=torch.long, device=median.device)
    for values, cuts in zip((n, d, median), edges, strict=True):
        bounds = torch.tensor(cuts, dtype=torch.float64, device=median.device)
        cell = cell * (len(cuts) + 1) + torch.bucketize(values.double().contiguous(), bounds, right=True)
    return cell


def _edges(values: Tensor, parts: int) -> tuple[float, ...]:
    """Edges that cut values into parts of about equal size; fewer where values tie."""
    shares = torch.arange(1, parts, dtype=torch.float64) / parts
    cuts = torch.quantile(values.double().cpu(), shares).tolist()
    return tuple(sorted({cut for cut in cuts if cut > float(values.min())}))


def _rows(offsets: Tensor) -> Offsets:
    return tuple(tuple(row) for row in offsets.tolist())


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
