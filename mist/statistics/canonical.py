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
from torch.nn.functional import layer_norm

COMPONENTS = 32  # leading canonical pairs that become tokens; sums run over all of them
NOISE = 1e-3  # directions of weaker correlations are left out: rounding decides where they point
AT_ONCE = 1 << 14  # values up to which several moments are taken in one go: fewer calls, more memory
FLOOR = 1e-8  # smallest shrinkage: 9 nats per component stay visible

Widths = tuple[int, int]  # D_x and D_y
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
class Moments:
    """First and second moments along N of variates s and t, (..., C) each.

    Attributes:
        means: Of s and of t, (2, ..., C).
        squares: Means of their squares, (2, ..., C).
        products: Mean of s t, (..., C).
    """

    means: Tensor
    squares: Tensor
    products: Tensor

    @staticmethod
    def of(s: Tensor, t: Tensor) -> Moments:
        """Those of variates (..., N, C)."""
        both = torch.stack([s, t])
        return Moments(both.mean(-2), both.square().mean(-2), (s * t).mean(-2))

    def correlation(self) -> Tensor:
        """Pearson correlation of s and t, (..., C); 0 where either is constant."""
        scale = (self.squares - self.means.square()).prod(0).clamp_min(1e-24).sqrt()
        return ((self.products - self.means.prod(0)) / scale).clamp(-1.0, 1.0)

    def log_ratio(self, rho: Tensor) -> Tensor:
        """Mean log density ratio of whitened s and t under a Gaussian of correlation `rho` (..., C), in nats."""
        square = rho.square().clamp(max=1.0 - 1e-9)
        return nats(rho) + (2 * rho * self.products - square * self.squares.sum(0)) / (2 * (1 - square))


@dataclass(frozen=True)
class CrossFit:
    """Canonical analysis of B tables on all rows, and on each half of them for use on the other half.

    Attributes:
        fits: On all rows, the first half and the second, leading dimensions (L, 3, B) for L shrinkages.
        held: Columns of the half that each half is used on: the second and the first, (2, B, N // 2, D).
        products: Second moments of these, (2, B, D, D).
        widths: D_x and D_y, the sum of which is D.
    """

    fits: Directions
    held: Tensor
    products: Tensor
    widths: Widths

    @property
    def rho(self) -> Tensor:
        """Correlations on all rows, (L, B, C)."""
        return self.fits.rho[:, 0]

    def variates(self) -> tuple[Tensor, Tensor]:
        """Variates of x and of y on rows that were not fitted, (L, 2, B, N // 2, C) each."""
        held_u, held_v = self.held.split_with_sizes(self.widths, dim=3)
        return held_u @ self.fits.x[:, 1:], held_v @ self.fits.y[:, 1:]

    def moments(self) -> Moments:
        """Those of `variates`, (L, 2, B, C), without these: quicker, but digits go where directions are long.

        Directions have entries up to one over the root of what whitening added, so this is for cautious shrinkage.
        """
        x, y = self.fits.x[:, 1:], self.fits.y[:, 1:]  # (L, 2, B, D_x, C), (L, 2, B, D_y, C)
        mean_u, mean_v = self.held.mean(2, keepdim=True).split_with_sizes(self.widths, dim=3)
        c_x, c_xy, c_y = _blocks(self.products, self.widths)
        return Moments(
            torch.cat([mean_u @ x, mean_v @ y], dim=3).movedim(3, 0),
            torch.stack([(x * (c_x @ x)).sum(3), (y * (c_y @ y)).sum(3)]),
            (x * (c_xy @ y)).sum(3),
        )

    def described(self, held: Moments) -> Tensor:
        """What is known of every pair, (L, B, C, 5).

        Correlations on all rows and these in nats, held-out ones and these in nats with their sign, and the mean log
        density ratio of rows that were not fitted.

        Args:
            held: Moments of `variates`.
        """
        known = torch.stack([self.rho, held.correlation().mean(1)])
        known_nats = nats(known) * known.sign()
        gains = held.log_ratio(self.fits.rho[:, 1:]).mean(1)
        return torch.stack([known[0], known_nats[0], known[1], known_nats[1], gains], dim=-1)


