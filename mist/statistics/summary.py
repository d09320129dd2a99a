"""Raw values of B tables of one shape -> Batch: the order of statistics, and what every token holds."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import digamma
from torch import Tensor

from mist.batch import Batch
from mist.copula import Scores, content_order, normal_scores, smooth_scores
from mist.statistics import canonical, features, pairs
from mist.statistics.canonical import Directions, correlation, fix_signs, kurtosis, nats
from mist.statistics.neighbours import MIDDLE, NEIGHBOURS, Neighbours, ksg, ksg_leading

LEADING = 3  # canonical pairs that kNN and random features look at
ALL_ROWS = 768  # rows for kNN over all columns; the whole sample in 1+1 dimensions up to TREE_ROWS
FIRST_ROWS = 2048  # rows for kNN over the first canonical pair
LEADING_ROWS = 512  # rows for kNN over 2 or 3 canonical pairs
TREE_ROWS = 16384
TOKEN_ROWS = 128  # rows that become tokens themselves
SPECTRUM_FEATURES = 20
ROW_FEATURES = 14
GLOBAL_FEATURES = 26
NEIGHBOUR_SETS = 5  # all columns; 1, 2, 3 canonical pairs; the two whitened norms
GROUPS = {
    "spectrum": SPECTRUM_FEATURES,
    "pairs": pairs.FEATURES,
    "neighbours": 2 * len(NEIGHBOURS) + 4 + NEIGHBOUR_SETS,
    "features": features.FEATURES + 2,
    "table": GLOBAL_FEATURES,
    "rows": ROW_FEATURES,
}
ANCHORS = 14
MAX_NATS = 30.0  # anchors are clipped here: beyond what 10^6 rows can tell


def summarise(x: Tensor, y: Tensor, differentiable: bool = False) -> Batch:
    """Statistics tokens of B tables of one shape.

    Args:
        x: Raw values of one side, (B, N, D_x), finite, N >= 8.
        y: Raw values of the other side, (B, N, D_y).
        differentiable: Soft ranks instead of ranks, so that tokens carry a gradient to x and y. Nearest-neighbour
            tokens carry none.
    """
    to_scores = smooth_scores if differentiable else normal_scores
    u, v = to_scores(x), to_scores(y)
    order = content_order(u, v)
    u, v = u.rows(order), v.rows(order)
    n, d_x, d_y = u.normal.shape[1], u.normal.shape[2], v.normal.shape[2]
    spectrum = _Spectrum(u.normal, v.normal)
    near, all_local, lead_local = _neighbour_sets(u, v, spectrum)
    known = near[:, 0, : 2 * len(NEIGHBOURS)].numpy() if d_x == d_y == 1 else None
    matched = pairs.matched_pairs(u, v, known)
    waves = _wave_tokens(u, v, spectrum, matched)
    tokens = {
        "spectrum": spectrum.tokens(),
        "pairs": matched.tokens,
        "neighbours": near,
        "features": waves,
        "table": _table_token(u, v, spectrum, matched),
        "rows": _row_tokens(u, v, spectrum, all_local, lead_local),
    }
    anchors = _anchors(spectrum, matched, near, waves, n, d_x, d_y)
    return Batch(
        tokens={name: _squash(group).float() for name, group in tokens.items()},
        masks={name: torch.ones(group.shape[:2], dtype=torch.bool) for name, group in tokens.items()},
        anchors=anchors.float(),
        n=torch.full((len(x),), n),
        d_x=torch.full((len(x),), d_x),
        d_y=torch.full((len(x),), d_y),
    )


def _squash(group: Tensor) -> Tensor:
    """Tame outliers: identity near 0, logarithmic beyond about 5."""
    return 5.0 * torch.asinh(group / 5.0)


class _Spectrum:
    """Canonical analysis of B tables: in-sample and cross-fitted, at both shrinkages."""

    def __init__(self, u: Tensor, v: Tensor) -> None:
        n, d_x, d_y = u.shape[1], u.shape[2], v.shape[2]
        self.n, self.d_x, self.d_y = n, d_x, d_y
        self.u, self.v = u, v
        half = n // 2
        folds = ((slice(0, half), slice(half, n)), (slice(half, n), slice(0, half)))
        self.fitted: list[Directions] = []  # by shrinkage: faithful, cautious
        self.held_out: list[Tensor] = []  # cross-fitted correlations, (B, C)
        self.likelihood: list[Tensor] = []  # held-out nats, (B, C)
        for shrink in (canonical.faithful, canonical.cautious):
            self.fitted.append(canonical.directions(u, v, shrink(n, d_x), shrink(n, d_y)))
            rho, gain, bent = 0.0, 0.0, 0.0
            for train, test in folds:
                size = train.stop - train.start
                way = canonical.directions(u[:, train], v[:, train], shrink(size, d_x), shrink(size, d_y))
                s, t = u[:, test] @ way.x, v[:, test] @ way.y
                rho = rho + correlation(s, t) / 2
                gain = gain + canonical.held_out_nats(s, t, way.rho) / 2
                bent = bent + correlation(s.abs(), t.abs()) / 2
                if train.start == 0:
                    self.half_s, self.half_t = s, t  # the second half along directions of the first
            self.held_out.append(rho)
            self.likelihood.append(gain)
        self.held_out_bent = bent
        # the cautious variates are defined where the faithful ones are noise
        self.s, self.t = _aligned(u @ self.fitted[1].x, v @ self.fitted[1].y)  # (B, N, C) each
        self.radius_s = (u @ self.fitted[0].white_x).square().sum(-1, keepdim=True)  # (B, N, 1)
        self.radius_t = (v @ self.fitted[0].white_y).square().sum(-1, keepdim=True)

    def tokens(self) -> Tensor:
        """One token per leading canonical pair, (B, C, SPECTRUM_FEATURES)."""
        count = min(self.s.shape[2], canonical.COMPONENTS)
        s, t = self.s[..., :count], self.t[..., :count]
        stack = []
        for level in (0, 1):
            rho = self.fitted[level].rho[:, :count]
            held = self.held_out[level][:, :count]
            stack += [rho, nats(rho), held, nats(held) * held.sign(), self.likelihood[level][:, :count]]
        spread_s, spread_t = kurtosis(s), kurtosis(t)
        one, two = correlation(s.square(), t).abs(), correlation(s, t.square()).abs()
        index = torch.arange(count, dtype=torch.float64).expand(len(s), -1)
        stack += [
            correlation(s, t),
            correlation(s.abs(), t.abs()),
            correlation(s.square(), t.square()),
            self.held_out_bent[:, :count],
            one + two,
            spread_s + spread_t - 6,
            (spread_s - spread_t).abs(),
            kurtosis(s + t) - kurtosis(s - t),
            index / canonical.COMPONENTS,
            torch.log1p(index),
        ]
        return torch.stack(stack, dim=-1)


def _aligned(s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Flip canonical pairs together so that signs follow from the data."""
    signs = fix_signs(s / s.std(1, keepdim=True).clamp_min(1e-12) + t / t.std(1, keepdim=True).clamp_min(1e-12))
    return s * signs, t * signs


