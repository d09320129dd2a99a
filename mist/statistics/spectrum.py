"""The canonical analysis of B tables, in-sample and cross-fitted, and the tokens of its leading pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from mist.statistics.canonical import (
    COMPONENTS,
    cautious,
    correlation,
    correlations,
    cross_fit,
    faithful,
    fix_signs,
    held_out_nats,
    kurtoses,
    nats,
)

FEATURES = 20
ROWS = 4096  # of the moments beyond the correlations: they describe, and are noise below .02 there


class Spectrum:
    """Canonical analysis of B tables: in-sample and cross-fitted, at both shrinkages."""

    def __init__(self, u: Tensor, v: Tensor) -> None:
        self.n, self.d_x, self.d_y = u.shape[1], u.shape[2], v.shape[2]
        self.u, self.v = u, v
        fits = cross_fit(u, v, (faithful, cautious))
        self.fitted = (fits.whole[0], fits.whole[1])  # by shrinkage: faithful, cautious
        held_out = fits.held_out()
        self.held_out = (held_out[0], held_out[1])  # cross-fitted correlations, (B, C) each
        gains = held_out_nats(fits.s, fits.t, fits.rho).mean(1)
        self.likelihood = (gains[0], gains[1])  # held-out nats, (B, C) each
        self.fitted_nats = tuple(nats(fit.rho) for fit in self.fitted)  # (B, C) each
        self.held_out_nats = tuple(nats(held) * held.sign() for held in self.held_out)  # negative where they are
        self.held_out_bent = correlation(fits.s[1, :, :, :ROWS].abs(), fits.t[1, :, :, :ROWS].abs()).mean(0)
        self.half_s, self.half_t = fits.s[1, 0], fits.t[1, 0]  # the second half along directions of the first
        # the cautious variates are defined where the faithful ones are noise
        self.s, self.t = _aligned(u @ self.fitted[1].x, v @ self.fitted[1].y)  # (B, N, C) each
        self.radius_s = (u @ self.fitted[0].white_x).square().sum(-1, keepdim=True)  # (B, N, 1)
        self.radius_t = (v @ self.fitted[0].white_y).square().sum(-1, keepdim=True)

    def tokens(self) -> Tensor:
        """One token per leading canonical pair, (B, C, FEATURES)."""
        count = min(self.s.shape[2], COMPONENTS)
        s, t = self.s[:, :ROWS, :count], self.t[:, :ROWS, :count]
        stack = []
        for level in (0, 1):
            rho = self.fitted[level].rho[:, :count]
            held = self.held_out[level][:, :count]
            held_nats = self.held_out_nats[level][:, :count]
            stack += [rho, self.fitted_nats[level][:, :count], held, held_nats, self.likelihood[level][:, :count]]
        square_s, square_t = s.square(), t.square()
        plain, folded, squared, one, two = correlations(
            (s, t), (s.abs(), t.abs()), (square_s, square_t), (square_s, t), (s, square_t)
        )
        spread_s, spread_t, spread_sum, spread_gap = kurtoses(s, t, s + t, s - t)
        index = torch.arange(count, dtype=torch.float64).expand(len(s), -1)
        stack += [
            plain,
            folded,
            squared,
            self.held_out_bent[:, :count],
            one.abs() + two.abs(),
            spread_s + spread_t - 6,
            (spread_s - spread_t).abs(),
            spread_sum - spread_gap,
            index / COMPONENTS,
            torch.log1p(index),
        ]
        return torch.stack(stack, dim=-1)


def _aligned(s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Flip canonical pairs together so that signs follow from the data."""
    signs = fix_signs(s / s.std(1, keepdim=True).clamp_min(1e-12) + t / t.std(1, keepdim=True).clamp_min(1e-12))
    return s * signs, t * signs
