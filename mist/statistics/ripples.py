r"""Dependence of many periods: high frequencies of one column against the lowest of the other.

A function with many periods, y = f(k x), has nothing in the low frequencies that match columns elsewhere; it shows as
one or two large coefficients of a high frequency of x with a low one of y. Under independence each of the COUNT
coefficients of a pair has variance 1/N.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mist.statistics.cosines import coefficients, cosines

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
    low, high = range(1, LOW + 1), HIGH
    one = coefficients(cosines(u.detach(), high), cosines(v.detach(), low))  # (B, D_x, F, D_y, G)
    two = coefficients(cosines(u.detach(), low), cosines(v.detach(), high))
    squares = [part.square().transpose(2, 3).flatten(3) for part in (one, two)]  # (B, D_x, D_y, COUNT / 2) each
    peak = torch.maximum(squares[0].amax(-1), squares[1].amax(-1))
    return peak.double(), (squares[0].sum(-1) + squares[1].sum(-1)).double() - COUNT / n


def surprising(peak: Tensor, n: int) -> Tensor:
    """The part of peaks (B, D_x, D_y) that chance does not explain: 0 below the largest to expect of all."""
    chance = (2.0 * math.log(COUNT * peak.shape[1] * peak.shape[2]) + 4.0) / min(n, ROWS)
    return torch.where(peak > chance, peak, torch.zeros_like(peak))
