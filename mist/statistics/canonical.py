r"""Canonical correlations, in-sample and cross-fitted.

For normal scores U (N, D_x) and V (N, D_y) with covariances C, whitened by Cholesky factors L, the singular values of
L_x^-1 C_xy L_y^-T are the canonical correlations rho_k; a Gaussian copula carries -1/2 sum log(1 - rho_k^2) nats.
Whitening shrinks each covariance towards the identity by a share alpha. Two shares are used: a faithful one that
vanishes as (D/N)^2 and a cautious one, D / (D + N), that survives D > N.

Reference: Hotelling (1936), Biometrika 28; shrinkage after Ledoit and Wolf (2004), J. Multivariate Anal. 88.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

COMPONENTS = 32  # leading canonical pairs that become tokens; sums run over all of them
NOISE = 1e-3  # directions of weaker correlations are left out: rounding decides where they point
FLOOR = 1e-8  # smallest shrinkage: 9 nats per component stay visible


@dataclass(frozen=True)
class Directions:
    """Canonical directions of B tables of one shape, C = min(D_x, D_y) of them.

    Attributes:
        x: Maps normal scores of x to canonical variates, (B, D_x, C).
        y: Likewise for y, (B, D_y, C).
        rho: Canonical correlations after shrinkage, (B, C), decreasing.
        white_x: Whitens all columns of x, (B, D_x, D_x).
        white_y: Likewise for y, (B, D_y, D_y).
    """

    x: Tensor
    y: Tensor
    rho: Tensor
    white_x: Tensor
    white_y: Tensor


def faithful(n: int, d: int) -> float:
    """Shrinkage that vanishes as (d/n)^2."""
    ratio = 0.1 * (d / n) ** 2
    return FLOOR + ratio / (1.0 + ratio)


def cautious(n: int, d: int) -> float:
    """Shrinkage by the share of noise in a sample covariance."""
    return d / (d + n)


def directions(u: Tensor, v: Tensor, shrink_x: float, shrink_y: float) -> Directions:
    """Canonical directions of normal scores u (B, N, D_x) and v (B, N, D_y)."""
    n = u.shape[1]
    white_x = _whitener(u, shrink_x)  # (B, D_x, D_x)
    white_y = _whitener(v, shrink_y)  # (B, D_y, D_y)
    cross = white_x.transpose(1, 2) @ (u.transpose(1, 2) @ v / n) @ white_y  # (B, D_x, D_y)
    if cross.shape[1] <= cross.shape[2]:
        left, rho = _left_vectors(cross)  # (B, D_x, C), (B, C)
        right = _unit(cross.transpose(1, 2) @ left)  # (B, D_y, C)
    else:
        right, rho = _left_vectors(cross.transpose(1, 2))
        left = _unit(cross @ right)
    seen = (rho > NOISE).unsqueeze(1).to(u.dtype)
    left, right = left * seen, right * seen
    return Directions(white_x @ left, white_y @ right, rho, white_x, white_y)


def nats(rho: Tensor) -> Tensor:
    """Mutual information of a bivariate normal with correlation `rho`, elementwise, in nats."""
    return -0.5 * torch.log1p(-rho.square().clamp(max=1.0 - 1e-12))


def correlation(s: Tensor, t: Tensor) -> Tensor:
    """Pearson correlation along N of s and t, (B, N, C) each -> (B, C); 0 where either is constant."""
    s = s - s.mean(1, keepdim=True)
    t = t - t.mean(1, keepdim=True)
    scale = (s.square().sum(1) * t.square().sum(1)).clamp_min(1e-24).sqrt()
    return ((s * t).sum(1) / scale).clamp(-1.0, 1.0)


def kurtosis(s: Tensor) -> Tensor:
    """Kurtosis along N, (B, N, C) -> (B, C); 3 for a normal law."""
    s = s - s.mean(1, keepdim=True)
    return s.pow(4).mean(1) / s.square().mean(1).square().clamp_min(1e-12)


def fix_signs(s: Tensor) -> Tensor:
    """+1 or -1 per variate (B, 1, C) so that third moments become positive: eigenvectors have no sign of their own."""
    return torch.where(s.pow(3).sum(1, keepdim=True) < 0, -1.0, 1.0)


def held_out_nats(s: Tensor, t: Tensor, rho: Tensor) -> Tensor:
    """Mean log density ratio of held-out whitened variates under the fitted Gaussian, (B, C) in nats."""
    square = rho.square().clamp(max=1.0 - 1e-9)
    moments = (2 * rho * (s * t).mean(1) - square * (s.square() + t.square()).mean(1)) / (2 * (1 - square))
    return nats(rho) + moments


def _whitener(u: Tensor, shrink: float) -> Tensor:
    """W (B, D, D) with W^T C W = 1 for the shrunken covariance C of u (B, N, D)."""
    covariance = u.transpose(1, 2) @ u / u.shape[1]
    identity = torch.eye(u.shape[2], dtype=u.dtype, device=u.device)
    factor = torch.linalg.cholesky((1 - shrink) * covariance + (shrink + 1e-9) * identity)
    return torch.linalg.solve_triangular(factor, identity, upper=False).transpose(1, 2)


def _left_vectors(cross: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (B, C, C) and singular values (B, C), decreasing, of cross (B, C, D) with C <= D."""
    values, vectors = torch.linalg.eigh(cross @ cross.transpose(1, 2))
    rho = values.flip(-1).clamp(0.0, 1.0).sqrt()
    return vectors.flip(-1), rho


def _unit(columns: Tensor) -> Tensor:
    """Columns of unit length along dimension 1."""
    return columns / columns.norm(dim=1, keepdim=True).clamp_min(1e-12)
