"""Plug-in estimates of the mutual information, from statistics that are there already."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import digamma
from torch import Tensor

from mist.statistics import features
from mist.statistics.matching import Matching
from mist.statistics.neighbours import MIDDLE
from mist.statistics.pairs import Pairs
from mist.statistics.spectrum import Spectrum

ANCHORS = 17
MAX_NATS = 30.0  # anchors are clipped here: beyond what 10^6 rows can tell


def anchors(
    spectrum: Spectrum, matched: Pairs, near: Tensor, waves: Tensor, turned: Tensor, averaged: Matching
) -> Tensor:
    """Plug-in estimates that the network mixes, (B, ANCHORS) in nats, each clipped to [0, MAX_NATS]."""
    fitted, cautious = spectrum.fitted_nats
    held, held_cautious = (part.clamp_min(0.0) for part in spectrum.held_out_nats)
    gaussian = fitted.sum(1) - gaussian_bias(spectrum.n, spectrum.d_x, spectrum.d_y)
    k3 = near[:, :, MIDDLE].detach()
    radial = k3[:, 4].clamp_min(0.0)
    beyond = [held_cautious[:, count:].sum(1) for count in (1, 2, 3)]
    total_waves = waves[:, :, features.SPECTRUM * 4 + 1]
    parts = [
        gaussian,
        cautious.sum(1),
        held.sum(1),
        held_cautious.sum(1),
        spectrum.likelihood[0].sum(1),
        spectrum.likelihood[1].sum(1),
        k3[:, 0],
        k3[:, 1].clamp_min(0.0) + beyond[0],
        k3[:, 2].clamp_min(0.0) + beyond[1],
        k3[:, 3].clamp_min(0.0) + beyond[2],
        matched.neighbour,
        total_waves[:, 0],
        total_waves[:, 1],
        gaussian.clamp_min(0.0) + radial,
        turned,
        gaussian.clamp_min(0.0) + (turned - held_cautious.sum(1)).clamp_min(0.0),
        torch.where(averaged.masks[:, 0], averaged.nats, matched.gaussian),
    ]
    return torch.stack(parts, dim=-1).clamp(0.0, MAX_NATS)


def gaussian_bias(n: int, d_x: int, d_y: int) -> float:
    """Mean excess of the plug-in Gaussian estimate under a Wishart law, in nats; 0 where it does not exist."""
    if n <= d_x + d_y + 1:
        return 0.5 * d_x * d_y / n

    def mean_logdet(d: int) -> float:
        return float(digamma((n - np.arange(1, d + 1)) / 2.0).sum())

    return 0.5 * (mean_logdet(d_x) + mean_logdet(d_y) - mean_logdet(d_x + d_y))
