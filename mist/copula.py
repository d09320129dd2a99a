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
    """M columns of N values in increasing order.

    Attributes:
        places: Where in all values the sorted entries stood, (M, N) int64.
        half_steps: Twice the mid-rank of each sorted entry, from 2 to 2N, (M, N) int64; mid-ranks are halves.
        ties: Share of entries that repeat another's value, (M,) in [0, 1).
    """

    places: np.ndarray
    half_steps: np.ndarray
    ties: np.ndarray

    def placed(self, table: np.ndarray) -> np.ndarray:
        """Entries of a table (2N + 1, F) by twice the mid-rank of every value, where the value stood, (M, N, F)."""
        found = np.empty((self.places.size, table.shape[1]))
        found[self.places] = table[self.half_steps]
        return found.reshape(*self.places.shape, -1)


def ranked(columns: np.ndarray) -> Ranked:
    """Sort columns (M, N) and give equal values the mean of their ranks."""
    n = columns.shape[1]
    places = columns.argsort(axis=1)
    places += np.arange(0, columns.size, n)[:, None]
    values = columns.take(places)
    changes = values[:, 1:] != values[:, :-1]  # (M, N - 1)
    position = np.broadcast_to(np.arange(n), columns.shape)
    if changes.all():
        return Ranked(places, 2 * position + 2, np.zeros(len(columns)))
    new, ends = np.ones(columns.shape, dtype=bool), np.ones(columns.shape, dtype=bool)
    new[:, 1:] = ends[:, :-1] = changes
    first = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, position, n)[:, ::-1], axis=1)[:, ::-1]
    return Ranked(places, first + last + 2, 1.0 - new.mean(axis=1))


def normal_scores(values: Tensor) -> Scores:
    """Scores of raw values by mid-ranks; no gradient.

    Args:
        values: Columns of one side or of both, (B, N, D), finite.
    """
    batch, n, d = values.shape
    found = ranked(values.detach().cpu().numpy().swapaxes(1, 2).reshape(-1, n))
    tied = bool(found.ties.any())
    # (B, D, N, 2): all columns without ties hold the same scores, and what standardises one does all
    placed = torch.from_numpy(found.placed(score_table(n, standardised=not tied))).view(batch, d, n, 2)
    normal, uniform = placed.permute(3, 0, 2, 1).contiguous()  # (B, N, D) each
    ties = torch.from_numpy(found.ties).view(batch, d)
    return Scores(_standardised(normal) if tied else normal, uniform, ties)


@lru_cache(maxsize=32)
def score_table(n: int, standardised: bool) -> np.ndarray:
    """Normal score and uniform rank by twice the mid-rank in n rows, (2N + 1, 2); 0 and 1 are no mid-ranks.

    Args:
        n: Rows.
        standardised: Whether scores of whole ranks 1 to N have a mean square of 1.
    """
    levels = (np.arange(2 * n + 1) - 1) / (2.0 * n)
    normal = ndtri(levels.clip(0.5 / n, 1.0 - 0.5 / n))
    return np.stack([normal / np.sqrt(np.square(normal[2::2]).mean()) if standardised else normal, levels], axis=1)


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


def content_order(scores: Tensor, widths: Sequence[int]) -> Tensor:
    """An order of rows that depends on what the rows contain, never on where they stand.

    A row's key sums one function over all its normal scores, so columns and sides may be exchanged. Two rows with their
    ranks exchanged, (a, b) and (b, a), would share a key; hence the difference of the sides enters too, with a sign
    that the table as a whole decides. The sorted rows are then mixed by a fixed pattern: their first m are a fair
    subsample and their two halves fair folds.

    Args:
        scores: Normal scores of both sides, (B, N, D).
        widths: Columns of x, which come first, and of y.

    Returns:
        Row numbers, (B, N) int64.
    """
    keys = _keys(scores.detach().cpu().numpy())
    left, right = keys[:, :, : widths[0]].sum(2), keys[:, :, widths[0] :].sum(2)  # whole numbers know no order
    both, between = (left + right) / _STEPS, (left - right) / _STEPS  # (B, N)
    swapped = (np.square(both) * between).sum(1, keepdims=True) < 0  # turns when the sides are swapped
    order = (both + np.where(swapped, -0.3, 0.3) * between).argsort(axis=1, kind="stable")
    return torch.from_numpy(order[:, mixing(order.shape[1])]).to(scores.device)


@lru_cache(maxsize=32)
def mixing(n: int) -> np.ndarray:
    """A fixed order of n rows, (N,) int64."""
    return np.random.default_rng(n).permutation(n)


def _keys(scores: np.ndarray) -> np.ndarray:
    """A generic function of each score, in steps: int64."""
    wave = np.sin(2.3 * scores + 0.7) + 0.37 * np.square(scores) * np.sin(5.1 * scores)
    wave *= _STEPS
    return np.rint(wave).astype(np.int64)
