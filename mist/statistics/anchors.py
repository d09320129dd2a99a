"""Plug-in estimates of the mutual information, from statistics that are there already."""

from __future__ import annotations

from functools import lru_cache

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
    _, fitted, _, _, gains = spectrum.totals.unbind()  # (L, B) each
    held = spectrum.held_out_nats.clamp_min(0.0)  # (L, B, C)
    held_total = held.sum(2)  # (L, B)
    gaussian = fitted[0] - gaussian_bias(spectrum.n, spectrum.d_x, spectrum.d_y)
    whole, *leading, radial, _ = near[:, :, MIDDLE].unbind(1)  # (B,) each
    beyond = held[1] @ torch.from_numpy(_beyond(held.shape[2]))  # (B, 3)
    pairs = torch.stack(leading, dim=1).clamp_min(0.0) + beyond
    positive = gaussian.clamp_min(0.0)
    parts = [
        gaussian,
        fitted[1],
        *held_total.unbind(),
        *gains.unbind(),
        whole,
        *pairs.unbind(1),
        matched.neighbour,
        *waves[:, :, features.SPECTRUM * 4 + 1].unbind(1),
        positive + radial.clamp_min(0.0),
        turned,
        positive + (turned - held_total[1]).clamp_min(0.0),
        torch.where(averaged.masks[:, 0], averaged.nats, matched.gaussian),
    ]
    return torch.stack(parts, dim=-1).clamp(0.0, MAX_NATS)


@lru_cache(maxsize=8)
def _beyond(count: int) -> np.ndarray:
    """Sums over all pairs but the first, the first two and the first three, as a matrix (C, 3)."""
    return np.tri(count, 3, -1)


@lru_cache(maxsize=64)
def gaussian_bias(n: int, d_x: int, d_y: int) -> float:
    """Mean excess of the plug-in Gaussian estimate under a Wishart law, in nats; 0 where it does not exist."""
    if n <= d_x + d_y + 1:
        return 0.5 * d_x * d_y / n

    def mean_logdet(d: int) -> float:
        return float(digamma((n - np.arange(1, d + 1)) / 2.0).sum())

    return 0.5 * (mean_logdet(d_x) + mean_logdet(d_y) - mean_logdet(d_x + d_y))
