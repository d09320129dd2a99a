r"""Canonical correlations, in-sample and cross-fitted.

For normal scores U (N, D_x) and V (N, D_y) with covariances C, whitened by Cholesky factors L, the singular values of
L_x^-1 C_xy L_y^-T are the canonical correlations rho_k; a Gaussian copula carries -1/2 sum log(1 - rho_k^2) nats.
Whitening shrinks each covariance towards the identity by a share alpha. Two shares are used: a faithful one that
vanishes as (D/N)^2 and a cautious one, D / (D + N), that survives D > N.

Reference: Hotelling (1936), Biometrika 28; shrinkage after Ledoit and Wolf (2004), J. Multivariate Anal. 88.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

COMPONENTS = 32  # leading canonical pairs that become tokens; sums run over all of them
NOISE = 1e-3  # directions of weaker correlations are left out: rounding decides where they point
AT_ONCE = 1 << 14  # values up to which several moments are taken in one go: fewer calls, more memory
FLOOR = 1e-8  # smallest shrinkage: 9 nats per component stay visible

Shares = tuple[tuple[float, ...], ...]  # how far a covariance shrinks, by shrinkage and fit, (L, F)


@dataclass(frozen=True)
class Directions:
    """Canonical directions of tables of one shape, C = min(D_x, D_y) of them; `...` are any leading dimensions.

    Attributes:
        x: Maps normal scores of x to canonical variates, (..., D_x, C).
        y: Likewise for y, (..., D_y, C).
        rho: Canonical correlations after shrinkage, (..., C), decreasing.
        white_x: Whitens all columns of x, (..., D_x, D_x).
        white_y: Likewise for y, (..., D_y, D_y).
    """

    x: Tensor
    y: Tensor
    rho: Tensor
    white_x: Tensor
    white_y: Tensor

    def __getitem__(self, index: int | tuple[int | slice, ...]) -> Directions:
        """The same with an index into the leading dimensions."""
        return Directions(*(part[index] for part in vars(self).values()))


@dataclass(frozen=True)
class CrossFit:
    """Canonical analysis of B tables on all rows, and on each half of them for use on the other half.

    Attributes:
        whole: On all rows, leading dimensions (L, B) for L shrinkages.
        s: Variates of x of each half along directions of the other, (L, 2, B, N // 2, C); entry 0 was fitted on the
            first half and so holds rows of the second.
        t: Likewise for y.
        rho: Correlations that the directions of `s` and `t` had where they were fitted, (L, 2, B, C).
    """

    whole: Directions
    s: Tensor
    t: Tensor
    rho: Tensor

    def held_out(self) -> Tensor:
        """Correlations on rows that were not fitted, mean of both halves, (L, B, C)."""
        return correlation(self.s, self.t).mean(1)


def cross_fit(u: Tensor, v: Tensor, shrinkages: Sequence[Callable[[int, int], float]]) -> CrossFit:
    """Analyse u (B, N, D_x) and v (B, N, D_y) at several shrinkages; each is a function of N and D.

    All fits of all shrinkages run as one batch: on small tables the number of calls decides the time.
    """
    n, half = u.shape[1], u.shape[1] // 2
    halves_u, halves_v = _halves(u, half), _halves(v, half)  # (2, B, H, D)
    sizes = (n, half, half)
    share_x, share_y = (
        tuple(tuple(shrink(size, side.shape[2]) for size in sizes) for shrink in shrinkages) for side in (u, v)
    )
    found = _from_moments(
        _moments(u, u, halves_u, halves_u),
        _moments(v, v, halves_v, halves_v),
        _moments(u, v, halves_u, halves_v),
        share_x,
        share_y,
    )
    ways = found[:, 1:]
    s, t = halves_u.flip(0) @ ways.x, halves_v.flip(0) @ ways.y  # (L, 2, B, H, C)
    return CrossFit(found[:, 0], s, t, ways.rho)


def faithful(n: int, d: int) -> float:
    """Shrinkage that vanishes as (d/n)^2."""
    ratio = 0.1 * (d / n) ** 2
    return FLOOR + ratio / (1.0 + ratio)


def cautious(n: int, d: int) -> float:
    """Shrinkage by the share of noise in a sample covariance."""
    return d / (d + n)


def directions(u: Tensor, v: Tensor, shrink_x: float, shrink_y: float) -> Directions:
    """Canonical directions of normal scores u (B, N, D_x) and v (B, N, D_y)."""
    c_x, c_y, c_xy = (_product(a, b).unsqueeze(0) for a, b in ((u, u), (v, v), (u, v)))
    return _from_moments(c_x, c_y, c_xy, ((shrink_x,),), ((shrink_y,),))[0, 0]


def nats(rho: Tensor) -> Tensor:
    """Mutual information of a bivariate normal with correlation `rho`, elementwise, in nats."""
    return -0.5 * torch.log1p(-rho.square().clamp(max=1.0 - 1e-12))


def correlation(s: Tensor, t: Tensor) -> Tensor:
    """Pearson correlation along N of s and t, (..., N, C) each -> (..., C); 0 where either is constant."""
    s = s - s.mean(-2, keepdim=True)
    t = t - t.mean(-2, keepdim=True)
    scale = (s.square().sum(-2) * t.square().sum(-2)).clamp_min(1e-24).sqrt()
    return ((s * t).sum(-2) / scale).clamp(-1.0, 1.0)


def correlations(*sets: tuple[Tensor, Tensor]) -> Tensor:
    """Pearson correlations of several pairs of one shape (..., N, C), small ones in one go, (S, ..., C)."""
    if sets[0][0].numel() > AT_ONCE:
        return torch.stack([correlation(s, t) for s, t in sets])
    left, right = zip(*sets, strict=True)
    return correlation(torch.stack(left), torch.stack(right))


def kurtosis(s: Tensor) -> Tensor:
    """Kurtosis along N, (..., N, C) -> (..., C); 3 for a normal law."""
    square = (s - s.mean(-2, keepdim=True)).square()
    return square.square().mean(-2) / square.mean(-2).square().clamp_min(1e-12)


def kurtoses(*sets: Tensor) -> Tensor:
    """Kurtosis of several variates of one shape (..., N, C), small ones in one go, (S, ..., C)."""
    if sets[0].numel() > AT_ONCE:
        return torch.stack([kurtosis(s) for s in sets])
    return kurtosis(torch.stack(sets))


def fix_signs(s: Tensor) -> Tensor:
    """+1 or -1 per variate (B, 1, C) so that third moments become positive: eigenvectors have no sign of their own."""
    return torch.where((s.square() * s).sum(1, keepdim=True) < 0, -1.0, 1.0)


def held_out_nats(s: Tensor, t: Tensor, rho: Tensor) -> Tensor:
    """Mean log density ratio of held-out whitened variates (..., N, C) under the fitted Gaussian, (..., C) in nats."""
    square = rho.square().clamp(max=1.0 - 1e-9)
    moments = (2 * rho * (s * t).mean(-2) - square * (s.square() + t.square()).mean(-2)) / (2 * (1 - square))
    return nats(rho) + moments


def _halves(u: Tensor, half: int) -> Tensor:
    """First and second half of the rows of u (B, N, D), (2, B, N // 2, D); an odd last row is in neither."""
    return torch.stack([u[:, :half], u[:, half : 2 * half]])


def _product(u: Tensor, v: Tensor) -> Tensor:
    """Mean of outer products along N, (..., N, D_x) and (..., N, D_y) -> (..., D_x, D_y)."""
    return u.transpose(-1, -2) @ v / u.shape[-2]


def _moments(u: Tensor, v: Tensor, halves_u: Tensor, halves_v: Tensor) -> Tensor:
    """Second moments of all rows and of either half, (3, B, D_x, D_y)."""
    parts = _product(halves_u, halves_v)  # (2, B, D_x, D_y)
    n, paired = u.shape[1], 2 * halves_u.shape[2]
    whole = parts.mean(0)
    if paired < n:
        whole = (whole * paired + u[:, paired:].transpose(1, 2) @ v[:, paired:]) / n
    return torch.cat([whole.unsqueeze(0), parts])


def _from_moments(c_x: Tensor, c_y: Tensor, c_xy: Tensor, share_x: Shares, share_y: Shares) -> Directions:
    """Directions for moments (F, B, D, D) of F fits and shrinkages (L, F), with leading dimensions (L, F, B)."""
    white_x, white_y = _whitener(c_x, share_x), _whitener(c_y, share_y)  # (L, F, B, D, D)
    cross = white_x.transpose(-1, -2) @ c_xy @ white_y  # (L, F, B, D_x, D_y)
    if cross.shape[-2] <= cross.shape[-1]:
        left, rho = _left_vectors(cross)  # (..., D_x, C), (..., C)
        right = _unit(cross.transpose(-1, -2) @ left)  # (..., D_y, C)
    else:
        right, rho = _left_vectors(cross.transpose(-1, -2))
        left = _unit(cross @ right)
    seen = (rho > NOISE).unsqueeze(-2).to(cross.dtype)
    return Directions(white_x @ (left * seen), white_y @ (right * seen), rho, white_x, white_y)


def _whitener(covariance: Tensor, shares: Shares) -> Tensor:
    """W (L, F, B, D, D) with W^T C W = 1 for covariances (F, B, D, D) shrunk by shares (L, F)."""
    share, identity = torch.from_numpy(_expanded(shares)), torch.from_numpy(_identity(covariance.shape[-1]))
    factor = torch.linalg.cholesky((1 - share) * covariance + (share + 1e-9) * identity)
    return torch.linalg.solve_triangular(factor, identity, upper=False).transpose(-1, -2)


@lru_cache(maxsize=64)
def _expanded(shares: Shares) -> np.ndarray:
    return np.array(shares)[:, :, None, None, None]


_identity = lru_cache(maxsize=8)(np.eye)


def _left_vectors(cross: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (..., C, C) and singular values (..., C), decreasing, of cross (..., C, D), C <= D."""
    values, vectors = torch.linalg.eigh(-(cross @ cross.transpose(-1, -2)))  # eigenvalues come increasing
    return vectors, values.clamp(-1.0, 0.0).neg().sqrt()


def _unit(columns: Tensor) -> Tensor:
    """Columns of unit length along the last dimension but one."""
    return columns / columns.norm(dim=-2, keepdim=True).clamp_min(1e-12)
