r"""Columns -> ranks -> normal scores: what is left of a table when the marginals are taken away.

Mutual information does not change under strictly increasing maps of single columns, and neither do ranks. A column
becomes Phi^-1((r - 1/2) / n) with mid-ranks r, centred and scaled to unit variance; a constant column becomes zeros.
`smooth_scores` is the twin with a gradient: its ranks are sums of sigmoids instead of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

_STEPS = 2.0**44  # of a unit of a row's key; 2^19 units fit into an int64
SMOOTH_BANDWIDTH = 0.3  # of a column's typical gap n^(-1/2); guess: wide enough for a gradient, narrow enough for ranks


@dataclass(frozen=True)
class Scores:
    """Columns of B tables of equal shape after the marginals are gone: those of one side or of both.

    Attributes:
        normal: Normal scores, (B, N, D) float64, zero mean and unit variance per column (zeros if constant).
        uniform: Mid-ranks mapped into (0, 1), (B, N, D) float64.
        ties: Share of a column's rows that repeat another row's value, (B, D) float64.
    """

    normal: Tensor
    uniform: Tensor
    ties: Tensor

    @property
    def tied(self) -> np.ndarray:
        """Which tables repeat a value within a column, (B,) bool."""
        return np.any(self.ties.cpu().numpy() > 0, axis=1)

    def split(self, widths: Sequence[int]) -> Iterator[Scores]:
        """Scores of so many columns each."""
        parts = (part.split_with_sizes(widths, dim=-1) for part in (self.normal, self.uniform, self.ties))
        return map(Scores, *parts)

    def rows(self, order: Tensor) -> Scores:
        """The same columns with each table's rows in the order (B, N) int64."""
        index = order.unsqueeze(-1).expand_as(self.normal)
        return Scores(self.normal.gather(1, index), self.uniform.gather(1, index), self.ties)


@dataclass(frozen=True)
class Ranked:
    """Columns (..., N) in increasing order.

    Attributes:
        order: Where the sorted entries stood, (..., N) int64.
        half_steps: Twice the mid-rank of each sorted entry, from 2 to 2N, (..., N) int64; mid-ranks are halves.
        ties: Share of entries that repeat another's value, (...,) in [0, 1).
    """

    order: np.ndarray
    half_steps: np.ndarray
    ties: np.ndarray

    def placed(self, table: np.ndarray) -> np.ndarray:
        """An entry of `table` (2N + 1,) for every value by twice its mid-rank, where the value stood, (..., N)."""
        found = np.empty(self.order.shape)
        np.put_along_axis(found, self.order, table[self.half_steps], axis=-1)
        return found


def ranked(columns: np.ndarray) -> Ranked:
    """Sort columns (..., N) and give equal values the mean of their ranks."""
    n = columns.shape[-1]
    order = np.argsort(columns, axis=-1)
    values = np.take_along_axis(columns, order, axis=-1)
    new = np.ones(columns.shape, dtype=bool)
    np.not_equal(values[..., 1:], values[..., :-1], out=new[..., 1:])
    position = np.broadcast_to(np.arange(n), columns.shape)
    if new.all():
        half_steps = 2 * position + 2
    else:
        first = np.maximum.accumulate(np.where(new, position, 0), axis=-1)
        ends = np.concatenate([new[..., 1:], np.ones_like(new[..., :1])], axis=-1)
        last = np.minimum.accumulate(np.where(ends, position, n)[..., ::-1], axis=-1)[..., ::-1]
        half_steps = first + last + 2
    return Ranked(order, half_steps, 1.0 - new.mean(axis=-1))


