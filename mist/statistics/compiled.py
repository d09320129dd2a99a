"""Statistics of tables by the extension `_native`, in C++: the numbers of `summary.summarise`, several times as fast.

The torch code of this package tells what they are and why, and carries gradients; the extension follows it stage by
stage. On small tables most of the time would go into a thousand calls of torch, each of some microseconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from mist.batch import Batch
from mist.copula import mixing, score_table
from mist.statistics import counting, features, matching, pairs, summary
from mist.statistics.anchors import ANCHORS, MAX_NATS, gaussian_bias
from mist.statistics.budget import budget
from mist.statistics.canonical import COMPONENTS
from mist.statistics.neighbours import digammas
from mist.statistics.summary import GROUPS, NEIGHBOUR_SETS, TOKEN_ROWS
from mist.statistics.swirl import COMPONENTS as TURNED


def summarise(x: Tensor, y: Tensor, differentiable: bool = False, threads: int = 1) -> Batch:
    """Statistics tokens of B tables of one shape.

    Args:
        x: Raw values of one side, (B, N, D_x), finite, N >= 8.
        y: Raw values of the other side, (B, N, D_y).
        differentiable: Tokens carry a gradient to x and y; see `summary.summarise`, which does it.
        threads: Threads that a single table may share; it takes two where their start costs less than they save.
    """
    if differentiable or not counting.COMPILED:
        return summary.summarise(x, y, differentiable)
    batch, n, d_x, d_y = *x.shape, y.shape[2]
    lengths = _lengths(n, d_x, d_y)
    tokens = np.empty((batch, sum(lengths[name] * GROUPS[name] for name in lengths)), np.float32)
    anchors, correlations = np.empty((batch, ANCHORS)), np.empty((batch, d_x, d_y))
    rows = budget(d_x + d_y)
    counting._native.summarise(
        np.ascontiguousarray(x.detach().cpu().numpy(), np.float64),
        np.ascontiguousarray(y.detach().cpu().numpy(), np.float64),
        batch,
        n,
        d_x,
        d_y,
        score_table(n, standardised=True),
        score_table(n, standardised=False),
        mixing(n),
        digammas(n),
        _projections(),
        rows.all,
        rows.first,
        rows.leading,
        rows.matched,
        gaussian_bias(n, d_x, d_y),
        threads,
        tokens,
        anchors,
        correlations,
    )
    sizes = [length * GROUPS[name] for name, length in lengths.items()]
    parts = torch.from_numpy(tokens).split_with_sizes(sizes, dim=1)
    groups = {name: part.view(batch, lengths[name], -1) for name, part in zip(lengths, parts, strict=True)}
    masks = dict(zip(lengths, summary.all_there(list(lengths.values()), batch), strict=True))
    estimates = torch.from_numpy(anchors)
    if matching.may_average(n, d_x, d_y):
        averaged = matching.averaged(torch.from_numpy(correlations), n)
        groups["matching"], masks["matching"] = summary.squashed([averaged.tokens])[0], averaged.masks
        estimates[:, -1] = averaged.nats.clamp(0.0, MAX_NATS)
    else:
        groups["matching"] = torch.zeros(batch, 1, matching.FEATURES)
        masks["matching"] = torch.zeros(batch, 1, dtype=torch.bool)
    return Batch(
        tokens=groups,
        masks=masks,
        anchors=estimates.float(),
        n=torch.full((batch,), n),
        d_x=torch.full((batch,), d_x),
        d_y=torch.full((batch,), d_y),
    )


def _lengths(n: int, d_x: int, d_y: int) -> dict[str, int]:
    """How many tokens of each kind the extension makes of a table."""
    pairs_there = min(d_x, d_y)
    return {
        "spectrum": min(pairs_there, COMPONENTS),
        "pairs": min(pairs_there, pairs.MATCHES),
        "neighbours": NEIGHBOUR_SETS,
        "features": 2,
        "swirl": TURNED,
        "table": 1,
        "rows": min(n, TOKEN_ROWS),
    }


@cache
def _projections() -> np.ndarray:
    """Directions of random features in 1, 2 and 3 variates, one array after another."""
    return np.concatenate([features.projections(count).ravel() for count in range(1, summary.LEADING + 1)])
