r"""Which column goes with which, when rows are too few to say: an average over all ways to match columns.

With ten rows and thirty columns a side, chance correlates some columns as strongly as dependence does, and the best
match of columns says little. Suppose instead that columns are coupled one to one by an unknown permutation pi, each
couple being a bivariate normal of I nats with probability w and independent otherwise. Given the sample correlations
r_ij, the likelihood ratio against independence is

    E_pi prod_i l(r_i,pi(i)) = perm(l) / D!,    l(r) = w L(r; I) + 1 - w,

with L the ratio of normal densities, averaged over both signs. Belief propagation approximates the permanent, and gives
the probability that i and j are a couple, so the expected MI. Laws (w, I) on a grid, and one of couples of all
strengths, are weighed by their likelihood: the mean over them is a Bayesian estimate for such tables.

Reference: Huang and Jebara (2009), Approximating the permanent with belief propagation, arXiv:0908.1769; Vontobel
(2013), The Bethe permanent of a nonnegative matrix, IEEE Trans. Inf. Theory 59.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

SHARES = (0.1, 0.3, 0.6, 1.0)  # w
NATS = (0.05, 0.15, 0.4, 0.8, 1.3, 2.0, 3.0)  # I
NOISES = np.linspace(0.15, 1.95, 19)  # couples of all strengths: v = u + e with e's deviation uniform on .1..2
LAWS = len(SHARES) * len(NATS) + 1
ROWS = 128  # with more rows the best match is the match
COLUMNS = 64  # of a side; the time is that of all pairs
STEPS = 12  # of belief propagation; 6 lose little, 25 gain nothing
AT_ONCE = 1 << 20  # pairs of columns, of all laws and tables, that are looked at in one go
FAINTEST = -60.0  # log weight of a pair beside the best of its row and column, at least: keeps messages finite
LEAST = -50.0  # log likelihood ratios below are all the same to a reader
FEATURES = 2 * LAWS + 4


@dataclass(frozen=True)
class Matching:
    """What is left of B tables when the match of columns is averaged out.

    Attributes:
        tokens: Log likelihood ratio and nats by law; mean and spread of the nats; the laws' mean and greatest ratio;
            (B, 1, FEATURES) float64.
        masks: Whether there is such a token, (B, 1): not with too many rows or columns.
        nats: Expected MI, (B,), in nats; 0 where there is no token.
    """

    tokens: Tensor
    masks: Tensor
    nats: Tensor


def matching(u: Tensor, v: Tensor) -> Matching:
    """Average over the matches of columns of normal scores u (B, N, D_x) and v (B, N, D_y)."""
    batch, n = u.shape[:2]
    if not may_average(n, u.shape[2], v.shape[2]):
        return none(u.new_zeros(batch))
    return averaged(_standard(u).transpose(1, 2) @ _standard(v) / n, n)


def may_average(n: int, d_x: int, d_y: int) -> bool:
    """Whether tables of n rows are few enough in rows and columns for an average to be taken."""
    return n <= ROWS and max(d_x, d_y) <= COLUMNS


def none(zeros: Tensor) -> Matching:
    """That of tables where no average is taken, given as many zeros, (B,)."""
    return Matching(zeros.new_zeros(len(zeros), 1, FEATURES), torch.zeros(len(zeros), 1, dtype=torch.bool), zeros)


def averaged(r: Tensor, n: int) -> Matching:
    """Average over the matches of columns with correlations r (B, D_x, D_y) in n rows."""
    most = max(r.shape[1:])
    r = _padded(r, most).clamp(-1 + 1e-6, 1 - 1e-6)  # (B, D, D)
    parts = [_averaged(part, n - 1) for part in r.split(max(1, AT_ONCE // (LAWS * most**2)))]
    ratio, nats = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))  # (LAWS, B)
    weight = torch.cat([ratio, torch.zeros_like(ratio[:1])]).softmax(0)[:-1]  # independence is a law, too
    mean = (weight * nats).sum(0)
    spread = ((weight * (nats - mean).square()).sum(0) + (1 - weight.sum(0)) * mean.square()).clamp_min(0.0).sqrt()
    total = ratio.logsumexp(0) - math.log(LAWS)
    tokens = torch.stack([*ratio.clamp_min(LEAST), *nats, mean, spread, total, ratio.amax(0)], dim=-1)
    return Matching(tokens.unsqueeze(1), torch.ones(len(r), 1, dtype=torch.bool), mean)


def _standard(u: Tensor) -> Tensor:
    """Zero mean and unit variance along N; constant columns become 0."""
    u = u - u.mean(1, keepdim=True)
    return u / u.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()


def _padded(r: Tensor, size: int) -> Tensor:
    """As many columns on the smaller side, (B, D, D): the new ones say nothing about any other."""
    return torch.nn.functional.pad(r, (0, size - r.shape[2], 0, size - r.shape[1]))


def _averaged(r: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Log likelihood ratio and expected nats of tables with correlations r (B, D, D), by law, (LAWS, B) each."""
    weights, nats = _pairs(r, n)
    ratio, couples = permanent(weights)
    size = r.shape[-1]
    independent = size * math.log(size) + (size * (size - 1) * math.log1p(-1 / size) if size > 1 else 0.0)
    return ratio - independent, (couples * nats).sum((-1, -2))


