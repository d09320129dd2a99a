r"""Canonical correlations of columns that turn with the radius: dependence hidden by spirals and swirls.

A map that rotates a plane by an angle of the row's radius leaves every single column normal and hides its correlation
with the other side. The columns u_i, u_i cos(a), u_i sin(a) with a = 2 log(1 + |u|^2 / D) span such rotations closely,
whatever plane they turn; their canonical correlations show what was hidden, and equal the plain ones where nothing is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mist.statistics.canonical import cautious, cross_fit, standardised

COLUMNS = 12  # of a side, those with most dependence on the other; three times as many features
TURNS = 2.0  # of the angle per log(1 + r^2): guess, at 1 spirals of speed 1 fit worse, at 3 noise grows
ROWS = 4096
COMPONENTS = 6
PAIRS = 2
FEATURES = 10
_PLACES = np.arange(COMPONENTS)[:, None] / COMPONENTS  # where a pair stands among others


class Swirl:
    """Cross-fitted canonical analysis of turned columns of B tables.

    Attributes:
        total: Nats of all held-out correlations that are positive, (B,).
    """

    def __init__(self, u: Tensor, v: Tensor, energy: Tensor) -> None:
        """Analyse normal scores.

        Args:
            u: Normal scores of x, (B, N, D_x).
            v: Normal scores of y, (B, N, D_y).
            energy: Strength of the dependence of every pair of columns, (B, D_x, D_y).
        """
        left, right = _turned(u[:, :ROWS], energy.amax(2)), _turned(v[:, :ROWS], energy.amax(1))  # (B, N, 3 D)
        columns = standardised(torch.cat([left, right], dim=2))
        self._fits = cross_fit(columns, (left.shape[2], right.shape[2]), (cautious,))
        self._described = self._fits.described(self._fits.moments())[0]  # (B, C, 5)
        self.total = self._described[:, :, 3].clamp_min(0.0).sum(1)

    def variates(self) -> tuple[Tensor, Tensor]:
        """The leading pairs on the second half of the rows, along directions of the first, (B, N // 2, PAIRS) each."""
        first = self._fits.fits[0, 1]
        left, right = self._fits.held[0].split_with_sizes(self._fits.widths, dim=2)
        return left @ first.x[..., :PAIRS], right @ first.y[..., :PAIRS]

    def tokens(self, plain: Tensor, plain_nats: Tensor) -> Tensor:
        """One token per leading pair, (B, COMPONENTS, FEATURES), beside the plain held-out correlations.

        Args:
            plain: These correlations, (B, C').
            plain_nats: Each in nats, with its sign.
        """
        described, straight = _leading(self._described), _leading(plain.unsqueeze(2))  # (B, COMPONENTS, 5) and 1
        beyond = self.total - plain_nats.clamp_min(0.0).sum(1)
        totals = torch.stack([self._described[:, :, 1].sum(1), self.total, beyond], dim=1).unsqueeze(1)
        sizes = (len(described), COMPONENTS, -1)
        further = [described[:, :, 2:3] - straight, totals.expand(sizes), torch.from_numpy(_PLACES).expand(sizes)]
        return torch.cat([described, *further], dim=2)


def _turned(u: Tensor, strength: Tensor) -> Tensor:
    """Columns as such and turned by the row's radius, (B, N, 3 D) with D at most COLUMNS."""
    angle = TURNS * torch.log1p(u.square().mean(-1, keepdim=True))  # (B, N, 1)
    if u.shape[2] > COLUMNS:
        chosen = strength.topk(COLUMNS, dim=1).indices  # (B, COLUMNS)
        u = u.gather(2, chosen.to(u.device).unsqueeze(1).expand(-1, u.shape[1], -1))
    return torch.cat([u, u * torch.cos(angle), u * torch.sin(angle)], dim=-1)


def _leading(values: Tensor) -> Tensor:
    """The first COMPONENTS of (B, C, F), zeros where there are fewer."""
    return torch.nn.functional.pad(values[:, :COMPONENTS], (0, 0, 0, max(COMPONENTS - values.shape[1], 0)))