def cross_fit(both: Tensor, widths: Widths, shrinkages: Sequence[Callable[[int, int], float]]) -> CrossFit:
    """Analyse the columns of x and y at several shrinkages.

    All fits of all shrinkages run as one batch: on small tables the number of calls decides the time.

    Args:
        both: Columns of x, followed by those of y, (B, N, D_x + D_y).
        widths: D_x and D_y.
        shrinkages: Each a function of N and D.
    """
    n, half = both.shape[1], both.shape[1] // 2
    halves = torch.stack([both[:, :half], both[:, half : 2 * half]])  # an odd last row is in neither
    share_x, share_y = (
        tuple(tuple(shrink(size, width) for size in (n, half, half)) for shrink in shrinkages) for width in widths
    )
    products = _moments(both, halves)
    fits = _from_moments(products, share_x, share_y, widths)
    return CrossFit(fits, halves.flip(0), products[1:].flip(0), widths)


def faithful(n: int, d: int) -> float:
    """Shrinkage that vanishes as (d/n)^2."""
    ratio = 0.1 * (d / n) ** 2
    return FLOOR + ratio / (1.0 + ratio)


def cautious(n: int, d: int) -> float:
    """Shrinkage by the share of noise in a sample covariance."""
    return d / (d + n)


def directions(u: Tensor, v: Tensor, shrink_x: float, shrink_y: float) -> Directions:
    """Canonical directions of normal scores u (B, N, D_x) and v (B, N, D_y)."""
    moments = _product(torch.cat([u, v], dim=2)).unsqueeze(0)  # (1, B, D, D)
    return _from_moments(moments, ((shrink_x,),), ((shrink_y,),), (u.shape[2], v.shape[2]))[0, 0]


def nats(rho: Tensor) -> Tensor:
    """Mutual information of a bivariate normal with correlation `rho`, elementwise, in nats."""
    return -0.5 * torch.log1p(-rho.square().clamp(max=1.0 - 1e-12))


def correlation(s: Tensor, t: Tensor) -> Tensor:
    """Pearson correlation along N of s and t, (..., N, C) each -> (..., C); 0 where either is constant."""
    return correlations((s, t))[0]


def correlations(*sets: tuple[Tensor, Tensor]) -> Tensor:
    """Pearson correlations of several pairs of one shape (..., N, C), small ones in one go, (S, ..., C)."""
    if sets[0][0].numel() > AT_ONCE and len(sets) > 1:
        return torch.cat([correlations(each) for each in sets])
    rows = torch.stack([side for pair in zip(*sets, strict=True) for side in pair]).transpose(-1, -2)
    left, right = layer_norm(rows, rows.shape[-1:], eps=1e-24).chunk(2)  # (S, ..., C, N): mean 0, mean square 1
    return (left * right).mean(-1).clamp(-1.0, 1.0)


def kurtosis(s: Tensor) -> Tensor:
    """Kurtosis along N, (..., N, C) -> (..., C); 3 for a normal law, near 0 where a variate hardly varies."""
    square = (s - s.mean(-2, keepdim=True)).square()
    return square.square().mean(-2) / square.mean(-2).square().clamp_min(1e-12)


def kurtoses(*sets: Tensor) -> Tensor:
    """Kurtosis of several variates of one shape (..., N, C), small ones in one go, (S, ..., C)."""
    if sets[0].numel() > AT_ONCE:
        return torch.stack([kurtosis(s) for s in sets])
    return kurtosis(torch.stack(sets))


def standardised(s: Tensor) -> Tensor:
    """Columns (B, N, C) of mean 0 and mean square 1; zeros where they are constant."""
    return scaled(s - s.mean(1, keepdim=True))


def scaled(s: Tensor) -> Tensor:
    """Columns (B, N, C) with a mean square of 1."""
    return s / s.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()


def fix_signs(s: Tensor) -> Tensor:
    """+1 or -1 per variate (B, 1, C) so that third moments become positive: eigenvectors have no sign of their own."""
    return torch.where((s.square() * s).sum(1, keepdim=True) < 0, -1.0, 1.0)


def _product(u: Tensor) -> Tensor:
    """Mean of outer products along N, (..., N, D) -> (..., D, D)."""
    return u.transpose(-1, -2) @ u / u.shape[-2]


def _moments(u: Tensor, halves: Tensor) -> Tensor:
    """Second moments of all rows (B, N, D) and of either half (2, B, N // 2, D), (3, B, D, D)."""
    parts = _product(halves)  # (2, B, D, D)
    n, paired = u.shape[1], 2 * halves.shape[2]
    whole = parts.mean(0, keepdim=True)
    if paired < n:
        last = u[:, paired:]  # (B, 1, D)
        whole = (whole * paired + last.transpose(1, 2) @ last) / n
    return torch.cat([whole, parts])


