r"""Canonical correlations of columns that turn with the radius: dependence hidden by spirals and swirls.

A map that rotates a plane by an angle of the row's radius leaves every single column normal and hides its correlation
with the other side. The columns u_i, u_i cos(a), u_i sin(a) with a = 2 log(1 + |u|^2 / D) span such rotations closely,
whatever plane they turn; their canonical correlations show what was hidden, and equal the plain ones where nothing is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mist.statistics.canonical import CrossFit, cautious, cross_fit, held_out_nats, nats

COLUMNS = 12  # of a side, those with most dependence on the other; three times as many features
TURNS = 2.0  # of the angle per log(1 + r^2): guess, at 1 spirals of speed 1 fit worse, at 3 noise grows
ROWS = 4096
COMPONENTS = 6
PAIRS = 2
FEATURES = 10


class Swirl:
    """Cross-fitted canonical analysis of turned columns of B tables.

    Attributes:
        total: Nats of all held-out correlations that are positive, (B,).
        fits: The analysis.
    """

    def __init__(self, u: Tensor, v: Tensor, energy: Tensor) -> None:
        """Analyse normal scores.

        Args:
            u: Normal scores of x, (B, N, D_x).
            v: Normal scores of y, (B, N, D_y).
            energy: Strength of the dependence of every pair of columns, (B, D_x, D_y).
        """
        u, v = u[:, :ROWS], v[:, :ROWS]
        left, right = _turned(u, energy.amax(2)), _turned(v, energy.amax(1))  # (B, N, 3 D)
        self.fits: CrossFit = cross_fit(left, right, (cautious,))
        self.held_out = self.fits.held_out()[0]  # (B, C)
        self.total = nats(self.held_out.clamp_min(0.0)).sum(1)

    @property
    def variates(self) -> tuple[Tensor, Tensor]:
        """The two leading pairs on the second half of the rows, along directions of the first, (B, N // 2, 2) each."""
        return self.fits.s[0, 0, :, :, :PAIRS], self.fits.t[0, 0, :, :, :PAIRS]

    def tokens(self, plain: Tensor, plain_nats: Tensor) -> Tensor:
        """One token per leading pair, (B, COMPONENTS, FEATURES), beside the plain held-out correlations.

        Args:
            plain: These correlations, (B, C').
            plain_nats: Each in nats, with its sign.
        """
        rho = _leading(self.fits.whole.rho[0])
        gain = held_out_nats(self.fits.s[0], self.fits.t[0], self.fits.rho[0]).mean(0)
        held, straight = _leading(self.held_out), _leading(plain)
        fitted_nats = nats(self.fits.whole.rho[0])
        index = torch.arange(COMPONENTS, dtype=rho.dtype).expand_as(rho)
        totals = [fitted_nats.sum(1), self.total, self.total - plain_nats.clamp_min(0.0).sum(1)]
        parts = [
            rho,
            _leading(fitted_nats),
            held,
            nats(held) * held.sign(),
            _leading(gain),
            held - straight,
            *(total.unsqueeze(1).expand_as(rho) for total in totals),
            index / COMPONENTS,
        ]
        return torch.stack(parts, dim=-1)


def _turned(u: Tensor, strength: Tensor) -> Tensor:
    """Columns as such and turned by the row's radius, unit variance each, (B, N, 3 D) with D at most COLUMNS."""
    angle = TURNS * torch.log1p(u.square().mean(-1, keepdim=True))  # (B, N, 1)
    if u.shape[2] > COLUMNS:
        chosen = strength.topk(COLUMNS, dim=1).indices  # (B, COLUMNS)
        u = u.gather(2, chosen.to(u.device).unsqueeze(1).expand(-1, u.shape[1], -1))
    turned = torch.cat([u, u * torch.cos(angle), u * torch.sin(angle)], dim=-1)
    turned = turned - turned.mean(1, keepdim=True)
    return turned / turned.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()


def _leading(values: Tensor) -> Tensor:
    """The first COMPONENTS of (B, C), zeros where there are fewer."""
    values = values[:, :COMPONENTS]
    return torch.nn.functional.pad(values, (0, COMPONENTS - values.shape[1]))