def _neighbour_sets(u: Scores, v: Scores, spectrum: _Spectrum) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbour tokens (B, 5, F), and each token row's own contribution over all columns and along the first pair."""
    n, d_x, d_y = spectrum.n, spectrum.d_x, spectrum.d_y
    small = d_x == 1 and d_y == 1
    most = min(LEADING, d_x, d_y)
    rows = min(n, TREE_ROWS if small else ALL_ROWS)
    x, y = _arrays(u.normal, v.normal)
    s, t = _arrays(spectrum.s[..., :most], spectrum.t[..., :most])
    half_s, half_t = _arrays(spectrum.half_s[..., :most], spectrum.half_t[..., :most])
    radius_s, radius_t = _arrays(spectrum.radius_s, spectrum.radius_t)
    everything = (ksg(x[:, :rows], y[:, :rows]), ksg(x[:, : rows // 2], y[:, : rows // 2]), rows)
    sets, lead = [everything], everything[0]
    if not small:
        whole, held = min(n, FIRST_ROWS), min(n // 2, FIRST_ROWS)
        lead = ksg(s[:, :whole, :1], t[:, :whole, :1])
        sets.append((lead, ksg(half_s[:, :held, :1], half_t[:, :held, :1]), whole))
    if most > 1:
        whole, held = min(n, LEADING_ROWS), min(n // 2, LEADING_ROWS)
        fitted = ksg_leading(s[:, :whole], t[:, :whole], most)
        tested = ksg_leading(half_s[:, :held], half_t[:, :held], most)
        sets += [(*pair, whole) for pair in zip(fitted, tested, strict=True)]
    sets += [sets[-1]] * (1 + LEADING - len(sets))  # fewer columns: the largest set stands in
    whole = min(n, pairs.KNN_ROWS)
    norms = ksg(radius_s[:, :whole], radius_t[:, :whole])
    sets.append((norms, ksg(radius_s[:, : whole // 2], radius_t[:, : whole // 2]), whole))
    tokens = np.stack([_neighbour_token(kind, *entry) for kind, entry in enumerate(sets)], axis=1)
    locals_ = (torch.from_numpy(part.local[:, :TOKEN_ROWS]) for part in (everything[0], lead))
    return torch.from_numpy(tokens), *locals_


def _arrays(*parts: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(part.detach().cpu().numpy() for part in parts)


def _neighbour_token(kind: int, whole: Neighbours, part: Neighbours, rows: int) -> np.ndarray:
    """Estimates at all rows and at half, their trend, their spread over rows, and which set this is, (B, F)."""
    batch = len(whole.nats)
    further = np.stack(
        [
            whole.nats[:, MIDDLE] - part.nats[:, MIDDLE],
            whole.local.std(axis=1) / np.sqrt(rows),
            whole.nats[:, 0] - whole.nats[:, -1],
            np.full(batch, np.log(rows) - 5.0),
        ],
        axis=1,
    )
    kinds = np.broadcast_to(np.eye(NEIGHBOUR_SETS)[kind], (batch, NEIGHBOUR_SETS))
    return np.concatenate([whole.nats, part.nats, further, kinds], axis=1)


def _wave_tokens(u: Scores, v: Scores, spectrum: _Spectrum, matched: pairs.Pairs) -> Tensor:
    """Random-feature tokens of the leading canonical pairs and of the strongest matched columns, (B, 2, F)."""
    count = min(LEADING, spectrum.d_x, spectrum.d_y)
    n = spectrum.n
    s, t = spectrum.s, spectrum.t
    if spectrum.d_x <= LEADING and spectrum.d_y <= LEADING:  # all of both sides, not only what is matched
        s, t = u.normal @ spectrum.fitted[0].white_x, v.normal @ spectrum.fitted[0].white_y
        s, t = _principal(s, spectrum.t), _principal(t, spectrum.s)
    else:
        s, t = s[..., :count], t[..., :count]
    canonical_waves = features.nonlinear_spectrum(_scaled(s), _scaled(t))
    strongest = min(2, count)
    left = u.normal.gather(2, matched.x[:, None, :strongest].expand(-1, n, -1))
    right = v.normal.gather(2, matched.y[:, None, :strongest].expand(-1, n, -1))
    matched_waves = features.nonlinear_spectrum(left, right)
    both = torch.stack([canonical_waves, matched_waves], dim=1)
    kinds = torch.eye(2, dtype=torch.float64).expand(len(both), -1, -1)
    return torch.cat([both, kinds], dim=-1)


def _principal(white: Tensor, other: Tensor) -> Tensor:
    """Columns of a whitened side in an order and orientation that follow from the data alone.

    Whitening by Cholesky depends on the order of columns. The axes become eigenvectors of the fourth-moment matrix
    E[|w|^2 w w^T] plus the dependence on the other side's leading variate, which no relabelling changes.
    """
    n, d = white.shape[1:]
    if d == 1:
        return white
    weight = white.square().sum(-1, keepdim=True) + 3.0 * other[..., :1].square()
    moment = white.transpose(1, 2) @ (weight * white) / n
    _, vectors = torch.linalg.eigh(moment)
    turned = white @ vectors.flip(-1)
    return turned * fix_signs(turned)


def _scaled(s: Tensor) -> Tensor:
    return s / s.square().mean(1, keepdim=True).clamp_min(1e-12).sqrt()


def _table_token(u: Scores, v: Scores, spectrum: _Spectrum, matched: pairs.Pairs) -> Tensor:
    """Sizes, ties and totals, (B, 1, GLOBAL_FEATURES)."""
    n, d_x, d_y = spectrum.n, spectrum.d_x, spectrum.d_y
    small, large = min(d_x, d_y), max(d_x, d_y)
    batch = len(u.normal)
    sizes = [
        math.log(n) - 5.0,
        math.log(small),
        math.log(large),
        math.log((d_x + d_y) / n),
        math.log(small * large / n),
        1.0 / math.sqrt(n),
        n**-0.5 * small,
    ]
    constants = torch.tensor(sizes, dtype=torch.float64).expand(batch, -1)
    ties = [part for side in (u.ties, v.ties) for part in (side.mean(1), side.amax(1))]
    a, b, c, d = ties
    symmetric = [a + c, (a - c).abs(), b + d, (b - d).abs()]
    rho, held = spectrum.fitted, spectrum.held_out
    radial = correlation(torch.log(spectrum.radius_s + 1e-6), torch.log(spectrum.radius_t + 1e-6))[:, 0]
    heavy = [kurtosis(spectrum.radius_s.sqrt())[:, 0], kurtosis(spectrum.radius_t.sqrt())[:, 0]]
    totals = [
        nats(rho[0].rho).sum(1),
        nats(rho[1].rho).sum(1),
        (nats(held[0]) * held[0].sign()).sum(1),
        (nats(held[1]) * held[1].sign()).sum(1),
        spectrum.likelihood[0].sum(1),
        spectrum.likelihood[1].sum(1),
        held[1].sum(1),
        radial,
        heavy[0] + heavy[1] - 6.0,
        (heavy[0] - heavy[1]).abs(),
        matched.gaussian,
    ]
    token = torch.cat([constants, torch.stack(symmetric + totals, -1), matched.totals], dim=-1)
    return token.unsqueeze(1)


def _row_tokens(u: Scores, v: Scores, spectrum: _Spectrum, all_local: Tensor, lead_local: Tensor) -> Tensor:
    """The first rows themselves, in coordinates without sides or signs, (B, R, ROW_FEATURES)."""
    count = min(spectrum.n, TOKEN_ROWS)
    s, t = _scaled(spectrum.s), _scaled(spectrum.t)
    parts = []
    for k in range(LEADING):
        if k < s.shape[2]:
            one, two = s[:, :count, k], t[:, :count, k]
            parts += [one * two, one.square() + two.square(), (one.square() - two.square()).abs()]
        else:
            parts += [torch.zeros_like(s[:, :count, 0])] * 3
    log_s = torch.log(spectrum.radius_s[:, :count, 0] / spectrum.d_x + 1e-6)
    log_t = torch.log(spectrum.radius_t[:, :count, 0] / spectrum.d_y + 1e-6)
    parts += [log_s + log_t, (log_s - log_t).abs(), log_s * log_t]
    parts += [all_local, lead_local]
    return torch.stack(parts, dim=-1)


def _anchors(spectrum, matched: pairs.Pairs, near: Tensor, waves: Tensor, n: int, d_x: int, d_y: int) -> Tensor:
    """Plug-in estimates that the network mixes, (B, ANCHORS) in nats, each clipped to [0, MAX_NATS]."""
    fitted, cautious = nats(spectrum.fitted[0].rho), nats(spectrum.fitted[1].rho)
    held = nats(spectrum.held_out[0].clamp_min(0.0))
    held_cautious = nats(spectrum.held_out[1].clamp_min(0.0))
    gaussian = fitted.sum(1) - _gaussian_bias(n, d_x, d_y)
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
    ]
    return torch.stack(parts, dim=-1).clamp(0.0, MAX_NATS)


def _gaussian_bias(n: int, d_x: int, d_y: int) -> float:
    """Mean excess of the plug-in Gaussian estimate under a Wishart law, in nats; 0 where it does not exist."""
    if n <= d_x + d_y + 1:
        return 0.5 * d_x * d_y / n

    def mean_logdet(d: int) -> float:
        return float(digamma((n - np.arange(1, d + 1)) / 2.0).sum())

    return 0.5 * (mean_logdet(d_x) + mean_logdet(d_y) - mean_logdet(d_x + d_y))
