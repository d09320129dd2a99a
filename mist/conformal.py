"""Fitting conformal offsets: order statistics of scores per group, and the widest of several sets.

What the offsets are and how they are used is told in `mist.calibration`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from mist.calibration import Calibration, Offsets, Outcomes, cell, cells, is_straight, scale
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

# How far the offsets of the bent side go towards the widest ones of all sets, paid for by what the straight side has to
# spare, and how far the cautious ones go. Judged by leaving one shifted law out at a time: training/LOG.md has figures.
CAUTION, BEYOND = 0.5, 1.5
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
            in the fit of the default offsets, and their straight tables in that of the upper levels; and the cautious
            offsets are fitted too: on every set alone, each side of it and the whole, the widest taken and passed. The
            default ones of the bent side then go a part of the way to the widest.

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
    bent = Outcomes.cat([_side(each, taus, straight=False) for each in (outcomes, *some)])
    straight = [_side(each, taus, straight=True) for each in sets.values()]
    default = np.concatenate([_fit_set(bent, taus, *edges), _fit_straight(straight, taus, *edges)])
    cautious = None
    if shifted:
        sides = [
            np.concatenate([_fit_set(part, taus, *edges) for part in parts])
            for each in sets.values()
            for parts in ((_side(each, taus, straight=False), _side(each, taus, straight=True)), (each, each))
        ]
        widest = _widest([default, *sides], taus)
        cautious = _rows(default + BEYOND * (widest - default))
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
    """Offsets (G, K) whose outer intervals miss the straight tables of each size as often as they say, not less often.

    A lower level of 0 is never missed, and upper levels follow laws unlike the training's too, so that intervals whose
    levels each hold cover too often. The straight side needs nothing to spare: in each group of n the lower level of an
    interval moves towards the median by one share of the scale, while the tables that the interval misses, and one more
    for the fresh table, are no more than it says. One share for all n would spend on few rows what many rows spare.
    """
    straight, groups = outcomes.where(_straight(outcomes, taus)), cells(edges)
    if len(straight) < MIN_TABLES:
        return offsets
    sizes = len(edges[0]) + 1
    size_of, rows = np.array(edges[0]).searchsorted(straight.n.numpy(), side="right"), groups // sizes

    def may_rise(some: Outcomes, start: Array, direction: Array, low: int, share: float) -> bool:
        value, high = _calibrated(start + share * direction, some, taus, edges), len(taus) - 1 - low
        truth = some.mi_nats.double().numpy()
        beyond = int(((truth < value[:, low]) | (truth > value[:, high])).sum())
        return beyond + 1 <= (taus[low] + 1 - taus[high]) * (len(truth) + 1)

    for size in range(sizes):
        some, first = straight.where(torch.from_numpy(size_of == size)), groups + size * rows  # by n first: see `cell`
        for low in reversed(range(len(taus))):  # inner ones first
            if taus[low] < INNERMOST and len(some) > 0:
                direction = np.zeros_like(offsets)
                direction[first : first + rows, low] = 1.0
                offsets = offsets + _furthest(partial(may_rise, some, offsets, direction, low)) * direction
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


def _fit_straight(sets: list[Outcomes], taus: tuple[float, ...], *edges: tuple[float, ...]) -> Array:
    """Group offsets of the straight side, (G, K): lower levels of the first set, upper ones of all together.

    A law that the network never saw is underestimated more often than overestimated, however straight it is.
    """
    own, joined = _fit_set(sets[0], taus, *edges), _fit_set(Outcomes.cat(sets), taus, *edges)
    return np.where(np.array(taus) < 0.5, own, np.maximum(own, joined))


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
    return np.where(np.array(taus) < 0.5, stacked.min(axis=0), stacked.max(axis=0))


def _edges(values: Tensor, parts: int) -> tuple[float, ...]:
    """Edges that cut values into parts of about equal size; fewer where values tie."""
    shares = torch.arange(1, parts, dtype=torch.float64) / parts
    cuts = torch.quantile(values.double().cpu(), shares).tolist()
    return tuple(sorted({cut for cut in cuts if cut > float(values.min())}))


def _rows(offsets: Array) -> Offsets:
    return tuple(tuple(row) for row in offsets.tolist())
