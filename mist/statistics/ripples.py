r"""Dependence of many periods: high frequencies of one column against the lowest of the other.

Uniform ranks are expanded in sqrt(2) cos(pi k r). A function with many periods, y = f(k x), has nothing in the low
frequencies that match columns elsewhere; it shows as one or two large coefficients of a high frequency of x with a low
one of y. Under independence each of the COUNT coefficients of a pair has variance 1/N.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HIGH = range(7, 33)  # up to 16 periods; the frequencies below are in the ordinary coefficients
LOW = 3
COLUMNS = 16  # with more on a side nothing is computed: the chance peaks of so many coefficients hide real ones
ROWS = 2048
COUNT = 2 * LOW * len(HIGH)  # coefficients of a pair, both ways


def ripples(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Search all pairs of columns for dependence of many periods.

    Args:
        u: Uniform ranks of x, (B, N, D_x).
        v: Uniform ranks of y, (B, N, D_y).

    Returns:
        Largest squared coefficient and sum of squares less its mean under independence, (B, D_x, D_y) each; zeros where
        a side has more than COLUMNS columns.
    """
    if max(u.shape[2], v.shape[2]) > COLUMNS:
        nothing = u.new_zeros(len(u), u.shape[2], v.shape[2])
        return nothing, nothing
    u, v = u[:, :ROWS], v[:, :ROWS]
    n = u.shape[1]
    (low_u, high_u), (low_v, high_v) = _bands(u), _bands(v)
    one = _products(high_u, low_v)  # (B, D_x, D_y, COUNT / 2)
    two = _products(low_u, high_v)
    square = torch.cat([one, two], dim=-1).square()
    return square.amax(-1).double(), square.sum(-1).double() - COUNT / n


def surprising(peak: Tensor, n: int) -> Tensor:
    """The part of peaks (B, D_x, D_y) that chance does not explain: 0 below the largest to expect of all."""
    chance = (2.0 * math.log(COUNT * peak.shape[1] * peak.shape[2]) + 4.0) / min(n, ROWS)
    return torch.where(peak > chance, peak, torch.zeros_like(peak))


def _bands(u: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high frequencies of uniform ranks (B, N, D), (B, N, D, LOW) and (B, N, D, len(HIGH)) float32, centred."""
    cosine = torch.cos(math.pi * u.detach().float())
    waves = [torch.ones_like(cosine), cosine]
    while len(waves) < HIGH.stop:
        waves.append(2 * cosine * waves[-1] - waves[-2])
    low, high = torch.stack(waves[1 : LOW + 1], dim=-1), torch.stack(waves[HIGH.start :], dim=-1)
    return _centred(low), _centred(high)


def _centred(waves: Tensor) -> Tensor:
    """Zero mean along N, unit variance of an untied column's waves, (B, N, D, F)."""
    return math.sqrt(2.0) * (waves - waves.mean(1, keepdim=True))


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Mean products along N of (B, N, D_x, F) and (B, N, D_y, G), (B, D_x, D_y, F G)."""
    batch, n, d_x, frequencies = left.shape
    d_y = right.shape[2]
    product = left.flatten(2).transpose(1, 2) @ right.flatten(2) / n  # (B, D_x F, D_y G)
    return product.view(batch, d_x, frequencies, d_y, -1).transpose(2, 3).flatten(3)
