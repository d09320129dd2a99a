r"""Coefficients of the copula of two columns in the orthonormal basis sqrt(2) cos(pi k r), r a uniform rank."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def cosines(u: Tensor, frequencies: range) -> Tensor:
    """cos(pi k u) of uniform ranks (B, N, D) for every k, (B, N, D, F) float32."""
    return torch.cos(u.float().unsqueeze(-1) * torch.from_numpy(_angles(frequencies)))


@lru_cache(maxsize=8)
def _angles(frequencies: range) -> np.ndarray:
    return (math.pi * np.array(frequencies)).astype(np.float32)


def coefficients(left: Tensor, right: Tensor) -> Tensor:
    """Coefficients of all pairs of columns from cosines (B, N, D_x, F) and (B, N, D_y, G), (B, D_x, F, D_y, G).

    Ties shift the means of cosines, so these are taken away: on one side, which takes them out of the product.
    """
    a, b = left.flatten(2), right.flatten(2)
    if a.shape[2] > b.shape[2]:
        b = b - b.mean(1, keepdim=True)
    else:
        a = a - a.mean(1, keepdim=True)
    moment = a.mT @ b * (2.0 / a.shape[1])
    return moment.view(len(a), *left.shape[2:], *right.shape[2:])
