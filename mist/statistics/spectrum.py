"""The canonical analysis of B tables, in-sample and cross-fitted, and the tokens of its leading pairs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mist.statistics.canonical import (
    COMPONENTS,
    Moments,
    Widths,
    cautious,
    correlation,
    correlations,
    cross_fit,
    faithful,
    fix_signs,
    kurtoses,
    scaled,
)

FEATURES = 20
ROWS = 4096  # of the moments beyond the correlations: they describe, and are noise below .02 there


class Spectrum:
    """Canonical analysis of B tables, in-sample and cross-fitted, at L = 2 shrinkages: faithful and cautious.

    Attributes:
        held_out: Cross-fitted correlations, (L, B, C).
        held_out_nats: What these are in nats, negative where they are, (L, B, C).
        described: These and more, (L, B, C, 5); see `CrossFit.described`.
        totals: Sums of `described` over all pairs, (5, L, B).
        s: Variates of x by the cautious shrinkage, which defines them where the faithful ones are noise, (B, N, C).
        t: Likewise for y.
        unit_s: `s` with a mean square of 1.
        unit_t: Likewise for y.
        half_s: Variates of x in the second half of the rows along directions of the first, (B, N // 2, C).
        half_t: Likewise for y.
        white_s: All columns of x whitened, by the faithful shrinkage, (B, N, D_x).
        white_t: Likewise for y.
        radius: Squared norms of their rows, of x and of y, (B, N, 2).
    """

    def __init__(self, both: Tensor, widths: Widths) -> None:
        """Analyse normal scores of x, followed by those of y, (B, N, D_x + D_y), of such widths."""
        self.n, (self.d_x, self.d_y) = both.shape[1], widths
        fits = cross_fit(both, widths, (faithful, cautious))
        held_s, held_t = fits.variates()  # (L, 2, B, N // 2, C) each
        self.described = fits.described(Moments.of(held_s, held_t))
        _, _, self.held_out, self.held_out_nats, _ = self.described.unbind(-1)
        self.totals = self.described.sum(2).movedim(-1, 0)
        self.held_out_bent = correlation(held_s[1, :, :, :ROWS].abs(), held_t[1, :, :, :ROWS].abs()).mean(0)
        self.half_s, self.half_t = held_s[1, 0], held_t[1, 0]
        u, v = both.split_with_sizes(widths, dim=2)
        self.s, self.t = u @ fits.fits.x[1, 0], v @ fits.fits.y[1, 0]  # on all rows
        self.unit_s, self.unit_t = scaled(self.s), scaled(self.t)
        signs = fix_signs(self.unit_s + self.unit_t)  # of canonical pairs together, so that they follow from the data
        self.s, self.t, self.unit_s, self.unit_t = (part * signs for part in (self.s, self.t, self.unit_s, self.unit_t))
        self.white_s, self.white_t = u @ fits.fits.white_x[0, 0], v @ fits.fits.white_y[0, 0]
        self.radius = torch.stack([white.square().sum(-1) for white in (self.white_s, self.white_t)], dim=-1)

    def tokens(self) -> Tensor:
        """One token per leading canonical pair, (B, C, FEATURES)."""
        count = min(self.s.shape[2], COMPONENTS)
        s, t = self.s[:, :ROWS, :count], self.t[:, :ROWS, :count]
        square_s, square_t = s.square(), t.square()
        plain, folded, squared, one, two = correlations(
            (s, t), (s.abs(), t.abs()), (square_s, square_t), (square_s, t), (s, square_t)
        ).unbind()
        spread_s, spread_t, spread_sum, spread_gap = kurtoses(s, t, s + t, s - t).unbind()
        further = [
            plain,
            folded,
            squared,
            self.held_out_bent[:, :count],
            one.abs() + two.abs(),
            spread_s + spread_t - 6,
            (spread_s - spread_t).abs(),
            spread_sum - spread_gap,
        ]
        described = self.described[:, :, :count].movedim(0, 2).flatten(2)  # (B, C, 10)
        places = torch.from_numpy(_places(count)).expand(len(s), -1, -1)  # (B, C, 2)
        return torch.cat([described, torch.stack(further, dim=-1), places], dim=-1)


@lru_cache(maxsize=8)
def _places(count: int) -> np.ndarray:
    """Where a pair stands among others, (C, 2)."""
    index = np.arange(count, dtype=float)
    return np.stack([index / COMPONENTS, np.log1p(index)], axis=1)
