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
from torch.nn.functional import layer_norm

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
    sides = [side[:, :ROWS] for pair in zip(*sets, strict=True) for side in pair]  # all of s, then all of t
    waves = torch.cat(_waves(sides).chunk(2), dim=1)  # (S B, 4P, N)
    fits = cross_fit(waves.transpose(1, 2), (2 * PROJECTIONS, 2 * PROJECTIONS), (cautious,))
    fitted, held_out = fits.rho[0], fits.moments().correlation()[0].mean(0)  # (S B, 2P) each
    fitted_nats, held_out_nats = nats(torch.stack([fitted, held_out.clamp_min(0.0)])).unbind()
    spectra = torch.stack([fitted, fitted_nats, held_out, held_out_nats], dim=1)[:, :, :SPECTRUM]
    sums = [part.sum(1) for part in (fitted_nats, held_out_nats, held_out, held_out.square())]
    described = torch.cat([spectra.flatten(1), torch.stack(sums, dim=1)], dim=1)
    return list(described.chunk(len(sets)))


def _waves(sides: Sequence[Tensor]) -> Tensor:
    """Standardised cosines and sines of fixed projections of S variates (B, N, C), (S B, 2P, N).

    Those of float32 take less time, and so do rows that lie side by side.
    """
    angles = torch.cat([torch.from_numpy(projections(side.shape[2])) @ side.transpose(1, 2) for side in sides]).float()
    waves = torch.cat([torch.cos(angles), torch.sin(angles)], dim=1).double()  # (S B, 2P, N)
    return layer_norm(waves, waves.shape[2:], eps=1e-12)


@cache
def projections(count: int) -> np.ndarray:
    """Directions in so many variates and at several scales, (P, C) float64; one draw each, the same always."""
    rng = np.random.default_rng(count)
    scales = np.geomspace(0.5, 4.0, PROJECTIONS)  # from half a standard deviation to several periods
    weights = rng.standard_normal((PROJECTIONS, count))
    weights *= (scales / np.linalg.norm(weights, axis=1))[:, None]
    return weights
