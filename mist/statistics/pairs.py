r"""Which column of x goes with which column of y, and how strongly, beyond correlation.

Uniform ranks r of every column are expanded in the orthonormal basis sqrt(2) cos(pi k r), k = 1..K. For a pair of
columns the K x K matrix of coefficients C is zero under independence, and |C|^2 is the chi-square distance of their
copula from independence, seen through K frequencies. Columns are matched one to one by |C|^2; kNN estimates of the
strongest pairs follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mist.copula import Scores
from mist.statistics import cosines
from mist.statistics.budget import budget
from mist.statistics.canonical import correlations, nats
from mist.statistics.neighbours import MIDDLE, NEIGHBOURS, ksg
from mist.statistics.ripples import COUNT, ripples, surprising
from mist.statistics.ripples import ROWS as RIPPLE_ROWS

FREQUENCIES = 6
MATCHES = 12  # matched pairs that become tokens
KNN_MATCHES = 2  # strongest pairs that get kNN estimates
ROWS = 4096  # rows for coefficients: their noise is below 0.02 nats there
FEATURES = 17 + len(NEIGHBOURS) + 1


@dataclass(frozen=True)
class Pairs:
    """Matched columns of B tables of one shape, strongest first, M = min(D_x, D_y, MATCHES).

    Attributes:
        x: Column numbers, (B, M) int64.
        y: Their partners, (B, M) int64.
        tokens: (B, M, FEATURES) float64.
        totals: Sums over all pairs and over matched pairs, (B, 5) float64.
        gaussian: Nats of matched pairs as if Gaussian, summed, (B,).
        neighbour: Nats of matched pairs, by kNN for the strongest and by coefficients for others, summed, (B,).
    """

    x: Tensor
    y: Tensor
    tokens: Tensor
    totals: Tensor
    gaussian: Tensor
    neighbour: Tensor


def matched_pairs(x: Scores, y: Scores, coefficients: Tensor, whole: np.ndarray | None = None) -> Pairs:
    """Match the columns of two sides one to one and describe the matches.

    Args:
        x: One side.
        y: The other side.
        coefficients: What `coefficients` found for all pairs of their columns.
        whole: Neighbour estimates, (B, 3), where known already: for one column per side.
    """
    batch, n, d_x = x.normal.shape
    d_y = y.normal.shape[2]
    energy = coefficients.square().sum((2, 4))  # (B, D_x, D_y)
    peak, fine = ripples(x.uniform, y.uniform)
    i, j = _match(energy + surprising(peak, n))
    searched = min(n, RIPPLE_ROWS)
    matched = min(d_x, d_y, MATCHES)
    i, j = i[:, :matched], j[:, :matched]
    block = _of_pairs(coefficients.transpose(2, 3), i, j).double()  # (B, M, K, K)
    noise = FREQUENCIES**2 / min(n, ROWS)
    excess = energy.double() - noise
    own, own_peak, own_fine = _of_pairs(torch.stack([excess, peak, fine], dim=-1), i, j).unbind(-1)  # (B, M) each
    spectrum = torch.linalg.svdvals(block.detach()).clamp(max=1 - 1e-6)  # (B, M, K)
    u, v = columns_of(x, i), columns_of(y, j)  # (B, N, M)
    folded_u, folded_v = u.abs(), v.abs()
    straight, bent, one, two = correlations((u, v), (folded_u, folded_v), (folded_u, v), (u, folded_v)).abs().unbind()
    straight_nats, peak_nats = nats(torch.stack([straight, own_peak.clamp(max=0.999).sqrt()])).unbind()
    bent_nats = nats(spectrum).sum(-1) - noise / 2
    rival = _rival(energy.double(), i, j) - noise
    own_log, rival_log, fine_log = torch.stack([own, rival, own_fine]).clamp_min(-0.9).log1p().unbind()
    diagonal = block.diagonal(dim1=2, dim2=3).square()
    knn, knn_mask = (
        _neighbours(u, v, np.stack([x.tied, y.tied], axis=1), budget(d_x + d_y).matched)
        if whole is None
        else _known(whole)
    )
    features = [
        straight,
        straight_nats,
        bent,
        torch.maximum(one, two),
        own_log,
        own * math.sqrt(n) / FREQUENCIES,  # in units of its spread under independence, up to a constant
        block.abs().amax((2, 3)),
        diagonal[..., :2].sum(-1).sqrt(),
        diagonal[..., 2:].sum(-1).sqrt(),
        spectrum[..., 0],
        bent_nats,
        rival_log,
        torch.log1p(own_peak * searched) / 4,
        peak_nats,
        own_fine * searched / math.sqrt(2 * COUNT),  # in units of its spread under independence
        fine_log,
        torch.arange(matched, dtype=torch.float64).expand(batch, -1) / MATCHES,
    ]
    tokens = torch.cat([torch.stack(features, -1), knn, knn_mask.unsqueeze(-1)], dim=-1)
    straight_nats = straight_nats - 0.5 / n  # less its bias
    guess = torch.maximum(bent_nats, straight_nats).clamp_min(0.0)
    best = torch.where(knn_mask > 0, knn[..., MIDDLE].clamp_min(0.0), guess)
    total = excess.sum((1, 2))
    spread = math.sqrt(n) / (FREQUENCIES * math.sqrt(d_x * d_y))
    sizes = torch.asinh(torch.stack([peak.amax((1, 2)) * (searched / 10), total, total * spread, own.sum(1)], dim=-1))
    most = torch.log1p(excess.amax((1, 2)).clamp_min(-0.9)).unsqueeze(1)
    totals = torch.cat([sizes[:, :3], most, sizes[:, 3:]], dim=1)
    return Pairs(i, j, tokens, totals, straight_nats.clamp_min(0.0).sum(1), best.sum(1))


def coefficients(u: Tensor, v: Tensor) -> Tensor:
    """Copula coefficients of all pairs of columns, (B, D_x, K, D_y, K) float32, from uniform ranks (B, N, D)."""
    frequencies = range(1, FREQUENCIES + 1)
    return cosines.coefficients(cosines.cosines(u[:, :ROWS], frequencies), cosines.cosines(v[:, :ROWS], frequencies))


def _match(energy: Tensor) -> tuple[Tensor, Tensor]:
    """One-to-one matches of greatest total energy, each table's strongest first: (B, C), (B, C) int64."""
    if energy.shape[1:] == (1, 1):  # nothing to choose
        only = torch.from_numpy(np.zeros((len(energy), 1), dtype=np.int64))
        return only, only
    rows, columns = [], []
    for table in energy.detach().cpu().double().numpy():
        i, j = linear_sum_assignment(table, maximize=True)
        order = np.argsort(-table[i, j], kind="stable")
        rows.append(i[order])
        columns.append(j[order])
    return torch.from_numpy(np.stack(rows)), torch.from_numpy(np.stack(columns))


