"""Fitting conformal offsets: order statistics of scores per group, and the widest of several sets.

What the offsets are and how they are used is told in `mist.calibration`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from mist.calibration import Calibration, Offsets, Outcomes, cell, cells, is_lower, is_straight, scale
from mist.errors import InputError
from mist.notices import Array
from mist.quantiles import LEVELS

Edges = tuple[float, ...]

# With 200 tables the levels .005 and .995 are the least and the greatest score: fewer cannot say.
MIN_TABLES = 200
POOLED_STEP = 2  # every second shifted table joins the default offsets of the bent side
# A group with this many expected misses is trusted half. Guess: the bias of the marginal offset then weighs as much as
# the noise of the group's own; the noise averages out over groups, the bias does not, so this is kept low.
SHRINK_MISSES = 2.0

# How far the default offsets of the bent side go towards the cautious ones, paid for by what the straight side has to
# spare. Judged by leaving one shifted law out at a time: training/LOG.md has the figures.
CAUTION = 0.5
INNERMOST = 0.2  # lower level from which an interval is an inner one: central intervals of at most 60 %
MOST_NARROWED = 0.5  # of the scale


def fit(
    outcomes: Outcomes, taus: tuple[float, ...] = LEVELS, shifted: Mapping[str, Outcomes] | None = None
) -> Calibration:
    """Offsets that make the quantiles cover, per group and level.

    Args:
        outcomes: Tables drawn as the training's are, and never trained on.
        taus: Increasing levels, (K,), the median among them.
        shifted: Further sets by name, of laws the network never saw. Some of their bent tables join those of `outcomes`
            in the fit of the default offsets; and the cautious offsets are fitted too: on every set alone, each side of
            it and the whole, the widest taken. The default ones of the bent side then go a part of the way to these.

    Returns:
        The record to keep beside the weights.

    Raises:
        InputError: A set has fewer than 200 tables, arrays of unequal length, or values that are not finite.
    """
    sets = {"prior": outcomes, **(shifted or {})}
    for name, each in sets.items():
        _check(name, each, taus)
    edges = (_edges(outcomes.n, 3), _edges(outcomes.d, 2), _edges(outcomes.quantiles[:, taus.index(0.5)], 4))
    some = [each.where(torch.arange(0, len(each), POOLED_STEP)) for each in (shifted or {}).values()]
    bent = [_side(each, taus, straight=False) for each in (outcomes, *some)]
    default = np.concatenate(
        [_fit_set(Outcomes.cat(bent), taus, *edges), _fit_set(_side(outcomes, taus, straight=True), taus, *edges)]
    )
    cautious = None
    if shifted:
        sides = [
            np.concatenate([_fit_set(part, taus, *edges) for part in parts])
            for each in sets.values()
            for parts in ((_side(each, taus, straight=False), _side(each, taus, straight=True)), (each, each))
        ]
        widest = _widest([default, *sides], taus)
        cautious = _rows(widest)
        bent_groups = np.arange(len(default))[:, None] < cells(edges)
        default = np.where(bent_groups, default + CAUTION * (widest - default), default)
    default = _spent(_narrowed(default, outcomes, taus, edges), outcomes, taus, edges)
    tables = {name: len(each) for name, each in sets.items()}
    return Calibration(tuple(taus), *edges, default=_rows(default), cautious=cautious, tables=tables)


def _narrowed(offsets: Array, outcomes: Outcomes, taus: tuple[float, ...], edges: tuple[Edges, Edges, Edges]) -> Array:
    """Offsets (G, K) whose inner intervals cover the tables of `outcomes` as often as they say, not more often.

    Each level holds on its side, so an interval that begins at 0 covers every true 0, beside its share of the other
    tables, which in an inner interval is much. Both of its levels move towards the median, by one share of the scale,
    until the coverage of all tables and that of the tables with dependence lie about the nominal one, equally far.
    """
    truth = outcomes.mi_nats.double().numpy()
    dependent = truth > 0

    def covers_more(start: Array, direction: Array, low: int, high: int, share: float) -> bool:
        quantiles = _calibrated(start + share * direction, outcomes, taus, edges)
        covered = (quantiles[:, low] <= truth) & (truth <= quantiles[:, high])
        of_dependent = covered[dependent].mean() if dependent.any() else covered.mean()
        return float((covered.mean() + of_dependent) / 2) > taus[high] - taus[low]

    for low, tau in reversed(list(enumerate(taus))):  # inner ones first: no level passes its inner neighbour
        if INNERMOST <= tau < 0.5:
            high, direction = len(taus) - 1 - low, np.zeros_like(offsets)
            direction[:, low], direction[:, high] = 1.0, -1.0
            offsets = offsets + _furthest(partial(covers_more, offsets, direction, low, high)) * direction
    return offsets


def _spent(offsets: Array, outcomes: Outcomes, taus: tuple[float, ...], edges: tuple[Edges, Edges, Edges]) -> Array:
    """Offsets (G, K) whose outer levels are missed by straight tables as often as they say, not less often.

    A lower level of 0 is never missed, so that levels which each hold are missed too rarely together. The straight
    side, whose laws are alike, needs nothing to spare: each level moves towards the median by one share of the scale
    while the tables beyond it, and one more for the fresh table, are no more than it says.
    """
    straight = outcomes.where(_straight(outcomes, taus))
    truth, groups = straight.mi_nats.double().numpy(), cells(edges)
    if len(straight) < MIN_TABLES:
        return offsets

    def may_rise(start: Array, direction: Array, level: int, share: float) -> bool:
        value = _calibrated(start + share * direction, straight, taus, edges)[:, level]
        beyond = int((truth < value if taus[level] < 0.5 else truth > value).sum())
        return beyond + 1 <= min(taus[level], 1 - taus[level]) * (len(truth) + 1)

    for level in sorted(range(len(taus)), key=lambda level: -min(taus[level], 1 - taus[level])):  # inner ones first
        if min(taus[level], 1 - taus[level]) < INNERMOST:
            direction = np.zeros_like(offsets)
            direction[groups:, level] = 1.0 if taus[level] < 0.5 else -1.0
            offsets = offsets + _furthest(partial(may_rise, offsets, direction, level)) * direction
    return offsets


def _furthest(holds: Callable[[float], bool]) -> float:
    """Largest share of the scale at which something holds, 0 where it never does."""
    least, most = 0.0, MOST_NARROWED
    for _ in range(12):
        middle = (least + most) / 2
        least, most = (middle, most) if holds(middle) else (least, middle)
    return least


def _calibrated(
    offsets: Array, outcomes: Outcomes, taus: tuple[float, ...], edges: tuple[Edges, Edges, Edges]
) -> Array:
    """Quantiles (N, K) of outcomes under offsets (G, K)."""
    record = Calibration(tuple(taus), *edges, default=_rows(offsets), cautious=None, tables={})
    return record.apply(outcomes.quantiles.double(), outcomes.n, outcomes.d, outcomes.explained).numpy()


def _straight(outcomes: Outcomes, taus: tuple[float, ...]) -> Tensor:
    """Which tables correlations explain, (N,) bool."""
    median, explained = outcomes.quantiles[:, taus.index(0.5)].double().numpy(), outcomes.explained.numpy()
    return torch.from_numpy(is_straight(median, explained))


def _side(outcomes: Outcomes, taus: tuple[float, ...], straight: bool) -> Outcomes:
    """The straight or the bent tables of a set; all of them where a side has too few to say anything."""
    chosen = _straight(outcomes, taus) == straight
    return outcomes.where(chosen) if int(chosen.sum()) >= MIN_TABLES else outcomes


def _check(name: str, outcomes: Outcomes, taus: tuple[float, ...]) -> None:
    count = len(outcomes.mi_nats)
    if count < MIN_TABLES:
        raise InputError(f"got {count} calibration tables in {name!r}, wanted at least {MIN_TABLES}; generate more")
    shapes = (outcomes.quantiles.shape, outcomes.n.shape, outcomes.d.shape, outcomes.explained.shape)
    if shapes != ((count, len(taus)), (count,), (count,), (count,)):
        raise InputError(f"got shapes {shapes} in {name!r}, wanted ({count}, {len(taus)}) and three times ({count},)")
    if not (outcomes.quantiles.isfinite().all() and outcomes.mi_nats.isfinite().all()):
        raise InputError(
            f"got quantiles or true MI in {name!r} that are not finite; look at the network's training log"
        )


def _fit_set(outcomes: Outcomes, taus: tuple[float, ...], *edges: tuple[float, ...]) -> Array:
    """Group offsets of one set, shrunk to its marginal ones, (G, K)."""
    quantiles, mi_nats = outcomes.quantiles.double().numpy(), outcomes.mi_nats.double().numpy()
    scores = (mi_nats[:, None] - quantiles) / scale(quantiles, taus)[:, None]  # (N, K)
    marginal, _ = _order_statistics(scores, taus)
    group_of = cell(quantiles[:, taus.index(0.5)], outcomes.n.numpy(), outcomes.d.numpy(), *edges)
    rows = []
    for group in range(cells(edges)):
        members = scores[group_of == group]
        own, trust = _order_statistics(members, taus) if len(members) else (marginal, np.zeros_like(marginal))
        rows.append(marginal + trust * (own - marginal))
    return np.stack(rows)


def _order_statistics(scores: Array, taus: tuple[float, ...]) -> tuple[Array, Array]:
    """The conformal offset of every level and how far to trust it, both (K,); the median's offset is 0.

    Below the median the floor((N + 1) tau)-th least score, above it the ceil((N + 1) tau)-th: each errs towards a wider
    interval. Trust is 0 where N tables cannot reach the level at all.
    """
    count = len(scores)
    ordered = np.sort(scores, axis=0)
    offsets, trust = [], []
    for k, tau in enumerate(taus):
        rank = floor((count + 1) * tau + 1e-9) if tau < 0.5 else ceil((count + 1) * tau - 1e-9)
        misses = count * min(tau, 1 - tau)
        offsets.append(0.0 if tau == 0.5 else ordered[min(max(rank, 1), count) - 1, k])
        trust.append(misses / (misses + SHRINK_MISSES) if 1 <= rank <= count else 0.0)
    return np.array(offsets), np.array(trust)


def _widest(offsets: list[Array], taus: tuple[float, ...]) -> Array:
    """The least offsets below the median, the greatest above it, (G, K)."""
    stacked = np.stack(offsets)  # (S, G, K)
    return np.where(is_lower(taus), stacked.min(axis=0), stacked.max(axis=0))


def _edges(values: Tensor, parts: int) -> tuple[float, ...]:
    """Edges that cut values into parts of about equal size; fewer where values tie."""
    shares = torch.arange(1, parts, dtype=torch.float64) / parts
    cuts = torch.quantile(values.double().cpu(), shares).tolist()
    return tuple(sorted({cut for cut in cuts if cut > float(values.min())}))


def _rows(offsets: Array) -> Offsets:
    return tuple(tuple(row) for row in offsets.tolist())