def _pairs(r: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Log likelihood ratio of every pair as a couple, and its expected nats, by law, (LAWS, B, D, D) each."""
    grid, noisy, share = (torch.from_numpy(part).to(r) for part in _grids())
    plain = _likelihood(r, n, grid)  # (I, B, D, D)
    coupled = share.log() + plain  # (W, I, B, D, D)
    either = torch.logaddexp(coupled, torch.log1p(-share).expand_as(coupled))
    ratios = _likelihood(r, n, noisy)
    spread = ratios.logsumexp(0, keepdim=True) - math.log(len(noisy))
    weights = torch.cat([either.flatten(0, 1), spread])
    nats = torch.cat(
        [((coupled - either).exp() * grid).flatten(0, 1), (ratios.softmax(0) * noisy).sum(0, keepdim=True)]
    )
    known = (r != 0).to(r)  # a column that is constant, or was added, carries nothing
    return weights * known, nats * known


def _likelihood(r: Tensor, n: int, nats: Tensor) -> Tensor:
    """Log ratio of n rows' density as couples of so many nats, of either sign, to independence, (I, B, D, D)."""
    square = -torch.expm1(-2 * nats)
    slope = n * square.sqrt() / (1 - square) * r.abs()
    both = slope + torch.log1p(torch.exp(-2 * slope)) - math.log(2.0)
    return both - n * (0.5 * torch.log1p(-square) + square / (1 - square))


@cache
def _grids() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nats of the grid and of couples of all strengths, (I, 1, 1, 1); shares, (W, 1, 1, 1, 1)."""
    nats, noisy = np.array(NATS), 0.5 * np.log1p(NOISES**-2.0)
    return nats[:, None, None, None], noisy[:, None, None, None], np.array(SHARES)[:, None, None, None, None]


def permanent(logs: Tensor) -> tuple[Tensor, Tensor]:
    """Bethe's approximation to the permanent of positive matrices, by belief propagation.

    Args:
        logs: Logarithms of the entries, (..., D, D).

    Returns:
        Log of the permanent, (...), and each entry's share of it, (..., D, D).
    """
    rows, columns = logs.amax(-1, keepdim=True) / 2, logs.amax(-2, keepdim=True) / 2
    logs = (logs - rows - columns).clamp_min(FAINTEST)  # at most 0
    entry = logs.exp()
    others = torch.from_numpy(_others(logs.shape[-1])).to(logs)  # sums over all others, without cancellation
    by_row = by_column = entry
    for _ in range(STEPS):
        to_row, to_column = entry / (by_column @ others).clamp_min(1e-50), entry / (others @ by_row).clamp_min(1e-50)
        by_row, by_column = (by_row * to_row).sqrt(), (by_column * to_column).sqrt()  # damped: it oscillates else
    odds = by_row * by_column / entry
    share = (odds / (1 + odds)).clamp(1e-15, 1 - 1e-12)
    bethe = share * (logs - share.log()) + (1 - share) * torch.log1p(-share)
    return (bethe + (rows + columns) / logs.shape[-1]).sum((-1, -2)), share


@cache
def _others(size: int) -> np.ndarray:
    return 1.0 - np.eye(size)