def columns_of(side: Scores, chosen: Tensor) -> Tensor:
    """Normal scores of some columns of each table, (B, M) int64, as (B, N, M)."""
    n, d = side.normal.shape[1:]
    return side.normal if d == 1 else side.normal.gather(2, chosen.unsqueeze(1).expand(-1, n, -1))


def _of_pairs(values: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """What (B, D_x, D_y, ...) says of pairs of columns i and j, (B, M) each, as (B, M, ...)."""
    return values[:, :, 0] if values.shape[1:3] == (1, 1) else values[torch.arange(len(i)).unsqueeze(1), i, j]


def _rival(energy: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Largest energy that either column of a match has with any other column, (B, M)."""
    if energy.shape[1:] == (1, 1):
        return energy.new_zeros(i.shape)
    rows = torch.arange(energy.shape[0]).unsqueeze(1)
    others = energy.clone()
    others[rows, i, j] = 0.0
    return torch.maximum(others[rows, i].amax(-1), others.transpose(1, 2)[rows, j].amax(-1))


def _neighbours(u: Tensor, v: Tensor, tied: np.ndarray, most: int) -> tuple[Tensor, Tensor]:
    """Neighbour estimates of the strongest matches, (B, M, 3), and which matches have one, (B, M)."""
    batch, n, matched = u.shape
    rows, strongest = min(n, most), min(matched, KNN_MATCHES)
    s, t = (part[:, :rows, :strongest].detach().cpu().numpy().transpose(0, 2, 1) for part in (u, v))  # (B, S, N)
    left, right = (side.reshape(batch * strongest, rows, 1) for side in (s, t))
    found = np.zeros((batch, matched, len(NEIGHBOURS)))
    found[:, :strongest] = ksg(left, right, tied.repeat(strongest, axis=0)).nats.reshape(
        batch, strongest, len(NEIGHBOURS)
    )
    mask = torch.zeros(batch, matched, dtype=torch.float64)
    mask[:, :strongest] = 1.0
    return torch.from_numpy(found), mask


def _known(whole: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(whole).unsqueeze(1), torch.ones(len(whole), 1, dtype=torch.float64)
