r"""Canonical correlations of random features: dependence that no linear direction shows.

A few variates per side (at most 3) are mapped to cosines and sines of fixed random projections at several scales;
their cross-fitted canonical spectrum lies near zero under independence, whatever the shape of the dependence.

Reference: Rahimi and Recht (2007), NeurIPS; Lopez-Paz, Hennig and Schoelkopf (2013), NeurIPS (randomised dependence).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from mist.statistics.canonical import cautious, cross_fit, nats

PROJECTIONS = 14  # twice as many features per side
SPECTRUM = 5
ROWS = 2048
FEATURES = 4 * SPECTRUM + 4


def nonlinear_spectra(sets: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Describe the dependence within several sets of variates through random features.

    Args:
        sets: Pairs s (B, N, C_s), t (B, N, C_t) with C at most 3, of one B and N.

    Returns:
        For each set (B, FEATURES) float64: leading correlations in-sample and held out, as such and in nats, and their
        sums.
    """
    left, right = (torch.cat([_waves(pair[side][:, :ROWS]) for pair in sets]) for side in (0, 1))  # (S B, N, 2P)
    fits = cross_fit(left, right, (cautious,))
    fitted, held_out = fits.whole.rho[0], fits.held_out()[0]  # (S B, 2P) each
    fitted_nats, held_out_nats = nats(fitted), nats(held_out.clamp_min(0.0))
    described = torch.cat(
        [
            fitted[:, :SPECTRUM],
            fitted_nats[:, :SPECTRUM],
            held_out[:, :SPECTRUM],
            held_out_nats[:, :SPECTRUM],
            fitted_nats.sum(1, keepdim=True),
            held_out_nats.sum(1, keepdim=True),
            held_out.sum(1, keepdim=True),
            held_out.square().sum(1, keepdim=True),
        ],
        dim=-1,
    )
    return list(described.chunk(len(sets)))


def _waves(s: Tensor) -> Tensor:
    """Centred cosines and sines of fixed projections of s (B, N, C), (B, N, 2P); those of float32 take less time."""
    angle = (s @ torch.from_numpy(_projections(s.shape[2])).to(s)).float()
    waves = torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1).to(s.dtype)
    waves = waves - waves.mean(1, keepdim=True)
    return waves / waves.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()


@cache
def _projections(count: int) -> np.ndarray:
    """Directions in so many variates and at several scales, (C, P) float64; one draw each, the same always."""
    rng = np.random.default_rng(count)
    scales = np.geomspace(0.5, 4.0, PROJECTIONS)  # from half a standard deviation to several periods
    weights = rng.standard_normal((PROJECTIONS, count))
    weights *= (scales / np.linalg.norm(weights, axis=1))[:, None]
    return weights.T