def _from_moments(moments: Tensor, share_x: Shares, share_y: Shares, widths: Widths) -> Directions:
    """Directions for moments (F, B, D, D) of F fits and shrinkages (L, F), with leading dimensions (L, F, B).

    Args:
        moments: Second moments of the columns of x, followed by those of y.
        share_x: How far those of x are shrunk.
        share_y: Likewise for y.
        widths: D_x and D_y, the sum of which is D.
    """
    c_x, c_xy, c_y = _blocks(moments, widths)
    if widths == (1, 1) and share_x == share_y:
        return _of_numbers(c_x, c_xy, c_y, share_x)
    white_x, white_y = _whiteners(c_x, c_y, share_x, share_y)  # (L, F, B, D_x, D_x), (L, F, B, D_y, D_y)
    cross = white_x.transpose(-1, -2) @ c_xy @ white_y  # (L, F, B, D_x, D_y)
    if cross.shape[-2] <= cross.shape[-1]:
        left, rho = _left_vectors(cross)  # (..., D_x, C), (..., C)
        right = _unit(cross.transpose(-1, -2) @ left)  # (..., D_y, C)
    else:
        right, rho = _left_vectors(cross.transpose(-1, -2))
        left = _unit(cross @ right)
    seen = (rho > NOISE).unsqueeze(-2)
    return Directions(white_x @ (left * seen), white_y @ (right * seen), rho, white_x, white_y)


def _of_numbers(c_x: Tensor, c_xy: Tensor, c_y: Tensor, shares: Shares) -> Directions:
    """What `_from_moments` finds for one column a side, in a sixth of the calls: numbers need no decomposition."""
    kept, ridge, _ = map(torch.from_numpy, _shrinkage(shares, 1))
    white_x, white_y = (kept * torch.stack([c_x, c_y]).unsqueeze(1) + ridge).rsqrt().unbind()  # (L, F, B, 1, 1) each
    cross = white_x * c_xy * white_y
    rho = cross.abs().clamp(max=1.0)  # shrunk variances may be too small for the covariance
    seen = rho > NOISE
    return Directions(white_x * seen, white_y * (cross.sign() * seen), rho[..., 0], white_x, white_y)


def _blocks(moments: Tensor, widths: Widths) -> tuple[Tensor, Tensor, Tensor]:
    """Second moments (..., D, D) within x, between x and y, and within y."""
    (c_x, c_xy), (_, c_y) = (rows.split_with_sizes(widths, dim=-1) for rows in moments.split_with_sizes(widths, dim=-2))
    return c_x, c_xy, c_y


def _whiteners(c_x: Tensor, c_y: Tensor, share_x: Shares, share_y: Shares) -> tuple[Tensor, Tensor]:
    """What `_whitener` finds for either side, in one go where they have as many columns."""
    if c_x.shape != c_y.shape:
        return _whitener(c_x, share_x), _whitener(c_y, share_y)
    both = _whitener(torch.stack([c_x, c_y], dim=1).flatten(1, 2), share_x)  # (L, F, 2 B, D, D)
    white_x, white_y = both.chunk(2, dim=2)
    return white_x, white_y


def _whitener(covariance: Tensor, shares: Shares) -> Tensor:
    """W (L, F, B, D, D) with W^T C W = 1 for covariances C (F, B, D, D) shrunk by shares (L, F)."""
    kept, ridge, identity = map(torch.from_numpy, _shrinkage(shares, covariance.shape[-1]))
    factor = torch.linalg.cholesky(kept * covariance + ridge)
    return torch.linalg.solve_triangular(factor, identity, upper=False).transpose(-1, -2)


@lru_cache(maxsize=16)
def _shrinkage(shares: Shares, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a covariance keeps (L, F, 1, 1, 1), what it gains (L, F, 1, D, D), and the identity (D, D)."""
    share, identity = np.array(shares)[:, :, None, None, None], np.eye(d)
    return 1 - share, (share + 1e-9) * identity, identity


def _left_vectors(cross: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (..., C, C) and singular values (..., C), decreasing, of cross (..., C, D), C <= D."""
    values, vectors = torch.linalg.eigh(-(cross @ cross.transpose(-1, -2)))  # eigenvalues come increasing
    return vectors, values.clamp(-1.0, 0.0).neg().sqrt()


def _unit(columns: Tensor) -> Tensor:
    """Columns of unit length along the last dimension but one."""
    return columns / torch.linalg.vector_norm(columns, dim=-2, keepdim=True).clamp_min(1e-12)