def normal_scores(values: Tensor) -> Scores:
    """Scores of raw values by mid-ranks; no gradient.

    Args:
        values: Columns of one side or of both, (B, N, D), finite.
    """
    n = values.shape[1]
    columns = np.ascontiguousarray(values.detach().cpu().numpy().swapaxes(1, 2))  # (B, D, N)
    found = ranked(columns)
    table, levels = _tables(n)
    tied = bool(found.ties.any())
    if not tied:  # all columns hold the same scores: what standardises one does all
        table = table / np.sqrt(np.square(table[2::2]).mean())
    normal, uniform = (torch.from_numpy(found.placed(part).swapaxes(1, 2).copy()) for part in (table, levels))
    return Scores(_standardised(normal) if tied else normal, uniform, torch.from_numpy(found.ties))


@lru_cache(maxsize=32)
def _tables(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal score and uniform rank by twice the mid-rank in n rows, (2N + 1,) each; 0 and 1 are no mid-ranks."""
    levels = (np.arange(2 * n + 1) - 1) / (2.0 * n)
    return ndtri(levels.clip(0.5 / n, 1.0 - 0.5 / n)), levels


def smooth_scores(values: Tensor) -> Scores:
    """Scores by soft ranks, with a gradient to `values`; close to `normal_scores` for continuous columns.

    Args:
        values: Columns of one side or of both, (B, N, D), finite; memory grows with B N^2 D.
    """
    n = values.shape[1]
    columns = values.double().transpose(1, 2)  # (B, D, N)
    spread = columns.detach().std(dim=-1, keepdim=True).clamp_min(1e-300)
    gap = (columns.unsqueeze(-1) - columns.unsqueeze(-2)) / spread.unsqueeze(-1)  # (B, D, N, N)
    below = torch.sigmoid(gap * (n**0.5 / SMOOTH_BANDWIDTH)).mean(-1)  # (B, D, N), in (0, 1)
    uniform = below.clamp(0.25 / n, 1.0 - 0.25 / n).transpose(1, 2)
    normal = torch.special.ndtri(uniform)
    ties = torch.zeros(columns.shape[:2], dtype=torch.float64, device=values.device)
    return Scores(_standardised(normal), uniform, ties)


def _standardised(scores: Tensor) -> Tensor:
    """Zero mean and unit variance along N; constant columns become zeros."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    variance = centred.square().mean(dim=1, keepdim=True)
    constant = variance < 1e-12
    return torch.where(constant, torch.zeros_like(centred), centred / variance.where(~constant, 1.0).sqrt())


def content_order(x: Scores, y: Scores) -> Tensor:
    """An order of rows that depends on what the rows contain, never on where they stand.

    A row's key sums one function over all its normal scores, so columns and sides may be exchanged. Two rows with their
    ranks exchanged, (a, b) and (b, a), would share a key; hence the difference of the sides enters too, with a sign
    that the table as a whole decides. The sorted rows are then mixed by a fixed pattern: their first m are a fair
    subsample and their two halves fair folds.

    Returns:
        Row numbers, (B, N) int64.
    """
    widths = x.normal.shape[2], y.normal.shape[2]
    keys = _keys(torch.cat([x.normal, y.normal], dim=2).detach().cpu())  # (B, N, D_x + D_y)
    sums = (side.sum(dim=2) for side in keys.split_with_sizes(widths, dim=2))  # of whole numbers, which know no order
    left, right = (side / _STEPS for side in sums)  # (B, N)
    both, between = left + right, left - right
    sign = torch.where(
        (both.square() * between).sum(1, keepdim=True) < 0, -1.0, 1.0
    )  # turns when the sides are swapped
    order = torch.from_numpy(np.argsort((both + 0.3 * sign * between).numpy(), axis=1, kind="stable"))
    n = order.shape[1]
    return order[:, torch.from_numpy(_mixing(n))].to(x.normal.device)


@lru_cache(maxsize=32)
def _mixing(n: int) -> np.ndarray:
    """A fixed order of n rows, (N,) int64."""
    return np.random.default_rng(n).permutation(n)


def _keys(scores: Tensor) -> Tensor:
    """A generic function of each score, in steps: int64."""
    wave = torch.sin(2.3 * scores + 0.7) + 0.37 * scores.square() * torch.sin(5.1 * scores)
    return (wave * _STEPS).round().long()
